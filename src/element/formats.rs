//! Every accepted format, and the core's words for what its samples mean.

use gst_video::{VideoChromaSite, VideoColorMatrix, VideoColorRange, VideoFormat, VideoInfo};

use super::colorimetry;
use crate::restore::{Matrix, PixelLayout, YuvLayout};

/// Packed RGB.
const RGB: [(VideoFormat, PixelLayout); 10] = [
    (VideoFormat::Rgb, PixelLayout::Rgb),
    (VideoFormat::Bgr, PixelLayout::Bgr),
    (VideoFormat::Rgbx, PixelLayout::Rgbx),
    (VideoFormat::Bgrx, PixelLayout::Bgrx),
    (VideoFormat::Xrgb, PixelLayout::Xrgb),
    (VideoFormat::Xbgr, PixelLayout::Xbgr),
    (VideoFormat::Rgba, PixelLayout::Rgba),
    (VideoFormat::Bgra, PixelLayout::Bgra),
    (VideoFormat::Argb, PixelLayout::Argb),
    (VideoFormat::Abgr, PixelLayout::Abgr),
];

/// What decoders, encoders, cameras and screens speak.
pub const YUV: [VideoFormat; 8] = [
    VideoFormat::I420,
    VideoFormat::Yv12,
    VideoFormat::Nv12,
    VideoFormat::Nv21,
    VideoFormat::Yuy2,
    VideoFormat::Uyvy,
    VideoFormat::Y42b,
    VideoFormat::Y444,
];

/// What the samples of a picture mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Packed RGB.
    Rgb(PixelLayout),
    /// YUV.
    Yuv(YuvLayout),
}

/// Every accepted format.
pub fn accepted() -> impl Iterator<Item = VideoFormat> {
    RGB.into_iter().map(|(format, _)| format).chain(YUV)
}

/// What the samples of pictures of such caps mean.
///
/// # Errors
/// If the format is none of the accepted ones, which the pad templates do not let through, or luma is not weighted as
/// in one of the [`Matrix`] kinds (YCgCo).
pub fn layout(caps: &gst::CapsRef, info: &VideoInfo) -> Result<Layout, gst::LoggableError> {
    let format = info.format();
    if let Some((_, layout)) = RGB.iter().find(|(known, _)| *known == format) {
        return Ok(Layout::Rgb(*layout));
    }
    if !YUV.contains(&format) {
        return Err(gst::loggable_error!(super::CAT, "{format} is not accepted"));
    }
    let colorimetry = colorimetry::complete(caps, info);
    let matrix = matrix(colorimetry.matrix()).ok_or_else(|| {
        let text = "cannot be restored: put videoconvert and the caps of an RGB format before";
        gst::loggable_error!(super::CAT, "{format} with the colorimetry {colorimetry} {text}")
    })?;
    Ok(Layout::Yuv(YuvLayout {
        halved: [info.format_info().h_sub()[1] > 0, info.format_info().w_sub()[1] > 0],
        cosited: cosited(caps),
        matrix,
        full_range: colorimetry.range() == VideoColorRange::Range0_255,
    }))
}

/// The core's name for how luma is weighted, if it knows that.
pub fn matrix(matrix: VideoColorMatrix) -> Option<Matrix> {
    Some(match matrix {
        VideoColorMatrix::Bt601 => Matrix::Bt601,
        VideoColorMatrix::Bt709 => Matrix::Bt709,
        VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        VideoColorMatrix::Smpte240m => Matrix::Smpte240m,
        VideoColorMatrix::Fcc => Matrix::Fcc,
        _ => return None,
    })
}

