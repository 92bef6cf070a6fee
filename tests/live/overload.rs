//! Live streams whose frames would come late: what goes out, what is told, when restoration comes back.
use std::sync::Arc;

use crate::common::live::{
    self, AMPLE, Model, NONE, bicubic, check_counts, mean_difference, push, push_picture, set_latency, states,
};
use crate::common::picture::Picture;
use crate::common::{Rig, nearest, within_timeout};
use gst::prelude::*;
use gst_video::VideoFormat;

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 34, 18, time)
}

fn rig(model: &Arc<Model>, latency: gst::ClockTime) -> Rig {
    live::rig("nearest", model, &frame(0), latency)
}

/// Pushes frame `current` and demands that it has been restored together with frame `previous`.
#[track_caller]
fn assert_restored(rig: &mut Rig, current: usize, previous: usize) {
    let output = push_picture(rig, &frame(current), current as u64);
    let pixels = nearest::pixels(&output);
    let partner = (0..20).find(|time| pixels == nearest::restored(&frame(current), &frame(*time)));
    assert_eq!(partner, Some(previous), "frame {current}");
}

#[track_caller]
fn assert_bypassed(rig: &mut Rig, index: usize) {
    let output = push_picture(rig, &frame(index), index as u64);
    // The mean of a picture may still be that of restored ones before it, within a few levels.
    let difference = mean_difference(&output, &bicubic(&frame(index)));
    assert!(
        difference < 2.0,
        "frame {index} differs from a bicubic one by {difference}"
    );
}

/// Pushes frames, each once the one before has been restored beside the stream if it was given, until one is restored.
fn push_until_restored(rig: &mut Rig, model: &Arc<Model>, first: usize) -> usize {
    let mut index = first;
    loop {
        let (before, bypassed) = (rig.count("restored"), model.calls());
        push(rig, &frame(index), index as u64).unwrap();
        if rig.count("restored") > before {
            return index;
        }
        if model.calls() > bypassed || model.begun() > 0 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        index += 1;
        assert!(index < first + 5000, "restoration never came back");
    }
}

#[test]
fn a_live_stream_with_time_enough_is_restored() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    assert_restored(&mut rig, 0, 0);
    for index in 1..10 {
        assert_restored(&mut rig, index, index - 1);
    }
    assert_eq!(states(&rig.bus), ["restoring"]);
    check_counts(&rig, [10, 10, 0, 0]);
}

#[test]
fn auto_bypasses_live_streams_and_waits_in_others() {
    for live in [true, false] {
        let model = Model::new();
        let mut rig = Rig::with(&live::element_with("nearest", &model));
        rig.harness.set_live(live);
        rig.harness.set_src_caps(frame(0).caps());
        set_latency(&mut rig, NONE);
        live::wait_for_model(&rig.element);
        for index in 0..5 {
            push(&mut rig, &frame(index), index as u64).expect("a frame");
        }
        let [restored, bypassed] = ["restored", "bypassed"].map(|field| rig.count(field));
        assert_eq!((restored, bypassed), if live { (0, 5) } else { (5, 0) }, "live: {live}");
    }
}

/// The pixels are those of the host's upscaler, the times those of the input.
#[test]
fn a_frame_without_time_is_upscaled_plainly() {
    let model = Model::new();
    let mut rig = rig(&model, NONE);
    for index in 0..5 {
        let buffer = push(&mut rig, &frame(index), index as u64).expect("a frame");
        let caps = rig.harness.sinkpad().unwrap().current_caps().unwrap();
        assert!(
            Picture::of_buffer(&buffer, &caps) == bicubic(&frame(index)),
            "frame {index}"
        );
        assert_eq!(buffer.pts(), Some(gst::ClockTime::from_mseconds(40) * index as u64));
        assert_eq!(buffer.duration(), Some(gst::ClockTime::from_mseconds(40)));
    }
    assert_eq!(states(&rig.bus), ["bypassing"]);
    check_counts(&rig, [5, 0, 5, 0]);
}

/// The model is at a frame for ever: that one and those after it go out none the less, and so does the element.
#[test]
fn a_frame_that_is_not_done_in_time_is_left_to_the_pipeline() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    assert_restored(&mut rig, 0, 0);
    model.hold(true);
    set_latency(&mut rig, gst::ClockTime::from_mseconds(60));
    for index in 1..6 {
        assert_bypassed(&mut rig, index);
    }
    assert_eq!(states(&rig.bus), ["restoring", "bypassing"]);
    check_counts(&rig, [6, 1, 5, 0]);
    let element = rig.element.clone();
    within_timeout("going to NULL", move || element.set_state(gst::State::Null).unwrap());
    model.hold(false);
}

