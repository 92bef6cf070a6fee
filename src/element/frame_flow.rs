//! What is done with one frame, as the overload controller plans it: before the pipeline, and behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::CAT;
use super::session::{FrameError, Session, VideoCaps, WriteSettings};
use super::timing::{FrameTimes, Timing};
use crate::pace::{Change, Cost, OverloadController, Plan};
use crate::restore::{Completion, Frame, MemoryFallback, Report, Settings};

/// What a frame is to be treated by.
pub struct Request {
    /// Its times.
    pub times: FrameTimes,
    /// How to restore it.
    pub settings: Settings,
    /// Failures in a row that end the stream; 0: none do.
    pub max_errors: u32,
    /// How what it is restored to is written.
    pub write: WriteSettings,
}

/// What goes through the pipeline with a frame.
pub struct FrameContext {
    /// The buffer that it is to be written to, with times, flags and metas.
    pub output: gst::Buffer,
    /// The caps that it came with.
    pub caps: Arc<VideoCaps>,
    /// What it is to be treated by.
    pub request: Request,
    /// What was to be done with it.
    pub plan: Plan,
}

/// What became of a frame.
#[derive(Debug)]
pub enum Fate {
    /// It is in the output, restored.
    Restored(Report),
    /// Its bicubic picture is in the output.
    Bypassed {
        /// How long that took.
        took: Duration,
        /// Whether it has the detail of a restored one.
        propagated: bool,
    },
    /// It is left out: it would come late.
    Dropped,
    /// It is left out: its buffer does not hold what the caps say.
    Refused,
}

/// What there is to tell about a frame, beside what became of it.
#[derive(Debug, Default)]
pub struct FrameMessages {
    /// The state has changed.
    pub change: Option<Change>,
    /// The first failure in a row: of this frame, or of a trial.
    pub failure: Option<FrameError>,
    /// Failures to count.
    pub failures: u32,
    /// Memory ran out: what there is less of from now on.
    pub fallback: Option<MemoryFallback>,
}

/// A frame that was read, and what is to be done with it.
pub type PlannedFrame = (Arc<Frame>, Plan);

/// One frame in a session.
pub struct FrameFlow<'s> {
    session: &'s Session,
    timing: &'s Mutex<Timing>,
    request: &'s Request,
    messages: FrameMessages,
}

impl<'s> FrameFlow<'s> {
    /// For one frame.
    pub fn new(session: &'s Session, timing: &'s Mutex<Timing>, request: &'s Request) -> Self {
        FrameFlow {
            session,
            timing,
            request,
            messages: FrameMessages::default(),
        }
    }

    /// Reads the frame in `input`, and plans what is done with it; none if it is refused. An error means that the stream is
    /// to end.
    pub fn plan(mut self, input: &gst::BufferRef) -> (Result<Option<PlannedFrame>, FrameError>, FrameMessages) {
        let frame = self.read(input);
        let planned = frame.map(|frame| frame.map(|frame| (frame, self.ask_controller())));
        (planned, self.end())
    }

    /// Writes what became of a frame to its output; none if it was flushed. An error means that the stream is to end.
    pub fn complete(
        mut self,
        frame: &Arc<Frame>,
        completion: Completion,
        plan: Plan,
        caps: &VideoCaps,
        output: &mut gst::BufferRef,
    ) -> (Option<Result<Fate, FrameError>>, FrameMessages) {
        let fate = match completion {
            Completion::Done(outcome) => {
                let written = self.session.write(caps, frame, outcome, self.request.write, output);
                self.conclude(written, caps, frame, output)
            }
            Completion::Late => self.miss(plan, caps, frame, output),
            Completion::Bypassed => {
                let propagates = matches!(plan, Plan::Bypass { propagates: true, .. });
                self.bypass(caps, frame, propagates, output)
            }
            // A change of state is left to a frame whose messages are posted.
            Completion::Flushed => return (None, self.messages),
        };
        (Some(fate), self.end())
    }

    fn end(mut self) -> FrameMessages {
        self.messages.change = self.timing.lock().controller.take_change();
        self.messages
    }

    fn ask_controller(&self) -> Plan {
        let mut arrival = self.request.times.arrival;
        arrival.ready = self.session.model().is_some();
        let plan = self.timing.lock().controller.plan(&arrival);
        gst::trace!(
            CAT,
            "{:?} left for a frame of {:?}: {plan:?}",
            arrival.slack,
            arrival.frame
        );
        plan
    }

