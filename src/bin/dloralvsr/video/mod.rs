//! The video in GStreamer: decoded, restored, encoded.

mod colour;
mod encoder;
mod gate;
mod hdr_boxes;
mod pipeline;
mod reader;

pub use gate::Gate;
pub use pipeline::{Transcoder, Upscaling, build};
