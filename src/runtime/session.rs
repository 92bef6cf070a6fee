//! One graph of a pack in ONNX Runtime.

use std::ffi::CStr;

use ndarray::{ArrayViewMut4, CowArray, Ix4};
use ort::session::RunOptions;
use ort::value::{PrimitiveTensorElementType, TensorRef, TensorRefMut};
use parking_lot::FairMutex;

use super::open::{Opened, Opener, Shapes};
use super::run::{Input, Output};
use super::{OpenCancel, RuntimeError, device, provider, run, signature};
use crate::pack::Graph;
use crate::restore::{GraphError, GraphErrorKind};

/// Sessions of one graph that are kept where every size of tiles needs its own.
const KEPT: usize = 2;

/// A loaded graph. On the CPU calls run side by side; those of other providers, which share memory on a device or are
/// recorded, queue up.
pub(super) struct GraphSession {
    graph: Graph,
    /// Whether nothing else of the process may run or be opened meanwhile.
    alone: bool,
    /// Fair: otherwise two streams that share a session would starve each other, since the one that has just finished a
    /// frame asks again at once.
    running: FairMutex<Running>,
}

/// Held while a session that must run alone is opened or run.
static ALONE: FairMutex<()> = FairMutex::new(());

struct Running {
    opener: Opener,
    /// The one used last at the end. One for all sizes, except with providers whose sessions are for one size each.
    opened: Vec<Opened>,
}

impl GraphSession {
    /// Loads the graph and compares its inputs and outputs with the manifest. TensorRT builds the engine for the pack's
    /// own tiles; those for other sizes follow with the first frame that needs them, as all of OpenVINO's do.
    pub fn open(opener: Opener, cancel: &OpenCancel) -> Result<Self, RuntimeError> {
        let alone = provider::runs_alone(opener.provider);
        let opened = exclusively(alone, || opener.open_first(cancel))?.into_iter().collect();
        Ok(GraphSession {
            graph: opener.graph,
            alone,
            running: FairMutex::new(Running { opener, opened }),
        })
    }

    /// Opens the session for tiles of `size`, height and width in latent samples, if it is one for a size and there is none.
    pub fn prepare(&self, size: [usize; 2]) -> Result<(), RuntimeError> {
        self.turn(|running| {
            let shapes = signature::inputs(self.graph, running.opener.pack.manifest(), size);
            running.session_of(&shapes).map(drop)
        })
    }

    /// Runs the graph from and into the caller's memory, but on the CPU when all who asked before are done. `options` may
    /// cancel it, on the CPU.
    pub fn run(
        &self,
        options: Option<&RunOptions>,
        inputs: &[Input<'_>],
        outputs: &mut [Output<'_>],
    ) -> Result<(), GraphError> {
        let shapes: Shapes = inputs
            .iter()
            .map(|(name, value)| (*name, device::description(value).1))
            .collect();
        let shared = self.turn(|running| {
            let opened = running.session_of(&shapes).map_err(|error| self.not_opened(&error))?;
            match opened.shared() {
                Some(session) => Ok(Some(session)),
                None => match opened.run(options, inputs, outputs) {
                    Ok(()) => Ok(None),
                    Err(error) => Err(self.error(&error)),
                },
            }
        })?;
        match shared {
            Some(session) => run::run_into(&session, options, inputs, outputs).map_err(|error| self.error(&error)),
            None => Ok(()),
        }
    }

    /// Does `work` when all who asked before are done.
    fn turn<R>(&self, work: impl FnOnce(&mut Running) -> R) -> R {
        exclusively(self.alone, || work(&mut self.running.lock()))
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

    /// A session for a stream's tiles that cannot be had.
    fn not_opened(&self, error: &RuntimeError) -> GraphError {
        GraphError {
            graph: self.graph,
            kind: GraphErrorKind::Other,
            message: error.to_string(),
        }
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

impl Running {
    /// The session that takes inputs of these shapes, opened if there is none.
    fn session_of(&mut self, shapes: &Shapes) -> Result<&mut Opened, RuntimeError> {
        match self.opened.iter().position(|opened| opened.takes(shapes)) {
            Some(at) => self.opened[at..].rotate_left(1),
            None => {
                if self.opened.len() == KEPT {
                    self.opened.remove(0);
                }
                self.opened.push(self.opener.open(shapes, &OpenCancel::default())?);
            }
        }
        // Both arms above leave the wanted one at the end.
        Ok(self.opened.last_mut().expect("one was just put there"))
    }
}

fn exclusively<R>(alone: bool, work: impl FnOnce() -> R) -> R {
    let _alone = alone.then(|| ALONE.lock());
    work()
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
}
