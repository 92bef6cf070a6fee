//! Times of a stream as GStreamer tells them (segments, clocks, latencies), for the decisions of [`pace`](crate::pace).

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_base::prelude::*;
use gst_video::{VideoFlags, VideoInfo};

use super::DloralVsr;
use crate::pace::{
    self, Arrival, Change, GapDetector, Lag, Latencies, Nanoseconds, OverloadController, Policy, Reason, State,
    nanoseconds,
};

/// Frames a second from which on a rate in caps is no promise of when frames come.
const ABSURD_RATE: i32 = 1000;

/// Frames in a row that come late to the sink before there is a warning.
const WARN_AFTER: u32 = 10;

/// Frames that are not restored for less than this are no warning: after a start or a pause a stream may need a moment.
const SLOW_FOR: Nanoseconds = 1_500_000_000;

/// What is known of the stream's times. Held behind a lock that nobody holds while waiting.
#[derive(Debug)]
pub struct Timing {
    /// What is done with frames that would come late.
    pub controller: OverloadController,
    /// Until a frame is to leave.
    pub latencies: Latencies,
    /// Whether frames are missing.
    gaps: GapDetector,
    /// Length of a frame by the caps.
    frame: Option<Duration>,
    /// Whether upstream's latency is to be queried before the next frame.
    needs_latency_query: bool,
    /// What places frames in running time. Kept here, because the base class gives its own only to whoever holds the
    /// stream's lock, for which a query would have to wait.
    segment: Option<gst::Segment>,
    /// Where in the segment the last frame that was pushed ended.
    pushed_until: Option<gst::ClockTime>,
    /// How far frames are behind.
    pub lag: Lag,
    /// Frames in a row that came late to the sink.
    late_in_a_row: u32,
    /// Why frames are bypassed or dropped, and the running time since when.
    slow: Option<(Reason, Option<Nanoseconds>)>,
    /// Whether there was a warning that restoring is too slow.
    warned: bool,
    /// Frames that failed since the last one that did not.
    pub failures_in_a_row: u32,
    /// The element's own latency, as the last LATENCY query was answered.
    pub answered: Option<Duration>,
    started: Instant,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            controller: OverloadController::default(),
            latencies: Latencies::default(),
            gaps: GapDetector::default(),
            frame: None,
            needs_latency_query: true,
            segment: None,
            pushed_until: None,
            lag: Lag::default(),
            late_in_a_row: 0,
            slow: None,
            warned: false,
            failures_in_a_row: 0,
            answered: None,
            started: Instant::now(),
        }
    }
}

/// A frame's times.
#[derive(Debug, Clone, Copy)]
pub struct FrameTimes {
    /// For the controller, but for whether there is a model.
    pub arrival: Arrival,
    /// When the arrival's times were taken.
    pub taken: Instant,
    /// Whether it follows the frame before.
    pub follows: bool,
    /// When it is to be shown, if that is known.
    pub running_time: Option<Nanoseconds>,
    /// How far frames have fallen behind, where that is to be posted.
    pub lag: Option<Nanoseconds>,
}

impl Timing {
    /// Time since the run began.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Frames are missing, or another stream begins.
    pub fn reset(&mut self) {
        self.gaps.reset();
    }

    /// Another stream: whether it is live is to be asked.
    pub fn begin(&mut self) {
        self.reset();
        self.needs_latency_query = true;
    }

    /// A flush: what has failed before counts no more.
    pub fn flush(&mut self) {
        self.failures_in_a_row = 0;
        self.set_segment(None);
    }

    /// Another segment begins, or, after a flush, none yet.
    pub fn set_segment(&mut self, segment: Option<gst::Segment>) {
        self.segment = segment;
        self.pushed_until = None;
        self.lag.reset();
    }

    /// The stream time of a position in the segment.
    pub fn stream_time(&self, position: Option<gst::ClockTime>) -> Option<gst::ClockTime> {
        let segment = self.segment.as_ref()?.downcast_ref::<gst::ClockTime>()?;
        segment.to_stream_time(position)
    }

