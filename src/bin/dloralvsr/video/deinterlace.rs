//! Interlaced video becomes progressive in front of the restorer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use gst::prelude::*;
use gst_video::VideoFormat;

use super::pipeline::cannot_build;
use crate::element::element;
use crate::input::{Input, Video};
use crate::{Failure, messages};

/// `--deinterlace`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deinterlace {
    /// Where the input says that it is interlaced: a frame for each frame.
    #[default]
    Auto,
    Off,
    /// Whatever the input says.
    On,
    /// As `Auto`, a frame for each field.
    Field,
}

/// What the option takes.
pub const NAMES: [(&str, Deinterlace); 4] = [
    ("auto", Deinterlace::Auto),
    ("off", Deinterlace::Off),
    ("on", Deinterlace::On),
    ("field", Deinterlace::Field),
];

/// Formats of 8 bits that the method takes, planar ones of every subsampling.
const FORMATS: [VideoFormat; 3] = [VideoFormat::I420, VideoFormat::Y42b, VideoFormat::Y444];

impl Deinterlace {
    pub fn named(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(own, _)| *own == name);
        found.map(|(_, deinterlace)| *deinterlace)
    }

    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, own)| *own == self)
            .map_or("auto", |(name, _)| name)
    }

    /// Whether the input is deinterlaced.
    pub fn is_for(self, video: &Video) -> bool {
        match self {
            Deinterlace::Auto | Deinterlace::Field => video.interlaced,
            Deinterlace::Off => false,
            Deinterlace::On => true,
        }
    }

    /// Frames that become of one of the input's.
    pub fn frames(self, video: &Video) -> u32 {
        match self {
            Deinterlace::Field if video.interlaced => 2,
            _ => 1,
        }
    }

    /// The elements that do it, in their order.
    ///
    /// # Errors
    /// One is missing.
    pub fn elements(self, input: &Input) -> Result<Vec<gst::Element>, Failure> {
        if !self.is_for(&input.video) {
            return Ok(Vec::new());
        }
        let (converter, formats, deinterlace) = (
            element("videoconvert")?,
            element("capsfilter")?,
            element("deinterlace")?,
        );
        // Of more bits it would take a worse method. The restorer takes 8 in any case.
        let caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS).build();
        formats.set_property("caps", caps);
        // Of seven clips it came nearest to the truth of those whose frames are as many as they should be: of GStreamer
        // 1.22's others greedyh and tomsmocomp garble planar formats, and yadif sends frames twice.
        deinterlace.set_property_from_str("method", "greedyl");
        deinterlace.set_property_from_str("fields", self.fields(&input.video));
        if self == Deinterlace::On {
            // Frames that are not called interlaced do not say either which field is the earlier one.
            deinterlace.set_property_from_str("tff", if input.video.bottom_first { "bff" } else { "tff" });
            let pad = deinterlace.static_pad("sink");
            call_interlaced(&pad.ok_or_else(|| cannot_build("deinterlace has no sink pad"))?);
        }
        if self == Deinterlace::Field {
            let pad = deinterlace.static_pad("src");
            drop_repeated(&pad.ok_or_else(|| cannot_build("deinterlace has no source pad"))?);
        }
        Ok(vec![converter, formats, deinterlace])
    }

    /// The field that comes first, or the frame would have the other's time.
    fn fields(self, video: &Video) -> &'static str {
        match (self, video.bottom_first) {
            (Deinterlace::Field, _) => "all",
            (_, false) => "top",
            (_, true) => "bottom",
        }
    }
}

/// Let frames count as interlaced that are not called so. (The element's own way, `mode=interlaced`, does not negotiate
/// with elements that take progressive frames alone.)
fn call_interlaced(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) else {
            return gst::PadProbeReturn::Ok;
        };
        let mut caps = event.caps_owned();
        caps.make_mut().set("interlace-mode", "interleaved");
        info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
        gst::PadProbeReturn::Ok
    });
}

/// At the end the element sends its last field once more, with an earlier time.
fn drop_repeated(pad: &gst::Pad) {
    let latest = Mutex::new(None);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let time = info.buffer().and_then(|buffer| buffer.pts());
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        if time.is_some() && time <= *latest {
            return gst::PadProbeReturn::Drop;
        }
        *latest = time.or(*latest);
        gst::PadProbeReturn::Ok
    });
}

/// Tell of interlaced frames that come to `element`, where none were expected.
pub fn watch(element: &gst::Element) {
    let Some(pad) = element.static_pad("sink") else { return };
    let (element, is_told) = (element.downgrade(), AtomicBool::new(false));
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if !info.buffer().is_some_and(|buffer| is_interlaced(pad, buffer)) {
            return gst::PadProbeReturn::Ok;
        }
        if let Some(element) = element.upgrade()
            && !is_told.swap(true, Ordering::Relaxed)
        {
            messages::notice(
                &element,
                "the picture is interlaced from here on, which the input's beginning is not: it stays so. \
                 --deinterlace on deinterlaces all of it",
            );
        }
        gst::PadProbeReturn::Remove
    });
}

fn is_interlaced(pad: &gst::Pad, buffer: &gst::BufferRef) -> bool {
    let flags = gst_video::VideoBufferFlags::from_bits_truncate(buffer.flags().bits());
    let caps = pad.current_caps();
    let mode = caps
        .as_ref()
        .and_then(|caps| caps.structure(0)?.get::<&str>("interlace-mode").ok());
    match mode {
        Some("mixed") => flags.contains(gst_video::VideoBufferFlags::INTERLACED),
        Some("interleaved") => true,
        _ => false,
    }
}
