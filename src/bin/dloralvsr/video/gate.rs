//! Where the video begins and ends, if not with the input: `--start`, `--end`, `--frames`, Ctrl-C, an input that gives
//! nothing any more.
//!
//! The video is cut between two frames, in front of the restorer. Everything behind the cut drains as at the end of a
//! file. What passed, and when, is kept: by it the other streams are cut and the input is judged.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;

use super::intervals::Intervals;
use super::seek::{Place, Seeking};
use crate::input::{SeekPoint, Video};
use crate::range::Range;

/// Times that are less apart are equal: they are rounded to a microsecond at least.
const SAME: i64 = 100_000;

/// Shared by the pads' probes and the session.
pub struct Gate {
    /// Frames to let through, `None`: all.
    limit: Option<u64>,
    /// The first frames of the range, which an earlier run has restored.
    done: Option<Done>,
    intervals: Intervals,
    seeking: Arc<Seeking>,
    /// Of the file's clock.
    range: Range,
    clock: FileClock,
    interrupted: AtomicBool,
    /// Frames before the range or done, and the last of them: as many of these as it takes are restored once more, so that
    /// the next frame comes out as in the whole video.
    skipped: AtomicU64,
    /// Of them, those that are done.
    passed: AtomicU64,
    before: Mutex<VecDeque<gst::Buffer>>,
    /// How many of the next frames that come out of the restorer are those before.
    warming_up: AtomicUsize,
    /// Frames handed to the restorer, and frames that came out of it.
    admitted: AtomicU64,
    restored: AtomicU64,
    times: Mutex<Times>,
    /// The pad in front of the restorer.
    pad: Mutex<Option<gst::Pad>>,
}

/// Frames at the beginning of the range that are restored already.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub frames: u64,
    /// Starts of the first and the last of them, of the file's clock, ns.
    pub first: i64,
    pub last: i64,
}

/// Running times in ns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// The first coded key frame.
    pub first_key: Option<i64>,
    /// Start of the first decoded frame.
    pub decoded: Option<i64>,
    /// Starts of the first and the last frame handed to the restorer.
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// The first frame that was not handed on: the streams are cut there.
    pub cut: Option<i64>,
}

/// Times of the file's clock that are known of the pipeline too, ns.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileClock {
    first_key: Option<i64>,
    first_frame: Option<i64>,
}

impl FileClock {
    pub fn of(video: &Video) -> Self {
        Self {
            first_key: video.first_key,
            first_frame: video.first_frame,
        }
    }

    fn file_time(self, running_time: i64, times: &Times) -> i64 {
        let known = self
            .first_key
            .zip(times.first_key)
            .or(self.first_frame.zip(times.decoded));
        running_time + known.map_or(0, |(file, pipeline)| file - pipeline)
    }
}

/// What becomes of a decoded frame.
enum Admission {
    /// It is before the range, or done.
    Skip,
    /// As the output's frame of this number.
    Restore(u64),
    /// It is behind the range, and so is all that comes.
    End,
}

impl Gate {
    /// Lets through frames of `range`, a range of the file's clock, at most `limit`, but for those that are `done`. Reading
    /// begins at the point, if there is one.
    pub fn new(
        limit: Option<u64>,
        range: Range,
        (done, intervals): (Option<Done>, Intervals),
        clock: FileClock,
        point: Option<SeekPoint>,
    ) -> Arc<Self> {
        Arc::new(Self {
            limit,
            range,
            done,
            intervals,
            clock,
            seeking: Seeking::to(point),
            interrupted: AtomicBool::default(),
            skipped: AtomicU64::default(),
            passed: AtomicU64::default(),
            before: Mutex::default(),
            warming_up: AtomicUsize::default(),
            admitted: AtomicU64::default(),
            restored: AtomicU64::default(),
            times: Mutex::default(),
            pad: Mutex::default(),
        })
    }

    /// Frames handed to the restorer.
    pub fn admitted(&self) -> u64 {
        self.admitted.load(Ordering::Relaxed)
    }

