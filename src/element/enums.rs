//! The enumerations of the properties, and what they are called in the core. What a value means is its `name`, which
//! `gst-inspect-1.0` shows.

use gst::glib;

use crate::{pace, restore, runtime};

/// `execution-provider`: what runs the graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstDloralVsrExecutionProvider")]
pub enum ExecutionProvider {
    #[default]
    #[enum_value(
        name = "CUDA on an NVIDIA GPU, else OpenVINO or the CPU, whichever a trial finds faster",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "CPU", nick = "cpu")]
    Cpu,
    #[enum_value(name = "NVIDIA CUDA", nick = "cuda")]
    Cuda,
    #[enum_value(name = "NVIDIA TensorRT", nick = "tensorrt")]
    TensorRt,
    #[enum_value(name = "OpenVINO, on the processor (device 0) or an Intel GPU", nick = "openvino")]
    OpenVino,
    #[enum_value(name = "WebGPU, on any GPU with Vulkan", nick = "webgpu")]
    WebGpu,
    #[enum_value(name = "NVIDIA TensorRT for RTX", nick = "tensorrt-rtx")]
    TensorRtRtx,
}

impl From<ExecutionProvider> for runtime::Provider {
    fn from(provider: ExecutionProvider) -> Self {
        match provider {
            ExecutionProvider::Auto => Self::Auto,
            ExecutionProvider::Cpu => Self::Cpu,
            ExecutionProvider::Cuda => Self::Cuda,
            ExecutionProvider::TensorRt => Self::TensorRt,
            ExecutionProvider::OpenVino => Self::OpenVino,
            ExecutionProvider::WebGpu => Self::WebGpu,
            ExecutionProvider::TensorRtRtx => Self::TensorRtRtx,
        }
    }
}

/// `precision`: in which arithmetic graphs are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstDloralVsrPrecision")]
pub enum Precision {
    #[default]
    #[enum_value(name = "The fastest that is known to leave the picture as it is", nick = "auto")]
    Auto,
    #[enum_value(name = "32-bit floating point", nick = "fp32")]
    Fp32,
    #[enum_value(name = "16-bit floating point, with packs exported in it", nick = "fp16")]
    Fp16,
    #[enum_value(
        name = "Products in bfloat16, with openvino on processors that have it",
        nick = "bf16"
    )]
    Bf16,
    #[enum_value(
        name = "8-bit integers, with cpu and openvino and packs that have this form",
        nick = "int8"
    )]
    Int8,
}

impl From<Precision> for runtime::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Auto => Self::Auto,
            Precision::Fp32 => Self::Fp32,
            Precision::Fp16 => Self::Fp16,
            Precision::Bf16 => Self::Bf16,
            Precision::Int8 => Self::Int8,
        }
    }
}

/// `optimization-level`: how much ONNX Runtime rewrites the graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstDloralVsrOptimizationLevel")]
pub enum OptimizationLevel {
    #[enum_value(name = "Disable all optimization", nick = "disable-all")]
    DisableAll,
    #[enum_value(name = "Enable basic optimizations", nick = "enable-basic")]
    EnableBasic,
    #[enum_value(name = "Enable extended optimizations", nick = "enable-extended")]
    EnableExtended,
    #[default]
    #[enum_value(name = "Enable all optimizations", nick = "enable-all")]
    EnableAll,
}

impl From<OptimizationLevel> for runtime::OptimizationLevel {
    fn from(level: OptimizationLevel) -> Self {
        match level {
            OptimizationLevel::DisableAll => Self::Disable,
            OptimizationLevel::EnableBasic => Self::Basic,
            OptimizationLevel::EnableExtended => Self::Extended,
            OptimizationLevel::EnableAll => Self::All,
        }
    }
}

/// `color-fix`: how colours are brought back to the input's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstDloralVsrColorFix")]
pub enum ColorFix {
    #[default]
    #[enum_value(name = "What the model pack names", nick = "pack")]
    Pack,
    #[enum_value(name = "The model's own colours", nick = "none")]
    None,
    #[enum_value(name = "Mean and deviation of each channel from the input", nick = "adain")]
    AdaIn,
    #[enum_value(name = "Lowest frequencies from the input", nick = "wavelet")]
    Wavelet,
}

impl From<ColorFix> for restore::ColorFix {
    fn from(fix: ColorFix) -> Self {
        match fix {
            ColorFix::Pack => Self::Pack,
            ColorFix::None => Self::None,
            ColorFix::AdaIn => Self::AdaIn,
            ColorFix::Wavelet => Self::Wavelet,
        }
    }
}

/// `overload`: what to do with frames that would come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstDloralVsrOverload")]
pub enum Overload {
    #[default]
    #[enum_value(name = "bypass if upstream is live, else wait", nick = "auto")]
    Auto,
    #[enum_value(name = "Restore every frame, however late", nick = "wait")]
    Wait,
    #[enum_value(name = "Push the bicubic pictures of frames that would be late", nick = "bypass")]
    Bypass,
    #[enum_value(name = "Drop frames that would be late", nick = "drop")]
    Drop,
    #[enum_value(name = "The former name of wait", nick = "stall")]
    Stall,
    #[enum_value(name = "The former name of bypass", nick = "degrade")]
    Degrade,
}

impl Overload {
    /// What it means for an upstream that is live, or is not.
    pub fn policy(self, live: bool) -> pace::Policy {
        match self {
            Overload::Auto if live => pace::Policy::Bypass,
            Overload::Auto | Overload::Wait | Overload::Stall => pace::Policy::Wait,
            Overload::Bypass | Overload::Degrade => pace::Policy::Bypass,
            Overload::Drop => pace::Policy::Drop,
        }
    }
}
