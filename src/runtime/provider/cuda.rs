//! NVIDIA GPUs through CUDA and cuDNN.

use ort::ep::{self, ExecutionProviderDispatch};

use super::{Setting, device_id};
use crate::pack::Precision;
use crate::runtime::RuntimeError;

/// The provider; `recorded`: as [`Setting::recorded`].
pub fn provider(setting: &Setting<'_>, recorded: bool) -> Result<ExecutionProviderDispatch, RuntimeError> {
    let half = setting.pack.manifest().precision == Precision::Fp16;
    let provider = ep::CUDA::default()
        .with_device_id(device_id(setting.options)?)
        // The exhaustive search may choose another algorithm in every process: parts of a video that are restored by
        // several processes would differ in their last bits, and the first frame takes seconds.
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        // Doubling the arena with every extension takes memory that the next tile size would need.
        .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested)
        // ONNX Runtime's default is TF32, with 10 bits of mantissa; an fp32 pack means fp32.
        .with_tf32(false)
        // Tensor cores take half precision in this layout; without it every convolution transposes twice.
        .with_prefer_nhwc(half)
        .with_fuse_conv_bias(true)
        .with_cuda_graph(recorded);
    Ok(provider.build().error_on_failure())
}
