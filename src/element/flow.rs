//! One frame's way through the element, as the governor plans it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::CAT;
use super::session::{FrameError, Session, Try};
use super::timing::{Moment, Timing};
use crate::pace::{Change, Cost, Plan, Policy};
use crate::restore::{Ending, Frame, Limit, Report, Settings, Shortage};

/// What a frame is to be treated by.
pub struct Request {
    /// Its times.
    pub moment: Moment,
    /// How to restore it.
    pub settings: Settings,
    /// Failures in a row that end the stream; 0: none do.
    pub max_errors: u32,
}

/// What became of a frame.
#[derive(Debug)]
pub enum Passage {
    /// It is in the output, restored.
    Restored(Report),
    /// It is in the output, upscaled plainly, which took so long.
    Degraded(Duration),
    /// It is left out: it would come late.
    Dropped,
    /// It is left out: its buffer does not hold what the caps say.
    Refused,
}

/// A frame that goes its way beside the stream, and how.
pub type Departure = (Arc<Frame>, Plan);

/// What there is to tell about a frame, beside what became of it.
#[derive(Debug, Default)]
pub struct News {
    /// The state has changed.
    pub change: Option<Change>,
    /// The first failure in a row: of this frame, or of one before it that nobody waited for.
    pub failure: Option<FrameError>,
    /// Failures to count.
    pub failures: u32,
    /// Memory ran out: what there is less of from now on.
    pub shortage: Option<Shortage>,
}

/// Takes one frame through a session.
pub struct Flow<'s> {
    session: &'s Session,
    timing: &'s Mutex<Timing>,
    request: &'s Request,
    news: News,
}

impl<'s> Flow<'s> {
    /// For one frame.
    pub fn new(session: &'s Session, timing: &'s Mutex<Timing>, request: &'s Request) -> Self {
        Flow {
            session,
            timing,
            request,
            news: News::default(),
        }
    }

    /// Takes the frame in `input` to `output`. An error means that the stream is to end.
    pub fn pass(mut self, input: &gst::BufferRef, output: &mut gst::BufferRef) -> (Result<Passage, FrameError>, News) {
        let passage = self.pass_frame(input, output);
        self.news.change = self.timing().governor.take_change();
        (passage, self.news)
    }

    /// Takes the frame out of `input`, to go its way beside the stream as planned; none if it is refused. An error means
    /// that the stream is to end.
    pub fn depart(mut self, input: &gst::BufferRef) -> (Result<Option<Departure>, FrameError>, News) {
        let frame = self.read(input);
        let departure = frame.map(|frame| frame.map(|frame| (frame, self.plan())));
        self.news.change = self.timing().governor.take_change();
        (departure, self.news)
    }

    /// Takes a frame whose way beside the stream has ended to `output`; none if it was recalled. An error means that the
    /// stream is to end. `patience` is what the frame was given.
    pub fn arrive(
        mut self,
        frame: &Frame,
        ending: Ending,
        patience: Option<Duration>,
        output: &mut gst::BufferRef,
    ) -> (Option<Result<Passage, FrameError>>, News) {
        let passage = match ending {
            Ending::Done(outcome) => {
                let restored = self.session.write(frame, outcome, self.tones(), output);
                Some(self.conclude(restored, true, frame, output))
            }
            Ending::Late => {
                // Frames are dropped in no stream whose frames fly. Nor are they finished when they are late.
                self.miss(patience, false);
                Some(self.degrade(frame, output))
            }
            Ending::Plain => Some(self.degrade(frame, output)),
            Ending::Recalled => None,
        };
        self.news.change = self.timing().governor.take_change();
        (passage, self.news)
    }

    /// Whether restored and degraded frames may follow each other.
    fn tones(&self) -> bool {
        self.timing().governor.policy() != Policy::Stall
    }

    fn pass_frame(&mut self, input: &gst::BufferRef, output: &mut gst::BufferRef) -> Result<Passage, FrameError> {
        match self.read(input)? {
            Some(frame) => {
                let plan = self.plan();
                self.carry_out(plan, &frame, output)
            }
            None => Ok(Passage::Refused),
        }
    }

    fn plan(&self) -> Plan {
        let mut arrival = self.request.moment.arrival;
        arrival.ready = self.session.model().is_some();
        let plan = self.timing().governor.plan(&arrival);
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
        self.collect()?;
        if !self.request.moment.follows {
            self.session.pass_by();
        }
        match self.session.read(input) {
            Err(error @ (FrameError::Buffer(_) | FrameError::Restore(_))) => {
                self.session.leave_out();
                self.fail(error)?;
                Ok(None)
            }
            frame => frame.map(Some),
        }
    }

