//! The providers by name.

use std::fmt;
use std::str::FromStr;

/// What runs the graphs: ONNX Runtime's execution providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Provider {
    /// The fastest of this machine: CUDA where there is an NVIDIA GPU; else OpenVINO or the CPU provider,
    /// whichever a trial finds faster. Never TensorRT: it builds its engines for minutes before the first frame, which
    /// nobody should get unasked.
    #[default]
    Auto,
    /// The processor, through ONNX Runtime's own kernels.
    Cpu,
    /// An NVIDIA GPU through CUDA and cuDNN.
    Cuda,
    /// An NVIDIA GPU through TensorRT, and CUDA for what TensorRT does not take.
    TensorRt,
    /// A processor of any maker, or an Intel GPU, through OpenVINO.
    OpenVino,
    /// Any GPU through Vulkan.
    WebGpu,
    /// A GeForce or RTX GPU through TensorRT for RTX, which needs no other package of NVIDIA's.
    TensorRtRtx,
}

impl Provider {
    const ALL: [Provider; 7] = [
        Provider::Auto,
        Provider::Cpu,
        Provider::Cuda,
        Provider::TensorRt,
        Provider::OpenVino,
        Provider::WebGpu,
        Provider::TensorRtRtx,
    ];

    fn name(self) -> &'static str {
        match self {
            Provider::Auto => "auto",
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
            Provider::OpenVino => "openvino",
            Provider::WebGpu => "webgpu",
            Provider::TensorRtRtx => "tensorrt-rtx",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Provider::ALL
            .into_iter()
            .find(|provider| provider.name() == text)
            .ok_or_else(|| UnknownProvider(text.to_owned()))
    }
}

/// A name that is no provider's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown execution provider {0:?}; there are auto, cpu, cuda, tensorrt, openvino, webgpu and tensorrt-rtx")]
pub struct UnknownProvider(String);
