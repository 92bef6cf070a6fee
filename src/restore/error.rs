//! What can go wrong between a frame in and a frame out.

use super::graphs::{GraphError, GraphErrorKind};
use crate::pack::Graph;

/// An error of the core. After one of these a [`Stream`](super::Stream) stays usable: its next frame is paired with
/// itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A picture whose memory does not hold what its size, stride and layout say.
    #[error(
        "a {width}x{height} picture of {bytes_per_pixel} bytes a pixel with stride {stride} does not fit its buffer of \
         {available} bytes"
    )]
    Picture {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Bytes from one row to the next.
        stride: usize,
        /// Of the layout.
        bytes_per_pixel: usize,
        /// Bytes given.
        available: usize,
    },
    /// An output that is not exactly four times the input.
    #[error("the output is {actual_width}x{actual_height}, but this input gives exactly {width}x{height}")]
    OutputSize {
        /// What the input gives, pixels.
        width: usize,
        /// What the input gives, pixels.
        height: usize,
        /// Of the output passed.
        actual_width: usize,
        /// Of the output passed.
        actual_height: usize,
    },
    /// Sizes in the manifest that no frame can be planned with.
    #[error("the pack's sizes cannot be used: {0}; mend its pack.toml")]
    Geometry(String),
    /// A graph could not be run.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A graph ran, and gave a tensor of another size than the pack format says.
    #[error("{} gave `{tensor}` of shape {actual:?} where the pack says {expected:?}: the pack is not valid", graph.file_name())]
    TensorShape {
        /// Which graph.
        graph: Graph,
        /// Name of the tensor.
        tensor: &'static str,
        /// Shape that the manifest and the frame's size call for.
        expected: [usize; 4],
        /// Shape that came.
        actual: Vec<usize>,
    },
    /// A bug: the thread that restores has ended.
    #[error("the restoration panicked; stop and start the stream, and report what it said on stderr")]
    Panicked,
}

impl RestoreError {
    /// Whether smaller tiles may help.
    pub(super) fn is_out_of_memory(&self) -> bool {
        self.out_of_memory_in().is_some()
    }

    /// The graph that ran out of memory, if one did.
    pub(super) fn out_of_memory_in(&self) -> Option<Graph> {
        match self {
            RestoreError::Graph(error) if error.kind == GraphErrorKind::OutOfMemory => Some(error.graph),
            _ => None,
        }
    }
}
