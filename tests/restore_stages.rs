//! Frames in flight: two at a time, out in order and by their deadlines, whatever the graphs and the deliveries do.

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
use std::time::{Duration, Instant};

use fake::{Fake, expected, geometry};
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{Delivery, Ending, Hook, Hooked, Limit, Refusal, RestoreError, Stages, Stream};
use jobs::{job, picture, settings};

const SOON: Duration = Duration::from_millis(30);

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
    let Ending::Done(Ok(restored)) = delivery.ending else {
        panic!("{:?}", delivery.ending)
    };
    assert!(restored.picture == expected(&picture(current), &picture(previous)).data);
}

#[test]
fn frames_come_out_in_order_with_the_one_before() {
    let (stages, out) = stages(Arc::new(|_| Ok(())));
    for number in 0..6 {
        stages
            .give(job(number, number != 0 && number != 3), number, None)
            .unwrap();
    }
    stages.land();
    for (current, previous) in [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3), (5, 4)] {
        assert_restored(out.try_recv().unwrap(), current, previous);
    }
}

#[test]
fn one_frame_is_decoded_while_the_next_is_encoded() {
    let (stages, out) = stages(meeting::hook());
    stages.give(job(0, false), 0, None).unwrap();
    stages.give(job(1, true), 1, None).unwrap();
    stages.land();
    assert_restored(out.try_recv().unwrap(), 0, 0);
    assert_restored(out.try_recv().unwrap(), 1, 0);
}

/// A decoder that waits until it is let go on, by each `send`.
fn held_decoder() -> (Stages<usize>, Receiver<Delivery<usize>>, mpsc::Sender<()>) {
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    let hook = move |graph| {
        if graph == Graph::Decoder {
            goes.lock().unwrap().recv().unwrap();
        }
        Ok(())
    };
    let (stages, out) = stages(Arc::new(hook));
    (stages, out, go)
}

fn limit(patience: Duration, least: Duration) -> Option<Limit> {
    let deadline = Instant::now() + patience;
    Some(Limit { deadline, least })
}

#[test]
fn a_frame_comes_out_at_its_deadline_and_is_the_next_ones_frame_before() {
    let (stages, out, go) = held_decoder();
    assert_eq!(stages.give(job(0, false), 0, limit(SOON, Duration::ZERO)), Ok(true));
    let late = out.recv().unwrap();
    assert!(late.cargo == 0 && matches!(late.ending, Ending::Late), "{late:?}");
    assert_eq!(stages.give(job(1, true), 1, None), Ok(true));
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 1, 0);
}

/// The decoder is at the first frame, the second one is between the halves: the third is not begun.
#[test]
fn a_frame_that_had_to_wait_too_long_is_not_begun() {
    let (stages, out, go) = held_decoder();
    for number in 0..2 {
        stages.give(job(number, number > 0), number, None).unwrap();
    }
    assert_eq!(stages.give(job(2, true), 2, limit(SOON, Duration::ZERO)), Ok(false));
    // Let go on, there would be a minute left; it wants two.
    let (minute, giving) = (Duration::from_secs(60), &stages);
    std::thread::scope(|scope| {
        let given = scope.spawn(move || giving.give(job(3, true), 3, limit(minute, minute * 2)));
        std::thread::sleep(SOON);
        go.send(()).unwrap();
        assert_eq!(given.join().unwrap(), Ok(false));
    });
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 0, 0);
    assert_restored(out.recv().unwrap(), 1, 0);
    for number in 2..4 {
        let late = out.recv().unwrap();
        assert!(late.cargo == number && matches!(late.ending, Ending::Late), "{late:?}");
    }
}

/// Work of a frame that has come out is not gone on with: those behind it wait for it.
#[test]
fn a_late_frame_is_not_decoded() {
    let (stages, out, go) = held_decoder();
    stages.give(job(0, false), 0, None).unwrap();
    stages.give(job(1, true), 1, limit(SOON, Duration::ZERO)).unwrap();
    std::thread::sleep(SOON * 2);
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 0, 0);
    assert!(matches!(out.recv().unwrap().ending, Ending::Late));
    stages.give(job(2, true), 2, None).unwrap();
    // One more decoded frame, and not two.
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 2, 1);
}

