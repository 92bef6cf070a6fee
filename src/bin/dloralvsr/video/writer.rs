//! The end of the pipeline as one element: encode, write into a file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;

use super::encoder::Encoder;
use super::hdr_boxes;
use super::pipeline::cannot_build;
use crate::Failure;
use crate::element::element;
use crate::input::Input;
use crate::options::Options;
use crate::output::VideoCodec;

/// What every file of a run is written with.
#[derive(Clone)]
pub struct Coding {
    pub codec: VideoCodec,
    pub options: Options,
    /// Of a frame.
    pub pixels: u64,
    pub mastering: Option<crate::input::Mastering>,
    /// Ticks per second of an MP4's track.
    pub timescale: u32,
    /// Frames that came out of the encoders.
    pub encoded: Arc<AtomicU64>,
}

/// A bin that takes raw frames and writes a file.
pub struct Writer {
    pub bin: gst::Bin,
    /// The last element: where the end arrives when all is written.
    pub file: gst::Element,
    pub description: String,
    pub notice: Option<String>,
}

impl Coding {
    pub fn new(codec: VideoCodec, options: &Options, pixels: u64, input: &Input) -> Self {
        Self {
            codec,
            options: options.clone(),
            pixels,
            mastering: input.video.mastering,
            timescale: timescale(input) * options.deinterlace.frames(&input.video),
            encoded: Arc::default(),
        }
    }

    /// What writes `file`.
    ///
    /// # Errors
    /// An element is missing.
    pub fn writer(&self, file: &Path) -> Result<Writer, Failure> {
        let encoder = Encoder::new(self.codec, &self.options, self.pixels, self.mastering.as_ref())?;
        let sink = element("filesink")?;
        sink.set_property("location", file);
        let bin = gst::Bin::new();
        bin.add_many(&encoder.elements).map_err(cannot_build)?;
        bin.add(&sink).map_err(cannot_build)?;
        gst::Element::link_many(&encoder.elements).map_err(cannot_build)?;
        let (Some(first), Some(last)) = (encoder.elements.first(), encoder.elements.last()) else {
            return Err(cannot_build("there is no encoder"));
        };
        let source = last.static_pad("src");
        let source = source.ok_or_else(|| cannot_build("the encoder has no source pad"))?;
        self.count(&source);
        match self.codec.part_muxer()? {
            Some(muxer) => {
                bin.add(&muxer).map_err(cannot_build)?;
                muxer.link(&sink).map_err(cannot_build)?;
                if let Some(mastering) = self.mastering.filter(|_| self.codec.is_in_fragments()) {
                    hdr_boxes::add(&muxer, mastering);
                }
                source.link(&self.video_pad(&muxer)?).map_err(cannot_build)?;
            }
            None => last.link(&sink).map_err(cannot_build)?,
        }
        let entry = first.static_pad("sink");
        let entry = entry.ok_or_else(|| cannot_build("the encoder has no sink pad"))?;
        bin.add_pad(&gst::GhostPad::with_target(&entry).map_err(cannot_build)?)
            .map_err(cannot_build)?;
        Ok(Writer {
            bin,
            file: sink,
            description: encoder.description,
            notice: encoder.notice,
        })
    }

    fn count(&self, source: &gst::Pad) {
        let encoded = self.encoded.clone();
        source.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            encoded.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    fn video_pad(&self, muxer: &gst::Element) -> Result<gst::Pad, Failure> {
        let pad = muxer
            .request_pad_simple("video_%u")
            .ok_or_else(|| cannot_build("the muxer takes no video"))?;
        if self.codec.is_in_fragments() {
            pad.set_property("trak-timescale", self.timescale);
        }
        Ok(pad)
    }
}

/// Ticks per second of the video track, so that the input's times fall on ticks: the input's own clock where it is fine
/// enough. Else the frame rate times a whole number.
fn timescale(input: &Input) -> u32 {
    const USUAL: u32 = 90_000;
    const FINE: u32 = 10_000;
    const FINEST: u32 = 1_000_000;
    if let Some(clock) = input.video.clock()
        && (FINE..=FINEST).contains(&clock)
    {
        return clock;
    }
    let rate = input
        .video
        .framerate
        .and_then(|(numerator, _)| u32::try_from(numerator).ok());
    match rate {
        Some(rate) if rate > 0 => rate.saturating_mul(USUAL.div_ceil(rate)),
        _ => USUAL,
    }
}
