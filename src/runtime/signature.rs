//! The inputs and outputs that the pack format gives each graph, and whether a loaded graph has them.

use std::ffi::CStr;
use std::fmt;

use ort::value::{Outlet, TensorElementType, ValueType};

use super::open::Shapes;
use crate::pack::{EncoderInput, Graph, Manifest, TileBatch};

/// Names of the tensors, fixed by the pack format; as ONNX Runtime takes them.
pub(super) mod names {
    use std::ffi::CStr;

    pub const FRAME: &CStr = c"frame";
    pub const LATENT: &CStr = c"latent";
    pub const GUIDE: &CStr = c"guide";
    pub const LATENT_PREV: &CStr = c"latent_prev";
    pub const GUIDE_PREV: &CStr = c"guide_prev";
    pub const RESTORED: &CStr = c"restored";
    pub const PICTURE: &CStr = c"picture";
}

/// Channels of a guide and of a picture.
pub(super) const RGB: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// u8 `[1, height, width, 3]`.
    Picture,
    /// f32 `[1, channels, height, width]`, or of any number of tiles.
    Latent { channels: u32, batch: TileBatch },
}

#[derive(Debug, Clone, Copy)]
struct Tensor {
    name: &'static CStr,
    layout: Layout,
}

/// Compares the inputs and outputs of a loaded graph with what the manifest calls for; an error says what is expected
/// and what was found. `fixed`: the inputs' sizes, of a session for which they were fixed.
pub(super) fn check(
    graph: Graph,
    manifest: &Manifest,
    fixed: Option<&Shapes>,
    inputs: &[Outlet],
    outputs: &[Outlet],
) -> Result<(), String> {
    let (expected_inputs, expected_outputs) = expected(graph, manifest);
    let sides = |tensor: &Tensor| match fixed.and_then(|shapes| shapes.iter().find(|(name, _)| *name == tensor.name)) {
        Some((_, shape)) => Sides::These(shape),
        None => Sides::Free,
    };
    check_side("input", &expected_inputs, inputs, sides)?;
    check_side("output", &expected_outputs, outputs, |_| Sides::Any)
}

/// Names and shapes of a graph's inputs for a latent of `height`×`width` samples.
pub(super) fn inputs(graph: Graph, manifest: &Manifest, [height, width]: [usize; 2]) -> Shapes {
    let pixels = match (graph, manifest.encoder.input) {
        (Graph::Encoder, EncoderInput::Upscaled) => manifest.latent.factor,
        _ => manifest.input_factor(),
    } as usize;
    let shape = |tensor: Tensor| {
        let shape = match tensor.layout {
            Layout::Picture => [1, height * pixels, width * pixels, RGB as usize],
            Layout::Latent { channels, .. } => [1, channels as usize, height, width],
        };
        (tensor.name, shape.map(|side| side as i64).to_vec())
    };
    expected(graph, manifest).0.into_iter().map(shape).collect()
}

fn expected(graph: Graph, manifest: &Manifest) -> (Vec<Tensor>, Vec<Tensor>) {
    use names::*;
    let picture = |name| Tensor {
        name,
        layout: Layout::Picture,
    };
    let batch = manifest.sizes(graph).batch;
    let planes = |name, channels| Tensor {
        name,
        layout: Layout::Latent { channels, batch },
    };
    let latent = |name| planes(name, manifest.latent.channels);
    let guide = |name| planes(name, RGB);
    match graph {
        Graph::Encoder => (vec![picture(FRAME)], vec![latent(LATENT), guide(GUIDE)]),
        Graph::Restorer => (
            vec![latent(LATENT), guide(GUIDE), latent(LATENT_PREV), guide(GUIDE_PREV)],
            vec![latent(RESTORED)],
        ),
        Graph::Decoder if manifest.decoder.conditioned => {
            (vec![latent(RESTORED), picture(FRAME)], vec![picture(PICTURE)])
        }
        Graph::Decoder => (vec![latent(RESTORED)], vec![picture(PICTURE)]),
    }
}

/// What heights and widths may be.
#[derive(Clone, Copy)]
enum Sides<'a> {
    /// Whatever the host gives.
    Free,
    /// Those of this shape, or whatever the host gives.
    These(&'a [i64]),
    /// What the graph says about the sizes of its outputs is often less than it knows (-1, or no shape at all), and is
    /// looked at when they come.
    Any,
}

fn check_side<'a>(
    side: &str,
    expected: &[Tensor],
    found: &[Outlet],
    sides: impl Fn(&Tensor) -> Sides<'a>,
) -> Result<(), String> {
    for tensor in expected {
        let name = tensor.name.to_string_lossy();
        let Some(outlet) = found.iter().find(|outlet| outlet.name() == name) else {
            let names: Vec<&str> = found.iter().map(Outlet::name).collect();
            return Err(format!("it has no {side} `{name}`, only {names:?}"));
        };
        if !tensor.layout.accepts(outlet.dtype(), sides(tensor)) {
            let found = outlet.dtype();
            return Err(format!(
                "its {side} `{name}` should be {}, and is {found}",
                tensor.layout
            ));
        }
    }
    match found.iter().find(|outlet| {
        expected
            .iter()
            .all(|tensor| tensor.name.to_bytes() != outlet.name().as_bytes())
    }) {
        Some(extra) => Err(format!(
            "it has an {side} `{}` that the format does not know",
            extra.name()
        )),
        None => Ok(()),
    }
}

impl Layout {
    fn element_type(self) -> TensorElementType {
        match self {
            Layout::Picture => TensorElementType::Uint8,
            Layout::Latent { .. } => TensorElementType::Float32,
        }
    }

    /// The fixed dimensions; `None` where the size varies.
    fn dimensions(self) -> [Option<i64>; 4] {
        match self {
            Layout::Picture => [Some(1), None, None, Some(RGB.into())],
            Layout::Latent { channels, batch } => {
                let tiles = (batch == TileBatch::One).then_some(1);
                [tiles, Some(channels.into()), None, None]
            }
        }
    }

    fn accepts(self, found: &ValueType, sides: Sides<'_>) -> bool {
        let ValueType::Tensor { ty, shape, .. } = found else {
            return false;
        };
        if *ty != self.element_type() {
            return false;
        }
        if shape.is_empty() && matches!(sides, Sides::Any) {
            return true;
        }
        let fits = |(axis, expected): (usize, Option<i64>)| match (expected, sides) {
            (Some(size), _) => shape[axis] == size || shape[axis] < 0,
            (None, Sides::Any) => true,
            (None, Sides::Free) => shape[axis] < 0,
            (None, Sides::These(sizes)) => shape[axis] < 0 || shape[axis] == sizes[axis],
        };
        shape.len() == 4 && self.dimensions().into_iter().enumerate().all(fits)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layout::Picture => f.write_str("u8 [1, height, width, 3] of any height and width"),
            Layout::Latent {
                channels,
                batch: TileBatch::One,
            } => write!(f, "f32 [1, {channels}, height, width] of any height and width"),
            Layout::Latent {
                channels,
                batch: TileBatch::Free,
            } => write!(
                f,
                "f32 [tiles, {channels}, height, width] of any number, height and width"
            ),
        }
    }
}
