//! Where the streams end before the input does: after `--frames N`, or at Ctrl-C.
//!
//! The video is cut between two frames, in front of the restorer; the cut's time then ends the audio streams, in front
//! of the muxer. Everything behind the cut drains as at the end of a file, so the output is complete and plays.

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
    /// Where the furthest stream of the input has come to, as running time in ns.
    reached: AtomicU64,
    /// Running time at which the streams were cut.
    cut: Mutex<Option<gst::ClockTime>>,
    /// The watched pads, each the end of what is ours to cut.
    pads: Mutex<Vec<gst::Pad>>,
}

impl Gate {
    pub fn new(limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            ..Self::default()
        })
    }

    /// Frames that have been restored.
    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    /// Running time up to which the input was read, its furthest stream.
    pub fn reached(&self) -> gst::ClockTime {
        gst::ClockTime::from_nseconds(self.reached.load(Ordering::Relaxed))
    }

    /// Whether the streams were ended before the input was.
    pub fn is_cut(&self) -> bool {
        lock(&self.cut).is_some()
    }

    /// Cut before the next frame.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// End every stream at once, whatever it waits for: after an error nothing else will. Does not block: a pad's
    /// thread may be stuck.
    pub fn end_now(&self) {
        for pad in lock(&self.pads).clone() {
            std::thread::spawn(move || end_behind(&pad));
        }
    }

    /// Watch the source pad that feeds the restorer.
    pub fn watch_video(self: &Arc<Self>, pad: &gst::Pad) {
        self.watch(pad, |gate, start| {
            let stop = gate.interrupted.load(Ordering::Relaxed)
                || gate
                    .limit
                    .is_some_and(|limit| gate.admitted.load(Ordering::Relaxed) >= limit);
            if stop {
                lock(&gate.cut).get_or_insert(start);
            } else {
                gate.admitted.fetch_add(1, Ordering::Relaxed);
            }
            stop
        });
    }

    /// Watch an audio stream's source pad in front of the muxer.
    pub fn watch_audio(self: &Arc<Self>, pad: &gst::Pad) {
        self.watch(pad, |gate, start| lock(&gate.cut).is_some_and(|cut| start >= cut));
    }

    /// Count the frames that leave the restorer.
    pub fn count_restored(self: &Arc<Self>, pad: &gst::Pad) {
        let gate = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            gate.restored.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    /// End the pad's stream at the first buffer for which `ends` says so, given the buffer's running time.
    fn watch(self: &Arc<Self>, pad: &gst::Pad, ends: impl Fn(&Gate, gst::ClockTime) -> bool + Send + Sync + 'static) {
        lock(&self.pads).push(pad.clone());
        let gate = self.clone();
        let ended = AtomicBool::new(false);
        let data = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(data, move |pad, info| {
            // What comes behind the end is swallowed: upstream must not take a refusal for an error.
            if ended.load(Ordering::Relaxed) {
                return gst::PadProbeReturn::Handled;
            }
            let Some((start, end)) = info.buffer().and_then(|buffer| span(pad, buffer)) else {
                return gst::PadProbeReturn::Ok;
            };
            if ends(&gate, start) {
                ended.store(true, Ordering::Relaxed);
                end_behind(pad);
                return gst::PadProbeReturn::Handled;
            }
            gate.reached.fetch_max(end.nseconds(), Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
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

/// Running time of a buffer's start and end.
fn span(pad: &gst::Pad, buffer: &gst::Buffer) -> Option<(gst::ClockTime, gst::ClockTime)> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let start = segment
        .segment()
        .downcast_ref::<gst::ClockTime>()?
        .to_running_time(buffer.pts()?)?;
    Some((start, start + buffer.duration().unwrap_or(gst::ClockTime::ZERO)))
}
