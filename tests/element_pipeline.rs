//! Frames in the pipeline, in streams that are not live: in order, with the events where they were, and nobody left
//! waiting.
#![cfg(feature = "plugin")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::live::{self, Model, drain};
use common::picture::Picture;
use common::{Rig, Running, meeting, nearest, pack, wait_for_error, within_timeout};
use gst::prelude::*;
use gst_video::VideoFormat;
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{GraphError, GraphErrorKind, Hook};

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 34, 18, time)
}

/// A rig over the pack `nearest` that may have two frames at a time, on a machine with one core as well.
fn rig(hook: Hook) -> Rig {
    let element = common::element("nearest");
    element.set_property("intra-threads", 2_u32);
    element.downcast_ref::<DloralVsr>().unwrap().set_hook(Some(hook));
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(frame(0).caps());
    rig
}

fn plain_rig() -> Rig {
    rig(Arc::new(|_| Ok(())))
}

fn push(rig: &mut Rig, number: usize) -> Result<gst::FlowSuccess, gst::FlowError> {
    rig.harness.push(frame(number).buffer(number as u64))
}

/// Takes what has come out: pixels of `current` restored with `previous`, for each pair.
#[track_caller]
fn assert_out(rig: &mut Rig, pairs: &[(usize, usize)]) {
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
fn push_until_two(rig: &mut Rig, first: usize) -> usize {
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

/// Answers the pushes of the element like this.
fn answer(rig: &Rig, flow: gst::FlowError) -> gst::PadProbeId {
    let pad = rig.element.static_pad("src").unwrap();
    let probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        info.flow_res = Err(flow);
        gst::PadProbeReturn::Handled
    });
    probe.unwrap()
}

/// Of the frames that have come out: whether each is marked as one.
fn discontinuities(rig: &mut Rig) -> Vec<bool> {
    let buffers = std::iter::from_fn(|| rig.harness.try_pull());
    buffers
        .map(|buffer| buffer.flags().contains(gst::BufferFlags::DISCONT))
        .collect()
}

#[test]
fn frames_come_out_in_order_with_the_one_before() {
    let mut rig = plain_rig();
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
    push_until_two(&mut plain_rig(), 0);
    let mut live = plain_rig();
    live.harness.set_live(true);
    assert_one(&mut live);
    let mut hurried = plain_rig();
    hurried.element.set_property_from_str("overload", "drop");
    assert_one(&mut hurried);
    // The first frames of a file that is watched are there before the clock runs.
    let mut paused = plain_rig();
    paused.element.set_property_from_str("overload", "bypass");
    paused.element.set_state(gst::State::Paused).unwrap();
    push_until_two(&mut paused, 0);
    let mut single = plain_rig();
    single.element.set_state(gst::State::Null).unwrap();
    single.element.set_property("intra-threads", 1_u32);
    single.harness.play();
    assert_one(&mut single);
}

