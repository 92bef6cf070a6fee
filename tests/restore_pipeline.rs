//! The pipeline: one or two frames at a time, out in order and by their deadlines, whatever the graphs and whoever takes
//! the finished frames do.

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

use fake::{Fake, Picture, expected, geometry, rule};
use gstdloralvsr::pack::{Graph, GraphSizes};
use gstdloralvsr::restore::{
    Completion, FinishedFrame, Frame, FramePipeline, Geometry, GraphError, GraphErrorKind, GraphSet, Graphs, Hook,
    Hooked, Job, Limit, Refusal, RestoreError,
};
use jobs::{graph_set, job as job_of, picture};

const SOON: Duration = Duration::from_millis(30);

/// A pipeline, and graphs for it.
struct Rig {
    pipeline: FramePipeline<usize>,
    graphs: Arc<GraphSet>,
}

impl Rig {
    /// It, and what comes out.
    fn new(hook: Hook) -> (Rig, Receiver<FinishedFrame<usize>>) {
        let (sender, out) = mpsc::channel();
        let rig = Rig {
            pipeline: FramePipeline::spawn(move |frame| drop(sender.send(frame))).unwrap(),
            graphs: hooked(hook),
        };
        (rig, out)
    }

    fn job(&self, number: usize, follows: bool) -> Job {
        job_of(&self.graphs, number, follows)
    }

    /// For one frame at a time.
    fn single(&self, number: usize, follows: bool) -> Job {
        Job {
            depth: 1,
            ..self.job(number, follows)
        }
    }

    fn submit(&self, job: Job, number: usize) {
        assert_eq!(self.pipeline.submit(job, number, None), Ok(true));
    }
}

fn hooked(hook: Hook) -> Arc<GraphSet> {
    graph_set(Arc::new(Hooked::new(Fake::new(geometry()), hook)))
}

fn unhooked() -> Arc<GraphSet> {
    graph_set(Fake::new(geometry()))
}

#[track_caller]
fn assert_restored(finished: FinishedFrame<usize>, current: usize, previous: usize) {
    assert_eq!(finished.context, current);
    let Completion::Done(Ok(restored)) = finished.completion else {
        panic!("{:?}", finished.completion)
    };
    assert!(restored.picture == expected(&picture(current), &picture(previous)).data);
}

#[test]
fn frames_come_out_in_order_with_the_one_before() {
    let (rig, out) = Rig::new(Arc::new(|_| Ok(())));
    for number in 0..6 {
        rig.submit(rig.job(number, number != 0 && number != 3), number);
    }
    rig.pipeline.drain();
    for (current, previous) in [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3), (5, 4)] {
        assert_restored(out.try_recv().unwrap(), current, previous);
    }
}

#[test]
fn one_frame_is_decoded_while_the_next_is_encoded() {
    let (rig, out) = Rig::new(meeting::hook());
    rig.submit(rig.job(0, false), 0);
    rig.submit(rig.job(1, true), 1);
    rig.pipeline.drain();
    assert_restored(out.try_recv().unwrap(), 0, 0);
    assert_restored(out.try_recv().unwrap(), 1, 0);
}

/// A decoder that waits until it is let go on, by each `send`.
fn held_decoder() -> (Rig, Receiver<FinishedFrame<usize>>, mpsc::Sender<()>) {
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    let hook = move |graph| {
        if graph == Graph::Decoder {
            goes.lock().unwrap().recv().unwrap();
        }
        Ok(())
    };
    let (rig, out) = Rig::new(Arc::new(hook));
    (rig, out, go)
}

fn limit(budget: Duration, least: Duration) -> Option<Limit> {
    let deadline = Instant::now() + budget;
    Some(Limit { deadline, least })
}

#[test]
fn at_a_depth_of_one_a_frame_waits_until_the_one_before_is_decoded() {
    let (rig, out, go) = held_decoder();
    rig.submit(rig.single(0, false), 0);
    std::thread::scope(|scope| {
        let submitting = scope.spawn(|| rig.submit(rig.single(1, true), 1));
        std::thread::sleep(SOON);
        assert!(!submitting.is_finished());
        go.send(()).unwrap();
        submitting.join().unwrap();
    });
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 0, 0);
    assert_restored(out.recv().unwrap(), 1, 0);
}

/// Other graphs of the same pack take over, in which the weights are the same.
#[test]
fn a_change_of_depth_keeps_the_window() {
    let (rig, out) = Rig::new(Arc::new(|_| Ok(())));
    let others = unhooked();
    for number in 0..6 {
        let job = match number % 2 {
            0 => rig.single(number, number > 0),
            _ => job_of(&others, number, true),
        };
        rig.submit(job, number);
    }
    rig.pipeline.drain();
    for number in 0..6_usize {
        assert_restored(out.try_recv().unwrap(), number, number.saturating_sub(1));
    }
}

