//! What is given to a thread that restores, and what comes back.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::RestoreError;
use super::frame::Frame;
use super::settings::{Report, Settings};

/// How long dropping a thread's owner waits for what the thread is at. Longer graphs, such as those for which an engine
/// is being built, are left to themselves.
pub(super) const FAREWELL: Duration = Duration::from_millis(500);

/// A frame to be restored.
#[derive(Debug)]
pub struct Job {
    /// The frame.
    pub frame: Arc<Frame>,
    /// Whether the frame restored last is the one before it. If not, it is paired with itself.
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
    /// What has to be left until then for the frame to be begun, if another one is before it.
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
    /// Tight RGB of 4W×4H pixels.
    pub picture: Vec<u8>,
    /// What happened to it.
    pub report: Report,
}

/// What became of a frame.
pub type Outcome = Result<Restored, RestoreError>;

/// A graph that panics fails its frame, and not the thread. What it leaves is scratch memory, and a window that is empty
/// or whole.
pub(super) fn caught<R>(work: impl FnOnce() -> Result<R, RestoreError>) -> Result<R, RestoreError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(RestoreError::Panicked))
}
