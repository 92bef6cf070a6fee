//! One run of the element from start to stop: the model on its way, the worker that restores, the frame that is on its
//! way through.

mod in_flight;
mod side;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use gst_video::VideoInfo;

use super::buffers::{BufferError, Picture};
use super::flight::Flight;
use super::formats::{self, Layout};
use super::loader::{Loader, Ticket, Waited};
use crate::restore::{
    Finisher, Frame, Given, Graphs, Hook, Hooked, Job, Limit, Outcome, PictureViewMut, Refusal, Report, RestoreError,
    Restored, Settings, Stream, Worker,
};
use crate::runtime::Model;

/// A model on its way, and the message if it does not come.
type ModelLoader = Loader<Arc<Model>, gst::ErrorMessage>;
/// The end of it that the worker holds.
pub type ModelTicket = Ticket<Arc<Model>, gst::ErrorMessage>;

/// Opening a model that takes longer than this fails while the stream runs, and not the element's start.
const PATIENCE: Duration = Duration::from_millis(100);

/// The shared part of a run; its methods may be called from any thread.
pub struct Session {
    model: ModelLoader,
    /// The model for frames that fly, from the first of them on.
    side: OnceLock<side::SideLoader>,
    /// Held while threads are told whether to wait, so that the last one to tell tells what holds.
    telling: Mutex<()>,
    /// Called before each graph, for tests.
    hook: Option<Hook>,
    /// From the first frame that is restored alone.
    worker: OnceLock<Worker>,
    /// From the first frame that flies.
    flight: OnceLock<Flight>,
    running: Mutex<Running>,
    /// Writes outputs; the streaming thread goes on meanwhile. Not locked while `running` is.
    finisher: Mutex<Finisher>,
}

/// What is known of the stream's frames. Held for moments, but where frames go one after the other: there the streaming
/// thread holds it while it waits for one.
#[derive(Default)]
struct Running {
    pictures: Option<Pictures>,
    /// Whether frames fly.
    flies: bool,
    /// Whether the frame before the next one was given to be restored.
    holds_previous: bool,
    /// Whether a frame was left out before the next one.
    discont: bool,
    /// Memory for restored pictures.
    spare: Vec<Vec<u8>>,
}

/// What the caps say.
#[derive(Clone, PartialEq)]
pub struct Pictures {
    /// Of the input.
    pub input: VideoInfo,
    /// Of the output.
    pub output: VideoInfo,
    /// What the samples of both mean.
    pub layout: Layout,
}

/// Why a frame that went in did not come out, or came out degraded.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A flush or the element's stop.
    #[error("flushing")]
    Interrupted,
    /// There is no model; the worker that should have opened it has said why.
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
    /// The system gives no thread to restore on.
    #[error("there is no thread to restore on: {0}")]
    Thread(#[from] io::Error),
}

impl From<Refusal> for FrameError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Interrupted => FrameError::Interrupted,
            Refusal::Ended => FrameError::Restore(RestoreError::Panicked),
        }
    }
}

/// What waiting for a restored frame came to.
pub enum Try {
    /// It is in the output.
    Done(Report),
    /// Time was up first.
    Late,
}

impl Session {
    /// Starts to open the model. Waits a moment for what goes wrong at once (no such pack, no ONNX Runtime): a state
    /// change that fails is plainer for an application than a message some moments later, and `gst-launch-1.0` hangs
    /// on an error that is posted before its main loop runs.
    ///
    /// # Errors
    /// The message to post, if that moment was enough to fail.
    pub fn start(
        hook: Option<Hook>,
        load: impl FnOnce(&ModelTicket) + Send + 'static,
    ) -> Result<Self, gst::ErrorMessage> {
        let model = Loader::spawn(load).map_err(|error| {
            gst::error_msg!(gst::ResourceError::Failed, ["no thread to open the model on: {error}"])
        })?;
        match model.early_error(PATIENCE) {
            Some(message) => Err(message),
            None => Ok(Session {
                model,
                side: OnceLock::new(),
                telling: Mutex::default(),
                hook,
                worker: OnceLock::new(),
                flight: OnceLock::new(),
                running: Mutex::default(),
                finisher: Mutex::default(),
            }),
        }
    }

    /// The model, once it is open.
    pub fn model(&self) -> Option<Arc<Model>> {
        self.model.get()
    }

