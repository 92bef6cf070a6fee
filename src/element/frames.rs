//! Frames through the element, one after the other or in flight, and what is told about each.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::{
    BaseTransformImplExt, GenerateOutputSuccess, InputBuffer, PrepareOutputBufferSuccess,
};

use super::flight::{Cargo, Landing};
use super::flow::{self, Flow, News, Passage, Request};
use super::imp::{DloralVsr, lock};
use super::session::{FrameError, Session};
use super::timing;
use super::{CAT, failure, news};
use crate::pace::{Nanoseconds, Plan, latency};
use crate::restore::Frame;

/// Ways through the element.
impl DloralVsr {
    /// Chooses the way of the next frame: says whether it is to fly. Where nobody waits for a frame, or frames have the time
    /// of two, each may take longer if only more of them get through. Waits for the model where no frame can be late,
    /// and, where the way is another than before, for the frames on it.
    pub(super) fn choose_way(&self, session: &Session) -> bool {
        self.learn_of_upstream();
        let own = self.own_latency();
        let playing = self.obj().current_state() == gst::State::Playing;
        let timing = lock(&self.timing);
        let (unhurried, ample) = (timing.is_unhurried(playing), timing.is_ample(own));
        drop(timing);
        let flies = (unhurried && session.gains_side_by_side()) || (ample && session.is_ready_side_by_side());
        if session.switch(flies) {
            gst::debug!(CAT, imp = self, "frames fly: {flies}");
            let mut timing = lock(&self.timing);
            timing.reset();
            timing.forget_left();
            timing.governor.change_way();
        }
        flies
    }

    /// Takes one frame through.
    pub(super) fn pass(
        &self,
        input: &gst::BufferRef,
        output: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let session = self.session().ok_or(gst::FlowError::Flushing)?;
        let request = self.begin(input);
        let (passage, news) = Flow::new(&session, &self.timing, &request).pass(input, output);
        self.account(&passage, &news, &request);
        match passage {
            Ok(Passage::Restored(_) | Passage::Degraded(_)) => Ok(gst::FlowSuccess::Ok),
            Ok(Passage::Dropped) => {
                self.tell_drop(input, &request);
                Ok(gst_base::BASE_TRANSFORM_FLOW_DROPPED)
            }
            Ok(Passage::Refused) => Ok(gst_base::BASE_TRANSFORM_FLOW_DROPPED),
            Err(error) => Err(self.fail(&error)),
        }
    }

    /// Sends one frame on its way; it is [delivered](Self::deliver) later.
    pub(super) fn launch(
        &self,
        session: &Arc<Session>,
        input: &gst::BufferRef,
    ) -> Result<GenerateOutputSuccess, gst::FlowError> {
        // Before the frame's time is taken.
        if let Err(error) = session.make_room() {
            lock(&self.stats).dropped();
            return Err(self.fail(&error));
        }
        let request = self.begin(input);
        let (departure, news) = Flow::new(session, &self.timing, &request).depart(input);
        let (frame, plan) = match departure {
            Ok(Some(departure)) => departure,
            Ok(None) => {
                self.account(&Ok(Passage::Refused), &news, &request);
                return Ok(GenerateOutputSuccess::Dropped);
            }
            Err(error) => {
                let flow = self.fail(&error);
                self.account(&Err(error), &news, &request);
                return Err(flow);
            }
        };
        self.tell(&news, &request);
        let sent = self
            .prepare_output(session, input)
            .and_then(|output| self.send(session, &frame, plan, Cargo::new(output, request, plan)));
        sent.map(|()| GenerateOutputSuccess::NoOutput)
            .inspect_err(|_| lock(&self.stats).dropped())
    }

    /// Sends a frame on its way as planned.
    fn send(&self, session: &Arc<Session>, frame: &Arc<Frame>, plan: Plan, cargo: Cargo) -> Result<(), gst::FlowError> {
        let deliverer = || self.deliverer(session);
        let sent = match plan {
            Plan::Restore { patience, least } => {
                let limit = flow::limit(&cargo.request.moment, patience, least);
                session.launch(frame, cargo, limit, deliverer)
            }
            Plan::Degrade { probe } => session.launch_plain(frame, cargo, probe, deliverer),
            // Where frames are dropped none flies; one that was planned for while that changed goes out plainly.
            Plan::Drop => session.launch_plain(frame, cargo, false, deliverer),
        };
        sent.map_err(|error| self.fail(&error))
    }

