//! The encoder of the restored video.

use gst::prelude::*;

use crate::Failure;
use crate::element::{element, set_from_text};
use crate::input::Mastering;
use crate::options::Options;
use crate::output::Container;

/// The encoder's elements in their order, and what to tell the user.
pub struct Encoder {
    pub elements: Vec<gst::Element>,
    pub description: String,
    pub notice: Option<String>,
}

impl Encoder {
    /// The encoder for a container and frames of so many pixels.
    pub fn new(
        container: Container,
        options: &Options,
        pixels: u64,
        mastering: Option<&Mastering>,
    ) -> Result<Self, Failure> {
        match container {
            Container::Png => png(),
            Container::WebM => vp9(options),
            _ if gst::ElementFactory::find("x264enc").is_some() => x264(options, mastering),
            _ => openh264(pixels),
        }
    }
}

fn png() -> Result<Encoder, Failure> {
    Ok(Encoder {
        elements: vec![element("pngenc")?],
        description: "PNG".to_owned(),
        notice: None,
    })
}

fn x264(options: &Options, mastering: Option<&Mastering>) -> Result<Encoder, Failure> {
    let encoder = element("x264enc")?;
    encoder.set_property_from_str("pass", "qual");
    encoder.set_property("quantizer", options.crf);
    // Without this the element's default bit rate caps the constant quality.
    encoder.set_property("vbv-buf-capacity", 0u32);
    encoder.set_property("qp-min", 0u32);
    if let Some(mastering) = mastering {
        encoder.set_property("option-string", mastering.x264_options());
    }
    set_from_text(&encoder, "speed-preset", &options.speed_preset)
        .map_err(|cause| Failure::Usage(format!("--speed-preset {}: {cause}", options.speed_preset)))?;
    let description = format!("H.264 (x264, crf {}, {})", options.crf, options.speed_preset);
    Ok(Encoder {
        elements: vec![encoder],
        description,
        notice: None,
    })
}

fn openh264(pixels: u64) -> Result<Encoder, Failure> {
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
    Ok(Encoder {
        elements: vec![encoder, element("h264parse")?],
        description: format!("H.264 (OpenH264, {} Mbit/s)", bit_rate / 1_000_000),
        notice: Some(
            "x264 is not installed: encoding with OpenH264, which is worse and ignores --crf and --speed-preset. \
             Remedy: install gstreamer1.0-plugins-ugly"
                .to_owned(),
        ),
    })
}

fn vp9(options: &Options) -> Result<Encoder, Failure> {
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
    Ok(Encoder {
        elements: vec![encoder],
        description: format!("VP9 (quality {level})"),
        notice: None,
    })
}
