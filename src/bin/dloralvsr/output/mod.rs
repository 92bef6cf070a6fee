//! The output file: what it can hold, where it is written, how it gets its name.

mod codec;
mod container;
mod copying;
mod fragments;
mod mark;
mod mux;
mod part;
pub mod space;
mod streams;
mod target;

pub use codec::VideoCodec;
pub use container::Container;
pub use fragments::cut_back;
pub use mux::Mux;
pub use part::{Part, with_suffix};
pub use streams::{Streams, codec};
pub use target::{Target, file_id};
