//! What the property `stats` says.

use std::collections::VecDeque;
use std::time::Duration;

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
    frames_out: u64,
    dropped: u64,
    scene_cuts: u64,
    late: u64,
    recent: VecDeque<Timings>,
}

impl Stats {
    /// A frame has come.
    pub fn frame_in(&mut self) {
        self.frames_in += 1;
    }

    /// It left, restored.
    pub fn restored(&mut self, report: &Report) {
        self.frames_out += 1;
        self.scene_cuts += u64::from(report.scene_cut);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(report.timings);
    }

    /// It did not leave: a flush, the element's stop or an error came first.
    pub fn dropped(&mut self) {
        self.dropped += 1;
    }

    /// Downstream says that a frame came after its time.
    pub fn late(&mut self) {
        self.late += 1;
    }

    /// The structure `application/x-dloralvsr-stats`; `provider` is the one in use, empty while there is none.
    pub fn to_structure(&self, provider: &str) -> gst::Structure {
        let mut structure = gst::Structure::builder("application/x-dloralvsr-stats")
            .field("frames-in", self.frames_in)
            .field("frames-out", self.frames_out)
            .field("restored", self.frames_out)
            .field("degraded", 0u64)
            .field("dropped", self.dropped)
            .field("scene-cuts", self.scene_cuts)
            .field("late", self.late)
            .field("provider", provider)
            .build();
        for (stage, time) in STAGES {
            let mut times: Vec<f64> = self
                .recent
                .iter()
                .map(|timings| time(timings).as_secs_f64() * 1e3)
                .collect();
            times.sort_by(f64::total_cmp);
            structure.set(format!("{stage}-ms-median"), percentile(&times, 50));
            structure.set(format!("{stage}-ms-p99"), percentile(&times, 99));
        }
        structure
    }
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
        let structure = stats.to_structure("cpu");
        let count = |field: &str| structure.get::<u64>(field).unwrap();
        assert_eq!(
            ["frames-in", "frames-out", "restored", "dropped", "scene-cuts"].map(count),
            [4, 3, 3, 1, 1]
        );
        assert_eq!(structure.get::<f64>("encode-ms-median").unwrap(), 20.0);
        assert_eq!(structure.get::<f64>("encode-ms-p99").unwrap(), 30.0);
        assert_eq!(structure.get::<&str>("provider").unwrap(), "cpu");
    }

    #[test]
    fn times_of_long_ago_are_forgotten() {
        gst::init().unwrap();
        let mut stats = Stats::default();
        stats.restored(&report(1000, false));
        (0..RECENT).for_each(|_| stats.restored(&report(1, false)));
        assert_eq!(stats.to_structure("").get::<f64>("encode-ms-p99").unwrap(), 1.0);
    }
}
