//! The model with half of the threads for each graph, for two frames in flight at a time.

use std::sync::Arc;

use super::{ModelPromise, Session, VideoCaps};
use crate::element::CAT;
use crate::element::loader::{Loader, Waited};
use crate::restore::{Frame, PixelLayout, PixelView, RestoreError, Settings, Stream};
use crate::runtime::Model;

impl Session {
    /// Whether it is open. If it is not it begins to be opened, where two frames at a time gain anything, and is waited
    /// for if `waits`. Else a first picture is restored with it beside the stream, since that takes twice the time of
    /// any other.
    pub(super) fn has_second_model(&self, waits: bool) -> bool {
        let current = self.current();
        let Some(model) = current.loader.get().filter(|model| model.gains_by_pipelining()) else {
            return false;
        };
        if current.second.get().is_none() {
            let caps = self.caps().filter(|_| !waits);
            let loader = Loader::spawn(&self.loaders, move |promise| load(&model, caps.as_deref(), promise));
            current.second.get_or_init(|| loader.ok());
            // A flush that has come meanwhile did not find it.
            self.interrupt_threads(&self.flush_lock.lock());
        }
        let Some(Some(loader)) = current.second.get() else {
            return false;
        };
        match waits {
            true => matches!(loader.wait(), Waited::Ready(_)),
            false => loader.get().is_some(),
        }
    }

    /// The second model, once it is open.
    pub(super) fn second_model(&self) -> Option<Arc<Model>> {
        self.current().second.get()?.as_ref()?.get()
    }
}

/// A promise that is dropped with nothing delivered has failed: then there is one frame at a time.
fn load(model: &Arc<Model>, caps: Option<&VideoCaps>, promise: &ModelPromise) {
    match model.with_half_the_threads(promise.cancellation()) {
        Ok(second) => {
            if let Some(Err(error)) = caps.map(|caps| warm_up(&second, caps)) {
                // The first frame will say the same to whoever waits for it.
                gst::debug!(CAT, "the model could not be warmed up: {error}");
            }
            promise.deliver(second);
        }
        Err(error) => gst::warning!(
            CAT,
            "one frame is restored at a time, for the second model could not be opened: {error}"
        ),
    }
}

/// Restores a black picture.
fn warm_up(model: &Arc<Model>, caps: &VideoCaps) -> Result<(), RestoreError> {
    let (width, height) = (caps.input.width() as usize, caps.input.height() as usize);
    let black = vec![0; width * height * 3];
    let view = PixelView::new(&black, width, height, width * 3, PixelLayout::Rgb)?;
    let mut stream = Stream::new(model.clone(), model.manifest(), Settings::default())?;
    stream.restore_frame(&Frame::read(&view)?, &mut Vec::new())?;
    Ok(())
}
