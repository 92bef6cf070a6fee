//! One video stream: frames in, frames out.

use std::sync::Arc;
use std::time::Instant;

use super::RestoreError;
use super::decode_stage::DecodeStage;
use super::encode_stage::EncodeStage;
use super::frame::Frame;
use super::geometry::Geometry;
use super::graph_set::GraphSet;
use super::graphs::Graphs;
use super::output_writer::{self, OutputWriter};
use super::picture::{PictureView, PictureViewMut};
use super::settings::{Report, Settings};
use crate::pack::Manifest;

/// One video stream: the window of frames with its cached latents, and scratch memory.
///
/// Frames are to be given in display order, one call each. Several streams may share one [`Graphs`].
pub struct Stream {
    encode: EncodeStage,
    decode: DecodeStage,
    /// Of [`restore`](Self::restore).
    picture: Vec<u8>,
    writer: OutputWriter,
}

impl Stream {
    /// A stream over the graphs of the pack that `manifest` is of.
    ///
    /// # Errors
    /// [`RestoreError::Geometry`] if no frame could be planned with the manifest's sizes.
    pub fn new(graphs: Arc<dyn Graphs>, manifest: &Manifest, settings: Settings) -> Result<Stream, RestoreError> {
        Ok(Stream::of(GraphSet::new(graphs, manifest)?, settings))
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
        Ok(Stream::of(GraphSet::with_geometry(graphs, geometry)?, settings))
    }

    fn of(set: GraphSet, settings: Settings) -> Stream {
        Stream {
            encode: EncodeStage::new(Arc::new(set), settings),
            decode: DecodeStage::default(),
            picture: Vec::new(),
            writer: OutputWriter::default(),
        }
    }

    /// Takes effect with the next frame; the window stays as it is. Another tile size is tried as it is, whatever the
    /// memory was like before.
    pub fn set_settings(&mut self, settings: Settings) {
        self.encode.set_settings(settings);
    }

    /// Forgets the frame before, so that the next one is paired with itself: after a seek, a discontinuity, a flush or
    /// a gap.
    pub fn reset(&mut self) {
        self.encode.reset();
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
        output_writer::check_size(input.size(), output.size())?;
        let frame = Frame::read(input)?;
        let mut picture = std::mem::take(&mut self.picture);
        let report = self.restore_frame(&frame, &mut picture)?;
        self.writer.write(&frame, &picture, output)?;
        self.picture = picture;
        Ok(report)
    }

    /// Restores one frame into `picture`, which becomes packed RGB of 4W×4H pixels; alpha is not looked at. If memory
    /// runs out in one of its halves, that is tried once more with tiles of half the side, and so are those after it.
    ///
    /// # Errors
    /// [`RestoreError`] if a graph fails. The picture is then undefined, and the next frame is paired with itself.
    pub fn restore_frame(&mut self, frame: &Frame, picture: &mut Vec<u8>) -> Result<Report, RestoreError> {
        let latent = self.encode.restore(frame)?;
        let decoded = self.decode.decode(latent, picture);
        let (report, input) = decoded.inspect_err(|_| self.encode.reset())?;
        self.encode.recycle(input);
        Ok(report)
    }
}
