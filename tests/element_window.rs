//! Which frame is restored together with which: pixels against the pack `nearest` worked out by hand.
#![cfg(feature = "plugin")]

mod common;

use common::picture::Picture;
use common::{Rig, nearest};
use gst::prelude::*;
use gst_video::VideoFormat;

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 34, 18, time)
}

/// A rig that has restored frame 0.
fn started() -> Rig {
    let mut rig = Rig::for_picture("nearest", &frame(0));
    check(&mut rig, 0, 0);
    rig
}

/// Pushes frame `current` and demands that it has been restored together with frame `previous`.
#[track_caller]
fn check(rig: &mut Rig, current: usize, previous: usize) {
    check_buffer(rig, frame(current).buffer(current as u64), current, previous);
}

#[track_caller]
fn check_buffer(rig: &mut Rig, buffer: gst::Buffer, current: usize, previous: usize) {
    let output = rig.restore_buffer(buffer);
    let partner = (0..10).find(|time| nearest::pixels(&output) == nearest::restored(&frame(current), &frame(*time)));
    assert_eq!(
        partner,
        Some(previous),
        "frame {current} was restored together with another frame"
    );
}

#[test]
fn every_frame_goes_with_the_one_before() {
    let mut rig = started();
    for time in 1..6 {
        check(&mut rig, time, time - 1);
    }
}

/// Frames at 30 frames/s without durations, whose caps name a rate that is none: nothing is missing between them.
#[test]
fn a_rate_that_only_bounds_the_frames_makes_no_gaps() {
    for rate in ["0/1", "0/1, max-framerate=60/1", "1000/1"] {
        let mut rig = Rig::new("nearest");
        let caps = format!("video/x-raw, format=RGB, width=34, height=18, framerate={rate}");
        rig.harness.set_src_caps(caps.parse().unwrap());
        for time in 0..4 {
            let mut buffer = frame(time).buffer(0);
            let writable = buffer.get_mut().unwrap();
            writable.set_pts(gst::ClockTime::from_mseconds(33) * time as u64);
            writable.set_duration(gst::ClockTime::NONE);
            check_buffer(&mut rig, buffer, time, time.saturating_sub(1));
        }
    }
}

/// Between two restored frames each has the detail of the first; the second goes with the first.
#[test]
fn one_frame_in_an_interval_is_restored() {
    let mut rig = Rig::new("nearest");
    rig.element.set_property("restore-interval", 3_u32);
    rig.harness.set_src_caps(frame(0).caps());
    let mut previous = 0;
    for time in 0..7 {
        if time % 3 == 0 {
            check(&mut rig, time, previous);
            previous = time;
        } else {
            rig.restore_buffer(frame(time).buffer(time as u64));
        }
    }
    // The first frame after a discontinuity is restored, wherever in the interval it comes.
    let mut buffer = frame(7).buffer(7);
    buffer.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
    check_buffer(&mut rig, buffer, 7, 7);
    let counts = ["frames-in", "restored", "bypassed", "propagated"].map(|name| rig.count(name));
    assert_eq!(counts, [8, 4, 4, 4]);
}

/// The event begins an interval with the next frame, and goes no further.
#[test]
fn an_interval_begins_where_upstream_says() {
    let mut rig = Rig::new("nearest");
    rig.element.set_property("restore-interval", 3_u32);
    rig.harness.set_src_caps(frame(0).caps());
    check(&mut rig, 0, 0);
    rig.restore_buffer(frame(1).buffer(1));
    let structure = gst::Structure::new_empty(gstdloralvsr::element::RESTORE_NEXT);
    assert!(rig.harness.push_event(gst::event::CustomDownstream::new(structure)));
    // The window goes on, and the next interval counts from here.
    check(&mut rig, 2, 0);
    for time in [3, 4] {
        rig.restore_buffer(frame(time).buffer(time as u64));
    }
    check(&mut rig, 5, 2);
    let counts = ["restored", "propagated"].map(|name| rig.count(name));
    assert_eq!(counts, [3, 3]);
    let events = std::iter::from_fn(|| rig.harness.try_pull_event());
    assert!(
        events
            .into_iter()
            .all(|event| event.type_() != gst::EventType::CustomDownstream)
    );
}

/// A restored frame takes detail from the one before it, but not over a discontinuity.
#[test]
fn a_blend_is_of_successive_frames() {
    let mut rig = Rig::new("nearest");
    rig.element.set_property("temporal-blend", 0.5);
    rig.harness.set_src_caps(frame(0).caps());
    check(&mut rig, 0, 0);
    let blended = rig.restore_buffer(frame(1).buffer(1));
    assert!(nearest::pixels(&blended) != nearest::restored(&frame(1), &frame(0)));
    let mut buffer = frame(2).buffer(2);
    buffer.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
    check_buffer(&mut rig, buffer, 2, 2);
}