#[test]
fn a_frame_comes_out_at_its_deadline_and_is_the_next_ones_frame_before() {
    for depth in [1, 2] {
        let (rig, out, go) = held_decoder();
        let job = |number, follows| Job {
            depth,
            ..rig.job(number, follows)
        };
        let submitted = rig.pipeline.submit(job(0, false), 0, limit(SOON, Duration::ZERO));
        assert_eq!(submitted, Ok(true));
        let late = out.recv().unwrap();
        assert!(
            late.context == 0 && matches!(late.completion, Completion::Late),
            "{late:?}"
        );
        go.send(()).unwrap();
        rig.submit(job(1, true), 1);
        go.send(()).unwrap();
        assert_restored(out.recv().unwrap(), 1, 0);
    }
}

/// The decoder is at the first frame, the second one is between the halves: the third is not begun.
#[test]
fn a_frame_that_had_to_wait_too_long_is_not_begun() {
    let (rig, out, go) = held_decoder();
    for number in 0..2 {
        rig.submit(rig.job(number, number > 0), number);
    }
    let submitted = rig.pipeline.submit(rig.job(2, true), 2, limit(SOON, Duration::ZERO));
    assert_eq!(submitted, Ok(false));
    // Let go on, there would be a minute left; it wants two.
    let (minute, rig) = (Duration::from_secs(60), &rig);
    std::thread::scope(|scope| {
        let submitted = scope.spawn(move || rig.pipeline.submit(rig.job(3, true), 3, limit(minute, minute * 2)));
        std::thread::sleep(SOON);
        go.send(()).unwrap();
        assert_eq!(submitted.join().unwrap(), Ok(false));
    });
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 0, 0);
    assert_restored(out.recv().unwrap(), 1, 0);
    for number in 2..4 {
        let late = out.recv().unwrap();
        assert!(
            late.context == number && matches!(late.completion, Completion::Late),
            "{late:?}"
        );
    }
}

/// Work of a frame that has come out is not gone on with: those behind it wait for it.
#[test]
fn a_late_frame_is_not_decoded() {
    let (rig, out, go) = held_decoder();
    rig.submit(rig.job(0, false), 0);
    let submitted = rig.pipeline.submit(rig.job(1, true), 1, limit(SOON, Duration::ZERO));
    assert_eq!(submitted, Ok(true));
    std::thread::sleep(SOON * 2);
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 0, 0);
    assert!(matches!(out.recv().unwrap().completion, Completion::Late));
    rig.submit(rig.job(2, true), 2);
    // One more decoded frame, and not two.
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 2, 1);
}

#[test]
fn a_bypassed_frame_keeps_its_place() {
    let (rig, out, go) = held_decoder();
    rig.submit(rig.job(0, false), 0);
    rig.pipeline.bypass(rig.job(1, false).frame, 1).unwrap();
    assert!(out.recv_timeout(SOON).is_err());
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 0, 0);
    let bypassed = out.recv().unwrap();
    assert!(
        bypassed.context == 1 && matches!(bypassed.completion, Completion::Bypassed),
        "{bypassed:?}"
    );
}

#[test]
fn a_trial_does_not_come_out() {
    let (rig, out, go) = held_decoder();
    assert!(rig.pipeline.submit_trial(rig.job(0, false)).is_none());
    assert!(rig.pipeline.take_trial().is_none());
    let refused = rig.pipeline.submit_trial(rig.job(1, true));
    assert!(refused.is_some_and(|job| job.follows), "one is on its way");
    go.send(()).unwrap();
    let outcome = std::iter::repeat_with(|| rig.pipeline.take_trial()).flatten().next();
    assert!(outcome.unwrap().1.unwrap().report.paired_with_itself);
    rig.submit(rig.job(1, true), 1);
    go.send(()).unwrap();
    assert_restored(out.recv().unwrap(), 1, 0);
    assert!(out.try_recv().is_err());
}

#[test]
fn a_trial_that_is_forgotten_says_nothing_and_stays_the_previous_frame() {
    let (rig, out, go) = held_decoder();
    assert!(rig.pipeline.submit_trial(rig.job(0, false)).is_none());
    rig.pipeline.forget_trial();
    go.send(()).unwrap();
    // Beside the decoder, where two are in flight; what the first comes to is not taken for this one's.
    let next = std::iter::repeat_with(|| rig.pipeline.submit_trial(rig.job(1, true))).find(Option::is_none);
    assert!(next.is_some());
    go.send(()).unwrap();
    let outcome = std::iter::repeat_with(|| rig.pipeline.take_trial()).flatten().next();
    let restored = outcome.unwrap().1.unwrap();
    assert!(restored.picture == expected(&picture(1), &picture(0)).data);
    assert!(out.try_recv().is_err());
}

