//! Frames in the pipeline, in streams that are not live: in order, with the events where they were, and nobody left
//! waiting.
#![cfg(feature = "plugin")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::in_flight::{assert_out, frame, push, push_until_two, rig, unhooked_rig};
use common::live::{self, Model, drain};
use common::picture::Picture;
use common::{Rig, Running, meeting, nearest, pack, within_timeout};
use gst::prelude::*;
use gst_video::VideoFormat;

/// There never are two frames at a time.
#[track_caller]
fn assert_one(rig: &mut Rig) {
    for number in 0..5 {
        push(rig, number).unwrap();
        drain(rig);
        assert_eq!(live::depth(rig), 1);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn frames_come_out_in_order_with_the_one_before() {
    let mut rig = unhooked_rig();
    for number in 0..10 {
        push(&mut rig, number).unwrap();
    }
    let pairs: Vec<_> = (0..10_usize).map(|number| (number, number.saturating_sub(1))).collect();
    assert_out(&mut rig, &pairs);
    live::check_counts(&rig, [10, 10, 0, 0]);
}

#[test]
fn one_frame_is_decoded_while_the_next_is_encoded() {
    let (meets, meeting) = (Arc::new(AtomicBool::new(false)), meeting::hook());
    let asked = meets.clone();
    let mut rig = rig(Arc::new(move |graph| match asked.load(Ordering::SeqCst) {
        true => meeting(graph),
        false => Ok(()),
    }));
    let next = push_until_two(&mut rig, 0);
    meets.store(true, Ordering::SeqCst);
    within_timeout("two frames at a time", move || {
        push(&mut rig, next).unwrap();
        push(&mut rig, next + 1).unwrap();
        assert_out(&mut rig, &[(next, next - 1), (next + 1, next)]);
    });
}

#[test]
fn there_are_two_at_a_time_where_nobody_is_in_a_hurry_and_there_are_threads_for_it() {
    push_until_two(&mut unhooked_rig(), 0);
    let mut live = unhooked_rig();
    live.harness.set_live(true);
    assert_one(&mut live);
    let mut hurried = unhooked_rig();
    hurried.element.set_property_from_str("overload", "drop");
    assert_one(&mut hurried);
    // The first frames of a file that is watched are there before the clock runs.
    let mut paused = unhooked_rig();
    paused.element.set_property_from_str("overload", "bypass");
    paused.element.set_state(gst::State::Paused).unwrap();
    push_until_two(&mut paused, 0);
    let mut single = unhooked_rig();
    single.element.set_state(gst::State::Null).unwrap();
    single.element.set_property("intra-threads", 1_u32);
    single.harness.play();
    assert_one(&mut single);
}

/// A file that is watched: it runs ahead of its sink.
#[test]
fn there_are_two_at_a_time_where_frames_are_not_live_and_may_be_late() {
    let mut rig = unhooked_rig();
    rig.element.set_property_from_str("overload", "bypass");
    live::set_latency(&mut rig, live::AMPLE);
    live::wait_for_model(&rig.element);
    let next = push_until_two(&mut rig, 0);
    for number in next..next + 6 {
        push(&mut rig, number).unwrap();
    }
    let pairs: Vec<_> = (next..next + 6).map(|number| (number, number - 1)).collect();
    assert_out(&mut rig, &pairs);
    live::check_counts(&rig, [next as u64 + 6, next as u64 + 6, 0, 0]);
}

/// Whatever the depth, the window is the same.
#[test]
fn a_change_of_depth_keeps_the_window() {
    let mut rig = unhooked_rig();
    let next = push_until_two(&mut rig, 0);
    rig.element.set_property_from_str("overload", "drop");
    live::set_latency(&mut rig, live::AMPLE);
    push(&mut rig, next).unwrap();
    push(&mut rig, next + 1).unwrap();
    assert_out(&mut rig, &[(next, next - 1), (next + 1, next)]);
    assert_eq!(live::depth(&rig), 1);
    rig.element.set_property_from_str("overload", "auto");
    push(&mut rig, next + 2).unwrap();
    push(&mut rig, next + 3).unwrap();
    assert_out(&mut rig, &[(next + 2, next + 1), (next + 3, next + 2)]);
    assert_eq!(live::depth(&rig), 2);
}

#[test]
fn events_stay_between_the_frames_they_came_between() {
    let mut rig = unhooked_rig();
    let order = Arc::new(Mutex::new(Vec::new()));
    let list = order.clone();
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    let pad = rig.element.static_pad("src").unwrap();
    pad.add_probe(types, move |_, info| {
        let what = match &info.data {
            Some(gst::PadProbeData::Event(event)) => format!("{:?}", event.type_()),
            Some(gst::PadProbeData::Buffer(buffer)) => buffer.pts().unwrap().mseconds().to_string(),
            _ => String::new(),
        };
        list.lock().unwrap().push(what);
        gst::PadProbeReturn::Ok
    });
    push(&mut rig, 0).unwrap();
    push(&mut rig, 1).unwrap();
    rig.harness.push_event(gst::event::Tag::new(gst::TagList::new()));
    push(&mut rig, 2).unwrap();
    rig.harness
        .push_event(gst::event::Gap::builder(gst::ClockTime::from_mseconds(120)).build());
    push(&mut rig, 4).unwrap();
    let other = Picture::moving(VideoFormat::Rgb, 20, 16, 0);
    rig.harness.push_event(gst::event::Caps::new(&other.caps()));
    rig.harness.push(other.buffer(5)).unwrap();
    rig.harness.push_event(gst::event::Eos::new());
    let order = order.lock().unwrap();
    let first = order.iter().position(|what| what == "0").unwrap();
    assert_eq!(
        order[first..],
        ["0", "40", "Tag", "80", "Gap", "160", "Caps", "200", "Eos"]
    );
}

/// Other caps come while frames are in flight: each has the size and the pixels of the caps that it came with.
#[test]
fn frames_are_written_by_the_caps_that_they_came_with() {
    let model = Model::new();
    let mut rig = rig(model.hook());
    push(&mut rig, 0).unwrap();
    assert_out(&mut rig, &[(0, 0)]);
    model.hold(true);
    push(&mut rig, 1).unwrap();
    let other = Picture::moving(VideoFormat::Bgrx, 20, 16, 7);
    let source = rig.harness.srcpad().unwrap();
    let (caps, buffer) = (gst::event::Caps::new(&other.caps()), other.buffer(2));
    let pushing = std::thread::spawn(move || source.push_event(caps) && source.push(buffer).is_ok());
    // Until the thread waits, or nearly.
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(rig.harness.try_pull().is_none());
    model.hold(false);
    let mut expect = |picture: &Picture, previous: &Picture| {
        let (buffer, caps) = (rig.harness.pull().unwrap(), picture.enlarged_blank().caps());
        assert_eq!(buffer.size(), picture.enlarged_blank().info().size());
        let output = nearest::pixels(&Picture::of_buffer(&buffer, &caps));
        assert!(output == nearest::restored(picture, previous), "{picture:?}");
    };
    expect(&frame(1), &frame(0));
    expect(&other, &other);
    assert!(pushing.join().unwrap());
}

#[test]
fn a_flush_ends_frames_in_flight_and_begins_anew() {
    let model = Model::new();
    let mut rig = rig(model.hook());
    push(&mut rig, 0).unwrap();
    assert_out(&mut rig, &[(0, 0)]);
    model.hold(true);
    push(&mut rig, 1).unwrap();
    rig.harness.push_event(gst::event::FlushStart::new());
    assert_eq!(push(&mut rig, 2), Err(gst::FlowError::Flushing));
    rig.harness.push_event(gst::event::FlushStop::new(true));
    rig.harness
        .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    model.hold(false);
    push(&mut rig, 3).unwrap();
    push(&mut rig, 4).unwrap();
    assert_out(&mut rig, &[(3, 3), (4, 3)]);
    // The pad has refused frame 2 while it was flushing.
    live::check_counts(&rig, [4, 3, 0, 1]);
}

/// A frame that is being pushed when a flush comes does not come out behind the flush.
#[test]
fn a_flush_waits_for_a_frame_that_is_leaving() {
    let mut rig = unhooked_rig();
    let (arrived, arrives) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let (flushed, late) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (state, count) = (flushed.clone(), late.clone());
    let goes = Mutex::new(goes);
    let pad = rig.element.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        arrived.send(()).unwrap();
        goes.lock().unwrap().recv().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        count.fetch_add(state.load(Ordering::SeqCst), Ordering::SeqCst);
        gst::PadProbeReturn::Drop
    });
    push(&mut rig, 0).unwrap();
    arrives.recv().unwrap();
    rig.harness.push_event(gst::event::FlushStart::new());
    go.send(()).unwrap();
    rig.harness.push_event(gst::event::FlushStop::new(true));
    flushed.store(1, Ordering::SeqCst);
    assert_eq!(late.load(Ordering::SeqCst), 0, "a frame left behind the flush");
    drop(go);
}

