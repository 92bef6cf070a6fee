//! The one ONNX Runtime environment of the process.

use std::path::PathBuf;
use std::sync::Arc;

use once_cell::sync::OnceCell;
use ort::environment::Environment;
use ort::logging::{LogLevel, LoggerFunction};

use super::library::{Preference, find_preferred};
use super::log;
use super::{Library, RuntimeError, telemetry};

/// Never dropped and its library never unloaded: ONNX Runtime allows one environment in a process, and threads of its
/// providers may outlive every session.
static LOADED: OnceCell<Loaded> = OnceCell::new();

pub(super) struct Loaded {
    pub environment: Environment,
    pub library: Library,
}

/// The path of the ONNX Runtime library that this process uses; `None` before the first model.
pub fn library_path() -> Option<PathBuf> {
    LOADED.get().map(|loaded| loaded.library.path.clone())
}

/// Loads the library and creates the environment, once: the first preference in a process decides. A failure leaves nothing
/// behind, so that a later attempt may find another library.
pub(super) fn get(preference: Preference) -> Result<&'static Loaded, RuntimeError> {
    LOADED.get_or_try_init(|| load(preference))
}

pub(super) fn set_log_level(level: LogLevel) {
    if let Some(loaded) = LOADED.get() {
        loaded.environment.set_log_level(level);
    }
}

fn load(preference: Preference) -> Result<Loaded, RuntimeError> {
    telemetry::disable();
    // Checked before ort sees it: ort panics on some of what is refused here.
    let library = find_preferred(preference)?;
    let failed = |message: String| RuntimeError::Environment {
        path: library.path.clone(),
        message,
    };
    let environment = ort::init_from(&library.path)
        .map_err(|error| failed(error.to_string()))?
        .with_name("dloralvsr")
        .with_telemetry(false)
        .with_logger(logger())
        .build()
        .map_err(|error| failed(error.to_string()))?;
    environment.set_log_level(log::level().into());
    Ok(Loaded { environment, library })
}

fn logger() -> LoggerFunction {
    Arc::new(|level, category, _id, location, message| {
        let level = log::Level::from(level);
        if level >= log::level() {
            log::emit(level, &format!("{message} ({category}, {location})"));
        }
    })
}