#[test]
fn there_are_so_many_slots() {
    let (rig, out, go) = held_decoder();
    rig.submit(rig.job(0, false), 0);
    for number in 1..4 {
        rig.pipeline.wait_for_slot().unwrap();
        rig.pipeline.bypass(rig.job(number, false).frame, number).unwrap();
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| rig.pipeline.wait_for_slot());
        std::thread::sleep(SOON);
        assert!(!waiting.is_finished());
        go.send(()).unwrap();
        waiting.join().unwrap().unwrap();
    });
    rig.pipeline.drain();
    assert_eq!(
        out.try_iter().map(|frame| frame.context).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
}

#[test]
fn a_flush_ends_what_is_in_flight() {
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
    let (rig, out) = Rig::new(Arc::new(hook));
    rig.submit(rig.job(0, false), 0);
    rig.submit(rig.job(1, true), 1);
    meeting.wait();
    rig.pipeline.set_flushing(true);
    let submitted = rig.pipeline.submit(rig.job(2, true), 2, None);
    assert_eq!(submitted, Err(Refusal::Flushing));
    rig.pipeline.drain();
    meeting.wait();
    rig.pipeline.set_flushing(false);
    rig.submit(rig.job(3, false), 3);
    for number in 0..2 {
        let flushed = out.recv().unwrap();
        assert!(flushed.context == number && matches!(flushed.completion, Completion::Flushed));
    }
    assert_restored(out.recv().unwrap(), 3, 3);
}

#[test]
fn a_flush_ends_every_wait() {
    let (rig, _out, go) = held_decoder();
    rig.submit(rig.single(0, false), 0);
    std::thread::scope(|scope| {
        let submitting = scope.spawn(|| rig.pipeline.submit(rig.single(1, true), 1, None));
        let draining = scope.spawn(|| rig.pipeline.drain());
        std::thread::sleep(SOON);
        rig.pipeline.set_flushing(true);
        assert_eq!(submitting.join().unwrap(), Err(Refusal::Flushing));
        draining.join().unwrap();
    });
    assert_eq!(rig.pipeline.wait_for_slot(), Err(Refusal::Flushing));
    go.send(()).unwrap();
}

#[test]
fn the_end_of_a_flush_waits_for_a_frame_that_is_handed_over() {
    let (begun, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let finished = Arc::new(AtomicUsize::new(0));
    let count = finished.clone();
    let pipeline = FramePipeline::spawn(move |frame: FinishedFrame<usize>| {
        begun.send(matches!(frame.completion, Completion::Done(Ok(_)))).unwrap();
        goes.recv().unwrap();
        // Time in which the flush could end too early.
        std::thread::sleep(Duration::from_millis(30));
        count.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    pipeline.submit(job_of(&unhooked(), 0, false), 0, None).unwrap();
    assert!(begins.recv().unwrap());
    pipeline.set_flushing(true);
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| {
            pipeline.set_flushing(false);
            finished.load(Ordering::SeqCst)
        });
        go.send(()).unwrap();
        assert_eq!(ending.join().unwrap(), 1, "the flush ended before the frame was out");
    });
}

