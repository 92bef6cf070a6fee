//! Ctrl-C and SIGTERM, which end a run with a file that plays; SIGHUP too, unless `nohup` has it ignored.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Failure;

/// Count these signals instead of being ended by them.
///
/// # Errors
/// They cannot be handled.
pub fn count() -> Result<Arc<AtomicU32>, Failure> {
    /// A process handles them once, and may restore several files.
    static COUNTER: OnceLock<Arc<AtomicU32>> = OnceLock::new();
    if let Some(counter) = COUNTER.get() {
        return Ok(counter.clone());
    }
    let cannot = |error| Failure::Failed(format!("Ctrl-C cannot be handled: {error}"));
    let mut wanted = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP, &fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted).map_err(cannot)?;
    let counter = Arc::new(AtomicU32::new(0));
    let counted = counter.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        })
        .map_err(cannot)?;
    Ok(COUNTER.get_or_init(|| counter).clone())
}

/// Whether who started the process had a signal ignored, by `/proc/self/status`.
fn is_ignored(signal: i32, status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_seen() {
        let status = |mask: &str| format!("Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t{mask}\nSigCgt:\t0\n");
        assert!(is_ignored(SIGHUP, &status("0000000000001001")));
        assert!(!is_ignored(SIGHUP, &status("0000000000001000")));
        assert!(!is_ignored(SIGHUP, ""));
    }
}
