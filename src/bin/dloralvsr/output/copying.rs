//! Asks FFmpeg, before the work, whether it can copy what is to be copied: which codecs, sample rates and pictures a
//! container has a place for, its muxers alone know.

use super::container::Container;
use super::streams::{Kept, Kind, Streams};
use crate::input::Input;
use crate::{Failure, tools};

/// So many seconds of the input are copied on trial.
const LENGTH: &str = "0.5";

impl Streams {
    /// Let audio that cannot be copied be encoded, and leave out covers that cannot.
    ///
    /// # Errors
    /// FFmpeg does not start.
    pub fn try_copying(&mut self, input: &Input, container: Container) -> Result<(), Failure> {
        let in_doubt: Vec<&Kept> = self.kept.iter().filter(|kept| is_in_doubt(kept, container)).collect();
        if can_copy(input, container, &in_doubt)? {
            return Ok(());
        }
        for kept in std::mem::take(&mut self.kept) {
            if !is_in_doubt(&kept, container) || can_copy(input, container, &[&kept])? {
                self.kept.push(kept);
            } else if kept.kind == Kind::Audio {
                let (encoder, people_say) = container.audio_encoder(kept.stream.codec());
                self.encode(kept.stream, Kind::Audio, (encoder, people_say), container);
            } else {
                self.leave_out(&kept.stream);
            }
        }
        Ok(())
    }
}

/// Subtitles and data are copied where the container is known to hold them; Matroska's covers are files.
fn is_in_doubt(kept: &Kept, container: Container) -> bool {
    let has_place = match kept.kind {
        Kind::Audio => true,
        Kind::Cover => container != Container::Matroska,
        Kind::Subtitle | Kind::Attachment | Kind::Data => false,
    };
    has_place && kept.encoder.is_none()
}

fn can_copy(input: &Input, container: Container, streams: &[&Kept]) -> Result<bool, Failure> {
    if streams.is_empty() {
        return Ok(true);
    }
    let mut command = tools::command("ffmpeg");
    command.arg("-y").args(input.media.arguments());
    for kept in streams {
        command.args(["-map", &format!("0:{}", kept.stream.index)]);
    }
    command.args(["-c", "copy", "-t", LENGTH, "-f", container.format(), "/dev/null"]);
    let done = command
        .output()
        .map_err(|error| tools::cannot_start(command.get_program(), &error))?;
    Ok(done.status.success())
}
