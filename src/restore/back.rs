//! The second half of a frame's way: the decoder and the colour fix.

use std::sync::Arc;
use std::time::Instant;

use ndarray::ArrayView4;

use super::color::{self, Wavelet};
use super::front::Midway;
use super::geometry::{FramePlan, Geometry};
use super::graphs::Graphs;
use super::settings::{ColorFix, Report, Settings, Shortage, timed};
use super::source::Source;
use super::tiles::{self, DecodeScratch};
use super::upscale::{Samples, Upscaler};
use super::{RestoreError, SCALE, convert};

/// Makes pictures of restored latents, one frame independent of the other. Pictures are tight u8 RGB.
pub(super) struct Back {
    graphs: Arc<dyn Graphs>,
    geometry: Geometry,
    /// The tile size with which memory ran out, and the plan that is taken instead.
    reduced: Option<(u32, Arc<FramePlan>)>,
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

impl Back {
    pub fn new(graphs: Arc<dyn Graphs>, geometry: Geometry) -> Back {
        Back {
            graphs,
            geometry,
            reduced: None,
            unpadded: Vec::new(),
            reference: Vec::new(),
            decoded: Vec::new(),
            decode: DecodeScratch::default(),
            upscaler: Upscaler::default(),
            wavelet: Wavelet::default(),
        }
    }

    /// Makes a frame's picture, tight RGB of 4W×4H pixels, in the memory of `picture`. If memory runs out, it is tried
    /// once more with tiles of half the side, and so are those after it. Gives the report of both halves, and the
    /// frame's memory back.
    ///
    /// # Errors
    /// [`RestoreError`] if a graph fails; `picture` is undefined then.
    pub fn finish(&mut self, midway: Midway, picture: &mut Vec<u8>) -> Result<(Report, Source), RestoreError> {
        let started = Instant::now();
        let Midway {
            plan,
            settings,
            source,
            restored,
            mut report,
        } = midway;
        let mut decoding = self.plan(&plan, &settings);
        let decode_started = Instant::now();
        let mut decoded = self.decode(&decoding, &source, restored.view());
        if Arc::ptr_eq(&decoding, &plan) && decoded.as_ref().is_err_and(RestoreError::is_out_of_memory) {
            decoding = self.reduce(&plan, &settings);
            report.shortage = Some(Shortage::Tiles);
            decoded = self.decode(&decoding, &source, restored.view());
        }
        decoded?;
        report.timings.decode = decode_started.elapsed();
        self.fix_color(&plan, &source, self.color_fix(&settings), &mut report)?;
        std::mem::swap(&mut self.decoded, picture);
        report.timings.total += started.elapsed();
        Ok((report, source))
    }

    /// The plan to decode by: the frame's own, if memory has not run out with this tile size.
    fn plan(&mut self, plan: &Arc<FramePlan>, settings: &Settings) -> Arc<FramePlan> {
        match &self.reduced {
            Some((tile_size, reduced)) if *tile_size == settings.tile_size => {
                if reduced.input == plan.input {
                    return reduced.clone();
                }
                self.reduce(plan, settings)
            }
            _ => plan.clone(),
        }
    }

    fn reduce(&mut self, plan: &FramePlan, settings: &Settings) -> Arc<FramePlan> {
        let reduced = Arc::new(FramePlan::new(&self.geometry, settings, plan.input, true));
        self.reduced = Some((settings.tile_size, reduced.clone()));
        reduced
    }

    /// Decodes into `self.decoded`, and crops that in place.
    fn decode(&mut self, plan: &FramePlan, source: &Source, restored: ArrayView4<'_, f32>) -> Result<(), RestoreError> {
        let [height, width] = plan.padded.map(|side| side * SCALE);
        self.decoded.resize(height * width * 3, 0);
        let conditioned = self.geometry.decoder_conditioned;
        let frame = conditioned.then(|| tiles::picture(source.frame(), plan.padded));
        tiles::decode(
            &*self.graphs,
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

    /// The colour fix to apply; never [`ColorFix::Pack`].
    fn color_fix(&self, settings: &Settings) -> ColorFix {
        match settings.color_fix {
            ColorFix::Pack => self.geometry.color_fix,
            chosen => chosen,
        }
    }

    /// Brings the decoded picture's colours to those of the bicubic picture.
    fn fix_color(
        &mut self,
        plan: &FramePlan,
        source: &Source,
        fix: ColorFix,
        report: &mut Report,
    ) -> Result<(), RestoreError> {
        if fix == ColorFix::None {
            return Ok(());
        }
        timed(&mut report.timings.upscale, || self.make_reference(plan, source))?;
        let width = plan.input[1] * SCALE;
        timed(&mut report.timings.color, || match fix {
            ColorFix::AdaIn => color::adain(&mut self.decoded, &self.reference),
            ColorFix::Wavelet => self.wavelet.apply(&mut self.decoded, &self.reference, width),
            ColorFix::None | ColorFix::Pack => {}
        });
        Ok(())
    }

    fn make_reference(&mut self, plan: &FramePlan, source: &Source) -> Result<(), RestoreError> {
        if self.geometry.encodes_upscaled && plan.input == plan.padded {
            self.reference.clear();
            self.reference.extend_from_slice(source.upscaled());
            return Ok(());
        }
        let [height, width] = plan.input;
        let mut picture = source.frame();
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
