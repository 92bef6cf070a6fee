//! The video in GStreamer: decoded, restored, encoded.

mod colour;
mod deinterlace;
mod encoder;
mod gate;
mod hardware;
mod hdr_boxes;
mod intervals;
mod pipeline;
mod reader;
mod seek;
mod segments;
mod writer;

pub use deinterlace::{Deinterlace, NAMES as DEINTERLACE};
pub use gate::{Done, Gate};
pub use pipeline::{Destination, Transcoder, Upscaling, build};
pub use segments::Shelf;
