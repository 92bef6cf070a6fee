//! Colour fixes: the restored picture takes its colours from the bicubic picture of the input, the reference.
//!
//! Both pictures are packed u8 RGB of one size. Statistics are of the whole picture, never of a tile.

use super::blend::round_to_u8;

/// Added to variances, of values in [0, 1], so that an even picture has a deviation to divide by.
const VARIANCE_FLOOR: f64 = 1e-5;
/// Distance of the taps of each level of the wavelet decomposition, pixels.
const RADII: [usize; 5] = [1, 2, 4, 8, 16];
/// Rows that are decomposed at a time.
const BAND: usize = 128;

/// Gives every channel of `restored` the mean and the deviation of the same channel of `reference` (adaptive instance
/// normalisation): an affine map of each channel, hence a table.
///
/// # Panics
/// If the slices are not of one length, or that is not a multiple of 3.
pub fn adain(restored: &mut [u8], reference: &[u8]) {
    assert_eq!(restored.len(), reference.len(), "two pictures of one size");
    let (own, wanted) = (statistics(restored), statistics(reference));
    let tables: [[u8; 256]; 3] = std::array::from_fn(|channel| table(own[channel], wanted[channel]));
    let (pixels, rest) = restored.as_chunks_mut::<3>();
    assert!(rest.is_empty(), "three bytes a pixel");
    for pixel in pixels {
        (0..3).for_each(|channel| pixel[channel] = tables[channel][usize::from(pixel[channel])]);
    }
}

/// Mean and deviation of a channel, of values in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Statistics {
    mean: f64,
    deviation: f64,
}

fn table(own: Statistics, wanted: Statistics) -> [u8; 256] {
    let gain = wanted.deviation / own.deviation;
    // The cast saturates.
    std::array::from_fn(|level| (((level as f64 / 255.0 - own.mean) * gain + wanted.mean) * 255.0).round() as u8)
}

fn statistics(picture: &[u8]) -> [Statistics; 3] {
    let count = (picture.len() / 3) as f64;
    sums(picture).map(|(sum, squares)| {
        let mean = sum as f64 / count;
        let variance = (squares as f64 - sum as f64 * mean) / (count - 1.0).max(1.0) / (255.0 * 255.0);
        Statistics {
            mean: mean / 255.0,
            deviation: (variance.max(0.0) + VARIANCE_FLOOR).sqrt(),
        }
    })
}

/// Sum and sum of squares of each channel.
fn sums(picture: &[u8]) -> [(u64, u64); 3] {
    /// Values added side by side: a multiple of 3, and of the widest vectors.
    const LANES: usize = 96;
    /// Vectors after which 32 bits might overflow: 65,025 · 65,536 < 2³².
    const BLOCK: usize = 65_536;
    let mut totals = [(0_u64, 0_u64); 3];
    for block in picture.chunks(LANES * BLOCK) {
        let (mut sums, mut squares) = ([0_u32; LANES], [0_u32; LANES]);
        let (vectors, rest) = block.as_chunks::<LANES>();
        for vector in vectors {
            for lane in 0..LANES {
                let value = u32::from(vector[lane]);
                sums[lane] += value;
                squares[lane] += value * value;
            }
        }
        for lane in 0..LANES {
            totals[lane % 3].0 += u64::from(sums[lane]);
            totals[lane % 3].1 += u64::from(squares[lane]);
        }
        for (at, value) in rest.iter().enumerate() {
            totals[at % 3].0 += u64::from(*value);
            totals[at % 3].1 += u64::from(*value) * u64::from(*value);
        }
    }
    totals
}

