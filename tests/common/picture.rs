//! Pictures as tests handle them: packed rows, whatever the buffers' strides.

use gst_video::{VideoFormat, VideoFrame, VideoFrameExt, VideoInfo};
use gstdloralvsr::restore::{PixelLayout, SCALE};

/// A picture in one of the ten formats, rows without padding.
#[derive(Clone, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub format: VideoFormat,
    pub data: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    /// Without the data: a failed comparison is readable.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}x{}", self.format, self.width, self.height)
    }
}

impl Picture {
    /// Frame `time` of a textured picture that moves by three pixels a frame; every byte of a pixel differs.
    pub fn moving(format: VideoFormat, width: usize, height: usize, time: usize) -> Self {
        let texel = |x: usize, y: usize, byte: usize| {
            let x = x + 3 * time;
            (x * 5 + y * 9 + byte * 67 + (x * y) / 3 % 29) as u8
        };
        Self::from_fn(format, width, height, texel)
    }

    /// A picture of `value(x, y, byte of the pixel)`.
    pub fn from_fn(
        format: VideoFormat,
        width: usize,
        height: usize,
        value: impl Fn(usize, usize, usize) -> u8,
    ) -> Self {
        let mut picture = Picture {
            width,
            height,
            format,
            data: Vec::new(),
        };
        let pixel = picture.layout().bytes_per_pixel();
        for y in 0..height {
            for x in 0..width {
                picture.data.extend((0..pixel).map(|byte| value(x, y, byte)));
            }
        }
        picture
    }

    /// Room for what comes of it.
    pub fn enlarged_blank(&self) -> Self {
        let (width, height) = (self.width * SCALE, self.height * SCALE);
        Self::from_fn(self.format, width, height, |_, _, _| 0)
    }

    pub fn layout(&self) -> PixelLayout {
        let names = [
            "RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR",
        ];
        let index = names
            .iter()
            .position(|name| *name == self.format.to_str().as_str())
            .unwrap();
        PixelLayout::ALL[index]
    }

    pub fn row_bytes(&self) -> usize {
        self.width * self.layout().bytes_per_pixel()
    }

    pub fn pixel(&self, x: usize, y: usize) -> &[u8] {
        let size = self.layout().bytes_per_pixel();
        &self.data[y * self.row_bytes() + x * size..][..size]
    }

    /// Red, green and blue of a pixel.
    pub fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        self.layout().channel_offsets().map(|offset| self.pixel(x, y)[offset])
    }

    /// Alpha of a pixel, if there is one.
    pub fn alpha(&self, x: usize, y: usize) -> Option<u8> {
        self.layout().alpha_offset().map(|offset| self.pixel(x, y)[offset])
    }

    pub fn info(&self) -> VideoInfo {
        VideoInfo::builder(self.format, self.width as u32, self.height as u32)
            .fps(gst::Fraction::new(25, 1))
            .build()
            .unwrap()
    }

    pub fn caps(&self) -> gst::Caps {
        self.info().to_caps().unwrap()
    }

    /// A buffer of GStreamer's default strides, as frame `index` at 25 frames/s.
    pub fn buffer(&self, index: u64) -> gst::Buffer {
        let info = self.info();
        let buffer = gst::Buffer::with_size(info.size()).unwrap();
        let mut frame = VideoFrame::from_buffer_writable(buffer, &info).unwrap();
        let stride = frame.plane_stride()[0] as usize;
        self.write_rows(frame.plane_data_mut(0).unwrap(), stride);
        let mut buffer = frame.into_buffer();
        stamp(buffer.get_mut().unwrap(), index);
        buffer
    }

    /// Copies the rows to where they begin every `stride` bytes.
    pub fn write_rows(&self, target: &mut [u8], stride: usize) {
        for (row, target) in self.data.chunks(self.row_bytes()).zip(target.chunks_mut(stride)) {
            target[..row.len()].copy_from_slice(row);
        }
    }

    /// The picture in a buffer, whatever its strides.
    pub fn of_buffer(buffer: &gst::BufferRef, caps: &gst::CapsRef) -> Self {
        let info = VideoInfo::from_caps(caps).unwrap();
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).unwrap();
        let (width, height) = (info.width() as usize, info.height() as usize);
        let stride = frame.plane_stride()[0] as usize;
        let mut picture = Picture {
            width,
            height,
            format: info.format(),
            data: Vec::new(),
        };
        for row in frame.plane_data(0).unwrap().chunks(stride).take(height) {
            picture.data.extend_from_slice(&row[..picture.row_bytes()]);
        }
        picture
    }
}

/// Timestamps of frame `index` at 25 frames/s.
pub fn stamp(buffer: &mut gst::BufferRef, index: u64) {
    let frame = gst::ClockTime::from_mseconds(40);
    buffer.set_pts(frame * index);
    buffer.set_dts(frame * index);
    buffer.set_duration(frame);
    buffer.set_offset(index);
    buffer.set_offset_end(index + 1);
}
