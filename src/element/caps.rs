//! Which caps are accepted, and which follow from which: width and height change, every other field stays.

use gst::prelude::*;
use gst_video::VideoInfo;

use super::{colorimetry, formats};
use crate::restore::SCALE;

/// Smallest side of an input, pixels.
const MIN_SIDE: i32 = 16;
/// Largest side of an input, pixels.
const MAX_SIDE: i32 = 4096;
/// [`SCALE`] as caps hold it.
const FACTOR: i32 = SCALE as i32;

/// Caps of the pad template on one side.
pub fn template(direction: gst::PadDirection) -> gst::Caps {
    let side = match direction {
        gst::PadDirection::Src => gst::IntRange::with_step(MIN_SIDE * FACTOR, MAX_SIDE * FACTOR, FACTOR),
        _ => gst::IntRange::new(MIN_SIDE, MAX_SIDE),
    };
    gst_video::VideoCapsBuilder::new()
        .format_list(formats::accepted())
        .field("width", side)
        .field("height", side)
        .field("interlace-mode", "progressive")
        .build()
}

/// The caps on the other pad for `caps` on the pad of `direction`. Structures of which nothing is left, because a size
/// is out of range or they are not progressive, are left out.
pub fn transform(direction: gst::PadDirection, caps: &gst::CapsRef) -> gst::Caps {
    let convert = if direction == gst::PadDirection::Src {
        shrink
    } else {
        enlarge
    };
    let mut other = gst::Caps::new_empty();
    for (structure, features) in caps.iter_with_features() {
        if let Some(structure) = transform_structure(structure, convert) {
            other
                .make_mut()
                .append_structure_full(structure, Some(features.to_owned()));
        }
    }
    other
}

fn transform_structure(structure: &gst::StructureRef, convert: fn(Span) -> Option<Span>) -> Option<gst::Structure> {
    if !may_be_progressive(structure) {
        return None;
    }
    let mut other = structure.to_owned();
    for field in ["width", "height"] {
        let side = match structure.value(field) {
            Ok(value) => convert_value(value, convert)?,
            Err(_) => convert(Span {
                min: 1,
                max: i32::MAX,
                step: 1,
            })?
            .to_value(),
        };
        other.set_value(field, side);
    }
    Some(other)
}

/// Sizes from `min` to `max`, multiples of `step`.
#[derive(Clone, Copy)]
struct Span {
    min: i32,
    max: i32,
    step: i32,
}

impl Span {
    /// As caps hold it: a range, or a number if there is one only.
    fn to_value(self) -> gst::glib::SendValue {
        if self.min == self.max {
            self.min.to_send_value()
        } else {
            gst::IntRange::with_step(self.min, self.max, self.step).to_send_value()
        }
    }
}

/// Input sizes to output sizes.
fn enlarge(span: Span) -> Option<Span> {
    let inside = narrow(span, MIN_SIDE, MAX_SIDE)?;
    Some(Span {
        min: inside.min * FACTOR,
        max: inside.max * FACTOR,
        step: inside.step * FACTOR,
    })
}

/// Output sizes to input sizes: only multiples of four have one.
fn shrink(span: Span) -> Option<Span> {
    let step = match span.step % FACTOR {
        0 => span.step,
        2 => span.step.checked_mul(2)?,
        _ => span.step.checked_mul(FACTOR)?,
    };
    let inside = narrow(Span { step, ..span }, MIN_SIDE * FACTOR, MAX_SIDE * FACTOR)?;
    Some(Span {
        min: inside.min / FACTOR,
        max: inside.max / FACTOR,
        step: step / FACTOR,
    })
}

/// The multiples of the span's step that lie in both the span and `min..=max`.
fn narrow(span: Span, min: i32, max: i32) -> Option<Span> {
    let step = span.step;
    let (min, max) = (span.min.max(min), span.max.min(max));
    // Both are between 1 and 16,384 here, and the step is less than `max` where anything is left: no overflow.
    let (min, max) = (min.checked_add(step - 1)? / step * step, max / step * step);
    (min <= max).then_some(Span { min, max, step })
}

/// One value of width or height, converted: a number, a range or a list of both.
fn convert_value(value: &gst::glib::SendValue, convert: fn(Span) -> Option<Span>) -> Option<gst::glib::SendValue> {
    if let Ok(side) = value.get::<i32>() {
        return convert(Span {
            min: side,
            max: side,
            step: 1,
        })
        .map(Span::to_value);
    }
    if let Ok(range) = value.get::<gst::IntRange<i32>>() {
        return convert(Span {
            min: range.min(),
            max: range.max(),
            step: range.step(),
        })
        .map(Span::to_value);
    }
    let list = value.get::<gst::List>().ok()?;
    let sides: Vec<_> = list.iter().filter_map(|side| convert_value(side, convert)).collect();
    (!sides.is_empty()).then(|| gst::List::from_iter(sides).to_send_value())
}

