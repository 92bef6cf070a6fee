//! Whether a frame follows the one before it, by their times.

use super::Nanoseconds;

/// Remembers where the last frame ended. Running times grow whichever way a stream is played, so reverse and fast
/// playback are streams like any other.
#[derive(Debug, Default)]
pub struct GapDetector {
    last: Option<Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: Nanoseconds,
    end: Option<Nanoseconds>,
}

impl GapDetector {
    /// Whether a frame from `start`, of this `length` if that is known, follows the one before; it becomes the one
    /// before. Frames follow each other if less than half a frame lies between the end of one and the start of the
    /// next, and if the second starts after the first. The first frame, and the first after [`reset`](Self::reset),
    /// follow nothing.
    ///
    /// A frame without a time is taken for the next one. Without a length, which is so where the frame rate varies, it
    /// cannot be known how long a frame is meant to be shown, so a later one follows it whenever it starts.
    pub fn follows(&mut self, start: Option<Nanoseconds>, length: Option<Nanoseconds>) -> bool {
        let Some(start) = start.or_else(|| self.last.and_then(|last| last.end)) else {
            // No times at all: only the events of the stream can say that frames are missing.
            return true;
        };
        let length = length.filter(|length| *length > 0);
        let span = Span {
            start,
            end: length.and_then(|length| start.checked_add(length)),
        };
        let follows = self.last.is_some_and(|last| last.is_followed_by(span));
        self.last = Some(span);
        follows
    }

    /// The next frame follows nothing.
    pub fn reset(&mut self) {
        self.last = None;
    }

    /// Where the last frame started; none where the next one follows nothing.
    pub fn last_start(&self) -> Option<Nanoseconds> {
        self.last.map(|last| last.start)
    }

    /// Where the next frame would start, if the last one had a length.
    pub fn expected(&self) -> Option<Nanoseconds> {
        self.last.and_then(|last| last.end)
    }
}

impl Span {
    fn is_followed_by(self, next: Span) -> bool {
        if next.start <= self.start {
            return false;
        }
        let Some(end) = self.end else {
            return true;
        };
        // `end` is after `start`, as lengths are positive: neither difference overflows by more than saturation mends.
        let tolerance = end.saturating_sub(self.start) / 2;
        next.start.saturating_sub(end).saturating_abs() <= tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Nanoseconds = 40_000_000;

    /// Which of these frames, of 40 ms each, follow the one before.
    fn follow<const N: usize>(starts: [Option<Nanoseconds>; N]) -> [bool; N] {
        let mut gaps = GapDetector::default();
        starts.map(|start| gaps.follows(start, Some(FRAME)))
    }

    #[test]
    fn frames_that_meet_follow_each_other() {
        let times = [0, FRAME, 2 * FRAME + FRAME / 5, 3 * FRAME - FRAME / 5].map(Some);
        assert_eq!(follow(times), [false, true, true, true]);
    }

    #[test]
    fn a_gap_and_a_jump_back_are_seen() {
        assert_eq!(
            follow([0, 2 * FRAME, 3 * FRAME, 0, FRAME].map(Some)),
            [false, false, true, false, true]
        );
        assert_eq!(follow([FRAME, FRAME].map(Some)), [false, false], "the same frame again");
    }

    #[test]
    fn a_frame_without_a_time_is_the_next_one() {
        assert_eq!(
            follow([Some(0), None, Some(2 * FRAME), None, Some(5 * FRAME)]),
            [false, true, true, true, false]
        );
        assert_eq!(follow([None, None]), [true, true], "no times at all");
    }

    #[test]
    fn without_lengths_only_a_jump_back_is_seen() {
        let mut gaps = GapDetector::default();
        let follows = [0, 10, 5_000_000_000, 7].map(|start| gaps.follows(Some(start), None));
        assert_eq!(follows, [false, true, true, false]);
    }

    #[test]
    fn ends_of_the_range_are_times_like_others() {
        let mut gaps = GapDetector::default();
        for start in [Nanoseconds::MAX, Nanoseconds::MIN, Nanoseconds::MAX - 1, 0] {
            for length in [Some(Nanoseconds::MAX), Some(1), Some(0), Some(-5), None] {
                gaps.follows(Some(start), length);
            }
        }
    }
}