    /// The stream time at which the last frame that was pushed ended; none if none was.
    pub fn position(&self) -> Option<gst::ClockTime> {
        self.stream_time(self.pushed_until)
    }

    /// A frame is pushed.
    pub fn pushed(&mut self, buffer: &gst::BufferRef) {
        let length = buffer.duration().unwrap_or_default();
        let end = buffer.pts().map(|pts| pts.saturating_add(length));
        self.pushed_until = end.or(self.pushed_until);
    }

    /// Caps have come.
    pub fn set_rate(&mut self, video: &VideoInfo) {
        self.frame = frame_length(video);
    }

    /// The pipeline has configured a latency; upstream's may have changed.
    pub fn set_configured(&mut self, latency: gst::ClockTime) {
        self.latencies.configured = Some(latency.into());
        self.needs_latency_query = true;
    }

    /// Whether the own latency differs from what the last LATENCY query was answered, so that the pipeline has to query
    /// again; once.
    pub fn take_latency_change(&mut self, own: Duration) -> bool {
        let changed = self.answered.is_some_and(|answered| answered != own);
        self.answered = self.answered.map(|_| own);
        changed
    }

    /// What upstream has answered to a LATENCY query.
    pub fn note_upstream(&mut self, live: bool, latency: gst::ClockTime) {
        self.needs_latency_query = false;
        self.latencies.live = live;
        self.latencies.upstream = Some(latency.into());
    }

    /// Whether upstream's latency is to be queried before the next frame; once.
    pub fn take_latency_query(&mut self) -> bool {
        std::mem::take(&mut self.needs_latency_query)
    }

    /// The state has changed with the frame of this running time.
    pub fn changed(&mut self, change: &Change, running_time: Option<Nanoseconds>) {
        let is_slow = matches!(change.reason, Reason::Slow(_));
        self.slow = is_slow.then_some((change.reason, running_time));
    }

    /// Why frames are not restored, once that has lasted until the frame of this running time, by what restoring takes now;
    /// only once.
    pub fn take_slow(&mut self, running_time: Option<Nanoseconds>) -> Option<(State, Reason)> {
        let (mut reason, since) = self.slow?;
        let lasts = running_time
            .zip(since)
            .is_none_or(|(now, since)| now.saturating_sub(since) >= SLOW_FOR);
        if !lasts || !self.take_warning() {
            return None;
        }
        if let Reason::Slow(budget) = &mut reason {
            budget.needed = self.controller.needed().or(budget.needed);
        }
        Some((self.controller.state()?, reason))
    }

    /// Whether there is still to be a warning that restoring is too slow; only once.
    pub fn take_warning(&mut self) -> bool {
        !std::mem::replace(&mut self.warned, true)
    }

    /// A frame came to the sink so late. Says whether so many have that there is to be a warning: where every frame is
    /// waited for, nothing else would show it.
    pub fn arrived(&mut self, late_by: Nanoseconds) -> bool {
        self.controller.arrived(late_by);
        self.late_in_a_row = match late_by {
            1.. => self.late_in_a_row.saturating_add(1),
            _ => 0,
        };
        self.late_in_a_row >= WARN_AFTER && self.controller.policy() == Policy::Wait && self.take_warning()
    }

    /// Whether no frame can be late: upstream has answered that it is not live, and every frame is waited for, or no clock
    /// runs because the element is not `playing`.
    pub fn is_not_live(&self, playing: bool) -> bool {
        self.upstream_is_not_live()
            && match self.controller.policy() {
                Policy::Wait => true,
                Policy::Bypass => !playing,
                Policy::Drop => false,
            }
    }

    /// Whether a frame that may be late has the time of two: then two may be in flight at a time. What is not live runs
    /// ahead of its sink by as many frames as are in flight. `own` is the element's own latency.
    pub fn has_time_for_two(&self, own: Duration) -> bool {
        let ample = |frame: Duration| self.latencies.own_allowance(own) >= nanoseconds(frame.saturating_mul(2));
        let has_time = self.upstream_is_not_live() || (self.latencies.live && self.frame.is_some_and(ample));
        has_time && self.controller.policy() == Policy::Bypass
    }