    /// Whether the model could not be opened.
    pub fn has_failed(&self) -> bool {
        self.model.has_failed()
    }

    /// Whether no frame waits for anything at present.
    pub fn is_interrupted(&self) -> bool {
        self.model.is_interrupted()
    }

    /// While `flushing`, no frame waits for anything.
    pub fn set_flushing(&self, flushing: bool) {
        self.model.set_flushing(flushing);
        self.interrupt_threads();
        if let Some(flight) = self.in_flight().filter(|_| !flushing) {
            // What downstream has answered before the flush holds no more.
            flight.set_flow(Ok(()));
        }
    }

    /// What downstream has answered to the frames in flight holds no more: another stream or segment begins.
    pub fn ask_downstream_again(&self) {
        if let Some(flight) = self.in_flight() {
            flight.forget_flow();
        }
    }

    /// The element stops: no frame waits for anything any more. Says whether the model is still being opened.
    pub fn abandon(&self) -> bool {
        let opening = self.model.abandon();
        self.interrupt_threads();
        opening
    }

    fn interrupt_threads(&self) {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let interrupted = self.model.is_interrupted();
        if let Some(side) = self.side.get() {
            side.set_flushing(interrupted);
        }
        if let Some(worker) = self.worker.get() {
            worker.interrupt(interrupted);
        }
        if let Some(flight) = self.flight.get() {
            flight.interrupt(interrupted);
        }
    }

    /// Caps have come. Other ones than before begin the stream anew.
    pub fn set_pictures(&self, pictures: Pictures) {
        let fresh = self.pictures().as_ref() != Some(&pictures);
        if fresh {
            self.reset();
            self.running().pictures = Some(pictures);
        }
    }

    /// What the caps say, if there are any.
    pub fn pictures(&self) -> Option<Pictures> {
        self.running().pictures.clone()
    }

    /// The next frame has none before it.
    pub fn reset(&self) {
        self.running().holds_previous = false;
        self.finisher().reset();
    }

    /// Copies the picture out of an input buffer.
    ///
    /// # Errors
    /// [`FrameError`] if the buffer does not hold what the caps say.
    pub fn read(&self, input: &gst::BufferRef) -> Result<Arc<Frame>, FrameError> {
        let pictures = self.pictures().ok_or(FrameError::NotNegotiated)?;
        let source = Picture::of_input(input, &pictures.input, pictures.layout)?;
        let bytes = input.map_readable().map_err(|_| BufferError::Map("input"))?;
        Ok(Arc::new(Frame::read(source.view(&bytes)?)?))
    }

    /// Restores a frame into the output, and waits for it within `limit` at most; without one also for the model.
    /// `tones` says whether there are degraded frames before or after it.
    ///
    /// # Errors
    /// [`FrameError`]; the output's pixels are undefined then.
    pub fn restore(
        &self,
        frame: &Arc<Frame>,
        settings: &Settings,
        limit: Option<Limit>,
        tones: bool,
        output: &mut gst::BufferRef,
    ) -> Result<Try, FrameError> {
        let model = self.wait_for_model()?;
        let worker = self.worker(&model, settings)?;
        let mut running = self.running();
        let job = running.job(frame, settings);
        let given = worker.restore(job, limit);
        // Late or interrupted: whether the worker has taken the frame is not known.
        running.holds_previous = matches!(given, Given::Done(Ok(_)));
        drop(running);
        match given {
            Given::Done(outcome) => self.write(frame, outcome, tones, output).map(Try::Done),
            Given::Late => Ok(Try::Late),
            Given::Interrupted => Err(FrameError::Interrupted),
        }
    }

    /// Writes what a frame was restored to into the output. `tones` as in [`restore`](Self::restore).
    ///
    /// # Errors
    /// [`FrameError`]; the output's pixels are undefined then.
    pub fn write(
        &self,
        frame: &Frame,
        outcome: Outcome,
        tones: bool,
        output: &mut gst::BufferRef,
    ) -> Result<Report, FrameError> {
        let Restored { mut picture, report } = outcome?;
        self.finish(output, |finisher, output| match tones {
            true => finisher.write_toned(frame, &mut picture, output),
            false => finisher.write(frame, &picture, output),
        })?;
        self.running().spare.push(picture);
        Ok(report)
    }

