//! What is submitted to the threads that restore, and what comes back.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::RestoreError;
use super::frame::Frame;
use super::graph_set::GraphSet;
use super::settings::{Report, Settings};

/// A frame to be restored.
#[derive(Debug, Clone)]
pub struct Job {
    /// The frame.
    pub frame: Arc<Frame>,
    /// What restores it. Another set than the frame's before keeps the window, so it has to be of the same pack.
    pub graphs: Arc<GraphSet>,
    /// Frames that may be in flight at a time: 1, or 2 and more for the next one to be encoded and restored while this
    /// one is decoded.
    pub depth: usize,
    /// Whether the frame that was restored last is the one before it. If not, it is paired with itself.
    pub follows: bool,
    /// How to restore it.
    pub settings: Settings,
    /// Memory for the picture; its content does not matter.
    pub picture: Vec<u8>,
}

/// How long to wait for a frame.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Until then at most.
    pub deadline: Instant,
    /// What has to be left until then for the frame to be begun, if it had to wait for another one.
    pub least: Duration,
}

impl Limit {
    /// Whether there is too little left.
    pub(super) fn is_near(&self) -> bool {
        self.deadline.saturating_duration_since(Instant::now()) < self.least
    }
}

/// A restored frame.
#[derive(Debug)]
pub struct Restored {
    /// Packed RGB of 4W×4H pixels.
    pub picture: Vec<u8>,
    /// What happened to it.
    pub report: Report,
}

/// What restoring a frame came to.
pub type Outcome = Result<Restored, RestoreError>;

/// A graph that panics fails its frame, and not the thread. What it leaves is scratch memory, and a window that is empty
/// or whole.
pub(super) fn caught<R>(work: impl FnOnce() -> Result<R, RestoreError>) -> Result<R, RestoreError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(RestoreError::Panicked))
}
