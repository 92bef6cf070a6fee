//! Encoders in hardware, for `--hw auto`: NVENC, Quick Sync and VA-API, of H.264 and HEVC.

use gst::prelude::*;

use crate::element::set_from_text;
use crate::output::VideoCodec;

/// How the encoders of one kind of hardware are named and set to a constant quantiser.
struct Family {
    prefix: &'static str,
    /// The property of the rate control, and its value.
    mode: (&'static str, &'static str),
    /// Properties of the quantiser, which versions name differently.
    quantisers: &'static [&'static str],
}

/// In the order in which they are tried.
const FAMILIES: [Family; 3] = [
    Family {
        prefix: "nv",
        mode: ("rc-mode", "constqp"),
        quantisers: &["qp-const", "qp-const-i", "qp-const-p", "qp-const-b"],
    },
    Family {
        prefix: "qsv",
        mode: ("rate-control", "cqp"),
        quantisers: &["qp-i", "qp-p", "qp-b"],
    },
    Family {
        prefix: "va",
        mode: ("rate-control", "cqp"),
        quantisers: &["qpi", "qpp", "qpb"],
    },
];

/// An encoder whose device opens, set to a constant quantiser.
pub struct Hardware {
    pub encoder: gst::Element,
    /// Name of its factory.
    pub name: String,
}

/// The first encoder of the codec that works here, or why there is none.
///
/// # Errors
/// A sentence for the user.
pub fn find(codec: VideoCodec, quantiser: u32) -> Result<Hardware, String> {
    let format = match codec {
        VideoCodec::H264 => "h264",
        VideoCodec::Hevc => "h265",
        other => return Err(format!("--hw auto: {} is encoded in software", other.name())),
    };
    let mut tried = Vec::new();
    for family in &FAMILIES {
        let name = format!("{}{format}enc", family.prefix);
        match family.open(&name, quantiser) {
            Ok(encoder) => return Ok(Hardware { encoder, name }),
            Err(cause) => tried.push(format!("{name} {cause}")),
        }
    }
    Err(format!("--hw auto: encoding in software ({})", tried.join(", ")))
}

impl Family {
    /// The encoder of this name, or why it cannot be taken.
    fn open(&self, name: &str, quantiser: u32) -> Result<gst::Element, String> {
        let encoder = gst::ElementFactory::make(name)
            .build()
            .map_err(|_| "is not there".to_owned())?;
        let (mode, constant) = self.mode;
        set_from_text(&encoder, mode, constant).map_err(|_| format!("has no {mode}={constant}"))?;
        let quantisers = self.quantisers.iter().filter(|name| encoder.has_property(name));
        let set = quantisers.filter(|name| set_from_text(&encoder, name, &quantiser.to_string()).is_ok());
        if set.count() == 0 {
            return Err("has no constant quantiser".to_owned());
        }
        // The device is opened on the way to READY.
        let opens = encoder.set_state(gst::State::Ready).is_ok();
        // Going back cannot fail in a way that matters: the element is new.
        let _ = encoder.set_state(gst::State::Null);
        opens
            .then_some(encoder)
            .ok_or_else(|| "finds no device that it can open".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x264enc stands in for a device: it has a mode and quantisers of the same kinds.
    fn family(mode: (&'static str, &'static str), quantisers: &'static [&'static str]) -> Family {
        Family {
            prefix: "",
            mode,
            quantisers,
        }
    }

    #[test]
    fn an_encoder_that_opens_is_set_to_the_quantiser() {
        gst::init().unwrap();
        let family = family(("pass", "quant"), &["of-another-version", "quantizer"]);
        let encoder = family.open("x264enc", 23).unwrap();
        assert_eq!(encoder.property::<u32>("quantizer"), 23);
        assert_eq!(encoder.current_state(), gst::State::Null);
    }

    #[test]
    fn an_encoder_without_a_constant_quantiser_is_left() {
        gst::init().unwrap();
        for (mode, quantisers) in [
            (("pass", "warp"), &["quantizer"][..]),
            (("warp", "quant"), &["quantizer"]),
            (("pass", "quant"), &["of-another-version"]),
        ] {
            assert!(family(mode, quantisers).open("x264enc", 23).is_err());
        }
        assert!(family(("pass", "quant"), &["quantizer"]).open("warpenc", 23).is_err());
    }

    #[test]
    fn a_codec_without_hardware_says_so() {
        gst::init().unwrap();
        assert!(find(VideoCodec::Vp9, 17).err().unwrap().contains("vp9"));
    }
}
