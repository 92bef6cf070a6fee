//! The three graphs of a pack, loaded and ready to run.

use std::sync::Arc;

use super::assignment::LeftToCpu;
use super::cache::Shared;
use super::environment::Loaded;
use super::open::Opener;
use super::provider;
use super::session::GraphSession;
use super::{ModelOptions, OpenCancel, Provider, RuntimeError, environment, measure};
use crate::pack::{Graph, Manifest, Pack};

static MODELS: Shared<(String, ModelOptions), Model> = Shared::new();

/// Progress of loading a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, for people.
    pub stage: String,
    /// 0 to 100.
    pub percent: u32,
}

/// A pack with one set of options, ready to run. Any number of streams may share it. On the CPU their calls run side by
/// side; else calls of the same graph are served one after the other, in the order in which they came.
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
        Model::load_cancellable(pack, options, progress, &OpenCancel::default())
    }

    /// As [`load`](Self::load), until `cancel` ends it. Those who wait for the same model open it themselves then.
    ///
    /// # Errors
    /// As those of [`load`](Self::load), and [`RuntimeError::Cancelled`].
    pub fn load_cancellable(
        pack: &Pack,
        options: &ModelOptions,
        progress: &mut dyn FnMut(Progress),
        cancel: &OpenCancel,
    ) -> Result<Arc<Model>, RuntimeError> {
        let key = (pack.id().to_owned(), options.clone());
        let model = MODELS.get_or_make(key, || Model::load_new(pack, options, progress, cancel))?;
        tell(progress, "Ready".to_owned(), 100);
        Ok(model)
    }

    fn load_new(
        pack: &Pack,
        options: &ModelOptions,
        progress: &mut dyn FnMut(Progress),
        cancel: &OpenCancel,
    ) -> Result<Model, RuntimeError> {
        tell(progress, "Loading ONNX Runtime".to_owned(), 0);
        let loaded = environment::get(provider::preference(pack, options))?;
        let source = Source {
            pack,
            options,
            loaded,
            cancel,
        };
        let choice = provider::choose(pack, options, loaded, &mut |provider| {
            tell(progress, format!("Trying {provider}"), 5);
            measure::frame_time(&Model::open(&source, provider, &[], &mut |_| ())?)
        })?;
        let mut refusals = choice.passed_over;
        let (best, last) = split_last(&choice.candidates);
        for provider in best {
            match Model::open(&source, *provider, &refusals, progress) {
                Ok(model) => return Ok(model),
                Err(RuntimeError::Cancelled) => return Err(RuntimeError::Cancelled),
                // Whatever the reason: a broken pack fails again on the last one, whose error is then the answer.
                Err(error) => refusals.push(format!("not {provider}: {error}")),
            }
        }
        Model::open(&source, last, &refusals, progress)
    }

    fn open(
        source: &Source<'_>,
        provider: Provider,
        refusals: &[String],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Model, RuntimeError> {
        let left_to_cpu = Arc::new(LeftToCpu::default());
        Ok(Model {
            pack: source.pack.clone(),
            options: source.options.clone(),
            provider,
            provider_note: (!refusals.is_empty()).then(|| refusals.join("; ")),
            sessions: open_sessions(source, provider, &left_to_cpu, progress)?,
            left_to_cpu,
        })
    }

    /// Whether two graphs side by side, on half of the threads each, are faster than one after the other on all of them:
    /// on the CPU, where one graph seldom keeps several threads busy. A GPU is busy with one, and CUDA graphs are captured
    /// while nothing else is called.
    pub fn gains_by_pipelining(&self) -> bool {
        self.provider == Provider::Cpu && self.options.thread_count() > 1
    }

    /// The model with half of the threads for each graph, for running two side by side. It has its own copy of the
    /// weights, so a model of more than 256 MiB is returned as it is.
    ///
    /// # Errors
    /// As [`load_cancellable`](Self::load_cancellable).
    pub fn with_half_the_threads(self: &Arc<Self>, cancel: &OpenCancel) -> Result<Arc<Model>, RuntimeError> {
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
        Model::load_cancellable(&self.pack, &options, &mut |_| (), cancel)
    }

    /// What the pack says about itself.
    pub fn manifest(&self) -> &Manifest {
        self.pack.manifest()
    }

    /// What runs the graphs; never [`Provider::Auto`].
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// With [`Provider::Auto`]: why others were not taken; `None` if one was asked for.
    pub fn provider_note(&self) -> Option<&str> {
        self.provider_note.as_deref()
    }

    /// Which nodes run on the CPU though another provider was asked for, except arithmetic on sizes; `None`: none. Known
    /// after the first frame for a provider that compiles graphs for the stream's tiles.
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

/// What models are made of, whatever the provider.
struct Source<'s> {
    pack: &'s Pack,
    options: &'s ModelOptions,
    loaded: &'static Loaded,
    cancel: &'s OpenCancel,
}

/// `candidates` is never empty.
fn split_last(candidates: &[Provider]) -> (&[Provider], Provider) {
    match candidates {
        [best @ .., last] => (best, *last),
        [] => (&[], Provider::Cpu),
    }
}

fn open_sessions(
    source: &Source<'_>,
    provider: Provider,
    left_to_cpu: &Arc<LeftToCpu>,
    progress: &mut dyn FnMut(Progress),
) -> Result<[GraphSession; 3], RuntimeError> {
    let mut open = |graph: Graph, percent| {
        tell(
            progress,
            format!("Loading {} on {provider}", graph.file_name()),
            percent,
        );
        let Source { pack, options, .. } = source;
        let opener = Opener {
            graph,
            provider,
            arithmetic: provider::arithmetic(provider, options.precision, pack.manifest(), graph)?,
            pack: (*pack).clone(),
            options: (*options).clone(),
            loaded: source.loaded,
            left_to_cpu: left_to_cpu.clone(),
        };
        GraphSession::open(opener, source.cancel)
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
