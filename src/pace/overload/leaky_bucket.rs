//! Frames that missed their deadline, counted by a leaky bucket.

use std::time::Duration;

/// Misses tolerated before the state changes.
const TOLERATED: f64 = 3.0;
/// Time in which one miss leaks out.
const FORGOTTEN: Duration = Duration::from_secs(2);

/// How many are not forgotten, when the last one came.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LeakyBucket {
    level: f64,
    last: Duration,
}

impl LeakyBucket {
    /// One more. Says whether it is still an exception.
    pub fn tolerate(&mut self, now: Duration) -> bool {
        let forgotten = now.saturating_sub(self.last).as_secs_f64() / FORGOTTEN.as_secs_f64();
        self.level = (self.level - forgotten).max(0.0) + 1.0;
        self.last = now;
        self.level <= TOLERATED
    }
}
