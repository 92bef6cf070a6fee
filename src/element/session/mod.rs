//! One run of the element from start to stop: the model, the pipeline that restores, and what is known of the stream.

mod second_model;
mod session_model;
mod src_result;

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gst_video::VideoInfo;
use parking_lot::{Mutex, MutexGuard};

use self::session_model::SessionModel;
use super::buffers::{self, BufferError};
use super::formats::Layout;
use super::frame_flow::FrameContext;
use super::loader::{Loader, LoaderThreads, Promise, Waited};
use crate::restore::{
    FinishedFrame, Frame, FramePipeline, Hook, Job, Limit, Outcome, OutputWriter, PictureViewMut, Refusal, Report,
    RestoreError, Restored, Settings,
};
use crate::runtime::Model;

pub use src_result::SrcResult;

/// A model that is being opened, or the message why it cannot be.
type ModelLoader = Loader<Arc<Model>, gst::ErrorMessage>;
/// The loading thread's end of it.
pub type ModelPromise = Promise<Arc<Model>, gst::ErrorMessage>;

/// Opening a model that takes longer than this fails while the stream runs, and not the element's start.
const START_TIMEOUT: Duration = Duration::from_millis(100);

/// A frame further back than this is not the previous one of another.
const FARTHEST_PREVIOUS: u32 = 8;

/// How long a model that is being opened may hold up the end of a run.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// The shared part of a run; its methods may be called from any thread.
///
/// Where more than one lock is held they are taken in this order: `flush_lock`, `replacement`, `stream`, and then one of
/// `model`, a loader's or the pipeline's. Only `flush_lock` is held while waiting: the end of a flush waits for the frame
/// that is being pushed.
pub struct Session {
    model: Mutex<Arc<SessionModel>>,
    /// The one that is to take its place once it is open.
    replacement: Mutex<Option<Arc<SessionModel>>>,
    /// What opens models.
    loaders: LoaderThreads,
    /// Held while loaders and pipeline are set flushing or not, so that all of them are set alike, and while another model
    /// takes the place of this one, so that the new one is set too.
    flush_lock: Mutex<()>,
    /// Called before each graph, for tests.
    hook: Option<Hook>,
    pipeline: OnceLock<FramePipeline<FrameContext>>,
    /// What downstream answers to finished frames.
    pub src_result: SrcResult,
    /// Whether a frame in flight did not reach downstream since the last one that did.
    pub dropped_in_flight: AtomicBool,
    stream: Mutex<StreamState>,
    /// Writes outputs, on the pipeline's thread. Not locked while `stream` is. A panic in there leaves scratch memory,
    /// which is written anew.
    writer: Mutex<OutputWriter>,
}

/// What is known of the stream's frames. Held for moments.
#[derive(Default)]
struct StreamState {
    caps: Option<Arc<VideoCaps>>,
    /// Whether two frames may be in flight at a time.
    pipelined: bool,
    /// Whether the frame before the next one was begun, so that the window holds it.
    holds_previous: bool,
    /// Whether a frame was left out before the next one.
    discont: bool,
    /// Bypassed frames since one was begun.
    since_begun: u32,
    /// The last frame that was restored on trial, for the detail of those that are bypassed.
    tried: Option<(Arc<Frame>, Vec<u8>)>,
    /// Memory for restored pictures.
    spare: Vec<Vec<u8>>,
}

/// How a restored frame is written.
#[derive(Debug, Clone, Copy)]
pub struct WriteSettings {
    /// In a stream that may have bypassed frames as well.
    pub blended: bool,
    /// Its picture is kept, for the detail of those.
    pub kept: bool,
    /// Share of the detail that it takes from the restored frame before it, from 0 to 1.
    pub blend: f32,
}

/// What the caps say.
#[derive(Clone, PartialEq)]
pub struct VideoCaps {
    /// Of the input.
    pub input: VideoInfo,
    /// Of the output.
    pub output: VideoInfo,
    /// What the samples of both mean.
    pub layout: Layout,
}

/// Why a frame that went in did not come out, or came out bypassed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A flush or the element's stop.
    #[error("flushing")]
    Flushing,
    /// There is no model; whoever should have opened it has said why.
    #[error("the model could not be opened")]
    NoModel,
    /// A frame before caps.
    #[error("no caps have been negotiated")]
    NotNegotiated,
    /// A buffer that does not hold what the caps say.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// The core could not restore the frame.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

impl From<Refusal> for FrameError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Flushing => FrameError::Flushing,
            Refusal::Ended => FrameError::Restore(RestoreError::Panicked),
        }
    }
}

