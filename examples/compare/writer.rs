//! Pictures into a file.

use std::error::Error;

use gst::prelude::*;

use crate::picture::Picture;
use crate::pipeline::{self, by_name, fail_if_failed};

/// A file whose ending says what it is.
pub struct Writer {
    pipeline: gst::Pipeline,
    frames: gst_app::AppSrc,
}

impl Writer {
    /// For pictures of the size of `first`.
    pub fn open(output: &str, first: &Picture, rate: gst::Fraction) -> Result<Self, Box<dyn Error>> {
        let encoder = if output.ends_with(".png") {
            "pngenc"
        } else {
            "video/x-raw,format=I420 ! x264enc pass=qual quantizer=16 speed-preset=veryfast ! matroskamux"
        };
        let pipeline = pipeline::of(&format!(
            "appsrc name=frames format=time block=true max-buffers=2 ! videoconvert ! {encoder} ! filesink name=output"
        ))?;
        by_name(&pipeline, "output")?.set_property("location", output);
        let frames = by_name(&pipeline, "frames")?;
        let frames = frames.downcast::<gst_app::AppSrc>().map_err(|_| "an appsrc")?;
        let (width, height) = (first.width as u32, first.height() as u32);
        let video = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, width, height);
        frames.set_caps(Some(&video.fps(rate).build()?.to_caps()?));
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self { pipeline, frames })
    }

    pub fn write(&self, picture: Picture, time: gst::ClockTime) -> Result<(), Box<dyn Error>> {
        // GStreamer's rows are multiples of four bytes long.
        let row = picture.width * 3;
        let padding = vec![0; row.next_multiple_of(4) - row];
        let rows = picture.pixels.chunks(row).flat_map(|row| [row, &padding].concat());
        let mut buffer = gst::Buffer::from_slice(rows.collect::<Vec<u8>>());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(time);
        }
        if self.frames.push_buffer(buffer).is_err() {
            fail_if_failed(&self.pipeline)?;
        }
        Ok(())
    }

    /// Wait until the file is whole.
    pub fn finish(&self) -> Result<(), Box<dyn Error>> {
        // Refused only where an error has been posted.
        let _ = self.frames.end_of_stream();
        let bus = self.pipeline.bus().ok_or("pipelines have a bus")?;
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(gst::ClockTime::NONE, &ends);
        self.pipeline.set_state(gst::State::Null)?;
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(error.error().to_string().into()),
            _ => Ok(()),
        }
    }
}