    /// Learns of a frame that nobody waited for. One that went the other way than frames do now says nothing of times.
    fn collect(&mut self) -> Result<(), FrameError> {
        let Some((outcome, flew)) = self.session.outcome() else {
            return Ok(());
        };
        if flew == self.session.flies() {
            let mut timing = self.timing();
            let now = timing.now();
            match &outcome {
                Ok(report) => timing.governor.measured(now, cost(report, flew)),
                Err(_) => timing.governor.probe_failed(now),
            }
        }
        match outcome {
            Ok(report) => {
                gst::log!(CAT, "a frame that nobody waited for took {:?}", report.timings.total);
                self.succeed(&report);
                Ok(())
            }
            Err(error) => self.fail(error.into()),
        }
    }

    fn carry_out(
        &mut self,
        plan: Plan,
        frame: &Arc<Frame>,
        output: &mut gst::BufferRef,
    ) -> Result<Passage, FrameError> {
        match plan {
            Plan::Restore { patience, least } => self.restore(patience, least, frame, output),
            Plan::Degrade { probe: true } => {
                self.session.probe(frame, &self.request.settings)?;
                self.degrade(frame, output)
            }
            Plan::Degrade { probe: false } => {
                self.session.pass_by();
                self.degrade(frame, output)
            }
            Plan::Drop => {
                self.session.pass_by();
                Ok(Passage::Dropped)
            }
        }
    }

    fn restore(
        &mut self,
        patience: Option<Duration>,
        least: Duration,
        frame: &Arc<Frame>,
        output: &mut gst::BufferRef,
    ) -> Result<Passage, FrameError> {
        let (limit, tones) = (limit(&self.request.moment, patience, least), self.tones());
        match self
            .session
            .restore(frame, &self.request.settings, limit, tones, output)
        {
            Ok(Try::Done(report)) => self.conclude(Ok(report), false, frame, output),
            Ok(Try::Late) => {
                // Never to restore it after all: this ends.
                let plan = self.miss(patience, true);
                self.carry_out(plan, frame, output)
            }
            Err(error) => self.conclude(Err(error), false, frame, output),
        }
    }

    /// The frame was not restored within its patience: what is to be done with it instead. `continues` says whether it is
    /// restored all the same, for what it takes to be known.
    fn miss(&self, patience: Option<Duration>, continues: bool) -> Plan {
        let mut timing = self.timing();
        let now = timing.now();
        timing.governor.missed(now, patience.unwrap_or_default(), continues)
    }

    /// Counts what restoring a frame came to; one that could not be restored goes out degraded.
    fn conclude(
        &mut self,
        restored: Result<Report, FrameError>,
        flew: bool,
        frame: &Frame,
        output: &mut gst::BufferRef,
    ) -> Result<Passage, FrameError> {
        match restored {
            Ok(report) => {
                let mut timing = self.timing();
                let now = timing.now();
                timing.governor.restored(now, cost(&report, flew));
                drop(timing);
                self.succeed(&report);
                Ok(Passage::Restored(report))
            }
            Err(FrameError::Restore(error)) => {
                self.fail(error.into())?;
                self.degrade(frame, output)
            }
            Err(error) => Err(error),
        }
    }

    fn degrade(&mut self, frame: &Frame, output: &mut gst::BufferRef) -> Result<Passage, FrameError> {
        let started = Instant::now();
        self.session.degrade(frame, output)?;
        let took = started.elapsed();
        let mut timing = self.timing();
        let now = timing.now();
        timing.governor.degraded(now, took);
        Ok(Passage::Degraded(took))
    }

    fn succeed(&mut self, report: &Report) {
        self.timing().failures_in_a_row = 0;
        self.news.shortage = self.news.shortage.max(report.shortage);
    }

    /// Counts a failure: an error ends the stream.
    fn fail(&mut self, error: FrameError) -> Result<(), FrameError> {
        let mut timing = self.timing();
        timing.failures_in_a_row = timing.failures_in_a_row.saturating_add(1);
        let failures = timing.failures_in_a_row;
        drop(timing);
        self.news.failures += 1;
        if self.request.max_errors > 0 && failures >= self.request.max_errors {
            return Err(error);
        }
        if failures == 1 {
            self.news.failure = Some(error);
        }
        Ok(())
    }

    /// Never held while waiting, or while another lock is taken.
    fn timing(&self) -> MutexGuard<'s, Timing> {
        self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when a frame may take, if it has a patience at all: counted from when its times were taken.
pub fn limit(moment: &Moment, patience: Option<Duration>, least: Duration) -> Option<Limit> {
    patience.map(|patience| Limit {
        deadline: moment.taken + patience,
        least,
    })
}

fn cost(report: &Report, flew: bool) -> Cost {
    let whole = report.timings.total;
    Cost {
        whole,
        turn: if flew { report.timings.longer_half() } else { whole },
    }
}
