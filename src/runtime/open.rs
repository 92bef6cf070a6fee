//! Opens the sessions of a graph.

use std::ffi::CStr;
use std::panic::{self, AssertUnwindSafe};

use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::device::{self, Device};
use super::environment::Loaded;
use super::provider::{self, Arithmetic, Setting};
use super::run::Input;
use super::signature::names;
use super::{ModelOptions, Provider, RuntimeError, log, signature};
use crate::pack::{Graph, GraphSource, Pack};

/// Names and shapes of a graph's inputs.
pub(super) type Shapes = Vec<(&'static CStr, Vec<i64>)>;

/// What it takes to open a session of a graph, also later.
pub(super) struct Opener {
    pub graph: Graph,
    pub provider: Provider,
    pub arithmetic: Arithmetic,
    pub pack: Pack,
    pub options: ModelOptions,
    pub loaded: &'static Loaded,
}

/// An open session.
pub(super) struct Opened {
    pub session: Session,
    /// None on the CPU, where graphs use the caller's memory as it is.
    pub device: Option<Device>,
    /// What it takes; none: every size.
    shapes: Option<Shapes>,
}

impl Opened {
    /// Whether the session takes inputs of these shapes.
    pub fn takes(&self, inputs: &[Input<'_>]) -> bool {
        self.shapes.as_ref().is_none_or(|shapes| {
            let given = inputs.iter().map(|(_, value)| device::description(value).1);
            given.eq(shapes.iter().map(|(_, shape)| shape.clone()))
        })
    }
}

impl Opener {
    /// Height and width for the first session; latent samples. That of the pack's tiles, or the least the graph takes if it
    /// is never cut. With OpenVINO a small one, since it compiles that of the stream's own tiles in a moment; but not the
    /// least, of which it refuses to pool what is smaller than the pool.
    pub fn first_size(&self) -> [u32; 2] {
        const SMALL: u32 = 64;
        let sizes = self.pack.manifest().sizes(self.graph);
        let side = match (self.provider, sizes.tile) {
            (Provider::OpenVino, _) => sizes.min.max(SMALL).next_multiple_of(sizes.multiple),
            (_, 0) => sizes.min.next_multiple_of(sizes.multiple),
            (_, tile) => tile,
        };
        [side, side]
    }

    /// Opens a session that takes inputs of these shapes; if the provider can, of every other size too.
    pub fn open(&self, shapes: &Shapes) -> Result<Opened, RuntimeError> {
        let session = match self.provider {
            Provider::Cuda | Provider::TensorRt => self.session(shapes, true).or_else(|error| {
                // A graph of which some part stays on the CPU cannot be recorded.
                let graph = self.graph;
                log::emit(log::Level::Info, &format!("{graph} runs without a CUDA graph: {error}"));
                self.session(shapes, false)
            }),
            _ => self.session(shapes, false),
        }?;
        let fixed = provider::is_sized(self.provider).then_some(shapes);
        let (inputs, outputs) = (session.inputs(), session.outputs());
        signature::check(self.graph, self.pack.manifest(), fixed, inputs, outputs).map_err(|message| {
            RuntimeError::Signature {
                graph: self.graph,
                pack: self.pack.location(),
                message,
            }
        })?;
        let device = match self.provider {
            Provider::Cuda | Provider::TensorRt => {
                let id = provider::device_id(&self.options)?;
                Some(Device::cuda(&session, id).map_err(|error| self.refused(error.to_string()))?)
            }
            _ => None,
        };
        Ok(Opened {
            session,
            device,
            shapes: fixed.cloned(),
        })
    }

    fn session(&self, shapes: &Shapes, recorded: bool) -> Result<Session, RuntimeError> {
        let setting = Setting {
            pack: &self.pack,
            options: &self.options,
            loaded: self.loaded,
            arithmetic: self.arithmetic,
            shapes,
            recorded,
        };
        let builder = configure(self.loaded, &self.options).map_err(|error| self.refused(error.to_string()))?;
        let builder = if provider::is_sized(self.provider) {
            fixed(builder, shapes).map_err(|error| self.refused(error.to_string()))?
        } else {
            builder
        };
        let mut builder = provider::attach(builder, self.provider, self.graph, &setting)?;
        commit(&mut builder, self.pack.graph(self.graph, self.arithmetic.form)).map_err(|message| self.refused(message))
    }

    fn refused(&self, message: String) -> RuntimeError {
        RuntimeError::Graph {
            graph: self.graph,
            pack: self.pack.location(),
            provider: self.provider,
            message,
        }
    }
}

fn configure(loaded: &Loaded, options: &ModelOptions) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(&loaded.environment)?
        .with_optimization_level(options.optimization_level.into())?
        // Given even where it is the default: left to itself, ONNX Runtime ties its threads to cores, also to those
        // that the process may not use or shares with another stream.
        .with_intra_threads(options.thread_count())?;
    let spinning = loaded.library.spinning();
    let builder = builder.with_intra_op_spinning(spinning.is_some())?;
    match spinning {
        Some(time) => Ok(builder.with_config_entry("session.intra_op.spin_duration_us", time.as_micros().to_string())?),
        None => Ok(builder),
    }
}

/// Gives the sizes that exports leave free their values, by the names that exports give them. A graph of other names keeps
/// them free.
fn fixed(mut builder: SessionBuilder, shapes: &Shapes) -> ort::Result<SessionBuilder> {
    for (name, shape) in shapes {
        let (sizes, axes) = if *name == names::FRAME {
            (["frame_height", "frame_width"], [1, 2])
        } else {
            (["height", "width"], [2, 3])
        };
        for (size, axis) in sizes.into_iter().zip(axes) {
            builder = builder.with_dimension_override(size, shape[axis])?;
        }
    }
    Ok(builder)
}

fn commit(builder: &mut SessionBuilder, source: GraphSource<'_>) -> Result<Session, String> {
    // ort panics on inputs and outputs of types that it does not know (opaque ones, for example), which a pack may
    // have. The builder is dropped after a failure, so no broken state is seen.
    let result = panic::catch_unwind(AssertUnwindSafe(|| match source {
        GraphSource::File(path) => builder.commit_from_file(path),
        GraphSource::Memory(bytes) => builder.commit_from_memory(bytes),
    }));
    match result {
        Ok(session) => session.map_err(|error| error.to_string()),
        Err(_) => Err("it has inputs or outputs of types that are not tensors".to_owned()),
    }
}
