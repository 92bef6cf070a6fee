//! One video stream: frames in, frames out.

use std::sync::Arc;
use std::time::Instant;

use super::RestoreError;
use super::back::Back;
use super::finish::{self, Finisher};
use super::frame::Frame;
use super::front::Front;
use super::geometry::Geometry;
use super::graphs::Graphs;
use super::picture::{PictureView, PictureViewMut};
use super::settings::{Report, Settings};
use crate::pack::Manifest;

/// One video stream: the window of frames with its cached latents, and scratch memory.
///
/// Frames are to be given in display order, one call each. Several streams may share one [`Graphs`].
pub struct Stream {
    front: Front,
    back: Back,
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
            front: Front::new(graphs.clone(), geometry.clone(), settings),
            back: Back::new(graphs, geometry),
            picture: Vec::new(),
            finisher: Finisher::default(),
        })
    }

    /// The two halves of a frame's way.
    pub(super) fn into_halves(self) -> (Front, Back) {
        (self.front, self.back)
    }

    /// Takes effect with the next frame; the window stays as it is. Another tile size is tried as it is, whatever the
    /// memory was like before.
    pub fn set_settings(&mut self, settings: Settings) {
        self.front.set_settings(settings);
    }

    /// Forgets the frame before, so that the next one is paired with itself: after a seek, a discontinuity, a flush or
    /// a gap.
    pub fn reset(&mut self) {
        self.front.reset();
    }

    /// Restores one frame of W×H pixels into `output`, which has to be exactly 4W×4H; the layouts may differ. A frame
    /// of another size than the one before is paired with itself.
    ///
    /// # Errors
    /// [`RestoreError`] if a view is not valid, the output has another size, or a graph fails. The output's content
    /// is then undefined, and the next frame is paired with itself.
    pub fn restore<'i, 'o>(
        &mut self,
        input: impl Into<PictureView<'i>>,
        output: impl Into<PictureViewMut<'o>>,
    ) -> Result<Report, RestoreError> {
        let started = Instant::now();
        let report = self.restore_into(input.into(), output.into());
        let mut report = report.inspect_err(|_| self.reset())?;
        report.timings.total = started.elapsed();
        Ok(report)
    }

    fn restore_into(&mut self, input: PictureView<'_>, output: PictureViewMut<'_>) -> Result<Report, RestoreError> {
        // Before the model's work, not after it.
        input.check()?;
        output.check()?;
        finish::check_size(input.size(), output.size())?;
        let frame = Frame::read(input)?;
        let mut picture = std::mem::take(&mut self.picture);
        let report = self.restore_frame(&frame, &mut picture)?;
        self.finisher.write(&frame, &picture, output)?;
        self.picture = picture;
        Ok(report)
    }

    /// Restores one frame into `picture`, which becomes tight RGB of 4W×4H pixels; alpha is not looked at. If memory
    /// runs out in one of its halves, that is tried once more with tiles of half the side, and so are those after it.
    ///
    /// # Errors
    /// [`RestoreError`] if a graph fails. The picture is then undefined, and the next frame is paired with itself.
    pub fn restore_frame(&mut self, frame: &Frame, picture: &mut Vec<u8>) -> Result<Report, RestoreError> {
        let midway = self.front.restore(frame)?;
        let (report, source) = self.back.finish(midway, picture).inspect_err(|_| self.front.reset())?;
        self.front.recycle(source);
        Ok(report)
    }
}
