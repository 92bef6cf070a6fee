//! Another model while the stream runs.
#![cfg(feature = "plugin")]

mod common;

use common::picture::Picture;
use common::{Rig, pack, reference, wait_for, within_timeout};
use gst::prelude::*;
use gst_video::VideoFormat;

fn moving(count: usize) -> Vec<Picture> {
    (0..count)
        .map(|time| Picture::moving(VideoFormat::Rgb, 40, 40, time))
        .collect()
}

/// Waits until a model is open, or has failed to be.
fn wait_for_progress(bus: &gst::Bus, wanted: gst::ProgressType) {
    loop {
        let message = wait_for(bus, &[gst::MessageType::Progress]);
        let gst::MessageView::Progress(progress) = message.view() else {
            unreachable!("only progress is asked for")
        };
        if progress.get().0 == wanted {
            return;
        }
    }
}

fn set_model(rig: &Rig, name: &str) {
    rig.element.set_property("model", pack(name).to_str().unwrap());
}

#[test]
fn another_model_takes_over_between_two_frames() {
    let pictures = moving(6);
    let (before, after) = (
        reference("nearest", &pictures[..2]),
        reference("upscaled", &pictures[2..]),
    );
    let mut rig = Rig::for_picture("nearest", &pictures[0]);
    let mut restored: Vec<_> = (0..2)
        .map(|index| rig.restore(&pictures[index], index as u64))
        .collect();
    wait_for_progress(&rig.bus, gst::ProgressType::Complete);
    set_model(&rig, "upscaled");
    wait_for_progress(&rig.bus, gst::ProgressType::Complete);
    restored.extend((2..6).map(|index| rig.restore(&pictures[index], index as u64)));
    assert!(restored[..2] == before);
    // Its first frame has no frame before it: the former model's latent is of another kind.
    assert!(restored[2..] == after);
    assert_eq!(rig.count("restored"), 6);
}

/// Also where two frames are in flight at a time, as in files.
#[test]
fn models_take_turns_and_no_frame_is_lost() {
    let pictures = moving(40);
    let mut rig = Rig::for_picture("nearest", &pictures[0]);
    wait_for_progress(&rig.bus, gst::ProgressType::Complete);
    for (index, picture) in pictures.iter().enumerate() {
        if index % 8 == 4 {
            set_model(&rig, if index % 16 == 4 { "upscaled" } else { "nearest" });
            wait_for_progress(&rig.bus, gst::ProgressType::Complete);
        }
        rig.harness.push(picture.buffer(index as u64)).unwrap();
    }
    rig.harness.push_event(gst::event::Eos::new());
    for (index, picture) in (0..).zip(&pictures) {
        let buffer = rig.harness.pull().unwrap();
        assert_eq!(buffer.pts(), picture.buffer(index).pts());
    }
    assert_eq!(rig.count("restored"), 40);
}

#[test]
fn a_model_that_cannot_be_opened_is_a_warning_and_the_stream_goes_on() {
    let pictures = moving(4);
    let expected = reference("nearest", &pictures);
    let mut rig = Rig::for_picture("nearest", &pictures[0]);
    let first = rig.restore(&pictures[0], 0);
    rig.element.set_property("model", "no-such-model");
    let warning = wait_for(&rig.bus, &[gst::MessageType::Warning]);
    let gst::MessageView::Warning(warning) = warning.view() else {
        unreachable!("only warnings are asked for")
    };
    assert!(warning.error().matches(gst::ResourceError::NotFound));
    assert!(warning.error().message().contains("no-such-model"));
    let rest = (1..4).map(|index| rig.restore(&pictures[index], index as u64));
    assert!([first].into_iter().chain(rest).collect::<Vec<_>>() == expected);
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Error]).is_none());
}

/// The same model again is no other one.
#[test]
fn the_same_model_is_not_opened_again() {
    let pictures = moving(2);
    let mut rig = Rig::for_picture("nearest", &pictures[0]);
    rig.restore(&pictures[0], 0);
    wait_for_progress(&rig.bus, gst::ProgressType::Complete);
    set_model(&rig, "nearest");
    rig.restore(&pictures[1], 1);
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Progress]).is_none());
}

#[test]
fn stopping_does_not_wait_for_a_model_that_is_being_opened() {
    for _ in 0..10 {
        let picture = moving(1).remove(0);
        let mut rig = Rig::for_picture("nearest", &picture);
        rig.restore(&picture, 0);
        rig.element.set_property("model", "");
        let element = rig.element.clone();
        within_timeout("to NULL", move || element.set_state(gst::State::Null)).unwrap();
    }
}