/// What the pad of `direction` takes, of the caps in `filter`, where `peer` tells what the pad on the other side of the
/// element is linked to, given the caps that can come there at all.
///
/// The base class would list first what the other side takes as it is: a scaler before the element then makes its
/// pictures as large as those that are wanted behind it. Here sizes that are free come first, so that scalers on either
/// side leave the input as it is, and the one behind makes the size that is wanted.
pub fn answer(
    direction: gst::PadDirection,
    filter: Option<&gst::CapsRef>,
    peer: impl FnOnce(&gst::Caps) -> gst::Caps,
) -> gst::Caps {
    const FIRST: gst::CapsIntersectMode = gst::CapsIntersectMode::First;
    let other = match direction {
        gst::PadDirection::Src => gst::PadDirection::Sink,
        _ => gst::PadDirection::Src,
    };
    let here = template(direction);
    let asked = filter.map_or_else(|| here.clone(), |filter| filter.intersect_with_mode(&here, FIRST));
    let there = transform(direction, &asked).intersect_with_mode(&template(other), FIRST);
    let taken = peer(&there).intersect_with_mode(&there, FIRST);
    transform(other, &free_sizes_first(taken)).intersect_with_mode(&asked, FIRST)
}

/// The same structures, those that leave width and height open before those that do not.
fn free_sizes_first(caps: gst::Caps) -> gst::Caps {
    let is_free = |structure: &gst::StructureRef| {
        ["width", "height"]
            .into_iter()
            .all(|field| structure.value(field).is_err() || structure.get::<gst::IntRange<i32>>(field).is_ok())
    };
    let mut sorted = gst::Caps::new_empty();
    for wanted in [true, false] {
        for (structure, features) in caps.iter_with_features() {
            if is_free(structure) == wanted {
                sorted
                    .make_mut()
                    .append_structure_full(structure.to_owned(), Some(features.to_owned()));
            }
        }
    }
    sorted
}

/// Whether `interlace-mode` is absent or can be `progressive`.
fn may_be_progressive(structure: &gst::StructureRef) -> bool {
    let Ok(mode) = structure.value("interlace-mode") else {
        return true;
    };
    mode.intersect(&"progressive".to_value()).is_some()
}

/// `caps` with `interlace-mode=progressive` where the field is absent, which means the same.
pub fn with_interlace_mode(caps: &gst::CapsRef) -> gst::Caps {
    let mut explicit = caps.to_owned();
    for structure in explicit.make_mut().iter_mut() {
        if !structure.has_field("interlace-mode") {
            structure.set("interlace-mode", "progressive");
        }
    }
    explicit
}

/// Output caps `fixed` with every part of the colorimetry of YUV input stated: by its size a larger picture would be
/// taken for one of another matrix. `None` where they state it already, or state another.
pub fn with_colorimetry(input: &gst::CapsRef, fixed: &gst::CapsRef) -> Option<gst::Caps> {
    let video = VideoInfo::from_caps(input)
        .ok()
        .filter(|video| video.format_info().is_yuv())?;
    let complete = colorimetry::complete(input, &video);
    let (given, kept) = (colorimetry::stated(input), colorimetry::stated(fixed));
    if kept != given || kept.as_ref() == Some(&complete) {
        return None;
    }
    let mut described = fixed.to_owned();
    described.make_mut().set("colorimetry", complete.to_string());
    Some(described)
}

/// Why nothing in `caps` is accepted on the pad of `direction`, in words; `None` if something is.
pub fn refusal(direction: gst::PadDirection, caps: &gst::CapsRef) -> Option<String> {
    if caps.is_any() {
        return None;
    }
    let template = template(direction);
    let reasons: Result<Vec<_>, ()> = caps
        .iter_with_features()
        .map(|(structure, features)| structure_refusal(&template, structure, features).ok_or(()))
        .collect();
    let reasons = reasons.ok()?;
    Some(if reasons.is_empty() {
        "the caps are empty".into()
    } else {
        reasons.join("; ")
    })
}

/// Why one structure is not accepted.
fn structure_refusal(
    template: &gst::Caps,
    structure: &gst::StructureRef,
    features: &gst::CapsFeaturesRef,
) -> Option<String> {
    if structure.name() != "video/x-raw" {
        return Some(format!("{} is not raw video", structure.name()));
    }
    if !features.is_any()
        && !features.is_equal(gst::CapsFeatures::new([gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY]).as_ref())
    {
        return Some(format!(
            "{features} is not plain system memory: put a download or convert element before"
        ));
    }
    let accepted = template.structure(0)?;
    ["format", "interlace-mode", "width", "height", "framerate"]
        .into_iter()
        .find_map(|field| {
            let (given, accepted) = (structure.value(field).ok()?, accepted.value(field).ok()?);
            given
                .intersect(accepted)
                .is_none()
                .then(|| field_refusal(field, given, accepted))
        })
}

