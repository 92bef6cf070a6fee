//! Where the picture lies in a buffer: strides and offsets of its video meta, its crop.

use gst_video::{VideoCropMeta, VideoInfo, VideoMeta};

use super::caps;
use crate::restore::{PixelLayout, PixelView, PixelViewMut, RestoreError};

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
    /// A crop of another size than the caps have.
    #[error(
        "the buffer's crop meta is {}x{}+{}+{}, the caps say {caps}: crop to the size of the caps, or put videocrop before",
        rect.2, rect.3, rect.0, rect.1
    )]
    Crop {
        /// x, y, width, height.
        rect: (u32, u32, u32, u32),
        /// Format and size.
        caps: String,
    },
}

/// The one plane of a packed picture within its buffer, and the picture's size.
#[derive(Debug, PartialEq, Eq)]
pub struct Plane {
    offset: usize,
    stride: usize,
    width: usize,
    height: usize,
    layout: PixelLayout,
}

impl Plane {
    /// The picture in an input buffer. A crop meta is applied.
    ///
    /// # Errors
    /// [`BufferError`] if the buffer's metas and the caps contradict each other.
    pub fn of_input(buffer: &gst::BufferRef, info: &VideoInfo, layout: PixelLayout) -> Result<Self, BufferError> {
        let mut plane = Self::of_output(buffer, info, layout)?;
        if let Some(crop) = buffer.meta::<VideoCropMeta>() {
            let rect = crop.rect();
            if (rect.2, rect.3) != (info.width(), info.height()) {
                return Err(BufferError::Crop {
                    rect,
                    caps: describe(info.format(), info.width(), info.height()),
                });
            }
            plane.offset += rect.1 as usize * plane.stride + rect.0 as usize * layout.bytes_per_pixel();
        }
        Ok(plane)
    }

    /// The picture in an output buffer.
    ///
    /// # Errors
    /// [`BufferError`] if the buffer's video meta and the caps contradict each other.
    pub fn of_output(buffer: &gst::BufferRef, info: &VideoInfo, layout: PixelLayout) -> Result<Self, BufferError> {
        let (offset, stride) = match buffer.meta::<VideoMeta>() {
            Some(meta) => {
                check_meta(&meta, info)?;
                (meta.offset()[0], meta.stride()[0])
            }
            None => (info.offset()[0], info.stride()[0]),
        };
        Ok(Plane {
            offset,
            stride: usize::try_from(stride).map_err(|_| BufferError::Stride(stride))?,
            width: info.width() as usize,
            height: info.height() as usize,
            layout,
        })
    }

    /// The picture in the buffer's bytes.
    ///
    /// # Errors
    /// [`RestoreError::Picture`] if they are too few.
    pub fn view<'a>(&self, data: &'a [u8]) -> Result<PixelView<'a>, RestoreError> {
        PixelView::new(
            data.get(self.offset..).unwrap_or_default(),
            self.width,
            self.height,
            self.stride,
            self.layout,
        )
    }

    /// The picture in the buffer's bytes, for writing.
    ///
    /// # Errors
    /// [`RestoreError::Picture`] if they are too few.
    pub fn view_mut<'a>(&self, data: &'a mut [u8]) -> Result<PixelViewMut<'a>, RestoreError> {
        let data = data.get_mut(self.offset..).unwrap_or_default();
        PixelViewMut::new(data, self.width, self.height, self.stride, self.layout)
    }
}

/// The core's layout of the caps' format. The pad templates let no other format through.
pub fn layout(info: &VideoInfo) -> Result<PixelLayout, gst::LoggableError> {
    caps::layout(info.format()).ok_or_else(|| gst::loggable_error!(super::CAT, "{} is not accepted", info.format()))
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

fn describe(format: gst_video::VideoFormat, width: u32, height: u32) -> String {
    format!("{format} {width}x{height}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_video::{VideoFormat, VideoFrameFlags};

    fn info(width: u32, height: u32) -> VideoInfo {
        VideoInfo::builder(VideoFormat::Rgb, width, height).build().unwrap()
    }

    fn buffer(metas: impl FnOnce(&mut gst::BufferRef)) -> gst::Buffer {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::with_size(100 * 100 * 3).unwrap();
        metas(buffer.get_mut().unwrap());
        buffer
    }

    fn add_meta(buffer: &mut gst::BufferRef, size: (u32, u32), offset: usize, stride: i32) {
        VideoMeta::add_full(
            buffer,
            VideoFrameFlags::empty(),
            VideoFormat::Rgb,
            size.0,
            size.1,
            &[offset],
            &[stride],
        )
        .unwrap();
    }

    #[test]
    fn without_metas_the_caps_say_where_rows_lie() {
        // GStreamer rounds rows up to four bytes: 17 pixels are 51 bytes.
        let plane = Plane::of_input(&buffer(|_| ()), &info(17, 16), PixelLayout::Rgb).unwrap();
        assert_eq!(
            plane,
            Plane {
                offset: 0,
                stride: 52,
                width: 17,
                height: 16,
                layout: PixelLayout::Rgb
            }
        );
    }

    #[test]
    fn video_meta_and_crop_say_where_rows_lie() {
        let buffer = buffer(|buffer| {
            add_meta(buffer, (40, 30), 7, 123);
            VideoCropMeta::add(buffer, (5, 2, 17, 16));
        });
        let plane = Plane::of_input(&buffer, &info(17, 16), PixelLayout::Rgb).unwrap();
        assert_eq!((plane.offset, plane.stride), (7 + 2 * 123 + 5 * 3, 123));
    }

    #[test]
    fn contradictions_are_errors() {
        let cropped = buffer(|buffer| {
            VideoCropMeta::add(buffer, (0, 0, 20, 16));
        });
        let smaller = buffer(|buffer| add_meta(buffer, (16, 16), 0, 60));
        for (buffer, text) in [(cropped, "crop meta is 20x16+0+0"), (smaller, "meta says RGB 16x16")] {
            let error = Plane::of_input(&buffer, &info(17, 16), PixelLayout::Rgb)
                .unwrap_err()
                .to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn too_few_bytes_are_an_error() {
        let plane = Plane {
            offset: 10,
            stride: 60,
            width: 17,
            height: 2,
            layout: PixelLayout::Rgb,
        };
        assert!(plane.view(&[0; 10 + 60 + 51]).is_ok());
        assert!(plane.view(&[0; 10 + 60 + 50]).is_err());
        assert!(plane.view(&[0; 5]).is_err());
    }
}
