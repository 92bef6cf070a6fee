//! Live frames that have the time of two: two on their way at once, each out by its deadline.
use std::sync::Arc;
use std::time::Duration;

use crate::common::live::{self, AMPLE, Model, bicubic, check_counts, drain, mean_difference, set_latency, states};
use crate::common::picture::Picture;
use crate::common::{Rig, nearest, within_timeout};
use gst::prelude::*;
use gst_video::VideoFormat;

/// The length of a frame, and what a frame that is to be late is given.
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);
const SHORT: gst::ClockTime = gst::ClockTime::from_mseconds(100);

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 34, 18, time)
}

/// A live stream with threads enough for two frames at a time.
struct Live {
    rig: Rig,
    model: Arc<Model>,
    next: usize,
}

impl Live {
    fn new(latency: gst::ClockTime) -> Live {
        let model = Model::new();
        let element = live::element_with("nearest", &model);
        element.set_property("intra-threads", 2_u32);
        let mut rig = Rig::with(&element);
        rig.harness.set_live(true);
        rig.harness.set_src_caps(frame(0).caps());
        set_latency(&mut rig, latency);
        live::wait_for_model(&element);
        Live { rig, model, next: 0 }
    }

    /// Frames are given time enough for two at a time.
    fn of_two() -> Live {
        let mut live = Live::new(AMPLE);
        for _ in 0..5000 {
            live.push();
            drain(&mut live.rig);
            if live.depth() == 2 {
                while live.rig.harness.try_pull().is_some() {}
                return live;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("there was one frame at a time for ever");
    }

    /// The model is at a frame for ever, and six frames are given little time.
    fn hold_six(&mut self) {
        self.model.hold(true);
        set_latency(&mut self.rig, SHORT);
        for _ in 0..6 {
            self.push();
        }
    }

    fn depth(&self) -> u32 {
        live::depth(&self.rig)
    }

    /// Pushes the next frame when it is due.
    fn push(&mut self) {
        let number = self.next as u64;
        self.rig.harness.set_time(FRAME * number).unwrap();
        self.rig.harness.push(frame(self.next).buffer(number)).unwrap();
        self.next += 1;
    }

    /// What came out for the last `count` frames, in order.
    fn pictures(&mut self, count: usize) -> Vec<Picture> {
        drain(&mut self.rig);
        let caps = self.rig.harness.sinkpad().unwrap().current_caps().unwrap();
        let first = self.next - count;
        let pull = |number: usize| {
            let buffer = self.rig.harness.try_pull().expect("a frame out for a frame in");
            assert_eq!(buffer.pts(), Some(FRAME * number as u64));
            Picture::of_buffer(&buffer, &caps)
        };
        let pictures = (first..self.next).map(pull).collect();
        assert!(self.rig.harness.try_pull().is_none());
        pictures
    }
}

fn is_restored(picture: &Picture, current: usize) -> bool {
    nearest::pixels(picture) == nearest::restored(&frame(current), &frame(current - 1))
}

#[test]
fn frames_with_the_time_of_two_are_two_at_a_time() {
    let mut live = Live::of_two();
    let first = live.next;
    for _ in 0..6 {
        live.push();
    }
    let pictures = live.pictures(6);
    for (picture, current) in pictures.iter().zip(first..) {
        assert!(is_restored(picture, current), "frame {current}");
    }
    assert_eq!(states(&live.rig.bus), ["restoring"]);
    check_counts(&live.rig, [live.next as u64, live.next as u64, 0, 0]);
}

#[test]
fn frames_with_less_do_not() {
    // Together with what a sink adds, 1 ms less than two frames last.
    let mut live = Live::new(FRAME * 2 - gst::ClockTime::from_mseconds(1));
    for _ in 0..5 {
        live.push();
        drain(&mut live.rig);
        assert_eq!(live.depth(), 1);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(live.pictures(5).len(), 5);
}

/// The decoder is at a frame for ever: that one and those behind it leave by their deadlines, in order, upscaled.
#[test]
fn whatever_the_model_does_they_leave_by_their_deadlines() {
    let mut live = Live::of_two();
    live.hold_six();
    let first = live.next - 6;
    for (picture, current) in live.pictures(6).iter().zip(first..) {
        assert!(
            mean_difference(picture, &bicubic(&frame(current))) < 2.0,
            "frame {current}"
        );
    }
    assert_eq!(states(&live.rig.bus), ["restoring", "bypassing"]);
    let count = live.next as u64;
    check_counts(&live.rig, [count, count - 6, 6, 0]);
    let element = live.rig.element.clone();
    within_timeout("going to NULL", move || element.set_state(gst::State::Null).unwrap());
    live.model.hold(false);
}

#[test]
fn restoration_comes_back() {
    let mut live = Live::of_two();
    live.hold_six();
    live.pictures(6);
    live.model.hold(false);
    set_latency(&mut live.rig, AMPLE);
    let before = live.rig.count("restored");
    for _ in 0..5000 {
        live.push();
        drain(&mut live.rig);
        if live.rig.count("restored") > before {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(live.depth(), 2);
    while live.rig.harness.try_pull().is_some() {}
    // Colours of bypassed and restored frames are led over into each other within 24 frames.
    for _ in 0..26 {
        live.push();
    }
    let last = live.pictures(26).pop().unwrap();
    assert!(is_restored(&last, live.next - 1));
    assert_eq!(states(&live.rig.bus), ["restoring", "bypassing", "restoring"]);
    let [frames_in, out, dropped] = ["frames-in", "frames-out", "dropped"].map(|field| live.rig.count(field));
    assert_eq!((frames_in, dropped), (out, 0));
}

#[test]
fn a_flush_ends_those_in_flight() {
    let mut live = Live::of_two();
    live.model.hold(true);
    live.push();
    live.rig.harness.push_event(gst::event::FlushStart::new());
    live.rig.harness.push_event(gst::event::FlushStop::new(true));
    live.rig
        .harness
        .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    live.model.hold(false);
    live.push();
    live.push();
    let current = live.next - 1;
    let pictures = live.pictures(2);
    assert!(nearest::pixels(&pictures[0]) == nearest::restored(&frame(current - 1), &frame(current - 1)));
    assert!(is_restored(&pictures[1], current));
    let count = live.next as u64;
    check_counts(&live.rig, [count, count - 1, 0, 1]);
}

/// Less time, and there is one at a time; more, and there are two again. None is lost or comes twice.
#[test]
fn the_time_may_be_changed_while_frames_are_in_flight() {
    let mut live = Live::of_two();
    let first = live.next;
    for (latency, depth) in [(FRAME, 1), (AMPLE, 2), (FRAME, 1)] {
        set_latency(&mut live.rig, latency);
        live.push();
        drain(&mut live.rig);
        assert_eq!(live.depth(), depth);
    }
    assert_eq!(live.pictures(live.next - first).len(), 3);
}
