//! How tiles are put together again.
//!
//! Tiles lie on a grid and their windows are separable, so the weights of a picture are one list per row of tiles and
//! one per column, each normalised along its axis: the products then sum to one at every sample, and no sum of weights
//! has to be kept per sample. Everything is accumulated in f32.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4, Axis, s};

use super::plan::TilePlan;

/// Variance of the Gaussian window, in squares of a tile's side.
const GAUSSIAN_VARIANCE: f64 = 0.01;

/// How much a sample of a tile counts, by where it lies in the tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The Gaussian of DLoRAL's tiled inference. It is centred at (n-1)/2 across and n/2 down, as there; in the
    /// corners it is some 3e-10, which is why weights are normalised in f64.
    Gaussian,
    /// A ramp over the overlap, and even inside.
    Feather,
}

impl Window {
    /// Weights of `length` samples down a tile, not normalised; the tile overlaps the next by `overlap` samples.
    pub fn down(self, length: usize, overlap: usize) -> Vec<f64> {
        match self {
            Window::Gaussian => gaussian(length, length as f64 / 2.0),
            Window::Feather => feather(length, overlap),
        }
    }

    /// Weights of `length` samples across a tile, not normalised; the tile overlaps the next by `overlap` samples.
    pub fn across(self, length: usize, overlap: usize) -> Vec<f64> {
        match self {
            Window::Gaussian => gaussian(length, (length as f64 - 1.0) / 2.0),
            Window::Feather => feather(length, overlap),
        }
    }
}

fn gaussian(length: usize, midpoint: f64) -> Vec<f64> {
    let variance = GAUSSIAN_VARIANCE * (length * length) as f64;
    let density = |at: usize| (-(at as f64 - midpoint).powi(2) / (2.0 * variance)).exp();
    let scale = (2.0 * std::f64::consts::PI * GAUSSIAN_VARIANCE).sqrt().recip();
    (0..length).map(|at| density(at) * scale).collect()
}

fn feather(length: usize, overlap: usize) -> Vec<f64> {
    let ramp = overlap.max(1) as f64;
    (0..length)
        .map(|at| ((at.min(length - 1 - at) as f64 + 0.5) / ramp).min(1.0))
        .collect()
}

/// What tiles count for along one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// One weight per sample of the tile.
    pub weights: Vec<f32>,
    /// Samples of the tile that no other one covers; may be empty.
    pub alone: Range<usize>,
}

/// The shares of every row and column of tiles of a plan; at each sample the weights of an axis sum to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Per row of tiles, down.
    pub rows: Vec<Share>,
    /// Per column of tiles, across.
    pub columns: Vec<Share>,
}

impl Weights {
    /// The weights of `plan`, for a picture that has `scale` pixels for each sample of the plan.
    pub fn new(plan: &TilePlan, window: Window, scale: usize) -> Weights {
        let [height, width] = plan.tile.map(|side| side * scale);
        let overlap = plan.overlap * scale;
        Weights {
            rows: normalise(&plan.rows, scale, &window.down(height, overlap)),
            columns: normalise(&plan.columns, scale, &window.across(width, overlap)),
        }
    }
}

/// Divides the window of each tile by the sum of all windows over its samples.
fn normalise(starts: &[usize], scale: usize, window: &[f64]) -> Vec<Share> {
    let length = starts.last().map_or(0, |start| start * scale + window.len());
    let mut sums = vec![0.0; length];
    for start in starts {
        sums[start * scale..]
            .iter_mut()
            .zip(window)
            .for_each(|(sum, weight)| *sum += weight);
    }
    let shares = |start: &usize| {
        window
            .iter()
            .zip(&sums[start * scale..])
            .map(|(weight, sum)| (weight / sum) as f32)
    };
    let share = |(at, start)| Share {
        weights: shares(start).collect(),
        alone: alone(starts, at, scale, window.len()),
    };
    starts.iter().enumerate().map(share).collect()
}

/// Samples of the tile `at` that neither the one before nor the one behind it covers.
fn alone(starts: &[usize], at: usize, scale: usize, length: usize) -> Range<usize> {
    let start = starts[at] * scale;
    let before = at.checked_sub(1).map_or(0, |before| starts[before] * scale + length);
    let behind = starts.get(at + 1).map_or(start + length, |behind| behind * scale);
    let (from, to) = (before.max(start) - start, behind.min(start + length) - start);
    if from < to { from..to } else { 0..0 }
}

