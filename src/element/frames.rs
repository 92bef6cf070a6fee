//! Frames through the element: submitted to the pipeline, pushed when they are finished, and reported on the bus.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::{
    BaseTransformImplExt, GenerateOutputSuccess, InputBuffer, PrepareOutputBufferSuccess,
};

use super::frame_flow::{Fate, FrameContext, FrameFlow, FrameMessages, Request};
use super::imp::DloralVsr;
use super::session::{FrameError, Session, WriteSettings};
use super::timing;
use super::{CAT, failure, messages};
use crate::pace::{Nanoseconds, Plan, Policy};
use crate::restore::{FinishedFrame, Frame, Limit};

/// In and out.
impl DloralVsr {
    /// Submits one frame; it is [pushed](Self::finish) later.
    pub(super) fn submit(
        &self,
        session: &Session,
        input: &gst::BufferRef,
    ) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let output = self
            .reserve(session, input)
            .inspect_err(|_| self.stats.lock().dropped())?;
        let request = self.begin(input);
        let (planned, messages) = FrameFlow::new(session, &self.timing, &request).plan(input);
        let (frame, plan) = match planned {
            Ok(Some(planned)) => planned,
            Ok(None) => {
                self.account(&Ok(Fate::Refused), &messages, &request);
                return Ok(GenerateOutputSuccess::Dropped);
            }
            Err(error) => {
                let flow = self.fail(&error);
                self.account(&Err(error), &messages, &request);
                return Err(flow);
            }
        };
        if plan == Plan::Drop {
            session.frame_dropped();
            self.account(&Ok(Fate::Dropped), &messages, &request);
            self.post_drop(input, &request);
            return Ok(GenerateOutputSuccess::Dropped);
        }
        self.post_messages(&messages, &request);
        let submitted = self.submit_planned(session, &frame, plan, output, request);
        submitted
            .map(|()| GenerateOutputSuccess::NoOutput)
            .inspect_err(|_| self.stats.lock().dropped())
    }

    fn submit_planned(
        &self,
        session: &Session,
        frame: &Arc<Frame>,
        plan: Plan,
        mut output: gst::Buffer,
        request: Request,
    ) -> Result<(), gst::FlowError> {
        if session.take_discont() {
            output.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        let caps = session.caps().ok_or(gst::FlowError::NotNegotiated)?;
        let taken = request.times.taken;
        let context = FrameContext {
            output,
            caps,
            request,
            plan,
        };
        let submitted = match plan {
            Plan::Restore { budget, least } => {
                let deadline = budget.map(|budget| taken + budget);
                let limit = deadline.map(|deadline| Limit { deadline, least });
                session.submit(frame, context, limit)
            }
            Plan::Bypass { trial, propagates } => session.bypass(frame, context, trial, propagates),
            Plan::Drop => Ok(()),
        };
        submitted.map_err(|error| self.fail(&error))
    }

    /// What the frame in `input` has to wait for before its time is taken: a slot in the pipeline, and the buffer for what
    /// becomes of it, with its times, flags and metas, which a small pool has to get back first.
    fn reserve(&self, session: &Session, input: &gst::BufferRef) -> Result<gst::Buffer, gst::FlowError> {
        session.wait_for_slot().map_err(|error| self.fail(&error))?;
        match self.parent_prepare_output_buffer(InputBuffer::Readable(input))? {
            PrepareOutputBufferSuccess::Buffer(output) => Ok(output),
            // Only in place, which this element never is.
            PrepareOutputBufferSuccess::InputBuffer => Err(gst::FlowError::NotSupported),
        }
    }

    /// Pushes a frame that the pipeline has finished.
    pub(super) fn finish(&self, session: &Session, finished: FinishedFrame<FrameContext>) {
        let FinishedFrame {
            context,
            frame,
            completion,
        } = finished;
        let FrameContext {
            mut output,
            caps,
            request,
            plan,
        } = context;
        if session.src_result.get().is_err() {
            session.dropped_in_flight.store(true, Ordering::Relaxed);
            self.stats.lock().dropped();
            return;
        }
        let flow = FrameFlow::new(session, &self.timing, &request);
        let (fate, messages) = flow.complete(&frame, completion, plan, &caps, output.make_mut());
        let Some(fate) = fate else {
            self.stats.lock().dropped();
            return;
        };
        // It was written while the run ended: what it comes into is the next one.
        if session.is_flushing() {
            self.stats.lock().dropped();
            return;
        }
        self.account(&fate, &messages, &request);
        let pushed = match fate {
            Ok(Fate::Dropped | Fate::Refused) => {
                session.dropped_in_flight.store(true, Ordering::Relaxed);
                self.post_drop(&output, &request);
                return;
            }
            Ok(Fate::Restored(_) | Fate::Bypassed { .. }) => {
                if session.dropped_in_flight.swap(false, Ordering::Relaxed) {
                    output.make_mut().set_flags(gst::BufferFlags::DISCONT);
                }
                self.timing.lock().pushed(&output);
                self.obj().src_pad().push(output)
            }
            Err(error) => Err(self.fail(&error)),
        };
        if pushed.is_err() {
            session.dropped_in_flight.store(true, Ordering::Relaxed);
        }
        session.src_result.set(pushed.map(|_| ()));
    }

    /// Switches to the other model, if one was requested and is open.
    pub(super) fn change_model(&self, session: &Session) {
        if session.take_replacement() {
            gst::info!(CAT, imp = self, "another model takes over");
            // The times of the model before say nothing about it.
            self.timing.lock().controller.change_depth();
        }
    }

    /// Two frames are in flight at a time where nobody waits for a frame, or frames have the time of two: each may take
    /// longer if only more of them get through. Waits for models where no frame can be late.
    pub(super) fn choose_depth(&self, session: &Session) {
        self.query_upstream();
        let own = self.own_latency();
        let playing = self.obj().current_state() == gst::State::Playing;
        let timing = self.timing.lock();
        let (not_live, has_time) = (timing.is_not_live(playing), timing.has_time_for_two(own));
        drop(timing);
        if not_live {
            // What it comes to is the frame's to tell.
            let _ = session.wait_for_model();
        }
        if session.set_pipelined(not_live || has_time, not_live) {
            gst::debug!(CAT, imp = self, "two frames at a time: {}", session.is_pipelined());
            self.timing.lock().controller.change_depth();
        }
    }

    /// Asks upstream, where its latency may have changed, and decides by that how frames are treated.
    fn query_upstream(&self) {
        self.post_latency();
        if self.timing.lock().take_latency_query() {
            let mut query = gst::query::Latency::new();
            if self.obj().sink_pad().peer_query(&mut query) {
                let (live, min, _) = query.result();
                self.timing.lock().note_upstream(live, min);
            }
        }
        let overload = self.settings.lock().overload;
        let timing = self.timing.lock();
        let policy = overload.policy(timing.latencies.live);
        if timing.controller.policy() != policy {
            drop(timing);
            // Frames in flight were planned by the old policy, and are finished by it.
            self.drain();
            self.timing.lock().controller.set_policy(policy);
        }
    }

    /// What the element adds to the pipeline's latency.
    pub(super) fn own_latency(&self) -> Duration {
        self.settings.lock().processing_latency.into()
    }

    /// What the frame in `input` is to be treated by.
    fn begin(&self, input: &gst::BufferRef) -> Request {
        if input.flags().contains(gst::BufferFlags::DISCONT) {
            // What is in flight belongs to what was before.
            self.drain();
            self.reset("discontinuity");
        }
        let settings = self.settings.lock().clone();
        let mut timing = self.timing.lock();
        let mut times = timing.of_frame(&self.obj(), input, settings.processing_latency.into());
        let policy = timing.controller.policy();
        drop(timing);
        // The first frame of a stream has none before it to take detail from.
        let begins = self.restore_next.swap(false, Ordering::Relaxed) || !times.follows;
        times.arrival.interval = if begins { 1 } else { settings.restore_interval };
        times.arrival.propagates = settings.propagate_detail;
        if let Some(lag) = times.lag {
            self.post_lag(lag, times.running_time);
        }
        let is_propagating = settings.propagate_detail && policy == Policy::Bypass;
        Request {
            times,
            settings: settings.restore_settings(),
            max_errors: settings.max_errors,
            write: WriteSettings {
                blended: policy != Policy::Wait,
                kept: settings.restore_interval > 1 || settings.temporal_blend > 0.0 || is_propagating,
                blend: settings.temporal_blend as f32,
            },
        }
    }
}