fn field_refusal(field: &str, given: &gst::glib::SendValue, accepted: &gst::glib::SendValue) -> String {
    let text = |value: &gst::glib::SendValue| {
        value
            .serialize()
            .map_or_else(|_| "?".to_string(), |text| text.to_string())
    };
    let given = text(given);
    match field {
        "format" => format!("format {given} is not 8-bit RGB or YUV: put videoconvert before"),
        "interlace-mode" => format!("{given} video is not progressive: put deinterlace before"),
        _ => format!("{field} {given} is not in {}", text(accepted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::PadDirection::{Sink, Src};

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(direction: gst::PadDirection, given: &str, expected: &str) {
        let expected = if expected == "EMPTY" {
            caps("NONE")
        } else {
            caps(expected)
        };
        assert_eq!(transform(direction, &caps(given)), expected);
    }

    #[test]
    fn only_width_and_height_change() {
        check(
            Sink,
            "video/x-raw, format=RGB, width=320, height=181, framerate=30000/1001, pixel-aspect-ratio=10/11, \
             colorimetry=sRGB, chroma-site=mpeg2, multiview-mode=mono, views=1, \
             content-light-level=(string)1000:400, interlace-mode=progressive",
            "video/x-raw, format=RGB, width=1280, height=724, framerate=30000/1001, pixel-aspect-ratio=10/11, \
             colorimetry=sRGB, chroma-site=mpeg2, multiview-mode=mono, views=1, \
             content-light-level=(string)1000:400, interlace-mode=progressive",
        );
    }

    #[test]
    fn ranges_are_clamped_and_keep_their_steps() {
        check(
            Sink,
            "video/x-raw, width=[1, 2147483647], height=[6, 996, 6]",
            "video/x-raw, width=[64, 16384, 4], height=[72, 3984, 24]",
        );
        check(
            Sink,
            "video/x-raw, width=[1, 16], height=100",
            "video/x-raw, width=64, height=400",
        );
        check(
            Src,
            "video/x-raw, width=[1, 2147483647], height=[66, 403]",
            "video/x-raw, width=[16, 4096], height=[17, 100]",
        );
        // Steps of 6 and a factor of 4: every 12th output size has an input size, 3 apart.
        check(
            Src,
            "video/x-raw, width=[64, 16384, 4], height=[66, 600, 6]",
            "video/x-raw, width=[16, 4096], height=[18, 150, 3]",
        );
    }

    #[test]
    fn lists_lose_what_has_no_counterpart() {
        // Comparing such lists as caps makes GStreamer 1.22 complain.
        let mixed = transform(Sink, &caps("video/x-raw, width={8, 100, [200, 5000]}, height=64")).to_string();
        assert!(mixed.contains("{ 400, [ 800, 16384, 4 ] }, height=(int)256"), "{mixed}");
        check(
            Src,
            "video/x-raw, width={400, 401, 60}, height=256",
            "video/x-raw, width={100}, height=64",
        );
    }

    #[test]
    fn structures_without_a_counterpart_vanish() {
        check(
            Sink,
            "video/x-raw, width=1, height=1; video/x-raw, width=16, height=16",
            "video/x-raw, width=64, height=64",
        );
        check(Sink, "video/x-raw, width=16384, height=16384", "EMPTY");
        check(
            Sink,
            "video/x-raw, width=64, height=64, interlace-mode=interleaved",
            "EMPTY",
        );
        check(Src, "video/x-raw, width=402, height=400", "EMPTY");
    }

    #[test]
    fn absent_sizes_become_all_sizes() {
        check(
            Sink,
            "video/x-raw, format=RGB",
            "video/x-raw, format=RGB, width=[64, 16384, 4], height=[64, 16384, 4]",
        );
        check(Src, "video/x-raw", "video/x-raw, width=[16, 4096], height=[16, 4096]");
    }

    #[test]
    fn features_are_kept() {
        check(
            Sink,
            "video/x-raw(meta:GstVideoOverlayComposition), width=16, height=16",
            "video/x-raw(meta:GstVideoOverlayComposition), width=64, height=64",
        );
    }

    /// What goes one way comes back the same way.
    #[test]
    fn templates_are_each_others_transform() {
        gst::init().unwrap();
        assert_eq!(transform(Sink, &template(Sink)), template(Src));
        assert_eq!(transform(Src, &template(Src)), template(Sink));
    }

    #[test]
    fn refusals_name_the_reason() {
        for (given, reason) in [
            ("video/x-raw, format=GRAY8, width=64, height=64", "format GRAY8"),
            ("video/x-raw, format=I420_10LE, width=64, height=64", "videoconvert"),
            (
                "video/x-raw, format=RGB, width=64, height=64, interlace-mode=interleaved",
                "deinterlace",
            ),
            (
                "video/x-raw, format=RGB, width=1, height=1",
                "width 1 is not in [ 16, 4096 ]",
            ),
            (
                "video/x-raw, format=RGB, width=64, height=16384",
                "height 16384 is not in [ 16, 4096 ]",
            ),
            (
                "video/x-raw(memory:GLMemory), format=RGBA, width=64, height=64",
                "memory:GLMemory",
            ),
            ("audio/x-raw", "audio/x-raw is not raw video"),
        ] {
            let told = refusal(Sink, &caps(given)).unwrap_or_default();
            assert!(told.contains(reason), "{given}: {told:?} does not say {reason:?}");
        }
        let either = caps("video/x-raw, format=GRAY8; video/x-raw, format=RGB, width=64, height=64");
        assert_eq!(refusal(Sink, &either), None);
    }
}
