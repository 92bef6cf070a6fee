//! How a model is to be run.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;

use ort::session::builder::GraphOptimizationLevel;

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Provider {
    /// CUDA where it can run, else the CPU. Never TensorRT: it builds its engines for minutes before the first frame,
    /// which nobody should get without asking for it.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU through CUDA and cuDNN.
    Cuda,
    /// An NVIDIA GPU through TensorRT, and CUDA for what TensorRT does not take.
    TensorRt,
}

impl Provider {
    const ALL: [Provider; 4] = [Provider::Auto, Provider::Cpu, Provider::Cuda, Provider::TensorRt];

    fn name(self) -> &'static str {
        match self {
            Provider::Auto => "auto",
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
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
#[error("unknown execution provider {0:?}; there are auto, cpu, cuda and tensorrt")]
pub struct UnknownProvider(String);

/// How much ONNX Runtime rewrites a graph when it loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OptimizationLevel {
    /// Runs the graph as it is.
    Disable,
    /// Takes out what is redundant.
    Basic,
    /// Basic, and fuses nodes.
    Extended,
    /// Extended, and chooses memory layouts.
    #[default]
    All,
}

impl From<OptimizationLevel> for GraphOptimizationLevel {
    fn from(level: OptimizationLevel) -> Self {
        match level {
            OptimizationLevel::Disable => GraphOptimizationLevel::Disable,
            OptimizationLevel::Basic => GraphOptimizationLevel::Level1,
            OptimizationLevel::Extended => GraphOptimizationLevel::Level2,
            OptimizationLevel::All => GraphOptimizationLevel::All,
        }
    }
}

/// How a model is to be run. Models of the same pack with equal options share their sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ModelOptions {
    /// Who computes.
    pub provider: Provider,
    /// Which GPU, as CUDA counts them; the CPU ignores it.
    pub device_id: u32,
    /// Threads of a graph on the CPU; 0: as many as the process may use cores.
    pub intra_threads: u32,
    /// How much graphs are rewritten.
    pub optimization_level: OptimizationLevel,
    /// Where compiled engines are kept; `None`: `dloralvsr` in the user's cache folder.
    pub cache_dir: Option<PathBuf>,
}

impl ModelOptions {
    /// Threads of a graph on the CPU.
    pub(super) fn thread_count(&self) -> usize {
        match self.intra_threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            // A usize holds a u32 on every platform with ONNX Runtime.
            count => count as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cores_are_those_of_the_process() {
        let threads = |intra_threads| {
            let options = ModelOptions {
                intra_threads,
                ..ModelOptions::default()
            };
            options.thread_count()
        };
        assert_eq!(threads(0), thread::available_parallelism().unwrap().get());
        assert_eq!(threads(3), 3);
    }
}
