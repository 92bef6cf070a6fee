//! The end of a run whose video is in segments.

use super::{Finish, Video, ending};
use crate::Failure;
use crate::input::Scan;
use crate::resume::{Parts, Segment};
use crate::watch::{End, ErrorKind};

impl Finish<'_> {
    /// Put the segments together with the other streams, or leave them for the run that goes on. `last` is the segment
    /// that the end has closed.
    ///
    /// # Errors
    /// Why the output is not complete, and where what was restored is.
    pub fn conclude_parts(
        &self,
        parts: &Parts,
        last: Option<Segment>,
        end: End,
        scan: Scan,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let is_damaged = matches!(&end.error, Some(error) if error.kind == ErrorKind::Input);
        if !end.closed || end.interrupted || (end.error.is_some() && !is_damaged) {
            return Err(self.left(parts, end));
        }
        let frames = parts.frames() + last.map_or(0, |segment| segment.frames);
        if frames == 0 {
            parts.remove();
            return Err(self.nothing(end));
        }
        if let Some(lost) = self.lost(frames - self.gate.passed(), &end) {
            return Err(Failure::Failed(format!("{lost}; what there is, is in {}", kept(parts))));
        }
        let joined = parts.list(last).map_err(Failure::Failed).and_then(|list| {
            let whole = parts.whole()?;
            let video = Video {
                path: &list,
                is_list: true,
                frames,
            };
            self.put_together(&video, whole, &end, stopped)
        });
        let again = |cause: Failure| {
            cause.leaving(&format!(
                "the restored frames are in {}, and the same command puts them together",
                parts.folder().display()
            ))
        };
        let whole = joined.map_err(again)?;
        if let Err(cause) = self.target.publish(whole.path()) {
            whole.remove();
            return Err(again(Failure::Failed(cause)));
        }
        parts.remove();
        self.report(frames, end.error, scan, stopped)
    }

    fn left(&self, parts: &Parts, end: End) -> Failure {
        if parts.frames() == 0 {
            parts.remove();
            return self.nothing(end);
        }
        ending(end, &format!("{}: the same command goes on behind them", kept(parts)))
    }
}

fn kept(parts: &Parts) -> String {
    format!("{} frames are in {}", parts.frames(), parts.folder().display())
}