/// Mean difference in luma, which detail is of.
fn luma_difference(a: &Picture, b: &Picture) -> f64 {
    let luma =
        |[red, green, blue]: [u8; 3]| 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
    let pairs = nearest::pixels(a).into_iter().zip(nearest::pixels(b));
    let differences: Vec<f64> = pairs.map(|(a, b)| (luma(a) - luma(b)).abs()).collect();
    differences.iter().sum::<f64>() / differences.len() as f64
}

/// The model is at a frame for ever; what it restored before it is where the detail comes from.
#[test]
fn bypassed_frames_have_the_detail_of_a_restored_one() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    rig.element.set_property("propagate-detail", true);
    let still = frame(0);
    let restored = push_picture(&mut rig, &still, 0);
    model.hold(true);
    set_latency(&mut rig, gst::ClockTime::from_mseconds(60));
    let mut with_detail = 0;
    for index in 1..8 {
        let before = rig.count("propagated");
        let output = push_picture(&mut rig, &still, index);
        let is_propagated = rig.count("propagated") > before;
        if is_propagated {
            let (near, far) = (
                luma_difference(&output, &restored),
                luma_difference(&output, &bicubic(&still)),
            );
            assert!(
                near < far / 2.0,
                "{near} from the restored picture, {far} from the bicubic one"
            );
            with_detail += 1;
        }
    }
    assert!(with_detail > 2, "{with_detail}");
    let [frames, bypassed] = ["frames-out", "bypassed"].map(|name| rig.count(name));
    assert_eq!((frames, bypassed), (8, 7));
    model.hold(false);
}

/// The first frame is paired with itself unless the trial before it was the frame before it: never with an older one.
#[test]
fn restoration_comes_back_with_the_right_window() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    assert_restored(&mut rig, 0, 0);
    set_latency(&mut rig, NONE);
    for index in 1..6 {
        assert_bypassed(&mut rig, index);
    }
    set_latency(&mut rig, AMPLE);
    let back = push_until_restored(&mut rig, &model, 6);
    set_latency(&mut rig, AMPLE);
    // The picture after next is free of what the change of colours does.
    let first = back + 1;
    for index in first..first + 24 {
        push(&mut rig, &frame(index), index as u64);
    }
    let settled = first + 24;
    let output = push_picture(&mut rig, &frame(settled), settled as u64);
    assert!(nearest::pixels(&output) == nearest::restored(&frame(settled), &frame(settled - 1)));
    assert_eq!(states(&rig.bus), ["restoring", "bypassing", "restoring"]);
    let [frames_in, out, dropped] = ["frames-in", "frames-out", "dropped"].map(|field| rig.count(field));
    assert_eq!((frames_in, dropped), (out, 0));
}

#[test]
fn a_change_of_state_is_told_once_with_reason_and_figures() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    push(&mut rig, &frame(0), 0);
    model.hold(true);
    set_latency(&mut rig, gst::ClockTime::from_mseconds(50));
    for index in 1..20 {
        push(&mut rig, &frame(index), index as u64);
    }
    model.hold(false);
    let messages: Vec<_> = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Element])).collect();
    assert_eq!(messages.len(), 2);
    let structure = messages[1].structure().unwrap();
    assert_eq!(structure.get::<&str>("state").unwrap(), "bypassing");
    let (needed, available) = (structure.get::<f64>("needed-ms"), structure.get::<f64>("available-ms"));
    let (needed, available) = (needed.unwrap(), available.unwrap());
    assert!(available <= 50.0 && needed >= available);
    let reason = structure.get::<&str>("reason").unwrap();
    assert!(
        reason.contains("ms were left") && reason.contains("processing-latency"),
        "{reason}"
    );
    assert_eq!(
        structure.get::<gst::ClockTime>("running-time").unwrap(),
        gst::ClockTime::from_mseconds(160),
        "the first frames that miss their deadline may be exceptions"
    );
    let stats = rig.element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<&str>("state").unwrap(), "bypassing");
    assert!(stats.get::<f64>("bypass-ms-median").unwrap() > 0.0);
}

/// After a start a stream may need a moment, and a warning would be about nothing.
#[test]
fn frames_that_are_bypassed_for_a_second_are_no_warning() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    push(&mut rig, &frame(0), 0);
    set_latency(&mut rig, NONE);
    for index in 1..25 {
        push(&mut rig, &frame(index), index as u64);
    }
    set_latency(&mut rig, AMPLE);
    push_until_restored(&mut rig, &model, 25);
    let stats = rig.element.property::<gst::Structure>("stats");
    assert!(stats.get::<u64>("bypassed").unwrap() > 10);
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Warning]).is_none());
}

