//! Runs a graph on a device: through page-locked host memory, which is copied several times as fast as other memory, into
//! tensors that stay where they are on the device, so that CUDA can record the graph's kernels once and replay them.
//!
//! Nothing here names CUDA: with the allocators of the CPU it does the same, which is how it is tested where there is no
//! GPU. On a GPU it has not been run yet.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, RunOptions, Session};

use ort::value::{
    DynTensor, DynValueRef, DynValueRefMut, PrimitiveTensorElementType, TensorElementType, Value, ValueType,
    ValueTypeMarker,
};

use super::run::{Input, Output};

/// Sets of shapes whose tensors are kept. A stream has one; a few streams of different sizes may share a model.
const KEPT: usize = 4;

/// The memory of one graph on a device.
pub(super) struct Device {
    /// Host memory for what goes to and comes from the device.
    host: Allocator,
    device: Allocator,
    /// The one used last at the end.
    bound: Vec<Bound>,
    /// How many graphs are recorded; they are numbered from 1.
    recorded: i32,
}

/// A graph's tensors of one set of shapes.
struct Bound {
    shapes: Vec<Vec<i64>>,
    inputs: Vec<Pair>,
    outputs: Vec<Pair>,
    binding: IoBinding,
    options: RunOptions,
}

/// One tensor on both sides.
struct Pair {
    host: DynTensor,
    device: DynTensor,
}

impl Device {
    /// Memory for `session` on the GPU `device_id`.
    pub fn cuda(session: &Session, device_id: i32) -> ort::Result<Device> {
        let allocator = |device, memory| {
            let info = MemoryInfo::new(device, device_id, AllocatorType::Device, memory)?;
            Allocator::new(session, info)
        };
        Ok(Device::new(
            allocator(AllocationDevice::CUDA_PINNED, MemoryType::CPUOutput)?,
            allocator(AllocationDevice::CUDA, MemoryType::Default)?,
        ))
    }

    fn new(host: Allocator, device: Allocator) -> Device {
        Device {
            host,
            device,
            bound: Vec::new(),
            recorded: 0,
        }
    }

    /// Runs the graph from and into the caller's memory.
    ///
    /// # Errors
    /// What ONNX Runtime says; also if the graph's outputs have other shapes than the given ones.
    pub fn run(&mut self, session: &mut Session, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) -> ort::Result<()> {
        let outcome = self
            .bound(session, inputs, outputs)
            .and_then(|bound| bound.run(session, inputs, outputs));
        if outcome.is_err() {
            // After running out of memory, keep none.
            self.bound.pop();
        }
        outcome
    }

    /// The tensors for these shapes, made if they are new.
    fn bound(&mut self, session: &Session, inputs: &[Input<'_>], outputs: &[Output<'_>]) -> ort::Result<&mut Bound> {
        let shapes: Vec<Vec<i64>> = inputs
            .iter()
            .map(|(_, value)| description(value).1)
            .chain(outputs.iter().map(|(_, value)| description(value).1))
            .collect();
        match self.bound.iter().position(|bound| bound.shapes == shapes) {
            Some(at) => self.bound[at..].rotate_left(1),
            None => {
                if self.bound.len() == KEPT {
                    self.bound.remove(0);
                }
                let bound = self.bind(session, shapes, inputs, outputs)?;
                self.bound.push(bound);
            }
        }
        // Both arms above leave the wanted one at the end.
        Ok(self.bound.last_mut().expect("one was just put there"))
    }

