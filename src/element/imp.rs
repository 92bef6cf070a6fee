//! The subclass: which virtual method leads where.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::{BaseTransformMode, GenerateOutputSuccess};
use gst_base::subclass::prelude::*;
use gst_video::VideoInfo;
use gst_video::subclass::prelude::*;
use parking_lot::Mutex;

use super::model::OnFailure;
use super::session::{ModelPromise, Session, VideoCaps};
use super::settings::{self, Settings};
use super::stats::Stats;
use super::timing::Timing;
use super::{CAT, RESTORE_NEXT, allocation, caps, formats, messages, metas, model, navigation, pads};
use crate::restore::Hook;
use crate::runtime::Model;

/// Called on the thread that pushes.
pub type FinishHook = Arc<dyn Fn() + Send + Sync>;

/// The element. None of its own locks is held while another is taken, nor while waiting; those of a run are in order
/// ([`Session`]).
#[derive(Default)]
pub struct DloralVsr {
    pub(super) settings: Mutex<Settings>,
    pub(super) stats: Mutex<Stats>,
    pub(super) timing: Mutex<Timing>,
    /// Whether the next frame is the first of a restore interval.
    pub(super) restore_next: AtomicBool,
    /// For the next start; only tests set one.
    pub(super) hook: Mutex<Option<Hook>>,
    /// The same, called before each frame is finished.
    pub(super) finish_hook: Mutex<Option<FinishHook>>,
    /// Why caps were refused last: each reason is posted once in a row.
    refused: Mutex<Option<String>>,
    /// From start to stop.
    session: Mutex<Option<Arc<Session>>>,
}

#[glib::object_subclass]
impl ObjectSubclass for DloralVsr {
    const NAME: &'static str = "GstDloralVsr";
    type Type = super::DloralVsr;
    type ParentType = gst_video::VideoFilter;
}

impl DloralVsr {
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().clone()
    }

    fn with_session(&self, act: impl FnOnce(&Session)) {
        if let Some(session) = self.session() {
            act(&session);
        }
    }

    /// The model, once it is open.
    pub(super) fn model(&self) -> Option<Arc<Model>> {
        self.session()?.model()
    }

    pub(super) fn reset(&self, why: &str) {
        self.timing.lock().reset();
        gst::debug!(CAT, imp = self, "{why}: the next frame is paired with itself");
        self.with_session(Session::reset);
    }

    fn stats(&self) -> gst::Structure {
        let provider = self.model().map(|model| model.provider().to_string());
        let pipelined = self.session().is_some_and(|session| session.is_pipelined());
        let timing = self.timing.lock();
        let (state, lag) = (timing.controller.state().map(messages::name), timing.lag.current());
        drop(timing);
        let (state, provider) = (state.unwrap_or_default(), provider.unwrap_or_default());
        let stats = self.stats.lock();
        stats.to_structure(state, &provider, 1 + u32::from(pipelined), lag)
    }

    /// Adds the element's own latency to what upstream has answered.
    fn add_latency(&self, query: &mut gst::query::Latency) {
        let own = self.settings.lock().processing_latency;
        let (live, min, max) = query.result();
        let mut timing = self.timing.lock();
        timing.note_upstream(live, min);
        timing.answered = Some(own.into());
        drop(timing);
        query.set(live, min.saturating_add(own), max.map(|max| max.saturating_add(own)));
        gst::debug!(CAT, imp = self, "latency {min} of upstream and {own} of this element");
    }

    /// Posts LATENCY if the element's own has changed.
    pub(super) fn post_latency(&self) {
        let own = self.own_latency();
        if self.timing.lock().take_latency_change(own) {
            self.post(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }

    /// Counts how late a frame came to the sink.
    fn note_qos(&self, late_by: gst::ClockTimeDiff) {
        if late_by > 0 {
            self.stats.lock().late();
        }
        let tells = self.timing.lock().arrived(late_by);
        if tells {
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{}", messages::LATE_WARNING));
        }
    }

    /// Waits until every frame in flight is pushed.
    pub(super) fn drain(&self) {
        self.with_session(Session::drain);
    }

    /// Without a bus there is nobody to tell.
    pub(super) fn post(&self, message: gst::Message) {
        let _ = self.obj().post_message(message);
    }

    /// What the pad of `direction` takes, by what the peer on the other side does.
    fn answer_caps(&self, direction: gst::PadDirection, query: &mut gst::query::Caps) {
        let element = self.obj();
        let other: &gst::Pad = match direction {
            gst::PadDirection::Src => element.sink_pad(),
            _ => element.src_pad(),
        };
        let answer = caps::answer(direction, query.filter(), |caps| other.peer_query_caps(Some(caps)));
        gst::trace!(CAT, imp = self, "the {direction:?} pad takes {answer}");
        query.set_result(&answer);
        // An empty answer is a refusal.
        if let Some(asked) = query.filter().filter(|_| answer.is_empty()) {
            match caps::refusal(direction, asked) {
                Some(why) => self.refuse(direction, asked, &why),
                None => gst::debug!(
                    CAT,
                    imp = self,
                    "refused caps {asked} on the {direction:?} pad: the peer on the other side takes none of their counterparts"
                ),
            }
        }
    }

    /// Says why caps are refused that upstream has, or has nothing but: "not-negotiated" is all that GStreamer says. While
    /// nothing runs somebody may only be asking what would be possible.
    fn refuse(&self, direction: gst::PadDirection, caps: &gst::CapsRef, why: &str) {
        gst::debug!(CAT, imp = self, "refused caps {caps} on the {direction:?} pad: {why}");
        if direction != gst::PadDirection::Sink || self.session().is_none() {
            return;
        }
        if self.refused.lock().replace(why.to_owned()).as_deref() != Some(why) {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Format,
                ("These pictures are not accepted: {why}")
            );
        }
    }
}

