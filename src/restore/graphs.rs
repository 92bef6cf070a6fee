//! What the core asks of a model: three calls with arrays, whatever computes them.

use std::fmt;

use ndarray::{Array4, ArrayView4, ArrayViewMut4};

use crate::pack::Graph;

/// The three graphs of a pack, as the core calls them.
///
/// Arrays are whole frames or tiles of them. Every view that the core passes is in standard layout (contiguous, last
/// axis fastest), so an implementation may hand its memory on as it is; arrays that come back may have any layout.
/// h and w below are latent samples, `s` is `latent.factor / scale` input pixels per latent sample, and C is
/// `latent.channels` of the manifest.
pub trait Graphs: Send + Sync {
    /// Says which tiles are about to come: height and width of those of each graph, latent samples, in the order of
    /// [`Graph::ALL`]. Whoever compiles a graph for a size does so here, all graphs side by side. What fails here fails
    /// again, with its error, when the graph is run.
    fn prepare(&self, _tiles: [[usize; 2]; 3]) {}

    /// Ends the calls that are running, where it can, and fails those that come: nobody wants them any more.
    fn cancel(&self) {}

    /// Encodes a picture: u8 RGB `[1, H, W, 3]`, where H = h·s, W = w·s, or four times that for a pack whose encoder
    /// takes the upscaled frame.
    ///
    /// # Errors
    /// A [`GraphError`] if the graph could not be run; the arrays are then not to be used.
    fn encode(&self, frame: ArrayView4<'_, u8>) -> Result<Encoded, GraphError>;

    /// How many tiles [`restore`](Self::restore) takes at once; at least 1.
    fn restorer_batch(&self) -> usize {
        1
    }

    /// Restores the latent of the current frame with the help of the previous one: `[n, C, h, w]` from two
    /// [`Encoded`] of that size, n tiles of at most [`restorer_batch`](Self::restorer_batch), each by itself. Both views
    /// are of the same memory when a frame is paired with itself.
    ///
    /// # Errors
    /// A [`GraphError`] if the graph could not be run.
    fn restore(&self, current: EncodedView<'_>, previous: EncodedView<'_>) -> Result<Array4<f32>, GraphError>;

    /// Decodes a restored latent `[1, C, h, w]` into `output`, u8 RGB `[1, h·factor, w·factor, 3]`. `frame` is the
    /// input picture, u8 RGB `[1, h·s, w·s, 3]`, and given exactly if the pack's decoder is conditioned on it.
    ///
    /// # Errors
    /// A [`GraphError`] if the graph could not be run, or gave a picture of another size; `output` is then undefined.
    fn decode(
        &self,
        restored: ArrayView4<'_, f32>,
        frame: Option<ArrayView4<'_, u8>>,
        output: ArrayViewMut4<'_, u8>,
    ) -> Result<(), GraphError>;
}

/// What the encoder makes of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The latent, `[1, C, h, w]`.
    pub latent: Array4<f32>,
    /// The picture at latent size, for optical flow, `[1, 3, h, w]`.
    pub guide: Array4<f32>,
}

impl Encoded {
    /// Borrows both arrays.
    pub fn view(&self) -> EncodedView<'_> {
        EncodedView {
            latent: self.latent.view(),
            guide: self.guide.view(),
        }
    }
}

/// A borrowed [`Encoded`], whole or a tile.
#[derive(Debug, Clone, Copy)]
pub struct EncodedView<'a> {
    /// The latent, `[1, C, h, w]`.
    pub latent: ArrayView4<'a, f32>,
    /// The picture at latent size, `[1, 3, h, w]`.
    pub guide: ArrayView4<'a, f32>,
}

/// Why a graph could not be run, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphErrorKind {
    /// Not enough memory on the device or the host: smaller tiles may help.
    OutOfMemory,
    /// The device stopped answering: the model has to be loaded again.
    DeviceLost,
    /// The graph gave a tensor of another shape or type than the pack format says.
    BadOutput,
    /// Anything else; the message says what.
    Other,
}

/// A graph that could not be run.
#[derive(Debug, Clone, thiserror::Error)]
pub struct GraphError {
    /// Which graph.
    pub graph: Graph,
    /// What kind of failure.
    pub kind: GraphErrorKind,
    /// What happened, in the words of whoever ran the graph.
    pub message: String,
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.kind {
            GraphErrorKind::OutOfMemory => " (out of memory: set a smaller tile-size, or use a smaller input)",
            GraphErrorKind::DeviceLost => " (the device was lost: stop and start the stream to load the model again)",
            GraphErrorKind::BadOutput | GraphErrorKind::Other => "",
        };
        write!(f, "{} failed: {}{remedy}", self.graph.file_name(), self.message)
    }
}
