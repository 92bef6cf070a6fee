//! The three graphs of a pack, loaded and ready to run.

use std::sync::Arc;

use super::assignment::LeftToCpu;
use super::cache::Shared;
use super::environment::Loaded;
use super::open::Opener;
use super::provider;
use super::session::GraphSession;
use super::{ModelOptions, Provider, RuntimeError, environment, measure};
use crate::pack::{Graph, Manifest, Pack};

static MODELS: Shared<(String, ModelOptions), Model> = Shared::new();

/// How far the loading of a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, for people.
    pub stage: String,
    /// 0 to 100.
    pub percent: u32,
}

/// A pack with one set of options, ready to run. Any number of streams may share it; calls of the same graph are
/// served one after the other, in the order in which they came.
pub struct Model {
    pack: Pack,
    options: ModelOptions,
    provider: Provider,
    provider_note: Option<String>,
    left_to_cpu: Arc<LeftToCpu>,
    /// In the order of [`Graph::ALL`].
    sessions: [GraphSession; 3],
}

impl Model {
    /// Loads a pack, or gives the one that is loaded already: models of the same pack with the same options are
    /// shared in the process as long as somebody uses them. Blocks until the model is ready; with TensorRT, whose
    /// engines are built for minutes the first time, that is long. `progress` is told before each step.
    ///
    /// # Errors
    /// A [`RuntimeError`] with the remedy: ONNX Runtime missing, too old or no ONNX Runtime; a provider asked for by
    /// name that cannot run; a graph that ONNX Runtime does not take or that does not follow the pack format.
    pub fn load(
        pack: &Pack,
        options: &ModelOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Arc<Model>, RuntimeError> {
        let key = (pack.id().to_owned(), options.clone());
        let model = MODELS.get_or_make(key, || Model::load_new(pack, options, progress))?;
        tell(progress, "Ready".to_owned(), 100);
        Ok(model)
    }

    fn load_new(
        pack: &Pack,
        options: &ModelOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Model, RuntimeError> {
        tell(progress, "Loading ONNX Runtime".to_owned(), 0);
        let loaded = environment::get(provider::preference(pack, options))?;
        let open =
            |provider, progress: &mut dyn FnMut(Progress)| Model::open(pack, options, provider, loaded, &[], progress);
        let choice = provider::choose(pack, options, loaded, &mut |provider| {
            tell(progress, format!("Trying {provider}"), 5);
            measure::frame_time(&open(provider, &mut |_| ())?)
        })?;
        let mut refusals = choice.passed_over;
        let (best, last) = split_last(&choice.candidates);
        for provider in best {
            match Model::open(pack, options, *provider, loaded, &refusals, progress) {
                Ok(model) => return Ok(model),
                // Whatever the reason: a broken pack fails again on the last one, whose error is then the answer.
                Err(error) => refusals.push(format!("not {provider}: {error}")),
            }
        }
        Model::open(pack, options, last, loaded, &refusals, progress)
    }

    fn open(
        pack: &Pack,
        options: &ModelOptions,
        provider: Provider,
        loaded: &'static Loaded,
        refusals: &[String],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Model, RuntimeError> {
        let left_to_cpu = Arc::new(LeftToCpu::default());
        Ok(Model {
            pack: pack.clone(),
            options: options.clone(),
            provider,
            provider_note: (!refusals.is_empty()).then(|| refusals.join("; ")),
            sessions: open_sessions(provider, pack, options, loaded, &left_to_cpu, progress)?,
            left_to_cpu,
        })
    }

    /// Whether two graphs side by side, on half of the threads each, are done sooner than one after the other on all of
    /// them: on the CPU, which seldom keeps several threads busy with one graph. A GPU is full with one, and CUDA graphs
    /// are captured while nothing else is called.
    pub fn gains_by_pipelining(&self) -> bool {
        self.provider == Provider::Cpu && self.options.thread_count() > 1
    }

    /// The model with half of the threads for each graph, to be run side by side. It has its own copy of the weights,
    /// so one of more than 256 MiB is given as it is.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn with_half_the_threads(self: &Arc<Self>) -> Result<Arc<Model>, RuntimeError> {
        const LARGEST: u64 = 256 << 20;
        if !self.gains_by_pipelining() || self.pack.size() > LARGEST {
            return Ok(self.clone());
        }
        let half = self.options.thread_count().div_ceil(2);
        let options = ModelOptions {
            provider: self.provider,
            // No machine has so many cores that half of them need more bits.
            intra_threads: u32::try_from(half).unwrap_or(u32::MAX),
            ..self.options.clone()
        };
        Model::load(&self.pack, &options, &mut |_| ())
    }

    /// What the pack says about itself.
    pub fn manifest(&self) -> &Manifest {
        self.pack.manifest()
    }

    /// Who computes; never [`Provider::Auto`].
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// With [`Provider::Auto`]: why others were not taken; `None` if one was asked for.
    pub fn provider_note(&self) -> Option<&str> {
        self.provider_note.as_deref()
    }

    /// Which nodes run on the CPU though another provider was asked for, but for arithmetic on sizes; `None`: no others. Of a
    /// provider that compiles graphs for the stream's tiles it is known after the first frame.
    pub fn left_to_cpu(&self) -> Option<String> {
        self.left_to_cpu.text()
    }

    pub(super) fn session(&self, graph: Graph) -> &GraphSession {
        &self.sessions[graph as usize]
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("pack", &self.pack.location())
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// `candidates` is never empty.
fn split_last(candidates: &[Provider]) -> (&[Provider], Provider) {
    match candidates {
        [best @ .., last] => (best, *last),
        [] => (&[], Provider::Cpu),
    }
}

fn open_sessions(
    provider: Provider,
    pack: &Pack,
    options: &ModelOptions,
    loaded: &'static Loaded,
    left_to_cpu: &Arc<LeftToCpu>,
    progress: &mut dyn FnMut(Progress),
) -> Result<[GraphSession; 3], RuntimeError> {
    let mut open = |graph: Graph, percent| {
        tell(
            progress,
            format!("Loading {} on {provider}", graph.file_name()),
            percent,
        );
        GraphSession::open(Opener {
            graph,
            provider,
            arithmetic: provider::arithmetic(provider, options.precision, pack.manifest(), graph)?,
            pack: pack.clone(),
            options: options.clone(),
            loaded,
            left_to_cpu: left_to_cpu.clone(),
        })
    };
    // The restorer is nearly all of a pack.
    Ok([
        open(Graph::Encoder, 10)?,
        open(Graph::Restorer, 20)?,
        open(Graph::Decoder, 80)?,
    ])
}

fn tell(progress: &mut dyn FnMut(Progress), stage: String, percent: u32) {
    progress(Progress { stage, percent });
}
