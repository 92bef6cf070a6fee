//! Sizes and colours from the decoder to the encoder.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gst::prelude::*;
use gstdloralvsr::element::{colorimetry, formats};

use crate::input::Video;
use crate::messages;
use crate::output::VideoCodec;
use crate::size::PictureSize;

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

/// The elements between which the decoded video's colours and first size are kept.
pub struct Chain {
    /// Takes what the decoder gives.
    pub decoded: gst::Element,
    /// Caps filters in front of the restorer and in front of the encoder.
    pub restorable: gst::Element,
    pub coded: gst::Element,
    /// Told with the first frame: those of what is encoded.
    pub colours: Arc<OnceLock<gst_video::VideoColorimetry>>,
}

impl Chain {
    /// Keep the decoded video's colour description from end to end, and the first frame's size: neither encoders nor
    /// muxers take a change of size in mid-file, so later sizes are fitted into the first, and that is said.
    pub fn pin(self, video: &Video, size: PictureSize, codec: VideoCodec) {
        let Some(pad) = self.decoded.static_pad("sink") else {
            return;
        };
        let turned = video.upright() != (video.width, video.height);
        let first: Mutex<Option<(u32, u32)>> = Mutex::new(None);
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) else {
                return gst::PadProbeReturn::Ok;
            };
            let Some((caps, decoded)) = described(event.caps()) else {
                return gst::PadProbeReturn::Ok;
            };
            let own = (decoded.width(), decoded.height());
            match first.lock().unwrap_or_else(PoisonError::into_inner).replace(own) {
                None => {
                    self.colours.get_or_init(|| encoded(&decoded));
                    self.restorable.set_property("caps", restorable_caps(&decoded));
                    self.coded
                        .set_property("caps", coded_caps(&decoded, turned, size, codec));
                }
                Some(before) if before != own => messages::notice(
                    &self.decoded,
                    &format!(
                        "the picture's size changes from {}x{} to {}x{}: fitted into the first size",
                        before.0, before.1, own.0, own.1
                    ),
                ),
                Some(_) => {}
            }
            info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
            gst::PadProbeReturn::Ok
        });
    }
}

/// Caps of decoded video with every part of their colorimetry stated, and a pixel aspect ratio that can be: of an AVI
/// whose rows run downwards GStreamer 1.22 makes it −1.
fn described(caps: &gst::CapsRef) -> Option<(gst::Caps, gst_video::VideoInfo)> {
    let mut caps = caps.to_owned();
    let ratio = caps.structure(0)?.get::<gst::Fraction>("pixel-aspect-ratio");
    if ratio.is_ok_and(|ratio| ratio <= gst::Fraction::new(0, 1)) {
        caps.make_mut().set("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    }
    // Interlaced frames that come so far are to be restored as they are, and those that are only flagged to be shown for
    // three fields are whole.
    if caps.structure(0)?.has_field("interlace-mode") {
        caps.make_mut().set("interlace-mode", "progressive");
    }
    for fields in caps.make_mut().iter_mut() {
        fields.remove_field("field-order");
    }
    let video = gst_video::VideoInfo::from_caps(&caps).ok()?;
    if video.format_info().is_yuv() {
        let complete = colorimetry::complete(&caps, &video);
        caps.make_mut().set("colorimetry", complete.to_string());
    }
    let video = gst_video::VideoInfo::from_caps(&caps).ok()?;
    Some((caps, video))
}

/// The colorimetry to encode by: the decoded one; of RGB, that of HD video with its transfer function and primaries.
fn encoded(video: &gst_video::VideoInfo) -> gst_video::VideoColorimetry {
    use gst_video::{VideoColorMatrix, VideoColorRange, VideoColorimetry};
    let stated = video.colorimetry();
    if video.format_info().is_yuv() {
        return stated;
    }
    VideoColorimetry::new(
        VideoColorRange::Range16_235,
        VideoColorMatrix::Bt709,
        stated.transfer(),
        stated.primaries(),
    )
}

/// What the element takes, in the order in which it is to be chosen. The colour description stays, so that no conversion
/// touches it: YUV in 8 bits by its own matrix where that can be, anything else as RGB of the same transfer function and
/// primaries.
fn restorable_caps(video: &gst_video::VideoInfo) -> gst::Caps {
    let stated = video.colorimetry();
    let rgb = gst_video::VideoColorimetry::new(
        gst_video::VideoColorRange::Range0_255,
        gst_video::VideoColorMatrix::Rgb,
        stated.transfer(),
        stated.primaries(),
    );
    let rgb = gst_video::VideoCapsBuilder::new()
        .format(gst_video::VideoFormat::Rgb)
        .field("colorimetry", rgb.to_string())
        .build();
    if formats::matrix(stated.matrix()).is_none() {
        return rgb;
    }
    let mut caps = gst_video::VideoCapsBuilder::new()
        .format_list(formats::YUV)
        .field("colorimetry", stated.to_string())
        .build();
    caps.merge(rgb);
    caps
}

/// Caps of what is encoded: `size`, and pixels of the decoded ones' shape, or of that which keeps the picture's.
fn coded_caps(video: &gst_video::VideoInfo, turned: bool, size: PictureSize, codec: VideoCodec) -> gst::Caps {
    let (width, height, par) = (video.width() as i32, video.height() as i32, video.par());
    let (width, height, par) = match turned {
        true => (height, width, gst::Fraction::new(par.denom(), par.numer())),
        false => (width, height, par),
    };
    // Sides are bounded by what the element takes, and by the command line.
    let coded = [size.width, size.height].map(|side| side as i32);
    let par = match size.reshaped {
        true => par * gst::Fraction::new(width * coded[1], height * coded[0]),
        false => par,
    };
    let caps = gst_video::VideoCapsBuilder::new()
        .width(coded[0])
        .height(coded[1])
        .pixel_aspect_ratio(par);
    if codec == VideoCodec::Png {
        return caps.format(gst_video::VideoFormat::Rgb).build();
    }
    caps.format_list(coded_formats(codec).iter().copied())
        .field("colorimetry", encoded(video).to_string())
        .build()
}

/// What a codec is given. ProRes knows nothing else, and a lossless one is to lose nothing; of the others 4:2:0 is what every
/// player has.
fn coded_formats(codec: VideoCodec) -> &'static [gst_video::VideoFormat] {
    use gst_video::VideoFormat::{I420, I42210le, Y42b, Y444};
    match codec {
        VideoCodec::ProRes => &[I42210le],
        VideoCodec::Ffv1 => &[I420, Y42b, Y444],
        _ => &[I420],
    }
}
