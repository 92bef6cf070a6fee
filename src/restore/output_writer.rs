//! From a picture to the output's bytes: a restored one, or the bicubic enlargement of the frame where there is none.

use std::sync::Arc;

use super::color_transition::ColorTransition;
use super::frame::Frame;
use super::picture::PictureViewMut;
use super::propagation::Propagation;
use super::upscale::{Samples, Upscaler};
use super::yuv::Packer;
use super::{RestoreError, SCALE, convert};

/// Writes outputs; keeps its scratch memory, and what is known of the restored pictures' colours, from frame to frame.
#[derive(Debug, Default)]
pub struct OutputWriter {
    upscaler: Upscaler,
    /// The bicubic picture of a frame.
    bicubic: Vec<u8>,
    /// The upscaled alpha plane; empty where there is none.
    alpha: Vec<u8>,
    yuv: Packer,
    transition: ColorTransition,
    propagation: Propagation,
}

impl OutputWriter {
    /// A writer that has no memory yet.
    pub fn new() -> OutputWriter {
        OutputWriter::default()
    }

    /// Writes what the frame was restored to, packed RGB of 4W×4H, as it is.
    ///
    /// # Errors
    /// [`RestoreError`] if the output has another size than 4W×4H or is not valid.
    pub fn write<'o>(
        &mut self,
        frame: &Frame,
        picture: &[u8],
        output: impl Into<PictureViewMut<'o>>,
    ) -> Result<(), RestoreError> {
        let mut output = output.into();
        check_output(frame, &output)?;
        self.make_alpha(frame, &output)?;
        let alpha = (!self.alpha.is_empty()).then_some(&self.alpha[..]);
        match &mut output {
            PictureViewMut::Rgb(view) => convert::pack(picture, alpha, view),
            PictureViewMut::Yuv(view) => self.yuv.pack(picture, view)?,
        }
        Ok(())
    }

    /// As [`write`](Self::write), in a stream that also has bypassed frames: after one of those the picture's mean
    /// colours approach its own within some frames.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_blended<'o>(
        &mut self,
        frame: &Frame,
        picture: &mut [u8],
        output: impl Into<PictureViewMut<'o>>,
    ) -> Result<(), RestoreError> {
        self.transition.restored(frame.rgb(), picture);
        self.write(frame, picture, output)
    }

    /// Keeps what a frame was restored to, for its detail: see [`write_bypass`](Self::write_bypass). Gives back memory
    /// that is not needed any more.
    pub fn keep(&mut self, frame: Arc<Frame>, picture: Vec<u8>) -> Option<Vec<u8>> {
        self.propagation.keep(frame, picture)
    }

    /// Gives a restored picture, packed RGB of 4W×4H, a `share`, from 0 to 1, of the detail of the frame that was
    /// [kept](Self::keep) last, moved along the optical flow: what is the same in both flickers less.
    pub fn blend(&mut self, frame: &Frame, picture: &mut [u8], share: f32) {
        self.propagation.blend(frame, picture, share);
    }

    /// Writes the frame upscaled by [`Upscaler`]: bypassed. If it `propagates`, with the detail of the frame that was
    /// [kept](Self::keep) last, moved along the optical flow; says whether there was one. `blended`, as in
    /// [`write_blended`](Self::write_blended), it has the mean colours that the restored frames before it had, which
    /// approach its own within some frames; with detail it is one of those itself.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_bypass<'o>(
        &mut self,
        frame: &Frame,
        propagates: bool,
        blended: bool,
        output: impl Into<PictureViewMut<'o>>,
    ) -> Result<bool, RestoreError> {
        let mut bicubic = std::mem::take(&mut self.bicubic);
        bicubic.resize(frame.rgb().len() * SCALE * SCALE, 0);
        let upscaled = self
            .upscaler
            .upscale(frame.rgb(), frame.width(), frame.height(), Samples::Rgb, &mut bicubic);
        let written = upscaled.and_then(|()| {
            let propagated = propagates && self.propagation.show(frame, &mut bicubic);
            match propagated {
                _ if !blended => {}
                true => self.transition.restored(frame.rgb(), &mut bicubic),
                false => self.transition.bypassed(&mut bicubic),
            }
            self.write(frame, &bicubic, output)?;
            Ok(propagated)
        });
        self.bicubic = bicubic;
        written
    }

    /// What comes next has nothing to do with what was before: neither colours nor detail are carried over.
    pub fn reset(&mut self) {
        self.transition = ColorTransition::default();
        self.propagation = Propagation::default();
    }

    /// Upscales the input's alpha plane where both sides have one.
    fn make_alpha(&mut self, frame: &Frame, output: &PictureViewMut<'_>) -> Result<(), RestoreError> {
        self.alpha.clear();
        let Some(plane) = frame.alpha().filter(|_| output.has_alpha()) else {
            return Ok(());
        };
        self.alpha.resize(plane.len() * SCALE * SCALE, 0);
        self.upscaler
            .upscale(plane, frame.width(), frame.height(), Samples::Single, &mut self.alpha)
    }
}

fn check_output(frame: &Frame, output: &PictureViewMut<'_>) -> Result<(), RestoreError> {
    output.check()?;
    check_size([frame.height(), frame.width()], output.size())
}

/// Whether an output has exactly four times the rows and columns of its input.
pub(super) fn check_size(input: [usize; 2], output: [usize; 2]) -> Result<(), RestoreError> {
    let [height, width] = input.map(|side| side * SCALE);
    if output == [height, width] {
        return Ok(());
    }
    let [actual_height, actual_width] = output;
    Err(RestoreError::OutputSize {
        width,
        height,
        actual_width,
        actual_height,
    })
}