#[test]
fn a_frame_that_is_passed_by_keeps_its_place() {
    let (stages, out, go) = held_decoder();
    stages.give(job(0, false), 0, None).unwrap();
    stages.pass_by(job(1, false).frame, 1).unwrap();
    assert!(out.recv_timeout(SOON).is_err());
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 0, 0);
    let passed = out.recv().unwrap();
    assert!(
        passed.cargo == 1 && matches!(passed.ending, Ending::Plain),
        "{passed:?}"
    );
}

#[test]
fn a_probe_comes_out_only_where_it_is_asked_for() {
    let (stages, out, go) = held_decoder();
    assert!(stages.probe(job(0, false)));
    assert!(
        stages.take().is_none() && !stages.probe(job(1, true)),
        "it is on its way"
    );
    go.send(()).unwrap();
    let outcome = std::iter::repeat_with(|| stages.take()).flatten().next();
    assert!(outcome.unwrap().unwrap().report.paired_with_itself);
    stages.give(job(1, true), 1, None).unwrap();
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 1, 0);
    assert!(out.try_recv().is_err());
}

#[test]
fn there_is_room_for_so_many_frames() {
    let (stages, out, go) = held_decoder();
    stages.give(job(0, false), 0, None).unwrap();
    for number in 1..4 {
        stages.wait_for_room().unwrap();
        stages.pass_by(job(number, false).frame, number).unwrap();
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stages.wait_for_room());
        std::thread::sleep(SOON);
        assert!(!waiting.is_finished());
        go.send(()).unwrap();
        waiting.join().unwrap().unwrap();
    });
    stages.land();
    assert_eq!(
        out.try_iter().map(|delivery| delivery.cargo).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
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
    stages.give(job(0, false), 0, None).unwrap();
    stages.give(job(1, true), 1, None).unwrap();
    meeting.wait();
    stages.interrupt(true);
    assert_eq!(stages.give(job(2, true), 2, None), Err(Refusal::Interrupted));
    stages.land();
    meeting.wait();
    stages.interrupt(false);
    stages.give(job(3, false), 3, None).unwrap();
    for number in 0..2 {
        let recalled = out.recv().unwrap();
        assert!(recalled.cargo == number && matches!(recalled.ending, Ending::Recalled));
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
        begun.send(matches!(delivery.ending, Ending::Done(Ok(_)))).unwrap();
        goes.recv().unwrap();
        // Time in which the interruption could end too early.
        std::thread::sleep(Duration::from_millis(30));
        count.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    stages.give(job(0, false), 0, None).unwrap();
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
    stages.give(job(0, false), 0, None).unwrap();
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
            let taken = |number: &usize| stages.give(job(*number, true), *number, None).is_ok();
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
    stages.give(job(99, false), 99, None).unwrap();
    stages.land();
    let delivered: Vec<_> = out.try_iter().map(|delivery| delivery.cargo).collect();
    assert_eq!(delivered, [&given[..], &[99]].concat());
}

#[test]
fn a_delivery_that_panics_ends_it() {
    let stream = Stream::with_geometry(Fake::new(geometry()), geometry(), settings()).unwrap();
    let stages = Stages::spawn(stream, |_| panic!("part of the test")).unwrap();
    stages.give(job(0, false), (), None).unwrap();
    stages.land();
    assert_eq!(stages.give(job(1, true), (), None), Err(Refusal::Ended));
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
        stages.give(job(number, number != 0), number, None).unwrap();
    }
    assert_restored(out.recv().unwrap(), 0, 0);
    let failed = out.recv().unwrap();
    assert!(matches!(failed.ending, Ending::Done(Err(RestoreError::Panicked))));
    assert_restored(out.recv().unwrap(), 2, 1);
}
