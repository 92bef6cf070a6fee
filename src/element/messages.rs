//! Messages and warnings on the bus while the element runs: changes of state, lag, lack of memory.

use std::time::Duration;

use crate::pace::{Bound, Change, Nanoseconds, Reason, State, TimeBudget};
use crate::restore::MemoryFallback;

/// Name of the element message's structure.
const STATE_MESSAGE: &str = "dloralvsr-state";
/// The same, of the message about frames that fall behind.
const LAG_MESSAGE: &str = "dloralvsr-lag";

/// What a state is called in messages and statistics.
pub fn name(state: State) -> &'static str {
    match state {
        State::Restoring => "restoring",
        State::Bypassing => "bypassing",
        State::Dropping => "dropping",
    }
}

/// The warning for applications that read no element messages, the first time that frames are not restored for long.
pub fn slow_warning(state: State, why: &Reason) -> Option<String> {
    let what = match state {
        State::Bypassing => "Frames go out bicubic for the time being",
        State::Dropping => "Frames are left out for the time being",
        State::Restoring => return None,
    };
    Some(format!("{what}: {}", reason(why)))
}

/// The warning for a stream in which every frame is waited for, and nobody waits at its end.
pub const LATE_WARNING: &str = "Frames come to the sink too late, and it may show few of them: restoring takes longer than \
     playing. Set overload=bypass, and put a queue behind the element; or set sync=false at the sink; or restore into a file";

/// The warning for a frame with which memory ran out.
pub fn fallback_warning(fallback: MemoryFallback) -> &'static str {
    match fallback {
        MemoryFallback::Batch => {
            "Memory ran out: from now on the restorer takes one tile at a time, which is slower and changes no picture"
        }
        MemoryFallback::Tiles => {
            "Memory ran out: from now on tiles are half as large; set a smaller tile-size to have that from the start"
        }
    }
}

/// The structure of the message about a change of state: `state`, `reason` in words, `needed-ms` and `available-ms` of
/// a frame where they are known, and `running-time` of the first frame of the state.
pub fn state_structure(change: &Change, running_time: Option<Nanoseconds>) -> gst::Structure {
    let budget = match change.reason {
        Reason::Slow(budget) | Reason::Fits(budget) => Some(budget),
        Reason::Begin | Reason::Loading => None,
    };
    let needed = budget.and_then(|budget| budget.needed);
    gst::Structure::builder(STATE_MESSAGE)
        .field("state", name(change.state))
        .field("reason", reason(&change.reason))
        .field_if_some("available-ms", budget.map(|budget| milliseconds(budget.available)))
        .field_if_some("needed-ms", needed.map(milliseconds))
        .field_if_some("running-time", running_time.and_then(clock_time))
        .build()
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Begin => "the stream has begun, or overload has changed".to_owned(),
        Reason::Loading => "the model is being opened".to_owned(),
        Reason::Slow(budget) => {
            let takes = budget.needed.map_or_else(
                || "a time that is not known yet".to_owned(),
                |needed| format!("{:.1} ms or more", milliseconds(needed)),
            );
            let limit = limit(budget, |left| format!("{left:.1} ms were left for the last one"));
            format!(
                "restoring a frame takes {takes}, and {limit}; use a smaller picture, a lower frame rate or a faster device, \
                 or give frames more time with processing-latency if they are late only"
            )
        }
        Reason::Fits(budget) => {
            let takes = budget.needed.map_or_else(
                || "may take another time now, since another number of them is in flight".to_owned(),
                |needed| format!("takes {:.1} ms", milliseconds(needed)),
            );
            let limit = limit(budget, |left| format!("it has {left:.1} ms"));
            format!("restoring a frame {takes}, and {limit}")
        }
    }
}

/// However much time a frame has until its deadline, it must not hold up the next one.
fn limit(budget: &TimeBudget, left: impl FnOnce(f64) -> String) -> String {
    let available = milliseconds(budget.available);
    match budget.bound {
        Bound::Deadline => format!("{} until its deadline", left(available)),
        Bound::Rate => format!("the next one comes after {available:.1} ms, by the frame rate"),
    }
}

/// The structure of the message about frames that fall behind: `lag-ms`, and `running-time` of the frame.
pub fn lag_structure(lag: Nanoseconds, running_time: Option<Nanoseconds>) -> gst::Structure {
    gst::Structure::builder(LAG_MESSAGE)
        .field("lag-ms", lag as f64 / 1e6)
        .field_if_some("running-time", running_time.and_then(clock_time))
        .build()
}

/// The warning for a source in a network that does not call itself live.
pub fn lag_warning(lag: Nanoseconds, protocol: &str) -> String {
    format!(
        "Frames are {:.1} s late and fall behind ever further: restoring takes longer than the stream lasts. To GStreamer \
         this source ({protocol}) is not live, so every frame is waited for. If it is live, set overload=bypass",
        lag as f64 / 1e9
    )
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A running time as messages have it; none before a segment's start.
pub fn clock_time(time: Nanoseconds) -> Option<gst::ClockTime> {
    u64::try_from(time).ok().map(gst::ClockTime::from_nseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_with_its_figures() {
        gst::init().unwrap();
        let change = Change {
            state: State::Bypassing,
            reason: Reason::Slow(TimeBudget {
                needed: Some(Duration::from_millis(120)),
                available: Duration::from_millis(35),
                bound: Bound::Deadline,
            }),
        };
        let structure = state_structure(&change, Some(5_000_000_000));
        assert_eq!(structure.name(), STATE_MESSAGE);
        assert_eq!(structure.get::<&str>("state").unwrap(), "bypassing");
        assert_eq!(
            (structure.get::<f64>("needed-ms"), structure.get::<f64>("available-ms")),
            (Ok(120.0), Ok(35.0))
        );
        assert_eq!(
            structure.get::<gst::ClockTime>("running-time").unwrap(),
            gst::ClockTime::from_seconds(5)
        );
        let reason = structure.get::<&str>("reason").unwrap();
        assert!(
            reason.contains("takes 120.0 ms or more, and 35.0 ms were left"),
            "{reason}"
        );
    }

    /// A frame has 80 ms by what the user gave, and 40 by the next one: which of them it is, is said.
    #[test]
    fn what_bounds_a_frames_time_is_told() {
        for (bound, available, says) in [
            (Bound::Rate, 40, "the next one comes after 40.0 ms, by the frame rate"),
            (Bound::Deadline, 80, "it has 80.0 ms until its deadline"),
        ] {
            let told = reason(&Reason::Fits(TimeBudget {
                needed: Some(Duration::from_millis(31)),
                available: Duration::from_millis(available),
                bound,
            }));
            assert_eq!(told, format!("restoring a frame takes 31.0 ms, and {says}"));
        }
    }

    #[test]
    fn a_lag_is_told_with_its_figures() {
        gst::init().unwrap();
        let structure = lag_structure(2_500_000_000, Some(5_000_000_000));
        assert_eq!(structure.name(), LAG_MESSAGE);
        assert_eq!(structure.get::<f64>("lag-ms").unwrap(), 2500.0);
        let time = structure.get::<gst::ClockTime>("running-time").unwrap();
        assert_eq!(time, gst::ClockTime::from_seconds(5));
        assert!(lag_warning(2_500_000_000, "rtmp").contains("2.5 s late"));
    }
}
