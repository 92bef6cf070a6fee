//! Frames in, frames out: the restoration core, without GStreamer and without a particular runtime.
//!
//! A [`Stream`] takes the frames of one video in display order. Each goes through these steps:
//!
//! | step | module |
//! |---|---|
//! | RGB or YUV in any layout to packed RGB (three bytes a pixel, nothing between rows) | [`PictureView`] |
//! | padding to what the graphs take, by repeating the right and lower edge | [`Stream`] |
//! | a digest is compared with that of the frame before: a cut pairs the frame with itself | [`scene`] |
//! | the bicubic picture ×4, if the encoder or the colour fix takes it | [`upscale`] |
//! | encoder, restorer and decoder, in [tiles](plan) that are [blended](blend), through [`Graphs`] | [`Stream`] |
//! | cropping, and the colour fix against the bicubic picture | [`color`] |
//! | packed RGB to the output's layout, RGB or YUV; alpha is bicubic | [`OutputWriter`] |
//!
//! A [`FramePipeline`] does this on threads of its own, for one frame at a time or for two: then it decodes one while it
//! encodes and restores the next. There a frame may have a deadline, and an [`OutputWriter`] writes the bicubic picture if
//! the restored one does not come in time.
//!
//! The window is two frames, causal: of the frame before, its latent and guide are kept, so each frame is encoded once
//! and output n depends on inputs n-1 and n alone.

pub mod blend;
pub mod color;
mod color_transition;
mod convert;
mod decode_stage;
mod encode_stage;
mod error;
mod frame;
mod geometry;
mod graph_set;
mod graphs;
mod hooked;
mod job;
mod output_writer;
mod padded_input;
mod picture;
mod pipeline;
mod pixels;
pub mod plan;
mod propagation;
pub mod scene;
mod settings;
mod stream;
mod tiles;
pub mod upscale;
mod window;
mod yuv;

pub use self::yuv::{ComponentLayout, Matrix, YuvLayout, YuvPicture, YuvView, YuvViewMut};
pub use error::RestoreError;
pub use frame::Frame;
pub use geometry::Geometry;
pub use graph_set::GraphSet;
pub use graphs::{Encoded, EncodedView, GraphError, GraphErrorKind, Graphs};
pub use hooked::{Hook, Hooked};
pub use job::{Job, Limit, Outcome, Restored};
pub use output_writer::OutputWriter;
pub use picture::{Picture, PictureView, PictureViewMut};
pub use pipeline::{Completion, FRAMES_IN_FLIGHT, FinishedFrame, FramePipeline, Refusal};
pub use pixels::{PixelLayout, PixelPicture, PixelView, PixelViewMut};
pub use settings::{ColorFix, MemoryFallback, Report, Settings, Timings};
pub use stream::Stream;

/// How much larger the output is than the input, in each direction.
pub const SCALE: usize = 4;
