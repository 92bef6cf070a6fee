//! The pipeline: read, decode, restore, encode, write; the video alone.
//!
//! ```text
//! filesrc ! parsebin ! decodebin ! [imagefreeze] ! [deinterlace] ! videoconvert ! [videoflip] ! caps ! dloralvsr
//!     ! queue ! videoconvert ! videoscale ! caps ! encoder ! muxer ! filesink
//! ```

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gst::prelude::*;
use gst_video::VideoColorimetry;

use super::colour;
use super::encoder::Encoder;
use super::gate::{FileClock, Gate};
use super::{hdr_boxes, reader};
use crate::element::{element, set_from_text};
use crate::input::Input;
use crate::options::Options;
use crate::output::VideoCodec;
use crate::range::Range;
use crate::size::PictureSize;
use crate::{Failure, messages};

/// The pipeline and the parts of it that the session talks to.
pub struct Transcoder {
    pub pipeline: gst::Pipeline,
    pub restorer: gst::Element,
    pub gate: Arc<Gate>,
    /// Of what is encoded, once the first frame has come.
    pub colours: Arc<OnceLock<VideoColorimetry>>,
    pub encoder: String,
    pub notice: Option<String>,
}

/// How the picture gets larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upscaling {
    Model,
    /// Without the model, for comparison.
    Bicubic,
}

/// A pipeline that restores the input's video into `file`.
pub fn build(
    options: &Options,
    input: &Input,
    (range, size): (Range, PictureSize),
    (codec, upscaling): (VideoCodec, Upscaling),
    file: &Path,
) -> Result<Transcoder, Failure> {
    let pipeline = gst::Pipeline::new();
    let gate = Gate::new(options.frames, range, FileClock::of(&input.video));
    let decoder = element("decodebin")?;
    let writer = element("filesink")?;
    writer.set_property("location", file);
    pipeline.add_many([&decoder, &writer]).map_err(cannot_build)?;
    reader::read(&pipeline, input, &decoder, &gate)?;

    let restorer = match upscaling {
        Upscaling::Model => restorer(options)?,
        Upscaling::Bicubic => element("identity")?,
    };
    let encoder = Encoder::new(codec, options, size.pixels(), input.video.mastering.as_ref())?;
    let colours = Arc::default();
    let video = video_chain(
        &pipeline,
        input,
        (size, codec, upscaling),
        &restorer,
        &encoder,
        (&gate, &colours),
    )?;
    link(&decoder, video.first.static_pad("sink"));
    match codec.part_muxer()? {
        Some(muxer) => {
            pipeline.add(&muxer).map_err(cannot_build)?;
            muxer.link(&writer).map_err(cannot_build)?;
            if let Some(mastering) = input.video.mastering.filter(|_| codec.is_in_fragments()) {
                hdr_boxes::add(&muxer, mastering);
            }
            let sink = video_pad(&muxer, codec, input)?;
            let source = video.last.static_pad("src");
            let source = source.ok_or_else(|| cannot_build("the encoder has no source pad"))?;
            source.link(&sink).map_err(cannot_build)?;
        }
        None => video.last.link(&writer).map_err(cannot_build)?,
    }
    Ok(Transcoder {
        pipeline,
        restorer,
        gate,
        colours,
        encoder: encoder.description,
        notice: encoder.notice,
    })
}

fn restorer(options: &Options) -> Result<gst::Element, Failure> {
    let restorer = element("dloralvsr")?;
    for wanted in &options.element {
        set_from_text(&restorer, wanted.property, &wanted.value)
            .map_err(|cause| Failure::Usage(format!("--{} {}: {cause}", wanted.option, wanted.value)))?;
    }
    Ok(restorer)
}

struct Ends {
    first: gst::Element,
    last: gst::Element,
}

