//! Where the video ends before the input does: after `--frames N`, at Ctrl-C, where the input gives nothing any more.
//!
//! The video is cut between two frames, in front of the restorer. Everything behind the cut drains as at the end of a
//! file. What passed, and when, is kept: by it the other streams are cut and the input is judged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;

/// Shared by the pads' probes and the session.
#[derive(Default)]
pub struct Gate {
    /// Frames to let through, `None`: all.
    limit: Option<u64>,
    interrupted: AtomicBool,
    /// Frames handed to the restorer, and frames that came out of it.
    admitted: AtomicU64,
    restored: AtomicU64,
    times: Mutex<Times>,
    /// The pad in front of the restorer.
    pad: Mutex<Option<gst::Pad>>,
}

/// Running times in ns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// The first coded key frame.
    pub first_key: Option<i64>,
    /// Starts of the first and the last frame handed to the restorer.
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// The first frame that was not handed on: the streams are cut there.
    pub cut: Option<i64>,
}

impl Gate {
    pub fn new(limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            ..Self::default()
        })
    }

    /// Frames handed to the restorer.
    pub fn admitted(&self) -> u64 {
        self.admitted.load(Ordering::Relaxed)
    }

    /// Frames that have been restored.
    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    pub fn times(&self) -> Times {
        *lock(&self.times)
    }

    /// Cut before the next frame.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// End the video at once, whatever its thread waits for. Does not block: that thread may be stuck.
    pub fn end_now(&self) {
        if let Some(pad) = lock(&self.pad).clone() {
            std::thread::spawn(move || end_behind(&pad));
        }
    }

    /// Watch the coded video.
    pub fn watch_coded(self: &Arc<Self>, pad: &gst::Pad) {
        let gate = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let Some(buffer) = info
                .buffer()
                .filter(|buffer| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT))
            else {
                return gst::PadProbeReturn::Ok;
            };
            let Some(time) = running_time(pad, buffer) else {
                return gst::PadProbeReturn::Ok;
            };
            lock(&gate.times).first_key = Some(time);
            gst::PadProbeReturn::Remove
        });
    }

    /// Watch the source pad that feeds the restorer.
    pub fn watch_decoded(self: &Arc<Self>, pad: &gst::Pad) {
        *lock(&self.pad) = Some(pad.clone());
        let gate = self.clone();
        let ended = AtomicBool::new(false);
        let data = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(data, move |pad, info| {
            // What comes behind the end is swallowed: upstream must not take a refusal for an error.
            if ended.load(Ordering::Relaxed) {
                return gst::PadProbeReturn::Handled;
            }
            let Some(buffer) = info.buffer() else {
                return gst::PadProbeReturn::Ok;
            };
            if gate.admits(pad, buffer) {
                return gst::PadProbeReturn::Ok;
            }
            ended.store(true, Ordering::Relaxed);
            end_behind(pad);
            gst::PadProbeReturn::Handled
        });
    }

    /// Count the frames that leave the restorer.
    pub fn count_restored(self: &Arc<Self>, pad: &gst::Pad) {
        let gate = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            gate.restored.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    fn admits(&self, pad: &gst::Pad, buffer: &gst::BufferRef) -> bool {
        let time = running_time(pad, buffer);
        let mut times = lock(&self.times);
        let is_enough = self.limit.is_some_and(|limit| self.admitted() >= limit);
        if is_enough || self.interrupted.load(Ordering::Relaxed) {
            times.cut = times.cut.or(time);
            return false;
        }
        times.first = times.first.or(time);
        times.last = times.last.max(time);
        self.admitted.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// End the stream behind a source pad, but not for the pad itself.
fn end_behind(pad: &gst::Pad) {
    if let Some(peer) = pad.peer() {
        peer.send_event(gst::event::Eos::new());
    }
}

/// A panicked probe leaves nothing half-done in these: the data stays good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Running time of a buffer's start in ns; less than zero where it lies before its segment.
fn running_time(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<i64> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    let time = segment.to_running_time_full(buffer.pts()?)?;
    let nanoseconds = i64::try_from(time.abs().nseconds()).ok()?;
    Some(if time.is_negative() { -nanoseconds } else { nanoseconds })
}
