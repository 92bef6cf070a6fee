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

/// The weights of every row and column of tiles of a plan; at each sample those of an axis sum to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Per row of tiles, one weight per sample down the tile.
    pub rows: Vec<Vec<f32>>,
    /// Per column of tiles, one weight per sample across the tile.
    pub columns: Vec<Vec<f32>>,
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
fn normalise(starts: &[usize], scale: usize, window: &[f64]) -> Vec<Vec<f32>> {
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
    starts.iter().map(|start| shares(start).collect()).collect()
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

/// Blends u8 RGB tiles, row of tiles by row of tiles, so that only one row of them is held in f32.
#[derive(Debug, Default)]
pub struct PictureBlender {
    /// Sums of the rows that the current row of tiles covers, RGB interleaved.
    band: Vec<f32>,
    /// Values in one row of the picture.
    row: usize,
    /// Weights across the current tile, one per value of a row.
    across: Vec<f32>,
}

impl PictureBlender {
    /// Starts a picture `width` pixels wide with tiles `tile_height` pixels high.
    pub fn start(&mut self, width: usize, tile_height: usize) {
        self.row = width * 3;
        self.band.clear();
        self.band.resize(self.row * tile_height, 0.0);
    }

    /// Adds a tight RGB tile of the current row of tiles that starts `left` pixels from the left.
    ///
    /// # Panics
    /// If the tile does not lie within the picture, or is not as large as its weights say.
    pub fn add(&mut self, tile: &[u8], left: usize, down: &[f32], across: &[f32]) {
        let tile_row = across.len() * 3;
        assert_eq!(
            tile.len(),
            tile_row * down.len(),
            "a weight for each row and column of the tile"
        );
        self.across.clear();
        self.across.extend(across.iter().flat_map(|share| [*share; 3]));
        let rows = self.band.chunks_exact_mut(self.row).zip(tile.chunks_exact(tile_row));
        for ((sums, values), weight) in rows.zip(down) {
            let sums = &mut sums[left * 3..left * 3 + tile_row];
            add_weighted(
                sums,
                values.iter().map(|value| f32::from(*value)),
                *weight,
                &self.across,
            );
        }
    }

    /// Writes the pixel rows `rows` of the picture, the first of the band, which no later row of tiles touches, and
    /// moves the rest of the band to its start.
    pub fn finish_rows(&mut self, picture: &mut [u8], rows: Range<usize>) {
        let done = rows.len() * self.row;
        let output = &mut picture[rows.start * self.row..rows.end * self.row];
        output
            .iter_mut()
            .zip(&self.band)
            .for_each(|(value, sum)| *value = round_to_u8(*sum));
        self.band.copy_within(done.., 0);
        let kept = self.band.len() - done;
        self.band[kept..].fill(0.0);
    }
}
