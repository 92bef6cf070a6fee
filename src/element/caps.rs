//! Which caps are accepted, and which follow from which: width and height change, every other field stays.

use gst::glib::SendValue;
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
    let convert = match direction {
        gst::PadDirection::Src => shrink,
        _ => enlarge,
    };
    caps.iter_with_features()
        .filter_map(|(structure, features)| Some((transform_structure(structure, convert)?, features.to_owned())))
        .collect()
}

/// Input sizes to output sizes, or the other way round; none where there are none.
type Convert = fn(gst::IntRange<i32>) -> Option<SendValue>;

fn transform_structure(structure: &gst::StructureRef, convert: Convert) -> Option<gst::Structure> {
    if !may_be_progressive(structure) {
        return None;
    }
    let mut other = structure.to_owned();
    for field in ["width", "height"] {
        let side = match structure.value(field) {
            Ok(value) => convert_value(value, convert)?,
            Err(_) => convert(gst::IntRange::new(1, i32::MAX))?,
        };
        other.set_value(field, side);
    }
    Some(other)
}

/// Input sizes to output sizes.
fn enlarge(sizes: gst::IntRange<i32>) -> Option<SendValue> {
    let step = sizes.step();
    let (min, max) = narrow(sizes, step, MIN_SIDE, MAX_SIDE)?;
    Some(to_value(min * FACTOR, max * FACTOR, step * FACTOR))
}

/// Output sizes to input sizes: only multiples of four have one.
fn shrink(sizes: gst::IntRange<i32>) -> Option<SendValue> {
    let step = match sizes.step() % FACTOR {
        0 => sizes.step(),
        2 => sizes.step().checked_mul(2)?,
        _ => sizes.step().checked_mul(FACTOR)?,
    };
    let (min, max) = narrow(sizes, step, MIN_SIDE * FACTOR, MAX_SIDE * FACTOR)?;
    Some(to_value(min / FACTOR, max / FACTOR, step / FACTOR))
}

/// The first and the last multiple of `step` that lie in both the range and `min..=max`.
fn narrow(sizes: gst::IntRange<i32>, step: i32, min: i32, max: i32) -> Option<(i32, i32)> {
    let (min, max) = (sizes.min().max(min), sizes.max().min(max));
    // Both are between 1 and 16,384 here, and the step is less than `max` where anything is left: no overflow.
    let (min, max) = (min.checked_add(step - 1)? / step * step, max / step * step);
    (min <= max).then_some((min, max))
}

/// As caps hold sizes: a range, or a number if there is one only.
fn to_value(min: i32, max: i32, step: i32) -> SendValue {
    match min == max {
        true => min.to_send_value(),
        false => gst::IntRange::with_step(min, max, step).to_send_value(),
    }
}

/// One value of width or height, converted: a number, a range or a list of both.
fn convert_value(value: &SendValue, convert: Convert) -> Option<SendValue> {
    if let Ok(side) = value.get::<i32>() {
        return convert(gst::IntRange::new(side, side));
    }
    if let Ok(sizes) = value.get::<gst::IntRange<i32>>() {
        return convert(sizes);
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
    let structures = caps.iter_with_features();
    let (free, fixed): (Vec<_>, Vec<_>) = structures.partition(|(structure, _)| is_free(structure));
    let all = free.into_iter().chain(fixed);
    all.map(|(structure, features)| (structure.to_owned(), features.to_owned()))
        .collect()
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
    let structures = caps.iter_with_features();
    let reasons: Option<Vec<_>> = structures
        .map(|(structure, features)| structure_refusal(&template, structure, features))
        .collect();
    let reasons = reasons?;
    Some(if reasons.is_empty() {
        "the caps are empty".into()
    } else {
        reasons.join("; ")
    })
}

/// Why one structure is not accepted; none if it is.
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

fn field_refusal(field: &str, given: &SendValue, accepted: &SendValue) -> String {
    let text = |value: &SendValue| value.serialize().map_or_else(|_| "?".into(), |text| text.to_string());
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
        assert_eq!(transform(direction, &caps(given)), caps(expected));
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
        check(Sink, "video/x-raw, width=16384, height=16384", "NONE");
        check(
            Sink,
            "video/x-raw, width=64, height=64, interlace-mode=interleaved",
            "NONE",
        );
        check(Src, "video/x-raw, width=402, height=400", "NONE");
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
