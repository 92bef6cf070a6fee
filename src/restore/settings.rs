//! What a user may turn while a stream runs, and what the stream says about each frame.

use std::time::{Duration, Instant};

/// How the restored picture's colours are brought back to the input's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColorFix {
    /// What the pack's manifest names.
    #[default]
    Pack,
    /// Leaves the decoder's colours as they are.
    None,
    /// Gives every channel the mean and deviation of the bicubic picture.
    AdaIn,
    /// Takes the lowest frequencies from the bicubic picture.
    Wavelet,
}

/// Settings of a [`Stream`](super::Stream); all may change between frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The colour fix.
    pub color_fix: ColorFix,
    /// Side of the restorer's tiles in output pixels; 0: the pack's. Rounded down to what the restorer takes, and up
    /// to the smallest it takes.
    pub tile_size: u32,
    /// Overlap of the restorer's tiles in output pixels; 0: the pack's. At most half a tile is used.
    pub tile_overlap: u32,
    /// A frame whose [scene score](super::scene) against the one before is above this is paired with itself;
    /// scores are in [0, 1]. 0: no detection.
    pub scene_threshold: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            color_fix: ColorFix::Pack,
            tile_size: 0,
            tile_overlap: 0,
            scene_threshold: super::scene::DEFAULT_THRESHOLD,
        }
    }
}

/// What happened to one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// A scene cut was found between the frame before and this one.
    pub scene_cut: bool,
    /// There was no frame before to use: the first, after a reset, a size change, an error or a scene cut.
    pub paired_with_itself: bool,
    /// Another frame may have been in flight beside it, so that it took longer.
    pub pipelined: bool,
    /// Memory ran out with this frame: what it and those after it are made with less of.
    pub fallback: Option<MemoryFallback>,
    /// Where the time went.
    pub timings: Timings,
}

/// What is done for want of memory, the last resort last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryFallback {
    /// The restorer takes one tile at a time where it took several: slower, and the same picture.
    Batch,
    /// Tiles have half the side.
    Tiles,
}

/// Wall-clock time of the stages of one frame. `total` also has what lies between the stages (moving bytes, alpha,
/// scene detection).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Bicubic upscaling, where the encoder or the colour fix needs it.
    pub upscale: Duration,
    /// The encoder, all tiles.
    pub encode: Duration,
    /// The restorer, all tiles.
    pub restore: Duration,
    /// The decoder, all tiles.
    pub decode: Duration,
    /// The colour fix.
    pub color: Duration,
    /// From the input's bytes to the output's.
    pub total: Duration,
}

impl Timings {
    /// The longer one of the two halves, each of which has a thread in a pipeline: the next frame may follow after that.
    pub fn longer_half(&self) -> Duration {
        (self.upscale + self.encode + self.restore).max(self.decode + self.color)
    }
}

/// Runs `work`, and adds how long it takes to `duration`.
pub(super) fn timed<T>(duration: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *duration += started.elapsed();
    result
}
