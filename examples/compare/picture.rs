//! Pictures in memory.

use std::error::Error;

use gst_video::prelude::*;
use gstdloralvsr::restore::SCALE;
use gstdloralvsr::restore::upscale::{Samples, Upscaler};

/// Packed RGB.
pub struct Picture {
    pub pixels: Vec<u8>,
    pub width: usize,
}

impl Picture {
    /// A copy of a frame.
    pub fn of(sample: &gst::Sample) -> Result<Picture, Box<dyn Error>> {
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else {
            return Err("a frame without pixels".into());
        };
        let video = gst_video::VideoInfo::from_caps(caps)?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &video)?;
        let (width, stride) = (video.width() as usize, frame.plane_stride()[0] as usize);
        let rows = frame.plane_data(0)?.chunks(stride).take(video.height() as usize);
        Ok(Picture {
            pixels: rows.flat_map(|row| &row[..width * 3]).copied().collect(),
            width,
        })
    }

    pub fn height(&self) -> usize {
        self.pixels.len() / 3 / self.width
    }

    /// As the element enlarges what it does not restore: by bicubic interpolation.
    pub fn enlarged(&self) -> Result<Picture, Box<dyn Error>> {
        let mut pixels = vec![0; self.pixels.len() * SCALE * SCALE];
        Upscaler::new().upscale(&self.pixels, self.width, self.height(), Samples::Rgb, &mut pixels)?;
        Ok(Picture {
            pixels,
            width: self.width * SCALE,
        })
    }

    /// The left half of the one and the right half of the other, behind a white line.
    pub fn split(before: &Picture, after: &Picture) -> Picture {
        let middle = after.width / 2 * 3;
        let join = |(before, after): (&[u8], &[u8])| [&before[..middle - 3], &[255; 6], &after[middle + 3..]].concat();
        let row = after.width * 3;
        Picture {
            pixels: before
                .pixels
                .chunks(row)
                .zip(after.pixels.chunks(row))
                .flat_map(join)
                .collect(),
            width: after.width,
        }
    }

    pub fn side_by_side(before: &Picture, after: &Picture) -> Picture {
        let row = after.width * 3;
        let rows = before.pixels.chunks(row).zip(after.pixels.chunks(row));
        Picture {
            pixels: rows.flat_map(|(before, after)| [before, after].concat()).collect(),
            width: after.width * 2,
        }
    }
}