/// What is posted.
impl DloralVsr {
    /// Whether every frame up to the end of the stream was passed on. If not, that is posted where nobody has posted it:
    /// no frame comes any more with which upstream would learn of it.
    pub(super) fn ends_well(&self) -> bool {
        let Some(session) = self.session() else { return true };
        match session.src_result.get() {
            // A flush or an end downstream is no error.
            Ok(()) | Err(gst::FlowError::Flushing | gst::FlowError::Eos) => (),
            Err(flow @ (gst::FlowError::NotLinked | gst::FlowError::NotNegotiated)) => {
                let text = format!("The restored frames could not be passed on: {flow}");
                gst::element_imp_error!(self, gst::StreamError::Failed, ("{text}"));
                return false;
            }
            // Whoever answered so has posted it.
            Err(_) => return false,
        }
        if let Err(error @ FrameError::Restore(_)) = session.wait_for_slot() {
            // A thread of the pipeline is gone, and the last frames with it. No frame follows whose flow this would be.
            let _ = self.fail(&error);
            return false;
        }
        true
    }

    /// Counts a frame, and posts what there is to tell about it.
    fn account(&self, fate: &Result<Fate, FrameError>, messages: &FrameMessages, request: &Request) {
        gst::log!(CAT, imp = self, "{:?}: {fate:?}", request.times.running_time);
        let mut stats = self.stats.lock();
        let mut first = false;
        match fate {
            Ok(Fate::Restored(report)) => first = stats.restored(report),
            Ok(Fate::Bypassed { took, propagated }) => stats.bypassed(*took, *propagated),
            Ok(Fate::Dropped | Fate::Refused) | Err(_) => stats.dropped(),
        }
        drop(stats);
        if first {
            self.post_nodes_on_cpu();
        }
        self.post_messages(messages, request);
    }

