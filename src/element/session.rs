//! One run of the element from start to stop: the model on its way, the core's stream, and when that begins anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gst_video::VideoInfo;

use super::buffers::{self, BufferError, Plane};
use super::loader::{Loader, Ticket, Waited};
use crate::restore::{PixelLayout, Report, RestoreError, Settings, Stream};
use crate::runtime::Model;

/// A model on its way, and the message if it does not come.
type ModelLoader = Loader<Arc<Model>, gst::ErrorMessage>;
/// The end of it that the worker holds.
pub type ModelTicket = Ticket<Arc<Model>, gst::ErrorMessage>;

/// Opening a model that takes longer than this fails while the stream runs, and not the element's start.
const PATIENCE: Duration = Duration::from_millis(100);

/// The shared half of a run; its methods may be called from any thread.
pub struct Session {
    model: ModelLoader,
    running: Mutex<Running>,
}

/// What the streaming thread works on.
#[derive(Default)]
struct Running {
    pictures: Option<Pictures>,
    /// Made with the first frame, and the settings it has.
    stream: Option<(Stream, Settings)>,
}

/// What the caps say.
#[derive(Clone, PartialEq)]
pub struct Pictures {
    /// Of the input.
    pub input: VideoInfo,
    /// Of the output.
    pub output: VideoInfo,
    /// Of both.
    pub layout: PixelLayout,
}

/// Why a frame that went in did not come out.
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
}

impl Session {
    /// Starts to open the model. Waits a moment for what goes wrong at once (no such pack, no ONNX Runtime): a state
    /// change that fails is plainer for an application than a message some moments later, and `gst-launch-1.0` hangs
    /// on an error that is posted before its main loop runs.
    ///
    /// # Errors
    /// The message to post, if that moment was enough to fail.
    pub fn start(load: impl FnOnce(&ModelTicket) + Send + 'static) -> Result<Self, gst::ErrorMessage> {
        let model = Loader::spawn(load).map_err(|error| {
            gst::error_msg!(gst::ResourceError::Failed, ["no thread to open the model on: {error}"])
        })?;
        match model.early_error(PATIENCE) {
            Some(message) => Err(message),
            None => Ok(Session {
                model,
                running: Mutex::default(),
            }),
        }
    }

    /// The model, once it is open.
    pub fn model(&self) -> Option<Arc<Model>> {
        self.model.get()
    }

    /// While `flushing`, no frame waits for the model.
    pub fn set_flushing(&self, flushing: bool) {
        self.model.set_flushing(flushing);
    }

    /// The element stops: no frame waits for the model any more. Says whether it is still being opened.
    pub fn abandon(&self) -> bool {
        self.model.abandon()
    }

    /// Caps have come. Other ones than before begin the stream anew.
    pub fn set_pictures(&self, pictures: Pictures) {
        let mut running = self.running();
        if running.pictures.as_ref() != Some(&pictures) {
            running.reset();
            running.pictures = Some(pictures);
        }
    }

    /// What the caps say, if there are any.
    pub fn pictures(&self) -> Option<Pictures> {
        self.running().pictures.clone()
    }

    /// The next frame has none before it.
    pub fn reset(&self) {
        self.running().reset();
    }

    /// Restores one frame, once the model is there.
    ///
    /// # Errors
    /// [`FrameError`]; the output's pixels are undefined then.
    pub fn restore(
        &self,
        input: &gst::BufferRef,
        output: &mut gst::BufferRef,
        settings: &Settings,
    ) -> Result<Report, FrameError> {
        let model = match self.model.wait() {
            Waited::Ready(model) => model,
            Waited::Failed => return Err(FrameError::NoModel),
            Waited::Interrupted => return Err(FrameError::Interrupted),
        };
        let mut running = self.running();
        let Running { pictures, stream } = &mut *running;
        let pictures = pictures.as_ref().ok_or(FrameError::NotNegotiated)?;
        restore(prepare(stream, &model, settings)?, pictures, input, output)
    }

    /// Held by the streaming thread while it restores. A panic in there is passed on as an element error by the
    /// binding; what it leaves is replaced when the element starts again.
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn reset(&mut self) {
        if let Some((stream, _)) = &mut self.stream {
            stream.reset();
        }
    }
}

/// The stream, with these settings.
fn prepare<'s>(
    slot: &'s mut Option<(Stream, Settings)>,
    model: &Arc<Model>,
    settings: &Settings,
) -> Result<&'s mut Stream, RestoreError> {
    let (mut stream, applied) = match slot.take() {
        Some(running) => running,
        None => (
            Stream::new(model.clone(), model.manifest(), settings.clone())?,
            settings.clone(),
        ),
    };
    if applied != *settings {
        stream.set_settings(settings.clone());
    }
    Ok(&mut slot.insert((stream, settings.clone())).0)
}

fn restore(
    stream: &mut Stream,
    pictures: &Pictures,
    input: &gst::BufferRef,
    output: &mut gst::BufferRef,
) -> Result<Report, FrameError> {
    let source = Plane::of_input(input, &pictures.input, pictures.layout)?;
    let target = Plane::of_output(output, &pictures.output, pictures.layout)?;
    let input = input.map_readable().map_err(|_| BufferError::Map("input"))?;
    let mut output = output.map_writable().map_err(|_| BufferError::Map("output"))?;
    Ok(stream.restore(&source.view(&input)?, &mut target.view_mut(&mut output)?)?)
}

impl Pictures {
    /// What negotiated caps say.
    ///
    /// # Errors
    /// If the format is none of the accepted ones.
    pub fn new(input: &VideoInfo, output: &VideoInfo) -> Result<Self, gst::LoggableError> {
        Ok(Pictures {
            input: input.clone(),
            output: output.clone(),
            layout: buffers::layout(input)?,
        })
    }
}