/// The run.
impl Session {
    /// Starts the pipeline, and to open the model. `output` is called with every frame that was submitted, in order, on a
    /// thread of the pipeline.
    ///
    /// Waits a moment for what goes wrong at once (no such pack, no ONNX Runtime): a state change that fails is plainer for
    /// an application than a message some moments later, and `gst-launch-1.0` hangs on an error that is posted before its
    /// main loop runs.
    /// Fails with the message to post, if that moment was enough to fail, or if there are no threads.
    pub fn start(
        hook: Option<Hook>,
        load: impl FnOnce(&ModelPromise) + Send + 'static,
        mut output: impl FnMut(&Session, FinishedFrame<FrameContext>) + Send + 'static,
    ) -> Result<Arc<Self>, gst::ErrorMessage> {
        let no_thread =
            |error: io::Error| gst::error_msg!(gst::ResourceError::Failed, ["no thread to restore on: {error}"]);
        let loaders = LoaderThreads::default();
        let model = Loader::spawn(&loaders, load).map_err(no_thread)?;
        if let Some(message) = model.early_error(START_TIMEOUT) {
            return Err(message);
        }
        let session = Arc::new(Session {
            model: Mutex::new(SessionModel::new(model)),
            replacement: Mutex::default(),
            loaders,
            flush_lock: Mutex::default(),
            hook,
            pipeline: OnceLock::new(),
            src_result: SrcResult::default(),
            dropped_in_flight: AtomicBool::new(false),
            stream: Mutex::default(),
            writer: Mutex::default(),
        });
        let weak = Arc::downgrade(&session);
        let pipeline = FramePipeline::spawn(move |finished| {
            if let Some(session) = weak.upgrade() {
                output(&session, finished);
            }
        })
        .map_err(no_thread)?;
        session.pipeline.get_or_init(|| pipeline);
        Ok(session)
    }

    /// The model, once it is open.
    pub fn model(&self) -> Option<Arc<Model>> {
        self.current().loader.get()
    }

    /// Waits until the model is open.
    /// Fails with [`FrameError`] if it will not be, or a flush comes first.
    pub fn wait_for_model(&self) -> Result<Arc<Model>, FrameError> {
        match self.current().loader.wait() {
            Waited::Ready(model) => Ok(model),
            Waited::Failed => Err(FrameError::NoModel),
            Waited::Interrupted => Err(FrameError::Flushing),
        }
    }

    /// Whether the model could not be opened.
    pub fn has_failed(&self) -> bool {
        self.current().loader.has_failed()
    }

    /// Whether no frame waits for anything at present.
    pub fn is_flushing(&self) -> bool {
        self.current().loader.is_interrupted()
    }

    /// While flushing, no frame waits for anything.
    pub fn set_flushing(&self, flushing: bool) {
        let flush_lock = self.flush_lock.lock();
        self.current().loader.set_flushing(flushing);
        self.interrupt_threads(&flush_lock);
        drop(flush_lock);
        if !flushing {
            self.src_result.reset();
        }
    }

    /// The element stops: no frame waits for anything any more, and what is computed is cancelled. Says whether the
    /// model is still being opened.
    pub fn cancel(&self) -> bool {
        let flush_lock = self.flush_lock.lock();
        let replacing = self.give_up_replacement();
        let opening = self.current().cancel();
        self.interrupt_threads(&flush_lock);
        opening || replacing
    }

    /// Whoever calls it holds `flush_lock`.
    fn interrupt_threads(&self, _flush_lock: &MutexGuard<'_, ()>) {
        let model = self.current();
        let interrupted = model.loader.is_interrupted();
        if let Some(Some(second)) = model.second.get() {
            second.set_flushing(interrupted);
        }
        self.pipeline().set_flushing(interrupted);
    }

    fn current(&self) -> Arc<SessionModel> {
        self.model.lock().clone()
    }
}

/// Another model.
impl Session {
    /// Gives up another model that is being opened for this one's place; says whether there was one.
    pub fn give_up_replacement(&self) -> bool {
        let replacement = self.replacement.lock().take();
        replacement.is_some_and(|replacement| replacement.cancel())
    }

    /// Begins to open another model, which [takes the place](Self::take_replacement) of this one when it is open.
    /// Fails with the message to post, where that fails at once.
    pub fn replace_model(&self, load: impl FnOnce(&ModelPromise) + Send + 'static) -> Result<(), gst::ErrorMessage> {
        let loader = Loader::spawn(&self.loaders, load)
            .map_err(|error| gst::error_msg!(gst::ResourceError::Failed, ["no thread to open a model on: {error}"]))?;
        // From here on its thread tells errors itself.
        if let Some(message) = loader.early_error(Duration::ZERO) {
            return Err(message);
        }
        *self.replacement.lock() = Some(SessionModel::new(loader));
        Ok(())
    }