    fn upstream_is_not_live(&self) -> bool {
        self.latencies.upstream.is_some() && !self.latencies.live
    }

    /// The times of the frame in `buffer`. `own` is the element's own latency.
    pub fn of_frame(&mut self, element: &DloralVsr, buffer: &gst::BufferRef, own: Duration) -> FrameTimes {
        let (start, stated_length) = start_and_length(self.segment.as_ref(), buffer, self.frame);
        let start = start.or_else(|| self.gaps.expected());
        let length = stated_length
            .or_else(|| Some(start?.saturating_sub(self.gaps.last_start()?)))
            .filter(|length| *length > 0);
        let frame = length.map(pace::duration);
        let taken = Instant::now();
        let timed = start.zip(running_time(element));
        let slack = timed.map(|(start, now)| {
            let allowance = self.latencies.allowance(own, frame);
            start.saturating_add(allowance).saturating_sub(now)
        });
        let lag = timed.and_then(|(start, now)| self.lag.observe(now.saturating_sub(start)));
        let follows = self.gaps.follows(start, stated_length);
        FrameTimes {
            arrival: Arrival {
                now: self.now(),
                slack,
                frame,
                ready: false,
                interval: 1,
                propagates: false,
            },
            taken,
            follows,
            running_time: start,
            lag: lag.filter(|_| self.controller.policy() == Policy::Wait),
        }
    }
}

/// The protocol by which the stream's source reads, such as `rtmp`, if it tells.
pub fn source_protocol(element: &DloralVsr) -> Option<String> {
    let mut query = gst::query::Uri::new();
    if !element.sink_pad().peer_query(&mut query) {
        return None;
    }
    let uri = query.uri()?;
    uri.split_once(':').map(|(protocol, _)| protocol.to_owned())
}

/// Running time by the element's clock; none while no clock runs: frames are never late then.
fn running_time(element: &DloralVsr) -> Option<Nanoseconds> {
    if element.current_state() != gst::State::Playing {
        return None;
    }
    element.current_running_time().map(signed)
}

fn signed(time: gst::ClockTime) -> Nanoseconds {
    Nanoseconds::try_from(time.nseconds()).unwrap_or(Nanoseconds::MAX)
}

/// By the caps; none where frames come when they come, or so often that it can only be a tick of something's clock.
fn frame_length(video: &VideoInfo) -> Option<Duration> {
    let rate = video.fps();
    // For a variable rate this is the highest that there may be.
    if video.flags().contains(VideoFlags::VARIABLE_FPS) || rate >= gst::Fraction::new(ABSURD_RATE, 1) {
        return None;
    }
    let (number, seconds) = (u64::try_from(rate.numer()).ok()?, u64::try_from(rate.denom()).ok()?);
    // Both are 31 bits at most: no overflow.
    let length = (seconds * gst::ClockTime::SECOND.nseconds()).checked_div(number)?;
    (length > 0).then(|| Duration::from_nanos(length))
}

