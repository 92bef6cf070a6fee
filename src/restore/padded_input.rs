//! The pictures that are made of a frame before anything is restored, in memory that is kept from frame to frame.

use super::geometry::FramePlan;
use super::pixels::PixelView;
use super::upscale::{Samples, Upscaler};
use super::{RestoreError, SCALE, convert};

/// Packed u8 RGB.
#[derive(Debug, Default)]
pub(super) struct PaddedInput {
    /// The input, padded.
    frame: Vec<u8>,
    /// The bicubic picture of the padded input: the encoder's, if it takes that.
    upscaled: Vec<u8>,
}

impl PaddedInput {
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

    /// Makes the bicubic picture of the padded input.
    pub fn upscale(&mut self, plan: &FramePlan, upscaler: &mut Upscaler) -> Result<(), RestoreError> {
        let [height, width] = plan.padded;
        self.upscaled.resize(self.frame.len() * SCALE * SCALE, 0);
        upscaler.upscale(&self.frame, width, height, Samples::Rgb, &mut self.upscaled)
    }

    /// What [`upscale`](Self::upscale) has made.
    pub fn upscaled(&self) -> &[u8] {
        &self.upscaled
    }
}
