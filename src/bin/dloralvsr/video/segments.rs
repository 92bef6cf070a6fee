//! The restored video in files of so many frames each, every one by an encoder of its own: what an encoder makes of a
//! segment does not depend on what came before, so a run that goes on makes the same of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::gate::{Done, Gate, lock, running_time};
use super::pipeline::cannot_build;
use super::writer::{Coding, Writer};
use crate::resume::Segment;
use crate::watch::provider_of;
use crate::{Failure, messages};

/// How often a segment that is being closed is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Where segments go: the file of a number, and whom to tell of one that is whole.
pub trait Shelf: Send + Sync {
    /// Frames of a segment.
    fn length(&self) -> u64;
    /// Segments that are there already, and what is in them.
    fn filled(&self) -> usize;
    fn done(&self) -> Option<Done>;
    fn file(&self, number: usize) -> PathBuf;
    /// Restored by this provider.
    ///
    /// # Errors
    /// It cannot be noted.
    fn put(&self, segment: Segment, provider: Option<String>) -> Result<(), String>;
}

/// Writes segment after segment.
pub struct Segments {
    shelf: Arc<dyn Shelf>,
    coding: Coding,
    gate: Arc<Gate>,
    restorer: gst::Element,
    current: Mutex<Current>,
    /// Nobody waits for segments any more.
    is_abandoned: AtomicBool,
}

struct Current {
    number: usize,
    writer: Writer,
    /// Frames in it, and the times of its first and last one, of the file's clock, ns.
    frames: u64,
    first: i64,
    last: i64,
}

impl Segments {
    /// Cut behind `pad`, the pad of raw frames as they are encoded; the first segment is linked to it here.
    pub fn follow(
        pipeline: &gst::Pipeline,
        pad: &gst::Pad,
        coding: Coding,
        (gate, restorer): (&Arc<Gate>, &gst::Element),
        shelf: Arc<dyn Shelf>,
    ) -> Result<Arc<Self>, Failure> {
        let number = shelf.filled();
        let writer = coding.writer(&shelf.file(number))?;
        link(pipeline, pad, &writer)?;
        let segments = Arc::new(Self {
            shelf,
            coding,
            gate: gate.clone(),
            restorer: restorer.clone(),
            current: Mutex::new(Current {
                number,
                writer,
                frames: 0,
                first: 0,
                last: 0,
            }),
            is_abandoned: AtomicBool::new(false),
        });
        let (own, pipeline) = (segments.clone(), pipeline.downgrade());
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let (Some(buffer), Some(pipeline)) = (info.buffer(), pipeline.upgrade()) else {
                return gst::PadProbeReturn::Ok;
            };
            let time = running_time(pad, buffer).unwrap_or(0);
            match own.take(&pipeline, pad, time) {
                Ok(()) => gst::PadProbeReturn::Ok,
                Err(failure) => {
                    messages::failure(pipeline.upcast_ref(), &failure.to_string());
                    info.flow_res = Err(gst::FlowError::Error);
                    gst::PadProbeReturn::Handled
                }
            }
        });
        Ok(segments)
    }

    /// Encoder and quality, and what to tell the user.
    pub fn description(&self) -> (String, Option<String>) {
        let current = lock(&self.current);
        (current.writer.description.clone(), current.writer.notice.clone())
    }

    /// The one that the end of the stream has closed, if there is a frame in it.
    pub fn last(&self) -> Option<Segment> {
        let current = lock(&self.current);
        (current.frames > 0).then_some(current.segment())
    }

    /// Wait for nothing any more.
    pub fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }

    /// A frame at a running time comes: it may be the first of the next segment.
    fn take(&self, pipeline: &gst::Pipeline, pad: &gst::Pad, time: i64) -> Result<(), Failure> {
        let mut current = lock(&self.current);
        if current.frames == self.shelf.length() {
            self.close(&current.writer)?;
            unlink(pipeline, pad, &current.writer)?;
            let provider = provider_of(&self.restorer);
            self.shelf.put(current.segment(), provider).map_err(Failure::Failed)?;
            current.number += 1;
            current.writer = self.coding.writer(&self.shelf.file(current.number))?;
            link(pipeline, pad, &current.writer)?;
            current.frames = 0;
        }
        current.last = self.gate.file_time(time);
        if current.frames == 0 {
            current.first = current.last;
        }
        current.frames += 1;
        Ok(())
    }

    /// End the segment's own stream and wait until its file is whole.
    fn close(&self, writer: &Writer) -> Result<(), Failure> {
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        let (Some(entry), Some(file)) = (writer.bin.static_pad("sink"), writer.file.static_pad("sink")) else {
            return Err(cannot_build("a segment has no pads"));
        };
        let told = ended.clone();
        // The file must not hear of it: its answer would be taken for the end of all.
        file.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info.event().is_none_or(|event| event.type_() != gst::EventType::Eos) {
                return gst::PadProbeReturn::Ok;
            }
            *lock(&told.0) = true;
            told.1.notify_all();
            gst::PadProbeReturn::Handled
        });
        entry.send_event(gst::event::Eos::new());
        let mut is_ended = lock(&ended.0);
        while !*is_ended {
            if self.is_abandoned.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted("a segment was not closed".to_owned()));
            }
            let waited = ended.1.wait_timeout(is_ended, TICK);
            is_ended = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl Current {
    fn segment(&self) -> Segment {
        Segment {
            frames: self.frames,
            first: self.first,
            last: self.last,
        }
    }
}

fn link(pipeline: &gst::Pipeline, pad: &gst::Pad, writer: &Writer) -> Result<(), Failure> {
    // It comes in mid-stream, and the pipeline need not wait for its first frame.
    writer.file.set_property("async", false);
    pipeline.add(&writer.bin).map_err(cannot_build)?;
    let entry = writer.bin.static_pad("sink");
    let entry = entry.ok_or_else(|| cannot_build("a segment has no pads"))?;
    pad.link(&entry).map_err(cannot_build)?;
    writer.bin.sync_state_with_parent().map_err(cannot_build)
}

fn unlink(pipeline: &gst::Pipeline, pad: &gst::Pad, writer: &Writer) -> Result<(), Failure> {
    if let Some(entry) = writer.bin.static_pad("sink") {
        pad.unlink(&entry).map_err(cannot_build)?;
    }
    writer.bin.set_state(gst::State::Null).map_err(cannot_build)?;
    pipeline.remove(&writer.bin).map_err(cannot_build)
}
