//! What goes into the controller for each frame, and what comes out: plain values.

use std::time::Duration;

use crate::pace::Nanoseconds;

/// What is to be done with frames that would come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Restore them, however late.
    #[default]
    Wait,
    /// Send their bicubic pictures out in time.
    Bypass,
    /// Leave them out.
    Drop,
}

/// What happens to frames at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They are restored.
    Restoring,
    /// They go out bicubic.
    Bypassing,
    /// Some are left out.
    Dropping,
}

/// What bounds the time of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Its deadline.
    Deadline,
    /// The next frame.
    Rate,
}

/// Why the state has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The stream has begun, or the policy has changed.
    Begin,
    /// The model is still being opened.
    Loading,
    /// Restoring takes longer than there is time.
    Slow(TimeBudget),
    /// Restoring fits again, or is tried because the depth has changed.
    Fits(TimeBudget),
}

/// What restoring a frame takes, and what it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBudget {
    /// What it took last, if that is known.
    pub needed: Option<Duration>,
    /// What there is.
    pub available: Duration,
    /// What bounds that.
    pub bound: Bound,
}

/// A change of state, to be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The state from now on.
    pub state: State,
    /// Why.
    pub reason: Reason,
}

/// What restoring a frame took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// From its begin to its end.
    pub latency: Duration,
    /// Until the next one could be begun: less, where two are in flight at a time.
    pub period: Duration,
}

/// A frame that comes.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Time since any fixed moment.
    pub now: Duration,
    /// How long it is until the frame is to leave; negative: too late already; none: nothing waits for it.
    pub slack: Option<Nanoseconds>,
    /// Length of a frame, if that is known.
    pub frame: Option<Duration>,
    /// Whether there is a model to restore it with.
    pub ready: bool,
    /// One frame in so many is restored, at least 1.
    pub interval: u32,
    /// Whether bypassed frames may have the detail of a restored one.
    pub propagates: bool,
}

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Restore it, and wait so long for it; without end if there is no budget given.
    Restore {
        /// How long to wait.
        budget: Option<Duration>,
        /// If another frame is restored first: what has to be left of that time for this one to be begun.
        least: Duration,
    },
    /// Send its bicubic picture out; restore it beside that as a trial, if nothing else is being restored.
    Bypass {
        /// Whether a trial is due.
        trial: bool,
        /// Whether there is time for the detail of a restored frame.
        propagates: bool,
    },
    /// Leave it out.
    Drop,
}