fn video_chain(
    pipeline: &gst::Pipeline,
    input: &Input,
    (size, codec, upscaling): (PictureSize, VideoCodec, Upscaling),
    restorer: &gst::Element,
    encoder: &Encoder,
    (gate, colours): (&Arc<Gate>, &Arc<OnceLock<VideoColorimetry>>),
) -> Result<Ends, Failure> {
    let mut elements = Vec::new();
    if input.is_still() {
        let freeze = element("imagefreeze")?;
        // One frame with a time, which a picture has not.
        freeze.set_property("num-buffers", 1i32);
        elements.push(freeze);
    }
    if input.video.interlaced {
        let deinterlace = element("deinterlace")?;
        // One frame for each frame, not for each field: the frame count stays.
        deinterlace.set_property_from_str("fields", "top");
        elements.push(deinterlace);
    }
    let (decoded, restorable) = (converter()?, element("capsfilter")?);
    elements.push(decoded.clone());
    if let Some(turn) = input.video.turn {
        let flip = element("videoflip")?;
        flip.set_property_from_str("video-direction", turn);
        elements.push(flip);
    }
    let (handover, scaler, coded) = (element("queue")?, scaler(upscaling)?, element("capsfilter")?);
    // Restoring and encoding run at the same time; restored frames are large, so few wait.
    handover.set_property("max-size-buffers", 2u32);
    handover.set_property("max-size-bytes", 0u32);
    handover.set_property("max-size-time", 0u64);
    elements.extend([
        restorable.clone(),
        restorer.clone(),
        handover,
        converter()?,
        scaler,
        coded.clone(),
    ]);
    elements.extend(encoder.elements.iter().cloned());
    pipeline.add_many(&elements).map_err(cannot_build)?;
    gst::Element::link_many(&elements).map_err(cannot_build)?;

    if let Some(pad) = restorable.static_pad("src") {
        gate.watch_decoded(&pad);
    }
    if let Some(pad) = restorer.static_pad("src") {
        gate.count_restored(&pad);
        drop_tags(&pad);
    }
    let chain = colour::Chain {
        decoded,
        restorable,
        coded,
        colours: colours.clone(),
    };
    chain.pin(&input.video, size, codec);
    match (elements.first().cloned(), elements.last().cloned()) {
        (Some(first), Some(last)) => Ok(Ends { first, last }),
        _ => Err(cannot_build("the video chain is empty")),
    }
}

/// From the restored size, or from the input's own, to the output's.
fn scaler(upscaling: Upscaling) -> Result<gst::Element, Failure> {
    let scaler = element("videoscale")?;
    scaler.set_property_from_str(
        "method",
        match upscaling {
            Upscaling::Model => "lanczos",
            // Cubic convolution with a = -0.5, as the element enlarges frames that it does not restore.
            Upscaling::Bicubic => "catrom",
        },
    );
    scaler.set_property("n-threads", 0u32);
    Ok(scaler)
}

fn converter() -> Result<gst::Element, Failure> {
    let converter = element("videoconvert")?;
    converter.set_property("n-threads", 0u32);
    Ok(converter)
}

/// Tags come to the output from the file itself. Here they would be wrong: the picture that one asks to turn is turned.
fn drop_tags(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        match info.event().map(|event| event.type_()) {
            Some(gst::EventType::Tag) => gst::PadProbeReturn::Handled,
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

fn video_pad(muxer: &gst::Element, codec: VideoCodec, input: &Input) -> Result<gst::Pad, Failure> {
    let pad = muxer
        .request_pad_simple("video_%u")
        .ok_or_else(|| cannot_build("the muxer takes no video"))?;
    if codec.is_in_fragments() {
        pad.set_property("trak-timescale", timescale(input));
    }
    Ok(pad)
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

/// Link the pad that a decoder gets later to `sink`. Failing to is the decoder's to report, as an error on the bus.
fn link(decoder: &gst::Element, sink: Option<gst::Pad>) {
    let sink = Mutex::new(sink);
    decoder.connect_pad_added(move |decoder, pad| {
        let Some(sink) = sink.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        if let Err(error) = pad.link(&sink) {
            let caps = pad.current_caps();
            messages::failure(decoder, &format!("the decoded stream {caps:?} cannot be used: {error}"));
        }
    });
}

pub fn cannot_build(cause: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("the pipeline cannot be built: {cause}"))
}
