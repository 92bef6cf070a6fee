//! One graph of a pack in ONNX Runtime.

use std::ffi::CStr;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use ndarray::{ArrayViewMut4, CowArray, Ix4};
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{PrimitiveTensorElementType, TensorRef, TensorRefMut};

use super::device::Device;
use super::fair::FairMutex;
use super::provider::{self, Setting};
use super::run::{Input, Output};
use super::{ModelOptions, Provider, RuntimeError, log, run, signature};
use crate::pack::{Graph, GraphSource};
use crate::restore::{GraphError, GraphErrorKind};

/// A loaded graph. ONNX Runtime's sessions are not to be run by two threads at once, so calls queue up.
pub(super) struct GraphSession {
    graph: Graph,
    running: FairMutex<Running>,
}

struct Running {
    session: Session,
    /// None on the CPU, where graphs use the caller's memory as it is.
    device: Option<Device>,
}

impl GraphSession {
    /// Loads `graph` on `provider` and compares its inputs and outputs with the manifest.
    pub fn open(
        graph: Graph,
        provider: Provider,
        setting: &Setting<'_>,
        environment: &Environment,
    ) -> Result<Self, RuntimeError> {
        let pack = setting.pack;
        let refused = |message: String| RuntimeError::Graph {
            graph,
            pack: pack.location(),
            provider,
            message,
        };
        let open = |recorded: bool| -> Result<Session, RuntimeError> {
            let builder = configure(environment, setting.options).map_err(|error| refused(error.to_string()))?;
            let mut builder = builder
                .with_execution_providers(provider::execution_providers(provider, graph, setting, recorded)?)
                .map_err(|error| RuntimeError::ProviderUnavailable {
                    provider,
                    reason: error.to_string(),
                    remedy: provider::remedy(provider).to_owned(),
                })?;
            commit(&mut builder, pack.graph(graph)).map_err(refused)
        };
        let session = match provider {
            Provider::Cuda => open(true).or_else(|error| {
                // A graph of which some part stays on the CPU cannot be recorded.
                log::emit(log::Level::Info, &format!("{graph} runs without a CUDA graph: {error}"));
                open(false)
            }),
            _ => open(false),
        }?;
        signature::check(graph, pack.manifest(), session.inputs(), session.outputs()).map_err(|message| {
            RuntimeError::Signature {
                graph,
                pack: pack.location(),
                message,
            }
        })?;
        let device = match provider {
            Provider::Cuda | Provider::TensorRt => {
                let id = provider::device_id(setting.options)?;
                Some(Device::cuda(&session, id).map_err(|error| refused(error.to_string()))?)
            }
            Provider::Auto | Provider::Cpu => None,
        };
        Ok(GraphSession {
            graph,
            running: FairMutex::new(Running { session, device }),
        })
    }

    /// Runs the graph from and into the caller's memory, when all who asked before are done.
    pub fn run(&self, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) -> Result<(), GraphError> {
        let run = |Running { session, device }: &mut Running| match device {
            Some(device) => device.run(session, inputs, outputs),
            None => run::run_into(session, inputs, outputs),
        };
        self.running.with(run).map_err(|error| self.error(&error))
    }

    /// Borrowed memory for the graph to read.
    pub fn input<'v, T>(&self, name: &'static CStr, array: &'v CowArray<'_, T, Ix4>) -> Result<Input<'v>, GraphError>
    where
        T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
    {
        let tensor = TensorRef::from_array_view(array).map_err(|error| self.error(&error))?;
        Ok((name, tensor.into_dyn()))
    }

    /// Borrowed memory for the graph to write, in standard layout and of the shape that the format calls for.
    pub fn output<'v, T>(&self, name: &'static CStr, array: ArrayViewMut4<'v, T>) -> Result<Output<'v>, GraphError>
    where
        T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
    {
        let tensor = TensorRefMut::from_array_view_mut(array).map_err(|error| self.error(&error))?;
        Ok((name, tensor.into_dyn()))
    }

    /// A failure of ONNX Runtime, sorted by what a caller can do about it.
    fn error(&self, error: &ort::Error) -> GraphError {
        GraphError {
            graph: self.graph,
            kind: kind_of(error.code(), error.message()),
            message: error.to_string(),
        }
    }
}

fn configure(environment: &Environment, options: &ModelOptions) -> ort::Result<SessionBuilder> {
    Ok(Session::builder(environment)?
        .with_optimization_level(options.optimization_level.into())?
        // Given even where it is the default: left to itself, ONNX Runtime ties its threads to cores, also to those
        // that the process may not use or shares with another stream.
        .with_intra_threads(thread_count(options.intra_threads))?
        // Each of the three sessions has threads of its own, which would spin for their next task while another
        // session computes. A frame of 320×180 on two busy cores took 51 ms of CPU time without spinning, 156 ms with
        // it, and 91 ms with spinning ended after each run; and between the frames of a live stream nothing is spent.
        .with_intra_op_spinning(false)?)
}

fn thread_count(asked: u32) -> usize {
    match asked {
        0 => thread::available_parallelism().map_or(1, usize::from),
        // A usize holds a u32 on every platform with ONNX Runtime.
        count => count as usize,
    }
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

/// ONNX Runtime has hardly any codes for these; its messages have.
fn kind_of(code: ort::ErrorCode, message: &str) -> GraphErrorKind {
    const MEMORY: [&str; 5] = [
        "Failed to allocate memory",
        "out of memory",
        "bad_alloc",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED",
    ];
    const DEVICE: [&str; 5] = [
        "illegal memory access",
        "unspecified launch failure",
        "device-side assert",
        "uncorrectable ECC",
        "GPU is lost",
    ];
    /// Said of an output that has not the shape of the memory given for it, by newer and by older versions, and on
    /// its way back from a device.
    const SHAPE: [&str; 3] = [
        "but the computed output shape",
        "shape verification failed",
        "Tensor size mismatch",
    ];
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if code == ort::ErrorCode::DeviceReset || says(&DEVICE) {
        GraphErrorKind::DeviceLost
    } else if says(&MEMORY) {
        GraphErrorKind::OutOfMemory
    } else if says(&SHAPE) {
        GraphErrorKind::BadOutput
    } else {
        GraphErrorKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_sorted_by_what_can_be_done() {
        let kind = |message| kind_of(ort::ErrorCode::GenericFailure, message);
        assert_eq!(
            kind("CUDA failure 2: out of memory ; GPU=0"),
            GraphErrorKind::OutOfMemory
        );
        assert_eq!(
            kind("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 9"),
            GraphErrorKind::OutOfMemory
        );
        assert_eq!(
            kind("CUDA failure 700: an illegal memory access was encountered"),
            GraphErrorKind::DeviceLost
        );
        assert_eq!(kind_of(ort::ErrorCode::DeviceReset, ""), GraphErrorKind::DeviceLost);
        assert_eq!(
            kind("OrtValue shape verification failed. Current shape:{1,3,4,4} Requested shape:{1,3,5,5}"),
            GraphErrorKind::BadOutput
        );
        assert_eq!(kind("Got invalid dimensions for input: frame"), GraphErrorKind::Other);
    }

    #[test]
    fn all_cores_are_those_of_the_process() {
        assert_eq!(thread_count(0), thread::available_parallelism().unwrap().get());
        assert_eq!(thread_count(3), 3);
    }
}