    /// The frame in `input`; none if it is refused.
    fn read(&mut self, input: &gst::BufferRef) -> Result<Option<Arc<Frame>>, FrameError> {
        if self.session.has_failed() {
            return Err(FrameError::NoModel);
        }
        self.collect_trial()?;
        if !self.request.times.follows {
            self.session.forget_previous();
        }
        match self.session.read(input) {
            Err(error @ (FrameError::Buffer(_) | FrameError::Restore(_))) => {
                self.session.frame_dropped();
                self.fail(error)?;
                Ok(None)
            }
            frame => frame.map(Some),
        }
    }

    /// What a trial took at another depth than frames have now says nothing of times.
    fn collect_trial(&mut self) -> Result<(), FrameError> {
        let Some(outcome) = self.session.take_trial(self.request.write.kept) else {
            return Ok(());
        };
        let pipelined = self.session.is_pipelined();
        self.control(|controller, now| match &outcome {
            Ok(report) if report.pipelined == pipelined => controller.measured(now, cost(report)),
            Ok(_) => (),
            Err(_) => controller.trial_failed(now),
        });
        match outcome {
            Ok(report) => {
                gst::log!(CAT, "a trial took {:?}", report.timings.total);
                self.succeed(&report);
                Ok(())
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// The frame was not restored within its budget.
    fn miss(
        &mut self,
        plan: Plan,
        caps: &VideoCaps,
        frame: &Frame,
        output: &mut gst::BufferRef,
    ) -> Result<Fate, FrameError> {
        let budget = match plan {
            Plan::Restore { budget, .. } => budget.unwrap_or_default(),
            Plan::Bypass { .. } | Plan::Drop => Duration::ZERO,
        };
        match self.control(|controller, now| controller.missed(now, budget)) {
            Plan::Drop => Ok(Fate::Dropped),
            // Of its time is left what a bicubic picture takes.
            Plan::Bypass { .. } | Plan::Restore { .. } => self.bypass(caps, frame, false, output),
        }
    }

    /// Counts the result of restoring a frame; one that could not be restored is bypassed.
    fn conclude(
        &mut self,
        restored: Result<Report, FrameError>,
        caps: &VideoCaps,
        frame: &Frame,
        output: &mut gst::BufferRef,
    ) -> Result<Fate, FrameError> {
        match restored {
            Ok(report) => {
                self.control(|controller, now| controller.restored(now, cost(&report)));
                self.succeed(&report);
                Ok(Fate::Restored(report))
            }
            Err(FrameError::Restore(error)) => {
                self.fail(error.into())?;
                self.bypass(caps, frame, false, output)
            }
            Err(error) => Err(error),
        }
    }

    fn bypass(
        &mut self,
        caps: &VideoCaps,
        frame: &Frame,
        propagates: bool,
        output: &mut gst::BufferRef,
    ) -> Result<Fate, FrameError> {
        let started = Instant::now();
        let propagated = self
            .session
            .write_bypass(caps, frame, propagates, self.request.write, output)?;
        let took = started.elapsed();
        self.control(|controller, now| controller.bypassed(now, took, propagated));
        Ok(Fate::Bypassed { took, propagated })
    }

    fn succeed(&mut self, report: &Report) {
        self.timing.lock().failures_in_a_row = 0;
        self.messages.fallback = self.messages.fallback.max(report.fallback);
    }

    /// Counts a failure: an error ends the stream.
    fn fail(&mut self, error: FrameError) -> Result<(), FrameError> {
        let mut timing = self.timing.lock();
        timing.failures_in_a_row = timing.failures_in_a_row.saturating_add(1);
        let failures = timing.failures_in_a_row;
        drop(timing);
        self.messages.failures += 1;
        if self.request.max_errors > 0 && failures >= self.request.max_errors {
            return Err(error);
        }
        if failures == 1 {
            self.messages.failure = Some(error);
        }
        Ok(())
    }

    /// Lets the controller know what has happened now.
    fn control<R>(&self, tell: impl FnOnce(&mut OverloadController, Duration) -> R) -> R {
        let mut timing = self.timing.lock();
        let now = timing.now();
        tell(&mut timing.controller, now)
    }
}

fn cost(report: &Report) -> Cost {
    let latency = report.timings.total;
    Cost {
        latency,
        period: match report.pipelined {
            true => report.timings.longer_half(),
            false => latency,
        },
    }
}
