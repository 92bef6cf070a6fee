//! Which frames are restored with `--restore-interval`: those whose number in the output is a multiple of it, in a run
//! that goes on and in a part of a video too.

use gst::prelude::*;
use gstdloralvsr::element::RESTORE_NEXT;

/// One frame in so many is restored.
#[derive(Clone, Copy, Debug)]
pub struct Intervals(u32);

impl Intervals {
    /// As the restorer has it; anything else than the element restores nothing.
    pub fn of(restorer: &gst::Element) -> Self {
        let has_one = restorer.find_property("restore-interval").is_some();
        Self(if has_one {
            restorer.property("restore-interval")
        } else {
            1
        })
    }

    /// Frames before any frame that have a part in it, at most.
    pub fn most_before(self) -> usize {
        3 * self.0 as usize - 1
    }

    /// How many of `there` frames before the frame `number` are needed so that it comes out as in the whole video: those of
    /// its own interval, whose first one the model looked at with the last restored one, and which with a temporal blend
    /// has detail of that, which was restored with one more. Fewer where there are not so many, but whole intervals.
    pub fn before(self, number: u64, there: usize) -> usize {
        let length = self.0 as usize;
        let own = (number % u64::from(self.0)) as usize;
        let whole = there.checked_sub(own).map(|rest| (rest / length).min(2));
        whole.map_or(there, |whole| own + whole * length)
    }

    /// Tell the element whose pad this is that the next frame is the one of this number; less than zero: before the output.
    pub fn announce(self, restorer: &gst::Pad, number: i64) {
        if self.0 > 1 && number.rem_euclid(i64::from(self.0)) == 0 {
            let event = gst::event::CustomDownstream::new(gst::Structure::new_empty(RESTORE_NEXT));
            restorer.send_event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_with_whole_intervals() {
        let every = Intervals(1);
        assert_eq!([0, 1, 2, 9].map(|there| every.before(120, there)), [0, 1, 2, 2]);
        let third = Intervals(3);
        assert_eq!(third.most_before(), 8);
        assert_eq!(
            [0, 2, 3, 5, 6, 8].map(|there| third.before(120, there)),
            [0, 0, 3, 3, 6, 6]
        );
        assert_eq!([1, 2, 4, 5, 8].map(|there| third.before(122, there)), [1, 2, 2, 5, 8]);
    }
}