#[test]
fn stopping_waits_neither_for_the_model_nor_for_frames_that_wait_for_it() {
    let model = Model::new();
    let mut rig = rig(model.hook());
    model.hold(true);
    push(&mut rig, 0).unwrap();
    let element = rig.element.clone();
    within_timeout("stopping", move || element.set_state(gst::State::Null).unwrap());
    model.hold(false);
    rig.harness.play();
    rig.harness.push_event(gst::event::StreamStart::new("again"));
    rig.harness.set_src_caps(frame(0).caps());
    rig.harness
        .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    push(&mut rig, 3).unwrap();
    assert_out(&mut rig, &[(3, 3)]);
    live::check_counts(&rig, [1, 1, 0, 0]);
}

/// Downstream holds the first frame for ever, as a sink does that is paused.
#[test]
fn a_pipeline_stops_while_downstream_holds_a_frame() {
    let pipeline = Running::launch(
        "videotestsrc ! video/x-raw,format=RGB,width=32,height=32 ! \
         dloralvsr name=vsr execution-provider=cpu intra-threads=2 ! fakesink sync=true",
    );
    pipeline
        .element("vsr")
        .set_property("model", pack("nearest").to_str().unwrap());
    pipeline.0.set_state(gst::State::Paused).unwrap();
    pipeline.settle();
    let inner = pipeline.0.clone();
    within_timeout("stopping", move || inner.set_state(gst::State::Null).unwrap());
}