/// Whether chroma lies on the first of its rows and columns; where caps do not say, as MPEG-2, H.264 and H.265 have it.
/// By the caps themselves: what [`VideoInfo`] makes of silent ones depends on the size and on GStreamer's version, and
/// 1.22 forgets what they say where they are silent on colorimetry.
fn cosited(caps: &gst::CapsRef) -> [bool; 2] {
    let stated = caps
        .structure(0)
        .and_then(|fields| fields.get::<&str>("chroma-site").ok());
    let site = stated.and_then(|site| site.parse::<VideoChromaSite>().ok());
    let Some(site) = site.filter(|site| !site.is_empty()) else {
        return [false, true];
    };
    [VideoChromaSite::V_COSITED, VideoChromaSite::H_COSITED].map(|flag| site.contains(flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yuv(caps: &str) -> Result<YuvLayout, String> {
        gst::init().unwrap();
        let parsed: gst::Caps = caps.parse().unwrap();
        match layout(&parsed, &VideoInfo::from_caps(&parsed).unwrap()) {
            Ok(Layout::Yuv(layout)) => Ok(layout),
            Ok(Layout::Rgb(_)) => panic!("{caps} is RGB"),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    #[test]
    fn rgb_formats_are_the_cores_layouts() {
        assert_eq!(RGB.map(|(_, layout)| layout), PixelLayout::ALL);
        for (format, layout) in RGB {
            let info = gst_video::VideoFormatInfo::from_format(format);
            let offsets = layout.channel_offsets().map(|offset| offset as u32);
            assert_eq!(info.poffset()[..3], offsets, "{format:?}");
            assert_eq!(info.has_alpha(), layout.alpha_offset().is_some(), "{format:?}");
        }
    }

    #[test]
    fn yuv_formats_have_three_8_bit_components() {
        for format in YUV {
            let info = gst_video::VideoFormatInfo::from_format(format);
            assert!(info.is_yuv() && !info.has_alpha(), "{format:?}");
            assert_eq!(info.depth(), [8, 8, 8], "{format:?}");
            assert_eq!(info.shift(), [0, 0, 0], "{format:?}");
            assert_eq!(info.w_sub()[1..], info.w_sub()[1..2].repeat(2), "{format:?}");
            assert!(info.w_sub()[1] <= 1 && info.h_sub()[1] <= 1, "{format:?}");
        }
    }

    #[test]
    fn caps_say_what_samples_mean() {
        let size = "video/x-raw, width=64, height=64, framerate=25/1";
        let given = yuv(&format!("{size}, format=NV12, colorimetry=1:3:5:1, chroma-site=jpeg")).unwrap();
        let expected = YuvLayout {
            halved: [true, true],
            cosited: [false, false],
            matrix: Matrix::Bt709,
            full_range: true,
        };
        assert_eq!(given, expected);
        let given = yuv(&format!("{size}, format=YUY2, colorimetry=bt601, chroma-site=cosited")).unwrap();
        let expected = YuvLayout {
            halved: [false, true],
            cosited: [true, true],
            matrix: Matrix::Bt601,
            full_range: false,
        };
        assert_eq!(given, expected);
    }

    /// GStreamer takes small pictures for BT.601 and large ones for BT.709.
    #[test]
    fn silent_caps_mean_what_gstreamer_takes_them_for() {
        for (height, matrix) in [(180, Matrix::Bt601), (720, Matrix::Bt709)] {
            let caps = format!("video/x-raw, format=I420, width=320, height={height}, framerate=25/1");
            let layout = yuv(&caps).unwrap();
            assert_eq!((layout.matrix, layout.full_range), (matrix, false), "{height} rows");
            assert_eq!(layout.cosited, [false, true], "{height} rows: as H.264 has it");
        }
    }

    #[test]
    fn chroma_sites_and_ranges_are_read_without_a_colorimetry_too() {
        let caps = "video/x-raw, format=I420, width=320, height=180, framerate=25/1";
        let cosited = |more: &str| yuv(&format!("{caps}, {more}")).unwrap().cosited;
        assert_eq!(cosited("chroma-site=cosited"), [true, true]);
        assert_eq!(cosited("chroma-site=jpeg"), [false, false]);
        assert_eq!(cosited("colorimetry=bt709"), [false, true]);
        assert!(yuv(&format!("{caps}, colorimetry=1:0:0:0")).unwrap().full_range);
        assert!(!yuv(&format!("{caps}, colorimetry=0:4:5:1")).unwrap().full_range);
    }

    #[test]
    fn matrices_that_are_not_known_are_refused() {
        // YCgCo.
        let caps = "video/x-raw, format=Y444, width=64, height=64, framerate=25/1, colorimetry=2:8:1:1";
        let error = yuv(caps).unwrap_err();
        assert!(error.contains("videoconvert"), "{error}");
    }
}
