//! The decoder and the colour fix: restored latents to pictures.

use std::sync::Arc;
use std::time::Instant;

use ndarray::ArrayView4;

use super::color::{self, Wavelet};
use super::encode_stage::RestoredLatent;
use super::geometry::FramePlan;
use super::graph_set::GraphSet;
use super::padded_input::PaddedInput;
use super::settings::{ColorFix, MemoryFallback, Report, Settings, timed};
use super::tiles::{self, DecodeScratch};
use super::upscale::{Samples, Upscaler};
use super::{RestoreError, SCALE, convert};

/// Memory ran out.
struct Reduced {
    /// With graphs of this pack.
    set: Arc<GraphSet>,
    /// With this tile size.
    tile_size: u32,
    /// Which is taken instead.
    plan: Arc<FramePlan>,
}

/// Makes pictures of restored latents, one frame independent of the other. Pictures are packed u8 RGB.
#[derive(Default)]
pub(super) struct DecodeStage {
    reduced: Option<Reduced>,
    /// The input without padding, where it has some at the right.
    unpadded: Vec<u8>,
    /// The bicubic picture of the input as it came, into which no padding gets: the colour fix's reference.
    reference: Vec<u8>,
    /// The decoder's picture, padded; cropped in place.
    decoded: Vec<u8>,
    decode: DecodeScratch,
    upscaler: Upscaler,
    wavelet: Wavelet,
}

impl DecodeStage {
    /// Makes a frame's picture, packed RGB of 4W×4H pixels, in the memory of `picture`. If memory runs out, it is tried
    /// once more with tiles of half the side, and so are those after it. Gives the whole report, and the
    /// frame's memory back.
    /// Fails with [`RestoreError`] if a graph fails; `picture` is undefined then.
    pub fn decode(
        &mut self,
        latent: RestoredLatent,
        picture: &mut Vec<u8>,
    ) -> Result<(Report, PaddedInput), RestoreError> {
        let started = Instant::now();
        let RestoredLatent {
            set,
            plan,
            settings,
            input,
            restored,
            mut report,
        } = latent;
        let mut decoding = self.plan(&set, &plan, &settings);
        let decode_started = Instant::now();
        let mut decoded = self.run(&set, &decoding, &input, restored.view());
        if Arc::ptr_eq(&decoding, &plan) && decoded.as_ref().is_err_and(RestoreError::is_out_of_memory) {
            decoding = self.reduce(&set, &plan, &settings);
            report.fallback = Some(MemoryFallback::Tiles);
            decoded = self.run(&set, &decoding, &input, restored.view());
        }
        decoded?;
        report.timings.decode = decode_started.elapsed();
        let fix = match settings.color_fix {
            ColorFix::Pack => set.geometry.color_fix,
            chosen => chosen,
        };
        self.fix_color(&set, &plan, &input, fix, &mut report)?;
        std::mem::swap(&mut self.decoded, picture);
        report.timings.total += started.elapsed();
        Ok((report, input))
    }

    /// The plan to decode by: the frame's own, if memory has not run out with this pack and this tile size.
    fn plan(&mut self, set: &Arc<GraphSet>, plan: &Arc<FramePlan>, settings: &Settings) -> Arc<FramePlan> {
        match &self.reduced {
            Some(reduced) if reduced.tile_size == settings.tile_size && reduced.set.is_of_same_pack(set) => {
                if reduced.plan.input == plan.input {
                    return reduced.plan.clone();
                }
                self.reduce(set, plan, settings)
            }
            _ => plan.clone(),
        }
    }

    fn reduce(&mut self, set: &Arc<GraphSet>, plan: &FramePlan, settings: &Settings) -> Arc<FramePlan> {
        let plan = Arc::new(FramePlan::new(&set.geometry, settings, plan.input, true));
        self.reduced = Some(Reduced {
            set: set.clone(),
            tile_size: settings.tile_size,
            plan: plan.clone(),
        });
        plan
    }

    /// Decodes into `self.decoded`, and crops that in place.
    fn run(
        &mut self,
        set: &GraphSet,
        plan: &FramePlan,
        input: &PaddedInput,
        restored: ArrayView4<'_, f32>,
    ) -> Result<(), RestoreError> {
        let [height, width] = plan.padded.map(|side| side * SCALE);
        self.decoded.resize(height * width * 3, 0);
        let conditioned = set.geometry.decoder_conditioned;
        let frame = conditioned.then(|| tiles::picture(input.frame(), plan.padded));
        tiles::decode(
            &*set.graphs,
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

    /// Brings the decoded picture's colours to those of the bicubic picture.
    fn fix_color(
        &mut self,
        set: &GraphSet,
        plan: &FramePlan,
        input: &PaddedInput,
        fix: ColorFix,
        report: &mut Report,
    ) -> Result<(), RestoreError> {
        if fix == ColorFix::None {
            return Ok(());
        }
        timed(&mut report.timings.upscale, || self.make_reference(set, plan, input))?;
        let width = plan.input[1] * SCALE;
        timed(&mut report.timings.color, || match fix {
            ColorFix::AdaIn => color::adain(&mut self.decoded, &self.reference),
            ColorFix::Wavelet => self.wavelet.apply(&mut self.decoded, &self.reference, width),
            ColorFix::None | ColorFix::Pack => {}
        });
        Ok(())
    }

    fn make_reference(&mut self, set: &GraphSet, plan: &FramePlan, input: &PaddedInput) -> Result<(), RestoreError> {
        if set.geometry.encodes_upscaled && plan.input == plan.padded {
            self.reference.clear();
            self.reference.extend_from_slice(input.upscaled());
            return Ok(());
        }
        let [height, width] = plan.input;
        let mut picture = input.frame();
        if width < plan.padded[1] {
            self.unpadded.clear();
            self.unpadded.extend_from_slice(picture);
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
}
