//! One video stream: frames in, frames out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::finish::Finisher;
use super::frame::Frame;
use super::geometry::{FramePlan, Geometry};
use super::graphs::{Encoded, GraphErrorKind, Graphs};
use super::pixels::{PixelView, PixelViewMut};
use super::scene::Digest;
use super::scratch::Scratch;
use super::settings::{ColorFix, Report, Settings, Timings};
use super::tiles;
use super::window::{Moment, Partner};
use super::{RestoreError, SCALE};
use crate::pack::Manifest;

/// One video stream: the window of frames with its cached latents, and scratch memory.
///
/// Frames are to be given in display order, one call each. Several streams may share one [`Graphs`].
pub struct Stream {
    graphs: Arc<dyn Graphs>,
    geometry: Geometry,
    settings: Settings,
    /// The frame before; none after a reset or an error.
    previous: Option<Moment>,
    /// Of the size of the last frame, with the current settings.
    plan: Option<FramePlan>,
    /// Whether tiles are half as large as they should be, because memory ran out.
    reduced: bool,
    scratch: Scratch,
    /// Of [`restore`](Self::restore).
    picture: Vec<u8>,
    finisher: Finisher,
}

impl Stream {
    /// A stream over the graphs of the pack that `manifest` is of.
    ///
    /// # Errors
    /// [`RestoreError::Geometry`] if no frame could be planned with the manifest's sizes.
    pub fn new(graphs: Arc<dyn Graphs>, manifest: &Manifest, settings: Settings) -> Result<Stream, RestoreError> {
        Stream::with_geometry(graphs, Geometry::try_from(manifest)?, settings)
    }

    /// A stream over graphs of the given sizes, for graphs that do not come from a pack.
    ///
    /// # Errors
    /// [`RestoreError::Geometry`] if no frame could be planned with them.
    pub fn with_geometry(
        graphs: Arc<dyn Graphs>,
        geometry: Geometry,
        settings: Settings,
    ) -> Result<Stream, RestoreError> {
        geometry.check()?;
        Ok(Stream {
            graphs,
            geometry,
            settings,
            previous: None,
            plan: None,
            reduced: false,
            scratch: Scratch::default(),
            picture: Vec::new(),
            finisher: Finisher::default(),
        })
    }

    /// Takes effect with the next frame; the window stays as it is. Another tile size is tried as it is, whatever the
    /// memory was like before.
    pub fn set_settings(&mut self, settings: Settings) {
        self.reduced &= settings.tile_size == self.settings.tile_size;
        self.settings = settings;
        self.plan = None;
    }

    /// Forgets the frame before, so that the next one is paired with itself: after a seek, a discontinuity, a flush or
    /// a gap.
    pub fn reset(&mut self) {
        self.previous = None;
    }

    /// Restores one frame of W×H pixels into `output`, which has to be exactly 4W×4H; the layouts may differ. A frame
    /// of another size than the one before is paired with itself.
    ///
    /// # Errors
    /// [`RestoreError`] if a view is not valid, the output has another size, or a graph fails. The output's content
    /// is then undefined, and the next frame is paired with itself.
    pub fn restore(&mut self, input: &PixelView<'_>, output: &mut PixelViewMut<'_>) -> Result<Report, RestoreError> {
        let started = Instant::now();
        let mut report = self.restore_into(input, output).inspect_err(|_| self.reset())?;
        report.timings.total = started.elapsed();
        Ok(report)
    }

    fn restore_into(&mut self, input: &PixelView<'_>, output: &mut PixelViewMut<'_>) -> Result<Report, RestoreError> {
        check_views(input, output)?;
        let frame = Frame::read(input)?;
        let mut picture = std::mem::take(&mut self.picture);
        let report = self.restore_frame(&frame, &mut picture)?;
        self.finisher.write(&frame, &picture, output)?;
        self.picture = picture;
        Ok(report)
    }

