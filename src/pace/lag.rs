//! Whether frames fall behind ever further where every one is waited for: nothing else tells of it where the sink does not
//! wait for the clock.

use super::Nanoseconds;

/// The first lag that is reported; from then on each time that it has doubled.
const FIRST: Nanoseconds = 1_000_000_000;

/// How long after their running times frames come.
#[derive(Debug, Default)]
pub struct Lag {
    current: Option<Nanoseconds>,
    least: Option<Nanoseconds>,
    reported: Option<Nanoseconds>,
}

impl Lag {
    /// A frame has come so long after its time; before it, if that is negative. Gives the lag if it is to be reported:
    /// it has grown by a second, or twice as much as when it was reported last.
    pub fn observe(&mut self, lag: Nanoseconds) -> Option<Nanoseconds> {
        self.current = Some(lag);
        let least = self.least.map_or(lag, |least| least.min(lag));
        self.least = Some(least);
        let grown = lag.saturating_sub(least);
        if grown < self.reported.map_or(FIRST, |reported| reported.saturating_mul(2)) {
            return None;
        }
        self.reported = Some(grown);
        Some(lag)
    }

    /// The last frame's; none while no clock runs.
    pub fn current(&self) -> Option<Nanoseconds> {
        self.current
    }

    /// Times begin anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanoseconds = 1_000_000_000;

    #[test]
    fn a_lag_that_grows_is_told_whenever_it_has_doubled() {
        let mut lag = Lag::default();
        // It starts three seconds late, which is no growth.
        let told: Vec<_> = (0..100)
            .filter_map(|frame| lag.observe(3 * SECOND + frame * SECOND / 10))
            .collect();
        assert_eq!(told, [4, 5, 7, 11].map(|seconds| seconds * SECOND));
        assert_eq!(lag.current(), Some(3 * SECOND + 99 * SECOND / 10));
        lag.reset();
        assert_eq!((lag.current(), lag.observe(20 * SECOND)), (None, None));
    }

    #[test]
    fn frames_in_time_and_ahead_of_it_are_not_told() {
        let mut lag = Lag::default();
        for frame in 0..1000 {
            assert_eq!(lag.observe(SECOND / 2 - frame * SECOND / 50), None);
        }
    }
}
