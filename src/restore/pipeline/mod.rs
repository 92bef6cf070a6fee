//! Frames in flight, one or two at a time: submitted in order, restored on threads of their own, and finished in order,
//! each as soon as it is restored or at its deadline.
//!
//! Two threads restore: one encodes and restores the latent, one decodes. A third one outputs the finished frames. With
//! a depth of 1 a frame is begun when the one before it is decoded; with a depth of 2 the next one is encoded while one is
//! decoded. Two halves on half of the cores each keep them busier than one graph after the other on all of them, but a
//! single frame takes longer.
//!
//! Graphs are never interrupted: a frame that nobody waits for any more is not decoded, but stays the next one's previous
//! frame.

mod state;
mod threads;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

use parking_lot::MutexGuard;

pub use self::state::FRAMES_IN_FLIGHT;
use self::state::{Shared, State};
use super::frame::Frame;
use super::job::{Job, Limit, Outcome};

/// How long dropping a pipeline waits for what its threads are at. Longer graphs, such as those for which an engine is
/// being built, are left to themselves.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// A frame that has left the pipeline.
#[derive(Debug)]
pub struct FinishedFrame<T> {
    /// What was submitted with it.
    pub context: T,
    /// As it was submitted.
    pub frame: Arc<Frame>,
    /// What became of it.
    pub completion: Completion,
}

/// What became of a frame in the pipeline.
#[derive(Debug)]
pub enum Completion {
    /// It is restored, or could not be.
    Done(Outcome),
    /// Its deadline came first.
    Late,
    /// It was not to be restored.
    Bypassed,
    /// A [flush](FramePipeline::set_flushing) came first.
    Flushed,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The pipeline is [flushing](FramePipeline::set_flushing).
    Flushing,
    /// A thread has ended by itself: the output function panicked.
    Ended,
}

