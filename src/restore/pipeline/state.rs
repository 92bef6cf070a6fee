//! Where the frames are, and who waits for what.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{Completion, FinishedFrame, Refusal};
use crate::restore::RestoreError;
use crate::restore::encode_stage::RestoredLatent;
use crate::restore::frame::Frame;
use crate::restore::job::{Job, Outcome};
use crate::restore::padded_input::PaddedInput;

/// Frames that may be in flight: one that is output, one in each half, and one that waits for them.
pub const FRAMES_IN_FLIGHT: usize = 4;

/// What the threads share: everything behind one lock.
pub struct Shared<T> {
    state: Mutex<State<T>>,
    pub changed: Condvar,
}

/// Where the frames are. The queue has those that will come out, in order; the rest is the work on them, at most one piece
/// at each place.
pub struct State<T> {
    queue: VecDeque<QueuedFrame<T>>,
    /// Submitted, and not begun.
    submitted: Option<Step<Job>>,
    encoding: bool,
    /// Between the halves.
    encoded: Option<Step<EncodedFrame>>,
    decoding: bool,
    /// While a frame is output: its generation. None for one that was flushed before, for nobody waits for that.
    pub in_output: Option<u64>,
    trial: Option<Trial>,
    /// Memory for the encoder's half.
    pub spare: Option<PaddedInput>,
    /// Of the frames that are submitted now. A flush begins the next one, and flushes all before it.
    pub generation: u64,
    pub flushing: bool,
    pub closed: bool,
    /// Threads that have ended.
    pub ended: usize,
    /// Of the last frame that was submitted.
    serial: u64,
}

/// A frame that is restored without coming out.
struct Trial {
    serial: u64,
    frame: Arc<Frame>,
    /// Once it is done.
    outcome: Option<Outcome>,
}

/// A piece of work, and the frame that it is on.
pub type Step<W> = (FrameId, W);

/// A frame that is worked on.
#[derive(Clone, Copy)]
pub struct FrameId {
    /// In the queue, or of a trial.
    serial: u64,
    /// Of when it was submitted.
    pub generation: u64,
}

/// What the encoder's half leaves; no result if the frame was flushed before it began.
pub struct EncodedFrame {
    pub result: Option<Result<RestoredLatent, RestoreError>>,
    pub picture: Vec<u8>,
}

/// A frame in the queue.
struct QueuedFrame<T> {
    serial: u64,
    /// Of when it was submitted.
    generation: u64,
    context: T,
    frame: Arc<Frame>,
    /// When it has to come out.
    deadline: Option<Instant>,
    /// None while it is worked on.
    completion: Option<Completion>,
}

impl<T> QueuedFrame<T> {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                submitted: None,
                encoding: false,
                encoded: None,
                decoding: false,
                in_output: None,
                trial: None,
                spare: None,
                generation: 0,
                flushing: false,
                closed: false,
                ended: 0,
                serial: 0,
            }),
            changed: Condvar::new(),
        }
    }
}

/// The queue.
impl<T> State<T> {
    /// Whether frames are taken.
    pub fn accepts(&self) -> bool {
        self.check().is_ok()
    }

    pub fn check(&self) -> Result<(), Refusal> {
        match (self.ended, self.flushing) {
            (0, false) => Ok(()),
            (0, true) => Err(Refusal::Flushing),
            _ => Err(Refusal::Ended),
        }
    }

    pub fn is_full(&self) -> bool {
        self.queue.len() + usize::from(self.in_output.is_some()) >= FRAMES_IN_FLIGHT
    }

    /// Whether there are frames that will come out.
    pub fn has_frames(&self) -> bool {
        self.in_output == Some(self.generation) || self.queue.iter().any(|entry| entry.generation == self.generation)
    }

    /// Puts a frame at the end of the queue. Returns its number.
    pub fn enqueue(
        &mut self,
        frame: Arc<Frame>,
        context: T,
        deadline: Option<Instant>,
        completion: Option<Completion>,
    ) -> u64 {
        self.serial += 1;
        self.queue.push_back(QueuedFrame {
            serial: self.serial,
            generation: self.generation,
            context,
            frame,
            deadline,
            completion,
        });
        self.serial
    }

    /// The first in the queue, if it is to come out now.
    fn dequeue(&mut self) -> Option<FinishedFrame<T>> {
        let first = self.queue.front()?;
        let flushed = first.generation != self.generation;
        if !flushed && !first.is_late() && first.completion.is_none() {
            return None;
        }
        let entry = self.queue.pop_front()?;
        let completion = match entry.completion {
            _ if flushed => Completion::Flushed,
            completion => completion.unwrap_or(Completion::Late),
        };
        self.in_output = (!flushed).then_some(entry.generation);
        Some(FinishedFrame {
            context: entry.context,
            frame: entry.frame,
            completion,
        })
    }
}

