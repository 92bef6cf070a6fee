//! How a model is to be run.

use std::path::PathBuf;
use std::thread;

use ort::session::builder::GraphOptimizationLevel;

use super::{Precision, Provider};
use crate::places::home_folder;

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
    /// What runs the graphs.
    pub provider: Provider,
    /// Which of the provider's devices; the CPU provider has one, and of OpenVINO's the processor is the first.
    pub device_id: u32,
    /// In which arithmetic.
    pub precision: Precision,
    /// Threads of a graph on the CPU; 0: as many as the process may use cores.
    pub intra_threads: u32,
    /// How much graphs are rewritten.
    pub optimization_level: OptimizationLevel,
    /// Where compiled engines and trials are kept; `None`: `dloralvsr` in the user's cache folder.
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

    /// The folder that `cache_dir` stands for; none where the user has no cache folder.
    pub(super) fn cache_folder(&self) -> Option<PathBuf> {
        match &self.cache_dir {
            Some(folder) => Some(folder.clone()),
            None => Some(home_folder("XDG_CACHE_HOME", ".cache")?.join("dloralvsr")),
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
