//! Trials: frames that are restored beside the stream while frames are bypassed, to find out whether restoration fits
//! again.

use std::time::Duration;

/// Good trials that bring restoration back.
pub const TRIALS: u32 = 3;
/// Most good trials asked for, where restoration was brought back too early again and again.
pub const MAX_TRIALS: u32 = 96;
/// Part of them that one which was too slow takes away.
const SETBACK: u32 = 3;
/// After trials that were too slow, the next one waits for so many times what they took.
const TRIAL_REST: u32 = 9;
/// It waits at least for so long.
const SHORTEST_REST: Duration = Duration::from_millis(250);

/// How a trial went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Restoration fits.
    Fits,
    /// It would fit, if caches were warm and cores awake: the first one after a rest pays for the rest.
    Cold,
    /// It does not fit.
    Slow,
}

/// Those since frames are bypassed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trials {
    good: u32,
    /// When the next one is due.
    next: Duration,
    /// Whether that is the first one after a rest.
    rested: bool,
    /// What those since that rest took that were too slow.
    spent: Duration,
}

impl Trials {
    /// Begins them. A model that has just come is as cold as one that has `rested`.
    pub fn begin(now: Duration, rested: bool) -> Trials {
        Trials {
            good: 0,
            next: now,
            rested,
            spent: Duration::ZERO,
        }
    }

    /// Whether one is due.
    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// Whether there were enough good ones.
    pub fn are_enough(&self, wanted: u32) -> bool {
        self.good >= wanted
    }

    /// Restoration is tried at once: what trials have shown is of no more use.
    pub fn skip(&mut self) {
        (self.good, self.rested, self.spent) = (TRIALS, false, Duration::ZERO);
    }

    /// Whether the next one to be counted is the first one after a rest; asked once.
    pub fn take_cold(&mut self) -> bool {
        std::mem::take(&mut self.rested)
    }

    /// Counts one that took `cost`. `wanted`: good ones that are asked for.
    pub fn count(&mut self, now: Duration, verdict: Verdict, cost: Duration, wanted: u32) {
        self.next = now;
        match verdict {
            Verdict::Fits => {
                self.good = self.good.saturating_add(1);
                self.spent = Duration::ZERO;
            }
            Verdict::Cold => self.spent = self.spent.saturating_add(cost),
            Verdict::Slow => {
                self.good = self.good.saturating_sub(wanted / SETBACK);
                let spent = std::mem::take(&mut self.spent).saturating_add(cost);
                let rest = spent.saturating_mul(TRIAL_REST).max(SHORTEST_REST);
                self.next = now.saturating_add(rest);
                self.rested = true;
            }
        }
    }

    /// One has failed: the next one is not before `next`.
    pub fn fail(&mut self, next: Duration) {
        self.good = 0;
        self.next = next;
    }
}
