//! Opening the model, with its progress on the bus.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use gst::glib;
use gst::prelude::*;

use super::failure::{self, OpenError};
use super::session::ModelPromise;
use super::settings::ModelRequest;
use super::{CAT, DloralVsr, ort_log};
use crate::pack::Pack;
use crate::runtime::{Model, OpenCancel, Progress, telemetry};

/// Code of the PROGRESS messages.
const PROGRESS_CODE: &str = "open-model";

/// What a model that cannot be opened means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The stream cannot go on.
    Error,
    /// It goes on with the model that it has.
    Warning,
}

/// Opens the model that is asked for and delivers it. Progress and errors that come late go to the bus of `element`,
/// unless nobody wants the model any more.
pub fn open(element: &glib::WeakRef<DloralVsr>, request: &ModelRequest, promise: &ModelPromise, on_failure: OnFailure) {
    let tell = |type_, text: &str| {
        if let Some(element) = element.upgrade().filter(|_| promise.is_wanted()) {
            post_progress(&element, type_, text);
        }
    };
    tell(gst::ProgressType::Start, "Opening the model");
    match load_caught(request, promise.cancellation(), &mut |text| {
        tell(gst::ProgressType::Continue, text)
    }) {
        Ok(model) => {
            let text = describe(&model);
            if let Some(element) = element.upgrade().filter(|_| promise.deliver(model)) {
                post_progress(&element, gst::ProgressType::Complete, &text);
                post_telemetry(&element);
            }
        }
        Err(error) => {
            tell(gst::ProgressType::Error, &error.to_string());
            let Some(message) = promise.fail(failure::of_opening(&error)) else {
                return;
            };
            if let Some(element) = element.upgrade().filter(|_| promise.is_wanted()) {
                match on_failure {
                    OnFailure::Error => element.post_error_message(message),
                    OnFailure::Warning => post_kept_model(&element, &error.to_string()),
                }
            }
        }
    }
}

/// Warns that the other model, which was requested while the stream runs, cannot be opened.
pub fn post_kept_model(element: &DloralVsr, cause: &str) {
    gst::element_warning!(
        element,
        gst::ResourceError::NotFound,
        ("The other model cannot be opened, and the stream goes on with the one that it has: {cause}")
    );
}

/// Ends the progress of a model that is not waited for any more.
pub fn post_cancelled(element: &DloralVsr) {
    post_progress(element, gst::ProgressType::Canceled, "The model is not needed any more");
}

/// As [`load`]; a panic is an error like others, since nobody else would tell of it.
fn load_caught(
    request: &ModelRequest,
    cancel: &OpenCancel,
    tell: &mut dyn FnMut(&str),
) -> Result<Arc<Model>, OpenError> {
    let loaded = catch_unwind(AssertUnwindSafe(|| load(request, cancel, tell)));
    loaded.unwrap_or(Err(OpenError::Panicked))
}

fn load(request: &ModelRequest, cancel: &OpenCancel, tell: &mut dyn FnMut(&str)) -> Result<Arc<Model>, OpenError> {
    ort_log::install();
    let pack = match &request.model {
        Some(model) => Pack::find(model)?,
        None => Pack::embedded()?,
    };
    let mut progress = |progress: Progress| tell(&format!("{}: {} %", progress.stage, progress.percent));
    Ok(Model::load_cancellable(&pack, &request.options, &mut progress, cancel)?)
}

/// The model and its execution provider; with `auto` also why it is none that is faster.
fn describe(model: &Model) -> String {
    let text = format!("Model {} runs on {}", model.manifest().name, model.provider());
    match model.provider_note() {
        Some(note) => format!("{text} ({note})"),
        None => text,
    }
}

/// Once in a process.
fn post_telemetry(element: &DloralVsr) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        if let Some(advice) = telemetry::advice() {
            gst::element_info!(element, gst::LibraryError::Settings, ("{advice}"));
        }
    });
}

fn post_progress(element: &DloralVsr, type_: gst::ProgressType, text: &str) {
    gst::info!(CAT, obj = element, "{type_:?}: {text}");
    let message = gst::message::Progress::builder(type_, PROGRESS_CODE, text)
        .src(element)
        .build();
    // Without a bus there is nobody to tell.
    let _ = element.post_message(message);
}
