//! When frames are to leave, and what is done with those that would come late; arithmetic only, without GStreamer and
//! without a clock.
//!
//! | module | knows |
//! |---|---|
//! | [`overload`] | the states restoring, bypassing and dropping: which a frame falls into, and when they change |
//! | [`gaps`] | whether a frame follows the one before it, or frames are missing between them |
//! | [`lag`] | whether frames fall behind ever further where every one is waited for |
//! | [`latency`] | how long frames are given, of all latencies that are known |

pub mod gaps;
pub mod lag;
pub mod latency;
pub mod overload;

pub use gaps::GapDetector;
pub use lag::Lag;
pub use latency::Latencies;
pub use overload::{Arrival, Bound, Change, Cost, OverloadController, Plan, Policy, Reason, State, TimeBudget};

/// A running time or a difference of two, in ns: negative before a segment's start, and for what is late.
pub type Nanoseconds = i64;

/// A duration in ns, saturated.
pub(crate) fn nanoseconds(duration: std::time::Duration) -> Nanoseconds {
    Nanoseconds::try_from(duration.as_nanos()).unwrap_or(Nanoseconds::MAX)
}

/// A span of running time that is not negative, as a duration.
pub(crate) fn duration(span: Nanoseconds) -> std::time::Duration {
    std::time::Duration::from_nanos(u64::try_from(span).unwrap_or(0))
}
