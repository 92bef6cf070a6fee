//! What becomes of the restored video in the end: put together with the input's other streams, and given its name, or
//! kept as it is.

mod file;
mod parts;

use std::path::Path;

use gst_video::VideoColorimetry;

use crate::input::{Decoded, Input, Scan, Verdict, judge};
use crate::output::{Container, Mux, Part, Streams, Target, VideoCodec};
use crate::video::Gate;
use crate::watch::End;
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
    fn put_together(&self, video: &Video, whole: Part, end: &End, stopped: &dyn Fn() -> bool) -> Result<Part, String> {
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
                Err(format!(
                    "of {} restored frames {written} came into the output",
                    video.frames
                ))
            }
            Err(failure) => {
                whole.remove();
                Err(failure.to_string())
            }
        }
    }

    /// Warn of what is damaged in the input, and return what it lacks of what it states, in words.
    fn check_input(&self, scan: Scan) -> Option<String> {
        let times = self.gate.times();
        if times.cut.is_some() || self.input.is_pictures() {
            return None;
        }
        let decoded = Decoded {
            frames: (self.is_one_each && self.gate.has_read_all()).then(|| self.gate.decoded()),
            last: self.gate.file_time(times.last?),
        };
        let found = scan.finish();
        if found.errors > 0 {
            eprintln!(
                "warning: the decoder met {} errors in the input's video: damaged parts are restored as it gave them",
                found.errors
            );
        }
        match judge(self.input, &found, decoded) {
            Verdict::Whole => None,
            Verdict::Short(what) => Some(what),
            Verdict::Unstated => {
                eprintln!("note: the input does not state its length, so nobody can tell whether it is whole");
                None
            }
        }
    }
}

/// Nothing was restored: why.
fn nothing(end: End) -> Failure {
    if end.error.is_none() && !end.interrupted {
        return Failure::Failed("no frame of the input could be decoded; nothing was written".to_owned());
    }
    ending(end, "nothing was written")
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
