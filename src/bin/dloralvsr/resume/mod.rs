//! `--resume`: the restored video is kept in segments beside the output, so that a run that was interrupted goes on.
//!
//! | file | about |
//! |---|---|
//! | `identity.rs` | by what a run is known again: the input's hash and the options |
//! | `parts.rs` | the folder of segments |
//! | `list.rs` | the segments as one video, for FFmpeg |

mod identity;
mod list;
mod parts;

pub use identity::Identity;
pub use parts::{Parts, Segment};
