//! How long a model takes for a small frame, by which `auto` chooses.

use std::time::{Duration, Instant};

use ndarray::Array4;

use super::{Model, RuntimeError};
use crate::pack::{EncoderInput, Graph, Manifest, padded_side};
use crate::restore::{GraphError, Graphs};

/// Input pixels, before they are rounded to what the pack takes.
const HEIGHT: u32 = 96;
const WIDTH: u32 = 160;
/// Warm-up: memory is allocated and threads are started.
const WARM_UP: u32 = 2;
/// Most frames that are measured.
const FRAMES: u32 = 8;
/// No further frame is measured after this.
const TIME: Duration = Duration::from_millis(120);

/// ms of the fastest frame: other work takes the cores now and then.
pub(super) fn frame_time(model: &Model) -> Result<f64, RuntimeError> {
    let failed = |error: GraphError| RuntimeError::Trial {
        provider: model.provider(),
        message: error.to_string(),
    };
    let frame = picture(model.manifest());
    for _ in 0..WARM_UP {
        restore(model, &frame).map_err(failed)?;
    }
    let begun = Instant::now();
    let mut best = Duration::MAX;
    for _ in 0..FRAMES {
        let started = Instant::now();
        restore(model, &frame).map_err(failed)?;
        best = best.min(started.elapsed());
        if begun.elapsed() > TIME {
            break;
        }
    }
    Ok(best.as_secs_f64() * 1e3)
}

/// The LQ frame and the encoder's picture.
struct Frames {
    low: Array4<u8>,
    encoded: Array4<u8>,
}

/// Pictures with some structure, of a size that every graph takes.
fn picture(manifest: &Manifest) -> Frames {
    let factor = manifest.input_factor();
    let sizes = Graph::ALL.map(|graph| manifest.sizes(graph));
    let samples = |pixels: u32| padded_side(pixels.div_ceil(factor) as usize, &sizes);
    let (height, width) = (samples(HEIGHT), samples(WIDTH));
    let make = |scale: u32| {
        let side = |samples: usize| samples * (factor * scale) as usize;
        Array4::from_shape_fn((1, side(height), side(width), 3), |(_, y, x, channel)| {
            ((y * 7) ^ (x * 5) ^ (channel * 40)) as u8
        })
    };
    let scale = match manifest.encoder.input {
        EncoderInput::Frame => 1,
        EncoderInput::Upscaled => manifest.scale,
    };
    Frames {
        low: make(1),
        encoded: make(scale),
    }
}

fn restore(model: &Model, frames: &Frames) -> Result<(), GraphError> {
    let encoded = model.encode(frames.encoded.view())?;
    let restored = model.restore(encoded.view(), encoded.view())?;
    let scale = model.manifest().scale as usize;
    let (_, height, width, channels) = frames.low.dim();
    let mut output = Array4::zeros((1, height * scale, width * scale, channels));
    let frame = model.manifest().decoder.conditioned.then(|| frames.low.view());
    model.decode(restored.view(), frame, output.view_mut())
}