    /// Lets the other model take the place of this one, if it is open; says whether it does. Between two frames: the
    /// next one has no previous one.
    pub fn take_replacement(&self) -> bool {
        // Nearly always, and without the lock that a flush takes.
        if self.replacement.lock().is_none() {
            return false;
        }
        let flush_lock = self.flush_lock.lock();
        let mut replacement = self.replacement.lock();
        if replacement.as_ref().is_some_and(|next| next.loader.has_failed()) {
            *replacement = None;
        }
        if self.is_flushing() {
            return false;
        }
        let Some(next) = replacement.take_if(|next| next.loader.get().is_some()) else {
            return false;
        };
        drop(replacement);
        // What it holds is given back behind the locks.
        let old = std::mem::replace(&mut *self.model.lock(), next);
        self.pipeline().forget_trial();
        let mut stream = self.stream.lock();
        (stream.holds_previous, stream.pipelined) = (false, false);
        drop((stream, flush_lock, old));
        true
    }
}

/// Frames in.
impl Session {
    /// Caps have come. Other ones than before begin the stream anew.
    pub fn set_caps(&self, caps: VideoCaps) {
        if self.caps().as_deref() != Some(&caps) {
            self.reset();
            self.stream.lock().caps = Some(Arc::new(caps));
        }
    }

    /// What the caps say, if there are any.
    pub fn caps(&self) -> Option<Arc<VideoCaps>> {
        self.stream.lock().caps.clone()
    }

    /// The next frame has no previous one, and what was before says nothing about it.
    pub fn reset(&self) {
        self.pipeline().forget_trial();
        let mut stream = self.stream.lock();
        (stream.holds_previous, stream.tried) = (false, None);
        drop(stream);
        self.writer.lock().reset();
    }

    /// From the next frame on, two may be in flight at a time, or only one. Two need the model with half of the
    /// threads: it begins to be opened, and is waited for if `waits`; else there is one at a time until it is open.
    /// Says whether that is a change.
    pub fn set_pipelined(&self, wanted: bool, waits: bool) -> bool {
        let pipelined = wanted && self.has_second_model(waits);
        let mut stream = self.stream.lock();
        std::mem::replace(&mut stream.pipelined, pipelined) != pipelined
    }

    /// Whether two frames may be in flight at a time.
    pub fn is_pipelined(&self) -> bool {
        self.stream.lock().pipelined
    }

    /// Copies the picture out of an input buffer.
    /// Fails with [`FrameError`] if the buffer does not hold what the caps say.
    pub fn read(&self, input: &gst::BufferRef) -> Result<Arc<Frame>, FrameError> {
        let caps = self.caps().ok_or(FrameError::NotNegotiated)?;
        let frame = buffers::read(input, &caps.input, caps.layout, |picture| Frame::read(picture))??;
        Ok(Arc::new(frame))
    }

    /// Waits until a frame that is submitted does not have to wait for others to be finished.
    /// Fails if it would not be submitted.
    pub fn wait_for_slot(&self) -> Result<(), FrameError> {
        Ok(self.pipeline().wait_for_slot()?)
    }

    /// Submits a frame, to be finished restored or, at the end of `limit`, not. Waits for the model.
    pub fn submit(&self, frame: &Arc<Frame>, context: FrameContext, limit: Option<Limit>) -> Result<(), FrameError> {
        let job = self.job(&self.wait_for_model()?, frame, &context.request.settings)?;
        // Until it is known that the frame was begun.
        self.stream.lock().holds_previous = false;
        let begun = self.pipeline().submit(job, context, limit)?;
        let mut stream = self.stream.lock();
        (stream.holds_previous, stream.since_begun) = (begun, 0);
        Ok(())
    }

    /// Submits a frame that is not to be restored, or on trial only, which does not come out. With the detail of restored
    /// frames, those are some frames apart, and each is the next one's previous frame.
    pub fn bypass(
        &self,
        frame: &Arc<Frame>,
        context: FrameContext,
        trial: bool,
        propagates: bool,
    ) -> Result<(), FrameError> {
        let model = self.model().filter(|_| trial);
        let job = model.map(|model| self.job(&model, frame, &context.request.settings));
        let job = job.transpose()?;
        self.pipeline().bypass(frame.clone(), context)?;
        let unbegun = job.map(|job| self.pipeline().submit_trial(job));
        let begun = matches!(unbegun, Some(None));
        let mut stream = self.stream.lock();
        stream.spare.extend(unbegun.flatten().map(|job| job.picture));
        stream.since_begun = if begun { 0 } else { stream.since_begun.saturating_add(1) };
        let is_near = propagates && stream.since_begun < FARTHEST_PREVIOUS;
        stream.holds_previous = begun || (is_near && stream.holds_previous);
        Ok(())
    }

