//! Ending what is being opened, from another thread.

use std::fmt;
use std::sync::Arc;

use ort::session::builder::{LoadCanceler, SessionBuilder};
use parking_lot::Mutex;

use super::log;

/// Ends the opening of a model that nobody waits for any more. Clones are the same one.
///
/// ONNX Runtime looks at it between two steps of opening a session: within moments on the CPU, but not while a provider
/// compiles a graph.
#[derive(Clone, Default)]
pub struct OpenCancel(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    cancelled: bool,
    /// Of the session that is being opened.
    session: Option<LoadCanceler>,
}

impl OpenCancel {
    /// Ends what is being opened with it, and whatever will be.
    pub fn cancel(&self) {
        let mut state = self.0.lock();
        state.cancelled = true;
        state.session.iter().for_each(end);
    }

    /// Whether it has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.lock().cancelled
    }

    /// The session that is opened next is that of `builder`.
    pub(super) fn watch(&self, builder: &SessionBuilder) {
        let mut state = self.0.lock();
        let session = builder.canceler();
        if state.cancelled {
            end(&session);
        }
        state.session = Some(session);
    }
}

fn end(session: &LoadCanceler) {
    if let Err(error) = session.cancel() {
        log::emit(
            log::Level::Warning,
            &format!("opening a graph could not be cancelled: {error}"),
        );
    }
}

impl fmt::Debug for OpenCancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenCancel").field(&self.is_cancelled()).finish()
    }
}
