//! From the file to the coded video stream that was chosen; every other stream goes nowhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::colour;
use super::gate::Gate;
use super::pipeline::cannot_build;
use super::seek::keep_segment;
use crate::element::element;
use crate::input::ffprobe::Stream;
use crate::input::{Input, Media, Sequence, is_video};
use crate::{Failure, messages};

/// Add to the pipeline what reads the input, and link the chosen stream to `decoder`.
pub fn read(pipeline: &gst::Pipeline, input: &Input, decoder: &gst::Element, gate: &Arc<Gate>) -> Result<(), Failure> {
    match &input.media {
        Media::Sequence(sequence) => read_sequence(pipeline, input, sequence, decoder),
        Media::File(path) => {
            let (reader, parser) = (element("filesrc")?, element("parsebin")?);
            reader.set_property("location", path);
            pipeline.add_many([&reader, &parser]).map_err(cannot_build)?;
            reader.link(&parser).map_err(cannot_build)?;
            let described = colour::mend_demuxer(&parser);
            let choice = Choice {
                wanted: Wanted::of(input),
                decoder: decoder.clone(),
                times: Times::of(&input.format, input.video.stream.codec()),
                described,
                gate: gate.clone(),
                seen: Mutex::default(),
            };
            choice.follow(&parser);
            Ok(())
        }
    }
}

fn read_sequence(
    pipeline: &gst::Pipeline,
    input: &Input,
    sequence: &Sequence,
    decoder: &gst::Element,
) -> Result<(), Failure> {
    let media = match input.video.stream.codec() {
        "png" => "image/png",
        "mjpeg" => "image/jpeg",
        codec => {
            return Err(Failure::Usage(format!(
                "picture sequences of PNG and JPEG can be read, not of {codec}"
            )));
        }
    };
    let reader = element("multifilesrc")?;
    let (numerator, denominator) = sequence.rate;
    let caps = gst::Caps::builder(media)
        .field("framerate", gst::Fraction::new(numerator, denominator))
        .build();
    // The element's own numbers are signed.
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    reader.set_property("location", sequence.pattern.as_os_str().to_string_lossy().as_ref());
    reader.set_property("start-index", number(sequence.first));
    reader.set_property("stop-index", number(sequence.last));
    reader.set_property("caps", caps);
    pipeline.add(&reader).map_err(cannot_build)?;
    reader.link(decoder).map_err(cannot_build)
}

/// The chosen stream as GStreamer will show it: the demuxers give other numbers than FFmpeg, but the same order.
struct Wanted {
    /// Caps' names of its codec; empty: any.
    media: &'static [&'static str],
    /// So many streams of the same codec come before it.
    before: usize,
    /// There is no other video: whatever its caps are called, it is the one.
    is_only: bool,
}

impl Wanted {
    fn of(input: &Input) -> Self {
        let chosen = &input.video.stream;
        let videos = || input.others.iter().filter(|other| is_video(other));
        let is_alike = |other: &&Stream| other.codec() == chosen.codec() && other.index < chosen.index;
        Self {
            media: media(chosen.codec()),
            before: videos().filter(is_alike).count(),
            is_only: videos().next().is_none(),
        }
    }
}

/// Names of the caps of a codec. Codecs that are not listed are found by being the only video.
fn media(codec: &str) -> &'static [&'static str] {
    match codec {
        "h264" => &["video/x-h264"],
        "hevc" => &["video/x-h265"],
        "mpeg1video" | "mpeg2video" => &["video/mpeg"],
        "mpeg4" => &["video/mpeg", "video/x-divx", "video/x-xvid"],
        "mjpeg" => &["image/jpeg"],
        "png" => &["image/png"],
        "vp8" => &["video/x-vp8"],
        "vp9" => &["video/x-vp9"],
        "av1" => &["video/x-av1"],
        "theora" => &["video/x-theora"],
        "prores" => &["video/x-prores"],
        "dvvideo" => &["video/x-dv"],
        "wmv1" | "wmv2" | "wmv3" | "vc1" => &["video/x-wmv"],
        _ => &[],
    }
}

/// Finds the wanted stream among those that the parser shows.
struct Choice {
    wanted: Wanted,
    decoder: gst::Element,
    times: Times,
    /// The container's word on the colours.
    described: colour::ContainerColour,
    gate: Arc<Gate>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Streams of the wanted codec so far.
    alike: usize,
    is_linked: bool,
    /// Video of other kinds, in case the wanted one has caps of another name.
    others: Vec<gst::Pad>,
}