    /// The buffer for what becomes of the frame in `input`, with its times, flags and metas.
    fn prepare_output(&self, session: &Session, input: &gst::BufferRef) -> Result<gst::Buffer, gst::FlowError> {
        let mut output = match self.parent_prepare_output_buffer(InputBuffer::Readable(input))? {
            PrepareOutputBufferSuccess::Buffer(output) => output,
            // Only in place, which this element never is.
            PrepareOutputBufferSuccess::InputBuffer => return Err(gst::FlowError::NotSupported),
        };
        if session.take_discont() {
            output.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        Ok(output)
    }

    /// What the core calls with every frame that comes out; it does nothing once the element has stopped.
    fn deliverer(&self, session: &Arc<Session>) -> impl FnMut(Landing) + Send + use<> {
        let (element, session) = (self.obj().downgrade(), Arc::downgrade(session));
        move |landing| {
            if let (Some(element), Some(session)) = (element.upgrade(), session.upgrade()) {
                element.imp().deliver(&session, landing);
            }
        }
    }

    /// Pushes a frame that has come out of the core.
    fn deliver(&self, session: &Session, landing: Landing) {
        let Cargo {
            mut output,
            request,
            patience,
        } = landing.cargo;
        let Some(flight) = session.in_flight().filter(|flight| flight.is_well()) else {
            lock(&self.stats).dropped();
            return;
        };
        let arriving = Flow::new(session, &self.timing, &request);
        let (passage, news) = arriving.arrive(&landing.frame, landing.ending, patience, output.make_mut());
        let Some(passage) = passage else {
            lock(&self.stats).dropped();
            return;
        };
        self.account(&passage, &news, &request);
        let pushed = match passage {
            Ok(_) => {
                lock(&self.timing).leaves(&output);
                self.obj().src_pad().push(output)
            }
            Err(error) => Err(self.fail(&error)),
        };
        flight.set_flow(pushed.map(|_| ()));
    }

    fn begin(&self, input: &gst::BufferRef) -> Request {
        if input.flags().contains(gst::BufferFlags::DISCONT) {
            // What flies belongs to what was before.
            self.land();
            self.reset("discontinuity");
        }
        let request = self.request(input);
        if let Some(lag) = request.moment.lag {
            self.tell_lag(lag, request.moment.running_time);
        }
        request
    }

    /// Asks upstream, once, for what decides how frames are treated.
    fn learn_of_upstream(&self) {
        let element = self.obj();
        self.tell_latency();
        let asks = lock(&self.timing).take_question();
        let answer = if asks { timing::ask_upstream(&element) } else { None };
        let overload = lock(&self.settings).overload;
        let mut timing = lock(&self.timing);
        timing::note_upstream(&mut timing, answer);
        let policy = overload.policy(timing.latencies.live);
        if timing.governor.policy() != policy {
            drop(timing);
            // What flies was sent by the former policy, and is to come out by it.
            self.land();
            lock(&self.timing).governor.set_policy(policy);
        }
    }

    /// What the element adds to the pipeline's latency, but for a look-ahead of unknown length.
    fn own_latency(&self) -> Duration {
        let processing = lock(&self.settings).processing_latency;
        latency::own(self.look_ahead(), None, processing.into())
    }

    /// What the frame in `buffer` is to be treated by.
    fn request(&self, buffer: &gst::BufferRef) -> Request {
        let settings = lock(&self.settings).clone();
        let own = self.own_latency();
        Request {
            moment: lock(&self.timing).of_frame(&self.obj(), buffer, own),
            settings: settings.knobs(),
            max_errors: settings.max_errors,
        }
    }
}

/// What is told.
impl DloralVsr {
    /// Posts the error of the last frames in flight: no frame comes any more with which upstream would learn of it, and
    /// post it.
    pub(super) fn tell_last_flow(&self) {
        let session = self.session();
        let error = session.and_then(|session| session.in_flight()?.untold_error());
        // Whoever answered with an error has posted it, and a flush or an end is none.
        if let Some(flow @ (gst::FlowError::NotLinked | gst::FlowError::NotNegotiated)) = error {
            gst::element_imp_error!(
                self,
                gst::StreamError::Failed,
                ("The restored frames could not be passed on: {flow}")
            );
        }
    }