/// The work.
impl<T> State<T> {
    /// Whether a frame that is submitted now, at this depth, would not have to wait.
    pub fn can_begin(&self, depth: usize) -> bool {
        let encoder_is_free = self.submitted.is_none() && !self.encoding && self.encoded.is_none();
        encoder_is_free && (depth > 1 || !self.decoding)
    }

    /// Gives work to the encoder's half.
    pub fn begin(&mut self, serial: u64, job: Job) {
        let generation = self.generation;
        self.submitted = Some((FrameId { serial, generation }, job));
    }

    /// What the encoder's half is to do next.
    pub fn start_encoding(&mut self) -> Option<Step<Job>> {
        let step = self.submitted.take()?;
        self.encoding = true;
        Some(step)
    }

    pub fn end_encoding(&mut self, step: Step<EncodedFrame>) {
        self.encoding = false;
        self.encoded = Some(step);
    }

    /// What the decoder's half is to do next.
    pub fn start_decoding(&mut self) -> Option<Step<EncodedFrame>> {
        let step = self.encoded.take()?;
        self.decoding = true;
        Some(step)
    }

    /// What became of a frame's work; no outcome if nobody waited for it any more.
    pub fn end_decoding(&mut self, frame: FrameId, outcome: Option<Outcome>) {
        self.decoding = false;
        if let Some(trial) = self.trial.take_if(|trial| trial.serial == frame.serial) {
            self.trial = outcome.map(|outcome| Trial {
                outcome: Some(outcome),
                ..trial
            });
            return;
        }
        let entry = self.queue.iter_mut().find(|entry| entry.serial == frame.serial);
        if let (Some(entry), Some(outcome)) = (entry, outcome) {
            entry.completion = Some(Completion::Done(outcome));
        }
    }

    /// Whether somebody still waits for a frame.
    pub fn is_wanted(&self, frame: FrameId) -> bool {
        let is_trial = self.trial.as_ref().is_some_and(|trial| trial.serial == frame.serial);
        let mut waiting = self.queue.iter().filter(|entry| !entry.is_late());
        frame.generation == self.generation && (is_trial || waiting.any(|entry| entry.serial == frame.serial))
    }

    /// What is in flight is given up, a trial too.
    pub fn flush(&mut self) {
        self.generation += 1;
        self.forget_trial();
    }

    pub fn forget_trial(&mut self) {
        self.trial = None;
    }

    pub fn trial_is_free(&self) -> bool {
        self.trial.is_none()
    }

    pub fn begin_trial(&mut self, job: Job) {
        self.serial += 1;
        self.trial = Some(Trial {
            serial: self.serial,
            frame: job.frame.clone(),
            outcome: None,
        });
        self.begin(self.serial, job);
    }

    pub fn take_trial(&mut self) -> Option<(Arc<Frame>, Outcome)> {
        let trial = self.trial.take_if(|trial| trial.outcome.is_some())?;
        Some((trial.frame, trial.outcome?))
    }
}

impl<T> Shared<T> {
    pub fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock()
    }

    /// Changes the state, and wakes whoever waits for a change.
    pub fn update(&self, change: impl FnOnce(&mut State<T>)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// What `take` gives, as soon as it gives something; nothing once the threads are to end.
    pub fn next<R>(&self, take: impl Fn(&mut State<T>) -> Option<R>) -> Option<(R, MutexGuard<'_, State<T>>)> {
        let mut state = self.lock();
        while !state.closed {
            if let Some(taken) = take(&mut state) {
                return Some((taken, state));
            }
            self.changed.wait(&mut state);
        }
        None
    }

    /// The next frame to come out, as soon as it is to; none once the threads are to end.
    pub fn next_finished(&self) -> Option<FinishedFrame<T>> {
        let mut state = self.lock();
        while !state.closed {
            if let Some(finished) = state.dequeue() {
                return Some(finished);
            }
            let deadline = state.queue.front().and_then(|entry| entry.deadline);
            self.wait_once(&mut state, deadline);
        }
        None
    }

    /// Waits while `condition` holds.
    pub fn wait(&self, state: &mut MutexGuard<'_, State<T>>, condition: impl Fn(&State<T>) -> bool) {
        self.wait_until(state, None, condition);
    }

    /// Waits while `condition` holds, until `deadline` at most.
    pub fn wait_until(
        &self,
        state: &mut MutexGuard<'_, State<T>>,
        deadline: Option<Instant>,
        condition: impl Fn(&State<T>) -> bool,
    ) {
        while condition(state) && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            self.wait_once(state, deadline);
        }
    }

    /// Waits for a change, until `deadline` at most.
    fn wait_once(&self, state: &mut MutexGuard<'_, State<T>>, deadline: Option<Instant>) {
        match deadline {
            None => self.changed.wait(state),
            Some(deadline) => drop(self.changed.wait_until(state, deadline)),
        }
    }
}
