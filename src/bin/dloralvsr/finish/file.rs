//! The end of a run whose video is one file, the part.

use super::{Finish, Video, count, ending};
use crate::Failure;
use crate::input::Scan;
use crate::output::{Container, Part, cut_back};
use crate::watch::{End, ErrorKind};

impl Finish<'_> {
    /// Finish the file as far as it goes. `stopped` is asked whether the user wants no more.
    ///
    /// # Errors
    /// Why the output is not complete, and where what was restored is.
    pub fn conclude(&self, part: Part, end: End, scan: Scan, stopped: &dyn Fn() -> bool) -> Result<(), Failure> {
        let frames = if self.gate.restored() > 0 {
            self.frames(&part, &end)?
        } else {
            0
        };
        if frames == 0 {
            part.remove();
            return Err(self.nothing(end));
        }
        if let Some(lost) = self.lost(frames, &end) {
            return Err(Failure::Failed(format!(
                "{lost}; what there is, is in {}",
                part.path().display()
            )));
        }
        let is_left = end.interrupted && !end.closed;
        if is_left || matches!(&end.error, Some(error) if error.kind == ErrorKind::NoSpace) {
            let kept = format!(
                "the {frames} frames until then are, without audio, in {}",
                part.path().display()
            );
            return Err(ending(end, &kept));
        }
        let whole = match self.whole(&part, frames, &end, stopped) {
            Ok(whole) => whole,
            Err(cause) => {
                let kept = format!(
                    "the {frames} restored frames are, without audio, in {}",
                    part.path().display()
                );
                return Err(match end.error {
                    Some(error) => Failure::Failed(format!("{}\n{cause}; {kept}", error.text)),
                    None => cause.leaving(&kept),
                });
            }
        };
        if end.interrupted || matches!(&end.error, Some(error) if error.kind != ErrorKind::Input) {
            return Err(self.keep(&part, whole, frames, end));
        }
        self.publish(part, whole, frames)?;
        self.report(frames, end.error, scan, stopped)
    }

    /// Frames that got lost on their way through the pipeline, in words. None may.
    pub(super) fn lost(&self, frames: u64, end: &End) -> Option<String> {
        let (decoded, restored) = (self.gate.admitted(), self.gate.restored());
        if !end.closed || end.error.is_some() || (decoded == restored && restored == frames) {
            return None;
        }
        Some(format!(
            "of {decoded} decoded frames {restored} were restored and {frames} encoded: this is a fault of the program"
        ))
    }

    /// The frames in the part, which is cut back to what is whole where it may not be.
    fn frames(&self, part: &Part, end: &End) -> Result<u64, Failure> {
        let path = part.path();
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

    fn whole(&self, part: &Part, frames: u64, end: &End, stopped: &dyn Fn() -> bool) -> Result<Option<Part>, Failure> {
        if self.container == Container::Png {
            return Ok(None);
        }
        let whole = part.another(self.target.path())?;
        let video = Video {
            path: part.path(),
            is_list: false,
            frames,
        };
        self.put_together(&video, whole, end, stopped).map(Some)
    }

    /// Keep what is not complete as the part.
    fn keep(&self, part: &Part, whole: Option<Part>, frames: u64, end: End) -> Failure {
        let moved = whole.map_or(Ok(()), |whole| part.replace_by(whole));
        let path = part.path().display();
        match moved {
            Ok(()) => ending(end, &format!("the {frames} frames until then are in {path}")),
            Err(error) => ending(end, &format!("what was restored stays in parts beside {path}: {error}")),
        }
    }

    /// Give the file its name.
    fn publish(&self, part: Part, whole: Option<Part>, frames: u64) -> Result<(), Failure> {
        let finished = whole.as_ref().map_or(part.path(), Part::path);
        if let Err(cause) = self.target.publish(finished) {
            // Of two parts the complete one stays, under the first one's name.
            let moved = whole.map_or(Ok(()), |whole| part.replace_by(whole));
            let path = part.path().display();
            return Err(Failure::Failed(match moved {
                Ok(()) => format!("{cause}; the {frames} restored frames are in {path}"),
                Err(error) => format!("{cause}; what was restored stays in parts beside {path}: {error}"),
            }));
        }
        if whole.is_some() {
            part.remove();
        }
        Ok(())
    }
}
