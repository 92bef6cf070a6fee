//! What becomes of the restored video in the end: put together with the input's other streams, and given its name, or
//! kept as it is.

mod file;
mod parts;

use std::path::Path;

use gst_video::VideoColorimetry;

use crate::input::{Decoded, Input, Scan, Verdict, judge};
use crate::output::{Container, Mux, Part, Streams, Target, VideoCodec};
use crate::terminal::say;
use crate::video::Gate;
use crate::watch::{End, Error};
use crate::{Failure, tools};

pub struct Finish<'a> {
    /// A frame became of each frame of the input.
    pub is_one_each: bool,
    pub input: &'a Input,
    pub streams: &'a Streams,
    pub container: Container,
    pub codec: VideoCodec,
    pub target: &'a Target,
    pub gate: &'a Gate,
    /// Of the restored video, once the first frame has come.
    pub colours: Option<VideoColorimetry>,
}

/// The restored video: a file, or a list of files.
struct Video<'a> {
    path: &'a Path,
    is_list: bool,
    frames: u64,
}

impl Finish<'_> {
    /// Write the video and the other streams into `whole`, which is taken away where that fails. `stopped` is asked whether
    /// the user wants no more.
    ///
    /// # Errors
    /// FFmpeg fails, or the user wants no more.
    fn put_together(&self, video: &Video, whole: Part, end: &End, stopped: &dyn Fn() -> bool) -> Result<Part, Failure> {
        let times = self.gate.times();
        let ends_early = !end.closed || end.error.is_some();
        let last_end = times.last.map(|last| last + self.input.video.mean_frame());
        let mux = Mux {
            input: self.input,
            streams: self.streams,
            container: self.container,
            codec: self.codec,
            colours: self.colours,
            video: video.path,
            is_list: video.is_list,
            from: self.gate.range().start,
            first_frame: self.gate.first_frame(),
            until: times
                .cut
                .or(last_end.filter(|_| ends_early))
                .map(|time| self.gate.file_time(time)),
        };
        let written = mux.write(whole.path(), stopped).and_then(|()| count(whole.path()));
        match written {
            Ok(written) if written == video.frames => Ok(whole),
            Ok(written) => {
                whole.remove();
                Err(Failure::Failed(format!(
                    "of {} restored frames {written} came into the output",
                    video.frames
                )))
            }
            Err(failure) => {
                whole.remove();
                Err(failure)
            }
        }
    }

    /// Warn of what is damaged in the input, and return what it lacks of what it states, in words. `stopped` is asked
    /// whether the user does not want to wait for that.
    ///
    /// # Errors
    /// The user did not.
    fn check_input(&self, scan: Scan, stopped: &dyn Fn() -> bool) -> Result<Option<String>, Failure> {
        let times = self.gate.times();
        let Some(last) = times.last.filter(|_| times.cut.is_none() && !self.input.is_pictures()) else {
            return Ok(None);
        };
        let decoded = Decoded {
            frames: (self.is_one_each && self.gate.has_read_all()).then(|| self.gate.decoded()),
            last: self.gate.file_time(last),
        };
        let found = scan.finish(stopped)?;
        if found.errors > 0 {
            say!(
                "warning: the decoder met {} errors in the input's video: damaged parts are restored as it gave them",
                found.errors
            );
        }
        Ok(match judge(self.input, &found, decoded) {
            Verdict::Whole => None,
            Verdict::Short(what) => Some(what),
            Verdict::Unstated => {
                say!("note: the input does not state its length, so nobody can tell whether it is whole");
                None
            }
        })
    }

    /// The output has its name. Say that, and what is wrong with the input, which `damage` tells or a look through it.
    ///
    /// # Errors
    /// The input is damaged or incomplete; the user did not want to wait until that is known.
    fn report(
        &self,
        frames: u64,
        damage: Option<Error>,
        scan: Scan,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let output = self.target.path().display();
        let damage = match damage {
            Some(error) => Some(error.text),
            None => self
                .check_input(scan, stopped)
                .map_err(|failure| failure.leaving(&format!("{output} is complete")))?,
        };
        if let Some(damage) = damage {
            return Err(Failure::Failed(format!(
                "{damage}; the {frames} frames until then are in {output}"
            )));
        }
        say!("{output}");
        Ok(())
    }

    /// Nothing was restored: why.
    fn nothing(&self, end: End) -> Failure {
        if end.error.is_some() || end.interrupted {
            return ending(end, "nothing was written");
        }
        let why = if self.gate.decoded() > 0 {
            "no frame begins between --start and --end"
        } else {
            "no frame of the input could be decoded"
        };
        Failure::Failed(format!("{why}; nothing was written"))
    }
}

fn ending(end: End, kept: &str) -> Failure {
    match end.error {
        Some(error) => Failure::Failed(format!("{}\n{kept}", error.text)),
        None => Failure::Interrupted(kept.to_owned()),
    }
}

/// The frames of a file's video, one packet each.
fn count(path: &Path) -> Result<u64, Failure> {
    let mut command = tools::command("ffprobe");
    command.args([
        "-select_streams",
        "v:0",
        "-count_packets",
        "-show_entries",
        "stream=nb_read_packets",
    ]);
    command.args(["-of", "csv=p=0"]).arg(tools::file(path));
    let text = String::from_utf8_lossy(&tools::output(command)?).into_owned();
    let number = text.trim().trim_end_matches(',');
    number
        .parse()
        .map_err(|_| Failure::Failed(format!("ffprobe finds no frames in {}", path.display())))
}
