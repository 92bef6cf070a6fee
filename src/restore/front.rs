//! The first half of a frame's way: the window, the encoder and the restorer.

use std::sync::Arc;
use std::time::Instant;

use ndarray::Array4;

use super::RestoreError;
use super::frame::Frame;
use super::geometry::{FramePlan, Geometry};
use super::graphs::{Encoded, Graphs};
use super::scene::Digest;
use super::settings::{Report, Settings, Shortage, Timings, timed};
use super::source::Source;
use super::tiles;
use super::upscale::Upscaler;
use super::window::{Moment, Partner};
use crate::pack::Graph;

/// Brings frames to their restored latents, in display order.
pub(super) struct Front {
    graphs: Arc<dyn Graphs>,
    geometry: Geometry,
    settings: Settings,
    /// The frame before; none after a reset or an error.
    previous: Option<Moment>,
    /// Of the size of the last frame, with the current settings.
    plan: Option<Arc<FramePlan>>,
    /// Tiles that the restorer is given at once.
    batch: usize,
    /// Whether tiles are half as large as they should be, because memory ran out.
    reduced: bool,
    /// What no frame has reported yet.
    shortage: Option<Shortage>,
    upscaler: Upscaler,
    /// Memory for the next frame.
    spare: Source,
}

/// A frame midway: its restored latent, and what else its picture is made of.
pub(super) struct Midway {
    pub plan: Arc<FramePlan>,
    pub settings: Settings,
    pub source: Source,
    /// `[1, C, h, w]`.
    pub restored: Array4<f32>,
    /// Of the first half.
    pub report: Report,
}

impl Front {
    pub fn new(graphs: Arc<dyn Graphs>, geometry: Geometry, settings: Settings) -> Front {
        Front {
            batch: graphs.restorer_batch(),
            graphs,
            geometry,
            settings,
            previous: None,
            plan: None,
            reduced: false,
            shortage: None,
            upscaler: Upscaler::default(),
            spare: Source::default(),
        }
    }

    /// Takes effect with the next frame; the window stays as it is. Another tile size is tried as it is, whatever the
    /// memory was like before.
    pub fn set_settings(&mut self, settings: Settings) {
        if settings == self.settings {
            return;
        }
        if settings.tile_size != self.settings.tile_size {
            self.batch = self.graphs.restorer_batch();
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
    pub fn recycle(&mut self, source: Source) {
        self.spare = source;
    }

    /// Restores a frame's latent. If memory runs out, it is tried once more with one tile at a time where it was several,
    /// then with tiles of half the side, and so are those after it.
    ///
    /// # Errors
    /// [`RestoreError`] if a graph fails. The next frame is then paired with itself.
    pub fn restore(&mut self, frame: &Frame) -> Result<Midway, RestoreError> {
        // What a size needs once is not this frame's time: those after it do not take as long.
        self.plan(frame);
        let started = Instant::now();
        // Taken, not borrowed: whatever fails from here on leaves the window empty.
        let previous = self.previous.take();
        let mut outcome = self.attempt(frame, previous.as_ref());
        while let Err(error) = &outcome
            && let Some(saved) = self.economise(error)
        {
            self.shortage = self.shortage.max(Some(saved));
            outcome = self.attempt(frame, previous.as_ref());
        }
        let (moment, mut midway) = outcome?;
        self.previous = Some(moment);
        midway.report.shortage = self.shortage.take();
        midway.report.timings.total = started.elapsed();
        Ok(midway)
    }

    /// Takes less memory from now on, if it has run out; says in which way, if there was anything left to save.
    fn economise(&mut self, error: &RestoreError) -> Option<Shortage> {
        let graph = error.out_of_memory_in()?;
        let several = |plan: &Arc<FramePlan>| plan.restorer.plan.batch(self.batch) > 1;
        let batched = graph == Graph::Restorer && self.plan.as_ref().is_some_and(several);
        // With halved tiles too: there are more of those, and several at once would take as much again.
        self.batch = 1;
        if batched {
            return Some(Shortage::Batch);
        }
        self.plan = None;
        let reduced = std::mem::replace(&mut self.reduced, true);
        (!reduced).then_some(Shortage::Tiles)
    }

    /// The plan for a frame, made if the last one had another size or other settings.
    fn plan(&mut self, frame: &Frame) -> Arc<FramePlan> {
        let size = [frame.height(), frame.width()];
        let plan = match self.plan.take().filter(|plan| plan.input == size) {
            Some(plan) => plan,
            None => {
                let plan = FramePlan::new(&self.geometry, &self.settings, size, self.reduced);
                self.graphs.prepare(plan.tiles());
                Arc::new(plan)
            }
        };
        self.plan.insert(plan).clone()
    }

    fn attempt(&mut self, frame: &Frame, previous: Option<&Moment>) -> Result<(Moment, Midway), RestoreError> {
        let plan = self.plan(frame);
        let mut source = std::mem::take(&mut self.spare);
        source.load(&plan, &frame.view());
        let digest = Digest::new(source.frame(), frame.width(), frame.height(), plan.padded[1] * 3);
        let partner = Partner::of(plan.input, &digest, previous, self.settings.scene_threshold);
        let mut timings = Timings::default();
        let encoded = self.encode(&plan, &mut source, &mut timings)?;
        let restored = timed(&mut timings.restore, || {
            let other = partner
                .previous
                .map_or(encoded.view(), |previous| previous.encoded.view());
            tiles::restore(&*self.graphs, &plan.restorer, self.batch, encoded.view(), other)
        })?;
        let report = Report {
            scene_cut: partner.scene_cut,
            paired_with_itself: partner.previous.is_none(),
            shortage: None,
            timings,
        };
        let moment = Moment {
            size: plan.input,
            encoded,
            digest,
        };
        let midway = Midway {
            plan,
            settings: self.settings.clone(),
            source,
            restored,
            report,
        };
        Ok((moment, midway))
    }

    fn encode(
        &mut self,
        plan: &FramePlan,
        source: &mut Source,
        timings: &mut Timings,
    ) -> Result<Encoded, RestoreError> {
        let factor = self.geometry.encoder_factor();
        let picture = if self.geometry.encodes_upscaled {
            timed(&mut timings.upscale, || source.upscale(plan, &mut self.upscaler))?;
            source.upscaled()
        } else {
            source.frame()
        };
        let picture = tiles::picture(picture, plan.samples.map(|side| side * factor));
        let channels = self.geometry.channels;
        timed(&mut timings.encode, || {
            tiles::encode(&*self.graphs, &plan.encoder, picture, factor, channels)
        })
    }
}
