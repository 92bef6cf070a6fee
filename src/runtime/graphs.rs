//! A model's graphs, as the core calls them.

use std::sync::Arc;

use ndarray::{Array4, ArrayView4, ArrayViewMut4};
use ort::session::RunOptions;

use super::signature::{RGB, names};
use super::{Model, Provider, log, provider};
use crate::pack::{EncoderInput, Graph, TileBatch};
use crate::restore::{Encoded, EncodedView, GraphError, GraphErrorKind, Graphs};

/// Tiles that the restorer is given at once by CUDA: tensors grow with it, so where memory runs out it is one.
const MOST_TILES: usize = 4;

impl Graphs for Model {
    fn prepare(&self, tiles: [[usize; 2]; 3]) {
        if !provider::compiles_with_the_stream(self.provider()) {
            return;
        }
        std::thread::scope(|scope| {
            for (graph, size) in Graph::ALL.into_iter().zip(tiles) {
                let session = self.session(graph);
                // A failure comes again, with its error, when the graph is run.
                scope.spawn(move || drop(session.prepare(size)));
            }
        });
    }

    /// Several on a GPU, which one small tile may not fill; on the CPU they take memory, and as long as one by one. TensorRT
    /// would build an engine for every number of them.
    fn restorer_batch(&self) -> usize {
        let free = self.manifest().restorer.batch == TileBatch::Free;
        match self.provider() {
            Provider::Cuda if free => MOST_TILES,
            _ => 1,
        }
    }

    fn encode(&self, frame: ArrayView4<'_, u8>) -> Result<Encoded, GraphError> {
        Call::of(self).encode(frame)
    }

    fn restore(&self, current: EncodedView<'_>, previous: EncodedView<'_>) -> Result<Array4<f32>, GraphError> {
        Call::of(self).restore(current, previous)
    }

    fn decode(
        &self,
        restored: ArrayView4<'_, f32>,
        frame: Option<ArrayView4<'_, u8>>,
        output: ArrayViewMut4<'_, u8>,
    ) -> Result<(), GraphError> {
        Call::of(self).decode(restored, frame, output)
    }
}

/// A model whose calls can be cancelled without those of others that share it.
pub struct CancellableModel {
    model: Arc<Model>,
    options: Option<RunOptions>,
}

impl CancellableModel {
    /// The graphs of `model`.
    pub fn new(model: Arc<Model>) -> CancellableModel {
        // Fails only where memory for some bytes is missing; then a running graph is waited for.
        let options = RunOptions::new().ok();
        CancellableModel { model, options }
    }

    fn call(&self) -> Call<'_> {
        Call {
            model: &self.model,
            options: self.options.as_ref(),
        }
    }
}

impl Graphs for CancellableModel {
    fn prepare(&self, tiles: [[usize; 2]; 3]) {
        self.model.prepare(tiles);
    }

    fn restorer_batch(&self) -> usize {
        self.model.restorer_batch()
    }

    /// Takes effect between two nodes of a graph. A GPU or OpenVINO finishes its part: to ONNX Runtime it is one node.
    fn cancel(&self) {
        if let Some(Err(error)) = self.options.as_ref().map(RunOptions::terminate) {
            log::emit(log::Level::Warning, &format!("a run could not be cancelled: {error}"));
        }
    }

    fn encode(&self, frame: ArrayView4<'_, u8>) -> Result<Encoded, GraphError> {
        self.call().encode(frame)
    }

    fn restore(&self, current: EncodedView<'_>, previous: EncodedView<'_>) -> Result<Array4<f32>, GraphError> {
        self.call().restore(current, previous)
    }

    fn decode(
        &self,
        restored: ArrayView4<'_, f32>,
        frame: Option<ArrayView4<'_, u8>>,
        output: ArrayViewMut4<'_, u8>,
    ) -> Result<(), GraphError> {
        self.call().decode(restored, frame, output)
    }
}

/// Calls of a model's graphs, with what may cancel them.
struct Call<'m> {
    model: &'m Model,
    options: Option<&'m RunOptions>,
}

impl<'m> Call<'m> {
    fn of(model: &'m Model) -> Call<'m> {
        Call { model, options: None }
    }

    fn encode(&self, frame: ArrayView4<'_, u8>) -> Result<Encoded, GraphError> {
        let session = self.model.session(Graph::Encoder);
        let [h, w] = self.latent_size(frame.shape());
        let frame = frame.as_standard_layout();
        let [mut latent, mut guide] =
            [self.channels(), RGB as usize].map(|channels| Array4::zeros((1, channels, h, w)));
        session.run(
            self.options,
            &[session.input(names::FRAME, &frame)?],
            &mut [
                session.output(names::LATENT, latent.view_mut())?,
                session.output(names::GUIDE, guide.view_mut())?,
            ],
        )?;
        Ok(Encoded { latent, guide })
    }

    fn restore(&self, current: EncodedView<'_>, previous: EncodedView<'_>) -> Result<Array4<f32>, GraphError> {
        let session = self.model.session(Graph::Restorer);
        let (count, _, h, w) = current.latent.dim();
        let arrays = [
            (names::LATENT, current.latent.as_standard_layout()),
            (names::GUIDE, current.guide.as_standard_layout()),
            (names::LATENT_PREV, previous.latent.as_standard_layout()),
            (names::GUIDE_PREV, previous.guide.as_standard_layout()),
        ];
        let inputs = arrays
            .iter()
            .map(|(name, array)| session.input(name, array))
            .collect::<Result<Vec<_>, _>>()?;
        let mut restored = Array4::zeros((count, self.channels(), h, w));
        session.run(
            self.options,
            &inputs,
            &mut [session.output(names::RESTORED, restored.view_mut())?],
        )?;
        Ok(restored)
    }

    fn decode(
        &self,
        restored: ArrayView4<'_, f32>,
        frame: Option<ArrayView4<'_, u8>>,
        mut output: ArrayViewMut4<'_, u8>,
    ) -> Result<(), GraphError> {
        let session = self.model.session(Graph::Decoder);
        if frame.is_some() != self.model.manifest().decoder.conditioned {
            let message = match frame {
                Some(_) => "it was given a frame, and the pack's decoder takes none",
                None => "it was given no frame, and the pack's decoder takes one",
            };
            let kind = GraphErrorKind::Other;
            return Err(GraphError {
                graph: Graph::Decoder,
                kind,
                message: message.to_owned(),
            });
        }
        let restored = restored.as_standard_layout();
        let frame = frame.as_ref().map(|frame| frame.as_standard_layout());
        let mut inputs = vec![session.input(names::RESTORED, &restored)?];
        if let Some(frame) = &frame {
            inputs.push(session.input(names::FRAME, frame)?);
        }
        if output.is_standard_layout() {
            return session.run(self.options, &inputs, &mut [session.output(names::PICTURE, output)?]);
        }
        // A part of a larger picture, whose rows do not lie together.
        let mut picture = Array4::zeros(output.raw_dim());
        session.run(
            self.options,
            &inputs,
            &mut [session.output(names::PICTURE, picture.view_mut())?],
        )?;
        output.assign(&picture);
        Ok(())
    }

    /// Height and width of the latent of a picture of this shape.
    fn latent_size(&self, picture: &[usize]) -> [usize; 2] {
        let manifest = self.model.manifest();
        let samples_of = match manifest.encoder.input {
            EncoderInput::Frame => manifest.input_factor(),
            EncoderInput::Upscaled => manifest.latent.factor,
        } as usize;
        [picture[1] / samples_of, picture[2] / samples_of]
    }

    fn channels(&self) -> usize {
        self.model.manifest().latent.channels as usize
    }
}
