//! Animated pictures, which GStreamer 1.22 cannot play: its demuxer of GIFs never ends, its decoder loses their times, and
//! of an animated PNG it shows the first picture. FFmpeg turns them into lossless video first.

use std::path::Path;

use tempfile::TempDir;

use super::Media;
use crate::{Failure, tools};

/// ffprobe's names of the formats.
const ANIMATIONS: [&str; 2] = ["gif", "apng"];

pub fn is_animation(format: &str) -> bool {
    ANIMATIONS.contains(&format)
}

/// The same pictures, once through, as lossless video in a folder that goes with its handle.
///
/// # Errors
/// There is no room, or the file is damaged from its start on.
pub fn convert(path: &Path) -> Result<(Media, TempDir), Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::Failed(format!("no temporary folder: {error}")))?;
    let video = folder.path().join("animation.mkv");
    let mut command = tools::command("ffmpeg");
    command.arg("-i").arg(tools::file(path));
    // Pictures as they are, with their own times.
    command.args([
        "-map",
        "0:v:0",
        "-c:v",
        "ffv1",
        "-pix_fmt",
        "bgr0",
        "-fps_mode",
        "passthrough",
    ]);
    command.arg(tools::file(&video));
    tools::output(command)?;
    Ok((Media::File(video), folder))
}
