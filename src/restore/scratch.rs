//! The pictures of a frame on its way, in memory that is kept from frame to frame.

use ndarray::ArrayView4;

use super::color::{self, Wavelet};
use super::geometry::FramePlan;
use super::graphs::Graphs;
use super::pixels::PixelView;
use super::tiles::{self, DecodeScratch};
use super::upscale::{Samples, Upscaler};
use super::{ColorFix, RestoreError, SCALE, convert};

/// Pictures are tight u8 RGB.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The input, padded.
    frame: Vec<u8>,
    /// The input without padding, where `frame` has some at the right.
    unpadded: Vec<u8>,
    /// The bicubic picture of the padded input: the encoder's, if it takes that.
    upscaled: Vec<u8>,
    /// The bicubic picture of the input as it came, into which no padding gets: the colour fix's reference.
    reference: Vec<u8>,
    /// The decoder's picture, padded; cropped in place.
    decoded: Vec<u8>,
    decode: DecodeScratch,
    upscaler: Upscaler,
    wavelet: Wavelet,
}

impl Scratch {
    /// Takes the input's colours, padded by repeating the right and the lower edge.
    pub fn load(&mut self, plan: &FramePlan, input: &PixelView<'_>) {
        let [height, width] = plan.padded;
        self.frame.resize(height * width * 3, 0);
        convert::unpack(input, &mut self.frame, width * 3);
        convert::extend_edges(&mut self.frame, plan.input, plan.padded);
    }

    /// The padded input.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Makes the bicubic picture of the padded input, and gives it.
    pub fn upscale_frame(&mut self, plan: &FramePlan) -> Result<&[u8], RestoreError> {
        let [height, width] = plan.padded;
        self.upscaled.resize(self.frame.len() * SCALE * SCALE, 0);
        self.upscaler
            .upscale(&self.frame, width, height, Samples::Rgb, &mut self.upscaled)?;
        Ok(&self.upscaled)
    }

    /// Makes the colour fix's reference; `upscaled` says whether the bicubic picture of the padded input is made.
    pub fn make_reference(&mut self, plan: &FramePlan, upscaled: bool) -> Result<(), RestoreError> {
        if upscaled && plan.input == plan.padded {
            self.reference.clone_from(&self.upscaled);
            return Ok(());
        }
        let [height, width] = plan.input;
        let mut picture = &self.frame;
        if width < plan.padded[1] {
            self.unpadded.clone_from(&self.frame);
            convert::crop(&mut self.unpadded, plan.input, plan.padded[1]);
            picture = &self.unpadded;
        }
        self.reference.resize(height * width * 3 * SCALE * SCALE, 0);
        self.upscaler.upscale(
            &picture[..height * width * 3],
            width,
            height,
            Samples::Rgb,
            &mut self.reference,
        )
    }

    /// Decodes a restored latent into the picture, and crops that in place.
    pub fn decode(
        &mut self,
        graphs: &dyn Graphs,
        plan: &FramePlan,
        restored: ArrayView4<'_, f32>,
        conditioned: bool,
    ) -> Result<(), RestoreError> {
        let [height, width] = plan.padded.map(|side| side * SCALE);
        self.decoded.resize(height * width * 3, 0);
        let frame = conditioned.then(|| tiles::picture(&self.frame, plan.padded));
        tiles::decode(
            graphs,
            &plan.decoder,
            restored,
            frame,
            &mut self.decoded,
            &mut self.decode,
        )?;
        let [cropped_height, cropped_width] = plan.input.map(|side| side * SCALE);
        convert::crop(&mut self.decoded, [cropped_height, cropped_width], width);
        self.decoded.truncate(cropped_height * cropped_width * 3);
        Ok(())
    }

    /// Brings the decoded picture's colours to those of the reference, which has to be made.
    pub fn fix_color(&mut self, plan: &FramePlan, fix: ColorFix) {
        let width = plan.input[1] * SCALE;
        match fix {
            ColorFix::AdaIn => color::adain(&mut self.decoded, &self.reference),
            ColorFix::Wavelet => self.wavelet.apply(&mut self.decoded, &self.reference, width),
            ColorFix::None | ColorFix::Pack => {}
        }
    }

    /// Hands over the decoded picture, and takes memory for the next one.
    pub fn swap_picture(&mut self, picture: &mut Vec<u8>) {
        std::mem::swap(&mut self.decoded, picture);
    }
}
