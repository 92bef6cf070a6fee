//! What the element says on the bus while it runs: changes of state, and frames that it drops.

use std::time::Duration;

use crate::pace::{Change, Nanoseconds, Reason, State};
use crate::restore::Shortage;

/// Name of the element message's structure.
const STATE_MESSAGE: &str = "dloralvsr-state";

/// What a state is called in messages and statistics.
pub fn name(state: State) -> &'static str {
    match state {
        State::Restoring => "restoring",
        State::Degraded => "degraded",
        State::Dropping => "dropping",
    }
}

/// The warning for whoever reads no element messages, the first time that frames are not restored for long.
pub fn slow_warning(change: &Change) -> Option<String> {
    let what = match (change.state, change.reason) {
        (State::Degraded, Reason::Slow { .. }) => "Frames go out upscaled plainly for the time being",
        (State::Dropping, Reason::Slow { .. }) => "Frames are left out for the time being",
        _ => return None,
    };
    Some(format!("{what}: {}", reason(&change.reason)))
}

/// The warning for a stream in which every frame is waited for, and nobody waits at its end.
pub const LATE_WARNING: &str = "Frames come to the sink too late, and it may show few of them: restoring takes longer than \
     playing. Set overload=degrade, and put a queue behind the element; or set sync=false at the sink; or restore into a file";

/// The warning for a frame with which memory ran out.
pub fn shortage_warning(shortage: Shortage) -> &'static str {
    match shortage {
        Shortage::Batch => {
            "Memory ran out: from now on the restorer takes one tile at a time, which is slower and changes no picture"
        }
        Shortage::Tiles => {
            "Memory ran out: from now on tiles are half as large; set a smaller tile-size to have that from the start"
        }
    }
}

/// The structure of the message about a change of state: `state`, `reason` in words, `needed-ms` and `available-ms` of
/// a frame where they are known, and `running-time` of the first frame of the state.
pub fn state_structure(change: &Change, running_time: Option<Nanoseconds>) -> gst::Structure {
    let mut structure = gst::Structure::builder(STATE_MESSAGE)
        .field("state", name(change.state))
        .field("reason", reason(&change.reason))
        .build();
    if let Reason::Slow { needed, available } | Reason::Fits { needed, available } = change.reason {
        structure.set("available-ms", milliseconds(available));
        if let Some(needed) = needed {
            structure.set("needed-ms", milliseconds(needed));
        }
    }
    if let Some(time) = running_time.and_then(clock_time) {
        structure.set("running-time", time);
    }
    structure
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Begin => "the stream has begun, or overload has changed".to_owned(),
        Reason::Loading => "the model is being opened".to_owned(),
        Reason::Slow { needed: it, available } => format!(
            "restoring a frame takes {}, and {:.1} ms were left for the last one; use a smaller picture, a lower frame rate \
             or a faster device, or give frames more time with processing-latency if they are late only",
            it.map_or_else(
                || "a time that is not known yet".to_owned(),
                |it| format!("{:.1} ms or more", milliseconds(it))
            ),
            milliseconds(*available)
        ),
        Reason::Fits { needed: it, available } => {
            let took = it.map_or_else(
                || "may take another time now, since frames go another way".to_owned(),
                |it| format!("takes {:.1} ms", milliseconds(it)),
            );
            format!(
                "restoring a frame {took}, and there are {:.1} ms",
                milliseconds(*available)
            )
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn clock_time(time: Nanoseconds) -> Option<gst::ClockTime> {
    u64::try_from(time).ok().map(gst::ClockTime::from_nseconds)
}

/// A frame that was left out because it would have come late.
pub struct Drop<'a> {
    /// Its buffer.
    pub buffer: &'a gst::BufferRef,
    /// The segment that it is in, if there is one.
    pub segment: Option<&'a gst::Segment>,
    /// Whether upstream is live.
    pub live: bool,
    /// When it was to be shown.
    pub running_time: Option<Nanoseconds>,
    /// How long it would still have had.
    pub slack: Option<Nanoseconds>,
    /// What restoring takes, in lengths of a frame.
    pub proportion: f64,
    /// Frames that left, and frames that did not.
    pub processed_and_dropped: (u64, u64),
}

/// The QoS message about a frame that was dropped.
pub fn qos_message(drop: &Drop<'_>, source: &super::DloralVsr) -> gst::Message {
    /// Quality is at its best, as the base class tells it.
    const QUALITY: i32 = 1_000_000;
    let time_segment = drop
        .segment
        .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let stream_time = time_segment.and_then(|segment| segment.to_stream_time(drop.buffer.pts()));
    let (processed, dropped) = drop.processed_and_dropped;
    let count = |count: u64| gst::GenericFormattedValue::from(gst::format::Buffers::from_u64(count));
    let jitter = drop.slack.map_or(0, |slack| slack.saturating_neg());
    gst::message::Qos::builder(drop.live)
        .running_time(drop.running_time.and_then(clock_time))
        .stream_time(stream_time)
        .timestamp(drop.buffer.pts())
        .duration(drop.buffer.duration())
        .values(jitter, drop.proportion, QUALITY)
        .stats(count(processed), count(dropped))
        .src(source)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_with_its_figures() {
        gst::init().unwrap();
        let change = Change {
            state: State::Degraded,
            reason: Reason::Slow {
                needed: Some(Duration::from_millis(120)),
                available: Duration::from_millis(35),
            },
        };
        let structure = state_structure(&change, Some(5_000_000_000));
        assert_eq!(structure.name(), STATE_MESSAGE);
        assert_eq!(structure.get::<&str>("state").unwrap(), "degraded");
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
}
