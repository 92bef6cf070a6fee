//! What caps say of colours, part by part. Each of range, matrix, transfer function and primaries is taken by itself: what
//! is stated stays, what is not gets its usual value.

use gst_video::{
    VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoColorimetry, VideoInfo, VideoTransferFunction,
};

/// The colorimetry of pictures of such `caps`, of which `info` is made, with every part known that can be.
///
/// What is not stated is what goes with the matrix; without a matrix, what GStreamer takes pictures of this size for.
/// The range is limited unless it is stated. RGB is as `info` has it.
pub fn complete(caps: &gst::CapsRef, info: &VideoInfo) -> VideoColorimetry {
    // Where the matrix is not stated, `VideoInfo` has the usual one of the size, and forgets what is stated beside it.
    let Some(stated) = stated(caps).filter(|_| info.format_info().is_yuv()) else {
        return info.colorimetry();
    };
    let usual = usual(&stated, caps, info);
    VideoColorimetry::new(
        match stated.range() {
            VideoColorRange::Unknown => VideoColorRange::Range16_235,
            range => range,
        },
        match stated.matrix() {
            // RGB's name for the samples of YUV means nothing.
            VideoColorMatrix::Unknown | VideoColorMatrix::Rgb => usual.matrix(),
            matrix => matrix,
        },
        match stated.transfer() {
            VideoTransferFunction::Unknown => usual.transfer(),
            transfer => transfer,
        },
        match stated.primaries() {
            VideoColorPrimaries::Unknown => usual.primaries(),
            primaries => primaries,
        },
    )
}

/// What the caps say, in whole or in part.
pub fn stated(caps: &gst::CapsRef) -> Option<VideoColorimetry> {
    caps.structure(0)?.get::<&str>("colorimetry").ok()?.parse().ok()
}

/// The colorimetry that goes with a matrix or, where that is not known, with a size.
fn usual(stated: &VideoColorimetry, caps: &gst::CapsRef, info: &VideoInfo) -> VideoColorimetry {
    let named = match stated.matrix() {
        VideoColorMatrix::Bt601 => Some("bt601"),
        VideoColorMatrix::Bt709 => Some("bt709"),
        VideoColorMatrix::Bt2020 => Some("bt2020"),
        VideoColorMatrix::Smpte240m => Some("smpte240m"),
        _ => None,
    };
    let of_matrix = named.and_then(|name| name.parse().ok());
    of_matrix.unwrap_or_else(|| {
        let mut silent = caps.to_owned();
        for fields in silent.make_mut().iter_mut() {
            fields.remove_field("colorimetry");
        }
        VideoInfo::from_caps(&silent).map_or(info.colorimetry(), |info| info.colorimetry())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parts_stay_and_unknown_ones_get_their_usual_values() {
        gst::init().unwrap();
        for (height, given, expected) in [
            (48, "", "bt601"),
            (720, "", "bt709"),
            (48, ", colorimetry=1:0:0:0", "1:4:16:4"),
            (720, ", colorimetry=1:0:0:0", "1:3:5:1"),
            (48, ", colorimetry=0:0:0:0", "bt601"),
            (48, ", colorimetry=2:3:0:0", "bt709"),
            (48, ", colorimetry=0:4:7:1", "2:4:7:1"),
            (48, ", colorimetry=0:6:0:0", "bt2020"),
            (48, ", colorimetry=1:1:0:0", "1:4:16:4"),
            (48, ", colorimetry=1:3:5:1", "1:3:5:1"),
        ] {
            let caps = format!("video/x-raw, format=I420, width=64, height={height}, framerate=25/1{given}");
            let caps: gst::Caps = caps.parse().unwrap();
            let colorimetry = complete(&caps, &VideoInfo::from_caps(&caps).unwrap());
            assert_eq!(colorimetry.to_string(), expected, "{given} at {height} rows");
        }
    }
}