/// For whoever does not read element messages.
#[test]
fn the_first_time_that_frames_are_bypassed_for_long_is_a_warning() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    push(&mut rig, &frame(0), 0);
    set_latency(&mut rig, NONE);
    for index in 1..60 {
        push(&mut rig, &frame(index), index as u64);
    }
    set_latency(&mut rig, AMPLE);
    let index = push_until_restored(&mut rig, &model, 60);
    set_latency(&mut rig, NONE);
    for index in index + 1..index + 60 {
        push(&mut rig, &frame(index), index as u64);
    }
    let warnings: Vec<_> = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Warning])).collect();
    assert_eq!(warnings.len(), 1);
    let gst::MessageView::Warning(warning) = warnings[0].view() else {
        unreachable!()
    };
    let text = warning.error().message().to_owned();
    assert!(
        text.contains("go out bicubic") && text.contains("processing-latency"),
        "{text}"
    );
}

/// A player whose sink drops what comes too late: where every frame is restored, nothing else would tell why it stands.
#[test]
fn frames_that_all_come_late_where_each_is_waited_for_are_a_warning() {
    for (overload, expected) in [("wait", 1), ("bypass", 0)] {
        let model = Model::new();
        let mut rig = Rig::with(&live::element_with("nearest", &model));
        rig.element.set_property_from_str("overload", overload);
        rig.harness.set_live(false);
        rig.harness.set_src_caps(frame(0).caps());
        live::wait_for_model(&rig.element);
        for index in 0..30 {
            push(&mut rig, &frame(index), index as u64).expect("a frame");
            let late = gst::ClockTime::from_mseconds(50).nseconds() as i64;
            let time = gst::ClockTime::from_mseconds(40) * index as u64;
            let qos = gst::event::Qos::new(gst::QOSType::Underflow, 2.0, late, time);
            assert!(rig.harness.push_upstream_event(qos));
        }
        let is_it = |message: &gst::Message| match message.view() {
            gst::MessageView::Warning(warning) => warning.error().message().contains("overload=bypass"),
            _ => false,
        };
        let told = std::iter::from_fn(|| rig.bus.pop()).filter(is_it).count();
        assert_eq!(told, expected, "{overload}");
    }
}

#[test]
fn late_frames_are_dropped_with_qos_messages_when_asked_for() {
    let model = Model::new();
    let element = live::element_with("nearest", &model);
    element.set_property_from_str("overload", "drop");
    let mut rig = Rig::with(&element);
    rig.harness.set_live(true);
    rig.harness.set_src_caps(frame(0).caps());
    live::wait_for_model(&rig.element);
    set_latency(&mut rig, AMPLE);
    assert_restored(&mut rig, 0, 0);
    set_latency(&mut rig, NONE);
    for index in 1..4 {
        assert!(push(&mut rig, &frame(index), index as u64).is_none(), "frame {index}");
    }
    set_latency(&mut rig, AMPLE);
    // Frames are missing before it.
    assert_restored(&mut rig, 4, 4);
    assert_restored(&mut rig, 5, 4);
    check_counts(&rig, [6, 3, 0, 3]);
    let all: Vec<_> = std::iter::from_fn(|| rig.bus.pop()).collect();
    let messages: Vec<_> = all
        .iter()
        .filter(|message| message.type_() == gst::MessageType::Qos)
        .collect();
    assert_eq!(messages.len(), 3);
    for (message, index) in messages.into_iter().zip(1..) {
        let gst::MessageView::Qos(qos) = message.view() else {
            unreachable!()
        };
        assert!(qos.live());
        assert_eq!(qos.running_time(), Some(gst::ClockTime::from_mseconds(40) * index));
        assert_eq!(qos.timestamp(), qos.running_time());
        let (processed, dropped) = qos.stats();
        assert_eq!((processed.value(), dropped.value()), (1, index as i64));
        assert_eq!(dropped.format(), gst::Format::Buffers);
    }
    let states = all.iter().filter_map(live::state_of);
    assert_eq!(states.take(2).collect::<Vec<_>>(), ["restoring", "dropping"]);
}

/// Whether they were dropped before they were begun, or at their deadlines.
#[test]
fn the_frame_behind_dropped_ones_is_a_discontinuity() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    rig.element.set_property_from_str("overload", "drop");
    let marked = |buffer: Option<gst::Buffer>| buffer.map(|buffer| buffer.flags().contains(gst::BufferFlags::DISCONT));
    push(&mut rig, &frame(0), 0);
    set_latency(&mut rig, NONE);
    assert_eq!(marked(push(&mut rig, &frame(1), 1)), None);
    set_latency(&mut rig, AMPLE);
    assert_eq!(marked(push(&mut rig, &frame(2), 2)), Some(true));
    assert_eq!(marked(push(&mut rig, &frame(3), 3)), Some(false));
    model.hold(true);
    set_latency(&mut rig, gst::ClockTime::from_mseconds(100));
    assert_eq!(marked(push(&mut rig, &frame(4), 4)), None);
    model.hold(false);
    set_latency(&mut rig, AMPLE);
    assert_eq!(marked(push(&mut rig, &frame(5), 5)), Some(true));
}

