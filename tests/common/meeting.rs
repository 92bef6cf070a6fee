//! Two frames that are on their way at the same time, or for ever.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::Hook;

/// The first frame's decoder and the second one's encoder meet, or neither goes on.
pub fn hook() -> Hook {
    let (meeting, encoded, decoded) = (Barrier::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
    Arc::new(move |graph| {
        let meets = match graph {
            Graph::Encoder => encoded.fetch_add(1, Ordering::Relaxed) == 1,
            Graph::Decoder => decoded.fetch_add(1, Ordering::Relaxed) == 0,
            Graph::Restorer => false,
        };
        if meets {
            meeting.wait();
        }
        Ok(())
    })
}
