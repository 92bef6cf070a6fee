//! Frames in, frames out: the restoration core, without GStreamer and without a particular runtime.
//!
//! A [`Stream`] takes the frames of one video in display order. Each goes through these steps:
//!
//! | step | module |
//! |---|---|
//! | packed RGB or YUV to tight RGB | [`PictureView`] |
//! | padding to what the graphs take, by repeating the right and lower edge | [`Stream`] |
//! | a digest is compared with that of the frame before: a cut pairs the frame with itself | [`scene`] |
//! | the bicubic picture ×4, if the encoder or the colour fix takes it | [`upscale`] |
//! | encoder, restorer and decoder, in [tiles](plan) that are [blended](blend), through [`Graphs`] | [`Stream`] |
//! | cropping, and the colour fix against the bicubic picture | [`color`] |
//! | tight RGB to the output's layout, RGB or YUV; alpha is upscaled plainly | [`Finisher`] |
//!
//! Where nobody waits for a particular frame, or each has time enough, [`Stages`] does this for two frames at a time: it
//! decodes one while it encodes and restores the next. Otherwise a [`Worker`] does this on a thread of its own. With both
//! a frame may have a deadline, and a [`Finisher`] makes an output of the plainly upscaled frame if the restored one does
//! not come in time.
//!
//! The window is two frames, causal: of the frame before, its latent and guide are kept, so each frame is encoded once
//! and output n depends on inputs n-1 and n alone.

mod back;
pub mod blend;
pub mod color;
mod convert;
mod error;
mod finish;
mod frame;
mod front;
mod geometry;
mod graphs;
mod hooked;
mod job;
mod picture;
mod pixels;
pub mod plan;
pub mod scene;
mod settings;
mod source;
mod stages;
mod stream;
mod tiles;
mod tone;
pub mod upscale;
mod window;
mod worker;
mod yuv;

pub use self::yuv::{Matrix, Place, YuvLayout, YuvPicture, YuvView, YuvViewMut};
pub use error::RestoreError;
pub use finish::Finisher;
pub use frame::Frame;
pub use geometry::Geometry;
pub use graphs::{Encoded, EncodedView, GraphError, GraphErrorKind, Graphs};
pub use hooked::{Hook, Hooked};
pub use job::{Job, Limit, Outcome, Restored};
pub use picture::{PictureView, PictureViewMut};
pub use pixels::{PixelLayout, PixelView, PixelViewMut};
pub use settings::{ColorFix, Report, Settings, Shortage, Timings};
pub use stages::{Delivery, Ending, Refusal, Stages};
pub use stream::Stream;
pub use worker::{Given, Worker};

/// How much larger the output is than the input, in each direction.
pub const SCALE: usize = 4;
