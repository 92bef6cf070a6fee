//! What the input holds, asked of `ffprobe` before anything is built.

mod animation;
mod choose;
mod completeness;
pub mod ffprobe;
mod fields;
mod hdr;
mod media;
mod orientation;
mod riff;
mod seek;

use ffprobe::{Frame, Item, SideData, Stream};
use fields::Fields;

pub use choose::is_video;
pub use completeness::{Decoded, Scan, Verdict, judge};
pub use hdr::Mastering;
pub use media::{Media, Sequence};
pub use seek::SeekPoint;

use crate::Failure;

/// The restorer's limits, in input pixels.
const SMALLEST: u32 = 16;
const LARGEST: u32 = 4096;

/// So many packets of the video are looked at for what the container may not say.
const LOOKED_AT: u32 = 24;

/// The input, as far as transcoding needs to know it.
pub struct Input {
    pub media: Media,
    /// ffprobe's name of the format.
    pub format: String,
    pub video: Video,
    /// Every other stream, in the file's order.
    pub others: Vec<Stream>,
    pub chapters: usize,
    /// Time of the earliest stream's start, ns.
    pub start: i64,
    /// As the file or, where it does not say, its timestamps have it, ns.
    pub duration: Option<i64>,
    /// The folder of a converted input, for as long as it is read.
    _converted: Option<tempfile::TempDir>,
}

/// The video stream that is restored.
pub struct Video {
    pub stream: Stream,
    /// Size of the first frame in pixels, before rotation.
    pub width: u32,
    pub height: u32,
    /// Frames per second; `None` where the file does not say or the rate varies.
    pub framerate: Option<(i32, i32)>,
    /// Mean frames per second, for estimates.
    pub mean_rate: Option<f64>,
    pub interlaced: bool,
    /// Of interlaced video: whether the bottom field is the earlier one.
    pub bottom_first: bool,
    /// The method of `videoflip` that turns the picture upright.
    pub turn: Option<&'static str>,
    /// Bits per sample.
    pub depth: u32,
    pub alpha: bool,
    pub mastering: Option<Mastering>,
    /// Whether there are closed captions (CEA-608, CEA-708) within the coded frames.
    pub captions: bool,
    /// Time of the first packet that is a key frame, ns: by it the pipeline's times are compared with the file's.
    pub first_key: Option<i64>,
    /// Time of the first frame, ns: the same where packets have no times.
    pub first_frame: Option<i64>,
}

impl Input {
    /// Look at a file and choose the video stream to restore, by number or the first.
    ///
    /// # Errors
    /// The file cannot be read or holds no video that can be restored.
    pub fn probe(media: Media, wanted: Option<usize>) -> Result<Self, Failure> {
        let path = media.path().to_owned();
        let unreadable = |failure| match failure {
            Failure::Failed(cause) => Failure::Failed(format!("{} cannot be read: {cause}", path.display())),
            other => other,
        };
        let mut report = ffprobe::report(&media).map_err(unreadable)?;
        let (media, converted) = match animation::is_animation(&report.format.format_name) {
            false => (media, None),
            true => {
                let (media, folder) = animation::convert(&path).map_err(unreadable)?;
                report = ffprobe::report(&media).map_err(unreadable)?;
                (media, Some(folder))
            }
        };
        let chosen = choose::video(&media, &report.streams, wanted)?;
        let mut others = report.streams;
        let stream = others.remove(chosen);
        let begin = ffprobe::beginning(&media, stream.index, LOOKED_AT).map_err(unreadable)?;
        let mut video = Video::of(stream, &begin);
        if video.width == 0 && report.format.format_name.starts_with("webp") {
            return Err(Failure::Usage(format!(
                "{0} is an animated WebP, which neither GStreamer nor FFmpeg reads: turn it into a GIF or a video first, \
                 for instance with ImageMagick: magick {0} animation.gif",
                path.display()
            )));
        }
        video.check_size()?;
        let time = |text: &Option<String>| ffprobe::nanoseconds(text.as_deref()?);
        if let (false, Some(duration)) = (video.interlaced, time(&report.format.duration)) {
            video.look_for_fields(&media, duration);
        }
        Ok(Self {
            media,
            video,
            others,
            chapters: report.chapters.len(),
            start: time(&report.format.start_time).unwrap_or(0),
            duration: time(&report.format.duration).filter(|duration| *duration > 0),
            format: report.format.format_name,
            _converted: converted,
        })
    }

