//! The graphs alone: bound once to memory where the device wants it, and run.

use std::error::Error;
use std::thread;

use gstdloralvsr::pack::{EncoderInput, Form, Graph, GraphSource, Precision};
use gstdloralvsr::restore::plan::{TilePlan, padded_size};
use gstdloralvsr::restore::{Geometry, SCALE};
use gstdloralvsr::runtime::{Provider, find_library};
use ort::environment::Environment;
use ort::ep;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::{DynTensor, Tensor, TensorElementType};

use crate::{Options, Restore};

/// One graph, bound to memory of its own, and how often it runs for a frame.
struct Bound {
    session: Session,
    binding: IoBinding,
    runs: usize,
}

/// Runs every graph as often as restoring the frames does.
pub fn prepare(options: &Options) -> Result<Restore<'_>, Box<dyn Error>> {
    let environment = ort::init_from(find_library()?.path)?.build()?;
    let geometry = Geometry::try_from(options.pack.manifest())?;
    let factor = geometry.input_factor();
    let rules = [geometry.encoder, geometry.restorer, geometry.decoder];
    let (height, width) = padded_size(options.height.div_ceil(factor), options.width.div_ceil(factor), &rules);
    let mut graphs = Vec::new();
    for (graph, rule) in Graph::ALL.into_iter().zip(&rules) {
        graphs.push(bind(
            options,
            &geometry,
            &environment,
            graph,
            TilePlan::new(height, width, rule),
        )?);
    }
    Ok(Box::new(move |count| {
        for _ in 0..count {
            for Bound { session, binding, runs } in &mut graphs {
                for _ in 0..*runs {
                    session.run_binding(binding)?;
                }
            }
        }
        Ok(())
    }))
}

fn bind(
    options: &Options,
    geometry: &Geometry,
    environment: &Environment,
    graph: Graph,
    plan: TilePlan,
) -> Result<Bound, Box<dyn Error>> {
    let mut session = session(options, environment, graph)?;
    let [h, w] = plan.tile;
    let picture = |pixels: usize| (TensorElementType::Uint8, [1, h * pixels, w * pixels, 3]);
    let latent = |channels: usize| (TensorElementType::Float32, [1, channels, h, w]);
    let shape = |name: &str| match (graph, name) {
        (Graph::Encoder, "frame") if options.pack.manifest().encoder.input == EncoderInput::Upscaled => {
            picture(geometry.factor)
        }
        (_, "frame") => picture(geometry.input_factor()),
        (_, "picture") => picture(geometry.input_factor() * SCALE),
        (_, "guide" | "guide_prev") => latent(3),
        _ => latent(geometry.channels),
    };
    let names = |outlets: &[ort::value::Outlet]| -> Vec<String> {
        outlets.iter().map(|outlet| outlet.name().to_owned()).collect()
    };
    let (inputs, outputs) = (names(session.inputs()), names(session.outputs()));
    let allocator = allocator(options, &session)?;
    let mut binding = session.create_binding()?;
    for name in inputs {
        let (element, shape) = shape(&name);
        binding.bind_input(name, &filled(element, shape)?)?;
    }
    for name in outputs {
        let (element, shape) = shape(&name);
        binding.bind_output(name, DynTensor::new(&allocator, element, shape)?)?;
    }
    session.run_binding(&binding)?;
    Ok(Bound {
        session,
        binding,
        runs: plan.rows.len() * plan.columns.len(),
    })
}

/// With the settings of the runtime's own sessions.
fn session(options: &Options, environment: &Environment, graph: Graph) -> Result<Session, Box<dyn Error>> {
    let threads = match options.threads {
        0 => thread::available_parallelism()?.get(),
        count => count as usize,
    };
    let half = options.pack.manifest().precision == Precision::Fp16;
    let cuda = ep::CUDA::default()
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        .with_tf32(false)
        .with_prefer_nhwc(half);
    let providers = match options.provider {
        Provider::Cpu => Vec::new(),
        Provider::TensorRt => vec![
            ep::TensorRT::default().with_fp16(half).build().error_on_failure(),
            cuda.build().error_on_failure(),
        ],
        Provider::Cuda | Provider::Auto => vec![cuda.build().error_on_failure()],
        other => return Err(format!("the floor is known of cpu, cuda and tensorrt, and not of {other}").into()),
    };
    let mut builder = Session::builder(environment)?
        .with_intra_threads(threads)?
        .with_execution_providers(providers)?;
    let spinning = find_library()?.spinning();
    builder = builder.with_intra_op_spinning(spinning.is_some())?;
    if let Some(time) = spinning {
        builder = builder.with_config_entry("session.intra_op.spin_duration_us", time.as_micros().to_string())?;
    }
    let form = if options.provider == Provider::Cpu {
        Form::Int8
    } else {
        Form::Plain
    };
    Ok(match options.pack.graph(graph, form) {
        GraphSource::File(path) => builder.commit_from_file(path)?,
        GraphSource::Memory(bytes) => builder.commit_from_memory(bytes)?,
    })
}

/// Memory where the graphs compute.
fn allocator(options: &Options, session: &Session) -> Result<Allocator, Box<dyn Error>> {
    if options.provider == Provider::Cpu {
        return Ok(Allocator::default());
    }
    let device = MemoryInfo::new(AllocationDevice::CUDA, 0, AllocatorType::Device, MemoryType::Default)?;
    Ok(Allocator::new(session, device)?)
}

/// Bytes and values like those of pictures and latents; the time depends on nothing else.
fn filled(element: TensorElementType, shape: [usize; 4]) -> Result<DynTensor, Box<dyn Error>> {
    let count = shape.iter().product();
    Ok(if element == TensorElementType::Uint8 {
        let bytes: Vec<u8> = (0..count).map(|at: usize| (at % 251) as u8).collect();
        Tensor::from_array((shape, bytes))?.upcast()
    } else {
        let values: Vec<f32> = (0..count).map(|at: usize| (at % 97) as f32 / 48.0 - 1.0).collect();
        Tensor::from_array((shape, values))?.upcast()
    })
}
