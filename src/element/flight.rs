//! Frames in flight, in streams in which no frame can be late, or each has time for it: the streaming thread goes on to
//! the next frame while the core's threads restore the one before and push it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::flow::Request;
use crate::pace::Plan;
use crate::restore::{Delivery, Frame, Job, Limit, Outcome, Refusal, Stages, Stream};

/// What a frame takes along.
pub struct Cargo {
    /// The buffer that it is to be written to, with times, flags and metas.
    pub output: gst::Buffer,
    /// What it is to be treated by.
    pub request: Request,
    /// The time that it was given.
    pub patience: Option<Duration>,
}

impl Cargo {
    /// For a frame that goes as planned.
    pub fn new(output: gst::Buffer, request: Request, plan: Plan) -> Cargo {
        let patience = match plan {
            Plan::Restore { patience, .. } => patience,
            Plan::Degrade { .. } | Plan::Drop => None,
        };
        Cargo {
            output,
            request,
            patience,
        }
    }
}

/// A frame that has come out of the core.
pub type Landing = Delivery<Cargo>;

/// The frames in flight, and what became of those before them.
pub struct Flight {
    stages: Stages<Cargo>,
    /// What the last push came to, until upstream has learnt of it.
    flow: Mutex<Result<(), gst::FlowError>>,
}

impl Flight {
    /// Starts the threads. `deliver` is called on one of them, in the order of the frames.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(stream: Stream, deliver: impl FnMut(Landing) + Send + 'static) -> io::Result<Flight> {
        Ok(Flight {
            stages: Stages::spawn(stream, deliver)?,
            flow: Mutex::new(Ok(())),
        })
    }

    /// Waits until there is room for a frame.
    ///
    /// # Errors
    /// If it would not be taken.
    pub fn wait_for_room(&self) -> Result<(), Refusal> {
        self.stages.wait_for_room()
    }

    /// Gives a frame, and waits until it can be begun, within `limit` at most. Says whether it was begun.
    ///
    /// # Errors
    /// If it is not taken.
    pub fn give(&self, job: Job, cargo: Cargo, limit: Option<Limit>) -> Result<bool, Refusal> {
        self.stages.give(job, cargo, limit)
    }

    /// Gives a frame that is not to be restored.
    ///
    /// # Errors
    /// If it is not taken.
    pub fn pass_by(&self, frame: Arc<Frame>, cargo: Cargo) -> Result<(), Refusal> {
        self.stages.pass_by(frame, cargo)
    }

    /// Restores a frame beside the stream. Says whether there is time for it.
    pub fn probe(&self, job: Job) -> bool {
        self.stages.probe(job)
    }

    /// What became of a frame that was restored beside the stream, once.
    pub fn take(&self) -> Option<Outcome> {
        self.stages.take()
    }

    /// Waits until every frame is pushed, or for an interruption.
    pub fn land(&self) {
        self.stages.land();
    }

    /// While interrupted, nobody waits, and frames that are in flight do not come out.
    pub fn interrupt(&self, interrupted: bool) {
        self.stages.interrupt(interrupted);
    }

    /// What the last push came to, for upstream. Told once: with the frame after that downstream is asked again, which may
    /// have been linked or have other caps by then. Not so where the stream has ended, by a frame or by downstream, which
    /// then takes no more.
    ///
    /// # Errors
    /// What downstream has answered, or that a frame has ended the stream.
    pub fn tell_flow(&self) -> Result<(), gst::FlowError> {
        let mut flow = self.lock();
        let told = *flow;
        if !matches!(told, Err(gst::FlowError::Error | gst::FlowError::Eos)) {
            *flow = Ok(());
        }
        told
    }

    /// An answer of downstream's that upstream will not learn of, because no frame comes any more.
    pub fn untold_error(&self) -> Option<gst::FlowError> {
        self.lock().err()
    }

    /// Whether the last push went well.
    pub fn is_well(&self) -> bool {
        self.lock().is_ok()
    }

    /// Another stream or segment begins: downstream is asked again, if it was downstream that has ended the last one.
    pub fn forget_flow(&self) {
        let mut flow = self.lock();
        if *flow != Err(gst::FlowError::Error) {
            *flow = Ok(());
        }
    }

    /// Takes down what a push came to.
    pub fn set_flow(&self, flow: Result<(), gst::FlowError>) {
        *self.lock() = flow;
    }

    fn lock(&self) -> MutexGuard<'_, Result<(), gst::FlowError>> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