/// Threads that restore the frames of one stream. `T` is what goes with each frame.
pub struct FramePipeline<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Send + 'static> FramePipeline<T> {
    /// Starts the threads. `output` is called with every frame that was taken, on one of them, in the order of the frames;
    /// a frame is in flight until it returns.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(output: impl FnMut(FinishedFrame<T>) + Send + 'static) -> io::Result<FramePipeline<T>> {
        let mut pipeline = FramePipeline {
            shared: Arc::default(),
            threads: Vec::new(),
        };
        pipeline.start("dloralvsr-enc", threads::encode_and_restore)?;
        pipeline.start("dloralvsr-dec", threads::decode)?;
        pipeline.start("dloralvsr-out", move |shared| threads::output(shared, output))?;
        Ok(pipeline)
    }

    fn start(&mut self, name: &str, work: impl FnOnce(&Shared<T>) + Send + 'static) -> io::Result<()> {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            let _end = End(&shared);
            work(&shared);
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Waits until a frame that is submitted or bypassed does not have to wait for others to be finished first.
    ///
    /// # Errors
    /// If it would not be taken.
    pub fn wait_for_slot(&self) -> Result<(), Refusal> {
        self.slot().check()
    }

    /// Submits a frame, with which `context` will come out. Waits until there is a slot and the frame can be begun.
    ///
    /// With a `limit` the frame is finished by the limit's end, restored or not. If it cannot be begun in time, it is not
    /// begun, which is what is returned, and comes out as late.
    ///
    /// # Errors
    /// If the frame is not taken.
    pub fn submit(&self, job: Job, context: T, limit: Option<Limit>) -> Result<bool, Refusal> {
        let (deadline, depth) = (limit.map(|limit| limit.deadline), job.depth);
        let mut state = self.slot();
        let waits = !state.can_begin(depth);
        let wanting = |state: &State<T>| state.accepts() && !state.can_begin(depth);
        self.shared.wait_until(&mut state, deadline, wanting);
        state.check()?;
        let too_late = waits && limit.is_some_and(|limit| limit.is_near());
        let begins = state.can_begin(depth) && !too_late;
        let completion = (!begins).then_some(Completion::Late);
        let serial = state.enqueue(job.frame.clone(), context, deadline, completion);
        if begins {
            state.begin(serial, job);
        }
        self.shared.changed.notify_all();
        Ok(begins)
    }

    /// Submits a frame that is not to be restored: it comes out in its place. Waits until there is a slot.
    ///
    /// # Errors
    /// If the frame is not taken.
    pub fn bypass(&self, frame: Arc<Frame>, context: T) -> Result<(), Refusal> {
        let mut state = self.slot();
        state.check()?;
        state.enqueue(frame, context, None, Some(Completion::Bypassed));
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Restores a frame that does not come out, if it can be begun at once and the outcome of the last trial has been
    /// [taken](Self::take_trial). Gives the job back if it is not begun.
    pub fn submit_trial(&self, job: Job) -> Option<Job> {
        let mut state = self.shared.lock();
        if !(state.accepts() && state.can_begin(job.depth) && state.trial_is_free()) {
            return Some(job);
        }
        state.begin_trial(job);
        self.shared.changed.notify_all();
        None
    }

    /// The frame and the outcome of a [trial](Self::submit_trial), once.
    pub fn take_trial(&self) -> Option<(Arc<Frame>, Outcome)> {
        self.shared.lock().take_trial()
    }

    /// Forgets the trial that is done, and the one that is at work, whose frame still is the next one's previous frame.
    pub fn forget_trial(&self) {
        self.shared.lock().forget_trial();
    }

    /// Waits until every frame is finished, or for a flush. The output thread itself waits for nothing.
    pub fn drain(&self) {
        if self.is_own_thread() {
            return;
        }
        let mut state = self.shared.lock();
        self.shared
            .wait(&mut state, |state| state.accepts() && state.has_frames());
    }

    /// While flushing, no frame is taken and nobody waits; frames in flight come out as flushed, and a trial is forgotten.
    /// The end of a flush waits for a frame that is being output, so that from then on none comes out that was submitted
    /// before. Without a flush to end there is nothing to wait for: the output may be blocked until the next one.
    pub fn set_flushing(&self, flushing: bool) {
        let mut state = self.shared.lock();
        if state.flushing && !flushing && !self.is_own_thread() {
            let in_output = |state: &State<T>| state.in_output.is_some() && state.ended == 0;
            self.shared.wait(&mut state, in_output);
        }
        if flushing {
            state.flush();
        }
        state.flushing = flushing;
        self.shared.changed.notify_all();
    }
}

impl<T> FramePipeline<T> {
    /// The state, once there is a slot for a frame or none is taken.
    fn slot(&self) -> MutexGuard<'_, State<T>> {
        let mut state = self.shared.lock();
        self.shared.wait(&mut state, |state| state.accepts() && state.is_full());
        state
    }

    fn is_own_thread(&self) -> bool {
        let own = std::thread::current().id();
        self.threads.iter().any(|thread| thread.thread().id() == own)
    }
}

impl<T> fmt::Debug for FramePipeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramePipeline").finish_non_exhaustive()
    }
}

impl<T> Drop for FramePipeline<T> {
    /// Waits a moment for what is being computed or output, and detaches the threads if that takes longer.
    /// Frames in flight are dropped with their context. One of its own threads waits for nothing.
    fn drop(&mut self) {
        let is_own_thread = self.is_own_thread();
        let count = self.threads.len();
        let mut state = self.shared.lock();
        state.closed = true;
        state.generation += 1;
        self.shared.changed.notify_all();
        if is_own_thread {
            return;
        }
        let deadline = Some(Instant::now() + SHUTDOWN_TIMEOUT);
        self.shared
            .wait_until(&mut state, deadline, |state| state.ended < count);
        let working = state.ended < count;
        drop(state);
        if working {
            return;
        }
        for thread in self.threads.drain(..) {
            // It has nothing left to do; the panic hook has reported a panic in there.
            let _ = thread.join();
        }
    }
}

/// Says, when a thread ends, that it has.
struct End<'s, T>(&'s Shared<T>);

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended += 1;
        drop(state);
        self.0.changed.notify_all();
    }
}
