//! What the output can hold: muxers and the encoders that suit them.

use std::path::Path;

use gst::prelude::*;

use crate::Failure;
use crate::options::Options;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Matroska,
    Mp4,
    QuickTime,
    WebM,
}

impl Container {
    /// By the file's ending.
    pub fn of(output: &Path) -> Result<Self, Failure> {
        let ending = output
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or("")
            .to_ascii_lowercase();
        match ending.as_str() {
            "mkv" => Ok(Container::Matroska),
            "mp4" | "m4v" => Ok(Container::Mp4),
            "mov" => Ok(Container::QuickTime),
            "webm" => Ok(Container::WebM),
            _ => Err(Failure::Usage(format!(
                "the output {} must end in .mkv, .mp4, .mov or .webm: the ending chooses the format",
                output.display()
            ))),
        }
    }

    pub fn muxer(self) -> Result<gst::Element, Failure> {
        element(match self {
            Container::Matroska => "matroskamux",
            Container::Mp4 => "mp4mux",
            Container::QuickTime => "qtmux",
            Container::WebM => "webmmux",
        })
    }

    /// Ticks per second of the video track: the frame rate times a whole number, so that frames at a constant rate, and
    /// the usual clocks of 1/90000 s and 1/1000 s, fall on ticks exactly. `None`: the format has a clock of its own.
    pub fn video_timescale(self, framerate: gst::Fraction) -> Option<u32> {
        const USUAL: u32 = 90_000;
        if matches!(self, Container::Matroska | Container::WebM) {
            return None;
        }
        let rate = u32::try_from(framerate.numer()).unwrap_or(0);
        Some(if rate == 0 {
            USUAL
        } else {
            rate.saturating_mul(USUAL.div_ceil(rate))
        })
    }

    /// Encoders for audio that cannot be copied, best first, with their bits per second.
    pub fn audio_encoders(self) -> &'static [(&'static str, Option<i32>)] {
        match self {
            // Lossless: there is no reason to lose anything where every codec fits.
            Container::Matroska => &[("flacenc", None)],
            Container::Mp4 | Container::QuickTime => &[
                ("avenc_aac", Some(192_000)),
                ("fdkaacenc", Some(192_000)),
                ("voaacenc", Some(192_000)),
            ],
            Container::WebM => &[("opusenc", Some(160_000))],
        }
    }

    /// The encoder for the restored video: (elements in their order, description, notice for the user).
    pub fn video_encoder(self, options: &Options, pixels: u64) -> Result<VideoEncoder, Failure> {
        match self {
            Container::WebM => vp9(options),
            _ if gst::ElementFactory::find("x264enc").is_some() => x264(options),
            _ => openh264(pixels),
        }
    }
}

/// The encoder's elements in their order, and what to tell the user.
pub struct VideoEncoder {
    pub elements: Vec<gst::Element>,
    pub description: String,
    pub notice: Option<String>,
}

fn x264(options: &Options) -> Result<VideoEncoder, Failure> {
    let encoder = element("x264enc")?;
    encoder.set_property_from_str("pass", "qual");
    encoder.set_property("quantizer", options.crf);
    // Without this the element's default bit rate caps the constant quality.
    encoder.set_property("vbv-buf-capacity", 0u32);
    encoder.set_property("qp-min", 0u32);
    set_from_text(&encoder, "speed-preset", &options.speed_preset)
        .map_err(|cause| Failure::Usage(format!("--speed-preset {}: {cause}", options.speed_preset)))?;
    let description = format!("H.264 (x264, crf {}, {})", options.crf, options.speed_preset);
    Ok(VideoEncoder {
        elements: vec![encoder],
        description,
        notice: None,
    })
}

