//! Errors of the core as element messages, with the whole text: it names the remedy.

use super::session::FrameError;
use crate::pack::PackError;
use crate::restore::{GraphErrorKind, RestoreError};
use crate::runtime::RuntimeError;

/// Why a model could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The pack is not usable.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// ONNX Runtime is not there, or does not take the pack.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A fault of the plugin.
    #[error("opening it panicked, which is a fault of the plugin; what is on the standard error says where: report it")]
    Panicked,
}

/// The message for a model that could not be opened.
pub fn of_opening(error: &OpenError) -> gst::ErrorMessage {
    let code = match error {
        OpenError::Pack(PackError::NotAPack { .. } | PackError::MissingFile { .. }) => gst::ResourceError::NotFound,
        OpenError::Pack(_) => gst::ResourceError::OpenRead,
        OpenError::Runtime(RuntimeError::LibraryNotFound { .. }) => gst::ResourceError::NotFound,
        OpenError::Runtime(_) => gst::ResourceError::Settings,
        OpenError::Panicked => gst::ResourceError::Failed,
    };
    gst::error_msg!(code, ("The model could not be opened: {error}"))
}

/// The message for a frame that ends the stream; `None` where there is nothing to add.
pub fn of_frame(error: &FrameError) -> Option<gst::ErrorMessage> {
    let text = format!("The frame could not be restored: {error}");
    Some(match error {
        FrameError::Flushing | FrameError::NoModel | FrameError::NotNegotiated => return None,
        FrameError::Buffer(_) | FrameError::Restore(RestoreError::Picture { .. }) => {
            gst::error_msg!(gst::StreamError::Format, ("{text}"))
        }
        FrameError::Restore(RestoreError::Graph(graph)) if graph.kind == GraphErrorKind::OutOfMemory => {
            gst::error_msg!(gst::ResourceError::NoSpaceLeft, ("{text}"))
        }
        FrameError::Restore(_) => gst::error_msg!(gst::StreamError::Failed, ("{text}")),
    })
}

/// The text of the warning about the first of several failures in a row.
pub fn warning(error: &FrameError, max_errors: u32) -> String {
    let fate = match error {
        FrameError::Buffer(_) | FrameError::Restore(RestoreError::Picture { .. }) => "dropped",
        _ => "bypassed",
    };
    let end = match max_errors {
        0 => "the stream goes on however many follow (max-errors=0)".to_owned(),
        count => format!("the stream ends at {count} in a row (max-errors)"),
    };
    format!("The frame could not be restored and is {fate}: {error}; {end}")
}