/// Another model.
impl DloralVsr {
    /// Opens the model that the settings name now, beside the running stream.
    fn replace_model(&self) {
        let Some(session) = self.session() else { return };
        if session.give_up_replacement() {
            model::post_cancelled(&self.obj());
        }
        let request = self.settings.lock().model_request();
        let element = self.obj().downgrade();
        let load = move |promise: &ModelPromise| model::open(&element, &request, promise, OnFailure::Warning);
        if let Err(message) = session.replace_model(load) {
            model::post_kept_model(&self.obj(), &message.to_string());
        }
    }
}

impl ObjectImpl for DloralVsr {
    fn properties() -> &'static [glib::ParamSpec] {
        settings::properties()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if settings::is_fixed_while_running(pspec) && self.session().is_some() {
            gst::warning!(
                CAT,
                imp = self,
                "{} can be set in NULL and READY only: ignored",
                pspec.name()
            );
            return;
        }
        let mut settings = self.settings.lock();
        let model = settings.model_request().model;
        settings.set(pspec.name(), value);
        let is_other = settings.model_request().model != model;
        drop(settings);
        match pspec.name() {
            "processing-latency" => self.post_latency(),
            "model" if is_other => self.replace_model(),
            _ => (),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "window" => self
                .model()
                .map_or(0, |model| model.manifest().window.frames)
                .to_value(),
            "stats" => self.stats().to_value(),
            name => self.settings.lock().value(name),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        pads::refuse_pull(self.obj().src_pad());
        pads::watch_caps(self.obj().sink_pad(), |pad, caps| {
            let element = pad.parent().and_downcast::<super::DloralVsr>();
            if let (Some(element), Some(why)) = (element, caps::refusal(gst::PadDirection::Sink, caps)) {
                element.imp().refuse(gst::PadDirection::Sink, caps, &why);
            }
        });
        // The base class would drop late frames before they come here, which tears holes into the window.
        self.obj().set_qos(false);
    }
}

impl GstObjectImpl for DloralVsr {}

