//! The pipeline: read, take apart, restore the video, copy the audio, write.
//!
//! ```text
//! filesrc ! parsebin ─┬─ multiqueue ! decodebin ! [deinterlace] ! videoconvert ! [videoflip] ! caps ! dloralvsr
//!                     │      ! queue ! videoconvert ! videoscale ! I420 ! encoder ─┬─ muxer ! filesink
//!                     └─ multiqueue ! [parser | decoder and encoder] ──────────────┘
//! ```

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use crate::container::{Container, VideoEncoder, element, set_from_text};
use crate::gate::Gate;
use crate::options::Options;
use crate::probe::Source;
use crate::{Failure, audio, formats};

pub const SCALE: i32 = gstdloralvsr::restore::SCALE as i32;

/// Name of the application messages by which streaming threads tell the user something; field `text`.
pub const NOTICE: &str = "transcode-notice";
/// The same for what ends the program.
pub const FAILURE: &str = "transcode-failure";

/// The pipeline and the parts of it that the session talks to.
pub struct Transcoder {
    pub pipeline: gst::Pipeline,
    pub restorer: gst::Element,
    pub gate: Arc<Gate>,
    pub encoder: String,
    pub notice: Option<String>,
}

/// What the streams of the input are linked to as they appear.
struct Branches {
    container: Container,
    muxer: gst::Element,
    queues: gst::Element,
    /// Takes the coded video.
    decoder: gst::Element,
    /// The container's word on the colours.
    described: formats::ContainerColour,
    video_taken: AtomicBool,
    gate: Arc<Gate>,
}

pub fn build(options: &Options, source: &Source, container: Container, file: &Path) -> Result<Transcoder, Failure> {
    let pipeline = gst::Pipeline::new();
    let gate = Gate::new(options.frames);
    let reader = element("filesrc")?;
    reader.set_property("location", &options.input);
    let parser = element("parsebin")?;
    let queues = queues()?;
    let muxer = container.muxer()?;
    let writer = element("filesink")?;
    writer.set_property("location", file);
    let decoder = element("decodebin")?;
    pipeline
        .add_many([&reader, &parser, &queues, &decoder, &muxer, &writer])
        .map_err(cannot_build)?;
    reader.link(&parser).map_err(cannot_build)?;
    muxer.link(&writer).map_err(cannot_build)?;

    let restorer = restorer(options)?;
    let pixels = u64::from(source.width) * u64::from(source.height) * (SCALE * SCALE) as u64;
    let encoder = container.video_encoder(options, pixels)?;
    let video = video_chain(&pipeline, source, &restorer, &encoder, &gate)?;
    link(&decoder, video.first.static_pad("sink"));
    let sink = video_pad(&muxer, container, source)?;
    let source_pad = video
        .last
        .static_pad("src")
        .ok_or_else(|| cannot_build("the encoder has no source pad"))?;
    source_pad.link(&sink).map_err(cannot_build)?;

    let branches = Branches {
        container,
        muxer,
        queues,
        decoder,
        described: formats::mend_demuxer(&parser),
        video_taken: AtomicBool::new(false),
        gate: gate.clone(),
    };
    let branches = Arc::new(branches);
    let (streams, weak) = (branches.clone(), pipeline.downgrade());
    parser.connect_pad_added(move |parser, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        if let Err(failure) = streams.connect(&pipeline, pad) {
            post(parser, FAILURE, &failure.to_string());
        }
    });
    parser.connect_no_more_pads(move |parser| {
        // Without its video the muxer would wait for ever.
        if !branches.video_taken.load(Ordering::Relaxed) {
            post(
                parser,
                FAILURE,
                "the input's video is of a kind that cannot be restored",
            );
        }
    });
    Ok(Transcoder {
        pipeline,
        restorer,
        gate,
        encoder: encoder.description,
        notice: encoder.notice,
    })
}

impl Branches {
    /// Link a coded stream: the first video to the restorer, audio to the muxer, anything else to nothing.
    fn connect(&self, pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), Failure> {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let media = caps.structure(0).map_or("", |fields| fields.name().as_str());
        // Motion JPEG and its kin are streams of images.
        if media.starts_with("video/") || media.starts_with("image/") {
            if self.video_taken.swap(true, Ordering::Relaxed) {
                return Ok(());
            }
            let queued = self.queue(pad)?;
            let sink = self
                .decoder
                .static_pad("sink")
                .ok_or_else(|| cannot_build("decodebin has no sink pad"))?;
            queued.link(&sink).map_err(cannot_build)?;
            self.described.complete(&queued);
        } else if media.starts_with("audio/") {
            self.connect_audio(pipeline, pad, &caps)?;
        }
        Ok(())
    }

    fn connect_audio(&self, pipeline: &gst::Pipeline, pad: &gst::Pad, caps: &gst::Caps) -> Result<(), Failure> {
        let (elements, notice) = audio::branch(pipeline, self.container, &self.muxer, caps)?;
        if let Some(notice) = notice {
            post(&self.muxer, NOTICE, &notice);
        }
        let mut last = self.queue(pad)?;
        if let (Some(first), Some(end)) = (elements.first(), elements.last()) {
            let sink = first
                .static_pad("sink")
                .ok_or_else(|| cannot_build("an audio element has no sink pad"))?;
            last.link(&sink).map_err(cannot_build)?;
            last = end
                .static_pad("src")
                .ok_or_else(|| cannot_build("an audio element has no source pad"))?;
        }
        let sink = self
            .muxer
            .request_pad_simple("audio_%u")
            .ok_or_else(|| cannot_build("the format takes no more audio streams"))?;
        last.link(&sink).map_err(cannot_build)?;
        self.gate.watch_audio(&last);
        // From the muxer's end, so that nothing arrives at an element that is not running yet.
        for element in elements.iter().rev() {
            element.sync_state_with_parent().map_err(cannot_build)?;
        }
        Ok(())
    }

