//! Where ONNX Runtime's log goes.

use std::sync::atomic::{AtomicU8, Ordering};

use ort::logging::LogLevel;
use parking_lot::RwLock;

use super::environment;

/// How serious a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Every step.
    Verbose,
    /// What was done.
    Info,
    /// What may be a problem.
    Warning,
    /// What failed.
    Error,
    /// What ends the program.
    Fatal,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Verbose => Level::Verbose,
            LogLevel::Info => Level::Info,
            LogLevel::Warning => Level::Warning,
            LogLevel::Error => Level::Error,
            LogLevel::Fatal => Level::Fatal,
        }
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Verbose => LogLevel::Verbose,
            Level::Info => LogLevel::Info,
            Level::Warning => LogLevel::Warning,
            Level::Error => LogLevel::Error,
            Level::Fatal => LogLevel::Fatal,
        }
    }
}

/// A function that takes lines of the log; called from any thread.
pub type Sink = fn(Level, &str);

static SINK: RwLock<Sink> = RwLock::new(to_stderr);
static THRESHOLD: AtomicU8 = AtomicU8::new(Level::Warning as u8);

/// From now on `sink` gets the log instead of the standard error stream.
pub fn set_sink(sink: Sink) {
    *SINK.write() = sink;
}

/// From now on lines below `level` are dropped; [`Level::Warning`] at first. ONNX Runtime itself asks for the level
/// when a model is loaded, so models that are loaded already keep theirs, unless it was lower.
pub fn set_level(level: Level) {
    THRESHOLD.store(level as u8, Ordering::Relaxed);
    environment::set_log_level(level.into());
}

/// The level below which lines are dropped.
pub(super) fn level() -> Level {
    const ALL: [Level; 5] = [Level::Verbose, Level::Info, Level::Warning, Level::Error, Level::Fatal];
    ALL[usize::from(THRESHOLD.load(Ordering::Relaxed))]
}

/// Passes one line to the sink.
pub(super) fn emit(level: Level, text: &str) {
    if level as u8 >= THRESHOLD.load(Ordering::Relaxed) {
        let sink = *SINK.read();
        sink(level, text);
    }
}

fn to_stderr(level: Level, text: &str) {
    eprintln!("ONNX Runtime, {level:?}: {text}");
}
