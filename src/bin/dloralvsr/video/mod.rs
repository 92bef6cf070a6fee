//! The video in GStreamer: decoded, restored, encoded.

mod colour;
mod encoder;
mod gate;
mod hdr_boxes;
mod pipeline;
mod reader;
mod segments;
mod writer;

pub use gate::Gate;
pub use pipeline::{Destination, Transcoder, Upscaling, build};
pub use segments::Shelf;