    /// Put a queue behind the pad; its source pad.
    fn queue(&self, pad: &gst::Pad) -> Result<gst::Pad, Failure> {
        let sink = self
            .queues
            .request_pad_simple("sink_%u")
            .ok_or_else(|| cannot_build("multiqueue gives no pad"))?;
        pad.link(&sink).map_err(cannot_build)?;
        let name = sink.name().replace("sink", "src");
        self.queues
            .static_pad(&name)
            .ok_or_else(|| cannot_build("multiqueue has no source pad"))
    }
}

/// One queue for every stream. Its buffer count is a soft limit that grows while another stream is starved, so neither a
/// badly interleaved file nor the encoder's look-ahead can lock the streams against each other; bytes are the hard one.
fn queues() -> Result<gst::Element, Failure> {
    let queues = element("multiqueue")?;
    queues.set_property("max-size-buffers", 64u32);
    queues.set_property("max-size-time", 0u64);
    queues.set_property("max-size-bytes", 512u32 << 20);
    Ok(queues)
}

fn restorer(options: &Options) -> Result<gst::Element, Failure> {
    let restorer = element("dloralvsr")?;
    for wanted in &options.element {
        set_from_text(&restorer, wanted.property, &wanted.value)
            .map_err(|cause| Failure::Usage(format!("--{} {}: {cause}", wanted.option, wanted.value)))?;
    }
    Ok(restorer)
}

struct Chain {
    first: gst::Element,
    last: gst::Element,
}

fn video_chain(
    pipeline: &gst::Pipeline,
    source: &Source,
    restorer: &gst::Element,
    encoder: &VideoEncoder,
    gate: &Arc<Gate>,
) -> Result<Chain, Failure> {
    let mut elements = Vec::new();
    if source.interlaced {
        let deinterlace = element("deinterlace")?;
        // One frame for each frame, not for each field: the frame count stays.
        deinterlace.set_property_from_str("fields", "top");
        elements.push(deinterlace);
    }
    let (decoded, restorable) = (converter()?, element("capsfilter")?);
    elements.push(decoded.clone());
    if let Some(orientation) = source.orientation.as_deref() {
        elements.push(flip(orientation)?);
    }
    let (handover, scaler, coded) = (element("queue")?, element("videoscale")?, element("capsfilter")?);
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

    formats::pin(&decoded, &restorable, &coded, source);
    if let Some(pad) = restorable.static_pad("src") {
        gate.watch_video(&pad);
    }
    if let Some(pad) = restorer.static_pad("src") {
        gate.count_restored(&pad);
    }
    match (elements.first().cloned(), elements.last().cloned()) {
        (Some(first), Some(last)) => Ok(Chain { first, last }),
        _ => Err(cannot_build("the video chain is empty")),
    }
}

fn converter() -> Result<gst::Element, Failure> {
    let converter = element("videoconvert")?;
    converter.set_property("n-threads", 0u32);
    Ok(converter)
}

/// Turns the pixels, and takes away the tag that asks players to.
fn flip(orientation: &str) -> Result<gst::Element, Failure> {
    let direction = match orientation {
        "rotate-90" => "90r",
        "rotate-180" => "180",
        "rotate-270" => "90l",
        "flip-rotate-0" => "horiz",
        "flip-rotate-90" => "ur-ll",
        "flip-rotate-180" => "vert",
        "flip-rotate-270" => "ul-lr",
        _ => {
            return Err(Failure::Failed(format!(
                "the input's orientation `{orientation}` is not known"
            )));
        }
    };
    let flip = element("videoflip")?;
    flip.set_property_from_str("video-direction", direction);
    if let Some(pad) = flip.static_pad("src") {
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            let Some(gst::EventView::Tag(event)) = info.event().map(|event| event.view()) else {
                return gst::PadProbeReturn::Ok;
            };
            let mut tags = event.tag_owned();
            tags.make_mut().remove::<gst::tags::ImageOrientation>();
            info.data = Some(gst::PadProbeData::Event(gst::event::Tag::new(tags)));
            gst::PadProbeReturn::Ok
        });
    }
    Ok(flip)
}

fn video_pad(muxer: &gst::Element, container: Container, source: &Source) -> Result<gst::Pad, Failure> {
    let pad = muxer
        .request_pad_simple("video_%u")
        .ok_or_else(|| cannot_build("the muxer takes no video"))?;
    if let Some(timescale) = container.video_timescale(source.framerate) {
        pad.set_property("trak-timescale", timescale);
    }
    Ok(pad)
}

/// Link the pad that a decoder gets later to `sink`. Failing to is the decoder's to report, as an error on the bus.
pub fn link(decoder: &gst::Element, sink: Option<gst::Pad>) {
    let sink = Mutex::new(sink);
    decoder.connect_pad_added(move |decoder, pad| {
        let Some(sink) = sink.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        if let Err(error) = pad.link(&sink) {
            post(
                decoder,
                FAILURE,
                &format!("the decoded stream {:?} cannot be used: {error}", pad.current_caps()),
            );
        }
    });
}

fn post(element: &gst::Element, name: &str, text: &str) {
    let fields = gst::Structure::builder(name).field("text", text).build();
    // Refused only when the pipeline is being taken down: nobody is left to read it then.
    let _ = element.post_message(gst::message::Application::builder(fields).src(element).build());
}

fn cannot_build(cause: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("the pipeline cannot be built: {cause}"))
}
