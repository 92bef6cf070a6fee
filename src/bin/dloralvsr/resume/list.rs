//! The segments as one video: a list for FFmpeg's `concat`, with their times.

use std::fmt::Write;

use super::Segment;

/// The list of so many segments. Each one's length is the time to the next one's first frame; `tick` is what the files
/// count time in, ns.
pub fn of(segments: &[Segment], ending: &str, tick: i64) -> String {
    let mut list = "ffconcat version 1.0\n".to_owned();
    // Rounded as times are, not as lengths: errors do not add up.
    let on_ticks = |time: i64| (time + tick / 2).div_euclid(tick) * tick;
    for (number, segment) in segments.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(list, "file '{}'", name(number, ending));
        if let Some(next) = segments.get(number + 1) {
            let length = (on_ticks(next.first) - on_ticks(segment.first)) / 1_000;
            let _ = writeln!(list, "duration {length}us");
        }
    }
    list
}

/// File name of a segment.
pub fn name(number: usize, ending: &str) -> String {
    format!("{number:05}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_reach_to_the_next_segment() {
        let segments = [0, 5_004_999_600, 10_010_000_000].map(|first| Segment {
            frames: 120,
            first,
            last: first,
        });
        let list = of(&segments, "mp4", 1_000);
        let lines: Vec<&str> = list.lines().skip(1).collect();
        let expected = [
            "file '00000.mp4'",
            "duration 5005000us",
            "file '00001.mp4'",
            "duration 5005000us",
            "file '00002.mp4'",
        ];
        assert_eq!(lines, expected);
        assert!(of(&segments, "mkv", 1_000_000).contains("duration 5005000us"));
    }
}
