//! OpenVINO as it is built into its own ONNX Runtime (the wheel `onnxruntime-openvino`): processors of any maker, and
//! Intel's GPUs.

use std::path::Path;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider as _, ExecutionProvider as _, ExecutionProviderDispatch};

use super::Setting;
use crate::runtime::RuntimeError;

/// What lies beside a library that has it.
const PROVIDER_FILE: &str = "libonnxruntime_providers_openvino.so";

/// Whether the ONNX Runtime at this path has OpenVINO built in.
pub fn is_beside(library: &Path) -> bool {
    library.with_file_name(PROVIDER_FILE).is_file()
}

/// Whether the loaded one has.
pub(super) fn is_built_in() -> bool {
    // An error means that ONNX Runtime cannot list its providers: then there is none.
    ep::OpenVINO::is_available().unwrap_or(false)
}

/// The provider for sizes that the session is told.
pub(super) fn provider(setting: &Setting<'_>) -> Result<ExecutionProviderDispatch, RuntimeError> {
    let provider = ep::OpenVINO::default()
        .with_device_type(device(setting.options.device_id))
        .with_num_threads(setting.options.thread_count())
        // By itself it takes what the hardware likes best, which is bf16 on some.
        .with_arbitrary_config("load_config", configuration(setting.arithmetic.bf16));
    Ok(provider.build().error_on_failure())
}

/// As OpenVINO names it: the processor first, then its GPUs.
pub(super) fn device(id: u32) -> String {
    match id {
        0 => "CPU".to_owned(),
        id => format!("GPU.{}", id - 1),
    }
}

/// OpenVINO's own settings, in JSON.
pub(super) fn configuration(bf16: bool) -> String {
    let precision = if bf16 { "bf16" } else { "f32" };
    format!(r#"{{"CPU": {{"INFERENCE_PRECISION_HINT": "{precision}"}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_the_first_device() {
        assert_eq!(
            ["CPU", "GPU.0", "GPU.1"],
            [0, 1, 2].map(device).each_ref().map(String::as_str)
        );
    }

    #[test]
    fn the_configuration_is_json_of_openvino_s_keys() {
        let parsed: serde_json::Value = serde_json::from_str(&configuration(true)).unwrap();
        assert_eq!(parsed["CPU"]["INFERENCE_PRECISION_HINT"], "bf16");
    }
}
