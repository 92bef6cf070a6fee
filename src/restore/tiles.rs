//! Runs the three graphs over the tiles of a frame, and checks what they give.

use ndarray::{Array4, ArrayView4, ArrayViewMut4, Axis, s};

use super::blend::{PictureBlender, Share, add_latent_tile};
use super::geometry::Tiling;
use super::graphs::{Encoded, EncodedView, Graphs};
use super::{RestoreError, SCALE};
use crate::pack::Graph;

/// Channels of a guide.
const GUIDE_CHANNELS: usize = 3;

/// Encodes a picture, u8 RGB `[1, h·p, w·p, 3]` with p pixels per latent sample.
pub(super) fn encode(
    graphs: &dyn Graphs,
    tiling: &Tiling,
    picture: ArrayView4<'_, u8>,
    pixels: usize,
    channels: usize,
) -> Result<Encoded, RestoreError> {
    let [height, width] = tiling.plan.tile;
    let encode = |picture: ArrayView4<'_, u8>| {
        let Encoded { latent, guide } = graphs.encode(picture)?;
        let latent = checked(Graph::Encoder, "latent", latent, [1, channels, height, width])?;
        let guide = checked(Graph::Encoder, "guide", guide, [1, GUIDE_CHANNELS, height, width])?;
        Ok(Encoded { latent, guide })
    };
    if tiling.plan.is_whole() {
        return encode(picture);
    }
    let (height, width) = (picture.dim().1 / pixels, picture.dim().2 / pixels);
    let mut whole = Encoded {
        latent: Array4::zeros((1, channels, height, width)),
        guide: Array4::zeros((1, GUIDE_CHANNELS, height, width)),
    };
    for tile in tiling.tiles() {
        let part = encode(tile.picture(&picture, pixels).view())?;
        add_latent_tile(whole.latent.view_mut(), part.latent.view(), tile.start, tile.weights());
        add_latent_tile(whole.guide.view_mut(), part.guide.view(), tile.start, tile.weights());
    }
    Ok(whole)
}

/// Restores the latent `[1, C, h, w]` of the current frame, up to `batch` tiles at a time.
pub(super) fn restore(
    graphs: &dyn Graphs,
    tiling: &Tiling,
    batch: usize,
    current: EncodedView<'_>,
    previous: EncodedView<'_>,
) -> Result<Array4<f32>, RestoreError> {
    let (_, channels, ..) = current.latent.dim();
    let [height, width] = tiling.plan.tile;
    let restore = |current: EncodedView<'_>, previous: EncodedView<'_>| {
        let count = current.latent.dim().0;
        let restored = graphs.restore(current, previous)?;
        checked(Graph::Restorer, "restored", restored, [count, channels, height, width])
    };
    if tiling.plan.is_whole() {
        return restore(current, previous);
    }
    let mut whole = Array4::zeros(current.latent.raw_dim());
    let tiles: Vec<Tile<'_>> = tiling.tiles().collect();
    for tiles in tiles.chunks(tiling.plan.batch(batch)) {
        let (current, previous) = (together(tiles, &current), together(tiles, &previous));
        let parts = restore(current.view(), previous.view())?;
        for (tile, part) in tiles.iter().zip(parts.axis_chunks_iter(Axis(0), 1)) {
            add_latent_tile(whole.view_mut(), part, tile.start, tile.weights());
        }
    }
    Ok(whole)
}

/// Tiles of a latent and its guide, one behind the other along the first axis.
fn together(tiles: &[Tile<'_>], encoded: &EncodedView<'_>) -> Encoded {
    let stack = |whole: &ArrayView4<'_, f32>| {
        let (_, channels, ..) = whole.dim();
        let [height, width] = tiles.first().map_or([0, 0], |tile| tile.size);
        let mut stack = Array4::zeros((tiles.len(), channels, height, width));
        for (mut place, tile) in stack.axis_chunks_iter_mut(Axis(0), 1).zip(tiles) {
            place.assign(&tile.part(whole));
        }
        stack
    };
    Encoded {
        latent: stack(&encoded.latent),
        guide: stack(&encoded.guide),
    }
}

/// Scratch memory of [`decode`].
#[derive(Debug, Default)]
pub(super) struct DecodeScratch {
    tile: Vec<u8>,
    blender: PictureBlender,
}

