//! Opens the sessions of a graph.

use std::ffi::CStr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{RunOptions, Session};

use super::assignment::{self, LeftToCpu};
use super::device::Device;
use super::environment::Loaded;
use super::provider::{self, Arithmetic, Setting};
use super::run::{self, Input, Output};
use super::signature::names;
use super::{ModelOptions, OpenCancel, Provider, RuntimeError, log, signature};
use crate::pack::{Graph, GraphSource, Pack};

/// Names and shapes of a graph's inputs.
pub(super) type Shapes = Vec<(&'static CStr, Vec<i64>)>;

/// Everything that opening a session of a graph needs, also later.
pub(super) struct Opener {
    pub graph: Graph,
    pub provider: Provider,
    pub arithmetic: Arithmetic,
    pub pack: Pack,
    pub options: ModelOptions,
    pub loaded: &'static Loaded,
    /// Of the model.
    pub left_to_cpu: Arc<LeftToCpu>,
}

/// An open session.
pub(super) struct Opened {
    access: Access,
    /// What it takes; none: every size.
    shapes: Option<Shapes>,
}

/// By how many callers a session is run at a time.
enum Access {
    /// Any number, with the callers' memory as it is.
    Shared(Arc<Session>),
    /// One; on a device with memory of its own.
    Exclusive(Session, Option<Device>),
}

impl Opened {
    /// The session, if callers need not wait for each other.
    pub fn shared(&self) -> Option<Arc<Session>> {
        match &self.access {
            Access::Shared(session) => Some(session.clone()),
            Access::Exclusive(..) => None,
        }
    }

    /// Runs the graph from and into the caller's memory.
    pub fn run(
        &mut self,
        options: Option<&RunOptions>,
        inputs: &[Input<'_>],
        outputs: &mut [Output<'_>],
    ) -> ort::Result<()> {
        match &mut self.access {
            Access::Exclusive(session, Some(device)) => device.run(session, inputs, outputs),
            Access::Exclusive(session, None) => run::run_into(session, options, inputs, outputs),
            Access::Shared(session) => run::run_into(session, options, inputs, outputs),
        }
    }

    /// Whether the session takes inputs of these shapes.
    pub fn takes(&self, shapes: &Shapes) -> bool {
        self.shapes.as_ref().is_none_or(|own| {
            own.iter()
                .zip(shapes)
                .all(|(own, given)| own.0 == given.0 && of_one_tile(&own.1) == of_one_tile(&given.1))
        })
    }
}

/// The size of one tile of an input; their number no session has fixed.
fn of_one_tile(shape: &[i64]) -> &[i64] {
    shape.split_first().map_or(&[], |(_, size)| size)
}

impl Opener {
    /// Height and width for the first session, latent samples: that of the pack's tiles, or the least the graph takes if it
    /// is never cut.
    fn first_size(&self) -> [usize; 2] {
        let sizes = self.pack.manifest().sizes(self.graph);
        let side = match sizes.tile {
            0 => sizes.min.next_multiple_of(sizes.multiple),
            tile => tile,
        };
        [side, side]
    }

    /// Opens what can be opened before the first frame. OpenVINO compiles in a moment, but only for the size of the
    /// stream's tiles: for it the graph is read and its device asked for, and nothing is compiled.
    pub fn open_first(&self, cancel: &OpenCancel) -> Result<Option<Opened>, RuntimeError> {
        let shapes = signature::inputs(self.graph, self.pack.manifest(), self.first_size());
        if !provider::compiles_with_the_stream(self.provider) {
            return self.open(&shapes, cancel).map(Some);
        }
        self.builder(&shapes, false)?;
        let reader = self
            .configured()?
            .with_optimization_level(GraphOptimizationLevel::Disable);
        let mut reader = reader.map_err(|error| self.refused(error.to_string()))?;
        self.check(&self.commit(&mut reader, cancel)?, None)?;
        Ok(None)
    }

    /// Opens a session that takes inputs of these shapes; if the provider can, of every other size too.
    pub fn open(&self, shapes: &Shapes, cancel: &OpenCancel) -> Result<Opened, RuntimeError> {
        let session = match self.provider {
            Provider::Cuda | Provider::TensorRt => self.session(shapes, true, cancel).or_else(|error| {
                // A graph that leaves a part to the CPU cannot be recorded.
                let graph = self.graph;
                log::emit(log::Level::Info, &format!("{graph} runs without a CUDA graph: {error}"));
                self.session(shapes, false, cancel)
            }),
            _ => self.session(shapes, false, cancel),
        }?;
        let fixed = provider::is_sized(self.provider).then_some(shapes);
        self.check(&session, fixed)?;
        self.note_assignment(&session);
        let access = match self.provider {
            Provider::Cpu => Access::Shared(Arc::new(session)),
            Provider::Cuda | Provider::TensorRt => {
                let id = provider::device_id(&self.options)?;
                let device = Device::cuda(&session, id).map_err(|error| self.refused(error.to_string()))?;
                Access::Exclusive(session, Some(device))
            }
            _ => Access::Exclusive(session, None),
        };
        Ok(Opened {
            access,
            shapes: fixed.cloned(),
        })
    }

    /// Records what is left to the CPU though another provider was asked for.
    fn note_assignment(&self, session: &Session) {
        if self.provider == Provider::Cpu {
            return;
        }
        match assignment::left_to_cpu(session) {
            Ok(operators) => self.left_to_cpu.note(self.graph, operators),
            Err(error) => log::emit(
                log::Level::Warning,
                &format!("which provider runs {} is not known: {error}", self.graph),
            ),
        }
    }

    /// Compares inputs and outputs with the manifest; `fixed` are those of a session for one size.
    fn check(&self, session: &Session, fixed: Option<&Shapes>) -> Result<(), RuntimeError> {
        let (inputs, outputs) = (session.inputs(), session.outputs());
        signature::check(self.graph, self.pack.manifest(), fixed, inputs, outputs).map_err(|message| {
            RuntimeError::Signature {
                graph: self.graph,
                pack: self.pack.location(),
                message,
            }
        })
    }

    fn session(&self, shapes: &Shapes, recorded: bool, cancel: &OpenCancel) -> Result<Session, RuntimeError> {
        self.commit(&mut self.builder(shapes, recorded)?, cancel)
    }

    /// What a session for inputs of these shapes is made by.
    fn builder(&self, shapes: &Shapes, recorded: bool) -> Result<SessionBuilder, RuntimeError> {
        let setting = Setting {
            pack: &self.pack,
            options: &self.options,
            loaded: self.loaded,
            arithmetic: self.arithmetic,
            shapes,
            recorded,
        };
        let builder = self.configured()?;
        let builder = assignment::record(builder).map_err(|error| self.refused(error.to_string()))?;
        let builder = if provider::is_sized(self.provider) {
            fixed(builder, shapes).map_err(|error| self.refused(error.to_string()))?
        } else {
            builder
        };
        provider::attach(builder, self.provider, self.graph, &setting)
    }

    fn configured(&self) -> Result<SessionBuilder, RuntimeError> {
        configure(self.loaded, &self.options).map_err(|error| self.refused(error.to_string()))
    }

    fn commit(&self, builder: &mut SessionBuilder, cancel: &OpenCancel) -> Result<Session, RuntimeError> {
        cancel.watch(builder);
        let session = commit(builder, self.pack.graph(self.graph, self.arithmetic.form));
        session.map_err(|message| match cancel.is_cancelled() {
            true => RuntimeError::Cancelled,
            false => self.refused(message),
        })
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
