//! What `ffprobe` says of a file, as it says it.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Media;
use crate::{Failure, tools};

#[derive(Debug, Default, Deserialize)]
pub struct Report {
    #[serde(default)]
    pub streams: Vec<Stream>,
    #[serde(default)]
    pub chapters: Vec<Chapter>,
    #[serde(default)]
    pub format: Format,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub struct Stream {
    pub index: usize,
    #[serde(default)]
    pub codec_type: String,
    pub codec_name: Option<String>,
    pub codec_long_name: Option<String>,
    #[serde(default)]
    pub codec_tag_string: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub pix_fmt: Option<String>,
    pub channels: Option<u32>,
    pub color_transfer: Option<String>,
    pub field_order: Option<String>,
    pub r_frame_rate: Option<String>,
    pub avg_frame_rate: Option<String>,
    pub time_base: Option<String>,
    pub duration: Option<String>,
    pub nb_frames: Option<String>,
    #[serde(default)]
    pub disposition: HashMap<String, i32>,
    #[serde(default)]
    pub tags: HashMap<String, String>,
    #[serde(default)]
    pub side_data_list: Vec<SideData>,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub struct SideData {
    pub side_data_type: Option<String>,
    /// Nine numbers in three rows, each row behind its name and a colon.
    pub displaymatrix: Option<String>,
    pub red_x: Option<String>,
    pub red_y: Option<String>,
    pub green_x: Option<String>,
    pub green_y: Option<String>,
    pub blue_x: Option<String>,
    pub blue_y: Option<String>,
    pub white_point_x: Option<String>,
    pub white_point_y: Option<String>,
    pub min_luminance: Option<String>,
    pub max_luminance: Option<String>,
    pub max_content: Option<u32>,
    pub max_average: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Chapter {}

#[derive(Debug, Default, Deserialize)]
pub struct Format {
    #[serde(default)]
    pub format_name: String,
    pub start_time: Option<String>,
    pub duration: Option<String>,
}

/// A packet or a frame of the beginning of a stream.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Item {
    Packet(Packet),
    Frame(Box<Frame>),
}

#[derive(Debug, Deserialize)]
pub struct Packet {
    pub pts_time: Option<String>,
    #[serde(default)]
    pub flags: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub struct Frame {
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub best_effort_timestamp_time: Option<String>,
    pub pict_type: Option<String>,
    #[serde(default)]
    pub interlaced_frame: u8,
    #[serde(default)]
    pub top_field_first: u8,
    #[serde(default)]
    pub side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct Beginning {
    #[serde(default)]
    packets_and_frames: Vec<Item>,
    #[serde(default)]
    packets: Vec<Packet>,
    #[serde(default)]
    frames: Vec<Frame>,
}

impl Stream {
    pub fn is(&self, disposition: &str) -> bool {
        self.disposition.get(disposition).is_some_and(|set| *set != 0)
    }

    pub fn codec(&self) -> &str {
        self.codec_name.as_deref().unwrap_or("unknown")
    }

    /// A tag by its name in any case.
    pub fn tag(&self, name: &str) -> Option<&str> {
        let found = self.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Everything that the file says of itself.
pub fn report(media: &Media) -> Result<Report, Failure> {
    run(media, &["-show_streams", "-show_chapters", "-show_format"])
}

/// The first packets and frames of a stream, about `count` packets.
pub fn beginning(media: &Media, stream: usize, count: u32) -> Result<Vec<Item>, Failure> {
    let (stream, interval) = (stream.to_string(), format!("%+#{count}"));
    let entries = ["-select_streams", &stream, "-read_intervals", &interval];
    let begin: Beginning = run(media, &[&entries[..], &["-show_packets", "-show_frames"]].concat())?;
    Ok(begin.packets_and_frames)
}

/// Times of the packets of an interval of a stream, ns; it begins with the key frame before.
pub fn times(media: &Media, stream: usize, interval: &str) -> Result<Vec<i64>, Failure> {
    let stream = stream.to_string();
    let entries = ["-select_streams", &stream, "-read_intervals", interval];
    let found: Beginning = run(media, &[&entries[..], &["-show_packets"]].concat())?;
    let times = found
        .packets
        .iter()
        .filter_map(|packet| nanoseconds(packet.pts_time.as_deref()?));
    Ok(times.collect())
}

/// The first frames of several intervals of a stream.
pub fn frames(media: &Media, stream: usize, intervals: &str) -> Result<Vec<Frame>, Failure> {
    let stream = stream.to_string();
    let entries = ["-select_streams", &stream, "-read_intervals", intervals];
    let found: Beginning = run(media, &[&entries[..], &["-show_frames"]].concat())?;
    Ok(found.frames)
}

/// Kind of the first picture of an interval of a stream: `I`, `P` or `B`.
pub fn first_picture(media: &Media, stream: usize, interval: &str) -> Result<Option<String>, Failure> {
    Ok(frames(media, stream, interval)?
        .into_iter()
        .next()
        .and_then(|frame| frame.pict_type))
}

fn run<T: DeserializeOwned>(media: &Media, arguments: &[&str]) -> Result<T, Failure> {
    let mut command = tools::command("ffprobe");
    command.args(["-of", "json"]).args(arguments).args(media.arguments());
    let text = tools::output(command)?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::Failed(format!("ffprobe's answer is not understood: {error}")))
}

/// Nanoseconds of a decimal number of seconds.
pub fn nanoseconds(seconds: &str) -> Option<i64> {
    let seconds: f64 = seconds.parse().ok()?;
    // Far below 2⁵³ µs, so that the number of microseconds that ffprobe prints is exact.
    (seconds.is_finite() && seconds.abs() < 1e9).then(|| (seconds * 1e6).round() as i64 * 1_000)
}

/// Nanoseconds of `h:mm:ss.fraction`, as Matroska's tags have it.
pub fn clock(text: &str) -> Option<i64> {
    let mut seconds = 0.0;
    for part in text.split(':') {
        seconds = seconds * 60.0 + part.trim().parse::<f64>().ok()?;
    }
    nanoseconds(&seconds.to_string())
}

/// `numerator/denominator` or `numerator:denominator`, both positive.
pub fn ratio(text: &str) -> Option<(i32, i32)> {
    let (numerator, denominator) = text.split_once(['/', ':'])?;
    let ratio = (numerator.parse().ok()?, denominator.parse().ok()?);
    (ratio.0 > 0 && ratio.1 > 0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond() {
        assert_eq!(nanoseconds("0.021000"), Some(21_000_000));
        assert_eq!(nanoseconds("-1.360000"), Some(-1_360_000_000));
        assert_eq!(nanoseconds("N/A"), None);
        assert_eq!(clock("00:01:04.021000000"), Some(64_021_000_000));
        assert_eq!(clock("soon"), None);
        assert_eq!(ratio("30000/1001"), Some((30000, 1001)));
        assert_eq!(ratio("0/0"), None);
    }
}
