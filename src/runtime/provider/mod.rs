//! Execution providers: their names, the arithmetic in which they run a graph, and how a session gets them.

mod auto;
mod cuda;
mod engines;
mod names;
mod nvidia;
mod openvino;
mod plugin;
mod precision;
mod tensorrt;
mod trial;
mod webgpu;

use ort::session::builder::SessionBuilder;

pub use names::{Provider, UnknownProvider};
pub use precision::{Precision, UnknownPrecision};

pub(super) use auto::{choose, preference};
pub(super) use openvino::is_beside as has_openvino;
pub(super) use precision::{Arithmetic, arithmetic};

use super::environment::Loaded;
use super::open::Shapes;
use super::{ModelOptions, RuntimeError};
use crate::pack::{Graph, Pack};

/// What a provider's options depend on.
pub(super) struct Setting<'a> {
    pub pack: &'a Pack,
    pub options: &'a ModelOptions,
    pub loaded: &'static Loaded,
    pub arithmetic: Arithmetic,
    /// Of the inputs, for providers that compile a graph for one size.
    pub shapes: &'a Shapes,
    /// Whether the GPU is to record the kernels of a run and to replay them (a CUDA graph). A session does not open with
    /// it if some of its graph stays on the CPU.
    pub recorded: bool,
}

/// Adds to a session for `graph` what computes it; nothing for the CPU, which always is there. All of it has to register:
/// whoever asked for a provider is told when it cannot run.
///
/// Single nodes may still be left to the CPU. ONNX Runtime's option against it (`session.disable_cpu_ep_fallback`)
/// refuses every graph of dynamic size, because the arithmetic on sizes belongs on the CPU; what it leaves there it
/// writes to its log as a warning.
pub(super) fn attach(
    builder: SessionBuilder,
    provider: Provider,
    graph: Graph,
    setting: &Setting<'_>,
) -> Result<SessionBuilder, RuntimeError> {
    let library = &setting.loaded.library;
    let providers = match provider {
        Provider::Auto | Provider::Cpu => return Ok(builder),
        Provider::Cuda => {
            nvidia::prepare(provider, library)?;
            vec![cuda::provider(setting, setting.recorded)?]
        }
        Provider::TensorRt => {
            nvidia::prepare(provider, library)?;
            vec![tensorrt::provider(graph, setting)?, cuda::provider(setting, false)?]
        }
        Provider::OpenVino if openvino::is_built_in() => vec![openvino::provider(setting)?],
        Provider::WebGpu if webgpu::is_built_in() => vec![webgpu::provider(setting)?],
        Provider::OpenVino => return plugin::attach(builder, plugin::OPENVINO, setting),
        Provider::WebGpu => return plugin::attach(builder, plugin::WEBGPU, setting),
        Provider::TensorRtRtx => {
            nvidia::check_driver(provider)?;
            return plugin::attach(builder, plugin::TENSORRT_RTX, setting);
        }
    };
    builder
        .with_execution_providers(providers)
        .map_err(|error| refused(provider, setting.options.device_id, &error.to_string()))
}

/// The error of a provider that is there and does not join a session.
fn refused(provider: Provider, device: u32, message: &str) -> RuntimeError {
    if provider == Provider::OpenVino && device > 0 {
        let reason = format!(
            "OpenVINO's device {} cannot be used ({message})",
            openvino::device(device)
        );
        return unavailable(
            provider,
            reason,
            "set device-id to 0, which is the processor, or install the Intel GPU's OpenCL driver",
        );
    }
    unavailable(provider, message.to_owned(), remedy(provider))
}

/// Whether sessions of this provider are for inputs of one size each. CUDA takes every size, but then the restorer's arithmetic
/// on sizes runs on the CPU between its kernels, and CUDA cannot record it; with sizes that are known none is left.
pub(super) fn is_sized(provider: Provider) -> bool {
    match provider {
        Provider::Cuda | Provider::TensorRt | Provider::OpenVino | Provider::WebGpu => true,
        Provider::Auto | Provider::Cpu | Provider::TensorRtRtx => false,
    }
}

/// Whether graphs of this provider are compiled when the size of the stream's tiles is known, all side by side: where that
/// takes tenths of a second of one core each. TensorRT takes minutes, and times kernels, which others would disturb.
pub(super) fn compiles_with_the_stream(provider: Provider) -> bool {
    provider == Provider::OpenVino
}

/// Whether sessions of this provider may not be opened or run beside each other. WebGPU's share one device and one list of
/// commands without a lock: opened side by side they corrupt it (ONNX Runtime 1.27).
pub(super) fn runs_alone(provider: Provider) -> bool {
    provider == Provider::WebGpu
}

/// What to do when `provider` does not register though it is there.
fn remedy(provider: Provider) -> &'static str {
    match provider {
        Provider::Auto | Provider::Cpu => "install ONNX Runtime again with dloralvsr --install-runtime",
        Provider::Cuda => {
            "install the CUDA and cuDNN versions that this ONNX Runtime needs (dloralvsr --install-runtime)"
        }
        Provider::TensorRt => {
            "install TensorRT 10 beside CUDA and cuDNN (tensorrt-cu13-libs of NVIDIA's package index)"
        }
        Provider::OpenVino => "install it with dloralvsr --install-runtime --provider openvino",
        Provider::WebGpu => {
            "install it with dloralvsr --install-runtime --provider webgpu, and the GPU's Vulkan driver with \
             libvulkan.so.1"
        }
        Provider::TensorRtRtx => {
            "install it with dloralvsr --install-runtime --provider tensorrt-rtx; it runs on GeForce and RTX GPUs from \
             the 30 series on"
        }
    }
}

fn unavailable(provider: Provider, reason: String, remedy: &str) -> RuntimeError {
    RuntimeError::ProviderUnavailable {
        provider,
        reason,
        remedy: remedy.to_owned(),
    }
}

/// As ONNX Runtime takes it.
pub(super) fn device_id(options: &ModelOptions) -> Result<i32, RuntimeError> {
    i32::try_from(options.device_id).map_err(|_| no_device(options.provider, options.device_id))
}

fn no_device(provider: Provider, device: u32) -> RuntimeError {
    unavailable(
        provider,
        format!("there is no device {device}"),
        "set a smaller device-id",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_beyond_cuda_s_numbers_is_an_error() {
        let options = ModelOptions {
            device_id: u32::MAX,
            ..ModelOptions::default()
        };
        assert!(device_id(&options).unwrap_err().to_string().contains("4294967295"));
    }
}
