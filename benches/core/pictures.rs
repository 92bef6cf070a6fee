//! What the host does with pictures: blending tiles, the bicubic enlargement, the colour fixes.

use criterion::Criterion;
use gstdloralvsr::pack::{GraphSizes, TileBatch, TileShape};
use gstdloralvsr::restore::blend::{PictureBlender, Weights, Window};
use gstdloralvsr::restore::color::{self, Wavelet};
use gstdloralvsr::restore::plan::TilePlan;
use gstdloralvsr::restore::upscale::{Samples, Upscaler};

use crate::{SCALE, at_every_size, picture};

/// Output pixels per latent sample of the plan that is blended.
const FACTOR: usize = 8;

/// The decoder's tiles, a quarter of the picture's height each.
pub fn blend(criterion: &mut Criterion) {
    at_every_size(criterion, "blend", |width, height| {
        let [height, width] = [height, width].map(|side| side * SCALE / FACTOR);
        let side = height / 4;
        let rule = GraphSizes {
            tile: side,
            overlap: side / 4,
            min: 1,
            multiple: 1,
            shape: TileShape::Square,
            batch: TileBatch::One,
        };
        let plan = TilePlan::new(height, width, &rule);
        let weights = Weights::new(&plan, Window::Feather, FACTOR);
        let [tile_height, tile_width] = plan.tile.map(|side| side * FACTOR);
        let tile = picture(tile_width, tile_height, 0);
        let mut output = vec![0; height * width * FACTOR * FACTOR * 3];
        let mut blender = PictureBlender::default();
        move || {
            blender.start(width * FACTOR, tile_height);
            for (row, top) in plan.rows.iter().enumerate() {
                for (column, left) in plan.columns.iter().enumerate() {
                    let shares = [&weights.rows[row], &weights.columns[column]];
                    blender.add(&mut output, &tile, [top * FACTOR, left * FACTOR], shares);
                }
                let end = plan.rows.get(row + 1).copied().unwrap_or(height);
                blender.finish_rows(&mut output, top * FACTOR..end * FACTOR, &weights.rows[row]);
            }
        }
    });
}

pub fn upscale(criterion: &mut Criterion) {
    at_every_size(criterion, "upscale", |width, height| {
        let frame = picture(width, height, 0);
        let mut output = vec![0; frame.len() * SCALE * SCALE];
        let mut upscaler = Upscaler::new();
        move || {
            upscaler
                .upscale(&frame, width, height, Samples::Rgb, &mut output)
                .unwrap()
        }
    });
}

/// Both fixes, on a picture that has them already: what they cost does not depend on it.
pub fn color(criterion: &mut Criterion) {
    at_every_size(criterion, "color/adain", |width, height| {
        let [mut restored, reference] = [0, 1].map(|number| picture(width * SCALE, height * SCALE, number));
        move || color::adain(&mut restored, &reference)
    });
    at_every_size(criterion, "color/wavelet", |width, height| {
        let [mut restored, reference] = [0, 1].map(|number| picture(width * SCALE, height * SCALE, number));
        let mut wavelet = Wavelet::default();
        move || wavelet.apply(&mut restored, &reference, width * SCALE)
    });
}
