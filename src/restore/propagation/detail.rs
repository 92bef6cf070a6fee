//! A restored frame's luma, moved to where another frame shows it.
//!
//! Each pixel of the small frame is a block of the large one, whose samples move as one. What is mixed between blocks is
//! how bright they are and how far they are to be believed, of which steps would show.

use super::field::Place;
use crate::restore::SCALE;

/// Threads that share the rows of a picture.
const MOST_THREADS: usize = 4;
/// Parts of a pixel in which blocks move.
const PARTS: i32 = 32;
/// Parts of a level in which luma is reckoned.
const LEVEL: i32 = PARTS * PARTS;
/// Confidence of 1.
const CERTAIN: i32 = 256;
/// Shares, in eighths, of the second of two samples in the four output samples between their centres.
const SHARES: [i32; SCALE] = [1, 3, 5, 7];

/// Luma of a restored picture, of 4W×4H pixels.
#[derive(Debug)]
pub struct Detail {
    width: usize,
    height: usize,
    values: Vec<u8>,
}

impl Detail {
    /// Of a packed RGB picture of `width`×`height` pixels.
    pub fn new(restored: &[u8], width: usize, height: usize) -> Detail {
        let pixels = restored.as_chunks::<3>().0.iter();
        Detail {
            width,
            height,
            // From 0 to 255.
            values: pixels.map(|pixel| (luma(pixel) / LEVEL) as u8).collect(),
        }
    }

    /// Gives the bicubic picture of another frame this luma, where its pixels lie at `field` in this one's.
    pub fn show(&self, field: &[Place], bicubic: &mut [u8]) {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
        let rows = self.height.div_ceil(threads);
        std::thread::scope(|scope| {
            for (index, band) in bicubic.chunks_mut(rows * self.width * 3).enumerate() {
                scope.spawn(move || self.show_rows(field, index * rows, band));
            }
        });
    }

    /// Some rows of it, from `top` on.
    fn show_rows(&self, field: &[Place], top: usize, band: &mut [u8]) {
        let mut row = Row::new(self.width);
        for (y, pixels) in (top..).zip(band.chunks_exact_mut(self.width * 3)) {
            let places = &field[y / SCALE * row.columns..][..row.columns];
            for (column, (place, moved)) in places.iter().zip(row.moved.as_chunks_mut().0).enumerate() {
                *moved = self.block(column * SCALE, y, place);
            }
            row.mix(field, y);
            row.apply(pixels);
        }
    }

    /// The samples that a block shows in its row `y`, in parts of a level; beyond the border those of the border.
    fn block(&self, x: usize, y: usize, place: &Place) -> [i32; SCALE] {
        let parts = |distance: f32| (distance * (SCALE as f32 * PARTS as f32)) as i32;
        // Such that the block and one sample after it lie within the picture. Sides are bounded by the caps.
        let limit = |at: usize, distance: f32, last: usize| {
            (at as i32 * PARTS + parts(distance)).clamp(0, last as i32 * PARTS - 1)
        };
        let x = limit(x, place.across, self.width - SCALE);
        let y = limit(y, place.down, self.height - 1);
        let [across, down] = [x % PARTS, y % PARTS];
        let start = (y / PARTS) as usize * self.width + (x / PARTS) as usize;
        let upper = &self.values[start..=start + SCALE];
        let lower = &self.values[start + self.width..=start + self.width + SCALE];
        let mix = |row: &[u8], at: usize| i32::from(row[at]) * (PARTS - across) + i32::from(row[at + 1]) * across;
        std::array::from_fn(|at| mix(upper, at) * (PARTS - down) + mix(lower, at) * down)
    }
}

/// One row of the large picture, in parts of a level and of [`CERTAIN`].
struct Row {
    /// Pixels of the small one.
    columns: usize,
    /// Luma that has moved there.
    moved: Vec<i32>,
    /// How far it is to be believed, and what is added to red, green and blue: of each column, and of each pixel.
    of_columns: Vec<[i32; 4]>,
    of_pixels: Vec<[i32; 4]>,
}

impl Row {
    fn new(width: usize) -> Row {
        Row {
            columns: width / SCALE,
            moved: vec![0; width],
            of_columns: vec![[0; 4]; width / SCALE],
            of_pixels: vec![[0; 4]; width],
        }
    }

    /// Mixes what `field` says around row `y`.
    fn mix(&mut self, field: &[Place], y: usize) {
        let rows = field.len() / self.columns;
        // Output row 2 is the first one behind the centre of the first row.
        let (first, share) = match y.checked_sub(SCALE / 2) {
            Some(behind) => (behind / SCALE, SHARES[behind % SCALE]),
            None => (0, 0),
        };
        let row = |at: usize| &field[at.min(rows - 1) * self.columns..][..self.columns];
        let mix = |a: f32, b: f32, unit: i32| ((a + (b - a) * share as f32 / 8.0) * unit as f32) as i32;
        for (mixed, (a, b)) in self.of_columns.iter_mut().zip(row(first).iter().zip(row(first + 1))) {
            let color = |channel: usize| {
                let of = |place: &Place| place.brighter + place.colors[channel];
                mix(of(a), of(b), LEVEL)
            };
            *mixed = [mix(a.confidence, b.confidence, CERTAIN), color(0), color(1), color(2)];
        }
        self.mix_columns();
    }

    /// From columns to pixels.
    fn mix_columns(&mut self) {
        let (start, rest) = self.of_pixels.split_at_mut(SCALE / 2);
        let (between, end) = rest.as_chunks_mut::<SCALE>();
        for (pixels, pair) in between.iter_mut().zip(self.of_columns.windows(2)) {
            for (pixel, share) in pixels.iter_mut().zip(SHARES) {
                *pixel = [0, 1, 2, 3].map(|part| (pair[0][part] * (8 - share) + pair[1][part] * share) / 8);
            }
        }
        start.fill(self.of_columns[0]);
        end.fill(self.of_columns[self.columns - 1]);
    }

    /// Changes the pixels' luma, and their colours by as much as the model does.
    fn apply(&self, pixels: &mut [u8]) {
        const UNIT: i32 = LEVEL * CERTAIN;
        let pixels = pixels.as_chunks_mut::<3>().0.iter_mut();
        for (pixel, (moved, [confidence, colors @ ..])) in pixels.zip(self.moved.iter().zip(&self.of_pixels)) {
            let change = moved - luma(pixel);
            for (channel, color) in pixel.iter_mut().zip(colors) {
                // Within a few hundred levels: no overflow.
                let change = ((change + color) * confidence + UNIT / 2).div_euclid(UNIT);
                *channel = (i32::from(*channel) + change).clamp(0, 255) as u8;
            }
        }
    }
}

/// In parts of a level.
fn luma([red, green, blue]: &[u8; 3]) -> i32 {
    (77 * i32::from(*red) + 150 * i32::from(*green) + 29 * i32::from(*blue)) * (LEVEL / 256)
}
