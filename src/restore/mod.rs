//! Frames in, frames out: the restoration core, without GStreamer and without a particular runtime.
//!
//! A [`Stream`] takes the frames of one video in display order. Each goes through these steps:
//!
//! | step | module |
//! |---|---|
//! | any of ten layouts to tight RGB, padded to what the graphs take by repeating the right and lower edge | [`PixelView`] |
//! | a digest is compared with that of the frame before: a cut pairs the frame with itself | [`scene`] |
//! | the bicubic picture ×4, if the encoder or the colour fix takes it | [`upscale`] |
//! | encoder, restorer and decoder, in [tiles](plan) that are [blended](blend), through [`Graphs`] | [`Stream`] |
//! | cropping, and the colour fix against the bicubic picture | [`color`] |
//! | tight RGB to the output's layout; alpha is upscaled plainly | [`PixelViewMut`] |
//!
//! The window is two frames, causal: of the frame before, its latent and guide are kept, so each frame is encoded once
//! and output n depends on inputs n-1 and n alone.

pub mod blend;
pub mod color;
mod convert;
mod error;
mod geometry;
mod graphs;
mod pixels;
pub mod plan;
pub mod scene;
mod scratch;
mod settings;
mod stream;
mod tiles;
pub mod upscale;
mod window;

pub use error::RestoreError;
pub use geometry::Geometry;
pub use graphs::{Encoded, EncodedView, GraphError, GraphErrorKind, Graphs};
pub use pixels::{PixelLayout, PixelView, PixelViewMut};
pub use settings::{ColorFix, Report, Settings, Timings};
pub use stream::Stream;

/// How much larger the output is than the input, in each direction.
pub const SCALE: usize = 4;
