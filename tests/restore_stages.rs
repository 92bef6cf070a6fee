//! Frames in flight: two at a time, out in order, whatever the graphs and the deliveries do.

#[path = "restore_stream/fake.rs"]
#[allow(dead_code)]
mod fake;

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Barrier};

use fake::{Fake, Picture, expected, geometry};
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{Delivery, Frame, Hook, Hooked, Job, RestoreError, Settings, Stages};

fn settings() -> Settings {
    Settings {
        scene_threshold: 0.0,
        ..Settings::default()
    }
}

fn picture(number: usize) -> Picture {
    Picture::new(24, 18, number)
}

fn job(number: usize, follows: bool) -> Job {
    Job {
        frame: Arc::new(Frame::read(&picture(number).view()).unwrap()),
        follows,
        settings: settings(),
        picture: Vec::new(),
    }
}

fn stages(hook: Hook) -> (Stages<usize>, Receiver<Delivery<usize>>) {
    let (sender, receiver) = mpsc::channel();
    let graphs = Arc::new(Hooked::new(Fake::new(geometry()), hook));
    let deliver = move |delivery| drop(sender.send(delivery));
    (
        Stages::spawn(graphs, geometry(), settings(), deliver).unwrap(),
        receiver,
    )
}

#[track_caller]
fn assert_restored(delivery: Delivery<usize>, current: usize, previous: usize) {
    assert_eq!(delivery.cargo, current);
    let restored = delivery.outcome.unwrap().unwrap();
    assert!(restored.picture == expected(&picture(current), &picture(previous)).data);
}

#[test]
fn frames_come_out_in_order_with_the_one_before() {
    let (stages, out) = stages(Arc::new(|_| Ok(())));
    for number in 0..6 {
        stages.give(job(number, number != 0 && number != 3), number).unwrap();
    }
    stages.land();
    for (current, previous) in [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3), (5, 4)] {
        assert_restored(out.try_recv().unwrap(), current, previous);
    }
}

#[test]
fn one_frame_is_decoded_while_the_next_is_encoded() {
    // The first frame's decoder and the second one's encoder meet, or neither goes on.
    let meeting = Barrier::new(2);
    let encoded = std::sync::atomic::AtomicUsize::new(0);
    let hook = move |graph| {
        let second = graph == Graph::Encoder && encoded.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1;
        if second || graph == Graph::Decoder && encoded.load(std::sync::atomic::Ordering::Relaxed) <= 2 {
            meeting.wait();
        }
        Ok(())
    };
    let (stages, out) = stages(Arc::new(hook));
    stages.give(job(0, false), 0).unwrap();
    stages.give(job(1, true), 1).unwrap();
    assert_restored(out.recv().unwrap(), 0, 0);
}

#[test]
fn a_panic_fails_its_frame_and_no_other() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let hook = move |graph| {
        let second = graph == Graph::Decoder && calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1;
        assert!(!second, "part of the test");
        Ok(())
    };
    let (stages, out) = stages(Arc::new(hook));
    for number in 0..3 {
        stages.give(job(number, number != 0), number).unwrap();
    }
    assert_restored(out.recv().unwrap(), 0, 0);
    let failed = out.recv().unwrap();
    assert!(matches!(failed.outcome, Some(Err(RestoreError::Panicked))));
    assert_restored(out.recv().unwrap(), 2, 1);
}
