//! The worker: frames restored on its thread, waited for or not, whatever the graphs do.

#[path = "restore_stream/fake.rs"]
#[allow(dead_code)]
mod fake;
#[path = "restore_stream/jobs.rs"]
mod jobs;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::{Duration, Instant};

use fake::{Fake, expected, geometry};
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{Given, Hook, Hooked, Limit, RestoreError, Stream, Worker};
use jobs::{job, picture, settings};

const SOON: Duration = Duration::from_millis(30);

fn soon() -> Limit {
    limit(SOON, Duration::ZERO)
}

/// Waits for so long, and begins a frame behind another one only if that much is left.
fn limit(patience: Duration, least: Duration) -> Limit {
    let deadline = Instant::now() + patience;
    Limit { deadline, least }
}

/// A gate that a test closes and opens.
#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn close(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.closed.lock().unwrap();
        while *closed {
            closed = self.changed.wait(closed).unwrap();
        }
    }
}

fn worker(hook: Hook) -> Worker {
    let graphs = Arc::new(Hooked::new(Fake::new(geometry()), hook));
    let stream = Stream::with_geometry(graphs, geometry(), settings()).unwrap();
    Worker::spawn(stream).unwrap()
}

fn gated() -> (Worker, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let inside = gate.clone();
    let hook = move |graph| {
        if graph == Graph::Decoder {
            inside.pass();
        }
        Ok(())
    };
    (worker(Arc::new(hook)), gate)
}

fn wait_until_free(worker: &Worker) {
    while worker.is_busy() {
        std::thread::yield_now();
    }
}

#[track_caller]
fn assert_done(given: Given, current: usize, previous: usize) {
    let Given::Done(Ok(restored)) = given else {
        panic!("{given:?}")
    };
    assert!(restored.picture == expected(&picture(current), &picture(previous)).data);
}

#[test]
fn frames_are_restored_with_the_one_before() {
    let (worker, _gate) = gated();
    assert_done(worker.restore(job(0, false), None), 0, 0);
    assert_done(worker.restore(job(1, true), None), 1, 0);
    assert_done(worker.restore(job(2, false), None), 2, 2);
}

#[test]
fn a_deadline_ends_the_wait_and_not_the_work() {
    let (worker, gate) = gated();
    gate.close(true);
    let given = worker.restore(job(0, false), Some(soon()));
    assert!(matches!(given, Given::Late) && worker.is_busy());
    // It is not free for another one by its deadline.
    let given = worker.restore(job(1, true), Some(soon()));
    assert!(matches!(given, Given::Late));
    assert!(!worker.give(job(1, true)));
    assert!(worker.take().is_none());
    gate.close(false);
    // Waits for the first, and takes the second; what became of the first is not lost.
    assert_done(worker.restore(job(1, true), None), 1, 0);
    let first = worker.take().unwrap().unwrap();
    assert!(first.report.paired_with_itself && worker.take().is_none());
}

#[test]
fn a_frame_that_had_to_wait_too_long_is_not_begun() {
    const LONG: Duration = Duration::from_secs(60);
    let (worker, gate) = gated();
    // Without another one before it, it is begun however little time is left.
    assert_done(worker.restore(job(0, false), Some(limit(LONG, LONG * 2))), 0, 0);
    gate.close(true);
    assert!(worker.give(job(1, true)));
    let given = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| worker.restore(job(2, true), Some(limit(LONG, LONG))));
        std::thread::sleep(SOON);
        gate.close(false);
        waiting.join().unwrap()
    });
    assert!(matches!(given, Given::Late) && !worker.is_busy());
    assert!(worker.take().unwrap().is_ok(), "what became of the one before");
    // The worker knows nothing of the one left out.
    assert_done(worker.restore(job(3, true), Some(limit(LONG, SOON))), 3, 1);
}

#[test]
fn what_nobody_waited_for_is_told_once() {
    let (worker, _gate) = gated();
    assert!(worker.give(job(3, false)));
    wait_until_free(&worker);
    let restored = worker.take().unwrap().unwrap();
    assert!(restored.report.paired_with_itself && worker.take().is_none());
}

#[test]
fn an_interruption_ends_every_wait() {
    let (worker, gate) = gated();
    gate.close(true);
    let given = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| worker.restore(job(0, false), None));
        while !worker.is_busy() {
            std::thread::yield_now();
        }
        worker.interrupt(true);
        waiting.join().unwrap()
    });
    assert!(matches!(given, Given::Interrupted));
    assert!(matches!(worker.restore(job(1, false), None), Given::Interrupted));
    worker.interrupt(false);
    gate.close(false);
    assert_done(worker.restore(job(1, false), None), 1, 1);
}

#[test]
fn dropping_it_does_not_wait_for_a_graph_that_hangs() {
    let (worker, gate) = gated();
    gate.close(true);
    assert!(worker.give(job(0, false)));
    drop(worker);
    gate.close(false);
}

#[test]
fn a_panic_fails_its_frame_and_no_other() {
    let panics = Arc::new(AtomicBool::new(false));
    let asked = panics.clone();
    let worker = worker(Arc::new(move |_| match asked.load(Ordering::SeqCst) {
        true => panic!("part of the test"),
        false => Ok(()),
    }));
    assert_done(worker.restore(job(0, false), None), 0, 0);
    panics.store(true, Ordering::SeqCst);
    let given = worker.restore(job(1, true), None);
    assert!(matches!(given, Given::Done(Err(RestoreError::Panicked))), "{given:?}");
    panics.store(false, Ordering::SeqCst);
    assert_done(worker.restore(job(2, true), None), 2, 2);
}

/// What a frame took that nobody waited for is not to be lost.
#[test]
fn a_worker_takes_no_frame_before_the_last_one_is_taken() {
    let (worker, _gate) = gated();
    assert!(worker.give(job(0, false)));
    wait_until_free(&worker);
    assert!(!worker.give(job(1, true)));
    assert!(worker.take().is_some());
    assert!(worker.give(job(1, true)));
}

/// For race detectors: several threads at all that may be called from several.
#[test]
fn everything_may_be_called_at_once() {
    let (worker, _gate) = gated();
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (worker, start) = (&worker, &start);
            scope.spawn(move || {
                start.wait();
                for turn in 0..20 {
                    match (thread + turn) % 5 {
                        0 => drop(worker.restore(job(0, false), Some(limit(Duration::from_millis(1), Duration::ZERO)))),
                        1 => drop(worker.give(job(1, true))),
                        2 => drop(worker.take()),
                        3 => worker.interrupt(turn % 2 == 0),
                        _ => drop(worker.is_busy()),
                    }
                }
            });
        }
    });
    worker.interrupt(false);
    assert_done(worker.restore(job(4, false), None), 4, 4);
}
