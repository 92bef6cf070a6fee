//! Frames in flight, in streams in which no frame can be late: the streaming thread goes on to the next frame while the
//! core's threads restore the one before and push it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::flow::Request;
use crate::restore::{Delivery, Job, Refusal, Stages, Stream};

/// What a frame takes along.
pub struct Cargo {
    /// The buffer that it is to be written to, with times, flags and metas.
    pub output: gst::Buffer,
    /// What it is to be treated by.
    pub request: Request,
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

    /// Gives a frame, and waits until there is room for it.
    ///
    /// # Errors
    /// If it is not taken.
    pub fn give(&self, job: Job, cargo: Cargo) -> Result<(), Refusal> {
        self.stages.give(job, cargo)
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
    /// have been linked or have other caps by then. A frame that has ended the stream has ended it for good.
    ///
    /// # Errors
    /// What downstream has answered, or that a frame has ended the stream.
    pub fn tell_flow(&self) -> Result<(), gst::FlowError> {
        let mut flow = self.lock();
        let told = *flow;
        if told != Err(gst::FlowError::Error) {
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

    /// Takes down what a push came to.
    pub fn set_flow(&self, flow: Result<(), gst::FlowError>) {
        *self.lock() = flow;
    }

    fn lock(&self) -> MutexGuard<'_, Result<(), gst::FlowError>> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
