//! The end of a run whose video is in segments.

use super::{Finish, Video, ending, nothing};
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
            return Err(left(parts, end));
        }
        let frames = parts.frames() + last.map_or(0, |segment| segment.frames);
        if frames == 0 {
            parts.remove();
            return Err(nothing(end));
        }
        if let Some(lost) = self.lost(frames - self.gate.passed(), &end) {
            return Err(Failure::Failed(format!("{lost}; what there is, is in {}", kept(parts))));
        }
        let joined = parts.list(last).and_then(|list| {
            let whole = parts.whole().map_err(|failure| failure.to_string())?;
            let video = Video {
                path: &list,
                is_list: true,
                frames,
            };
            self.put_together(&video, whole, &end, stopped)
        });
        let again = |cause: String| {
            Failure::Failed(format!(
                "{cause}; the restored frames are in {}, and the same command puts them together",
                parts.folder().display()
            ))
        };
        let whole = joined.map_err(again)?;
        if let Err(cause) = self.target.publish(whole.path()) {
            whole.remove();
            return Err(again(cause));
        }
        let output = self.target.path().display();
        let damage = end.error.map(|error| error.text).or_else(|| self.check_input(scan));
        parts.remove();
        if let Some(damage) = damage {
            return Err(Failure::Failed(format!(
                "{damage}; the {frames} frames until then are in {output}"
            )));
        }
        eprintln!("{output}");
        Ok(())
    }
}

fn left(parts: &Parts, end: End) -> Failure {
    if parts.frames() == 0 {
        parts.remove();
        return nothing(end);
    }
    ending(end, &format!("{}: the same command goes on behind them", kept(parts)))
}

fn kept(parts: &Parts) -> String {
    format!("{} frames are in {}", parts.frames(), parts.folder().display())
}
