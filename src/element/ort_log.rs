//! ONNX Runtime's log as a GStreamer debug category.

use std::sync::LazyLock;

use crate::runtime::log::{self, Level};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "dloralvsr-ort",
        gst::DebugColorFlags::empty(),
        Some("ONNX Runtime's log, for dloralvsr"),
    )
});

/// From now on ONNX Runtime's log goes to the category `dloralvsr-ort`, as much of it as the category shows.
pub fn install() {
    log::set_level(match CAT.threshold() {
        gst::DebugLevel::None => Level::Fatal,
        gst::DebugLevel::Error => Level::Error,
        gst::DebugLevel::Warning | gst::DebugLevel::Fixme => Level::Warning,
        gst::DebugLevel::Info | gst::DebugLevel::Debug => Level::Info,
        _ => Level::Verbose,
    });
    log::set_sink(|level, text| {
        let level = match level {
            Level::Verbose => gst::DebugLevel::Trace,
            Level::Info => gst::DebugLevel::Info,
            Level::Warning => gst::DebugLevel::Warning,
            Level::Error | Level::Fatal => gst::DebugLevel::Error,
        };
        gst::log_with_level!(*CAT, level, "{text}");
    });
}
