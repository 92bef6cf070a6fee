//! Every accepted format, and the core's words for what its samples mean.

use gst_video::{VideoChromaSite, VideoColorMatrix, VideoColorRange, VideoFormat, VideoInfo};

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
const YUV: [VideoFormat; 8] = [
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
pub fn layout(info: &VideoInfo) -> Result<Layout, gst::LoggableError> {
    let format = info.format();
    if let Some((_, layout)) = RGB.iter().find(|(known, _)| *known == format) {
        return Ok(Layout::Rgb(*layout));
    }
    if !YUV.contains(&format) {
        return Err(gst::loggable_error!(super::CAT, "{format} is not accepted"));
    }
    let colorimetry = info.colorimetry();
    let matrix = matrix(colorimetry.matrix()).ok_or_else(|| {
        let text = "cannot be restored: put videoconvert and the caps of an RGB format before";
        gst::loggable_error!(super::CAT, "{format} with the colorimetry {colorimetry} {text}")
    })?;
    Ok(Layout::Yuv(YuvLayout {
        halved: [info.format_info().h_sub()[1] > 0, info.format_info().w_sub()[1] > 0],
        cosited: cosited(info.chroma_site()),
        matrix,
        full_range: colorimetry.range() == VideoColorRange::Range0_255,
    }))
}

fn matrix(matrix: VideoColorMatrix) -> Option<Matrix> {
    Some(match matrix {
        VideoColorMatrix::Bt601 => Matrix::Bt601,
        VideoColorMatrix::Bt709 => Matrix::Bt709,
        VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        VideoColorMatrix::Smpte240m => Matrix::Smpte240m,
        VideoColorMatrix::Fcc => Matrix::Fcc,
        _ => return None,
    })
}

/// Whether chroma lies on the first of its rows and columns. Where caps say how luma is weighted and not this, as MPEG-2,
/// H.264 and H.265 have it; where they say neither, GStreamer has filled in both.
fn cosited(site: VideoChromaSite) -> [bool; 2] {
    if site.is_empty() {
        return [false, true];
    }
    [VideoChromaSite::V_COSITED, VideoChromaSite::H_COSITED].map(|flag| site.contains(flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yuv(caps: &str) -> Result<YuvLayout, String> {
        gst::init().unwrap();
        let info = VideoInfo::from_caps(&caps.parse::<gst::Caps>().unwrap()).unwrap();
        match layout(&info) {
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

    /// GStreamer takes small pictures for BT.601 and large ones for BT.709, so an output may be of another kind than its
    /// input.
    #[test]
    fn silent_caps_mean_what_gstreamer_takes_them_for() {
        for (height, matrix, cosited) in [(180, Matrix::Bt601, false), (720, Matrix::Bt709, true)] {
            let caps = format!("video/x-raw, format=I420, width=320, height={height}, framerate=25/1");
            let layout = yuv(&caps).unwrap();
            assert_eq!((layout.matrix, layout.full_range), (matrix, false), "{height} rows");
            assert_eq!(layout.cosited, [false, cosited], "{height} rows");
        }
    }

    #[test]
    fn caps_that_are_silent_on_chroma_alone_mean_h264s() {
        let caps = "video/x-raw, format=I420, width=320, height=180, framerate=25/1, colorimetry=bt709";
        assert_eq!(yuv(caps).unwrap().cosited, [false, true]);
    }

    #[test]
    fn matrices_that_are_not_known_are_refused() {
        // YCgCo.
        let caps = "video/x-raw, format=Y444, width=64, height=64, framerate=25/1, colorimetry=2:8:1:1";
        let error = yuv(caps).unwrap_err();
        assert!(error.contains("videoconvert"), "{error}");
    }
}