    /// Upscales a frame plainly into the output.
    ///
    /// # Errors
    /// [`FrameError`] if the output cannot be written.
    pub fn degrade(&self, frame: &Frame, output: &mut gst::BufferRef) -> Result<(), FrameError> {
        self.finish(output, |finisher, output| finisher.degrade(frame, output))
    }

    fn finish(
        &self,
        output: &mut gst::BufferRef,
        write: impl FnOnce(&mut Finisher, PictureViewMut<'_>) -> Result<(), RestoreError>,
    ) -> Result<(), FrameError> {
        let pictures = self.pictures().ok_or(FrameError::NotNegotiated)?;
        let target = Picture::of_output(output, &pictures.output, pictures.layout)?;
        let mut bytes = output.map_writable().map_err(|_| BufferError::Map("output"))?;
        Ok(write(&mut self.finisher(), target.view_mut(&mut bytes)?)?)
    }

    /// Restores a frame beside the stream, if there is a model and the worker is free; [`outcome`](Self::outcome) tells
    /// what became of it.
    ///
    /// # Errors
    /// [`FrameError`] if there cannot be a worker.
    pub fn probe(&self, frame: &Arc<Frame>, settings: &Settings) -> Result<(), FrameError> {
        let Some(model) = self.model() else {
            return Ok(());
        };
        let worker = self.worker(&model, settings)?;
        let mut running = self.running();
        let job = running.job(frame, settings);
        running.holds_previous = worker.give(job);
        Ok(())
    }

    /// The frame that went by was not given to be restored.
    pub fn pass_by(&self) {
        self.running().holds_previous = false;
    }

    /// The frame that went by does not come out.
    pub fn leave_out(&self) {
        let mut running = self.running();
        running.holds_previous = false;
        running.discont = true;
    }

    /// Whether a frame was left out since this was last asked.
    pub fn take_discont(&self) -> bool {
        std::mem::take(&mut self.running().discont)
    }

    /// What became of a frame that nobody waited for, once, and whether it flew.
    pub fn outcome(&self) -> Option<(Result<Report, RestoreError>, bool)> {
        let alone = self.worker.get().and_then(Worker::take);
        let flew = alone.is_none();
        let outcome: Outcome = alone.or_else(|| self.flight.get()?.take())?;
        let report = outcome.map(|restored| {
            self.running().spare.push(restored.picture);
            restored.report
        });
        Some((report, flew))
    }

    /// The worker, started if there is none yet.
    fn worker(&self, model: &Arc<Model>, settings: &Settings) -> Result<&Worker, FrameError> {
        if let Some(worker) = self.worker.get() {
            return Ok(worker);
        }
        let fresh = Worker::spawn(self.stream(model.clone(), settings)?)?;
        let worker = self.worker.get_or_init(|| fresh);
        // A flush that has come meanwhile did not find it.
        self.interrupt_threads();
        Ok(worker)
    }

    fn stream(&self, model: Arc<Model>, settings: &Settings) -> Result<Stream, RestoreError> {
        let manifest = model.manifest().clone();
        let graphs: Arc<dyn Graphs> = match &self.hook {
            Some(hook) => Arc::new(Hooked::new(model, hook.clone())),
            None => model,
        };
        Stream::new(graphs, &manifest, settings.clone())
    }

    fn wait_for_model(&self) -> Result<Arc<Model>, FrameError> {
        match self.model.wait() {
            Waited::Ready(model) => Ok(model),
            Waited::Failed => Err(FrameError::NoModel),
            Waited::Interrupted => Err(FrameError::Interrupted),
        }
    }

    /// A panic in there is passed on as an element error by the binding; what it leaves is replaced when the element
    /// starts again.
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`running`](Self::running).
    fn finisher(&self) -> MutexGuard<'_, Finisher> {
        self.finisher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn job(&mut self, frame: &Arc<Frame>, settings: &Settings) -> Job {
        Job {
            frame: frame.clone(),
            follows: self.holds_previous,
            settings: settings.clone(),
            picture: self.spare.pop().unwrap_or_default(),
        }
    }
}

impl Pictures {
    /// What negotiated caps say; `caps` are the input's.
    ///
    /// # Errors
    /// If a format is none of the accepted ones, or does not go with its colorimetry.
    pub fn new(caps: &gst::CapsRef, input: &VideoInfo, output: &VideoInfo) -> Result<Self, gst::LoggableError> {
        Ok(Pictures {
            input: input.clone(),
            output: output.clone(),
            layout: formats::layout(caps, input)?,
        })
    }
}
