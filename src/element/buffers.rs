//! Where the picture lies in a buffer: strides and offsets of its video meta, its crop.

use std::ops::Deref;

use gst_video::{VideoCropMeta, VideoFormat, VideoFormatInfo, VideoInfo, VideoMeta};

use super::formats::Layout;
use crate::restore::{Picture, PictureView, PictureViewMut, PixelPicture, PlaneLayout, RestoreError, YuvPicture};

/// A buffer that does not hold what the caps say.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// Its memory cannot be had.
    #[error("the {0} buffer's memory cannot be mapped")]
    Map(&'static str),
    /// Its video meta contradicts the caps.
    #[error("the buffer's video meta says {meta}, the caps say {caps}")]
    Meta {
        /// Format and size.
        meta: String,
        /// Format and size.
        caps: String,
    },
    /// Rows from bottom to top.
    #[error("the buffer's stride is {0}; only positive ones are taken")]
    Stride(i32),
    /// A crop of another size than the caps have, or one that reaches out of the picture.
    #[error(
        "the buffer's crop meta is {}x{}+{}+{}, the caps say {caps}: crop to the size of the caps and within the picture, \
         or put videocrop before",
        rect.2, rect.3, rect.0, rect.1
    )]
    Crop {
        /// x, y, width, height.
        rect: (u32, u32, u32, u32),
        /// Format and size.
        caps: String,
    },
    /// A crop that begins between the samples of a component.
    #[error(
        "the buffer's crop meta begins at column {x} and row {y}, between chroma samples of {format}: put videocrop before"
    )]
    CropBetween {
        /// Pixels.
        x: u32,
        /// Pixels.
        y: u32,
        /// Of the caps.
        format: VideoFormat,
    },
}

/// Where a picture lies in its buffer, and what its samples mean.
#[derive(Debug, PartialEq, Eq)]
pub struct BufferLayout {
    /// Of Y, U and V; of RGB the first counts, and begins with the first pixel.
    planes: [PlaneLayout; 3],
    width: usize,
    height: usize,
    layout: Layout,
}

impl BufferLayout {
    /// The picture in an input buffer. A crop meta is applied. Fails with [`BufferError`] if the buffer's metas and the
    /// caps contradict each other, or the crop cuts through a sample.
    pub fn of_input(buffer: &gst::BufferRef, info: &VideoInfo, layout: Layout) -> Result<Self, BufferError> {
        let mut picture = Self::of_output(buffer, info, layout)?;
        if let Some(crop) = buffer.meta::<VideoCropMeta>() {
            let rect = crop.rect();
            let inside = |at: u32, length: u32, whole: u32| at.checked_add(length).is_some_and(|end| end <= whole);
            let whole = buffer
                .meta::<VideoMeta>()
                .map_or((info.width(), info.height()), |meta| (meta.width(), meta.height()));
            let fits = inside(rect.0, rect.2, whole.0) && inside(rect.1, rect.3, whole.1);
            if (rect.2, rect.3) != (info.width(), info.height()) || !fits {
                return Err(BufferError::Crop {
                    rect,
                    caps: describe(info.format(), info.width(), info.height()),
                });
            }
            picture.crop(rect.0, rect.1, &info.format_info())?;
        }
        Ok(picture)
    }

    /// The picture in an output buffer.
    /// Fails with [`BufferError`] if the buffer's video meta and the caps contradict each other.
    pub fn of_output(buffer: &gst::BufferRef, info: &VideoInfo, layout: Layout) -> Result<Self, BufferError> {
        let planes = match buffer.meta::<VideoMeta>() {
            Some(meta) => {
                check_meta(&meta, info)?;
                planes(&info.format_info(), layout, meta.offset(), meta.stride())
            }
            None => planes(&info.format_info(), layout, info.offset(), info.stride()),
        };
        Ok(BufferLayout {
            planes: planes?,
            width: info.width() as usize,
            height: info.height() as usize,
            layout,
        })
    }

    /// Leaves out the columns before `x` and the rows before `y`.
    fn crop(&mut self, x: u32, y: u32, format: &VideoFormatInfo) -> Result<(), BufferError> {
        let whole = |at: u32, subsampling: &[u32]| subsampling.iter().all(|shift| at.is_multiple_of(1 << shift));
        if !whole(x, format.w_sub()) || !whole(y, format.h_sub()) {
            let format = format.format();
            return Err(BufferError::CropBetween { x, y, format });
        }
        for (component, plane) in self.planes.iter_mut().enumerate() {
            let column = (x >> format.w_sub()[component]) as usize;
            let row = (y >> format.h_sub()[component]) as usize;
            plane.offset += row * plane.stride + column * plane.step;
        }
        Ok(())
    }

