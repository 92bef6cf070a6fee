//! Sizes and colours from the input to the encoder.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;
use gstdloralvsr::element::formats;

use crate::pipeline::SCALE;
use crate::probe::Source;

/// The colorimetry of an MP4 or MOV file, as its demuxer reports it.
pub struct ContainerColour(Arc<Mutex<Option<String>>>);

/// GStreamer 1.22's `qtdemux` reports every colour description as limited range, whatever the file says, and parsers
/// then believe it more than the stream. Take that report away from H.264 and H.265, which describe themselves, and keep
/// it for streams that do not: [`ContainerColour::complete`].
pub fn mend_demuxer(parser: &gst::Element) -> ContainerColour {
    let reported = Arc::new(Mutex::new(None));
    if let Some(bin) = parser.downcast_ref::<gst::Bin>() {
        let reported = reported.clone();
        bin.connect_deep_element_added(move |_, _, element| {
            if element.factory().is_some_and(|factory| factory.name() == "qtdemux") {
                let reported = reported.clone();
                element.connect_pad_added(move |_, pad| withhold_colorimetry(pad, &reported));
            }
        });
    }
    ContainerColour(reported)
}

/// The pad is new and its caps have been seen by nobody yet: replace them.
fn withhold_colorimetry(pad: &gst::Pad, reported: &Mutex<Option<String>>) {
    let Some(mut caps) = pad.current_caps() else { return };
    for fields in caps.make_mut().iter_mut() {
        if !matches!(fields.name().as_str(), "video/x-h264" | "video/x-h265") {
            return;
        }
        *reported.lock().unwrap_or_else(PoisonError::into_inner) = fields.get("colorimetry").ok();
        fields.remove_field("colorimetry");
    }
    // Not linked yet: the pad only stores them.
    pad.push_event(gst::event::Caps::new(&caps));
}

impl ContainerColour {
    /// Give what the container reports to a coded stream that does not describe its colours itself.
    pub fn complete(&self, pad: &gst::Pad) {
        let reported = self.0.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) else {
                return gst::PadProbeReturn::Ok;
            };
            let reported = reported.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut caps = event.caps_owned();
            let silent = caps.structure(0).is_some_and(|fields| !fields.has_field("colorimetry"));
            if let Some(colorimetry) = reported.filter(|_| silent) {
                caps.make_mut().set("colorimetry", colorimetry);
                info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
            }
            gst::PadProbeReturn::Ok
        });
    }
}

/// Keep the decoded video's colour description from end to end, and the first frame's size: neither encoders nor muxers
/// take a change of size in mid-file, so later sizes are fitted into the first.
pub fn pin(decoded: &gst::Element, restorable: &gst::Element, coded: &gst::Element, source: &Source) {
    let Some(pad) = decoded.static_pad("sink") else {
        return;
    };
    let turned = source.upright() != (source.width, source.height);
    let (restorable, coded) = (restorable.clone(), coded.clone());
    let pinned = AtomicBool::new(false);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) else {
            return gst::PadProbeReturn::Ok;
        };
        if let Ok(video) = gst_video::VideoInfo::from_caps(event.caps())
            && !pinned.swap(true, Ordering::Relaxed)
        {
            let colour = colorimetry(&video);
            restorable.set_property("caps", restorable_caps(&video, &colour));
            coded.set_property("caps", coded_caps(&video, &colour, turned));
        }
        gst::PadProbeReturn::Ok
    });
}

/// The input's colorimetry, with a matrix to go back to YUV by where the input is RGB or does not say.
fn colorimetry(video: &gst_video::VideoInfo) -> gst_video::VideoColorimetry {
    use gst_video::{VideoColorMatrix, VideoColorRange};
    let stated = video.colorimetry();
    let matrix = match stated.matrix() {
        VideoColorMatrix::Rgb | VideoColorMatrix::Unknown => VideoColorMatrix::Bt709,
        matrix => matrix,
    };
    let range = match stated.range() {
        _ if stated.matrix() == VideoColorMatrix::Rgb => VideoColorRange::Range16_235,
        VideoColorRange::Unknown => VideoColorRange::Range16_235,
        range => range,
    };
    gst_video::VideoColorimetry::new(range, matrix, stated.transfer(), stated.primaries())
}

/// What the element takes, in the order in which it is to be chosen. The colour description stays, so that no conversion
/// touches it: YUV in 8 bits by its own matrix where that can be, anything else as RGB of the same transfer function and
/// primaries.
fn restorable_caps(video: &gst_video::VideoInfo, colour: &gst_video::VideoColorimetry) -> gst::Caps {
    let rgb = gst_video::VideoColorimetry::new(
        gst_video::VideoColorRange::Range0_255,
        gst_video::VideoColorMatrix::Rgb,
        colour.transfer(),
        colour.primaries(),
    );
    let rgb = gst_video::VideoCapsBuilder::new()
        .format(gst_video::VideoFormat::Rgb)
        .field("colorimetry", rgb.to_string())
        .build();
    if formats::matrix(video.colorimetry().matrix()).is_none() {
        return rgb;
    }
    let mut caps = gst_video::VideoCapsBuilder::new()
        .format_list(formats::YUV)
        .field("colorimetry", colour.to_string())
        .build();
    caps.merge(rgb);
    caps
}

fn coded_caps(video: &gst_video::VideoInfo, colour: &gst_video::VideoColorimetry, turned: bool) -> gst::Caps {
    let (width, height, par) = (video.width() as i32, video.height() as i32, video.par());
    let (width, height, par) = match turned {
        true => (height, width, gst::Fraction::new(par.denom(), par.numer())),
        false => (width, height, par),
    };
    gst_video::VideoCapsBuilder::new()
        .format(gst_video::VideoFormat::I420)
        .width(width * SCALE)
        .height(height * SCALE)
        .pixel_aspect_ratio(par)
        .field("colorimetry", colour.to_string())
        .build()
}
