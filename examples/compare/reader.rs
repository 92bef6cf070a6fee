//! The input, frame by frame: enlarged and restored.

use std::error::Error;

use gst::prelude::*;

use crate::picture::Picture;
use crate::pipeline::{self, by_name, fail_if_failed};

/// Frames of the input, and the same restored.
pub struct Reader {
    pipeline: gst::Pipeline,
    before: gst_app::AppSink,
    after: gst_app::AppSink,
}

/// A frame enlarged, and the same restored.
pub struct Pair {
    pub before: Picture,
    pub after: Picture,
    pub time: gst::ClockTime,
}

impl Reader {
    pub fn open(input: &str, model: &str) -> Result<Self, Box<dyn Error>> {
        // The branch without the model has to hold the frames that are under way in the other.
        let pipeline = pipeline::of(
            "filesrc name=input ! decodebin ! videoconvert ! video/x-raw,format=RGB ! tee name=t \
             t. ! queue max-size-buffers=64 max-size-bytes=0 max-size-time=0 ! appsink name=before sync=false \
             t. ! queue ! dloralvsr name=restorer ! appsink name=after sync=false max-buffers=2",
        )?;
        by_name(&pipeline, "input")?.set_property("location", input);
        by_name(&pipeline, "restorer")?.set_property("model", model);
        let [before, after] = ["before", "after"].map(|name| by_name(&pipeline, name));
        let sink = |element: gst::Element| element.downcast::<gst_app::AppSink>().map_err(|_| "an appsink");
        let (before, after) = (sink(before?)?, sink(after?)?);
        before.set_max_buffers(2);
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self {
            pipeline,
            before,
            after,
        })
    }

    pub fn next(&self) -> Result<Option<Pair>, Box<dyn Error>> {
        let (Ok(after), Ok(before)) = (self.after.pull_sample(), self.before.pull_sample()) else {
            fail_if_failed(&self.pipeline)?;
            return Ok(None);
        };
        let time = after.buffer().and_then(|buffer| buffer.pts()).unwrap_or_default();
        Ok(Some(Pair {
            before: Picture::of(&before)?.enlarged()?,
            after: Picture::of(&after)?,
            time,
        }))
    }

    pub fn rate(&self) -> Result<gst::Fraction, Box<dyn Error>> {
        let caps = self.after.static_pad("sink").and_then(|pad| pad.current_caps());
        let caps = caps.ok_or("frames have caps")?;
        Ok(gst_video::VideoInfo::from_caps(&caps)?.fps())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Stopping has no way to fail that would matter here.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