    /// Restores one frame into `picture`, which becomes tight RGB of 4W×4H pixels; alpha is not looked at. If memory
    /// runs out, the frame is tried once more with tiles of half the side, and so are those after it.
    ///
    /// # Errors
    /// [`RestoreError`] if a graph fails. The picture is then undefined, and the next frame is paired with itself.
    pub fn restore_frame(&mut self, frame: &Frame, picture: &mut Vec<u8>) -> Result<Report, RestoreError> {
        let started = Instant::now();
        // Taken, not borrowed: whatever fails from here on leaves the window empty.
        let previous = self.previous.take();
        let mut outcome = self.attempt(frame, previous.as_ref());
        let reduces = !self.reduced && outcome.as_ref().is_err_and(is_out_of_memory);
        if reduces {
            self.reduced = true;
            self.plan = None;
            outcome = self.attempt(frame, previous.as_ref());
        }
        let (moment, mut report) = outcome?;
        self.previous = Some(moment);
        self.scratch.swap_picture(picture);
        report.reduced_tiles = reduces;
        report.timings.total = started.elapsed();
        Ok(report)
    }

    fn attempt(&mut self, frame: &Frame, previous: Option<&Moment>) -> Result<(Moment, Report), RestoreError> {
        let size = [frame.height(), frame.width()];
        let plan = match self.plan.take().filter(|plan| plan.input == size) {
            Some(plan) => plan,
            None => FramePlan::new(&self.geometry, &self.settings, size, self.reduced),
        };
        let outcome = self.restore_planned(&plan, previous, frame);
        self.plan = Some(plan);
        outcome
    }

    fn restore_planned(
        &mut self,
        plan: &FramePlan,
        previous: Option<&Moment>,
        frame: &Frame,
    ) -> Result<(Moment, Report), RestoreError> {
        let mut timings = Timings::default();
        self.scratch.load(plan, &frame.view());
        let digest = Digest::new(self.scratch.frame(), frame.width(), frame.height(), plan.padded[1] * 3);
        let partner = Partner::of(plan.input, &digest, previous, self.settings.scene_threshold);
        let encoded = self.encode(plan, &mut timings)?;
        let restored = timed(&mut timings.restore, || {
            let other = partner
                .previous
                .map_or(encoded.view(), |previous| previous.encoded.view());
            tiles::restore(&*self.graphs, &plan.restorer, encoded.view(), other)
        })?;
        timed(&mut timings.decode, || {
            let conditioned = self.geometry.decoder_conditioned;
            self.scratch.decode(&*self.graphs, plan, restored.view(), conditioned)
        })?;
        let color_fix = self.color_fix();
        if color_fix != ColorFix::None {
            timed(&mut timings.upscale, || {
                self.scratch.make_reference(plan, self.geometry.encodes_upscaled)
            })?;
            timed(&mut timings.color, || self.scratch.fix_color(plan, color_fix));
        }
        let report = Report {
            scene_cut: partner.scene_cut,
            paired_with_itself: partner.previous.is_none(),
            reduced_tiles: false,
            timings,
        };
        Ok((
            Moment {
                size: plan.input,
                encoded,
                digest,
            },
            report,
        ))
    }

    /// The colour fix to apply; never [`ColorFix::Pack`].
    fn color_fix(&self) -> ColorFix {
        match self.settings.color_fix {
            ColorFix::Pack => self.geometry.color_fix,
            chosen => chosen,
        }
    }

    fn encode(&mut self, plan: &FramePlan, timings: &mut Timings) -> Result<Encoded, RestoreError> {
        let factor = self.geometry.encoder_factor();
        let picture = if self.geometry.encodes_upscaled {
            timed(&mut timings.upscale, || self.scratch.upscale_frame(plan))?
        } else {
            self.scratch.frame()
        };
        let picture = tiles::picture(picture, plan.samples.map(|side| side * factor));
        let channels = self.geometry.channels;
        timed(&mut timings.encode, || {
            tiles::encode(&*self.graphs, &plan.encoder, picture, factor, channels)
        })
    }
}

fn is_out_of_memory(error: &RestoreError) -> bool {
    matches!(error, RestoreError::Graph(graph) if graph.kind == GraphErrorKind::OutOfMemory)
}

fn timed<T>(duration: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *duration += started.elapsed();
    result
}

fn check_views(input: &PixelView<'_>, output: &PixelViewMut<'_>) -> Result<(), RestoreError> {
    input.check()?;
    output.check()?;
    let (width, height) = (input.width * SCALE, input.height * SCALE);
    if (output.width, output.height) == (width, height) {
        return Ok(());
    }
    Err(RestoreError::OutputSize {
        width,
        height,
        actual_width: output.width,
        actual_height: output.height,
    })
}
