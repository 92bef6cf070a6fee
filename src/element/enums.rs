//! The enumerations of the properties, and what they are called in the core.

use gst::glib;

use crate::{pace, restore, runtime};

/// `execution-provider`: who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstDloralVsrExecutionProvider")]
pub enum ExecutionProvider {
    /// CUDA where it can run, else the CPU.
    #[default]
    #[enum_value(name = "CUDA where it can run, else the CPU", nick = "auto")]
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
}

impl From<ExecutionProvider> for runtime::Provider {
    fn from(provider: ExecutionProvider) -> Self {
        match provider {
            ExecutionProvider::Auto => Self::Auto,
            ExecutionProvider::Cpu => Self::Cpu,
            ExecutionProvider::Cuda => Self::Cuda,
            ExecutionProvider::TensorRt => Self::TensorRt,
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
    /// `degrade` if upstream is live, else `stall`.
    #[default]
    #[enum_value(name = "Degrade if upstream is live, else stall", nick = "auto")]
    Auto,
    /// Every frame is restored, however late.
    #[enum_value(name = "Restore every frame, however late", nick = "stall")]
    Stall,
    /// Frames that would come late are upscaled plainly.
    #[enum_value(name = "Upscale plainly what would come late", nick = "degrade")]
    Degrade,
    /// Frames that would come late are dropped.
    #[enum_value(name = "Drop what would come late", nick = "drop")]
    Drop,
}

impl Overload {
    /// What it means for an upstream that is live, or is not.
    pub fn policy(self, live: bool) -> pace::Policy {
        match self {
            Overload::Auto if live => pace::Policy::Degrade,
            Overload::Auto | Overload::Stall => pace::Policy::Stall,
            Overload::Degrade => pace::Policy::Degrade,
            Overload::Drop => pace::Policy::Drop,
        }
    }
}