impl ElementImpl for DloralVsr {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "DLoRAL video super-resolution",
                "Filter/Converter/Video/Scaler",
                "Restores video and enlarges it by four with DLoRAL, one-step diffusion over two frames",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps::template(direction))
                        // A name, a direction and caps are all it takes.
                        .expect("a valid pad template")
                })
                .into()
        });
        &TEMPLATES
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::PausedToReady
            && let Some(session) = self.session()
        {
            // The base class waits for the streaming thread, which may be waiting for the model.
            if session.cancel() {
                model::post_cancelled(&self.obj());
            }
        }
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for DloralVsr {
    const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        *self.stats.lock() = Stats::default();
        *self.timing.lock() = Timing::default();
        *self.refused.lock() = None;
        let hook = self.hook.lock().clone();
        let request = self.settings.lock().model_request();
        let model = request.model.clone();
        let element = self.obj().downgrade();
        let pushing = element.clone();
        let load = move |promise: &ModelPromise| model::open(&element, &request, promise, OnFailure::Error);
        let finish_hook = self.finish_hook.lock().clone();
        let session = Session::start(hook, load, move |session, finished| {
            if let Some(hook) = &finish_hook {
                hook();
            }
            if let Some(element) = pushing.upgrade() {
                element.imp().finish(session, finished);
            }
        })?;
        *self.session.lock() = Some(session);
        // Another may have been set meanwhile, when there was no run to tell.
        if self.settings.lock().model_request().model != model {
            self.replace_model();
        }
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        // Its threads are waited for, which is not to be done under the lock.
        let session = self.session.lock().take();
        drop(session);
        Ok(())
    }

    fn propose_allocation(
        &self,
        decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.parent_propose_allocation(decide_query, query)?;
        // The parent class has offered video metas. Crops are applied where a frame is read, so that upstream copies nothing.
        query.add_allocation_meta::<gst_video::VideoCropMeta>(None);
        Ok(())
    }

    fn decide_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        allocation::announce_held(query);
        self.parent_decide_allocation(query)
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let other = caps::transform(direction, caps);
        let other = match filter {
            Some(filter) => filter.intersect_with_mode(&other, gst::CapsIntersectMode::First),
            None => other,
        };
        gst::trace!(
            CAT,
            imp = self,
            "caps {caps} on the {direction:?} pad are {other} on the other"
        );
        Some(other)
    }

    fn fixate_caps(&self, direction: gst::PadDirection, caps: &gst::Caps, othercaps: gst::Caps) -> gst::Caps {
        let fixed = self.parent_fixate_caps(direction, caps, othercaps);
        if direction != gst::PadDirection::Sink {
            return fixed;
        }
        // A peer that insists on what was stated gets that.
        let described = caps::with_colorimetry(caps, &fixed);
        let accepted = described.filter(|described| self.obj().src_pad().peer_query_accept_caps(described));
        accepted.unwrap_or(fixed)
    }

    fn accept_caps(&self, direction: gst::PadDirection, caps: &gst::Caps) -> bool {
        if let Some(why) = caps::refusal(direction, caps) {
            gst::debug!(
                CAT,
                imp = self,
                "caps {caps} are not accepted on the {direction:?} pad: {why}"
            );
            return false;
        }
        self.parent_accept_caps(direction, &caps::with_interlace_mode(caps))
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        let is_src = direction == gst::PadDirection::Src;
        if !is_src && query.is_serialized() {
            self.drain();
        }
        match query.view_mut() {
            gst::QueryViewMut::Caps(query) => {
                self.answer_caps(direction, query);
                return true;
            }
            gst::QueryViewMut::Scheduling(query) if is_src => {
                // Only pushing is offered: frames leave on a thread of the element's own.
                query.set(gst::SchedulingFlags::SEQUENTIAL, 1, -1, 0);
                query.add_scheduling_modes([gst::PadMode::Push]);
                return true;
            }
            _ => (),
        }
        let answered = BaseTransformImplExt::parent_query(self, direction, query);
        match query.view_mut() {
            gst::QueryViewMut::Latency(query) if answered && is_src => self.add_latency(query),
            gst::QueryViewMut::Position(query) if answered && is_src && query.format() == gst::Format::Time => {
                // The base class does not see frames leave, and so takes the stream to stand still.
                if let Some(position) = self.timing.lock().position() {
                    query.set(position);
                }
            }
            _ => (),
        }
        answered
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        // Of the next frame alone: those in flight go on.
        if event
            .structure()
            .is_some_and(|structure| structure.name() == RESTORE_NEXT)
        {
            self.restore_next.store(true, Ordering::Relaxed);
            return true;
        }
        if event.is_serialized() && event.type_() != gst::EventType::FlushStop {
            self.drain();
        }
        match event.view() {
            gst::EventView::FlushStart(_) => self.with_session(|session| session.set_flushing(true)),
            gst::EventView::FlushStop(_) => {
                self.with_session(|session| session.set_flushing(false));
                self.restore_next.store(false, Ordering::Relaxed);
                self.reset("flush");
                self.timing.lock().flush();
            }
            // What downstream has answered to the frames in flight holds no more.
            gst::EventView::StreamStart(_) => {
                self.with_session(|session| session.src_result.clear());
                self.reset("new stream");
                self.timing.lock().begin();
            }
            gst::EventView::Segment(event) => {
                self.with_session(|session| session.src_result.clear());
                self.reset("new segment");
                self.timing.lock().set_segment(Some(event.segment().clone()));
            }
            gst::EventView::Gap(_) => self.reset("gap"),
            // As GstQueue does, which pushes on another thread than upstream too: behind an error there is no EOS. With
            // one a muxer would finish its file, which would look whole although frames are missing.
            gst::EventView::Eos(_) if !self.ends_well() => return false,
            _ => (),
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Qos(qos) => {
                let (type_, _, late_by, _) = qos.get();
                // A sink that shows fewer frames than come says the same of every one, and none of them is late.
                if type_ != gst::QOSType::Throttle {
                    self.note_qos(late_by);
                }
                // Not passed on: a decoder that drops frames because of it tears holes into the window. Nor does the
                // base class learn of it, which would do the same.
                return true;
            }
            gst::EventView::Latency(latency) => self.timing.lock().set_configured(latency.latency()),
            gst::EventView::Navigation(pointed) => {
                let moved = navigation::to_input(pointed);
                return self.parent_src_event(moved.unwrap_or(event));
            }
            _ => (),
        }
        self.parent_src_event(event)
    }

    fn submit_input_buffer(&self, is_discont: bool, inbuf: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        // Caps may be about to change.
        if self.obj().src_pad().needs_reconfigure() {
            self.drain();
        }
        self.parent_submit_input_buffer(is_discont, inbuf)
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let session = self.session().ok_or(gst::FlowError::Flushing)?;
        let Some(input) = self.take_queued_buffer() else {
            return Ok(GenerateOutputSuccess::NoOutput);
        };
        // With an error the frame that came is left out, as it would be had downstream refused it.
        session.src_result.take().inspect_err(|_| session.frame_dropped())?;
        // Before it may have to wait for the model.
        self.stats.lock().frame_in();
        self.change_model(&session);
        self.choose_depth(&session);
        if session.is_flushing() {
            self.stats.lock().dropped();
            return Err(gst::FlowError::Flushing);
        }
        let submitted = self.submit(&session, &input);
        if matches!(submitted, Err(gst::FlowError::Error)) {
            // It has been posted, or upstream posts it: no frame follows, and nothing is posted twice.
            session.src_result.set(Err(gst::FlowError::Error));
        }
        submitted
    }

    fn transform_meta<'a>(
        &self,
        outbuf: &mut gst::BufferRef,
        meta: gst::MetaRef<'a, gst::Meta>,
        _inbuf: &'a gst::BufferRef,
    ) -> bool {
        let caps = self.session().and_then(|session| session.caps());
        caps.is_some_and(|caps| metas::transform(outbuf, &meta, (&caps.input, &caps.output)))
    }
}

impl VideoFilterImpl for DloralVsr {
    fn set_info(
        &self,
        incaps: &gst::Caps,
        in_info: &VideoInfo,
        outcaps: &gst::Caps,
        out_info: &VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        gst::debug!(CAT, imp = self, "{incaps} becomes {outcaps}");
        let caps = VideoCaps {
            input: in_info.clone(),
            output: out_info.clone(),
            layout: formats::layout(incaps, in_info)?,
        };
        // The base class sends the caps next; frames in flight leave before them.
        self.drain();
        self.timing.lock().set_rate(in_info);
        self.with_session(|session| session.set_caps(caps));
        Ok(())
    }
}