    /// The picture in the buffer's bytes.
    /// Fails with [`RestoreError::Picture`] if they are too few.
    pub fn view<'a>(&self, data: &'a [u8]) -> Result<PictureView<'a>, RestoreError> {
        self.picture(data.get(self.start()..).unwrap_or_default())
    }

    /// The picture in the buffer's bytes, for writing.
    /// Fails with [`RestoreError::Picture`] if they are too few.
    pub fn view_mut<'a>(&self, data: &'a mut [u8]) -> Result<PictureViewMut<'a>, RestoreError> {
        self.picture(data.get_mut(self.start()..).unwrap_or_default())
    }

    /// What views of RGB begin after.
    fn start(&self) -> usize {
        match self.layout {
            Layout::Rgb(_) => self.planes[0].offset,
            Layout::Yuv(_) => 0,
        }
    }

    fn picture<D: Deref<Target = [u8]>>(&self, data: D) -> Result<Picture<D>, RestoreError> {
        let (width, height, planes) = (self.width, self.height, self.planes);
        match self.layout {
            Layout::Rgb(layout) => PixelPicture::new(data, width, height, planes[0].stride, layout).map(Picture::Rgb),
            Layout::Yuv(layout) => YuvPicture::new(data, width, height, planes, layout).map(Picture::Yuv),
        }
    }
}

/// Where the components lie, of planes with these offsets and strides.
fn planes(
    format: &VideoFormatInfo,
    layout: Layout,
    offsets: &[usize],
    strides: &[i32],
) -> Result<[PlaneLayout; 3], BufferError> {
    let plane = |component: usize| {
        let index = format.plane()[component] as usize;
        let first = match layout {
            Layout::Rgb(_) => 0,
            Layout::Yuv(_) => format.poffset()[component] as usize,
        };
        Ok(PlaneLayout {
            offset: offsets[index] + first,
            stride: usize::try_from(strides[index]).map_err(|_| BufferError::Stride(strides[index]))?,
            // Positive in every format with 8-bit samples of its own.
            step: usize::try_from(format.pixel_stride()[component]).unwrap_or(0),
        })
    };
    Ok([plane(0)?, plane(1)?, plane(2)?])
}

/// A meta may describe a picture larger than the caps (padding), never another format or a smaller one.
fn check_meta(meta: &VideoMeta, info: &VideoInfo) -> Result<(), BufferError> {
    let fits = meta.format() == info.format() && meta.width() >= info.width() && meta.height() >= info.height();
    if fits {
        return Ok(());
    }
    Err(BufferError::Meta {
        meta: describe(meta.format(), meta.width(), meta.height()),
        caps: describe(info.format(), info.width(), info.height()),
    })
}

