//! A model that fails while the stream runs: the frame goes out bypassed and in its place, and the user is told once.
use std::sync::Arc;

use crate::common::live::{self, AMPLE, Model, NONE, bicubic, check_counts, push, push_picture, push_the_last};
use crate::common::picture::Picture;
use crate::common::{Rig, nearest, reference_with, wait_for};
use gst::prelude::*;
use gst_video::VideoFormat;
use gstdloralvsr::restore::GraphErrorKind::{DeviceLost, Other, OutOfMemory};

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 34, 30, time)
}

/// Streams that are live, and that are not.
fn rigs(model: &Arc<Model>) -> [Rig; 2] {
    let live = live::rig("nearest", model, &frame(0), AMPLE);
    let mut file = Rig::with(&live::element_with("nearest", model));
    file.harness.set_src_caps(frame(0).caps());
    [live, file]
}

/// A stream that is not live.
fn file_rig(model: &Arc<Model>, max_errors: u32) -> Rig {
    let element = live::element_with("nearest", model);
    element.set_property("max-errors", max_errors);
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(frame(0).caps());
    rig
}

/// Those about failures: a stream that has no time may be warned of that too.
fn warnings(bus: &gst::Bus) -> Vec<String> {
    let messages = std::iter::from_fn(|| bus.pop());
    let text = |message: gst::Message| match message.view() {
        gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
        _ => None,
    };
    let about_failures = |text: &String| !text.contains("for the time being");
    messages.filter_map(text).filter(about_failures).collect()
}

fn pixels_after(current: usize, previous: usize) -> Vec<[u8; 3]> {
    nearest::restored(&frame(current), &frame(previous))
}

#[test]
fn a_frame_that_fails_goes_out_bypassed_in_its_place_with_one_warning() {
    for kind in [Other, DeviceLost] {
        let model = Model::new();
        for mut rig in rigs(&model) {
            push(&mut rig, &frame(0), 0);
            model.fail(&[kind, kind, kind]);
            for index in 1..4 {
                let buffer = push(&mut rig, &frame(index), index as u64).expect("a frame");
                assert_eq!(buffer.pts(), Some(gst::ClockTime::from_mseconds(40) * index as u64));
            }
            let told = warnings(&rig.bus);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(
                told[0].contains("the test wants it so") && told[0].contains("max-errors"),
                "{told:?}"
            );
            if kind == DeviceLost {
                assert!(told[0].contains("stop and start the stream"), "{told:?}");
            }
            push(&mut rig, &frame(4), 4);
            check_counts(&rig, [5, 2, 3, 0]);
            assert_eq!(rig.count("errors"), 3);
            // What failed is not in the window.
            rig.element.set_property_from_str("overload", "wait");
            let output = push_picture(&mut rig, &frame(5), 5);
            assert!(nearest::pixels(&output) == pixels_after(5, 4));
        }
    }
}

#[test]
fn a_failed_frame_is_the_hosts_enlargement_and_the_next_is_paired_with_itself() {
    let model = Model::new();
    let mut rig = Rig::with(&live::element_with("nearest", &model));
    rig.harness.set_src_caps(frame(0).caps());
    push(&mut rig, &frame(0), 0);
    model.fail(&[Other]);
    assert!(push_picture(&mut rig, &frame(1), 1) == bicubic(&frame(1)));
    assert!(nearest::pixels(&push_picture(&mut rig, &frame(2), 2)) == pixels_after(2, 2));
    assert!(nearest::pixels(&push_picture(&mut rig, &frame(3), 3)) == pixels_after(3, 2));
}

#[test]
fn failures_that_are_not_in_a_row_are_warned_of_each_time_and_end_nothing() {
    let model = Model::new();
    let mut rig = Rig::with(&live::element_with("nearest", &model));
    rig.harness.set_src_caps(frame(0).caps());
    for index in 0..12 {
        if index % 2 == 0 {
            model.fail(&[Other]);
        }
        push(&mut rig, &frame(index), index as u64).expect("a frame");
    }
    assert_eq!(warnings(&rig.bus).len(), 6);
    check_counts(&rig, [12, 6, 6, 0]);
}

#[test]
fn as_many_failures_in_a_row_as_max_errors_end_the_stream() {
    for (max_errors, bypassed) in [(1_u32, 0), (3, 2), (5, 4)] {
        let model = Model::new();
        let mut rig = file_rig(&model, max_errors);
        model.fail(&[Other; 5]);
        for index in 0..bypassed {
            push(&mut rig, &frame(0), index).expect("a bypassed frame");
        }
        let flow = push_the_last(&mut rig, &frame(0), bypassed);
        assert_eq!(flow, gst::FlowError::Error, "max-errors={max_errors}");
        let (error, text) = crate::common::wait_for_error(&rig.bus);
        assert!(
            error.matches(gst::StreamError::Failed) && text.contains("the test wants it so"),
            "{text}"
        );
        check_counts(&rig, [bypassed + 1, 0, bypassed, 1]);
    }
}

