//! Restoration on a thread of its own, so that whoever waits for a frame can stop waiting: at its deadline, at a flush,
//! when the stream stops. Graphs are never interrupted; a frame that nobody waits for any more is finished all the same,
//! which tells how long it takes.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::job::{FAREWELL, Job, Limit, Outcome, Restored, caught};
use super::stream::Stream;

/// What waiting came to.
#[derive(Debug)]
pub enum Given {
    /// The frame is done, or has failed.
    Done(Outcome),
    /// Time was up first.
    Late,
    /// Waiting was [interrupted](Worker::interrupt).
    Interrupted,
}

/// A thread that restores the frames of one [`Stream`], one at a time.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    stage: Stage,
    /// What became of a frame that nobody waited for, while the next one waited for its turn.
    earlier: Option<Outcome>,
    /// Nobody is to wait.
    interrupted: bool,
    /// The thread is to end.
    closed: bool,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    Given(Job),
    Working,
    Done(Outcome),
}

impl Worker {
    /// Starts a thread that owns `stream`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(stream: Stream) -> io::Result<Worker> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("dloralvsr-work".into())
            .spawn(move || work(&theirs, stream))?;
        Ok(Worker {
            shared,
            thread: Some(thread),
        })
    }

    /// Restores a frame; waits for the worker to be free, and then for the frame, within `limit` at most. If its end
    /// comes first the frame is done none the less, if it was begun.
    pub fn restore(&self, job: Job, limit: Option<Limit>) -> Given {
        let deadline = limit.map(|limit| limit.deadline);
        let mut slot = self.shared.lock();
        let waits = slot.is_busy();
        slot = self.shared.wait(slot, deadline, Slot::is_busy);
        if slot.interrupted {
            return Given::Interrupted;
        }
        if slot.is_busy() || (waits && limit.is_some_and(|limit| limit.is_near())) {
            return Given::Late;
        }
        if let Stage::Done(outcome) = std::mem::replace(&mut slot.stage, Stage::Given(job)) {
            slot.earlier = Some(outcome);
        }
        self.shared.changed.notify_all();
        slot = self.shared.wait(slot, deadline, Slot::is_busy);
        match std::mem::take(&mut slot.stage) {
            Stage::Done(outcome) if !slot.interrupted => Given::Done(outcome),
            stage => {
                let interrupted = slot.interrupted;
                slot.stage = stage;
                if interrupted { Given::Interrupted } else { Given::Late }
            }
        }
    }

    /// Gives a frame to the worker without waiting for it; [`take`](Self::take) gives what becomes of it. A worker that
    /// is not free does not take it, nor one whose last frame has not been taken.
    pub fn give(&self, job: Job) -> bool {
        let mut slot = self.shared.lock();
        let free = matches!(slot.stage, Stage::Idle);
        if free {
            slot.stage = Stage::Given(job);
            self.shared.changed.notify_all();
        }
        free
    }

    /// What became of a frame that nobody waited for, once.
    pub fn take(&self) -> Option<Outcome> {
        let mut slot = self.shared.lock();
        if let Some(outcome) = slot.earlier.take() {
            return Some(outcome);
        }
        match std::mem::take(&mut slot.stage) {
            Stage::Done(outcome) => Some(outcome),
            stage => {
                slot.stage = stage;
                None
            }
        }
    }

    /// Whether a frame is being restored.
    pub fn is_busy(&self) -> bool {
        self.shared.lock().is_busy()
    }

    /// While interrupted, nobody waits: [`restore`](Self::restore) returns at once.
    pub fn interrupt(&self, interrupted: bool) {
        self.shared.lock().interrupted = interrupted;
        self.shared.changed.notify_all();
    }
}

impl Drop for Worker {
    /// Waits a moment for the frame that is being restored, and leaves the thread to itself if that takes longer.
    fn drop(&mut self) {
        let mut slot = self.shared.lock();
        slot.closed = true;
        self.shared.changed.notify_all();
        let slot = self.shared.wait_unless(slot, Some(Instant::now() + FAREWELL), |slot| {
            matches!(slot.stage, Stage::Working)
        });
        let working = matches!(slot.stage, Stage::Working);
        drop(slot);
        if let Some(thread) = self.thread.take().filter(|_| !working) {
            // It has nothing left to do, and does not panic.
            let _ = thread.join();
        }
    }
}

impl Slot {
    fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Given(_) | Stage::Working)
    }
}

impl Shared {
    /// No code that can panic runs under this lock, so a poisoned one holds nothing half done.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `condition` holds, until `deadline` or an interruption.
    fn wait<'s>(
        &self,
        slot: MutexGuard<'s, Slot>,
        deadline: Option<Instant>,
        condition: fn(&Slot) -> bool,
    ) -> MutexGuard<'s, Slot> {
        self.wait_unless(slot, deadline, move |slot| !slot.interrupted && condition(slot))
    }

    fn wait_unless<'s>(
        &self,
        mut slot: MutexGuard<'s, Slot>,
        deadline: Option<Instant>,
        condition: impl Fn(&Slot) -> bool,
    ) -> MutexGuard<'s, Slot> {
        while condition(&slot) {
            let Some(deadline) = deadline else {
                slot = self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(slot, left);
            slot = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        slot
    }
}

/// The thread: takes jobs until it is closed.
fn work(shared: &Shared, mut stream: Stream) {
    loop {
        let mut slot = shared.lock();
        while !slot.closed && !matches!(slot.stage, Stage::Given(_)) {
            slot = shared.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
        if slot.closed {
            return;
        }
        let Stage::Given(job) = std::mem::replace(&mut slot.stage, Stage::Working) else {
            // The loop above ends with a job or the close only.
            return;
        };
        drop(slot);
        let outcome = caught(|| restore(&mut stream, job));
        shared.lock().stage = Stage::Done(outcome);
        shared.changed.notify_all();
    }
}

fn restore(stream: &mut Stream, job: Job) -> Outcome {
    let Job {
        frame,
        follows,
        settings,
        mut picture,
    } = job;
    stream.set_settings(settings);
    if !follows {
        stream.reset();
    }
    let report = stream.restore_frame(&frame, &mut picture)?;
    Ok(Restored { picture, report })
}
