//! Which sizes the graphs of a pack take.

use serde::Deserialize;

use super::manifest::{check, check_range};

/// Bounds that keep arithmetic on sizes far from overflow; no model comes near them.
const MAX_SIZE: usize = 4096;
const MAX_MULTIPLE: usize = 64;

/// The sizes that a graph takes, in latent samples, as the manifest gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphSizes {
    /// Side of a tile; 0: pictures are always taken whole.
    pub tile: usize,
    /// How far neighbouring tiles overlap; less than `tile`. At most half a tile is used, so that a narrow picture, which
    /// makes tiles small, is not cut into slivers.
    pub overlap: usize,
    /// The smallest height and width, at least 1.
    pub min: usize,
    /// Heights and widths are multiples of this, at least 1. Tiles start at multiples of it as well, so that a tile
    /// sees its samples in the phase in which the whole picture would show them.
    pub multiple: usize,
    /// Which shape tiles have.
    #[serde(default)]
    pub shape: TileShape,
    /// How many tiles it takes at once; the encoder and the decoder always one.
    #[serde(default)]
    pub batch: TileBatch,
}

/// Which shape the tiles of a graph have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TileShape {
    /// Squares of one side, for graphs whose results depend on it.
    #[default]
    Square,
    /// Any rectangle of at most a square's area, whichever covers the picture with the least work.
    Free,
}

/// How many tiles a graph takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TileBatch {
    /// One.
    #[default]
    One,
    /// Any number, each as if it were alone.
    Free,
}

impl GraphSizes {
    /// The first rule broken: key and reason.
    pub(super) fn validate(self) -> Result<(), (String, String)> {
        check_range("min", self.min, 1, MAX_SIZE)?;
        check_range("multiple", self.multiple, 1, MAX_MULTIPLE)?;
        if self.tile == 0 {
            return check("overlap", self.overlap == 0, || {
                format!("is {} though tile is 0 (whole)", self.overlap)
            });
        }
        check_range("tile", self.tile, self.min, MAX_SIZE)?;
        check("tile", self.tile.is_multiple_of(self.multiple), || {
            format!("is {}, not a multiple of {}", self.tile, self.multiple)
        })?;
        check("overlap", self.overlap < self.tile, || {
            format!("is {}; it has to be less than the tile, {}", self.overlap, self.tile)
        })
    }
}

/// The smallest height or width, not below `side`, that graphs of all these sizes take.
pub fn padded_side(side: usize, graphs: &[GraphSizes]) -> usize {
    let min = graphs.iter().map(|sizes| sizes.min).max().unwrap_or(1);
    let multiple = graphs
        .iter()
        .fold(1, |all, sizes| least_common_multiple(all, sizes.multiple));
    side.max(min).next_multiple_of(multiple)
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut divisor, mut rest) = (a, b);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor * b
}
