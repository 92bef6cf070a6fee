//! The encoder and the restorer, with the window between frames: frames to their restored latents.

use std::sync::Arc;
use std::time::Instant;

use ndarray::Array4;

use super::RestoreError;
use super::frame::Frame;
use super::geometry::FramePlan;
use super::graph_set::GraphSet;
use super::graphs::Encoded;
use super::padded_input::PaddedInput;
use super::scene::Digest;
use super::settings::{MemoryFallback, Report, Settings, Timings, timed};
use super::tiles;
use super::upscale::Upscaler;
use super::window::{Pairing, WindowFrame};
use crate::pack::Graph;

/// Brings frames to their restored latents, in display order.
pub(super) struct EncodeStage {
    set: Arc<GraphSet>,
    settings: Settings,
    /// The frame before; none after a reset or an error.
    previous: Option<WindowFrame>,
    /// Of the size of the last frame, with the current settings.
    plan: Option<Arc<FramePlan>>,
    /// Tiles that the restorer is given at once.
    batch: usize,
    /// Whether tiles are half as large as they should be, because memory ran out.
    reduced: bool,
    /// What no frame has reported yet.
    fallback: Option<MemoryFallback>,
    upscaler: Upscaler,
    /// Memory for the next frame.
    spare: PaddedInput,
}

/// A frame's restored latent, and what else its picture is made of.
pub(super) struct RestoredLatent {
    pub set: Arc<GraphSet>,
    pub plan: Arc<FramePlan>,
    pub settings: Settings,
    pub input: PaddedInput,
    /// `[1, C, h, w]`.
    pub restored: Array4<f32>,
    /// Of what was done so far.
    pub report: Report,
}

impl EncodeStage {
    pub fn new(set: Arc<GraphSet>, settings: Settings) -> EncodeStage {
        EncodeStage {
            batch: set.graphs.restorer_batch(),
            set,
            settings,
            previous: None,
            plan: None,
            reduced: false,
            fallback: None,
            upscaler: Upscaler::default(),
            spare: PaddedInput::default(),
        }
    }

    /// Takes effect with the next frame. With graphs of the same pack the window stays as it is; with those of another it
    /// is empty, and nothing is known of their memory.
    pub fn set_graphs(&mut self, set: &Arc<GraphSet>) {
        if Arc::ptr_eq(&self.set, set) {
            return;
        }
        if !self.set.is_of_same_pack(set) {
            self.previous = None;
            self.batch = set.graphs.restorer_batch();
            self.reduced = false;
        }
        self.set = set.clone();
        self.plan = None;
    }

    /// Takes effect with the next frame; the window stays as it is. Another tile size is tried as it is, whatever the
    /// memory was like before.
    pub fn set_settings(&mut self, settings: Settings) {
        if settings == self.settings {
            return;
        }
        if settings.tile_size != self.settings.tile_size {
            self.batch = self.set.graphs.restorer_batch();
            self.reduced = false;
        }
        self.settings = settings;
        self.plan = None;
    }

    /// Forgets the frame before.
    pub fn reset(&mut self) {
        self.previous = None;
    }

    /// Takes back the memory of a frame that is done.
    pub fn recycle(&mut self, input: PaddedInput) {
        self.spare = input;
    }

    /// Restores a frame's latent. If memory runs out, it is tried once more with one tile at a time where it was several,
    /// then with tiles of half the side, and so are those after it.
    /// Fails with [`RestoreError`] if a graph fails. The next frame is then paired with itself.
    pub fn restore(&mut self, frame: &Frame) -> Result<RestoredLatent, RestoreError> {
        // What a size needs once is not this frame's time: those after it do not take as long.
        self.plan(frame);
        let started = Instant::now();
        // Taken, not borrowed: whatever fails from here on leaves the window empty.
        let previous = self.previous.take();
        let mut outcome = self.attempt(frame, previous.as_ref());
        while let Err(error) = &outcome
            && let Some(saved) = self.reduce_tiles(error)
        {
            self.fallback = self.fallback.max(Some(saved));
            outcome = self.attempt(frame, previous.as_ref());
        }
        let (current, mut latent) = outcome?;
        self.previous = Some(current);
        latent.report.fallback = self.fallback.take();
        latent.report.timings.total = started.elapsed();
        Ok(latent)
    }

    /// Takes less memory from now on, if it has run out; says in which way, if there was anything left to save.
    fn reduce_tiles(&mut self, error: &RestoreError) -> Option<MemoryFallback> {
        let graph = error.out_of_memory_in()?;
        let several = |plan: &Arc<FramePlan>| plan.restorer.plan.batch(self.batch) > 1;
        let batched = graph == Graph::Restorer && self.plan.as_ref().is_some_and(several);
        // With halved tiles too: there are more of those, and several at once would take as much again.
        self.batch = 1;
        if batched {
            return Some(MemoryFallback::Batch);
        }
        self.plan = None;
        let reduced = std::mem::replace(&mut self.reduced, true);
        (!reduced).then_some(MemoryFallback::Tiles)
    }

    /// The plan for a frame, made if the last one had another size or other settings.
    fn plan(&mut self, frame: &Frame) -> Arc<FramePlan> {
        let size = [frame.height(), frame.width()];
        let plan = match self.plan.take().filter(|plan| plan.input == size) {
            Some(plan) => plan,
            None => {
                let plan = FramePlan::new(&self.set.geometry, &self.settings, size, self.reduced);
                self.set.graphs.prepare(plan.tiles());
                Arc::new(plan)
            }
        };
        self.plan.insert(plan).clone()
    }

    fn attempt(
        &mut self,
        frame: &Frame,
        previous: Option<&WindowFrame>,
    ) -> Result<(WindowFrame, RestoredLatent), RestoreError> {
        let plan = self.plan(frame);
        let mut input = std::mem::take(&mut self.spare);
        input.load(&plan, &frame.view());
        let digest = Digest::new(input.frame(), frame.width(), frame.height(), plan.padded[1] * 3);
        let pairing = Pairing::of(plan.input, &digest, previous, self.settings.scene_threshold);
        let mut timings = Timings::default();
        let encoded = self.encode(&plan, &mut input, &mut timings)?;
        let restored = timed(&mut timings.restore, || {
            let other = pairing
                .previous
                .map_or(encoded.view(), |previous| previous.encoded.view());
            tiles::restore(&*self.set.graphs, &plan.restorer, self.batch, encoded.view(), other)
        })?;
        let report = Report {
            scene_cut: pairing.scene_cut,
            paired_with_itself: pairing.previous.is_none(),
            pipelined: false,
            fallback: None,
            timings,
        };
        let current = WindowFrame {
            size: plan.input,
            encoded,
            digest,
        };
        let latent = RestoredLatent {
            set: self.set.clone(),
            plan,
            settings: self.settings.clone(),
            input,
            restored,
            report,
        };
        Ok((current, latent))
    }

    fn encode(
        &mut self,
        plan: &FramePlan,
        input: &mut PaddedInput,
        timings: &mut Timings,
    ) -> Result<Encoded, RestoreError> {
        let factor = self.set.geometry.encoder_factor();
        let picture = if self.set.geometry.encodes_upscaled {
            timed(&mut timings.upscale, || input.upscale(plan, &mut self.upscaler))?;
            input.upscaled()
        } else {
            input.frame()
        };
        let picture = tiles::picture(picture, plan.samples.map(|side| side * factor));
        let channels = self.set.geometry.channels;
        timed(&mut timings.encode, || {
            tiles::encode(&*self.set.graphs, &plan.encoder, picture, factor, channels)
        })
    }
}