    /// Whether it is one picture, not a video.
    pub fn is_still(&self) -> bool {
        matches!(self.media, Media::File(_)) && (self.format.ends_with("_pipe") || self.format == "image2")
    }

    /// Whether there is nothing but pictures: neither times nor other streams.
    pub fn is_pictures(&self) -> bool {
        self.is_still() || matches!(self.media, Media::Sequence(_))
    }

    /// Whether the file's clock starts anywhere, so that its first time means nothing.
    pub fn has_arbitrary_start(&self) -> bool {
        ["mpegts", "mpeg", "mpegvideo"].contains(&self.format.as_str())
    }

    /// The time of the file's clock that is zero in the output, ns.
    pub fn beginning(&self) -> i64 {
        if self.has_arbitrary_start() { self.start } else { 0 }
    }

    /// The number of frames: stated, or estimated by duration and rate; good for a progress bar.
    pub fn estimated_frames(&self) -> Option<u64> {
        if self.is_still() {
            return Some(1);
        }
        if let Media::Sequence(sequence) = &self.media {
            return Some(u64::from(sequence.last - sequence.first) + 1);
        }
        if let Some(stated) = self.video.stated_frames() {
            return Some(stated);
        }
        let seconds = self.video_duration()? as f64 / 1e9;
        let frames = (seconds * self.video.mean_rate?).round();
        (frames >= 1.0).then_some(frames as u64)
    }

    fn video_duration(&self) -> Option<i64> {
        let stream = &self.video.stream;
        let stated = stream.duration.as_deref().and_then(ffprobe::nanoseconds);
        stated
            .or_else(|| stream.tag("DURATION").and_then(ffprobe::clock))
            .or(self.duration)
    }
}

impl Video {
    fn of(stream: Stream, begin: &[Item]) -> Self {
        let frames = || {
            begin.iter().filter_map(|item| match item {
                Item::Frame(frame) => Some(frame.as_ref()),
                Item::Packet(_) => None,
            })
        };
        let first = frames().next().cloned().unwrap_or_default();
        let fields = Fields::of(&stream, frames());
        let pixels = Pixels::of(stream.pix_fmt.as_deref().unwrap_or(""));
        let rate = |text: &Option<String>| ffprobe::ratio(text.as_deref()?);
        let (stated, mean) = (rate(&stream.r_frame_rate), rate(&stream.avg_frame_rate));
        Self {
            width: first.width.or(stream.width).unwrap_or(0),
            height: first.height.or(stream.height).unwrap_or(0),
            framerate: stated.filter(|stated| Some(*stated) == mean),
            mean_rate: mean
                .or(stated)
                .map(|(numerator, denominator)| f64::from(numerator) / f64::from(denominator)),
            interlaced: fields.is_some(),
            bottom_first: fields == Some(Fields::BottomFirst),
            turn: turn(&stream.side_data_list, &first),
            depth: pixels.depth,
            alpha: pixels.alpha,
            captions: frames().any(has_captions),
            mastering: Mastering::of(&[&stream.side_data_list[..], &first.side_data_list].concat()),
            first_key: first_key(begin),
            first_frame: first
                .best_effort_timestamp_time
                .as_deref()
                .and_then(ffprobe::nanoseconds),
            stream,
        }
    }

    /// Films begin with titles that are not interlaced: look at two more places.
    fn look_for_fields(&mut self, media: &Media, duration: i64) {
        if let Some(fields) = Fields::within(media, &self.stream, duration) {
            self.interlaced = true;
            self.bottom_first = fields == Fields::BottomFirst;
        }
    }

