//! The enumerations of the properties, and what they are called in the core.

use gst::glib;

use crate::{pace, restore, runtime};

/// `execution-provider`: who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstDloralVsrExecutionProvider")]
pub enum ExecutionProvider {
    /// What this machine computes fastest on.
    #[default]
    #[enum_value(
        name = "CUDA on an NVIDIA GPU, else OpenVINO or the CPU, whichever a trial finds faster",
        nick = "auto"
    )]
    Auto,
    /// The processor.
    #[enum_value(name = "CPU", nick = "cpu")]
    Cpu,
    /// An NVIDIA GPU through CUDA.
    #[enum_value(name = "NVIDIA CUDA", nick = "cuda")]
    Cuda,
    /// An NVIDIA GPU through TensorRT.
    #[enum_value(name = "NVIDIA TensorRT", nick = "tensorrt")]
    TensorRt,
    /// A processor, or an Intel GPU, through OpenVINO.
    #[enum_value(name = "OpenVINO, on the processor (device 0) or an Intel GPU", nick = "openvino")]
    OpenVino,
    /// Any GPU through Vulkan.
    #[enum_value(name = "WebGPU, on any GPU with Vulkan", nick = "webgpu")]
    WebGpu,
    /// A GeForce or RTX GPU through TensorRT for RTX.
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
    /// The fastest that leaves the picture as it is.
    #[default]
    #[enum_value(name = "The fastest that is known to leave the picture as it is", nick = "auto")]
    Auto,
    /// 32-bit floating point.
    #[enum_value(name = "32-bit floating point", nick = "fp32")]
    Fp32,
    /// 16-bit floating point.
    #[enum_value(name = "16-bit floating point, of packs that were exported so", nick = "fp16")]
    Fp16,
    /// bfloat16 for products.
    #[enum_value(
        name = "Products in bfloat16, with openvino on processors that have it",
        nick = "bf16"
    )]
    Bf16,
    /// 8-bit integers.
    #[enum_value(
        name = "8-bit integers, with cpu and openvino, of packs that have this form",
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
    /// Graphs run as they are.
    #[enum_value(name = "Disable all optimization", nick = "disable-all")]
    DisableAll,
    /// Redundant nodes are taken out.
    #[enum_value(name = "Enable basic optimizations", nick = "enable-basic")]
    EnableBasic,
    /// Basic, and nodes are fused.
    #[enum_value(name = "Enable extended optimizations", nick = "enable-extended")]
    EnableExtended,
    /// Extended, and layouts are changed.
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
    /// What the pack names.
    #[default]
    #[enum_value(name = "What the model pack names", nick = "pack")]
    Pack,
    /// The model's own colours.
    #[enum_value(name = "The model's own colours", nick = "none")]
    None,
    /// Mean and deviation of each channel.
    #[enum_value(name = "Mean and deviation of each channel from the input", nick = "adain")]
    AdaIn,
    /// The lowest frequencies.
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
    /// `bypass` if upstream is live, else `wait`.
    #[default]
    #[enum_value(name = "bypass if upstream is live, else wait", nick = "auto")]
    Auto,
    /// Every frame is restored, however late.
    #[enum_value(name = "Restore every frame, however late", nick = "wait")]
    Wait,
    /// Of frames that would come late the bicubic pictures go out.
    #[enum_value(name = "Send the bicubic picture of what would come late", nick = "bypass")]
    Bypass,
    /// Frames that would come late are dropped.
    #[enum_value(name = "Drop what would come late", nick = "drop")]
    Drop,
    /// The name that `wait` had in 0.1.
    #[enum_value(name = "The former name of wait", nick = "stall")]
    Stall,
    /// The name that `bypass` had in 0.1.
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