/// An application that asks in PAUSED, before it sets PLAYING, would wait for ever.
#[test]
fn a_position_query_waits_for_no_frame_in_flight() {
    let pipeline = Running::launch(
        "videotestsrc ! video/x-raw,format=RGB,width=32,height=32,framerate=25/1 ! \
         dloralvsr name=vsr execution-provider=cpu intra-threads=2 ! fakesink sync=true",
    );
    let vsr = pipeline.element("vsr");
    vsr.set_property("model", pack("nearest").to_str().unwrap());
    pipeline.0.set_state(gst::State::Paused).unwrap();
    pipeline.settle();
    // Until no more frames fit on the way, and the streaming thread waits for room.
    let frames_in = || {
        let stats = vsr.property::<gst::Structure>("stats");
        stats.get::<u64>("frames-in").unwrap()
    };
    let mut seen = 0;
    while frames_in() > seen {
        seen = frames_in();
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let position = within_timeout("a position query", move || vsr.query_position::<gst::ClockTime>());
    assert_eq!(
        position,
        Some(gst::ClockTime::from_mseconds(40)),
        "the first frame's end"
    );
}

/// Sought again and again while frames are in flight: each time the first frame that comes is the one that was sought.
#[test]
fn a_pipeline_may_be_sought_while_frames_are_in_flight() {
    let pipeline = Running::launch(
        "videotestsrc ! video/x-raw,format=RGB,width=32,height=32,framerate=25/1 ! \
         dloralvsr name=vsr execution-provider=cpu intra-threads=2 ! appsink name=sink sync=false max-buffers=2",
    );
    pipeline
        .element("vsr")
        .set_property("model", pack("nearest").to_str().unwrap());
    let sink = pipeline.element("sink").downcast::<gst_app::AppSink>().unwrap();
    pipeline.play();
    pipeline.settle();
    let timeout = gst::ClockTime::from_nseconds(common::TIMEOUT.as_nanos() as u64);
    let pull = move || {
        let sample = sink.try_pull_sample(timeout).expect("a frame");
        sample.buffer().unwrap().pts().unwrap()
    };
    for second in [5, 1, 9, 2, 7, 3, 3, 8] {
        pull();
        let target = gst::ClockTime::from_seconds(second);
        let sought = pipeline.0.clone();
        within_timeout("a seek", move || {
            sought.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, target)
        })
        .unwrap();
        assert_eq!(pull(), target);
        assert_eq!(pull(), target + gst::ClockTime::from_mseconds(40));
    }
}

/// Without a frame that goes through the base class, which would know.
#[test]
fn the_position_is_where_the_last_frame_ended() {
    let mut rig = unhooked_rig();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_time(gst::ClockTime::from_seconds(10));
    rig.harness.push_event(gst::event::Segment::new(&segment));
    let position = |rig: &Rig| rig.element.query_position::<gst::ClockTime>();
    for number in 0..3 {
        push(&mut rig, number).unwrap();
        drain(&mut rig);
        let end = gst::ClockTime::from_mseconds(40) * (number as u64 + 1);
        assert_eq!(position(&rig), Some(gst::ClockTime::from_seconds(10) + end));
    }
    rig.harness.push_event(gst::event::Segment::new(&segment));
    assert_eq!(position(&rig), Some(gst::ClockTime::from_seconds(10)));
    push(&mut rig, 3).unwrap();
    drain(&mut rig);
    rig.element.set_property_from_str("overload", "drop");
    live::set_latency(&mut rig, live::AMPLE);
    push(&mut rig, 4).unwrap();
    drain(&mut rig);
    let end = gst::ClockTime::from_mseconds(40) * 5;
    assert_eq!(position(&rig), Some(gst::ClockTime::from_seconds(10) + end));
}
