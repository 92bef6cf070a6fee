//! What the pads do beside what the base class has them do.

use gst::prelude::*;

use super::CAT;

/// Calls `watch` with all caps that come to the pad. Those that are refused come no further: the pad asks the element
/// with the same query as everybody who only wants to know.
pub fn watch_caps(sink: &gst::Pad, watch: impl Fn(&gst::Pad, &gst::CapsRef) + Send + Sync + 'static) {
    sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) {
            watch(pad, event.caps());
        }
        gst::PadProbeReturn::Ok
    });
}

/// Has activation in pull mode fail, which the base class would pass on to upstream: frames leave on a thread of the
/// element's own. Before anybody else has the pad.
pub fn refuse_pull(src: &gst::Pad) {
    let activate = |_: &gst::Pad, _: Option<&gst::Object>, mode: gst::PadMode, _: bool| match mode {
        // As the base class: the sink pad does it all.
        gst::PadMode::Push => Ok(()),
        _ => Err(gst::loggable_error!(CAT, "frames are pushed: pull mode is refused")),
    };
    // SAFETY: nobody uses the pad yet.
    unsafe { src.set_activatemode_function(activate) };
}