/// The wavelet colour fix: the highest frequencies of the restored picture on the lowest of the reference, divided by
/// a five-level à-trous decomposition with a binomial filter. Keeps its scratch memory from one picture to the next.
///
/// Decomposition is linear: high(restored) + low(reference) = restored + low(reference - restored), so one picture
/// is filtered instead of two. It is done in bands of rows, each with as many rows around it as the filters reach.
#[derive(Debug, Default)]
pub struct Wavelet {
    /// reference - restored, of the rows that the current band's filters reach.
    unfiltered: Vec<f32>,
    /// The same, through the levels so far.
    low: Vec<f32>,
    /// The level being computed.
    next: Vec<f32>,
    /// One row of it, filtered downwards only.
    row: Vec<f32>,
}

impl Wavelet {
    /// Changes the colours of `restored`, `width` pixels wide, to those of `reference`.
    ///
    /// # Panics
    /// If the slices are not of one length, or that is not a multiple of a row.
    pub fn apply(&mut self, restored: &mut [u8], reference: &[u8], width: usize) {
        assert_eq!(restored.len(), reference.len(), "two pictures of one size");
        assert!(width > 0 && restored.len().is_multiple_of(width * 3), "whole rows");
        let row = width * 3;
        let height = restored.len() / row;
        let reach: usize = RADII.iter().sum();
        self.unfiltered.clear();
        let mut held = 0..0;
        for top in (0..height).step_by(BAND) {
            let bottom = (top + BAND).min(height);
            let wanted = top.saturating_sub(reach)..(bottom + reach).min(height);
            // Rows above `top` are restored by now; their differences are held from before.
            self.unfiltered.drain(..(wanted.start - held.start) * row);
            let fresh = held.end * row..wanted.end * row;
            let pairs = restored[fresh.clone()].iter().zip(&reference[fresh]);
            self.unfiltered
                .extend(pairs.map(|(own, wanted)| f32::from(*wanted) - f32::from(*own)));
            held = wanted;
            self.filter(row);
            let low = &self.low[(top - held.start) * row..(bottom - held.start) * row];
            let values = restored[top * row..bottom * row].iter_mut().zip(low);
            values.for_each(|(value, low)| *value = round_to_u8(f32::from(*value) + low));
        }
    }

    /// Filters `unfiltered`, of rows of `row` values, through all levels into `low`.
    fn filter(&mut self, row: usize) {
        let height = self.unfiltered.len() / row;
        self.low.clone_from(&self.unfiltered);
        self.next.resize(self.low.len(), 0.0);
        self.row.resize(row, 0.0);
        for radius in RADII {
            for y in 0..height {
                let line = |y: usize| &self.low[y * row..(y + 1) * row];
                let taps = line(y.saturating_sub(radius))
                    .iter()
                    .zip(line(y))
                    .zip(line((y + radius).min(height - 1)));
                self.row
                    .iter_mut()
                    .zip(taps)
                    .for_each(|(sum, ((a, b), c))| *sum = (a + 2.0 * b + c) * 0.25);
                filter_row(&self.row, &mut self.next[y * row..(y + 1) * row], radius * 3);
            }
            std::mem::swap(&mut self.low, &mut self.next);
        }
    }
}

/// Filters one row of interleaved RGB with taps `distance` values apart; the edge pixels are repeated.
fn filter_row(from: &[f32], to: &mut [f32], distance: usize) {
    let length = from.len();
    let inside = distance.min(length)..length.saturating_sub(distance).max(distance.min(length));
    let edge = |at: usize| {
        let left = if at < distance { at % 3 } else { at - distance };
        let right = if at + distance < length {
            at + distance
        } else {
            length - 3 + at % 3
        };
        (from[left] + 2.0 * from[at] + from[right]) * 0.25
    };
    (0..inside.start)
        .chain(inside.end..length)
        .for_each(|at| to[at] = edge(at));
    if !inside.is_empty() {
        let taps = from.iter().zip(&from[distance..]).zip(&from[2 * distance..]);
        to[inside]
            .iter_mut()
            .zip(taps)
            .for_each(|(sum, ((a, b), c))| *sum = (a + 2.0 * b + c) * 0.25);
    }
}
