//! The pictures of a frame on its way, in memory that is kept from frame to frame.

use ndarray::ArrayView4;

use super::color::{self, Wavelet};
use super::geometry::FramePlan;
use super::graphs::Graphs;
use super::pixels::{PixelView, PixelViewMut};
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
    /// The decoder's picture, padded, and cropped in place; empty if it is made in the output.
    decoded: Vec<u8>,
    /// The input's alpha plane, and the same upscaled; empty where there is none.
    alpha: Vec<u8>,
    alpha_upscaled: Vec<u8>,
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

    /// Decodes a restored latent: into the output where that takes tight RGB of the decoder's size, else into memory of
    /// its own, in which it is cropped.
    pub fn decode(
        &mut self,
        graphs: &dyn Graphs,
        plan: &FramePlan,
        restored: ArrayView4<'_, f32>,
        conditioned: bool,
        output: &mut PixelViewMut<'_>,
    ) -> Result<(), RestoreError> {
        let [height, width] = plan.padded.map(|side| side * SCALE);
        let fits = plan.input == plan.padded && output.is_tight_rgb();
        self.decoded.resize(if fits { 0 } else { height * width * 3 }, 0);
        let frame = conditioned.then(|| tiles::picture(&self.frame, plan.padded));
        let picture = if fits { &mut *output.data } else { &mut self.decoded };
        tiles::decode(graphs, &plan.decoder, restored, frame, picture, &mut self.decode)?;
        convert::crop(&mut self.decoded, plan.input.map(|side| side * SCALE), width);
        Ok(())
    }

    /// Brings the decoded picture's colours to those of the reference, which has to be made.
    pub fn fix_color(&mut self, plan: &FramePlan, fix: ColorFix, output: &mut PixelViewMut<'_>) {
        let [height, width] = plan.input.map(|side| side * SCALE);
        let decoded = if self.decoded.is_empty() {
            &mut *output.data
        } else {
            &mut self.decoded
        };
        let picture = &mut decoded[..height * width * 3];
        match fix {
            ColorFix::AdaIn => color::adain(picture, &self.reference),
            ColorFix::Wavelet => self.wavelet.apply(picture, &self.reference, width),
            ColorFix::None | ColorFix::Pack => {}
        }
    }

    /// Upscales the input's alpha plane where both sides have one.
    pub fn make_alpha(&mut self, input: &PixelView<'_>, output: &PixelViewMut<'_>) -> Result<(), RestoreError> {
        self.alpha_upscaled.clear();
        if output.layout.alpha_offset().is_none() || !convert::unpack_alpha(input, &mut self.alpha) {
            return Ok(());
        }
        self.alpha_upscaled.resize(output.width * output.height, 0);
        let (width, height) = (input.width, input.height);
        self.upscaler
            .upscale(&self.alpha, width, height, Samples::Single, &mut self.alpha_upscaled)
    }

    /// Writes the decoded picture, and the alpha plane if there is one.
    pub fn store(&self, plan: &FramePlan, output: &mut PixelViewMut<'_>) {
        if self.decoded.is_empty() {
            return;
        }
        let [height, width] = plan.input.map(|side| side * SCALE);
        let alpha = (!self.alpha_upscaled.is_empty()).then_some(&self.alpha_upscaled[..]);
        convert::pack(&self.decoded[..height * width * 3], alpha, output);
    }
}
