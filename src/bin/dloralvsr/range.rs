//! Which part of the input is restored: `--start` and `--end`.

use crate::Failure;
use crate::input::{Input, ffprobe};

/// Times from the input's beginning, ns; none: from the first frame, to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    pub start: Option<i64>,
    pub end: Option<i64>,
}

impl Range {
    /// The same of the file's own clock.
    ///
    /// # Errors
    /// It is empty, or lies behind the input's end.
    pub fn of_input(self, input: &Input) -> Result<Range, Failure> {
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start >= end
        {
            return Err(Failure::Usage("--end has to lie behind --start".to_owned()));
        }
        if let (Some(start), Some(duration)) = (self.start, input.duration)
            && start >= duration
        {
            return Err(Failure::Usage(format!(
                "--start lies behind the end of the input, which is {:.3} s long",
                duration as f64 / 1e9
            )));
        }
        let beginning = input.beginning();
        Ok(Range {
            start: self.start.map(|start| beginning + start),
            end: self.end.map(|end| beginning + end),
        })
    }

    /// About how many of the input's frames are in it.
    pub fn frames(self, input: &Input) -> Option<u64> {
        let all = input.estimated_frames()?;
        let (Some(duration), false) = (input.duration, self == Range::default()) else {
            return Some(all);
        };
        let part = self.end.unwrap_or(duration).min(duration) - self.start.unwrap_or(0);
        Some((all as f64 * part as f64 / duration as f64).round().max(1.0) as u64)
    }

    /// Whether a frame at `time` lies before it; both of the same clock.
    pub fn is_before(self, time: i64) -> bool {
        self.start.is_some_and(|start| time < start)
    }

    /// Whether a frame at `time` lies behind it.
    pub fn is_behind(self, time: i64) -> bool {
        self.end.is_some_and(|end| time >= end)
    }
}

/// Seconds, or `h:mm:ss` with a fraction; ns.
pub fn time_of(text: &str) -> Option<i64> {
    ffprobe::clock(text).filter(|time| *time >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_a_clock() {
        assert_eq!(time_of("90.5"), Some(90_500_000_000));
        assert_eq!(time_of("1:30"), Some(90_000_000_000));
        assert_eq!(time_of("1:00:00.25"), Some(3_600_250_000_000));
        for text in ["", "-1", "soon", "1:x"] {
            assert_eq!(time_of(text), None, "{text}");
        }
    }

    #[test]
    fn the_end_is_not_in_it() {
        let range = Range {
            start: Some(10),
            end: Some(20),
        };
        assert!(range.is_before(9) && !range.is_before(10));
        assert!(range.is_behind(20) && !range.is_behind(19));
        assert!(!Range::default().is_before(0) && !Range::default().is_behind(i64::MAX));
    }
}
