//! Where reading may begin for a part of the input: at a key frame some time before it.

use super::{Input, Media, ffprobe};

/// So long before the part: what a decoder or a deinterlacer still lacks at the key frame has come by then.
const BEFORE: i64 = 10_000_000_000;
/// Formats with tables of key frames, whose times GStreamer and FFmpeg tell alike.
const FORMATS: [&str; 2] = ["matroska", "mp4"];

/// A place to begin at.
#[derive(Clone, Debug)]
pub struct SeekPoint {
    /// Of the file's clock, ns; key frames before it are as good.
    pub time: i64,
    /// Times of the packets from some time before the key frame, since GStreamer may take an earlier one, up to the part: by
    /// them it is seen whether the seek led there.
    packets: Vec<i64>,
}

impl SeekPoint {
    /// For the frames from `start` on, of the file's clock, and so many before them. `None`: reading has to begin at the
    /// beginning.
    pub fn before(input: &Input, start: i64, warm_up: usize) -> Option<Self> {
        if !matches!(input.media, Media::File(_)) {
            return None;
        }
        let has_tables = FORMATS
            .iter()
            .any(|format| input.format.split(',').any(|own| own == *format));
        let first = input.video.first_frame.or(input.video.first_key)?;
        let time = start - BEFORE;
        if input.is_still() || !has_tables || time - BEFORE < first || !is_picture_of_its_own(input, time) {
            return None;
        }
        let interval = format!("{}%{}", seconds(time - BEFORE), seconds(start));
        let packets = ffprobe::times(&input.media, input.video.stream.index, &interval).ok()?;
        // The frames before the part that its first one is restored with are among these.
        let before = packets.iter().filter(|packet| (time..start).contains(*packet)).count();
        let is_reached = packets.first().is_some_and(|first| *first <= time) && before >= warm_up;
        is_reached.then_some(Self { time, packets })
    }

    /// Whether the first frame that comes is one of those that were to come.
    pub fn led_to(&self, frame: i64) -> bool {
        const ROUNDED: i64 = 600_000;
        self.packets.iter().any(|packet| (packet - frame).abs() <= ROUNDED)
    }
}

/// Whether the key frame before `time` can be decoded alone. Streams that refresh their picture bit by bit have others.
fn is_picture_of_its_own(input: &Input, time: i64) -> bool {
    let interval = format!("{}%+#1", seconds(time));
    ffprobe::first_picture(&input.media, input.video.stream.index, &interval)
        .is_ok_and(|picture| picture.as_deref() == Some("I"))
}

fn seconds(time: i64) -> String {
    format!("{:.6}", time as f64 / 1e9)
}
