//! Maps buffers as the core's pictures, plane by plane: a buffer of several memories stays whole, and its pool keeps it.

use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;

use gst_video::prelude::*;
use gst_video::{VideoCropMeta, VideoFormat, VideoFrameFlags, VideoFrameRef, VideoInfo, VideoMeta};

use super::CAT;
use super::formats::Layout;
use crate::restore::{ComponentLayout, Picture, PictureView, PictureViewMut, PixelPicture, RestoreError, YuvPicture};

/// A buffer that does not hold what the caps say.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// Its memory cannot be had.
    #[error("the {0} buffer's memory cannot be mapped")]
    Map(&'static str),
    /// Fewer bytes than a picture of the caps takes.
    #[error("the buffer has {available} bytes, {caps} takes {needed}")]
    Small {
        /// Bytes.
        available: usize,
        /// Bytes.
        needed: usize,
        /// Format and size.
        caps: String,
    },
    /// Its video meta contradicts the caps.
    #[error("the buffer's video meta says {meta}, the caps say {caps}")]
    Meta {
        /// Format and size.
        meta: String,
        /// Format and size.
        caps: String,
    },
    /// Its video meta contradicts its memory.
    #[error(transparent)]
    Memory(#[from] RestoreError),
    /// Its video meta lays one plane over another.
    #[error("planes overlap in the output buffer's video meta")]
    Overlap,
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

/// Calls `read` with the picture in an input buffer. A crop meta is applied.
/// Fails with [`BufferError`] if the buffer does not hold what the caps say, or the crop cuts through a sample.
pub fn read<R>(
    buffer: &gst::BufferRef,
    info: &VideoInfo,
    layout: Layout,
    read: impl FnOnce(PictureView<'_>) -> R,
) -> Result<R, BufferError> {
    check(buffer, info)?;
    let crop = crop(buffer, info)?;
    let with_meta = would_be_merged(buffer, info).then(|| {
        // Another buffer of the same memories.
        let mut copy = buffer.to_owned();
        add_video_meta(copy.make_mut(), info);
        copy
    });
    let buffer = with_meta.as_deref().unwrap_or(buffer);
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).map_err(|_| BufferError::Map("input"))?;
    let mapped = Mapped::new(&frame, info, crop)?;
    let planes = mapped.planes.map(|plane| {
        // SAFETY: these bytes are mapped for reading as long as `frame` lives, which outlives the picture.
        unsafe { slice::from_raw_parts(plane.start.as_ptr(), plane.length) }
    });
    Ok(read(mapped.picture(planes, info, layout)?))
}

/// Calls `write` with the picture in an output buffer.
/// Fails with [`BufferError`] if the buffer does not hold what the caps say.
pub fn write<R>(
    buffer: &mut gst::BufferRef,
    info: &VideoInfo,
    layout: Layout,
    write: impl FnOnce(PictureViewMut<'_>) -> R,
) -> Result<R, BufferError> {
    check(buffer, info)?;
    if would_be_merged(buffer, info) {
        add_video_meta(buffer, info);
    }
    let frame = VideoFrameRef::from_buffer_ref_writable(buffer, info).map_err(|_| BufferError::Map("output"))?;
    let mapped = Mapped::new(&frame, info, (0, 0))?;
    if mapped.planes_overlap() {
        return Err(BufferError::Overlap);
    }
    let planes = mapped.planes.map(|plane| {
        // SAFETY: these bytes are mapped for writing as long as `frame` lives, which outlives the picture, and no two
        // planes have a byte in common.
        unsafe { slice::from_raw_parts_mut(plane.start.as_ptr(), plane.length) }
    });
    Ok(write(mapped.picture(planes, info, layout)?))
}

/// A meta may describe a picture larger than the caps (padding), never another format or a smaller one.
fn check(buffer: &gst::BufferRef, info: &VideoInfo) -> Result<(), BufferError> {
    let caps = || describe_size(info.format(), info.width(), info.height());
    let Some(meta) = buffer.meta::<VideoMeta>() else {
        return match buffer.size() < info.size() {
            true => Err(BufferError::Small {
                available: buffer.size(),
                needed: info.size(),
                caps: caps(),
            }),
            false => Ok(()),
        };
    };
    let is_format = meta.format() == info.format() && meta.n_planes() == info.n_planes();
    if is_format && meta.width() >= info.width() && meta.height() >= info.height() {
        return Ok(());
    }
    Err(BufferError::Meta {
        meta: describe_size(meta.format(), meta.width(), meta.height()),
        caps: caps(),
    })
}

/// Columns and rows before the picture, as the buffer's crop meta says.
fn crop(buffer: &gst::BufferRef, info: &VideoInfo) -> Result<(u32, u32), BufferError> {
    let Some(crop) = buffer.meta::<VideoCropMeta>() else {
        return Ok((0, 0));
    };
    let rect = crop.rect();
    let (x, y, width, height) = rect;
    let inside = |at: u32, length: u32, whole: u32| at.checked_add(length).is_some_and(|end| end <= whole);
    let whole = buffer
        .meta::<VideoMeta>()
        .map_or((info.width(), info.height()), |meta| (meta.width(), meta.height()));
    let fits = inside(x, width, whole.0) && inside(y, height, whole.1);
    if (width, height) != (info.width(), info.height()) || !fits {
        return Err(BufferError::Crop {
            rect,
            caps: describe_size(info.format(), info.width(), info.height()),
        });
    }
    let format = info.format_info();
    let is_whole = |at: u32, subsampling: &[u32]| subsampling.iter().all(|shift| at.is_multiple_of(1 << shift));
    if !is_whole(x, format.w_sub()) || !is_whole(y, format.h_sub()) {
        let format = format.format();
        return Err(BufferError::CropBetween { x, y, format });
    }
    Ok((x, y))
}

/// Whether GStreamer would merge the memories of a buffer to map it, although each plane is in one of them: without a
/// video meta it maps buffers as a whole, and pools throw buffers of merged memories away.
fn would_be_merged(buffer: &gst::BufferRef, info: &VideoInfo) -> bool {
    let is_in_one = |component: u8| {
        let plane = info.comp_plane(component) as usize;
        let (start, stride) = (info.offset()[plane], usize::try_from(info.stride()[plane]).unwrap_or(0));
        let end = start + stride * info.comp_height(component) as usize;
        let found = buffer.find_memory(start..end);
        found.is_some_and(|(memories, _)| memories.len() == 1)
    };
    buffer.n_memory() > 1 && buffer.meta::<VideoMeta>().is_none() && (0..3).all(is_in_one)
}

/// Adds a video meta that says what the caps say.
fn add_video_meta(buffer: &mut gst::BufferRef, info: &VideoInfo) {
    let flags = VideoFrameFlags::empty();
    let (format, width, height) = (info.format(), info.width(), info.height());
    let added = VideoMeta::add_full(buffer, flags, format, width, height, info.offset(), info.stride());
    if let Err(error) = added {
        gst::warning!(CAT, "the buffer's memories will be merged: {error}");
    }
}

/// Mapped bytes of a plane.
#[derive(Clone, Copy)]
struct Bytes {
    start: NonNull<u8>,
    length: usize,
}

/// Where a picture lies in a mapped frame.
struct Mapped {
    /// From the first sample of the picture on to its last, or to the end of what is mapped.
    planes: [Bytes; 3],
    components: [ComponentLayout; 3],
}

impl Mapped {
    /// Of the size in `info`, without so many columns and rows before it.
    fn new(frame: &impl VideoFrameExt, info: &VideoInfo, (x, y): (u32, u32)) -> Result<Self, BufferError> {
        let none = Bytes {
            start: NonNull::dangling(),
            length: 0,
        };
        let mut mapped = Mapped {
            planes: [none; 3],
            components: Default::default(),
        };
        let format = info.format_info();
        for (index, component) in (0..).zip(&mut mapped.components) {
            let plane = info.comp_plane(index) as usize;
            let stride = frame.plane_stride()[plane];
            let stride = usize::try_from(stride).map_err(|_| BufferError::Stride(stride))?;
            // Positive in every format with 8-bit samples of its own.
            let step = usize::try_from(info.comp_pstride(index)).unwrap_or(0);
            let (columns, rows) = (x >> format.w_sub()[index as usize], y >> format.h_sub()[index as usize]);
            let (width, height) = (info.comp_width(index) as usize, info.comp_height(index) as usize);
            // The same for all components of a plane.
            let skipped = rows as usize * stride + columns as usize * step;
            let length = height.saturating_sub(1) * stride + width * step;
            let longer = length.max(mapped.planes[plane].length);
            mapped.planes[plane] = mapped_bytes(frame, plane, skipped, longer).unwrap_or(none);
            *component = ComponentLayout {
                plane,
                offset: info.comp_poffset(index) as usize,
                stride,
                step,
            };
        }
        Ok(mapped)
    }

    fn planes_overlap(&self) -> bool {
        let range = |plane: &Bytes| plane.start.addr().get()..plane.start.addr().get() + plane.length;
        let [a, b, c] = self.planes.each_ref().map(range);
        [(&a, &b), (&a, &c), (&b, &c)]
            .iter()
            .any(|(a, b)| a.start < b.end && b.start < a.end)
    }

    /// The picture in the bytes of the planes.
    /// Fails with [`RestoreError::Picture`] if they are too few.
    fn picture<D: Deref<Target = [u8]>>(
        &self,
        planes: [D; 3],
        info: &VideoInfo,
        layout: Layout,
    ) -> Result<Picture<D>, RestoreError> {
        let (width, height) = (info.width() as usize, info.height() as usize);
        match layout {
            Layout::Rgb(layout) => {
                let [pixels, ..] = planes;
                PixelPicture::new(pixels, width, height, self.components[0].stride, layout).map(Picture::Rgb)
            }
            Layout::Yuv(layout) => YuvPicture::new(planes, width, height, self.components, layout).map(Picture::Yuv),
        }
    }
}

/// Bytes of a plane from `skipped` on, `length` of them or as many as are mapped; none if there are none.
/// [`VideoFrameRef::plane_data`] takes it on trust that a meta's planes lie within the buffer's memory.
fn mapped_bytes(frame: &impl VideoFrameExt, plane: usize, skipped: usize, length: usize) -> Option<Bytes> {
    // SAFETY: it points to a field of `frame`.
    let raw = unsafe { &*frame.as_ptr() };
    // Without a video meta the buffer is mapped as a whole.
    let map = if raw.meta.is_null() {
        &raw.map[0]
    } else {
        &raw.map[plane]
    };
    let first = raw.data[plane].cast::<u8>();
    let start = first.addr().checked_sub(map.data.addr())?.checked_add(skipped)?;
    let available = map.size.checked_sub(start)?;
    Some(Bytes {
        start: NonNull::new(first.wrapping_add(skipped))?,
        length: length.min(available),
    })
}

fn describe_size(format: VideoFormat, width: u32, height: u32) -> String {
    format!("{format} {width}x{height}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::formats;

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
        let flags = VideoFrameFlags::empty();
        VideoMeta::add_full(buffer, flags, format, size.0, size.1, &offsets, &strides).unwrap();
    }

    /// Where a component lies: its first sample in the buffer, its stride and its step.
    type Place = (usize, usize, usize);

    /// Where the components of the picture lie, of RGB the pixels.
    fn places(buffer: &gst::BufferRef, info: &VideoInfo) -> Result<Vec<Place>, BufferError> {
        let layout = formats::layout(&info.to_caps().unwrap(), info).unwrap();
        let start = buffer.map_readable().unwrap().as_ptr().addr();
        read(buffer, info, layout, |picture| match picture {
            Picture::Rgb(pixels) => vec![(pixels.data.as_ptr().addr() - start, pixels.stride, 0)],
            Picture::Yuv(samples) => {
                let place = |component: &ComponentLayout| {
                    let first = samples.planes[component.plane].as_ptr().addr() - start + component.offset;
                    (first, component.stride, component.step)
                };
                samples.components.iter().map(place).collect()
            }
        })
    }

    fn rgb(buffer: &gst::BufferRef) -> Result<Vec<Place>, BufferError> {
        places(buffer, &info(VideoFormat::Rgb, 17, 16))
    }

    #[test]
    fn without_metas_the_caps_say_where_rows_lie() {
        // GStreamer rounds rows up to four bytes: 17 pixels are 51 bytes.
        assert_eq!(rgb(&buffer(|_| ())).unwrap(), [(0, 52, 0)]);
    }

    #[test]
    fn video_meta_and_crop_say_where_rows_lie() {
        let buffer = buffer(|buffer| {
            add_meta(buffer, VideoFormat::Rgb, (40, 30), &[(7, 123)]);
            VideoCropMeta::add(buffer, (5, 2, 17, 16));
        });
        assert_eq!(rgb(&buffer).unwrap(), [(7 + 2 * 123 + 5 * 3, 123, 0)]);
    }

    /// A crop of (6, 2) from planes that begin at 10, 5000 and 8000, in rows of 64, 40 and 48 bytes.
    #[track_caller]
    fn check_cropped_planes(format: VideoFormat, expected: [Place; 3]) {
        let planes = [(10, 64), (5000, 40), (8000, 48)];
        let info = info(format, 16, 16);
        let buffer = buffer(|buffer| {
            add_meta(buffer, format, (24, 20), &planes[..info.n_planes() as usize]);
            VideoCropMeta::add(buffer, (6, 2, 16, 16));
        });
        assert_eq!(places(&buffer, &info).unwrap(), expected, "{format}");
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
            let picture = places(&buffer, &info);
            assert_eq!(picture.is_ok(), fits, "{format} from ({x}, {y}): {picture:?}");
        }
    }

    #[test]
    fn too_few_bytes_are_an_error() {
        let info = info(VideoFormat::Rgb, 17, 2);
        let of_size = |size: usize, planes: Option<(usize, i32)>| {
            let mut buffer = gst::Buffer::with_size(size).unwrap();
            if let Some(plane) = planes {
                add_meta(buffer.get_mut().unwrap(), VideoFormat::Rgb, (17, 2), &[plane]);
            }
            places(&buffer, &info)
        };
        assert!(of_size(104, None).is_ok());
        assert!(matches!(of_size(103, None), Err(BufferError::Small { .. })));
        // With a meta the last row may end with its last pixel.
        assert!(of_size(10 + 60 + 51, Some((10, 60))).is_ok());
        for (size, plane) in [(10 + 60 + 50, (10, 60)), (20, (10, 60)), (121, (10, 59))] {
            let picture = of_size(size, Some(plane));
            assert_eq!(picture.is_ok(), size == 121, "{size} bytes, {plane:?}: {picture:?}");
        }
        assert!(matches!(of_size(5, Some((10, 60))), Err(BufferError::Map(_))));
        assert!(matches!(of_size(200, Some((0, -60))), Err(BufferError::Stride(-60))));
    }

    #[test]
    fn planes_that_overlap_are_read_and_not_written() {
        let info = info(VideoFormat::I420, 16, 16);
        let layout = formats::layout(&info.to_caps().unwrap(), &info).unwrap();
        let writes = |planes: [(usize, i32); 3]| {
            let mut buffer = buffer(|buffer| add_meta(buffer, VideoFormat::I420, (16, 16), &planes));
            assert!(places(&buffer, &info).is_ok());
            write(buffer.get_mut().unwrap(), &info, layout, |_| ())
        };
        assert!(writes([(0, 16), (256, 8), (320, 8)]).is_ok());
        assert!(matches!(
            writes([(0, 16), (255, 8), (320, 8)]),
            Err(BufferError::Overlap)
        ));
        assert!(matches!(
            writes([(64, 16), (400, 8), (0, 16)]),
            Err(BufferError::Overlap)
        ));
    }

    /// Mapping them as a whole merges them.
    #[test]
    fn buffers_of_several_memories_stay_whole() {
        let info = info(VideoFormat::I420, 16, 16);
        let layout = formats::layout(&info.to_caps().unwrap(), &info).unwrap();
        for (sizes, memories) in [(vec![256, 64, 64], 3), (vec![256, 128], 2), (vec![100, 284], 1)] {
            let mut buffer = gst::Buffer::new();
            for size in sizes {
                buffer.get_mut().unwrap().append_memory(gst::Memory::with_size(size));
            }
            read(&buffer, &info, layout, |_| ()).unwrap();
            write(buffer.get_mut().unwrap(), &info, layout, |_| ()).unwrap();
            // Where a plane is in two, GStreamer has to.
            assert_eq!(buffer.n_memory(), memories);
        }
    }
}
