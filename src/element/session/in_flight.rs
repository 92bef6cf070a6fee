//! Frames in flight: what they need, and their ways in.

use std::sync::Arc;

use super::side;
use super::{FrameError, Pictures, Session, Waited};
use crate::element::flight::{Cargo, Flight, Landing};
use crate::element::loader::Loader;
use crate::restore::{Frame, Limit, Settings};
use crate::runtime::Model;

impl Session {
    /// Whether it pays to have two frames on their way. Waits for the model.
    pub fn gains_side_by_side(&self) -> bool {
        self.wait_for_model().is_ok_and(|model| model.gains_side_by_side())
    }

    /// The same, and whether what that takes is there and warm; it is begun to be loaded if it is not. Waits for nothing.
    pub fn is_ready_side_by_side(&self) -> bool {
        if self.in_flight().is_some() {
            return true;
        }
        let Some(model) = self.model().filter(|model| model.gains_side_by_side()) else {
            return false;
        };
        let side = self.side.get().map_or_else(|| self.side(&model, self.pictures()), Ok);
        side.is_ok_and(|side| side.get().is_some())
    }

    /// From the next frame on, frames fly or do not. Says whether that is a change; then those that fly come out first,
    /// and the stream begins anew.
    pub fn switch(&self, flies: bool) -> bool {
        if self.running().flies == flies {
            return false;
        }
        self.land();
        self.running().flies = flies;
        self.reset();
        true
    }

    /// Whether frames fly.
    pub fn flies(&self) -> bool {
        self.running().flies
    }

    /// Waits until a frame that is sent does not have to wait for others to come out.
    ///
    /// # Errors
    /// [`FrameError`] if it would not be sent.
    pub fn make_room(&self) -> Result<(), FrameError> {
        let room = self.in_flight().map(Flight::wait_for_room);
        room.unwrap_or(Ok(())).map_err(FrameError::from)
    }

    /// Sends a frame on its way, to come out restored or, at the end of `limit`, not. What `deliverer` makes, once, is
    /// called with every frame that was sent, in order, on a thread of the core.
    ///
    /// # Errors
    /// [`FrameError`] if the frame was not sent.
    pub fn launch<D: FnMut(Landing) + Send + 'static>(
        &self,
        frame: &Arc<Frame>,
        cargo: Cargo,
        limit: Option<Limit>,
        deliverer: impl FnOnce() -> D,
    ) -> Result<(), FrameError> {
        let flight = self.flight(&cargo.request.settings, deliverer)?;
        let mut running = self.running();
        let job = running.job(frame, &cargo.request.settings);
        // Until it is known that the frame was taken.
        running.holds_previous = false;
        drop(running);
        let begun = flight.give(job, cargo, limit)?;
        self.running().holds_previous = begun;
        Ok(())
    }

    /// Sends a frame on its way that is not to be restored, or beside the stream only if it is a `probe`. `deliverer` as
    /// in [`launch`](Self::launch).
    ///
    /// # Errors
    /// [`FrameError`] if the frame was not sent.
    pub fn launch_plain<D: FnMut(Landing) + Send + 'static>(
        &self,
        frame: &Arc<Frame>,
        cargo: Cargo,
        probe: bool,
        deliverer: impl FnOnce() -> D,
    ) -> Result<(), FrameError> {
        let flight = self.flight(&cargo.request.settings, deliverer)?;
        let job = probe.then(|| self.running().job(frame, &cargo.request.settings));
        flight.pass_by(frame.clone(), cargo)?;
        let begun = job.is_some_and(|job| flight.probe(job));
        self.running().holds_previous = begun;
        Ok(())
    }

    /// The frames in flight, once one has been sent.
    pub fn in_flight(&self) -> Option<&Flight> {
        self.flight.get()
    }

    /// Waits until every frame that flies is out, or for a flush.
    pub fn land(&self) {
        if let Some(flight) = self.in_flight() {
            flight.land();
        }
    }

    /// The model for frames that fly. It is loaded beside the stream, which a flush or a stop frees from waiting.
    fn wait_for_side_model(&self) -> Result<Arc<Model>, FrameError> {
        let model = self.wait_for_model()?;
        match self.side(&model, None)?.wait() {
            Waited::Ready(side) => Ok(side),
            Waited::Interrupted => Err(FrameError::Interrupted),
            // Slower, for each graph has all threads, but as good.
            Waited::Failed => Ok(model),
        }
    }

    /// What loads it, started if there is nothing yet. With `warm` it restores such a picture first, as the first one takes
    /// twice the time of any other.
    fn side(&self, model: &Arc<Model>, warm: Option<Pictures>) -> Result<&side::SideLoader, FrameError> {
        if let Some(side) = self.side.get() {
            return Ok(side);
        }
        let model = model.clone();
        let fresh = Loader::spawn(move |ticket| side::load(&model, warm.as_ref(), ticket))?;
        let side = self.side.get_or_init(|| fresh);
        // A flush that has come meanwhile did not find it.
        self.interrupt_threads();
        Ok(side)
    }

    /// The frames in flight, begun if there are none yet.
    fn flight<D: FnMut(Landing) + Send + 'static>(
        &self,
        settings: &Settings,
        deliverer: impl FnOnce() -> D,
    ) -> Result<&Flight, FrameError> {
        if let Some(flight) = self.flight.get() {
            return Ok(flight);
        }
        let model = self.wait_for_side_model()?;
        let fresh = Flight::start(self.stream(model, settings)?, deliverer())?;
        let flight = self.flight.get_or_init(|| fresh);
        // A flush that has come meanwhile did not find it.
        self.interrupt_threads();
        Ok(flight)
    }
}
