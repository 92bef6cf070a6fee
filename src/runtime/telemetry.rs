//! ONNX Runtime from 1.32 on reports its use to its maker, over the network and in files of the user's cache folder, and
//! does so although its interface is asked not to. An environment variable stops it.

use std::fs;

/// What ONNX Runtime looks for when it is loaded.
pub const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Sets [`VARIABLE`] for this process, unless the user has set it to whatever, where that is sound: while the process has
/// no thread but this one. Programs call it first thing in `main`; GStreamer's plugin does when it is loaded.
///
/// Returns whether ONNX Runtime will report nothing.
pub fn disable() -> bool {
    if std::env::var_os(VARIABLE).is_none() && is_only_thread() {
        // SAFETY: no other thread exists that could read or write the environment at the same time, and none can come
        // into being meanwhile: only this one could start it.
        unsafe { std::env::set_var(VARIABLE, "1") };
    }
    is_disabled()
}

/// Whether ONNX Runtime reports nothing.
pub fn is_disabled() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| value == "1")
}

/// Advice where the user has not decided, and the process already had threads when the library was loaded.
pub fn advice() -> Option<&'static str> {
    std::env::var_os(VARIABLE).is_none().then_some(
        "ONNX Runtime may report its use to its maker: set ORT_DISABLE_TELEMETRY=1 before the program starts to keep it \
         from that, or =0 to hear no more of this",
    )
}

/// `false` also where the system does not tell.
fn is_only_thread() -> bool {
    fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_another_thread_the_environment_is_left_alone() {
        // The test runner's thread is one, this another.
        assert!(!is_only_thread());
        let before = std::env::var_os(VARIABLE);
        assert_eq!(disable(), before.as_deref().is_some_and(|value| value == "1"));
        assert_eq!(std::env::var_os(VARIABLE), before);
        assert_eq!(advice().is_some(), before.is_none());
    }
}
