//! The sizes of a pack, and what they mean for frames of one size.

use super::blend::{Weights, Window};
use super::plan::{TilePlan, padded_size};
use super::{ColorFix, RestoreError, SCALE, Settings};
use crate::pack::{EncoderInput, Graph, GraphSizes, Manifest, PackColorFix};

/// What the core has to know of a pack: its sizes, and what goes into its graphs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Whether the encoder takes the bicubic picture ×4 instead of the frame.
    pub encodes_upscaled: bool,
    /// Whether the decoder takes the frame beside the restored latent.
    pub decoder_conditioned: bool,
    /// Channels of a latent.
    pub channels: usize,
    /// Output pixels per latent sample in each direction, a multiple of [`SCALE`].
    pub factor: usize,
    /// Sizes of the encoder.
    pub encoder: GraphSizes,
    /// Sizes of the restorer.
    pub restorer: GraphSizes,
    /// Sizes of the decoder.
    pub decoder: GraphSizes,
    /// What [`ColorFix::Pack`] means; never that itself.
    pub color_fix: ColorFix,
}

impl Geometry {
    /// Input pixels per latent sample in each direction.
    pub fn input_factor(&self) -> usize {
        self.factor / SCALE
    }

    /// Pixels of the encoder's picture per latent sample in each direction.
    pub(super) fn encoder_factor(&self) -> usize {
        if self.encodes_upscaled {
            self.factor
        } else {
            self.input_factor()
        }
    }

    /// Checks that frames can be planned with these sizes.
    ///
    /// # Errors
    /// [`RestoreError::Geometry`], which says what is wrong.
    pub fn check(&self) -> Result<(), RestoreError> {
        let wrong = |message: String| Err(RestoreError::Geometry(message));
        if self.channels == 0 || self.factor == 0 || !self.factor.is_multiple_of(SCALE) {
            return wrong(format!(
                "latent.channels is {} and latent.factor {}, but channels are at least 1 and the factor a multiple \
                 of {SCALE}",
                self.channels, self.factor
            ));
        }
        let all = [
            ("encoder", &self.encoder),
            ("restorer", &self.restorer),
            ("decoder", &self.decoder),
        ];
        for (graph, sizes) in all {
            if sizes.min == 0 || sizes.multiple == 0 {
                return wrong(format!("{graph}.min and {graph}.multiple are at least 1"));
            }
            if sizes.tile != 0 && (sizes.tile < sizes.min || !sizes.tile.is_multiple_of(sizes.multiple)) {
                return wrong(format!(
                    "{graph}.tile is {}, but has to be 0 or a multiple of {graph}.multiple = {} from {graph}.min = {} on",
                    sizes.tile, sizes.multiple, sizes.min
                ));
            }
        }
        Ok(())
    }

    /// The restorer's sizes as the settings change them.
    fn restorer_sizes(&self, settings: &Settings) -> GraphSizes {
        let samples = |pixels: u32| pixels as usize / self.factor;
        let GraphSizes { min, multiple, .. } = self.restorer;
        let mut sizes = self.restorer;
        if settings.tile_size != 0 {
            sizes.tile = (samples(settings.tile_size) / multiple * multiple).max(min.next_multiple_of(multiple));
        }
        if settings.tile_overlap != 0 {
            sizes.overlap = samples(settings.tile_overlap);
        }
        sizes
    }
}

impl TryFrom<&Manifest> for Geometry {
    type Error = RestoreError;

    fn try_from(manifest: &Manifest) -> Result<Geometry, RestoreError> {
        let geometry = Geometry {
            encodes_upscaled: manifest.encoder.input == EncoderInput::Upscaled,
            decoder_conditioned: manifest.decoder.conditioned,
            channels: manifest.latent.channels as usize,
            factor: manifest.latent.factor as usize,
            encoder: manifest.sizes(Graph::Encoder),
            restorer: manifest.sizes(Graph::Restorer),
            decoder: manifest.sizes(Graph::Decoder),
            color_fix: match manifest.color_fix {
                PackColorFix::None => ColorFix::None,
                PackColorFix::AdaIn => ColorFix::AdaIn,
                PackColorFix::Wavelet => ColorFix::Wavelet,
            },
        };
        geometry.check().map(|()| geometry)
    }
}

/// The tiles of one graph on one picture size, and how they are blended.
#[derive(Debug)]
pub(super) struct Tiling {
    pub plan: TilePlan,
    pub weights: Weights,
    /// Pixels, of the picture that the tiles are of, per latent sample.
    pub factor: usize,
}

impl Tiling {
    fn new(samples: [usize; 2], sizes: &GraphSizes, window: Window, factor: usize) -> Tiling {
        let plan = TilePlan::new(samples[0], samples[1], sizes);
        Tiling {
            weights: Weights::new(&plan, window, factor),
            plan,
            factor,
        }
    }
}

/// Everything that follows from the size of the frames.
#[derive(Debug)]
pub(super) struct FramePlan {
    /// Height and width of the input, pixels.
    pub input: [usize; 2],
    /// The same after padding to what all graphs take, pixels.
    pub padded: [usize; 2],
    /// Height and width of the padded input, latent samples.
    pub samples: [usize; 2],
    pub encoder: Tiling,
    pub restorer: Tiling,
    pub decoder: Tiling,
}

impl FramePlan {
    /// Height and width of the tiles of each graph, latent samples, in the order of [`Graph::ALL`].
    pub fn tiles(&self) -> [[usize; 2]; 3] {
        [&self.encoder, &self.restorer, &self.decoder].map(|tiling| tiling.plan.tile)
    }

    /// Plans frames of `input`, height and width in pixels. `reduced` halves the sides of all tiles, and cuts into tiles
    /// what would be taken whole.
    pub fn new(geometry: &Geometry, settings: &Settings, input: [usize; 2], reduced: bool) -> FramePlan {
        let factor = geometry.input_factor();
        let [height, width] = input.map(|side| side.div_ceil(factor));
        let rules = [geometry.encoder, geometry.restorer, geometry.decoder];
        let (height, width) = padded_size(height, width, &rules);
        let samples = [height, width];
        let tiles = |sizes: GraphSizes| if reduced { sizes.halved(samples) } else { sizes };
        FramePlan {
            input,
            padded: samples.map(|side| side * factor),
            samples,
            encoder: Tiling::new(samples, &tiles(geometry.encoder), Window::Feather, 1),
            restorer: Tiling::new(samples, &tiles(geometry.restorer_sizes(settings)), Window::Gaussian, 1),
            decoder: Tiling::new(samples, &tiles(geometry.decoder), Window::Feather, geometry.factor),
        }
    }
}