/// Decodes a latent into `output`, packed u8 RGB of h·factor by w·factor pixels. `frame` is the input's picture, u8 RGB
/// `[1, h·p, w·p, 3]` with p = factor / 4, if the decoder takes it.
pub(super) fn decode(
    graphs: &dyn Graphs,
    tiling: &Tiling,
    restored: ArrayView4<'_, f32>,
    frame: Option<ArrayView4<'_, u8>>,
    output: &mut [u8],
    scratch: &mut DecodeScratch,
) -> Result<(), RestoreError> {
    let (.., height, width) = restored.dim();
    let factor = tiling.factor;
    if tiling.plan.is_whole() {
        return Ok(graphs.decode(restored, frame, picture_mut(output, [height * factor, width * factor]))?);
    }
    let tile_size = tiling.plan.tile.map(|side| side * factor);
    let DecodeScratch { tile: pixels, blender } = scratch;
    pixels.resize(tile_size[0] * tile_size[1] * 3, 0);
    blender.start(width * factor, tile_size[0]);
    for tile in tiling.tiles() {
        let latent = tile.part(&restored).as_standard_layout().into_owned();
        let frame = frame.as_ref().map(|frame| tile.picture(frame, factor / SCALE));
        graphs.decode(
            latent.view(),
            frame.as_ref().map(|frame| frame.view()),
            picture_mut(pixels, tile_size),
        )?;
        blender.add(output, pixels, tile.start.map(|at| at * factor), tile.shares);
        if let Some(rows) = tile.finished {
            blender.finish_rows(output, rows.start * factor..rows.end * factor, tile.shares[0]);
        }
    }
    Ok(())
}

/// A view of packed RGB as the graphs take it.
///
/// # Panics
/// If `rgb` is shorter than the picture.
pub(super) fn picture(rgb: &[u8], [height, width]: [usize; 2]) -> ArrayView4<'_, u8> {
    let shape = (1, height, width, 3);
    // Fails only for another length than the shape's, and the slice makes it that.
    ArrayView4::from_shape(shape, &rgb[..height * width * 3]).expect("as many bytes as the picture has")
}

/// A mutable view of packed RGB as the graphs take it.
///
/// # Panics
/// If `rgb` is shorter than the picture.
fn picture_mut(rgb: &mut [u8], [height, width]: [usize; 2]) -> ArrayViewMut4<'_, u8> {
    let shape = (1, height, width, 3);
    // Fails only for another length than the shape's, and the slice makes it that.
    ArrayViewMut4::from_shape(shape, &mut rgb[..height * width * 3]).expect("as many bytes as the picture has")
}

/// One tile of a plan.
struct Tile<'a> {
    /// Top and left, latent samples.
    start: [usize; 2],
    /// Height and width, latent samples.
    size: [usize; 2],
    /// Down and across, in the pixels of the tiling.
    shares: [&'a Share; 2],
    /// Rows of the picture, latent samples, that no tile after this one touches, and the ones before did not finish:
    /// given with the last tile of each row of tiles.
    finished: Option<std::ops::Range<usize>>,
}

impl Tiling {
    fn tiles(&self) -> impl Iterator<Item = Tile<'_>> {
        let plan = &self.plan;
        plan.tiles().map(|(row, column)| {
            let top = plan.rows[row];
            let next = plan.rows.get(row + 1).copied().unwrap_or(top + plan.tile[0]);
            Tile {
                start: [top, plan.columns[column]],
                size: plan.tile,
                shares: [&self.weights.rows[row], &self.weights.columns[column]],
                finished: (column + 1 == plan.columns.len()).then_some(top..next),
            }
        })
    }
}

impl Tile<'_> {
    /// Down and across.
    fn weights(&self) -> [&[f32]; 2] {
        self.shares.map(|share| &share.weights[..])
    }

    /// The tile of a picture `[1, h·p, w·p, 3]`, contiguous.
    fn picture(&self, picture: &ArrayView4<'_, u8>, pixels: usize) -> Array4<u8> {
        let ([top, left], [height, width]) = (self.start.map(|at| at * pixels), self.size.map(|side| side * pixels));
        picture
            .slice(s![.., top..top + height, left..left + width, ..])
            .as_standard_layout()
            .into_owned()
    }

    /// The tile of a latent or a guide `[1, C, h, w]`.
    fn part<'v>(&self, whole: &ArrayView4<'v, f32>) -> ArrayView4<'v, f32> {
        let ([top, left], [height, width]) = (self.start, self.size);
        whole.slice_move(s![.., .., top..top + height, left..left + width])
    }
}

/// A tensor that a graph gave, in standard layout, if it has the shape it should have.
fn checked(
    graph: Graph,
    tensor: &'static str,
    array: Array4<f32>,
    expected: [usize; 4],
) -> Result<Array4<f32>, RestoreError> {
    if array.shape() != expected {
        return Err(RestoreError::TensorShape {
            graph,
            tensor,
            expected,
            actual: array.shape().to_vec(),
        });
    }
    Ok(if array.is_standard_layout() {
        array
    } else {
        array.as_standard_layout().into_owned()
    })
}