#[test]
fn a_discontinuity_begins_anew() {
    let mut rig = started();
    let mut buffer = frame(1).buffer(1);
    buffer.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
    check_buffer(&mut rig, buffer, 1, 1);
    check(&mut rig, 2, 1);
}

#[test]
fn a_flush_begins_anew() {
    let mut rig = started();
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    assert!(
        rig.harness
            .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()))
    );
    check(&mut rig, 1, 1);
    check(&mut rig, 2, 1);
}

#[test]
fn a_segment_begins_anew() {
    let mut rig = started();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_mseconds(40));
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
    check(&mut rig, 1, 1);
    check(&mut rig, 2, 1);
}

/// Fast playback, with two frames left out at the end, and frames in the order of reverse playback.
#[test]
fn at_other_rates_frames_go_with_the_one_shown_before() {
    for (rate, order) in [(2.0, [1, 2, 3, 4]), (-1.0, [6, 5, 4, 3])] {
        let mut rig = started();
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_rate(rate);
        segment.set_stop(gst::ClockTime::SECOND);
        assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
        check(&mut rig, order[0], order[0]);
        for pair in order.windows(2) {
            check(&mut rig, pair[1], pair[0]);
        }
        if rate > 1.0 {
            check(&mut rig, 7, 7);
        }
    }
}

#[test]
fn a_stream_start_begins_anew() {
    let mut rig = started();
    assert!(rig.harness.push_event(gst::event::StreamStart::new("another")));
    check(&mut rig, 1, 1);
}

#[test]
fn a_gap_begins_anew() {
    let mut rig = started();
    let gap = gst::event::Gap::builder(gst::ClockTime::from_mseconds(40))
        .duration(gst::ClockTime::SECOND)
        .build();
    assert!(rig.harness.push_event(gap));
    check(&mut rig, 2, 2);
}

#[test]
fn other_caps_begin_anew_and_the_same_ones_do_not() {
    let mut rig = started();
    assert!(rig.harness.push_event(gst::event::Caps::new(&frame(0).caps())));
    check(&mut rig, 1, 0);
    let mut caps = frame(0).caps();
    caps.get_mut().unwrap().set("colorimetry", "bt709");
    assert!(rig.harness.push_event(gst::event::Caps::new(&caps)));
    check(&mut rig, 2, 2);
}

#[test]
fn tags_and_custom_events_change_nothing() {
    let mut rig = started();
    assert!(rig.harness.push_event(gst::event::Tag::new(gst::TagList::new())));
    let custom = gst::event::CustomDownstream::new(gst::Structure::new_empty("something"));
    assert!(rig.harness.push_event(custom));
    check(&mut rig, 1, 0);
}

#[test]
fn stopping_begins_anew() {
    let mut rig = started();
    rig.element.set_state(gst::State::Ready).unwrap();
    rig.harness.play();
    rig.harness.push_event(gst::event::StreamStart::new("again"));
    rig.harness.set_src_caps(frame(0).caps());
    rig.harness
        .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    check(&mut rig, 1, 1);
}

#[test]
fn a_scene_cut_begins_anew_unless_detection_is_off() {
    // Other colours in another arrangement.
    let first = Picture::from_fn(
        VideoFormat::Rgb,
        32,
        32,
        |x, _, c| if x < 16 { [250, 90, 90][c] } else { 10 },
    );
    let second = Picture::from_fn(
        VideoFormat::Rgb,
        32,
        32,
        |_, y, c| if y < 16 { [30, 200, 30][c] } else { 60 },
    );
    for (threshold, partner, cuts) in [(0.2, &second, 1), (0.0, &first, 0)] {
        let mut rig = Rig::for_picture("nearest", &first);
        rig.restore(&first, 0);
        // A runtime setting: it changes while the stream runs.
        rig.element.set_property("scene-threshold", threshold);
        let output = rig.restore(&second, 1);
        let expected = nearest::restored(&second, partner);
        assert!(nearest::pixels(&output) == expected, "threshold {threshold}");
        assert_eq!(rig.count("scene-cuts"), cuts);
    }
}

#[test]
fn late_frames_are_restored_and_upstream_is_not_asked_to_drop_any() {
    let mut rig = started();
    while rig.harness.try_pull_upstream_event().is_some() {}
    for time in 1..4 {
        let event = gst::event::Qos::builder(gst::QOSType::Underflow, 10.0, gst::ClockTime::SECOND.nseconds() as i64)
            .timestamp(gst::ClockTime::from_mseconds(40 * time))
            .build();
        assert!(rig.harness.push_upstream_event(event));
        check(&mut rig, time as usize, time as usize - 1);
    }
    let passed_on = std::iter::from_fn(|| rig.harness.try_pull_upstream_event());
    assert_eq!(
        passed_on.filter(|event| event.type_() == gst::EventType::Qos).count(),
        0
    );
    assert_eq!((rig.count("late"), rig.count("dropped")), (3, 0));
}