fn openh264(pixels: u64) -> Result<VideoEncoder, Failure> {
    if gst::ElementFactory::find("openh264enc").is_none() {
        return Err(Failure::Failed(
            "there is no H.264 encoder: install gstreamer1.0-plugins-ugly (x264), or write to .webm".to_owned(),
        ));
    }
    let encoder = element("openh264enc")?;
    // About 4 bits for each pixel of a second's first frame: generous, since this encoder knows no constant quality.
    let bit_rate = u32::try_from(pixels.saturating_mul(8))
        .unwrap_or(u32::MAX)
        .clamp(1_000_000, 200_000_000);
    encoder.set_property("bitrate", bit_rate);
    Ok(VideoEncoder {
        elements: vec![encoder, element("h264parse")?],
        description: format!("H.264 (OpenH264, {} Mbit/s)", bit_rate / 1_000_000),
        notice: Some(
            "x264 is not installed: encoding with OpenH264, which is worse and ignores --crf and --speed-preset. \
             Remedy: install gstreamer1.0-plugins-ugly"
                .to_owned(),
        ),
    })
}

fn vp9(options: &Options) -> Result<VideoEncoder, Failure> {
    let encoder = element("vp9enc")?;
    encoder.set_property_from_str("end-usage", "cq");
    // VP9's quality runs to 63, x264's to 51; equal looks lie about there on the two scales.
    let level = i32::try_from(options.crf * 63 / 51).unwrap_or(63);
    encoder.set_property("cq-level", level);
    encoder.set_property("bits-per-pixel", 0.5f32);
    encoder.set_property("target-bitrate", 0i32);
    encoder.set_property("deadline", 1i64);
    encoder.set_property("cpu-used", 5i32);
    encoder.set_property("row-mt", true);
    Ok(VideoEncoder {
        elements: vec![encoder],
        description: format!("VP9 (quality {level})"),
        notice: None,
    })
}

/// An element, or which package it is missing from.
pub fn element(name: &str) -> Result<gst::Element, Failure> {
    gst::ElementFactory::make(name).build().map_err(|_| {
        Failure::Failed(format!(
            "GStreamer has no element `{name}`: install its plugin packages (base, good, bad, ugly, libav). \
             scripts/install.sh does it on Debian; `gst-inspect-1.0 {name}` tells whether it is there"
        ))
    })
}

/// Set a property from what the user wrote. The error says which values there are.
pub fn set_from_text(element: &gst::Element, property: &str, text: &str) -> Result<(), String> {
    let Some(spec) = element.find_property(property) else {
        return Err(format!("the element {} has no property `{property}`", element.name()));
    };
    if spec.value_type() == gst::glib::Type::STRING {
        element.set_property(property, text);
        return Ok(());
    }
    let value = gst::glib::Value::deserialize_with_pspec(text, &spec).map_err(|_| allowed(&spec))?;
    if !in_range(&spec, &value) {
        return Err(allowed(&spec));
    }
    element.set_property_from_value(property, &value);
    Ok(())
}

fn in_range(spec: &gst::glib::ParamSpec, value: &gst::glib::Value) -> bool {
    if let (Some(range), Ok(number)) = (spec.downcast_ref::<gst::glib::ParamSpecUInt>(), value.get::<u32>()) {
        return (range.minimum()..=range.maximum()).contains(&number);
    }
    if let (Some(range), Ok(number)) = (spec.downcast_ref::<gst::glib::ParamSpecDouble>(), value.get::<f64>()) {
        return (range.minimum()..=range.maximum()).contains(&number);
    }
    true
}

/// The values a property takes, in words.
fn allowed(spec: &gst::glib::ParamSpec) -> String {
    if let Some(class) = gst::glib::EnumClass::with_type(spec.value_type()) {
        let names: Vec<&str> = class.values().iter().map(|value| value.nick()).collect();
        return format!("not known; one of {}", names.join(", "));
    }
    if let Some(range) = spec.downcast_ref::<gst::glib::ParamSpecUInt>() {
        return format!(
            "a whole number from {} to {} is needed",
            range.minimum(),
            range.maximum()
        );
    }
    if let Some(range) = spec.downcast_ref::<gst::glib::ParamSpecDouble>() {
        return format!("a number from {} to {} is needed", range.minimum(), range.maximum());
    }
    format!("not a {}", spec.value_type())
}
