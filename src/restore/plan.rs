//! How a picture is cut into tiles: pure arithmetic in latent samples, the same for all three graphs.
//!
//! A picture of h·w samples is taken whole if h·w ≤ tile². Else it is cut into tiles of one size, placed `side - overlap`
//! apart from the top left; the last one of each row and column is moved back to end at the border.
//!
//! Retrieval over a whole tile depends on the tile's area, so the tiles of such graphs are squares of side
//! min(tile, h, w), as the reference's. They cover a wide picture badly: 960×540 samples in squares of 384 are 1.7 times
//! the picture. Where results do not depend on it, tiles are the rectangles of at most tile² samples that are the least
//! work together: four of 496×286, 1.1 times the picture.

use crate::pack::{GraphSizes, TileShape, padded_side};

impl GraphSizes {
    /// The sizes with tiles of half the side that a picture of `samples` (height, width) has now: for less memory. Tiles
    /// that had no overlap, because pictures were taken whole, overlap by a quarter.
    pub fn halved(self, samples: [usize; 2]) -> GraphSizes {
        let longest = samples[0].max(samples[1]);
        let side = match self.tile {
            0 => longest,
            tile => tile.min(longest),
        };
        let tile = round_down(side / 2, self.multiple).max(self.min.next_multiple_of(self.multiple));
        let overlap = match self.overlap {
            0 => tile / 4,
            overlap => overlap.min(tile / 2),
        };
        GraphSizes { tile, overlap, ..self }
    }
}

/// Where the tiles of one picture lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TilePlan {
    /// Height and width of every tile, samples.
    pub tile: [usize; 2],
    /// How far a tile overlaps the next, samples; the last one may overlap further. 0 for a whole picture.
    pub overlap: usize,
    /// First sample of each row of tiles, ascending from 0.
    pub rows: Vec<usize>,
    /// First sample of each column of tiles, ascending from 0.
    pub columns: Vec<usize>,
}

impl TilePlan {
    /// Plans a picture of `height`×`width` samples; both have to satisfy their `min` and `multiple`, as
    /// [`padded_size`] makes them.
    pub fn new(height: usize, width: usize, sizes: &GraphSizes) -> TilePlan {
        let size = [height, width];
        if sizes.tile == 0 || height * width <= sizes.tile * sizes.tile {
            return TilePlan::of(size, size, 0);
        }
        let side = round_down(sizes.tile, sizes.multiple).max(sizes.min.next_multiple_of(sizes.multiple));
        let overlap = |side: usize| {
            sizes
                .overlap
                .next_multiple_of(sizes.multiple)
                .min(round_down(side / 2, sizes.multiple))
        };
        if sizes.shape == TileShape::Square {
            let side = side.min(height).min(width);
            return TilePlan::of(size, [side, side], overlap(side));
        }
        least_work(size, side, overlap(side), sizes)
    }

    /// Tiles of the size `tile` over a picture of the size `picture`.
    fn of(picture: [usize; 2], tile: [usize; 2], overlap: usize) -> TilePlan {
        let starts = |axis: usize| starts(picture[axis], tile[axis], tile[axis].saturating_sub(overlap).max(1));
        TilePlan {
            tile,
            overlap: if tile == picture { 0 } else { overlap },
            rows: starts(0),
            columns: starts(1),
        }
    }

    /// Whether the one tile is the picture.
    pub fn is_whole(&self) -> bool {
        self.rows.len() == 1 && self.columns.len() == 1
    }

    /// The largest number up to `most` of tiles that all calls can have alike: then there is one shape to prepare
    /// for, and no tile is computed twice to fill a call up.
    pub fn batch(&self, most: usize) -> usize {
        let count = self.rows.len() * self.columns.len();
        (1..=most.min(count))
            .rev()
            .find(|size| count.is_multiple_of(*size))
            .unwrap_or(1)
    }

    /// Indices into `rows` and `columns` of every tile, row by row.
    pub fn tiles(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.rows.len()).flat_map(|row| (0..self.columns.len()).map(move |column| (row, column)))
    }
}

/// The smallest height and width, not below `height` and `width`, that graphs of all these sizes take.
pub fn padded_size(height: usize, width: usize, graphs: &[GraphSizes]) -> (usize, usize) {
    (padded_side(height, graphs), padded_side(width, graphs))
}

/// Tiles of equal size and of at most side² samples that are the least work together.
fn least_work(picture: [usize; 2], side: usize, overlap: usize, sizes: &GraphSizes) -> TilePlan {
    let least = sizes.min.next_multiple_of(sizes.multiple);
    // Of `count` tiles that cover `length`.
    let tile_side = |length: usize, count: usize| {
        let side = (length + (count - 1) * overlap).div_ceil(count);
        side.next_multiple_of(sizes.multiple).max(least)
    };
    // So many cover an axis in tiles of the square's side: the square itself is among those looked at.
    let most = |length: usize| 1 + length.saturating_sub(side).div_ceil((side - overlap).max(1));
    let [height, width] = picture;
    let mut best = ([side.min(height), side.min(width)], usize::MAX);
    let mut columns = most(width);
    for rows in 1..=most(height) {
        let tile_height = tile_side(height, rows).min(height);
        let fits = |columns: usize| tile_height * tile_side(width, columns).min(width) <= side * side;
        // The lower the tiles, the fewer of them a row takes.
        while columns > 1 && fits(columns - 1) {
            columns -= 1;
        }
        let tile = [tile_height, tile_side(width, columns).min(width)];
        let work = count(height, tile[0], overlap) * count(width, tile[1], overlap) * tile[0] * tile[1];
        // Of equal ones that with the fewest rows.
        if fits(columns) && work < best.1 {
            best = (tile, work);
        }
        if columns == 1 && fits(columns) {
            break;
        }
    }
    TilePlan::of(picture, best.0, overlap)
}

/// How many tiles of `side` cover `length`.
fn count(length: usize, side: usize, overlap: usize) -> usize {
    1 + (length - side).div_ceil(side.saturating_sub(overlap).max(1))
}

/// First samples of tiles of `side` that cover `length`, `stride` apart, the last one ending at `length`.
fn starts(length: usize, side: usize, stride: usize) -> Vec<usize> {
    let count = 1 + (length - side).div_ceil(stride);
    (0..count).map(|index| (index * stride).min(length - side)).collect()
}

fn round_down(value: usize, multiple: usize) -> usize {
    value - value % multiple
}