    /// Frames of the range that an earlier run has restored.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Frames that have been restored.
    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    /// Frames that have been decoded.
    pub fn decoded(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed) + self.admitted()
    }

    /// Whether all frames before the range have been decoded too.
    pub fn has_read_all(&self) -> bool {
        !self.seeking.is_sought()
    }

    /// Start of the first frame of the output, of the file's clock, ns.
    pub fn first_frame(&self) -> i64 {
        let own = || self.file_time(self.times().first.unwrap_or(0));
        self.done.map_or_else(own, |done| done.first)
    }

    /// What is let through, of the file's clock.
    pub fn range(&self) -> Range {
        self.range
    }

    /// The time of the file's clock at a running time, ns.
    pub fn file_time(&self, running_time: i64) -> i64 {
        self.clock.file_time(running_time, &lock(&self.times))
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
        let data = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(data, move |pad, info| {
            match info.event().map(|event| event.type_()) {
                Some(gst::EventType::FlushStart) => {
                    gate.seeking.flush();
                    return gst::PadProbeReturn::Handled;
                }
                Some(gst::EventType::FlushStop) => {
                    gate.forget_skipped();
                    return gst::PadProbeReturn::Handled;
                }
                _ => {}
            }
            // What comes behind the end is swallowed: upstream must not take a refusal for an error.
            if ended.load(Ordering::Relaxed) {
                return gst::PadProbeReturn::Handled;
            }
            let Some(buffer) = info.buffer() else {
                return gst::PadProbeReturn::Ok;
            };
            match gate.admit(pad, buffer) {
                Admission::Restore(number) => gate.warm_up(pad, info, number),
                Admission::Skip => {
                    gate.remember(buffer);
                    gst::PadProbeReturn::Drop
                }
                Admission::End => {
                    ended.store(true, Ordering::Relaxed);
                    end_behind(pad);
                    gst::PadProbeReturn::Handled
                }
            }
        });
    }

    /// Count the frames that leave the restorer.
    pub fn count_restored(self: &Arc<Self>, pad: &gst::Pad) {
        let gate = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let warming_up = &gate.warming_up;
            if warming_up
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
            {
                return gst::PadProbeReturn::Drop;
            }
            gate.restored.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    /// Keep the last skipped frames.
    fn remember(&self, buffer: &gst::BufferRef) {
        let mut before = lock(&self.before);
        if before.len() == self.intervals.most_before() {
            before.pop_front();
        }
        before.push_back(buffer.copy());
    }

    /// Hand the last skipped frames to the restorer, in front of the first one that is wanted, which is `number`.
    fn warm_up(&self, pad: &gst::Pad, info: &mut gst::PadProbeInfo, number: u64) -> gst::PadProbeReturn {
        let Some(restorer) = pad.peer() else {
            return gst::PadProbeReturn::Ok;
        };
        let mut before = std::mem::take(&mut *lock(&self.before));
        let wanted = self.intervals.before(number, before.len());
        before.drain(..before.len() - wanted);
        self.warming_up.fetch_add(wanted, Ordering::Relaxed);
        // Fewer frames than 2⁶³ go through.
        let number = number as i64;
        for (number, buffer) in (number - wanted as i64..).zip(before) {
            self.intervals.announce(&restorer, number);
            if let Err(error) = restorer.chain(buffer) {
                info.flow_res = Err(error);
                return gst::PadProbeReturn::Handled;
            }
        }
        self.intervals.announce(&restorer, number);
        gst::PadProbeReturn::Ok
    }

    /// Whether the frame at `time`, before which so many frames of the range passed, is restored already.
    fn is_done(&self, done: &Done, passed: u64, time: Option<i64>) -> bool {
        match (self.has_read_all(), time) {
            (false, Some(time)) => time <= done.last + SAME,
            _ => passed < done.frames,
        }
    }

    fn forget_skipped(&self) {
        self.skipped.store(0, Ordering::Relaxed);
        lock(&self.before).clear();
    }

    fn admit(&self, pad: &gst::Pad, buffer: &gst::BufferRef) -> Admission {
        let time = running_time(pad, buffer);
        let mut times = lock(&self.times);
        times.decoded = times.decoded.or(time);
        if let Some(running) = time {
            let of_file = self.clock.file_time(running, &times);
            drop(times);
            if self.seeking.place(pad, of_file, running) == Place::Elsewhere {
                return Admission::Skip;
            }
            times = lock(&self.times);
        }
        let of_file = time.map(|time| self.clock.file_time(time, &times));
        let passed = self.passed();
        let is_enough = self.limit.is_some_and(|limit| passed + self.admitted() >= limit)
            || of_file.is_some_and(|time| self.range.is_behind(time));
        if is_enough || self.interrupted.load(Ordering::Relaxed) {
            times.cut = times.cut.or(time);
            return Admission::End;
        }
        if of_file.is_some_and(|time| self.range.is_before(time)) {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return Admission::Skip;
        }
        times.first = times.first.or(time);
        if let Some(done) = self.done.filter(|done| self.is_done(done, passed, of_file)) {
            let passed = if self.has_read_all() { passed + 1 } else { done.frames };
            self.passed.store(passed, Ordering::Relaxed);
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return Admission::Skip;
        }
        times.last = times.last.max(time);
        Admission::Restore(passed + self.admitted.fetch_add(1, Ordering::Relaxed))
    }
}

/// End the stream behind a source pad, but not for the pad itself.
fn end_behind(pad: &gst::Pad) {
    if let Some(peer) = pad.peer() {
        peer.send_event(gst::event::Eos::new());
    }
}

/// A panicked probe leaves nothing half-done in these: the data stays good.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Running time of a buffer's start in ns; less than zero where it lies before its segment.
pub(super) fn running_time(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<i64> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    let time = segment.to_running_time_full(buffer.pts()?)?;
    let nanoseconds = i64::try_from(time.abs().nseconds()).ok()?;
    Some(if time.is_negative() { -nanoseconds } else { nanoseconds })
}