fn describe(format: VideoFormat, width: u32, height: u32) -> String {
    format!("{format} {width}x{height}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::formats;
    use gst_video::VideoFrameFlags;

    fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(format, width, height).build().unwrap()
    }

    fn buffer(metas: impl FnOnce(&mut gst::BufferRef)) -> gst::Buffer {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::with_size(100 * 100 * 3).unwrap();
        metas(buffer.get_mut().unwrap());
        buffer
    }

    fn add_meta(buffer: &mut gst::BufferRef, format: VideoFormat, size: (u32, u32), planes: &[(usize, i32)]) {
        let (offsets, strides): (Vec<_>, Vec<_>) = planes.iter().copied().unzip();
        VideoMeta::add_full(
            buffer,
            VideoFrameFlags::empty(),
            format,
            size.0,
            size.1,
            &offsets,
            &strides,
        )
        .unwrap();
    }

    fn picture(buffer: &gst::BufferRef, info: &VideoInfo) -> Result<BufferLayout, BufferError> {
        BufferLayout::of_input(buffer, info, formats::layout(&info.to_caps().unwrap(), info).unwrap())
    }

    fn rgb(buffer: &gst::BufferRef) -> Result<BufferLayout, BufferError> {
        picture(buffer, &info(VideoFormat::Rgb, 17, 16))
    }

    #[test]
    fn without_metas_the_caps_say_where_rows_lie() {
        // GStreamer rounds rows up to four bytes: 17 pixels are 51 bytes.
        let picture = rgb(&buffer(|_| ())).unwrap();
        assert_eq!((picture.planes[0].offset, picture.planes[0].stride), (0, 52));
        assert_eq!((picture.width, picture.height), (17, 16));
    }

    #[test]
    fn video_meta_and_crop_say_where_rows_lie() {
        let buffer = buffer(|buffer| {
            add_meta(buffer, VideoFormat::Rgb, (40, 30), &[(7, 123)]);
            VideoCropMeta::add(buffer, (5, 2, 17, 16));
        });
        let first = rgb(&buffer).unwrap().planes[0];
        assert_eq!((first.offset, first.stride), (7 + 2 * 123 + 5 * 3, 123));
    }

    /// A crop of (6, 2) from planes that begin at 10, 5000 and 8000, in rows of 64, 40 and 48 bytes.
    #[track_caller]
    fn check_cropped_planes(format: VideoFormat, expected: [(usize, usize, usize); 3]) {
        let planes = [(10, 64), (5000, 40), (8000, 48)];
        let info = info(format, 16, 16);
        let buffer = buffer(|buffer| {
            add_meta(buffer, format, (24, 20), &planes[..info.n_planes() as usize]);
            VideoCropMeta::add(buffer, (6, 2, 16, 16));
        });
        let planes = picture(&buffer, &info).unwrap().planes;
        let expected = expected.map(|(offset, stride, step)| PlaneLayout { offset, stride, step });
        assert_eq!(planes, expected, "{format}");
    }

    #[test]
    fn components_of_yuv_lie_where_format_meta_and_crop_say() {
        let y = (10 + 2 * 64 + 6, 64, 1);
        check_cropped_planes(VideoFormat::I420, [y, (5000 + 40 + 3, 40, 1), (8000 + 48 + 3, 48, 1)]);
        // V is the second plane.
        check_cropped_planes(VideoFormat::Yv12, [y, (8000 + 48 + 3, 48, 1), (5000 + 40 + 3, 40, 1)]);
        check_cropped_planes(VideoFormat::Nv12, [y, (5000 + 40 + 6, 40, 2), (5000 + 40 + 7, 40, 2)]);
        let start = 10 + 2 * 64 + 6 * 2;
        check_cropped_planes(
            VideoFormat::Yuy2,
            [(start, 64, 2), (start + 1, 64, 4), (start + 3, 64, 4)],
        );
        check_cropped_planes(
            VideoFormat::Y444,
            [y, (5000 + 2 * 40 + 6, 40, 1), (8000 + 2 * 48 + 6, 48, 1)],
        );
    }

    #[test]
    fn contradictions_are_errors() {
        let cropped = buffer(|buffer| {
            VideoCropMeta::add(buffer, (0, 0, 20, 16));
        });
        let smaller = buffer(|buffer| add_meta(buffer, VideoFormat::Rgb, (16, 16), &[(0, 60)]));
        let outside = buffer(|buffer| {
            add_meta(buffer, VideoFormat::Rgb, (40, 30), &[(0, 120)]);
            VideoCropMeta::add(buffer, (24, 2, 17, 16));
        });
        let beyond = buffer(|buffer| {
            VideoCropMeta::add(buffer, (u32::MAX, 0, 17, 16));
        });
        for (buffer, text) in [
            (cropped, "crop meta is 20x16+0+0"),
            (smaller, "meta says RGB 16x16"),
            (outside, "crop meta is 17x16+24+2"),
            (beyond, "within the picture"),
        ] {
            let error = rgb(&buffer).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_crop_between_chroma_samples_is_an_error() {
        for (format, x, y, fits) in [
            (VideoFormat::I420, 1, 0, false),
            (VideoFormat::I420, 0, 1, false),
            (VideoFormat::Y42b, 1, 0, false),
            (VideoFormat::Y42b, 0, 1, true),
            (VideoFormat::Y444, 1, 1, true),
        ] {
            let info = info(format, 16, 16);
            let buffer = buffer(|buffer| {
                let planes = [(0, 64), (2000, 64), (4000, 64)];
                add_meta(buffer, format, (20, 20), &planes[..info.n_planes() as usize]);
                VideoCropMeta::add(buffer, (x, y, 16, 16));
            });
            let picture = picture(&buffer, &info);
            assert_eq!(picture.is_ok(), fits, "{format} from ({x}, {y}): {picture:?}");
        }
    }

    #[test]
    fn too_few_bytes_are_an_error() {
        let mut picture = rgb(&buffer(|_| ())).unwrap();
        (picture.planes[0].offset, picture.planes[0].stride) = (10, 60);
        picture.height = 2;
        assert!(picture.view(&[0; 10 + 60 + 51]).is_ok());
        assert!(picture.view(&[0; 10 + 60 + 50]).is_err());
        assert!(picture.view(&[0; 5]).is_err());
    }
}
