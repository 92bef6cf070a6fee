//! Notices that nothing moves any more: demuxers that never end, elements that answer no end of stream.

use std::time::{Duration, Instant};

/// The whole input has come, or the user wants an end, and nothing more happens: the end of the stream is sent.
const END_AFTER: Duration = Duration::from_secs(2);
/// The end of the stream has been sent and nothing happens: it is not going to be answered.
const UNANSWERED_AFTER: Duration = Duration::from_secs(20);
/// As long may an encoder take for one of the frames that it holds back.
const ENCODED_AFTER: Duration = Duration::from_secs(900);
/// Nothing happens without a reason.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// Nobody looked for so long: the process was stopped, or the machine slept.
const ASLEEP: Duration = Duration::from_secs(5);

/// What moves while the work goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Frames decoded, frames handed to the restorer, frames restored, frames encoded, bytes written.
    pub decoded: u64,
    pub admitted: u64,
    pub restored: u64,
    pub encoded: u64,
    pub written: u64,
}

impl Motion {
    /// Frames that are being restored: however long that takes, it is no stall.
    fn in_work(self) -> bool {
        self.admitted > self.restored
    }

    /// How long an end may stay unanswered.
    fn end_timeout(self) -> Duration {
        if self.restored > self.encoded {
            ENCODED_AFTER
        } else {
            UNANSWERED_AFTER
        }
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
    looked: Instant,
    is_ending: bool,
}

impl Stall {
    pub fn new(now: Instant) -> Self {
        Self {
            last: Motion::default(),
            since: now,
            looked: now,
            is_ending: false,
        }
    }

    /// Look at what has moved. `may_end`: every frame of the input has come, or no more are wanted.
    pub fn look(&mut self, now: Instant, motion: Motion, may_end: bool) -> Action {
        let was_asleep = now.duration_since(self.looked) > ASLEEP;
        self.looked = now;
        if was_asleep || motion != self.last || motion.in_work() {
            (self.last, self.since) = (motion, now);
            return Action::Wait;
        }
        let idle = now.duration_since(self.since);
        if self.is_ending {
            return if idle >= motion.end_timeout() {
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

    /// Looks once a second, and says after how many seconds something else than waiting is due, and what.
    fn first_action(stall: &mut Stall, from: Instant, motion: Motion, may_end: bool) -> (u64, Action) {
        let look = |second| (second, stall.look(from + Duration::from_secs(second), motion, may_end));
        (0..3600).map(look).find(|(_, action)| *action != Action::Wait).unwrap()
    }

    fn idle() -> Motion {
        Motion {
            decoded: 5,
            admitted: 10,
            restored: 10,
            encoded: 10,
            written: 5,
        }
    }

    #[test]
    fn frames_in_work_are_waited_for() {
        let start = Instant::now();
        let mut stall = Stall::new(start);
        let slow = Motion { restored: 1, ..idle() };
        for second in 0..10_000 {
            let now = start + Duration::from_secs(second);
            assert_eq!(stall.look(now, slow, true), Action::Wait);
        }
    }

    #[test]
    fn an_input_that_has_come_is_ended() {
        let start = Instant::now();
        let mut stall = Stall::new(start);
        assert_eq!(first_action(&mut stall, start, idle(), true), (2, Action::EndStream));
        let ended = start + Duration::from_secs(2);
        assert_eq!(first_action(&mut stall, ended, idle(), true), (20, Action::GiveUp));
    }

    #[test]
    fn one_that_stops_is_given_up() {
        let start = Instant::now();
        let mut stall = Stall::new(start);
        assert_eq!(first_action(&mut stall, start, idle(), false), (60, Action::GiveUp));
        let written = Motion { written: 6, ..idle() };
        let later = start + Duration::from_secs(61);
        assert_eq!(first_action(&mut stall, later, written, false), (60, Action::GiveUp));
    }

    #[test]
    fn an_encoder_that_holds_frames_back_may_be_slow() {
        let start = Instant::now();
        let mut stall = Stall::new(start);
        let held = Motion { encoded: 3, ..idle() };
        assert_eq!(first_action(&mut stall, start, held, true), (2, Action::EndStream));
        let ended = start + Duration::from_secs(2);
        let most = ENCODED_AFTER.as_secs();
        assert_eq!(first_action(&mut stall, ended, held, true), (most, Action::GiveUp));
    }

    #[test]
    fn the_time_of_a_process_that_was_stopped_does_not_count() {
        let start = Instant::now();
        let mut stall = Stall::new(start);
        assert_eq!(stall.look(start, idle(), false), Action::Wait);
        let woken = start + Duration::from_secs(3600);
        assert_eq!(stall.look(woken, idle(), false), Action::Wait);
        assert_eq!(first_action(&mut stall, woken, idle(), false), (60, Action::GiveUp));
    }
}
