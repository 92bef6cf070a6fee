//! Notices that nothing moves any more: demuxers that never end, elements that answer no end of stream.

use std::time::{Duration, Instant};

/// The whole input has come, or the user wants an end, and nothing more happens: the end of the stream is sent.
const END_AFTER: Duration = Duration::from_secs(2);
/// The end of the stream has been sent and nothing happens: it is not going to be answered.
const UNANSWERED_AFTER: Duration = Duration::from_secs(20);
/// Nothing happens without a reason.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// What moves while the work goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Frames decoded, frames handed to the restorer, frames restored, bytes written.
    pub decoded: u64,
    pub admitted: u64,
    pub restored: u64,
    pub written: u64,
}

impl Motion {
    /// Frames that are being restored: however long that takes, it is no stall.
    fn in_work(self) -> bool {
        self.admitted > self.restored
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Wait,
    /// End the stream: what was to come has come.
    EndStream,
    /// Nothing will come: leave the file as it is.
    GiveUp,
}

pub struct Stall {
    last: Motion,
    since: Instant,
    is_ending: bool,
}

impl Stall {
    pub fn new(now: Instant) -> Self {
        Self {
            last: Motion::default(),
            since: now,
            is_ending: false,
        }
    }

    /// Look at what has moved. `may_end`: every frame of the input has come, or no more are wanted.
    pub fn look(&mut self, now: Instant, motion: Motion, may_end: bool) -> Action {
        if motion != self.last || motion.in_work() {
            (self.last, self.since) = (motion, now);
            return Action::Wait;
        }
        let idle = now.duration_since(self.since);
        if self.is_ending {
            return if idle >= UNANSWERED_AFTER {
                Action::GiveUp
            } else {
                Action::Wait
            };
        }
        if may_end && idle >= END_AFTER {
            (self.is_ending, self.since) = (true, now);
            return Action::EndStream;
        }
        if idle >= GIVE_UP_AFTER {
            Action::GiveUp
        } else {
            Action::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> impl Fn(Instant) -> Instant {
        move |start| start + Duration::from_secs(seconds)
    }

    #[test]
    fn frames_in_work_are_waited_for() {
        let start = Instant::now();
        let mut stall = Stall::new(start);
        let slow = Motion {
            decoded: 1,
            admitted: 3,
            restored: 1,
            written: 0,
        };
        for hour in 0..3 {
            assert_eq!(stall.look(after(3600 * hour)(start), slow, true), Action::Wait);
        }
    }

    #[test]
    fn an_input_that_has_come_is_ended_and_one_that_stops_is_given_up() {
        let start = Instant::now();
        let idle = Motion {
            decoded: 5,
            admitted: 10,
            restored: 10,
            written: 5,
        };
        let mut stall = Stall::new(start);
        assert_eq!(stall.look(start, idle, true), Action::Wait);
        assert_eq!(stall.look(after(1)(start), idle, true), Action::Wait);
        assert_eq!(stall.look(after(2)(start), idle, true), Action::EndStream);
        assert_eq!(stall.look(after(3)(start), idle, true), Action::Wait);
        assert_eq!(stall.look(after(30)(start), idle, true), Action::GiveUp);
        let mut stall = Stall::new(start);
        assert_eq!(stall.look(start, idle, false), Action::Wait);
        assert_eq!(stall.look(after(59)(start), idle, false), Action::Wait);
        let written = Motion { written: 6, ..idle };
        assert_eq!(stall.look(after(61)(start), written, false), Action::Wait);
        assert_eq!(stall.look(after(130)(start), written, false), Action::GiveUp);
    }
}
