//! What GStreamer asks of an element: flow returns, ends and errors, DISCONT, pull mode, refused caps.
#![cfg(feature = "plugin")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::in_flight::{answer, assert_out, discontinuities, frame, push, push_until_two, rig, unhooked_rig};
use common::live::{self, Model, drain};
use common::{Rig, Running, pack, wait_for_error, within_timeout};
use gst::prelude::*;
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{GraphError, GraphErrorKind, Hook};

#[test]
fn what_downstream_answers_reaches_upstream_with_the_next_frame() {
    for flow in [gst::FlowError::NotLinked, gst::FlowError::NotNegotiated] {
        let mut rig = unhooked_rig();
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
    let mut rig = unhooked_rig();
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

/// No frame follows with which upstream would learn of it.
#[test]
fn an_error_of_the_last_frame_is_told_at_the_end_of_the_stream() {
    for (flow, told) in [
        (gst::FlowError::NotNegotiated, true),
        (gst::FlowError::NotLinked, true),
        (gst::FlowError::Eos, false),
        (gst::FlowError::Flushing, false),
    ] {
        let mut rig = unhooked_rig();
        answer(&rig, flow);
        push(&mut rig, 0).unwrap();
        rig.harness.push_event(gst::event::Eos::new());
        let text = common::error_of(&rig.bus);
        assert_eq!(text.is_some(), told, "{flow:?}: {text:?}");
    }
    let mut rig = unhooked_rig();
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

/// Stopping does not wait for what is written at that moment.
#[test]
fn no_frame_of_a_run_comes_out_in_the_next() {
    let element = common::element("nearest");
    let (begun, begins) = mpsc::channel();
    let frames = AtomicUsize::new(0);
    let hook = move || {
        if frames.fetch_add(1, Ordering::SeqCst) == 0 {
            begun.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(300));
        }
    };
    element
        .downcast_ref::<DloralVsr>()
        .unwrap()
        .set_finish_hook(Some(Arc::new(hook)));
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(frame(0).caps());
    push(&mut rig, 0).unwrap();
    begins.recv().unwrap();
    element.set_state(gst::State::Ready).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(rig.harness.try_pull().is_none());
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
    let mut rig = unhooked_rig();
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
    let mut rig = unhooked_rig();
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
    let mut rig = unhooked_rig();
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
        let mut rig = unhooked_rig();
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
    let rig = unhooked_rig();
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
    let rig = unhooked_rig();
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
        let mut rig = unhooked_rig();
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
