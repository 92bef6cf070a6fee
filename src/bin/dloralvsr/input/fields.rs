//! Whether the video is interlaced, and which field of a frame is the earlier one.

use super::Media;
use super::ffprobe::{self, Frame, Stream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    TopFirst,
    BottomFirst,
}

/// Codecs without interlaced frames.
const PROGRESSIVE: [&str; 8] = ["hevc", "av1", "vp8", "vp9", "png", "theora", "flv1", "h263"];
/// So many frames are looked at in each place.
const LOOKED_AT: u32 = 4;
/// Shorter videos are known by their beginning.
const SHORT: i64 = 10_000_000_000;

impl Fields {
    /// By what frames say, or else the container. A frame that is only shown for three fields is whole.
    pub fn of<'a>(stream: &Stream, frames: impl Iterator<Item = &'a Frame>) -> Option<Self> {
        let mut is_decoded = false;
        for frame in frames {
            is_decoded = true;
            if frame.interlaced_frame != 0 {
                return Some(match frame.top_field_first {
                    0 => Fields::BottomFirst,
                    _ => Fields::TopFirst,
                });
            }
        }
        match stream.field_order.as_deref() {
            // Which field is coded first, and which is shown first.
            Some("tt" | "bt") if !is_decoded => Some(Fields::TopFirst),
            Some("bb" | "tb") if !is_decoded => Some(Fields::BottomFirst),
            _ => None,
        }
    }

    /// The same behind the beginning, of a video so long.
    pub fn within(media: &Media, stream: &Stream, duration: i64) -> Option<Self> {
        if PROGRESSIVE.contains(&stream.codec()) || duration < SHORT || !matches!(media, Media::File(_)) {
            return None;
        }
        let places = [duration / 3, duration / 3 * 2];
        let intervals = places.map(|place| format!("{:.3}%+#{LOOKED_AT}", place as f64 / 1e9));
        let frames = ffprobe::frames(media, stream.index, &intervals.join(",")).ok()?;
        Self::of(stream, frames.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(interlaced_frame: u8, top_field_first: u8) -> Frame {
        Frame {
            interlaced_frame,
            top_field_first,
            ..Frame::default()
        }
    }

    #[test]
    fn frames_count_more_than_the_container() {
        let stream = Stream {
            field_order: Some("tt".to_owned()),
            ..Stream::default()
        };
        let of = |frames: &[Frame]| Fields::of(&stream, frames.iter());
        assert_eq!(of(&[frame(0, 0), frame(1, 0)]), Some(Fields::BottomFirst));
        assert_eq!(of(&[frame(1, 1)]), Some(Fields::TopFirst));
        assert_eq!(of(&[frame(0, 1)]), None, "progressive frames");
        assert_eq!(of(&[]), Some(Fields::TopFirst));
    }
}
