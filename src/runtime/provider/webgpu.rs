//! WebGPU as it is built into some ONNX Runtimes (the wheel `onnxruntime-webgpu`): any GPU with a Vulkan driver.

use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};

use super::{Setting, device_id};
use crate::runtime::RuntimeError;

/// Whether the loaded ONNX Runtime has it built in.
pub(super) fn is_built_in() -> bool {
    // An error means that ONNX Runtime cannot list its providers: then there is none.
    ep::WebGPU::is_available().unwrap_or(false)
}

/// The provider.
pub(super) fn provider(setting: &Setting<'_>) -> Result<ExecutionProviderDispatch, RuntimeError> {
    let provider = ep::WebGPU::default().with_device_id(device_id(setting.options)?);
    Ok(provider.build().error_on_failure())
}
