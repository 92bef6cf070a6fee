//! The encoder of the restored video.

use gst::prelude::*;

use super::hardware::{self, Hardware};
use crate::Failure;
use crate::element::{element, set_from_text};
use crate::input::Mastering;
use crate::options::Options;
use crate::output::VideoCodec;

/// The encoder's elements in their order, and what to tell the user.
pub struct Encoder {
    pub elements: Vec<gst::Element>,
    pub description: String,
    pub notice: Option<String>,
}

impl Encoder {
    /// The encoder of a codec, for frames of so many pixels: in hardware if that is asked for and there.
    pub fn new(
        codec: VideoCodec,
        options: &Options,
        pixels: u64,
        mastering: Option<&Mastering>,
    ) -> Result<Self, Failure> {
        if !options.hardware {
            return Self::in_software(codec, options, pixels, mastering);
        }
        match hardware::find(codec, options.crf) {
            Ok(hardware) => in_hardware(hardware, codec, options),
            Err(reason) => {
                let mut encoder = Self::in_software(codec, options, pixels, mastering)?;
                let others = encoder.notice.take().map(|notice| format!(". {notice}"));
                encoder.notice = Some(reason + &others.unwrap_or_default());
                Ok(encoder)
            }
        }
    }

    fn in_software(
        codec: VideoCodec,
        options: &Options,
        pixels: u64,
        mastering: Option<&Mastering>,
    ) -> Result<Self, Failure> {
        match codec {
            VideoCodec::Png => plain("pngenc", "PNG"),
            VideoCodec::H264 if gst::ElementFactory::find("x264enc").is_some() => x264(options, mastering),
            VideoCodec::H264 => openh264(pixels),
            VideoCodec::Hevc => x265(options, mastering),
            VideoCodec::Av1 => av1(options),
            VideoCodec::Vp9 => vp9(options),
            VideoCodec::ProRes => prores(),
            VideoCodec::Ffv1 => plain("avenc_ffv1", "FFV1, lossless"),
        }
    }
}

fn in_hardware(hardware: Hardware, codec: VideoCodec, options: &Options) -> Result<Encoder, Failure> {
    let (name, parser) = match codec {
        VideoCodec::Hevc => ("HEVC", "h265parse"),
        _ => ("H.264", "h264parse"),
    };
    Ok(Encoder {
        elements: vec![hardware.encoder, element(parser)?],
        description: format!("{name} ({}, quantiser {})", hardware.name, options.crf),
        notice: None,
    })
}

/// One that has nothing to set.
fn plain(name: &str, description: &str) -> Result<Encoder, Failure> {
    Ok(Encoder {
        elements: vec![element(name)?],
        description: description.to_owned(),
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
    set_preset(&encoder, options)?;
    let description = format!("H.264 (x264, crf {}, {})", options.crf, options.speed_preset);
    Ok(Encoder {
        elements: vec![encoder],
        description,
        notice: None,
    })
}

fn set_preset(encoder: &gst::Element, options: &Options) -> Result<(), Failure> {
    set_from_text(encoder, "speed-preset", &options.speed_preset)
        .map_err(|cause| Failure::Usage(format!("--speed-preset {}: {cause}", options.speed_preset)))
}

fn x265(options: &Options, mastering: Option<&Mastering>) -> Result<Encoder, Failure> {
    let encoder = element("x265enc")?;
    // x265's scale lies about three steps beside x264's.
    let level = (options.crf + 3).min(51);
    let mastering = mastering.map(|mastering| format!(":{}", mastering.x265_options()));
    encoder.set_property("option-string", format!("crf={level}{}", mastering.unwrap_or_default()));
    // It says what it does at every start.
    encoder.set_property_from_str("log-level", "error");
    set_preset(&encoder, options)?;
    Ok(Encoder {
        elements: vec![encoder, element("h265parse")?],
        description: format!("HEVC (x265, crf {level}, {})", options.speed_preset),
        notice: None,
    })
}

fn av1(options: &Options) -> Result<Encoder, Failure> {
    let encoder = element("av1enc")?;
    let level = vp9_level(options);
    encoder.set_property_from_str("end-usage", "q");
    encoder.set_property("min-quantizer", level);
    encoder.set_property("max-quantizer", level);
    encoder.set_property("cpu-used", 6i32);
    encoder.set_property("row-mt", true);
    Ok(Encoder {
        elements: vec![encoder, element("av1parse")?],
        description: format!("AV1 (quality {level})"),
        notice: None,
    })
}

fn prores() -> Result<Encoder, Failure> {
    let encoder = element("avenc_prores_ks")?;
    encoder.set_property_from_str("profile", "hq");
    Ok(Encoder {
        elements: vec![encoder],
        description: "ProRes 422 HQ".to_owned(),
        notice: None,
    })
}

/// The quality on the scale of VP9 and AV1, which runs to 63 where x264's runs to 51; equal looks lie about there.
fn vp9_level(options: &Options) -> u32 {
    (options.crf * 63 / 51).min(63)
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
    let level = vp9_level(options);
    // At most 63.
    encoder.set_property("cq-level", level as i32);
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
