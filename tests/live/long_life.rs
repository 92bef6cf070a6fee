//! What may happen to a stream that runs for long, one by one: the window and the counts are right after each.
//!
//! Flushes, segments, DISCONT and scene cuts are in tests/element_window.rs, seeks, steps, reverse playback and a second
//! run after the end in tests/pipelines.rs, where films are played.

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::common::live::{self, AMPLE, Model, check_counts};
use crate::common::picture::Picture;
use crate::common::{Rig, nearest};

const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(40);

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 34, 18, time)
}

/// Streams that are live, with time enough, and that are not.
fn rigs() -> [Rig; 2] {
    let file = Rig::for_picture("nearest", &frame(0));
    [live::rig("nearest", &Model::new(), &frame(0), AMPLE), file]
}

/// Pushes picture `current` with this timestamp and demands that it has been restored together with `previous`.
#[track_caller]
fn check_at(rig: &mut Rig, pts: impl Into<Option<gst::ClockTime>>, current: usize, previous: usize) {
    let mut buffer = frame(current).buffer(0);
    buffer.get_mut().unwrap().set_pts(pts);
    let output = rig.restore_buffer(buffer);
    let pixels = nearest::pixels(&output);
    let partner = (0..20).find(|time| pixels == nearest::restored(&frame(current), &frame(*time)));
    assert_eq!(partner, Some(previous), "frame {current}");
}

#[track_caller]
fn check(rig: &mut Rig, current: usize, previous: usize) {
    check_at(rig, STEP * current as u64, current, previous);
}

#[test]
fn a_caps_change() {
    for mut rig in rigs() {
        check(&mut rig, 0, 0);
        check(&mut rig, 1, 0);
        let larger = |time| Picture::moving(VideoFormat::Bgrx, 50, 36, time);
        rig.harness.set_src_caps(larger(0).caps());
        let output = rig.restore(&larger(2), 2);
        assert_eq!((output.width, output.height), (200, 144));
        assert!(nearest::pixels(&output) == nearest::restored(&larger(2), &larger(2)));
        let output = rig.restore(&larger(3), 3);
        assert!(nearest::pixels(&output) == nearest::restored(&larger(3), &larger(2)));
        rig.harness.set_src_caps(frame(0).caps());
        check(&mut rig, 4, 4);
        check(&mut rig, 5, 4);
        check_counts(&rig, [6, 6, 0, 0]);
    }
}

#[test]
fn a_framerate_change() {
    for mut rig in rigs() {
        check(&mut rig, 0, 0);
        let mut caps = frame(0).caps();
        caps.get_mut().unwrap().set("framerate", gst::Fraction::new(50, 1));
        rig.harness.set_src_caps(caps);
        check(&mut rig, 1, 1);
        check(&mut rig, 2, 1);
        check_counts(&rig, [3, 3, 0, 0]);
    }
}

/// No event and no flag says so, as where a queue upstream leaks.
#[test]
fn a_pts_jump_forward_is_a_gap() {
    for mut rig in rigs() {
        check(&mut rig, 0, 0);
        check(&mut rig, 1, 0);
        check(&mut rig, 3, 3);
        check(&mut rig, 4, 3);
        check_at(&mut rig, gst::ClockTime::from_seconds(50), 5, 5);
        check_at(&mut rig, gst::ClockTime::from_seconds(50) + STEP, 6, 5);
        check_counts(&rig, [6, 6, 0, 0]);
    }
}

#[test]
fn a_pts_jump_back_begins_anew() {
    for mut rig in rigs() {
        check(&mut rig, 5, 5);
        check(&mut rig, 6, 5);
        check(&mut rig, 2, 2);
        check(&mut rig, 3, 2);
        check_at(&mut rig, STEP * 3, 4, 4);
        check_counts(&rig, [5, 5, 0, 0]);
    }
}

#[test]
fn timestamps_that_jitter_are_no_gap() {
    for mut rig in rigs() {
        let jitter = [0, 9, -8, 0, 10, -9];
        check(&mut rig, 0, 0);
        for (index, offset) in jitter.into_iter().enumerate().skip(1) {
            let pts = gst::ClockTime::from_mseconds((40 * index as i64 + offset) as u64);
            check_at(&mut rig, pts, index, index - 1);
        }
    }
}

/// One without a timestamp is the next one; a whole stream without any follows its order.
#[test]
fn missing_pts() {
    for mut rig in rigs() {
        check(&mut rig, 0, 0);
        check_at(&mut rig, None, 1, 0);
        check(&mut rig, 2, 1);
        check_at(&mut rig, None, 3, 2);
        check(&mut rig, 5, 5);
        check_counts(&rig, [5, 5, 0, 0]);
    }
    for mut rig in rigs() {
        check_at(&mut rig, None, 0, 0);
        for index in 1..6 {
            check_at(&mut rig, None, index, index - 1);
        }
        check_counts(&rig, [6, 6, 0, 0]);
    }
}

#[test]
fn a_gap_event_in_a_live_stream() {
    for mut rig in rigs() {
        check(&mut rig, 0, 0);
        let gap = gst::event::Gap::builder(STEP).duration(STEP).build();
        assert!(rig.harness.push_event(gap));
        check(&mut rig, 2, 2);
        check(&mut rig, 3, 2);
        check_counts(&rig, [3, 3, 0, 0]);
    }
}

#[test]
fn a_flush_and_a_new_segment_in_a_live_stream() {
    for mut rig in rigs() {
        check(&mut rig, 0, 0);
        check(&mut rig, 1, 0);
        assert!(rig.harness.push_event(gst::event::FlushStart::new()));
        assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_start(STEP * 7);
        assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
        check(&mut rig, 7, 7);
        check(&mut rig, 8, 7);
        check_counts(&rig, [4, 4, 0, 0]);
    }
}

/// A frame that is restored when a flush comes does not come out; the model finishes it for nobody.
#[test]
fn a_flush_while_a_frame_is_restored() {
    let model = Model::new();
    let mut rig = live::rig("nearest", &model, &frame(0), AMPLE);
    check(&mut rig, 0, 0);
    model.hold(true);
    let source = rig.harness.srcpad().unwrap();
    source.push(frame(1).buffer(1)).unwrap();
    let begun = model.clone();
    live::wait_until("the model to begin", move || begun.begun() == 2);
    let flushing = source.clone();
    crate::common::within_timeout("the flush", move || {
        assert!(flushing.push_event(gst::event::FlushStart::new()));
        assert!(flushing.push_event(gst::event::FlushStop::new(true)));
    });
    model.hold(false);
    assert!(source.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    check(&mut rig, 2, 2);
    check(&mut rig, 3, 2);
    check_counts(&rig, [4, 3, 0, 1]);
}