/// A file that is watched: it runs ahead of its sink.
#[test]
fn there_are_two_at_a_time_where_frames_are_not_live_and_may_be_late() {
    let mut rig = plain_rig();
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
    let mut rig = plain_rig();
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
    let mut rig = plain_rig();
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
    let mut rig = plain_rig();
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

#[test]
fn what_downstream_answers_reaches_upstream_with_the_next_frame() {
    for flow in [gst::FlowError::NotLinked, gst::FlowError::NotNegotiated] {
        let mut rig = plain_rig();
        let probe = answer(&rig, flow);
        push(&mut rig, 0).unwrap();
        drain(&mut rig);
        assert_eq!(push(&mut rig, 1), Err(flow));
        push(&mut rig, 2).unwrap();
        drain(&mut rig);
        assert_eq!(
            push(&mut rig, 3),
            Err(flow),
            "downstream is asked again, and says the same"
        );
        rig.element.static_pad("src").unwrap().remove_probe(probe);
        push(&mut rig, 4).unwrap();
        assert_out(&mut rig, &[(4, 4)]);
        let probe = answer(&rig, flow);
        push(&mut rig, 5).unwrap();
        drain(&mut rig);
        rig.element.static_pad("src").unwrap().remove_probe(probe);
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        rig.harness
            .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        push(&mut rig, 6).unwrap();
        assert_out(&mut rig, &[(6, 6)]);
    }
}

/// Neither those that were in flight when it answered, nor later ones: until another segment begins.
#[test]
fn nothing_is_pushed_when_downstream_has_had_enough() {
    let mut rig = plain_rig();
    let probe = answer(&rig, gst::FlowError::Eos);
    push(&mut rig, 0).unwrap();
    drain(&mut rig);
    rig.element.static_pad("src").unwrap().remove_probe(probe);
    for number in 1..6 {
        assert_eq!(push(&mut rig, number), Err(gst::FlowError::Eos));
    }
    assert_out(&mut rig, &[]);
    rig.harness
        .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    push(&mut rig, 6).unwrap();
    assert_out(&mut rig, &[(6, 6)]);
}

/// Without a frame that goes through the base class, which would know.
#[test]
fn the_position_is_where_the_last_frame_ended() {
    let mut rig = plain_rig();
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

/// No frame follows with which upstream would learn of it.
#[test]
fn an_error_of_the_last_frame_is_told_at_the_end_of_the_stream() {
    for (flow, told) in [
        (gst::FlowError::NotNegotiated, true),
        (gst::FlowError::NotLinked, true),
        (gst::FlowError::Eos, false),
        (gst::FlowError::Flushing, false),
    ] {
        let mut rig = plain_rig();
        answer(&rig, flow);
        push(&mut rig, 0).unwrap();
        rig.harness.push_event(gst::event::Eos::new());
        let text = common::error_of(&rig.bus);
        assert_eq!(text.is_some(), told, "{flow:?}: {text:?}");
    }
    let mut rig = plain_rig();
    answer(&rig, gst::FlowError::NotLinked);
    push(&mut rig, 0).unwrap();
    drain(&mut rig);
    assert_eq!(push(&mut rig, 1), Err(gst::FlowError::NotLinked));
    rig.harness.push_event(gst::event::Eos::new());
    assert_eq!(common::error_of(&rig.bus), None, "upstream knows");
}

/// What finishes the last frames panics: a file must not look whole that is not.
#[test]
fn a_panic_in_the_last_frames_is_an_error_and_no_end() {
    let element = common::element("nearest");
    let frames = AtomicUsize::new(0);
    element
        .downcast_ref::<DloralVsr>()
        .unwrap()
        .set_finish_hook(Some(Arc::new(move || {
            assert!(frames.fetch_add(1, Ordering::SeqCst) < 2, "part of the test");
        })));
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(frame(0).caps());
    for number in 0..3 {
        push(&mut rig, number).unwrap();
    }
    assert!(!rig.harness.push_event(gst::event::Eos::new()), "the end is passed on");
    let (error, text) = wait_for_error(&rig.bus);
    assert!(
        error.matches(gst::StreamError::Failed) && text.contains("panicked"),
        "{text}"
    );
    assert_eq!(common::error_of(&rig.bus), None, "told twice");
    let events: Vec<_> = std::iter::from_fn(|| rig.harness.try_pull_event())
        .map(|event| event.type_())
        .collect();
    assert!(!events.contains(&gst::EventType::Eos), "{events:?}");
    assert_eq!(std::iter::from_fn(|| rig.harness.try_pull()).count(), 2);
}

/// Upstream learns of the panic by the next frame, and a source ends the stream then.
#[test]
fn a_file_that_misses_frames_does_not_look_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.mov");
    let pipeline = Running::launch(
        "videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=32,height=32,framerate=25/1 ! \
         dloralvsr name=vsr execution-provider=cpu ! jpegenc ! qtmux ! filesink name=file",
    );
    let vsr = pipeline.element("vsr");
    vsr.set_property("model", pack("nearest").to_str().unwrap());
    pipeline
        .element("file")
        .set_property("location", file.to_str().unwrap());
    let frames = AtomicUsize::new(0);
    vsr.downcast_ref::<DloralVsr>()
        .unwrap()
        .set_finish_hook(Some(Arc::new(move || {
            assert!(frames.fetch_add(1, Ordering::SeqCst) < 10, "part of the test");
        })));
    pipeline.play();
    let (_, text) = wait_for_error(&pipeline.bus());
    assert!(text.contains("panicked"), "{text}");
    let more = pipeline
        .bus()
        .timed_pop_filtered(gst::ClockTime::from_mseconds(200), &[gst::MessageType::Eos]);
    assert!(more.is_none());
    pipeline.0.set_state(gst::State::Null).unwrap();
    // The index, which makes a file of it, is written last.
    let bytes = std::fs::read(&file).unwrap();
    assert!(
        !bytes.windows(4).any(|name| name == b"moov"),
        "{} bytes look whole",
        bytes.len()
    );
}

/// Behind the frame that ends the stream, none comes out that was in flight with it.
#[test]
fn nothing_comes_out_behind_a_fatal_error() {
    let model = Model::new();
    let mut rig = rig(model.hook());
    rig.element.set_property("max-errors", 1_u32);
    push(&mut rig, 0).unwrap();
    assert_out(&mut rig, &[(0, 0)]);
    model.fail(&[GraphErrorKind::Other]);
    let flows: Vec<_> = (1..6).map(|number| push(&mut rig, number)).collect();
    drain(&mut rig);
    assert_eq!(push(&mut rig, 6), Err(gst::FlowError::Error));
    assert!(rig.harness.try_pull().is_none(), "{flows:?}");
    let (_, text) = wait_for_error(&rig.bus);
    assert!(text.contains("the test wants it so"), "{text}");
}

#[test]
fn the_frame_behind_a_refused_one_is_a_discontinuity() {
    let mut rig = plain_rig();
    push(&mut rig, 0).unwrap();
    rig.harness.push(gst::Buffer::with_size(100).unwrap()).unwrap();
    push(&mut rig, 2).unwrap();
    push(&mut rig, 3).unwrap();
    drain(&mut rig);
    assert_eq!(discontinuities(&mut rig)[1..], [true, false]);
}

/// Whatever the depth, and whoever pushes.
#[test]
fn only_the_frame_that_is_a_discontinuity_is_marked() {
    let mut rig = plain_rig();
    let next = push_until_two(&mut rig, 0);
    let mut marked = frame(next).buffer(next as u64);
    marked.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
    rig.harness.push(marked).unwrap();
    push(&mut rig, next + 1).unwrap();
    drain(&mut rig);
    rig.element.set_property_from_str("overload", "drop");
    live::set_latency(&mut rig, live::AMPLE);
    push(&mut rig, next + 2).unwrap();
    push(&mut rig, next + 3).unwrap();
    drain(&mut rig);
    assert_eq!(discontinuities(&mut rig), [true, false, false, false]);
}

/// From one frame at a time to two.
#[test]
fn a_second_frame_at_a_time_is_no_discontinuity() {
    let mut rig = plain_rig();
    let mut marked = frame(0).buffer(0);
    marked.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
    rig.harness.push(marked).unwrap();
    let mut number = 1;
    while live::depth(&rig) < 2 {
        push(&mut rig, number).unwrap();
        drain(&mut rig);
        number += 1;
        assert!(number < 5000, "there was one frame at a time for ever");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    for behind in number..number + 3 {
        push(&mut rig, behind).unwrap();
    }
    drain(&mut rig);
    let flags = discontinuities(&mut rig);
    assert_eq!(flags.len(), number + 3);
    assert!(flags[0] && !flags[1..].contains(&true), "{flags:?}");
}

/// Frames that downstream did not take are missing, and so is the one with which upstream learnt of it.
#[test]
fn the_frame_behind_those_that_downstream_refused_is_a_discontinuity() {
    for flow in [gst::FlowError::NotLinked, gst::FlowError::NotNegotiated] {
        let mut rig = plain_rig();
        push(&mut rig, 0).unwrap();
        drain(&mut rig);
        let probe = answer(&rig, flow);
        push(&mut rig, 1).unwrap();
        drain(&mut rig);
        assert_eq!(push(&mut rig, 2), Err(flow));
        rig.element.static_pad("src").unwrap().remove_probe(probe);
        push(&mut rig, 3).unwrap();
        push(&mut rig, 4).unwrap();
        drain(&mut rig);
        assert_eq!(discontinuities(&mut rig)[1..], [true, false], "{flow:?}");
    }
}

#[test]
fn a_failure_from_before_a_flush_is_not_counted_after_it() {
    let model = Model::new();
    let mut rig = rig(model.hook());
    rig.element.set_property("max-errors", 2_u32);
    for number in 0..4 {
        model.fail(&[GraphErrorKind::Other]);
        push(&mut rig, number).unwrap();
        drain(&mut rig);
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        rig.harness
            .push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    }
    push(&mut rig, 4).unwrap();
    drain(&mut rig);
    assert_eq!(common::error_of(&rig.bus), None);
    live::check_counts(&rig, [5, 1, 4, 0]);
}

/// The model fails while a seek is flushing, with the frame that was in flight before it.
#[test]
fn a_failure_of_a_frame_from_before_a_seek_ends_nothing() {
    let pipeline = Running::launch(
        "videotestsrc ! video/x-raw,format=RGB,width=32,height=32,framerate=25/1 ! \
         dloralvsr name=vsr execution-provider=cpu intra-threads=2 max-errors=1 ! appsink name=sink sync=false max-buffers=1",
    );
    let vsr = pipeline.element("vsr");
    vsr.set_property("model", pack("nearest").to_str().unwrap());
    // The third frame is held, and fails.
    let (held, is_held) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (calls, released) = (AtomicUsize::new(0), Mutex::new(released));
    let hook: Hook = Arc::new(move |graph| match graph {
        Graph::Encoder if calls.fetch_add(1, Ordering::SeqCst) == 2 => {
            held.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
            let (kind, message) = (GraphErrorKind::Other, "the test wants it so".to_owned());
            Err(GraphError { graph, kind, message })
        }
        _ => Ok(()),
    });
    vsr.downcast_ref::<DloralVsr>().unwrap().set_hook(Some(hook));
    let sink = pipeline.element("sink").downcast::<gst_app::AppSink>().unwrap();
    pipeline.play();
    is_held.recv_timeout(common::TIMEOUT).expect("a third frame");
    let target = gst::ClockTime::from_seconds(5);
    let sought = pipeline.0.clone();
    within_timeout("a seek", move || {
        sought.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, target)
    })
    .unwrap();
    release.send(()).unwrap();
    let timeout = gst::ClockTime::from_nseconds(common::TIMEOUT.as_nanos() as u64);
    for number in 0..5 {
        let sample = sink.try_pull_sample(timeout).expect("a frame");
        let pts = sample.buffer().unwrap().pts().unwrap();
        assert_eq!(pts, target + gst::ClockTime::from_mseconds(40) * number);
    }
    assert_eq!(common::error_of(&pipeline.bus()), None);
    let stats = vsr.property::<gst::Structure>("stats");
    assert_eq!(
        (stats.get::<u64>("errors"), stats.get::<u64>("bypassed")),
        (Ok(0), Ok(0))
    );
}

#[test]
fn only_pushing_is_offered_downstream() {
    let rig = plain_rig();
    let mut query = gst::query::Scheduling::new();
    assert!(rig.harness.sinkpad().unwrap().peer_query(&mut query));
    assert!(query.has_scheduling_mode(gst::PadMode::Push) && !query.has_scheduling_mode(gst::PadMode::Pull));
}

/// Whatever upstream can: frames leave on a thread of the element's own.
#[test]
fn pull_mode_is_refused() {
    let element = common::element("nearest");
    let upstream = gst::Pad::builder(gst::PadDirection::Src)
        .activatemode_function(|_, _, _, _| Ok(()))
        .getrange_function(|_, _, _, _, _| Err(gst::FlowError::Eos))
        .build();
    upstream.link(&element.static_pad("sink").unwrap()).unwrap();
    let src = element.static_pad("src").unwrap();
    assert!(src.activate_mode(gst::PadMode::Pull, true).is_err());
    let modes = [&src, &element.static_pad("sink").unwrap(), &upstream].map(|pad| pad.mode());
    assert_eq!(modes, [gst::PadMode::None; 3], "nobody pulls");
    // And it starts as ever.
    element.set_state(gst::State::Paused).unwrap();
    assert_eq!(src.mode(), gst::PadMode::Push);
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn upstream_learns_that_crops_are_applied() {
    let rig = plain_rig();
    let caps = frame(0).caps();
    let mut query = gst::query::Allocation::new(Some(&caps), true);
    assert!(rig.harness.srcpad().unwrap().peer_query(&mut query));
    for meta in [gst_video::VideoMeta::meta_api(), gst_video::VideoCropMeta::meta_api()] {
        let offered = query.allocation_metas().filter(|(offered, _)| *offered == meta).count();
        assert_eq!(offered, 1, "{meta}");
    }
}

/// "not-negotiated" is all that GStreamer says.
#[test]
fn the_bus_says_once_why_caps_are_refused() {
    let warnings = |rig: &Rig| {
        let messages = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Warning]));
        let text = |message: gst::Message| match message.view() {
            gst::MessageView::Warning(warning) => {
                assert!(warning.error().matches(gst::StreamError::Format));
                warning.error().message().to_owned()
            }
            _ => unreachable!("only warnings are asked for"),
        };
        messages.map(text).collect::<Vec<_>>()
    };
    for (refused, remedy) in [
        ("format=RGB, width=32, height=32, interlace-mode=mixed", "deinterlace"),
        (
            "format=RGB, width=32, height=32, interlace-mode=interleaved",
            "deinterlace",
        ),
        ("format=I420_10LE, width=32, height=32", "videoconvert"),
        ("format=GRAY8, width=32, height=32", "videoconvert"),
        ("format=RGB, width=8, height=32", "width 8"),
        ("format=RGB, width=32, height=8192", "height 8192"),
    ] {
        let caps: gst::Caps = format!("video/x-raw, {refused}, framerate=25/1").parse().unwrap();
        let mut rig = plain_rig();
        push(&mut rig, 0).unwrap();
        // Whoever only asks may have something else.
        assert!(!rig.element.static_pad("sink").unwrap().query_accept_caps(&caps));
        assert_eq!(warnings(&rig), [""; 0], "{refused}: asked");
        for _ in 0..3 {
            rig.harness.push_event(gst::event::Caps::new(&caps));
        }
        let told = warnings(&rig);
        assert!(told.len() == 1 && told[0].contains(remedy), "{refused}: {told:?}");
    }
}

/// Of a source that has nothing else no caps come: it asks what is possible of that, and gives up.
#[test]
fn the_bus_says_why_a_source_has_nothing_that_is_accepted() {
    let pipeline =
        Running::launch("videotestsrc ! capsfilter name=wish ! dloralvsr name=vsr execution-provider=cpu ! fakesink");
    let wish: gst::Caps = "video/x-raw, format=I420_10LE, width=32, height=32".parse().unwrap();
    pipeline.element("wish").set_property("caps", wish);
    let vsr = pipeline.element("vsr");
    vsr.set_property("model", pack("nearest").to_str().unwrap());
    pipeline.try_to_play();
    let message = common::wait_for(&pipeline.bus(), &[gst::MessageType::Warning, gst::MessageType::Error]);
    let gst::MessageView::Warning(warning) = message.view() else {
        panic!("{message:?}");
    };
    assert!(
        warning.error().message().contains("videoconvert"),
        "{}",
        warning.error()
    );
}