#[test]
fn with_max_errors_0_the_stream_never_ends() {
    let model = Model::new();
    let mut rig = file_rig(&model, 0);
    model.fail(&[Other; 50]);
    for index in 0..50 {
        push(&mut rig, &frame(0), index).expect("a bypassed frame");
    }
    push(&mut rig, &frame(1), 50).expect("a restored frame");
    assert_eq!(warnings(&rig.bus).len(), 1);
    check_counts(&rig, [51, 1, 50, 0]);
}

#[test]
fn max_errors_that_is_lowered_ends_the_stream_with_the_next_failure() {
    let model = Model::new();
    let mut rig = file_rig(&model, 0);
    model.fail(&[Other; 10]);
    for index in 0..8 {
        push(&mut rig, &frame(0), index).expect("a bypassed frame");
    }
    rig.element.set_property("max-errors", 3_u32);
    assert_eq!(push_the_last(&mut rig, &frame(0), 8), gst::FlowError::Error);
}

/// While bypassed, nobody waits for a trial; its failure is told and counted none the less.
#[test]
fn a_trial_that_fails_is_a_failure_like_others() {
    let model = Model::new();
    let mut rig = live::rig("nearest", &model, &frame(0), NONE);
    model.fail(&[Other]);
    push(&mut rig, &frame(0), 0);
    let mut index = 1;
    while rig.count("errors") == 0 {
        push(&mut rig, &frame(0), index);
        index += 1;
        assert!(index < 10_000);
    }
    assert_eq!(warnings(&rig.bus).len(), 1);
    assert_eq!(rig.count("frames-in"), rig.count("bypassed"));
}

/// Once: smaller tiles, with a warning that says so; the frame is restored.
#[test]
fn out_of_memory_is_tried_again_with_smaller_tiles_once() {
    let model = Model::new();
    let mut rig = Rig::with(&live::element_with("nearest", &model));
    rig.harness.set_src_caps(frame(0).caps());
    push(&mut rig, &frame(0), 0);
    let calls_of_a_frame = {
        let before = model.calls();
        push(&mut rig, &frame(1), 1);
        model.calls() - before
    };
    model.fail(&[OutOfMemory]);
    push(&mut rig, &frame(2), 2).expect("a frame");
    let told = warnings(&rig.bus);
    assert!(
        told.len() == 1 && told[0].contains("Memory ran out") && told[0].contains("tile-size"),
        "{told:?}"
    );
    check_counts(&rig, [3, 3, 0, 0]);
    let before = model.calls();
    push(&mut rig, &frame(3), 3);
    assert!(model.calls() - before > calls_of_a_frame, "tiles are not smaller");
    // It does not help a second time.
    model.fail(&[OutOfMemory]);
    let output = push_picture(&mut rig, &frame(4), 4);
    assert!(output == bicubic(&frame(4)));
    let told = warnings(&rig.bus);
    assert!(
        told.len() == 1 && told[0].contains("set a smaller tile-size"),
        "{told:?}"
    );
    check_counts(&rig, [5, 4, 1, 0]);
}

/// Tiles of half the side give nearly the same picture: they are blended.
#[test]
fn smaller_tiles_show_the_same_picture() {
    let model = Model::new();
    let mut rig = Rig::with(&live::element_with("nearest", &model));
    rig.harness.set_src_caps(frame(0).caps());
    model.fail(&[OutOfMemory]);
    let output = push_picture(&mut rig, &frame(0), 0);
    let expected = &reference_with("nearest", &[frame(0)], crate::common::without_scene_cuts())[0];
    let worst = output
        .data
        .iter()
        .zip(&expected.data)
        .map(|(a, b)| a.abs_diff(*b))
        .max();
    assert!(worst.unwrap() <= 1, "{worst:?} levels");
}

/// A bug in a graph's code: each frame fails by itself, and the element says so instead of waiting for ever.
#[test]
fn a_model_that_panics_ends_the_stream_after_max_errors() {
    let element = crate::common::element("nearest");
    let hook = |_| -> Result<(), gstdloralvsr::restore::GraphError> { panic!("part of the test") };
    element
        .downcast_ref::<gstdloralvsr::element::DloralVsr>()
        .unwrap()
        .set_hook(Some(Arc::new(hook)));
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(frame(0).caps());
    for index in 0..4 {
        push(&mut rig, &frame(0), index).expect("a bypassed frame");
    }
    assert_eq!(push_the_last(&mut rig, &frame(0), 4), gst::FlowError::Error);
    let message = wait_for(&rig.bus, &[gst::MessageType::Error]);
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(error.error().message().contains("panicked"), "{error:?}");
}
