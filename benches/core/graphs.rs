//! The three graphs, as the core calls them.

use std::env;
use std::sync::Arc;

use criterion::Criterion;
use gstdloralvsr::pack::{EncoderInput, Pack};
use gstdloralvsr::restore::plan::padded_size;
use gstdloralvsr::restore::{Encoded, Geometry, Graphs};
use gstdloralvsr::runtime::{Model, ModelOptions};
use ndarray::Array4;

use crate::{SCALE, at_every_size, picture};

/// The pack and the provider that the environment names.
pub fn load() -> Arc<Model> {
    let pack = match env::var_os("DLORALVSR_PACK") {
        Some(folder) => Pack::open(folder.as_ref()),
        None => Pack::embedded(),
    };
    let provider = env::var("DLORALVSR_PROVIDER").unwrap_or_default();
    let options = ModelOptions {
        provider: if provider.is_empty() {
            Default::default()
        } else {
            provider.parse().unwrap()
        },
        ..ModelOptions::default()
    };
    Model::load(&pack.unwrap(), &options, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// A frame on its way through the graphs of a pack, padded to what they take.
struct Frame {
    model: Arc<Model>,
    /// What the decoder takes, `[1, H, W, 3]`.
    frame: Array4<u8>,
    /// What the encoder takes.
    picture: Array4<u8>,
    encoded: Encoded,
    restored: Array4<f32>,
}

impl Frame {
    fn new(width: usize, height: usize) -> Frame {
        let model = load();
        let geometry = Geometry::try_from(model.manifest()).unwrap();
        let factor = geometry.input_factor();
        let rules = [geometry.encoder, geometry.restorer, geometry.decoder];
        let (height, width) = padded_size(height.div_ceil(factor), width.div_ceil(factor), &rules);
        let array = |height, width| Array4::from_shape_vec((1, height, width, 3), picture(width, height, 0)).unwrap();
        let frame = array(height * factor, width * factor);
        let picture = match model.manifest().encoder.input {
            EncoderInput::Frame => frame.clone(),
            EncoderInput::Upscaled => array(height * factor * SCALE, width * factor * SCALE),
        };
        let encoded = model.encode(picture.view()).unwrap();
        let restored = model.restore(encoded.view(), encoded.view()).unwrap();
        Frame {
            model,
            frame,
            picture,
            encoded,
            restored,
        }
    }
}

pub fn encoder(criterion: &mut Criterion) {
    at_every_size(criterion, "encoder", |width, height| {
        let of = Frame::new(width, height);
        move || drop(of.model.encode(of.picture.view()).unwrap())
    });
}

pub fn restorer(criterion: &mut Criterion) {
    at_every_size(criterion, "restorer", |width, height| {
        let of = Frame::new(width, height);
        move || drop(of.model.restore(of.encoded.view(), of.encoded.view()).unwrap())
    });
}

pub fn decoder(criterion: &mut Criterion) {
    at_every_size(criterion, "decoder", |width, height| {
        let of = Frame::new(width, height);
        let (_, height, width, _) = of.frame.dim();
        let mut output = Array4::zeros((1, height * SCALE, width * SCALE, 3));
        let conditioned = of.model.manifest().decoder.conditioned;
        move || {
            let frame = conditioned.then(|| of.frame.view());
            of.model.decode(of.restored.view(), frame, output.view_mut()).unwrap();
        }
    });
}
