//! The pipeline: read, decode, restore, encode, write; the video alone.
//!
//! ```text
//! filesrc ! parsebin ! decodebin ! [imagefreeze] ! [videoconvert ! caps ! deinterlace] ! videoconvert ! [videoflip] ! caps ! dloralvsr
//!     ! queue ! videoconvert ! videoscale ! caps ! encoder ! muxer ! filesink
//! ```

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gst::prelude::*;
use gst_video::VideoColorimetry;

use super::colour;
use super::deinterlace::{self, Deinterlace};
use super::gate::{FileClock, Gate};
use super::intervals::Intervals;
use super::reader;
use super::segments::{Segments, Shelf};
use super::writer::Coding;
use crate::choice;
use crate::element::{element, set_from_text};
use crate::input::{Input, SeekPoint};
use crate::options::Options;
use crate::output::VideoCodec;
use crate::range::Range;
use crate::size::PictureSize;
use crate::{Failure, messages};

/// The temporal blend of every model but the built-in one: that is steadier than real video without it, and would be
/// slower by a third.
const USUAL_BLEND: f64 = 0.5;

/// The pipeline and the parts of it that the session talks to.
pub struct Transcoder {
    pub pipeline: gst::Pipeline,
    pub restorer: gst::Element,
    pub gate: Arc<Gate>,
    /// Of what is encoded, once the first frame has come.
    pub colours: Arc<OnceLock<VideoColorimetry>>,
    /// Frames that came out of the encoder.
    pub encoded: Arc<AtomicU64>,
    /// Where it writes more files than one.
    pub segments: Option<Arc<Segments>>,
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

/// Where the restored video goes.
pub enum Destination<'a> {
    File(&'a Path),
    /// Into files of so many frames each, which an earlier run may have begun with so many frames.
    Segments(Arc<dyn Shelf>),
}

/// A pipeline that restores the input's video.
pub fn build(
    options: &Options,
    input: &Input,
    (range, size): (Range, PictureSize),
    (codec, upscaling): (VideoCodec, Upscaling),
    destination: Destination,
) -> Result<Transcoder, Failure> {
    let pipeline = gst::Pipeline::new();
    let done = match &destination {
        Destination::File(_) => None,
        Destination::Segments(shelf) => shelf.done(),
    };
    let restorer = match upscaling {
        Upscaling::Model => restorer(options)?,
        Upscaling::Bicubic => element("identity")?,
    };
    let intervals = Intervals::of(&restorer);
    // Frames before the first one to be restored are needed too.
    let wanted = done.map(|done| done.last).or(range.start);
    let point = wanted.and_then(|wanted| SeekPoint::before(input, wanted, intervals.most_before()));
    let clock = FileClock::of(&input.video);
    let gate = Gate::new(options.frames, range, (done, intervals), clock, point);
    let decoder = element("decodebin")?;
    pipeline.add(&decoder).map_err(cannot_build)?;
    reader::read(&pipeline, input, &decoder, &gate)?;

    let colours = Arc::default();
    let kind = (size, codec, upscaling);
    let video = video_chain(
        &pipeline,
        input,
        kind,
        options.deinterlace,
        &restorer,
        (&gate, &colours),
    )?;
    link(&decoder, video.first.static_pad("sink"));
    let coding = Coding::new(codec, options, size.pixels(), input);
    let encoded = coding.encoded.clone();
    let source = video.last.static_pad("src");
    let source = source.ok_or_else(|| cannot_build("the video chain has no source pad"))?;
    let (segments, (encoder, notice)) = match destination {
        Destination::File(file) => {
            let writer = coding.writer(file)?;
            pipeline.add(&writer.bin).map_err(cannot_build)?;
            video.last.link(&writer.bin).map_err(cannot_build)?;
            (None, (writer.description, writer.notice))
        }
        Destination::Segments(shelf) => {
            let segments = Segments::follow(&pipeline, &source, coding, (&gate, &restorer), shelf)?;
            let description = segments.description();
            (Some(segments), description)
        }
    };
    Ok(Transcoder {
        pipeline,
        restorer,
        gate,
        colours,
        encoded,
        segments,
        encoder,
        notice,
    })
}

fn restorer(options: &Options) -> Result<gst::Element, Failure> {
    let restorer = element("dloralvsr")?;
    if options.given("model") != Some(choice::TINY) {
        restorer.set_property("temporal-blend", USUAL_BLEND);
    }
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
    deinterlace: Deinterlace,
    restorer: &gst::Element,
    (gate, colours): (&Arc<Gate>, &Arc<OnceLock<VideoColorimetry>>),
) -> Result<Ends, Failure> {
    let mut elements = Vec::new();
    if input.is_still() {
        let freeze = element("imagefreeze")?;
        // One frame with a time, which a picture has not.
        freeze.set_property("num-buffers", 1i32);
        elements.push(freeze);
    }
    elements.extend(deinterlace.elements(input)?);
    let (decoded, restorable) = (converter()?, element("capsfilter")?);
    if deinterlace == Deinterlace::Auto && !deinterlace.is_for(&input.video) {
        deinterlace::watch(&decoded);
    }
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