    /// Warns of a provider that does not have all of the model's operators.
    fn post_nodes_on_cpu(&self) {
        if let Some(model) = self.model()
            && let Some(nodes) = model.left_to_cpu()
        {
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
    fn post_lag(&self, lag: Nanoseconds, running_time: Option<Nanoseconds>) {
        self.post_structure(messages::lag_structure(lag, running_time));
        // A file is read as fast as it is restored.
        let protocol = timing::source_protocol(&self.obj()).filter(|protocol| protocol != "file");
        if let Some(protocol) = protocol
            && self.timing.lock().take_warning()
        {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Failed,
                ("{}", messages::lag_warning(lag, &protocol))
            );
        }
    }

    fn post_structure(&self, structure: gst::Structure) {
        gst::info!(CAT, imp = self, "{structure}");
        self.post(gst::message::Element::builder(structure).src(&*self.obj()).build());
    }

    /// Counts failures, and posts what there is to tell about a frame.
    fn post_messages(&self, messages: &FrameMessages, request: &Request) {
        self.stats.lock().failed(messages.failures);
        if let Some(change) = &messages.change {
            self.post_structure(messages::state_structure(change, request.times.running_time));
            self.timing.lock().changed(change, request.times.running_time);
        }
        let slow = self.timing.lock().take_slow(request.times.running_time);
        if let Some(text) = slow.and_then(|(state, reason)| messages::slow_warning(state, &reason)) {
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}"));
        }
        if let Some(error) = &messages.failure {
            let text = failure::warning(error, request.max_errors);
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}"));
        }
        if let Some(fallback) = messages.fallback {
            let text = messages::fallback_warning(fallback);
            gst::element_imp_warning!(self, gst::ResourceError::NoSpaceLeft, ("{text}"));
        }
    }

    /// Posts the QoS message of a frame that was dropped because it would have come late.
    fn post_drop(&self, buffer: &gst::BufferRef, request: &Request) {
        /// Quality is at its best, as the base class tells it.
        const QUALITY: i32 = 1_000_000;
        let times = &request.times;
        let (processed, dropped) = self.stats.lock().processed_and_dropped();
        let count = |count: u64| gst::GenericFormattedValue::from(gst::format::Buffers::from_u64(count));
        let jitter = times.arrival.slack.map_or(0, |slack| slack.saturating_neg());
        let timing = self.timing.lock();
        let message = gst::message::Qos::builder(timing.latencies.live)
            .running_time(times.running_time.and_then(messages::clock_time))
            .stream_time(timing.stream_time(buffer.pts()))
            .timestamp(buffer.pts())
            .duration(buffer.duration())
            .values(jitter, timing.controller.proportion(), QUALITY)
            .stats(count(processed), count(dropped))
            .src(&*self.obj())
            .build();
        drop(timing);
        self.post(message);
    }

    /// Posts what is to be posted about a frame that did not come out.
    fn fail(&self, error: &FrameError) -> gst::FlowError {
        if let Some(message) = failure::of_frame(error) {
            self.post_error_message(message);
        }
        match error {
            FrameError::Flushing => gst::FlowError::Flushing,
            FrameError::NotNegotiated => gst::FlowError::NotNegotiated,
            _ => gst::FlowError::Error,
        }
    }
}