    /// The frame before the next one is not in the window.
    pub fn forget_previous(&self) {
        self.stream.lock().holds_previous = false;
    }

    /// The frame before the next one does not come out.
    pub fn frame_dropped(&self) {
        let mut stream = self.stream.lock();
        stream.holds_previous = false;
        stream.discont = true;
    }

    /// Whether a frame was left out since this was last asked.
    pub fn take_discont(&self) -> bool {
        std::mem::take(&mut self.stream.lock().discont)
    }

    /// What a trial came to, once. If it is `kept`, bypassed frames have its detail from now on.
    pub fn take_trial(&self, kept: bool) -> Option<Result<Report, RestoreError>> {
        let (frame, outcome) = self.pipeline().take_trial()?;
        Some(outcome.map(|Restored { picture, report }| {
            let mut stream = self.stream.lock();
            let spare = match kept {
                true => stream.tried.replace((frame, picture)).map(|(_, picture)| picture),
                false => Some(picture),
            };
            stream.spare.extend(spare);
            report
        }))
    }

    /// Waits until every frame is finished, or for a flush.
    pub fn drain(&self) {
        self.pipeline().drain();
    }

    fn job(&self, model: &Arc<Model>, frame: &Arc<Frame>, settings: &Settings) -> Result<Job, RestoreError> {
        let second = self.second_model();
        let mut stream = self.stream.lock();
        let second = second.filter(|_| stream.pipelined);
        let (depth, model) = second.map_or((1, model.clone()), |second| (2, second));
        Ok(Job {
            frame: frame.clone(),
            graphs: self.current().graph_set(depth, model, self.hook.as_ref())?,
            depth,
            follows: stream.holds_previous,
            settings: settings.clone(),
            picture: stream.spare.pop().unwrap_or_default(),
        })
    }
}

/// Frames out.
impl Session {
    /// Writes what a frame was restored to into the output.
    /// Fails with [`FrameError`]; the output's pixels are undefined then.
    pub fn write(
        &self,
        caps: &VideoCaps,
        frame: &Arc<Frame>,
        outcome: Outcome,
        settings: WriteSettings,
        output: &mut gst::BufferRef,
    ) -> Result<Report, FrameError> {
        let Restored { mut picture, report } = outcome?;
        // The next frame takes detail from this one as it was restored, so that an output depends on three inputs, and
        // not on all before it: parts of a video are what they are in the whole.
        let unblended = (settings.blend > 0.0).then(|| self.copy(&picture));
        self.write_with(caps, output, |writer, output| {
            if settings.blend > 0.0 {
                writer.blend(frame, &mut picture, settings.blend);
            }
            match settings.blended {
                true => writer.write_blended(frame, &mut picture, output),
                false => writer.write(frame, &picture, output),
            }
        })?;
        let (picture, written) = match unblended {
            Some(unblended) => (unblended, Some(picture)),
            None => (picture, None),
        };
        let spare = match settings.kept {
            true => self.writer.lock().keep(frame.clone(), picture),
            false => Some(picture),
        };
        self.stream.lock().spare.extend(spare.into_iter().chain(written));
        Ok(report)
    }

    fn copy(&self, picture: &[u8]) -> Vec<u8> {
        let mut copy = self.stream.lock().spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(picture);
        copy
    }

    /// Writes the bicubic picture of a frame into the output, if it `propagates` with the detail of the last restored one.
    /// Says whether there was one.
    /// Fails with [`FrameError`] if the output cannot be written.
    pub fn write_bypass(
        &self,
        caps: &VideoCaps,
        frame: &Frame,
        propagates: bool,
        settings: WriteSettings,
        output: &mut gst::BufferRef,
    ) -> Result<bool, FrameError> {
        let tried = self.stream.lock().tried.take();
        let spare = tried.and_then(|(frame, picture)| self.writer.lock().keep(frame, picture));
        self.stream.lock().spare.extend(spare);
        self.write_with(caps, output, |writer, output| {
            writer.write_bypass(frame, propagates, settings.blended, output)
        })
    }

    fn write_with<R>(
        &self,
        caps: &VideoCaps,
        output: &mut gst::BufferRef,
        write: impl FnOnce(&mut OutputWriter, PictureViewMut<'_>) -> Result<R, RestoreError>,
    ) -> Result<R, FrameError> {
        let written = buffers::write(output, &caps.output, caps.layout, |picture| {
            write(&mut self.writer.lock(), picture)
        });
        Ok(written??)
    }
}

impl Session {
    fn pipeline(&self) -> &FramePipeline<FrameContext> {
        // `start` sets it before anybody else has the session.
        self.pipeline.get().expect("set by start")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.loaders.join(SHUTDOWN_TIMEOUT);
    }
}