    fn bind(
        &mut self,
        session: &Session,
        shapes: Vec<Vec<i64>>,
        inputs: &[Input<'_>],
        outputs: &[Output<'_>],
    ) -> ort::Result<Bound> {
        let pair = |(element, shape): (TensorElementType, Vec<i64>)| -> ort::Result<Pair> {
            Ok(Pair {
                host: DynTensor::new(&self.host, element, shape.clone())?,
                device: DynTensor::new(&self.device, element, shape)?,
            })
        };
        let mut binding = session.create_binding()?;
        let (mut bound_inputs, mut bound_outputs) = (Vec::new(), Vec::new());
        for (name, value) in inputs {
            let pair = pair(description(value))?;
            binding.bind_input(name.to_string_lossy(), &pair.device)?;
            bound_inputs.push(pair);
        }
        for (name, value) in outputs {
            let mut pair = pair(description(value))?;
            binding.bind_output(name.to_string_lossy(), &mut pair.device)?;
            bound_outputs.push(pair);
        }
        let mut options = RunOptions::new()?;
        options.set("gpu_graph_id", self.next_graph().to_string())?;
        Ok(Bound {
            shapes,
            inputs: bound_inputs,
            outputs: bound_outputs,
            binding,
            options,
        })
    }

    /// The number of a graph to record, or −1 for none: ONNX Runtime keeps every recorded graph for good, so where sizes
    /// change only the first ones are recorded.
    fn next_graph(&mut self) -> i32 {
        if self.recorded == KEPT as i32 {
            return -1;
        }
        // ONNX Runtime's own default is 0.
        self.recorded += 1;
        self.recorded
    }
}

impl Bound {
    fn run(&mut self, session: &mut Session, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) -> ort::Result<()> {
        for (pair, (_, value)) in self.inputs.iter_mut().zip(inputs) {
            upload(value, &mut pair.host)?;
            pair.host.copy_into(&mut pair.device)?;
        }
        // Returns when the outputs are there.
        session.run_binding_with_options(&self.binding, &self.options)?;
        for (pair, (_, value)) in self.outputs.iter_mut().zip(outputs) {
            pair.device.copy_into(&mut pair.host)?;
            download(&pair.host, value)?;
        }
        Ok(())
    }
}

/// Element type and shape of what a caller gave as a tensor.
pub(super) fn description<T: ValueTypeMarker + ?Sized>(value: &Value<T>) -> (TensorElementType, Vec<i64>) {
    match value.dtype() {
        ValueType::Tensor { ty, shape, .. } => (*ty, shape.to_vec()),
        // Inputs and outputs are made by `GraphSession`, which makes only tensors.
        _ => (TensorElementType::Undefined, Vec::new()),
    }
}

fn upload(from: &DynValueRef<'_>, to: &mut DynTensor) -> ort::Result<()> {
    fn values<T: PrimitiveTensorElementType + Copy>(from: &DynValueRef<'_>, to: &mut DynTensor) -> ort::Result<()> {
        to.try_extract_tensor_mut::<T>()?
            .1
            .copy_from_slice(from.try_extract_tensor::<T>()?.1);
        Ok(())
    }
    match to.data_type() {
        TensorElementType::Uint8 => values::<u8>(from, to),
        _ => values::<f32>(from, to),
    }
}

fn download(from: &DynTensor, to: &mut DynValueRefMut<'_>) -> ort::Result<()> {
    fn values<T: PrimitiveTensorElementType + Copy>(from: &DynTensor, to: &mut DynValueRefMut<'_>) -> ort::Result<()> {
        to.try_extract_tensor_mut::<T>()?
            .1
            .copy_from_slice(from.try_extract_tensor::<T>()?.1);
        Ok(())
    }
    match from.data_type() {
        TensorElementType::Uint8 => values::<u8>(from, to),
        _ => values::<f32>(from, to),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use ort::value::{TensorRef, TensorRefMut};

    use super::super::environment;
    use super::super::library::Preference;
    use super::*;
    use crate::pack::{Form, Graph, GraphSource, Pack};

    #[test]
    fn bound_memory_gives_what_a_plain_call_gives_at_every_size() {
        let environment = &environment::get(Preference::Plain).unwrap().environment;
        let pack = Pack::embedded().unwrap();
        let GraphSource::Memory(bytes) = pack.graph(Graph::Encoder, Form::Plain) else {
            panic!("the embedded pack is in memory")
        };
        let mut session = Session::builder(environment)
            .unwrap()
            .commit_from_memory(bytes)
            .unwrap();
        let mut device = Device::new(Allocator::default(), Allocator::default());
        // More sizes than are kept, and some of them again.
        for (round, side) in [16, 24, 32, 40, 48, 16, 24, 16].into_iter().enumerate() {
            let frame = Array4::from_shape_fn((1, side, side + 8, 3), |(_, y, x, c)| (y * 7 + x * 3 + c + round) as u8);
            let run = |run: &mut dyn FnMut(&[Input<'_>], &mut [Output<'_>])| {
                let shape = |channels| (1, channels, side / 2, side / 2 + 4);
                let (mut latent, mut guide) = (Array4::<f32>::zeros(shape(16)), Array4::<f32>::zeros(shape(3)));
                let input = TensorRef::from_array_view(&frame).unwrap().into_dyn();
                let outputs = [(c"latent", latent.view_mut()), (c"guide", guide.view_mut())];
                let mut outputs =
                    outputs.map(|(name, view)| (name, TensorRefMut::from_array_view_mut(view).unwrap().into_dyn()));
                run(&[(c"frame", input)], &mut outputs);
                drop(outputs);
                (latent, guide)
            };
            let bound = run(&mut |inputs, outputs| device.run(&mut session, inputs, outputs).unwrap());
            let plain =
                run(&mut |inputs, outputs| super::super::run::run_into(&session, None, inputs, outputs).unwrap());
            assert_eq!(bound, plain, "side {side}");
            assert!(device.bound.len() <= KEPT);
        }
        assert_eq!(device.recorded, KEPT as i32, "graphs recorded where sizes come and go");
    }
}