impl Choice {
    fn follow(self, parser: &gst::Element) {
        let choice = Arc::new(self);
        let added = choice.clone();
        parser.connect_pad_added(move |parser, pad| {
            if let Err(failure) = added.consider(pad) {
                messages::failure(parser, &failure.to_string());
            }
        });
        parser.connect_no_more_pads(move |parser| {
            if let Err(failure) = choice.settle() {
                messages::failure(parser, &failure.to_string());
            }
        });
    }

    fn consider(&self, pad: &gst::Pad) -> Result<(), Failure> {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let media = caps.structure(0).map_or("", |fields| fields.name().as_str());
        // Motion JPEG and its kin are streams of images.
        if !media.starts_with("video/") && !media.starts_with("image/") {
            return Ok(());
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_linked {
            return Ok(());
        }
        if !self.wanted.is_only && !self.wanted.media.contains(&media) {
            seen.others.push(pad.clone());
            return Ok(());
        }
        seen.alike += 1;
        if seen.alike <= self.wanted.before {
            return Ok(());
        }
        seen.is_linked = true;
        self.link(pad)
    }

    /// Every stream has been shown: the wanted one may have come under another name.
    fn settle(&self) -> Result<(), Failure> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_linked {
            return Ok(());
        }
        let Some(pad) = seen.others.get(self.wanted.before).cloned() else {
            // Without its video the muxer would wait for ever.
            return Err(Failure::Failed(
                "the input's video is of a kind that GStreamer cannot read".to_owned(),
            ));
        };
        seen.is_linked = true;
        self.link(&pad)
    }

    fn link(&self, pad: &gst::Pad) -> Result<(), Failure> {
        let sink = self
            .decoder
            .static_pad("sink")
            .ok_or_else(|| cannot_build("decodebin has no sink pad"))?;
        // Nothing links it to what reads, so the pipeline may start it later: it would refuse the first packet, and the
        // demuxer would stop without a word.
        self.decoder.sync_state_with_parent().map_err(cannot_build)?;
        self.times.correct(pad);
        // By the decoder's word: its pad has seen the segments as they were corrected.
        self.gate.watch_coded(&sink);
        self.described.complete(pad);
        pad.link(&sink).map_err(cannot_build)?;
        Ok(())
    }
}

/// Codecs of AVI files that have key frames only.
const WITHOUT_ORDER: [&str; 7] = ["dvvideo", "mjpeg", "huffyuv", "ffvhuff", "utvideo", "ffv1", "rawvideo"];

/// What has to be done to the times that a demuxer of GStreamer 1.22 gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Right,
    /// `matroskademux` lets time begin at the first frame for that frame alone, and at zero for all others, so that a
    /// first frame at 20 ms comes 20 ms too early.
    Matroska,
    /// `avidemux` calls the time at which a key frame is decoded the one at which it is shown, but with frames that are
    /// shown before it that is later; of other frames it gives the former alone, and decoders make the latter of it.
    Avi,
}

impl Times {
    /// By ffprobe's names of the format and the codec.
    fn of(format: &str, codec: &str) -> Self {
        match format {
            // Frames of these are shown in the order in which they are decoded.
            "avi" if WITHOUT_ORDER.contains(&codec) => Times::Right,
            "avi" => Times::Avi,
            format if format.contains("matroska") => Times::Matroska,
            _ => Times::Right,
        }
    }

    fn correct(self, pad: &gst::Pad) {
        match self {
            Times::Right => keep_segment(pad),
            Times::Matroska => begin_at_zero(pad),
            Times::Avi => forget_shown_times(pad),
        }
    }
}

fn begin_at_zero(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let Some(gst::EventView::Segment(event)) = info.event().map(|event| event.view()) else {
            return gst::PadProbeReturn::Ok;
        };
        let whole = gst::event::Segment::builder(&gst::FormattedSegment::<gst::ClockTime>::new())
            .seqnum(event.seqnum())
            .build();
        info.data = Some(gst::PadProbeData::Event(whole));
        gst::PadProbeReturn::Ok
    });
}

fn forget_shown_times(pad: &gst::Pad) {
    let is_first = AtomicBool::new(true);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        // Raw video meets no decoder that would find the times again.
        let is_raw = pad
            .current_caps()
            .is_some_and(|caps| caps.structure(0).is_some_and(|it| it.name() == "video/x-raw"));
        if is_raw {
            return gst::PadProbeReturn::Remove;
        }
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
            && !is_first.swap(false, Ordering::Relaxed)
            && buffer.dts().is_some()
        {
            buffer.make_mut().set_pts(None);
        }
        gst::PadProbeReturn::Ok
    });
}
