//! What becomes of the restored video in the end: put together with the input's other streams, and given its name, or
//! kept as a part.

use std::path::Path;

use gst_video::VideoColorimetry;

use crate::input::{Decoded, Input, Scan, Verdict, judge};
use crate::output::{Container, Mux, Part, Streams, Target, VideoCodec, cut_back};
use crate::video::Gate;
use crate::watch::{End, Error, ErrorKind};
use crate::{Failure, tools};

pub struct Finish<'a> {
    pub input: &'a Input,
    pub streams: &'a Streams,
    pub container: Container,
    pub codec: VideoCodec,
    pub target: &'a Target,
    pub gate: &'a Gate,
    /// Of the restored video, once the first frame has come.
    pub colours: Option<VideoColorimetry>,
    /// The restored video.
    pub part: Part,
}

impl Finish<'_> {
    /// Finish the file as far as it goes. `stopped` is asked whether the user wants no more.
    ///
    /// # Errors
    /// Why the output is not complete, and where what was restored is.
    pub fn conclude(self, end: End, scan: Scan, stopped: &dyn Fn() -> bool) -> Result<(), Failure> {
        let frames = if self.gate.restored() > 0 {
            self.frames(&end)?
        } else {
            0
        };
        if frames == 0 {
            self.part.remove();
            return Err(nothing(end));
        }
        if let Some(lost) = self.lost(frames, &end) {
            return Err(Failure::Failed(format!(
                "{lost}; what there is, is in {}",
                self.part.path().display()
            )));
        }
        let is_left = end.interrupted && !end.closed;
        if is_left || matches!(&end.error, Some(error) if error.kind == ErrorKind::NoSpace) {
            let kept = format!(
                "the {frames} frames until then are, without audio, in {}",
                self.part.path().display()
            );
            return Err(ending(end, &kept));
        }
        let whole = match self.put_together(frames, &end, stopped) {
            Ok(whole) => whole,
            Err(cause) => {
                let kept = format!(
                    "the {frames} restored frames are, without audio, in {}",
                    self.part.path().display()
                );
                return Err(match end.error {
                    Some(error) => Failure::Failed(format!("{}\n{cause}; {kept}", error.text)),
                    None => Failure::Failed(format!("{cause}; {kept}")),
                });
            }
        };
        if end.interrupted || matches!(&end.error, Some(error) if error.kind != ErrorKind::Input) {
            return Err(self.keep(whole, frames, end));
        }
        self.publish(whole, frames, end.error, scan)
    }

    /// Frames that got lost on their way through the pipeline, in words. None may.
    fn lost(&self, frames: u64, end: &End) -> Option<String> {
        let (decoded, restored) = (self.gate.admitted(), self.gate.restored());
        if !end.closed || end.error.is_some() || (decoded == restored && restored == frames) {
            return None;
        }
        Some(format!(
            "of {decoded} decoded frames {restored} were restored and {frames} encoded: this is a fault of the program"
        ))
    }

    /// The frames in the part, which is cut back to what is whole where it may not be.
    fn frames(&self, end: &End) -> Result<u64, Failure> {
        let path = self.part.path();
        if self.container == Container::Png {
            return Ok(u64::from(end.closed));
        }
        // A muxer that found no room ends its file as if nothing were missing.
        if !end.closed || end.error.is_some() {
            cut_back(path).map_err(|error| {
                Failure::Failed(format!(
                    "what was restored is in {}, unfinished: {error}",
                    path.display()
                ))
            })?;
        }
        // One that is empty was not begun.
        if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            return Ok(0);
        }
        count(path).map_err(|failure| {
            Failure::Failed(format!(
                "what was restored is in {}, unfinished: {failure}",
                path.display()
            ))
        })
    }

    fn put_together(&self, frames: u64, end: &End, stopped: &dyn Fn() -> bool) -> Result<Option<Part>, String> {
        if self.container == Container::Png {
            return Ok(None);
        }
        let text = |failure: Failure| failure.to_string();
        let whole = self.part.another(self.target.path()).map_err(text)?;
        let times = self.gate.times();
        let ends_early = !end.closed || end.error.is_some();
        let last_end = times.last.map(|last| last + self.input.video.mean_frame());
        let mux = Mux {
            input: self.input,
            streams: self.streams,
            container: self.container,
            codec: self.codec,
            colours: self.colours,
            video: self.part.path(),
            from: self.gate.range().start,
            first_frame: self.gate.file_time(times.first.unwrap_or(0)),
            until: times
                .cut
                .or(last_end.filter(|_| ends_early))
                .map(|time| self.gate.file_time(time)),
        };
        let written = mux.write(whole.path(), stopped).and_then(|()| count(whole.path()));
        match written {
            Ok(written) if written == frames => Ok(Some(whole)),
            Ok(written) => {
                whole.remove();
                Err(format!("of {frames} restored frames {written} came into the output"))
            }
            Err(failure) => {
                whole.remove();
                Err(text(failure))
            }
        }
    }

    /// Keep what is not complete as the part.
    fn keep(&self, whole: Option<Part>, frames: u64, end: End) -> Failure {
        let moved = whole.map_or(Ok(()), |whole| self.part.replace_by(whole));
        let path = self.part.path().display();
        match moved {
            Ok(()) => ending(end, &format!("the {frames} frames until then are in {path}")),
            Err(error) => ending(end, &format!("what was restored stays in parts beside {path}: {error}")),
        }
    }

    /// Give the file its name, and say what is wrong with the input.
    fn publish(self, whole: Option<Part>, frames: u64, error: Option<Error>, scan: Scan) -> Result<(), Failure> {
        let finished = whole.as_ref().map_or(self.part.path(), Part::path);
        if let Err(cause) = self.target.publish(finished) {
            // Of two parts the complete one stays, under the first one's name.
            let moved = whole.map_or(Ok(()), |whole| self.part.replace_by(whole));
            let path = self.part.path().display();
            return Err(Failure::Failed(match moved {
                Ok(()) => format!("{cause}; the {frames} restored frames are in {path}"),
                Err(error) => format!("{cause}; what was restored stays in parts beside {path}: {error}"),
            }));
        }
        let output = self.target.path().display();
        let damage = error.map(|error| error.text).or_else(|| self.check_input(scan));
        if whole.is_some() {
            self.part.remove();
        }
        if let Some(damage) = damage {
            return Err(Failure::Failed(format!(
                "{damage}; the {frames} frames until then are in {output}"
            )));
        }
        eprintln!("{output}");
        Ok(())
    }

    /// Warn of what is damaged in the input, and return what it lacks of what it states, in words.
    fn check_input(&self, scan: Scan) -> Option<String> {
        let times = self.gate.times();
        if times.cut.is_some() || self.input.is_pictures() {
            return None;
        }
        let decoded = Decoded {
            frames: self.gate.decoded(),
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
