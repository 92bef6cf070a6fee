//! From a picture to the output's bytes: a restored one, or the frame plainly upscaled where there is none.

use super::frame::Frame;
use super::pixels::PixelViewMut;
use super::tone::Tone;
use super::upscale::{Samples, Upscaler};
use super::{RestoreError, SCALE, convert};

/// Writes outputs; keeps its scratch memory, and what is known of the restored pictures' colours, from frame to frame.
#[derive(Debug, Default)]
pub struct Finisher {
    upscaler: Upscaler,
    /// The plainly upscaled frame.
    plain: Vec<u8>,
    /// The upscaled alpha plane; empty where there is none.
    alpha: Vec<u8>,
    tone: Tone,
}

impl Finisher {
    /// A finisher that has no memory yet.
    pub fn new() -> Finisher {
        Finisher::default()
    }

    /// Writes what the frame was restored to, tight RGB of 4W×4H, as it is.
    ///
    /// # Errors
    /// [`RestoreError`] if the output has another size than 4W×4H or is not valid.
    pub fn write(&mut self, frame: &Frame, picture: &[u8], output: &mut PixelViewMut<'_>) -> Result<(), RestoreError> {
        check_output(frame, output)?;
        self.make_alpha(frame, output)?;
        let alpha = (!self.alpha.is_empty()).then_some(&self.alpha[..]);
        convert::pack(picture, alpha, output);
        Ok(())
    }

    /// As [`write`](Self::write), in a stream that also has degraded frames: after one of those the picture's mean
    /// colours go over to its own within some frames.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_toned(
        &mut self,
        frame: &Frame,
        picture: &mut [u8],
        output: &mut PixelViewMut<'_>,
    ) -> Result<(), RestoreError> {
        self.tone.restored(frame.rgb(), picture);
        self.write(frame, picture, output)
    }

    /// Writes the frame upscaled by [`Upscaler`]: degraded, with the mean colours that the restored frames before it
    /// had, which go over to its own within some frames.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn degrade(&mut self, frame: &Frame, output: &mut PixelViewMut<'_>) -> Result<(), RestoreError> {
        let mut plain = std::mem::take(&mut self.plain);
        plain.resize(frame.rgb().len() * SCALE * SCALE, 0);
        let upscaled = self
            .upscaler
            .upscale(frame.rgb(), frame.width(), frame.height(), Samples::Rgb, &mut plain);
        let written = upscaled.and_then(|()| {
            self.tone.degraded(&mut plain);
            self.write(frame, &plain, output)
        });
        self.plain = plain;
        written
    }

    /// What comes next has nothing to do with what was before: colours are not carried over.
    pub fn reset(&mut self) {
        self.tone = Tone::default();
    }

    /// Upscales the input's alpha plane where both sides have one.
    fn make_alpha(&mut self, frame: &Frame, output: &PixelViewMut<'_>) -> Result<(), RestoreError> {
        self.alpha.clear();
        let (Some(plane), Some(_)) = (frame.alpha(), output.layout.alpha_offset()) else {
            return Ok(());
        };
        self.alpha.resize(output.width * output.height, 0);
        self.upscaler
            .upscale(plane, frame.width(), frame.height(), Samples::Single, &mut self.alpha)
    }
}

fn check_output(frame: &Frame, output: &PixelViewMut<'_>) -> Result<(), RestoreError> {
    output.check()?;
    let (width, height) = (frame.width() * SCALE, frame.height() * SCALE);
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
