//! Reading begins some time before the part that is wanted, where the file has tables of key frames. Once the first frame
//! has come, and with it the clocks are known, a seek is sent; nothing has passed the gate by then, so what is behind it
//! never hears of that. Where the seek leads anywhere else than it should, reading begins at the beginning.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use gst::prelude::*;

use super::gate::lock;
use crate::input::SeekPoint;

/// What is to become of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is where the seek led, or there is no seek.
    Here,
    /// It is to be forgotten.
    Elsewhere,
}

enum State {
    /// Nothing is to be done.
    Over {
        is_sought: bool,
    },
    Wanted(SeekPoint),
    /// Sent, with where it is to lead; none: to the beginning.
    Sent(Option<SeekPoint>),
    /// Everything from before is gone; the next frame is where the seek led.
    Flushed(Option<SeekPoint>),
}

impl State {
    /// Where a frame is that has waited until a seek was over.
    fn of_waiting(&self) -> Place {
        match self {
            // Refused: nothing was flushed.
            State::Over { .. } => Place::Here,
            _ => Place::Elsewhere,
        }
    }
}

pub struct Seeking {
    state: Mutex<State>,
    changed: Condvar,
}

impl Seeking {
    pub fn to(point: Option<SeekPoint>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(point.map_or(State::Over { is_sought: false }, State::Wanted)),
            changed: Condvar::new(),
        })
    }

    /// Whether reading began in the middle of the input.
    pub fn is_sought(&self) -> bool {
        matches!(*lock(&self.state), State::Over { is_sought: true })
    }

    /// A frame at `file_time` comes, which is `running_time` in the pipeline, on the pad in front of the restorer.
    pub fn place(self: &Arc<Self>, pad: &gst::Pad, file_time: i64, running_time: i64) -> Place {
        let mut state = lock(&self.state);
        match &*state {
            State::Over { .. } => return Place::Here,
            State::Wanted(point) => {
                let target = point.time - file_time + running_time;
                let point = point.clone();
                *state = State::Sent(Some(point));
                self.send(pad, target);
            }
            State::Flushed(None) => {
                *state = State::Over { is_sought: false };
                return Place::Here;
            }
            State::Flushed(Some(point)) => {
                if point.led_to(file_time) {
                    *state = State::Over { is_sought: true };
                    return Place::Here;
                }
                *state = State::Sent(None);
                self.send(pad, 0);
            }
            State::Sent(_) => {}
        }
        // The flush wakes it, or a refusal.
        while matches!(*state, State::Sent(_)) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.of_waiting()
    }

    /// Seek, from another thread: the pad's own is in the middle of a frame.
    fn send(self: &Arc<Self>, pad: &gst::Pad, running_time: i64) {
        let (seeking, pad) = (self.clone(), pad.clone());
        std::thread::spawn(move || {
            if !seek(&pad, running_time) {
                seeking.change(|_| State::Over { is_sought: false });
            }
        });
    }

    /// A flush comes by.
    pub fn flush(&self) {
        self.change(|state| match state {
            State::Sent(point) => State::Flushed(point.clone()),
            _ => State::Over { is_sought: false },
        });
    }

    fn change(&self, to: impl FnOnce(&State) -> State) {
        let mut state = lock(&self.state);
        *state = to(&state);
        self.changed.notify_all();
    }
}

/// Ask upstream of a source pad for the key frame before a running time.
fn seek(pad: &gst::Pad, running_time: i64) -> bool {
    let Some(segment) = pad.sticky_event::<gst::event::Segment>(0) else {
        return false;
    };
    let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>().cloned() else {
        return false;
    };
    let base = segment.base().unwrap_or_default();
    let time = segment.time().unwrap_or_default();
    let running_time = gst::ClockTime::from_nseconds(u64::try_from(running_time).unwrap_or(0));
    let position = running_time.saturating_sub(base) + time;
    let event = gst::event::Seek::new(
        1.0,
        gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE,
        gst::SeekType::Set,
        position,
        gst::SeekType::None,
        gst::ClockTime::NONE,
    );
    let sink = pad.parent_element().and_then(|element| element.static_pad("sink"));
    sink.is_some_and(|sink| sink.push_event(event))
}

/// Let times after a seek count as those before it: the demuxer's new segment would begin with the key frame.
pub fn keep_segment(pad: &gst::Pad) {
    let first: Mutex<Option<gst::FormattedSegment<gst::ClockTime>>> = Mutex::new(None);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let Some(gst::EventView::Segment(event)) = info.event().map(|event| event.view()) else {
            return gst::PadProbeReturn::Ok;
        };
        let Some(segment) = event.segment().downcast_ref::<gst::ClockTime>().cloned() else {
            return gst::PadProbeReturn::Ok;
        };
        let mut first = lock(&first);
        let Some(kept) = first.as_ref() else {
            *first = Some(segment);
            return gst::PadProbeReturn::Ok;
        };
        // Another part of the file's edit list is left as it is.
        if segment.base() == Some(gst::ClockTime::ZERO) && zero(&segment) == zero(kept) {
            let same = gst::event::Segment::builder(kept).seqnum(event.seqnum()).build();
            info.data = Some(gst::PadProbeData::Event(same));
        }
        gst::PadProbeReturn::Ok
    });
}

/// The buffers' time that is the stream's zero, ns.
fn zero(segment: &gst::FormattedSegment<gst::ClockTime>) -> Option<i128> {
    let [start, time] = [segment.start()?, segment.time()?].map(|time| i128::from(time.nseconds()));
    Some(start - time)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frame that has waited for a seek is from before it, also where that leads back to the beginning: counted there,
    /// the output would have one frame twice.
    #[test]
    fn a_frame_from_before_a_seek_is_forgotten() {
        gst::init().unwrap();
        let pad = gst::Pad::new(gst::PadDirection::Src);
        let seeking = Arc::new(Seeking {
            state: Mutex::new(State::Sent(None)),
            changed: Condvar::new(),
        });
        seeking.flush();
        assert_eq!(lock(&seeking.state).of_waiting(), Place::Elsewhere);
        assert_eq!(seeking.place(&pad, 0, 0), Place::Here);
        assert!(!seeking.is_sought());
        // Refused, it goes on as if nothing had been asked.
        seeking.change(|_| State::Sent(None));
        seeking.change(|_| State::Over { is_sought: false });
        assert_eq!(lock(&seeking.state).of_waiting(), Place::Here);
    }
}
