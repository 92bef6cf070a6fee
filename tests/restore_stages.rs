//! Frames in flight: two at a time, out in order, whatever the graphs and the deliveries do.

#[path = "restore_stream/fake.rs"]
#[allow(dead_code)]
mod fake;
#[path = "restore_stream/jobs.rs"]
mod jobs;
#[path = "common/meeting.rs"]
mod meeting;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use fake::{Fake, expected, geometry};
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{Delivery, Hook, Hooked, Refusal, RestoreError, Stages, Stream};
use jobs::{job, picture, settings};

fn stages(hook: Hook) -> (Stages<usize>, Receiver<Delivery<usize>>) {
    let (sender, receiver) = mpsc::channel();
    let graphs = Arc::new(Hooked::new(Fake::new(geometry()), hook));
    let stream = Stream::with_geometry(graphs, geometry(), settings()).unwrap();
    let stages = Stages::spawn(stream, move |delivery| drop(sender.send(delivery))).unwrap();
    (stages, receiver)
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
    let (stages, out) = stages(meeting::hook());
    stages.give(job(0, false), 0).unwrap();
    stages.give(job(1, true), 1).unwrap();
    stages.land();
    assert_restored(out.try_recv().unwrap(), 0, 0);
    assert_restored(out.try_recv().unwrap(), 1, 0);
}

#[test]
fn an_interruption_recalls_what_is_in_flight() {
    // The decoder is held between the two meetings.
    let meeting = Arc::new(Barrier::new(2));
    let (inside, decoded) = (meeting.clone(), AtomicUsize::new(0));
    let hook = move |graph| {
        if graph == Graph::Decoder && decoded.fetch_add(1, Ordering::Relaxed) == 0 {
            inside.wait();
            inside.wait();
        }
        Ok(())
    };
    let (stages, out) = stages(Arc::new(hook));
    stages.give(job(0, false), 0).unwrap();
    stages.give(job(1, true), 1).unwrap();
    meeting.wait();
    stages.interrupt(true);
    assert_eq!(stages.give(job(2, true), 2), Err(Refusal::Interrupted));
    stages.land();
    meeting.wait();
    stages.interrupt(false);
    stages.give(job(3, false), 3).unwrap();
    for number in 0..2 {
        let recalled = out.recv().unwrap();
        assert!(recalled.cargo == number && recalled.outcome.is_none());
    }
    assert_restored(out.recv().unwrap(), 3, 3);
}

#[test]
fn the_end_of_an_interruption_waits_for_a_delivery_that_had_begun() {
    let (begun, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let delivered = Arc::new(AtomicUsize::new(0));
    let count = delivered.clone();
    let stream = Stream::with_geometry(Fake::new(geometry()), geometry(), settings()).unwrap();
    let stages = Stages::spawn(stream, move |delivery: Delivery<usize>| {
        begun.send(delivery.outcome.is_some()).unwrap();
        goes.recv().unwrap();
        // Time in which the interruption could end too early.
        std::thread::sleep(Duration::from_millis(30));
        count.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    stages.give(job(0, false), 0).unwrap();
    assert!(begins.recv().unwrap());
    stages.interrupt(true);
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| {
            stages.interrupt(false);
            delivered.load(Ordering::SeqCst)
        });
        go.send(()).unwrap();
        assert_eq!(
            ending.join().unwrap(),
            1,
            "the interruption ended before the delivery did"
        );
    });
}

#[test]
fn a_delivery_may_interrupt_and_drop_what_delivers_it() {
    let slot = Arc::new(Mutex::new(None::<Stages<usize>>));
    let (inside, (sender, receiver)) = (slot.clone(), mpsc::channel());
    let stream = Stream::with_geometry(Fake::new(geometry()), geometry(), settings()).unwrap();
    let stages = Stages::spawn(stream, move |_| {
        let stages = inside.lock().unwrap().take().unwrap();
        stages.interrupt(true);
        stages.interrupt(false);
        stages.land();
        drop(stages);
        sender.send(()).unwrap();
    })
    .unwrap();
    // Not before it is in the slot, where the delivery takes it from.
    let mut place = slot.lock().unwrap();
    stages.give(job(0, false), 0).unwrap();
    *place = Some(stages);
    drop(place);
    receiver.recv().unwrap();
}

/// Whatever is called meanwhile: each frame that was taken is delivered, once, in order.
#[test]
fn everything_may_be_called_at_once() {
    let (stages, out) = stages(Arc::new(|_| Ok(())));
    let given = std::thread::scope(|scope| {
        let giver = scope.spawn(|| {
            let taken = |number: &usize| stages.give(job(*number, true), *number).is_ok();
            (0..80).filter(taken).collect::<Vec<_>>()
        });
        scope.spawn(|| {
            for _ in 0..40 {
                stages.interrupt(true);
                std::thread::yield_now();
                stages.interrupt(false);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..40 {
            stages.land();
        }
        giver.join().unwrap()
    });
    stages.give(job(99, false), 99).unwrap();
    stages.land();
    let delivered: Vec<_> = out.try_iter().map(|delivery| delivery.cargo).collect();
    assert_eq!(delivered, [&given[..], &[99]].concat());
}

#[test]
fn a_delivery_that_panics_ends_it() {
    let stream = Stream::with_geometry(Fake::new(geometry()), geometry(), settings()).unwrap();
    let stages = Stages::spawn(stream, |_| panic!("part of the test")).unwrap();
    stages.give(job(0, false), ()).unwrap();
    stages.land();
    assert_eq!(stages.give(job(1, true), ()), Err(Refusal::Ended));
}

#[test]
fn a_panic_fails_its_frame_and_no_other() {
    let calls = AtomicUsize::new(0);
    let hook = move |graph| {
        let second = graph == Graph::Decoder && calls.fetch_add(1, Ordering::Relaxed) == 1;
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
