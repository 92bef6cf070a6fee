//! What the property `stats` says.

use std::collections::VecDeque;
use std::time::Duration;

use crate::pace::Nanoseconds;
use crate::restore::{Report, Timings};

/// Frames whose times the medians and percentiles are of.
const RECENT: usize = 256;

/// Name of a stage in the structure's fields, and where its time is.
type Stage = (&'static str, fn(&Timings) -> Duration);

const STAGES: [Stage; 6] = [
    ("upscale", |timings| timings.upscale),
    ("encode", |timings| timings.encode),
    ("restore", |timings| timings.restore),
    ("decode", |timings| timings.decode),
    ("color", |timings| timings.color),
    ("total", |timings| timings.total),
];

/// Counts since the element started, and times of the last frames.
#[derive(Debug, Default)]
pub struct Stats {
    frames_in: u64,
    restored: u64,
    bypassed: u64,
    propagated: u64,
    dropped: u64,
    errors: u64,
    scene_cuts: u64,
    late: u64,
    recent: VecDeque<Timings>,
    recent_bypassed: VecDeque<Duration>,
}

impl Stats {
    /// A frame has come.
    pub fn frame_in(&mut self) {
        self.frames_in += 1;
    }

    /// It left, restored. Says whether it is the first that did.
    pub fn restored(&mut self, report: &Report) -> bool {
        self.restored += 1;
        self.scene_cuts += u64::from(report.scene_cut);
        remember(&mut self.recent, report.timings);
        self.restored == 1
    }

    /// Its bicubic picture left, which took so long; `propagated`: with the detail of a restored one.
    pub fn bypassed(&mut self, took: Duration, propagated: bool) {
        self.bypassed += 1;
        self.propagated += u64::from(propagated);
        remember(&mut self.recent_bypassed, took);
    }

    /// So many frames could not be restored.
    pub fn failed(&mut self, count: u32) {
        self.errors += u64::from(count);
    }

    /// It did not leave: it would have come late, its buffer was not what the caps say, or a flush, the element's stop
    /// or an error came first.
    pub fn dropped(&mut self) {
        self.dropped += 1;
    }

    /// Downstream says that a frame came after its time.
    pub fn late(&mut self) {
        self.late += 1;
    }

    /// Frames that left, and frames that did not.
    pub fn processed_and_dropped(&self) -> (u64, u64) {
        (self.restored + self.bypassed, self.dropped)
    }

    /// The structure `application/x-dloralvsr-stats`; `state` is what happens to frames at present, and `provider` the
    /// one in use: both are empty while there is none. `depth`: frames that may be in flight at a time. `lag` is how
    /// long after its time the last frame came, if a clock runs; one that came early has none.
    pub fn to_structure(&self, state: &str, provider: &str, depth: u32, lag: Option<Nanoseconds>) -> gst::Structure {
        let mut structure = gst::Structure::builder("application/x-dloralvsr-stats")
            .field("frames-in", self.frames_in)
            .field("frames-out", self.restored + self.bypassed)
            .field("restored", self.restored)
            .field("bypassed", self.bypassed)
            .field("propagated", self.propagated)
            // The name of 0.1.
            .field("degraded", self.bypassed)
            .field("dropped", self.dropped)
            .field("errors", self.errors)
            .field("scene-cuts", self.scene_cuts)
            .field("late", self.late)
            .field("lag-ms", lag.unwrap_or(0).max(0) as f64 / 1e6)
            .field("state", state)
            .field("provider", provider)
            .field("depth", depth)
            .build();
        for (stage, time) in STAGES {
            set_times(&mut structure, stage, self.recent.iter().map(time));
        }
        set_times(&mut structure, "bypass", self.recent_bypassed.iter().copied());
        structure
    }
}

/// Keeps the last values only.
fn remember<T>(recent: &mut VecDeque<T>, value: T) {
    if recent.len() == RECENT {
        recent.pop_front();
    }
    recent.push_back(value);
}

fn set_times(structure: &mut gst::Structure, stage: &str, times: impl Iterator<Item = Duration>) {
    let mut times: Vec<f64> = times.map(|time| time.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    structure.set(format!("{stage}-ms-median"), percentile(&times, 50));
    structure.set(format!("{stage}-ms-p99"), percentile(&times, 99));
}

/// The smallest value that at least `percent` of the sorted values do not exceed; 0 if there is none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(milliseconds: u64, scene_cut: bool) -> Report {
        let timings = Timings {
            encode: Duration::from_millis(milliseconds),
            ..Timings::default()
        };
        Report {
            scene_cut,
            paired_with_itself: scene_cut,
            pipelined: false,
            fallback: None,
            timings,
        }
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (50.0, 99.0));
        assert_eq!((percentile(&[3.0], 50), percentile(&[3.0], 99)), (3.0, 3.0));
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn counts_and_times_reach_the_structure() {
        gst::init().unwrap();
        let mut stats = Stats::default();
        for (milliseconds, cut) in [(30, true), (10, false), (20, false)] {
            stats.frame_in();
            stats.restored(&report(milliseconds, cut));
        }
        stats.frame_in();
        stats.dropped();
        stats.frame_in();
        stats.bypassed(Duration::from_millis(4), true);
        let structure = stats.to_structure("restoring", "cpu", 2, Some(1_500_000));
        let count = |field: &str| structure.get::<u64>(field).unwrap();
        assert_eq!(
            [
                "frames-in",
                "frames-out",
                "restored",
                "bypassed",
                "propagated",
                "dropped",
                "scene-cuts"
            ]
            .map(count),
            [5, 4, 3, 1, 1, 1, 1]
        );
        assert_eq!(structure.get::<f64>("bypass-ms-median").unwrap(), 4.0);
        assert_eq!(structure.get::<&str>("state").unwrap(), "restoring");
        assert_eq!(structure.get::<f64>("encode-ms-median").unwrap(), 20.0);
        assert_eq!(structure.get::<f64>("encode-ms-p99").unwrap(), 30.0);
        assert_eq!(structure.get::<&str>("provider").unwrap(), "cpu");
        assert_eq!(structure.get::<u32>("depth").unwrap(), 2);
        assert_eq!(structure.get::<f64>("lag-ms").unwrap(), 1.5);
    }

    #[test]
    fn times_of_long_ago_are_forgotten() {
        gst::init().unwrap();
        let mut stats = Stats::default();
        stats.restored(&report(1000, false));
        for _ in 0..RECENT {
            stats.restored(&report(1, false));
        }
        assert_eq!(
            stats.to_structure("", "", 1, None).get::<f64>("encode-ms-p99").unwrap(),
            1.0
        );
    }
}