#[test]
fn without_a_flush_to_end_nobody_waits_for_the_output() {
    let (begun, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let pipeline = FramePipeline::spawn(move |_: FinishedFrame<usize>| {
        begun.send(()).unwrap();
        // As a pad is blocked that prerolls: until the next flush.
        let _ = goes.recv();
    })
    .unwrap();
    pipeline.submit(job_of(&unhooked(), 0, false), 0, None).unwrap();
    begins.recv().unwrap();
    pipeline.set_flushing(false);
    drop(go);
}

/// Tiles of 16 samples, of which there are several in a frame of [`large`].
fn tiled(least: usize) -> Geometry {
    let sizes = GraphSizes {
        min: least,
        ..rule(16, 4)
    };
    Geometry {
        encoder: sizes,
        restorer: sizes,
        decoder: sizes,
        ..geometry()
    }
}

fn large(graphs: &Arc<GraphSet>) -> Job {
    let picture = Picture::new(48, 40, 0);
    Job {
        frame: Arc::new(Frame::read(&picture.view()).unwrap()),
        ..job_of(graphs, 0, false)
    }
}

/// Submits a frame for each of these graphs, and says which could not be restored.
fn failures(sets: &[&Arc<GraphSet>]) -> Vec<bool> {
    let (rig, out) = Rig::new(Arc::new(|_| Ok(())));
    sets.iter()
        .enumerate()
        .map(|(number, set)| {
            rig.submit(large(set), number);
            !matches!(out.recv().unwrap().completion, Completion::Done(Ok(_)))
        })
        .collect()
}

#[test]
fn what_memory_holds_of_one_pack_says_nothing_of_another() {
    let out_of_memory = AtomicUsize::new(0);
    let hook: Hook = Arc::new(move |graph| {
        if graph != Graph::Decoder || out_of_memory.fetch_add(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        Err(GraphError {
            graph,
            kind: GraphErrorKind::OutOfMemory,
            message: "the test wants it so".to_owned(),
        })
    });
    let set = |graphs: Arc<dyn Graphs>, least| Arc::new(GraphSet::with_geometry(graphs, tiled(least)).unwrap());
    let first = set(Arc::new(Hooked::new(Fake::new(tiled(8)), hook)), 8);
    // Tiles of half the side would be too small for it.
    let second = set(Fake::new(tiled(12)), 12);
    assert_eq!(failures(&[&first, &first, &second, &first]), [false; 4]);
}

#[test]
fn graphs_of_another_pack_get_no_more_tiles_at_once_than_they_take() {
    let set = |batch| Arc::new(GraphSet::with_geometry(Fake::batched(tiled(8), batch), tiled(8)).unwrap());
    let (several, one) = (set(4), set(1));
    assert_eq!(failures(&[&several, &one, &several]), [false; 3]);
}

#[test]
fn whoever_takes_a_frame_may_flush_and_drop_the_pipeline() {
    let slot = Arc::new(Mutex::new(None::<FramePipeline<usize>>));
    let (inside, (sender, receiver)) = (slot.clone(), mpsc::channel());
    let pipeline = FramePipeline::spawn(move |_| {
        let pipeline = inside.lock().unwrap().take().unwrap();
        pipeline.set_flushing(true);
        pipeline.set_flushing(false);
        pipeline.drain();
        drop(pipeline);
        sender.send(()).unwrap();
    })
    .unwrap();
    // Not before it is in the slot, where it is taken from.
    let mut place = slot.lock().unwrap();
    pipeline.submit(job_of(&unhooked(), 0, false), 0, None).unwrap();
    *place = Some(pipeline);
    drop(place);
    receiver.recv().unwrap();
}

#[test]
fn dropping_it_does_not_wait_for_a_graph_that_hangs() {
    let (rig, _out, go) = held_decoder();
    rig.submit(rig.job(0, false), 0);
    drop(rig);
    drop(go);
}

/// Whatever is called meanwhile: each frame that was taken comes out, once, in order.
#[test]
fn everything_may_be_called_at_once() {
    let (rig, out) = Rig::new(Arc::new(|_| Ok(())));
    let taken = std::thread::scope(|scope| {
        let submitting = scope.spawn(|| {
            let is_taken = |number: &usize| {
                let job = match number % 3 {
                    0 => rig.single(*number, true),
                    _ => rig.job(*number, true),
                };
                rig.pipeline.submit(job, *number, None).is_ok()
            };
            (0..80).filter(is_taken).collect::<Vec<_>>()
        });
        scope.spawn(|| {
            for number in 0..40 {
                rig.pipeline.set_flushing(true);
                std::thread::yield_now();
                rig.pipeline.set_flushing(false);
                drop(rig.pipeline.submit_trial(rig.job(number, true)));
                rig.pipeline.forget_trial();
                drop(rig.pipeline.take_trial());
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..40 {
            rig.pipeline.drain();
        }
        submitting.join().unwrap()
    });
    rig.submit(rig.job(99, false), 99);
    rig.pipeline.drain();
    let finished: Vec<_> = out.try_iter().map(|frame| frame.context).collect();
    assert_eq!(finished, [&taken[..], &[99]].concat());
}

#[test]
fn whoever_takes_a_frame_and_panics_ends_it() {
    let pipeline = FramePipeline::spawn(|_| panic!("part of the test")).unwrap();
    pipeline.submit(job_of(&unhooked(), 0, false), (), None).unwrap();
    pipeline.drain();
    let submitted = pipeline.submit(job_of(&unhooked(), 1, true), (), None);
    assert_eq!(submitted, Err(Refusal::Ended));
}

#[test]
fn a_panic_fails_its_frame_and_no_other() {
    let calls = AtomicUsize::new(0);
    let hook = move |graph| {
        let second = graph == Graph::Decoder && calls.fetch_add(1, Ordering::Relaxed) == 1;
        assert!(!second, "part of the test");
        Ok(())
    };
    let (rig, out) = Rig::new(Arc::new(hook));
    for number in 0..3 {
        rig.submit(rig.job(number, number != 0), number);
    }
    assert_restored(out.recv().unwrap(), 0, 0);
    let failed = out.recv().unwrap();
    assert!(matches!(
        failed.completion,
        Completion::Done(Err(RestoreError::Panicked))
    ));
    assert_restored(out.recv().unwrap(), 2, 1);
}