    /// Counts a frame, and posts what there is to tell about it.
    fn account(&self, passage: &Result<Passage, FrameError>, news: &News, request: &Request) {
        gst::log!(CAT, imp = self, "{:?}: {passage:?}", request.moment.running_time);
        let mut stats = lock(&self.stats);
        stats.failed(news.failures);
        let mut first = false;
        match passage {
            Ok(Passage::Restored(report)) => first = stats.restored(report),
            Ok(Passage::Degraded(took)) => stats.degraded(*took),
            Ok(Passage::Dropped | Passage::Refused) | Err(_) => stats.dropped(),
        }
        drop(stats);
        if first {
            self.tell_of_nodes_on_cpu();
        }
        self.tell(news, request);
    }

    /// Warns of a provider that does not have all of the model's operators.
    fn tell_of_nodes_on_cpu(&self) {
        let model = self.session().and_then(|session| session.model());
        if let Some((model, nodes)) = model.and_then(|model| model.left_to_cpu().map(|nodes| (model, nodes))) {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                (
                    "{} leaves a part of the model to the CPU, which is slower: {nodes}",
                    model.provider()
                )
            );
        }
    }

    /// Posts that frames fall behind, and warns once of a source that may be live without saying so.
    fn tell_lag(&self, lag: Nanoseconds, running_time: Option<Nanoseconds>) {
        let structure = news::lag_structure(lag, running_time);
        gst::info!(CAT, imp = self, "{structure}");
        self.post(gst::message::Element::builder(structure).src(&*self.obj()).build());
        // A file is read as fast as it is restored.
        let protocol = timing::source_protocol(&self.obj()).filter(|protocol| protocol != "file");
        if let Some(protocol) = protocol
            && lock(&self.timing).take_warning()
        {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Failed,
                ("{}", news::lag_warning(lag, &protocol))
            );
        }
    }

    /// Posts what there is to tell about a frame.
    fn tell(&self, news: &News, request: &Request) {
        let element = self.obj();
        if let Some(change) = &news.change {
            let structure = news::state_structure(change, request.moment.running_time);
            gst::info!(CAT, imp = self, "{structure}");
            self.post(gst::message::Element::builder(structure).src(&*element).build());
            if let Some(text) = news::slow_warning(change).filter(|_| lock(&self.timing).take_warning()) {
                gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}"));
            }
        }
        if let Some(error) = &news.failure {
            let text = failure::warning(error, request.max_errors);
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}"));
        }
        if let Some(shortage) = news.shortage {
            let text = news::shortage_warning(shortage);
            gst::element_imp_warning!(self, gst::ResourceError::NoSpaceLeft, ("{text}"));
        }
    }

    /// Posts that a frame was dropped because it would have come late.
    fn tell_drop(&self, buffer: &gst::BufferRef, request: &Request) {
        let element = self.obj();
        let processed_and_dropped = lock(&self.stats).processed_and_dropped();
        let timing = lock(&self.timing);
        let (live, proportion) = (timing.latencies.live, timing.governor.proportion());
        let segment = timing.segment().cloned();
        drop(timing);
        let drop = news::Drop {
            buffer,
            segment: segment.as_ref(),
            live,
            running_time: request.moment.running_time,
            slack: request.moment.arrival.slack,
            proportion,
            processed_and_dropped,
        };
        self.post(news::qos_message(&drop, &element));
    }

    /// Posts what is to be posted about a frame that did not come out.
    fn fail(&self, error: &FrameError) -> gst::FlowError {
        if let Some(message) = failure::of_frame(error) {
            self.post_error_message(message);
        }
        match error {
            FrameError::Interrupted => gst::FlowError::Flushing,
            FrameError::NotNegotiated => gst::FlowError::NotNegotiated,
            _ => gst::FlowError::Error,
        }
    }
}