    fn check_size(&self) -> Result<(), Failure> {
        let (width, height) = (self.width, self.height);
        let range = SMALLEST..=LARGEST;
        if range.contains(&width) && range.contains(&height) {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "the video is {width}x{height}: sizes from {SMALLEST}x{SMALLEST} to {LARGEST}x{LARGEST} can be restored"
        )))
    }

    /// The size in pixels as it is shown: turned by a quarter where the file says so.
    pub fn upright(&self) -> (u32, u32) {
        match self.turn {
            Some(turn) if orientation::is_quarter(turn) => (self.height, self.width),
            _ => (self.width, self.height),
        }
    }

    /// Length of a frame in the mean, ns.
    pub fn mean_frame(&self) -> i64 {
        (1e9 / self.mean_rate.unwrap_or(25.0)) as i64
    }

    /// The number of frames that the container's tables state.
    pub fn stated_frames(&self) -> Option<u64> {
        self.stream
            .nb_frames
            .as_deref()?
            .parse()
            .ok()
            .filter(|frames| *frames > 0)
    }

    /// Ticks per second of the container's clock.
    pub fn clock(&self) -> Option<u32> {
        let (_, ticks) = self.stream.time_base.as_deref()?.split_once('/')?;
        ticks.parse().ok()
    }

    /// PQ or HLG.
    pub fn is_hdr(&self) -> bool {
        let transfer = self.stream.color_transfer.as_deref();
        matches!(transfer, Some("smpte2084" | "arib-std-b67"))
    }
}

fn turn(side_data: &[SideData], first: &Frame) -> Option<&'static str> {
    let matrix = side_data.iter().chain(&first.side_data_list);
    matrix
        .filter_map(|data| data.displaymatrix.as_deref())
        .find_map(orientation::direction)
}

fn has_captions(frame: &Frame) -> bool {
    let mut types = frame
        .side_data_list
        .iter()
        .filter_map(|data| data.side_data_type.as_deref());
    types.any(|name| name.contains("Closed Captions"))
}

fn first_key(begin: &[Item]) -> Option<i64> {
    begin.iter().find_map(|item| match item {
        Item::Packet(packet) if packet.flags.starts_with('K') => ffprobe::nanoseconds(packet.pts_time.as_deref()?),
        _ => None,
    })
}

/// What the name of one of FFmpeg's pixel formats says.
struct Pixels {
    depth: u32,
    alpha: bool,
}

impl Pixels {
    fn of(name: &str) -> Self {
        let planes = name.trim_end_matches("le").trim_end_matches("be");
        // `yuv420p10`, `p010`, `gbrp12`, `gray16`, `rgb48`, `rgba64`: bits of a sample, or of a pixel where packed.
        let digits: String = planes.chars().rev().take_while(char::is_ascii_digit).collect();
        let number: u32 = digits.chars().rev().collect::<String>().parse().unwrap_or(8);
        let depth = match (planes.trim_end_matches(char::is_numeric), number) {
            ("rgb" | "bgr", 48) | ("rgba" | "bgra" | "ayuv", 64) => 16,
            ("p", packed) => packed % 100,
            ("x2rgb" | "x2bgr", _) => 10,
            ("y", 210) | ("nv", 20) => 10,
            ("nv", _) => 8,
            (_, 9..=16) => number,
            _ => 8,
        };
        let alpha = ["yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya8", "ya16", "ayuv"];
        Self {
            depth,
            alpha: alpha.iter().any(|prefix| name.starts_with(prefix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_formats_say_depth_and_alpha() {
        for (name, depth, alpha) in [
            ("yuv420p", 8, false),
            ("yuvj420p", 8, false),
            ("nv12", 8, false),
            ("nv21", 8, false),
            ("yuv420p10le", 10, false),
            ("p010le", 10, false),
            ("yuva444p12le", 12, true),
            ("gbrp", 8, false),
            ("gray16be", 16, false),
            ("rgb24", 8, false),
            ("rgb48le", 16, false),
            ("rgba", 8, true),
            ("rgba64be", 16, true),
            ("x2rgb10le", 10, false),
            ("pal8", 8, false),
            ("", 8, false),
        ] {
            let pixels = Pixels::of(name);
            assert_eq!((pixels.depth, pixels.alpha), (depth, alpha), "{name}");
        }
    }
}