/// The element takes QoS events itself: the base class, which would drop frames of them unseen, never gets any.
#[test]
fn the_base_class_drops_nothing_whatever_the_sink_says() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    rig.element.set_property("qos", true);
    assert_restored(&mut rig, 0, 0);
    for index in 1..5 {
        let late = gst::event::Qos::builder(gst::QOSType::Underflow, 3.0, gst::ClockTime::SECOND.nseconds() as i64)
            .timestamp(gst::ClockTime::from_seconds(9))
            .build();
        assert!(rig.harness.push_upstream_event(late));
        assert_restored(&mut rig, index, index - 1);
    }
    assert_eq!(rig.count("late"), 4);
    check_counts(&rig, [5, 5, 0, 0]);
}

/// What comes late at the sink although it left here in time gets less time here.
#[test]
fn the_sinks_qos_events_shorten_the_time_of_a_frame() {
    let model = Model::new();
    let mut rig = rig(&model, gst::ClockTime::from_mseconds(200));
    assert_restored(&mut rig, 0, 0);
    let late = gst::event::Qos::builder(gst::QOSType::Underflow, 1.0, gst::ClockTime::SECOND.nseconds() as i64).build();
    assert!(rig.harness.push_upstream_event(late));
    assert_bypassed(&mut rig, 1);
    assert_eq!(rig.count("late"), 1);
}

/// One frame that misses its deadline goes out bicubic, and changes nothing else.
#[test]
fn a_frame_that_is_late_by_way_of_exception_is_no_change_of_state() {
    let model = Model::new();
    let mut rig = rig(&model, AMPLE);
    assert_restored(&mut rig, 0, 0);
    model.hold(true);
    set_latency(&mut rig, gst::ClockTime::from_mseconds(50));
    assert_bypassed(&mut rig, 1);
    model.hold(false);
    set_latency(&mut rig, AMPLE);
    push(&mut rig, &frame(2), 2).expect("a frame");
    assert_eq!(states(&rig.bus), ["restoring"]);
    check_counts(&rig, [3, 2, 1, 0]);
}

/// A sink that shows a few frames a second says of each frame, late or not, how long it wants none.
#[test]
fn a_throttled_sink_does_not_shorten_the_time_of_a_frame() {
    let model = Model::new();
    let mut rig = rig(&model, gst::ClockTime::from_mseconds(200));
    assert_restored(&mut rig, 0, 0);
    let second = gst::ClockTime::SECOND.nseconds() as i64;
    let throttled = gst::event::Qos::builder(gst::QOSType::Throttle, 1.0, second).build();
    assert!(rig.harness.push_upstream_event(throttled));
    assert_restored(&mut rig, 1, 0);
    assert_eq!(rig.count("late"), 0);
}

#[test]
fn overload_may_be_turned_while_playing() {
    let model = Model::new();
    let mut rig = rig(&model, NONE);
    assert_bypassed(&mut rig, 0);
    rig.element.set_property_from_str("overload", "wait");
    // The frame before was given to the model as a trial.
    assert_restored(&mut rig, 1, 0);
    assert_restored(&mut rig, 2, 1);
    rig.element.set_property_from_str("overload", "bypass");
    assert_bypassed(&mut rig, 3);
    rig.element.set_property_from_str("overload", "wait");
    for index in 4..7 {
        push(&mut rig, &frame(index), index as u64).unwrap();
    }
    check_counts(&rig, [7, 5, 2, 0]);
    assert_eq!(states(&rig.bus), ["bypassing", "restoring", "bypassing", "restoring"]);
}

/// Bypassed frames keep the alpha plane as restored ones have it.
#[test]
fn alpha_and_every_format_are_the_same_in_bypassed_frames() {
    for format in crate::common::FORMATS {
        let picture = Picture::moving(format, 20, 18, 0);
        let model = Model::new();
        let mut bypassed = live::rig("nearest", &model, &picture, NONE);
        let mut restored = live::rig("nearest", &model, &picture, AMPLE);
        let (bypassed, restored) = (
            push_picture(&mut bypassed, &picture, 0),
            push_picture(&mut restored, &picture, 0),
        );
        let rgb = Picture::from_fn(VideoFormat::Rgb, 20, 18, |x, y, c| picture.rgb(x, y)[c]);
        let expected = bicubic(&rgb);
        for y in 0..72 {
            for x in 0..80 {
                assert_eq!(bypassed.rgb(x, y), expected.rgb(x, y), "{format} ({x}, {y})");
                assert_eq!(bypassed.alpha(x, y), restored.alpha(x, y), "{format} ({x}, {y})");
            }
        }
    }
}