/// When a buffer starts, and how long it lasts, in running time. Nothing is known in segments of other formats than time.
/// Played backwards, a frame starts where it ends.
fn start_and_length(
    segment: Option<&gst::Segment>,
    buffer: &gst::BufferRef,
    frame: Option<Duration>,
) -> (Option<Nanoseconds>, Option<Nanoseconds>) {
    // Running time counts from the stop where a segment is played backwards.
    let Some(segment) = segment
        .and_then(|segment| segment.downcast_ref::<gst::ClockTime>())
        .filter(|segment| segment.rate() >= 0.0 || segment.stop().is_some())
    else {
        return (None, None);
    };
    let nominal = frame.and_then(|frame| gst::ClockTime::try_from(frame).ok());
    let length = buffer.duration().or(nominal);
    let time = |position: gst::ClockTime| match segment.to_running_time_full(position) {
        Some(gst::Signed::Positive(time)) => Some(signed(time)),
        Some(gst::Signed::Negative(time)) => Some(-signed(time)),
        None => None,
    };
    let scaled = |length: gst::ClockTime| (signed(length) as f64 / segment.rate().abs()) as Nanoseconds;
    let first = match buffer.pts() {
        Some(pts) if segment.rate() < 0.0 => length.and_then(|length| pts.checked_add(length)).or(Some(pts)),
        pts => pts,
    };
    (first.and_then(time), length.map(scaled))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Option<Duration> = Some(Duration::from_millis(40));

    fn milliseconds(count: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(count)
    }

    fn buffer(pts: Option<gst::ClockTime>, duration: Option<gst::ClockTime>) -> gst::Buffer {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(pts);
        writable.set_duration(duration);
        buffer
    }

    fn at(segment: &gst::FormattedSegment<gst::ClockTime>, pts: u64) -> (Option<i64>, Option<i64>) {
        let buffer = buffer(Some(milliseconds(pts)), None);
        let (start, length) = start_and_length(Some(segment.upcast_ref()), &buffer, FRAME);
        let milliseconds = |time: Nanoseconds| time / 1_000_000;
        (start.map(milliseconds), length.map(milliseconds))
    }

    #[test]
    fn places_are_in_running_time() {
        let mut segment = gst::FormattedSegment::new();
        segment.set_start(milliseconds(1000));
        segment.set_base(milliseconds(500));
        assert_eq!(at(&segment, 1080), (Some(580), Some(40)));
        assert_eq!(at(&segment, 200), (Some(-300), Some(40)), "before the segment");
        segment.set_rate(2.0);
        assert_eq!(at(&segment, 1080), (Some(540), Some(20)));
    }

    #[test]
    fn played_backwards_a_frame_starts_where_it_ends() {
        let mut segment = gst::FormattedSegment::new();
        segment.set_start(milliseconds(0));
        segment.set_stop(milliseconds(1000));
        segment.set_rate(-1.0);
        assert_eq!(at(&segment, 960), (Some(0), Some(40)));
        assert_eq!(at(&segment, 920), (Some(40), Some(40)));
    }

    #[test]
    fn other_formats_and_the_ends_of_the_range_have_no_place() {
        let mut bytes = gst::FormattedSegment::<gst::format::Bytes>::new();
        bytes.set_start(gst::format::Bytes::from_u64(0));
        for segment in [Some(bytes.upcast_ref()), None] {
            let unknown = start_and_length(segment, &buffer(Some(milliseconds(40)), None), FRAME);
            assert_eq!(unknown, (None, None));
        }
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        for rate in [1.0, -1.0, 1e-9, 1e9] {
            segment.set_rate(rate);
            for pts in [0, 1, u64::MAX - 1, u64::MAX / 2, i64::MAX as u64] {
                let pts = Some(gst::ClockTime::from_nseconds(pts));
                for length in [None, Some(gst::ClockTime::ZERO), pts] {
                    start_and_length(Some(segment.upcast_ref()), &buffer(pts, length), FRAME);
                }
            }
        }
    }

    #[test]
    fn variable_and_absurd_rates_have_no_frame_length() {
        gst::init().unwrap();
        let length = |rate: &str| {
            let caps = format!("video/x-raw, format=RGB, width=16, height=16, framerate={rate}");
            frame_length(&VideoInfo::from_caps(&caps.parse::<gst::Caps>().unwrap()).unwrap())
        };
        assert_eq!(length("25/1"), FRAME);
        assert_eq!(
            length("240/1, max-framerate=240/1"),
            Some(Duration::from_nanos(4_166_666))
        );
        assert_eq!(length("0/1"), None);
        assert_eq!(length("0/1, max-framerate=60/1"), None);
        assert_eq!(length("1000/1"), None);
        assert_eq!(length("2147483647/1"), None);
        assert_eq!(length("1/2147483647"), Some(Duration::from_secs(i32::MAX as u64)));
    }
}
