//! The codec of the restored video, and which containers hold it.

use gst::prelude::*;
use gst_video::{VideoColorRange, VideoColorimetry};

use super::Container;
use crate::Failure;
use crate::element::element;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCodec {
    H264,
    Hevc,
    Av1,
    Vp9,
    ProRes,
    /// Lossless.
    Ffv1,
    /// One picture.
    Png,
}

/// What `--codec` takes.
const NAMES: [(&str, VideoCodec); 6] = [
    ("h264", VideoCodec::H264),
    ("hevc", VideoCodec::Hevc),
    ("av1", VideoCodec::Av1),
    ("vp9", VideoCodec::Vp9),
    ("prores", VideoCodec::ProRes),
    ("ffv1", VideoCodec::Ffv1),
];

/// Bits for a pixel of restored video at quality 17, H.264: the mean of seven measured clips, which took 0.06 (a face) to
/// 0.29 (a street). HEVC and AV1 take less, which an estimate may leave out.
const H264_BITS: f64 = 0.17;
/// Six steps of quality halve the size.
const STEPS_TO_HALVE: f64 = 6.0;
const USUAL_QUALITY: f64 = 17.0;
/// Means of four measured clips, each of which took 4.5 to 5.4, and 2.1 to 3.5.
const PRORES_BITS: f64 = 4.8;
const LOSSLESS_BITS: f64 = 2.6;

impl VideoCodec {
    /// Whether its encoder in software writes the closed captions of frames.
    pub fn holds_captions(self) -> bool {
        self == Self::H264
    }

    /// By the name of the option.
    ///
    /// # Errors
    /// Which names there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(own, _)| *own == name);
        found.map(|(_, codec)| *codec).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name);
            format!("not known; one of {}", names.join(", "))
        })
    }

    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, codec)| *codec == self)
            .map_or("png", |(name, _)| name)
    }

    /// The codec of a file of this kind: the one that is `wanted`, or the one that most players of such files have.
    ///
    /// # Errors
    /// The container does not hold the one that is wanted.
    pub fn of(container: Container, wanted: Option<VideoCodec>) -> Result<Self, Failure> {
        let held = held(container);
        match wanted {
            None => Ok(held[0]),
            Some(codec) if held.contains(&codec) => Ok(codec),
            Some(codec) => {
                let held: Vec<&str> = held.iter().map(|codec| codec.name()).collect();
                Err(Failure::Usage(format!(
                    "--codec {}: {} files hold {}; choose one of them, or another ending of the output",
                    codec.name(),
                    container.ending(),
                    held.join(", ")
                )))
            }
        }
    }

    /// The muxer of the video alone, whose file plays as far as it is written; `None`: the encoder's output is a file.
    ///
    /// MP4 in fragments for H.264 and HEVC, whatever the output's container, since its clock is exact. Matroska, which ticks in
    /// milliseconds, for the others: GStreamer 1.22 describes neither their colours nor AV1's configuration in MP4.
    pub fn part_muxer(self) -> Result<Option<gst::Element>, Failure> {
        if self == VideoCodec::Png {
            return Ok(None);
        }
        if !self.is_in_fragments() {
            return element("matroskamux").map(Some);
        }
        let muxer = element("mp4mux")?;
        muxer.set_property("fragment-duration", 500u32);
        // Never goes back to what is written.
        muxer.set_property("streamable", true);
        Ok(Some(muxer))
    }

    /// Whether [`part_muxer`](Self::part_muxer) writes MP4.
    pub fn is_in_fragments(self) -> bool {
        matches!(self, VideoCodec::H264 | VideoCodec::Hevc)
    }

    /// Bits for a pixel of restored video at this quality.
    pub fn bits_per_pixel(self, crf: u32) -> f64 {
        match self {
            VideoCodec::ProRes => PRORES_BITS,
            VideoCodec::Ffv1 | VideoCodec::Png => LOSSLESS_BITS,
            _ => H264_BITS * ((USUAL_QUALITY - f64::from(crf)) / STEPS_TO_HALVE).exp2(),
        }
    }

    /// What an MP4 or MOV file calls it, where FFmpeg's own choice is one that not all players know.
    pub fn tag(self, container: Container) -> Option<&'static str> {
        let needs_one = matches!(container, Container::Mp4 | Container::QuickTime);
        match self {
            VideoCodec::Hevc if needs_one => Some("hvc1"),
            // Of profile HQ, which Matroska does not tell.
            VideoCodec::ProRes if needs_one => Some("apch"),
            _ => None,
        }
    }

    /// FFmpeg's filter that writes the colours into the stream, of codecs whose encoders leave them out there: what a stream
    /// says counts more than what its container does.
    pub fn describe(self, colours: &VideoColorimetry) -> Option<String> {
        let [primaries, transfer, matrix] = [
            colours.primaries().to_iso(),
            colours.transfer().to_iso(),
            colours.matrix().to_iso(),
        ];
        match self {
            VideoCodec::Av1 => {
                let range = match colours.range() {
                    VideoColorRange::Range0_255 => "pc",
                    _ => "tv",
                };
                Some(format!(
                    "av1_metadata=color_primaries={primaries}:transfer_characteristics={transfer}:\
                     matrix_coefficients={matrix}:color_range={range}"
                ))
            }
            VideoCodec::ProRes => Some(format!(
                "prores_metadata=color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}"
            )),
            _ => None,
        }
    }
}

/// The usual one first.
fn held(container: Container) -> &'static [VideoCodec] {
    use VideoCodec::{Av1, Ffv1, H264, Hevc, Png, ProRes, Vp9};
    match container {
        Container::Matroska => &[H264, Hevc, Av1, Vp9, ProRes, Ffv1],
        Container::Mp4 => &[H264, Hevc, Av1, Vp9],
        Container::QuickTime => &[H264, Hevc, ProRes],
        Container::WebM => &[Vp9, Av1],
        Container::Png => &[Png],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_container_has_a_usual_codec_and_refuses_those_that_it_does_not_hold() {
        assert_eq!(VideoCodec::of(Container::Mp4, None).unwrap(), VideoCodec::H264);
        assert_eq!(VideoCodec::of(Container::WebM, None).unwrap(), VideoCodec::Vp9);
        let wanted = Some(VideoCodec::named("av1").unwrap());
        assert_eq!(VideoCodec::of(Container::WebM, wanted).unwrap(), VideoCodec::Av1);
        let error = VideoCodec::of(Container::Mp4, Some(VideoCodec::Ffv1)).unwrap_err();
        assert!(error.to_string().contains(".mp4 files hold h264"), "{error}");
        assert!(VideoCodec::named("x264").unwrap_err().contains("h264"));
    }
}
