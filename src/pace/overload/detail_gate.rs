//! Whether bypassed frames have the detail of a restored one: as long as there is time for it, and not now and then, since
//! frames with and without it in turn would flicker.

use std::time::Duration;

use super::leaky_bucket::LeakyBucket;

/// Times what a bicubic picture takes that one with detail is reckoned to take, before one was made.
const USUAL_RATIO: f64 = 8.0;
/// Where detail is left out, it comes back when it is reckoned to fit so many times.
const ROOM: f64 = 1.5;
/// Frames in a row for which it has to fit so often before it comes back, and the most of them, where it came back too
/// early again and again.
const MIN_FITTING: u32 = 25;
const MAX_FITTING: u32 = 400;

/// Open while bypassed frames have detail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetailGate {
    open: bool,
    misses: LeakyBucket,
    /// What a bicubic picture takes, and one with detail; zero before there was one.
    bicubic: Duration,
    with_detail: Duration,
    ratio: f64,
    /// Frames in a row for which detail would fit, and how many are asked for.
    fitting: u32,
    wanted: u32,
}

impl Default for DetailGate {
    fn default() -> Self {
        DetailGate {
            open: true,
            misses: LeakyBucket::default(),
            bicubic: Duration::ZERO,
            with_detail: Duration::ZERO,
            ratio: USUAL_RATIO,
            fitting: 0,
            wanted: MIN_FITTING,
        }
    }
}

impl DetailGate {
    /// Whether the frame that comes has detail; `available`: the time that there is for it.
    pub fn passes(&mut self, now: Duration, available: Duration) -> bool {
        if self.open {
            self.open = self.fits(available, 1.0) || self.misses.tolerate(now);
            if !self.open {
                (self.fitting, self.wanted) = (0, (self.wanted * 2).min(MAX_FITTING));
            }
        } else {
            self.fitting = if self.fits(available, ROOM) {
                self.fitting + 1
            } else {
                0
            };
            self.open = self.fitting >= self.wanted;
            self.misses = LeakyBucket::default();
            self.with_detail = self.estimated();
        }
        self.open
    }

    /// Whether a picture with detail fits into the time so many times.
    pub fn fits(&self, available: Duration, times: f64) -> bool {
        let cost = if self.open { self.with_detail } else { self.estimated() };
        cost.as_secs_f64() * times <= available.as_secs_f64()
    }

    /// What a picture with detail would take, by what one without it takes now.
    fn estimated(&self) -> Duration {
        let seconds = self.bicubic.as_secs_f64() * self.ratio;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// What a picture took.
    pub fn took(&mut self, cost: Duration, detail: bool) {
        if detail {
            // An outlier is no measure.
            self.with_detail = match cost.checked_sub(self.with_detail) {
                Some(more) => self.with_detail + more / 2,
                None => self.with_detail - (self.with_detail - cost) / 8,
            };
        } else {
            // Follows growth at once, and falls slowly: it is what has to be left of a frame's time.
            self.bicubic = cost.max(self.bicubic - self.bicubic / 8);
        }
        if detail && !self.bicubic.is_zero() {
            self.ratio = self.with_detail.as_secs_f64() / self.bicubic.as_secs_f64();
        }
    }

    /// What has to be left of a frame's time for a bicubic picture.
    pub fn bicubic(&self) -> Duration {
        self.bicubic
    }
}