/// Adds a tile `[1, C, h, w]`, weighted, to its place in a picture `[1, C, H, W]` that starts as zeros.
///
/// # Panics
/// If the tile does not lie within the picture, or a weight list is not as long as the tile's side.
pub fn add_latent_tile(
    mut picture: ArrayViewMut4<'_, f32>,
    tile: ArrayView4<'_, f32>,
    [top, left]: [usize; 2],
    [down, across]: [&[f32]; 2],
) {
    let (_, _, height, width) = tile.dim();
    assert!(
        down.len() == height && across.len() == width,
        "a weight for each row and column of the tile"
    );
    let mut place = picture.slice_mut(s![.., .., top..top + height, left..left + width]);
    for (mut into, from) in place.axis_iter_mut(Axis(1)).zip(tile.axis_iter(Axis(1))) {
        let rows = into.rows_mut().into_iter().zip(from.rows());
        for ((mut into, from), weight) in rows.zip(down) {
            // As slices, so that the loop becomes vector instructions; every caller's rows are contiguous.
            match (into.as_slice_mut(), from.to_slice()) {
                (Some(into), Some(from)) => add_weighted(into, from.iter().copied(), *weight, across),
                _ => into
                    .iter_mut()
                    .zip(from)
                    .zip(across)
                    .for_each(|((sum, v), share)| *sum += v * (weight * share)),
            }
        }
    }
}

fn add_weighted(sums: &mut [f32], values: impl Iterator<Item = f32>, weight: f32, shares: &[f32]) {
    let values = sums.iter_mut().zip(values).zip(shares);
    values.for_each(|((sum, value), share)| *sum += value * (weight * share));
}

/// Rounds to nearest, and saturates. A float of 2²³ or more has no fractional bits: adding that much rounds, and the
/// lowest byte of the sum is the value. Other than a cast, this becomes vector instructions.
pub(super) fn round_to_u8(value: f32) -> u8 {
    const NO_FRACTION: f32 = 8_388_608.0;
    (value.clamp(0.0, 255.0) + NO_FRACTION).to_bits() as u8
}

/// Blends u8 RGB tiles, row of tiles by row of tiles, so that only one row of them is held in f32. What one tile covers
/// alone is copied.
#[derive(Debug, Default)]
pub struct PictureBlender {
    /// Sums of the rows that the current row of tiles covers, RGB interleaved.
    band: Vec<f32>,
    /// Values in one row of the picture.
    row: usize,
    /// Weights across the current tile, one per value of a row.
    across: Vec<f32>,
    /// Values of a row that one tile of the current row of tiles covers alone, from left to right.
    alone: Vec<Range<usize>>,
}

impl PictureBlender {
    /// Starts a picture `width` pixels wide with tiles `tile_height` pixels high.
    pub fn start(&mut self, width: usize, tile_height: usize) {
        self.row = width * 3;
        self.band.clear();
        self.band.resize(self.row * tile_height, 0.0);
        self.alone.clear();
    }

    /// Adds a packed RGB tile of the current row of tiles to `picture`. It starts so many pixels from the `top` and the
    /// `left`; a row of tiles is added from left to right.
    ///
    /// # Panics
    /// If the tile does not lie within the picture, or is not as large as its shares say.
    pub fn add(&mut self, picture: &mut [u8], tile: &[u8], [top, left]: [usize; 2], [down, across]: [&Share; 2]) {
        let tile_row = across.weights.len() * 3;
        assert_eq!(
            tile.len(),
            tile_row * down.weights.len(),
            "a weight for each row and column of the tile"
        );
        self.across.clear();
        self.across.extend(across.weights.iter().flat_map(|share| [*share; 3]));
        let (left, alone) = (left * 3, across.alone.start * 3..across.alone.end * 3);
        self.alone.push(left + alone.start..left + alone.end);
        let rows = self.band.chunks_exact_mut(self.row).zip(tile.chunks_exact(tile_row));
        for (at, ((sums, values), weight)) in rows.zip(&down.weights).enumerate() {
            let sums = &mut sums[left..left + tile_row];
            let mut add = |part: Range<usize>| {
                let values = values[part.clone()].iter().map(|value| f32::from(*value));
                add_weighted(&mut sums[part.clone()], values, *weight, &self.across[part]);
            };
            if down.alone.contains(&at) {
                let output = &mut picture[(top + at) * self.row + left..][..tile_row];
                output[alone.clone()].copy_from_slice(&values[alone.clone()]);
                add(0..alone.start);
                add(alone.end..tile_row);
            } else {
                add(0..tile_row);
            }
        }
    }

    /// Writes the pixel rows `rows` of the picture, the first of the band, which no later row of tiles touches, and
    /// moves the rest of the band to its start. `down` is the share of the current row of tiles.
    pub fn finish_rows(&mut self, picture: &mut [u8], rows: Range<usize>, down: &Share) {
        let done = rows.len() * self.row;
        let output = &mut picture[rows.start * self.row..rows.end * self.row];
        let lines = output.chunks_exact_mut(self.row).zip(self.band.chunks_exact(self.row));
        for (at, (values, sums)) in lines.enumerate() {
            let mut from = 0;
            if down.alone.contains(&at) {
                for alone in &self.alone {
                    round(&mut values[from..alone.start], &sums[from..alone.start]);
                    from = alone.end;
                }
            }
            round(&mut values[from..], &sums[from..]);
        }
        self.alone.clear();
        self.band.copy_within(done.., 0);
        let kept = self.band.len() - done;
        self.band[kept..].fill(0.0);
    }
}

fn round(values: &mut [u8], sums: &[f32]) {
    values
        .iter_mut()
        .zip(sums)
        .for_each(|(value, sum)| *value = round_to_u8(*sum));
}
