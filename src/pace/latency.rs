//! How long frames are given here.

use std::time::Duration;

use super::{Nanoseconds, nanoseconds};

/// What a sink adds to the latency for processing, unless it is told otherwise (GstBaseSink's `processing-deadline`).
const PROCESSING_DEADLINE: Duration = Duration::from_millis(20);

/// The latencies that decide when a frame is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// The least that upstream has, by its answer to the LATENCY query; none if it did not answer.
    pub upstream: Option<Duration>,
    /// Whether upstream is live, by the same answer.
    pub live: bool,
    /// What the whole pipeline has settled on, by the LATENCY event.
    pub configured: Option<Duration>,
}

impl Latencies {
    /// How long after its running time a frame is to leave, at the latest, so that it is in time at the sink: what
    /// upstream and this element have, and of what the pipeline has settled on beside that, no more than a sink allows
    /// for processing, since the rest is of elements downstream, which need it. A pipeline whose sink does not wait for
    /// the clock settles on less than its parts have; then a frame has its own length on top, after which it would hold
    /// up the next. A sink is first asked when the first frame has come there; until then it is taken for a usual one.
    pub fn allowance(&self, own: Duration, frame: Option<Duration>) -> Nanoseconds {
        let promised = self.upstream.unwrap_or_default().saturating_add(own);
        let allowance = match self.configured {
            Some(configured) if configured >= promised => configured.min(promised.saturating_add(PROCESSING_DEADLINE)),
            Some(_) => promised.saturating_add(frame.unwrap_or_default()),
            None => promised.saturating_add(PROCESSING_DEADLINE),
        };
        nanoseconds(allowance)
    }

    /// How much of it there is once a frame has come here, if it came as upstream has promised.
    pub fn own_allowance(&self, own: Duration) -> Nanoseconds {
        self.allowance(own, None) - nanoseconds(self.upstream.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(40);

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_frame_has_what_is_promised_and_a_sinks_allowance() {
        let mut latencies = Latencies {
            upstream: Some(milliseconds(30)),
            live: true,
            configured: Some(milliseconds(65)),
        };
        assert_eq!(latencies.allowance(milliseconds(20), Some(FRAME)), 65_000_000);
        assert_eq!(latencies.own_allowance(milliseconds(20)), 35_000_000);
        // An encoder downstream has two seconds of its own.
        latencies.configured = Some(milliseconds(2070));
        assert_eq!(latencies.allowance(milliseconds(20), Some(FRAME)), 70_000_000);
        // A sink that does not wait.
        latencies.configured = Some(Duration::ZERO);
        assert_eq!(latencies.allowance(milliseconds(20), Some(FRAME)), 90_000_000);
        // Nothing is known yet.
        assert_eq!(
            Latencies::default().allowance(milliseconds(20), Some(FRAME)),
            40_000_000
        );
    }
}
