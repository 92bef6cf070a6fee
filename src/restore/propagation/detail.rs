//! A restored frame's picture, moved to where another frame shows it.
//!
//! Each pixel of the small frame is a block of the large one, whose samples move as one. What is mixed between blocks is
//! how bright they are and how far they are to be believed, of which steps would show.

use super::field::Place;
use crate::restore::SCALE;

/// Threads that share the rows of a picture.
const MOST_THREADS: usize = 4;
/// Parts of a pixel in which blocks move.
const PARTS: i32 = 32;
/// Parts of a level in which values are reckoned.
const LEVEL: i32 = PARTS * PARTS;
/// Confidence of 1.
const CERTAIN: i32 = 256;
/// Shares, in eighths, of the second of two samples in the four output samples between their centres.
const SHARES: [i32; SCALE] = [1, 3, 5, 7];

/// Samples of a block in one row: red, green and blue of each pixel.
const BLOCK: usize = SCALE * 3;

/// A restored picture, packed RGB of 4W×4H pixels.
#[derive(Debug)]
pub struct Detail {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Detail {
    /// Of `width`×`height` pixels.
    pub fn new(rgb: Vec<u8>, width: usize, height: usize) -> Detail {
        Detail { width, height, rgb }
    }

    /// Shows it in the picture of another frame, whose pixels lie at `field` in this one's.
    pub fn show(&self, field: &[Place], picture: &mut [u8]) {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
        let rows = self.height.div_ceil(threads);
        let bands = picture.chunks_mut(rows * self.width * 3);
        let mut bands = bands.enumerate().map(|(index, band)| (index * rows, band));
        // The first is this thread's own.
        let own = bands.next();
        std::thread::scope(|scope| {
            for (top, band) in bands {
                scope.spawn(move || self.show_rows(field, top, band));
            }
            if let Some((top, band)) = own {
                self.show_rows(field, top, band);
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
    fn block(&self, x: usize, y: usize, place: &Place) -> [i32; BLOCK] {
        let parts = |distance: f32| (distance * (SCALE as f32 * PARTS as f32)) as i32;
        // Such that the block and one pixel after it lie within the picture. Sides are bounded by the caps.
        let limit = |at: usize, distance: f32, last: usize| {
            (at as i32 * PARTS + parts(distance)).clamp(0, last as i32 * PARTS - 1)
        };
        let x = limit(x, place.across, self.width - SCALE);
        let y = limit(y, place.down, self.height - 1);
        let [across, down] = [x % PARTS, y % PARTS];
        let start = ((y / PARTS) as usize * self.width + (x / PARTS) as usize) * 3;
        // As arrays, whose length the compiler knows.
        let row = |start: usize| self.rgb[start..].first_chunk::<{ BLOCK + 3 }>();
        let (Some(upper), Some(lower)) = (row(start), row(start + self.width * 3)) else {
            return [0; BLOCK];
        };
        let weights = [
            (PARTS - across) * (PARTS - down),
            across * (PARTS - down),
            (PARTS - across) * down,
            across * down,
        ];
        std::array::from_fn(|at| {
            let samples = [upper[at], upper[at + 3], lower[at], lower[at + 3]].map(i32::from);
            samples[0] * weights[0] + samples[1] * weights[1] + samples[2] * weights[2] + samples[3] * weights[3]
        })
    }
}

/// One row of the large picture, in parts of a level and of [`CERTAIN`].
struct Row {
    /// Pixels of the small one.
    columns: usize,
    /// What has moved there.
    moved: Vec<i32>,
    /// By how much it is brighter now, and how far it is to be believed: of each column, and of each pixel.
    of_columns: Vec<[i32; 2]>,
    of_pixels: Vec<[i32; 2]>,
}

impl Row {
    fn new(width: usize) -> Row {
        Row {
            columns: width / SCALE,
            moved: vec![0; width * 3],
            of_columns: vec![[0; 2]; width / SCALE],
            of_pixels: vec![[0; 2]; width],
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
            *mixed = [
                mix(a.brighter, b.brighter, LEVEL),
                mix(a.confidence, b.confidence, CERTAIN),
            ];
        }
        self.mix_columns();
    }

    /// From columns to pixels.
    fn mix_columns(&mut self) {
        let (start, rest) = self.of_pixels.split_at_mut(SCALE / 2);
        let (between, end) = rest.as_chunks_mut::<SCALE>();
        for (pixels, pair) in between.iter_mut().zip(self.of_columns.windows(2)) {
            for (pixel, share) in pixels.iter_mut().zip(SHARES) {
                *pixel = [0, 1].map(|part| (pair[0][part] * (8 - share) + pair[1][part] * share) / 8);
            }
        }
        start.fill(self.of_columns[0]);
        end.fill(self.of_columns[self.columns - 1]);
    }

    /// Shows what has moved there, as far as it is to be believed.
    fn apply(&self, pixels: &mut [u8]) {
        const UNIT: i32 = LEVEL * CERTAIN;
        let pixels = pixels.as_chunks_mut::<3>().0.iter_mut();
        let moved = self.moved.as_chunks::<3>().0;
        for (pixel, (moved, [brighter, confidence])) in pixels.zip(moved.iter().zip(&self.of_pixels)) {
            for (channel, moved) in pixel.iter_mut().zip(moved) {
                // Within a few hundred levels: no overflow.
                let change = (moved + brighter - i32::from(*channel) * LEVEL) * confidence;
                *channel = (i32::from(*channel) + (change + UNIT / 2).div_euclid(UNIT)).clamp(0, 255) as u8;
            }
        }
    }
}
