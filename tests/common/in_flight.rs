//! The element in streams that are not live, over the pack `nearest`, with one or two frames in flight.

use std::sync::Arc;

use gst::prelude::*;
use gst_video::VideoFormat;
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::restore::Hook;

use super::live::{self, drain};
use super::picture::Picture;
use super::{Rig, nearest};

pub fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 34, 18, time)
}

/// A rig over the pack `nearest` that may have two frames at a time, on a machine with one core as well.
pub fn rig(hook: Hook) -> Rig {
    let element = super::element("nearest");
    element.set_property("intra-threads", 2_u32);
    element.downcast_ref::<DloralVsr>().unwrap().set_hook(Some(hook));
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(frame(0).caps());
    rig
}

pub fn unhooked_rig() -> Rig {
    rig(Arc::new(|_| Ok(())))
}

pub fn push(rig: &mut Rig, number: usize) -> Result<gst::FlowSuccess, gst::FlowError> {
    rig.harness.push(frame(number).buffer(number as u64))
}

/// Takes what has come out: pixels of `current` restored with `previous`, for each pair.
#[track_caller]
pub fn assert_out(rig: &mut Rig, pairs: &[(usize, usize)]) {
    drain(rig);
    let caps = rig.harness.sinkpad().unwrap().current_caps().unwrap();
    for (current, previous) in pairs {
        let buffer = rig.harness.try_pull().expect("a frame");
        let output = nearest::pixels(&Picture::of_buffer(&buffer, &caps));
        assert!(
            output == nearest::restored(&frame(*current), &frame(*previous)),
            "{current} with {previous}"
        );
    }
    assert!(rig.harness.try_pull().is_none());
}

/// Pushes frames from `first` on until two are on their way at a time: what that takes is opened beside the stream. Gives
/// the number of the next one.
#[track_caller]
pub fn push_until_two(rig: &mut Rig, first: usize) -> usize {
    for number in first..first + 5000 {
        push(rig, number).unwrap();
        drain(rig);
        while rig.harness.try_pull().is_some() {}
        if live::depth(rig) == 2 {
            return number + 1;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("there was one frame at a time for ever");
}

/// Answers the pushes of the element like this.
pub fn answer(rig: &Rig, flow: gst::FlowError) -> gst::PadProbeId {
    let pad = rig.element.static_pad("src").unwrap();
    let probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        info.flow_res = Err(flow);
        gst::PadProbeReturn::Handled
    });
    probe.unwrap()
}

/// Of the frames that have come out: whether each is marked as one.
pub fn discontinuities(rig: &mut Rig) -> Vec<bool> {
    let buffers = std::iter::from_fn(|| rig.harness.try_pull());
    buffers
        .map(|buffer| buffer.flags().contains(gst::BufferFlags::DISCONT))
        .collect()
}
