//! The program `dloralvsr`, run as a user runs it, on small videos that ffmpeg makes and on the files of `tests/cases`;
//! ffprobe judges the results.
#![cfg(feature = "pipelines")]

mod audio;
mod codecs;
mod colours;
mod damage;
mod deinterlace;
mod files;
mod install;
mod many;
mod messages;
mod pictures;
mod preview;
#[path = "../common/program.rs"]
mod program;
mod range;
mod resume;
mod sizes;
mod streams;
mod times;
mod workshop;
