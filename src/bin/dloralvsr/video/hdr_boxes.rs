//! The boxes by which an MP4 file describes the mastering display (`mdcv`) and the content light level (`clli`), which
//! GStreamer 1.22's muxer does not write (ISO 14496-12, 12.1.5; Matroska's come from them).

use gst::prelude::*;

use crate::input::Mastering;

/// Where the sample description of the only track lies.
const PATH: [&[u8; 4]; 6] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"];

/// Add the boxes to what the muxer writes first.
pub fn add(muxer: &gst::Element, mastering: Mastering) {
    let Some(pad) = muxer.static_pad("src") else { return };
    let boxes = boxes(&mastering);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data else {
            return gst::PadProbeReturn::Ok;
        };
        let with_boxes = buffer.map_readable().ok().and_then(|map| insert(&map, &boxes));
        let Some(with_boxes) = with_boxes else {
            return gst::PadProbeReturn::Ok;
        };
        let mut longer = gst::Buffer::from_slice(with_boxes);
        if let Some(longer) = longer.get_mut() {
            longer.set_flags(buffer.flags());
        }
        *buffer = longer;
        // The muxer writes this twice, to the same place.
        gst::PadProbeReturn::Ok
    });
}

/// Both boxes, as far as they are stated.
fn boxes(mastering: &Mastering) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(display) = mastering.display {
        bytes.extend(32u32.to_be_bytes());
        bytes.extend(b"mdcv");
        for [x, y] in [display.green, display.blue, display.red, display.white] {
            bytes.extend(x.to_be_bytes());
            bytes.extend(y.to_be_bytes());
        }
        bytes.extend(display.max_luminance.to_be_bytes());
        bytes.extend(display.min_luminance.to_be_bytes());
    }
    if let Some(light) = mastering.light {
        bytes.extend(12u32.to_be_bytes());
        bytes.extend(b"clli");
        bytes.extend(light.max_content.to_be_bytes());
        bytes.extend(light.max_average.to_be_bytes());
    }
    bytes
}

/// `file` with `boxes` at the end of its first track's first sample description; `None` where there is none.
fn insert(file: &[u8], boxes: &[u8]) -> Option<Vec<u8>> {
    let mut starts = Vec::new();
    let (mut from, mut until) = (0, file.len());
    for kind in PATH {
        let (start, end) = find(file, from, until, Some(kind))?;
        starts.push(start);
        (from, until) = (start + 8, end);
    }
    // Version, flags and the number of descriptions stand before the first one.
    let (start, end) = find(file, from + 8, until, None)?;
    starts.push(start);
    let mut longer = [&file[..end], boxes, &file[end..]].concat();
    for start in starts {
        let size = u32::from_be_bytes(longer.get(start..start + 4)?.try_into().ok()?);
        let size = size.checked_add(u32::try_from(boxes.len()).ok()?)?;
        longer[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }
    Some(longer)
}

/// Start and end of the first box of a kind, or of any, between two places.
fn find(file: &[u8], mut at: usize, until: usize, kind: Option<&[u8; 4]>) -> Option<(usize, usize)> {
    while at + 8 <= until {
        let size = u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize;
        let end = at.checked_add(size).filter(|end| size >= 8 && *end <= until)?;
        if kind.is_none_or(|kind| file[at + 4..at + 8] == *kind) {
            return Some((at, end));
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (8 + content.len() as u32).to_be_bytes();
        [&size[..], kind, content].concat()
    }

    #[test]
    fn every_box_around_grows() {
        let build = |more: &[u8]| {
            let description = wrap(b"avc1", &[&[1; 78][..], &wrap(b"avcC", &[2; 5]), more].concat());
            let mut file = wrap(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &description].concat());
            for kind in [b"stbl", b"minf", b"mdia", b"trak", b"moov"] {
                file = wrap(kind, &[wrap(b"free", &[3; 4]), file, wrap(b"free", &[4; 2])].concat());
            }
            [wrap(b"ftyp", &[5; 8]), file].concat()
        };
        let more = wrap(b"clli", &[0, 1, 0, 2]);
        assert_eq!(insert(&build(&[]), &more), Some(build(&more)));
        assert_eq!(insert(&wrap(b"moof", &[0; 40]), &more), None);
        assert_eq!(insert(&build(&[])[..60], &more), None);
    }
}
