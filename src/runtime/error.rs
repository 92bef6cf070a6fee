//! What can go wrong between a pack and a running model.

use std::io;
use std::path::PathBuf;

use super::{MINIMUM_VERSION, Precision, Provider};
use crate::pack::Graph;

/// Why a model cannot be run. Every message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No ONNX Runtime on the machine.
    #[error(
        "ONNX Runtime's library (libonnxruntime.so, version {MINIMUM_VERSION} or later) was not found; install it with \
         dloralvsr --install-runtime (in a checkout scripts/install.sh), or set ORT_DYLIB_PATH to the library's absolute \
         path. Looked in: {}",
        list(searched)
    )]
    LibraryNotFound {
        /// Where it was looked for, in order.
        searched: Vec<PathBuf>,
    },
    /// A file that the dynamic linker does not take.
    #[error(
        "{} cannot be loaded as a library ({reason}); install ONNX Runtime again with dloralvsr \
         --install-runtime (in a checkout scripts/install.sh), or set ORT_DYLIB_PATH to another library", path.display()
    )]
    LibraryNotLoadable {
        /// Which file.
        path: PathBuf,
        /// Of the dynamic linker.
        reason: String,
    },
    /// A library, but another one.
    #[error(
        "{} is a library, but not ONNX Runtime ({reason}); set ORT_DYLIB_PATH to libonnxruntime.so, or unset it and run \
         dloralvsr --install-runtime (in a checkout scripts/install.sh)", path.display()
    )]
    NotOnnxRuntime {
        /// Which file.
        path: PathBuf,
        /// What is missing in it.
        reason: String,
    },
    /// An ONNX Runtime that lacks functions used here.
    #[error(
        "{} is ONNX Runtime {found}, and {MINIMUM_VERSION} or later is needed; install a newer one with \
         dloralvsr --install-runtime (in a checkout scripts/install.sh), or set ORT_DYLIB_PATH to one", path.display()
    )]
    LibraryTooOld {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// The library is there, but does not start.
    #[error("ONNX Runtime ({}) could not be started: {message}", path.display())]
    Environment {
        /// Which file.
        path: PathBuf,
        /// In its own words.
        message: String,
    },
    /// The provider asked for cannot run here.
    #[error("the execution provider {provider} cannot run: {reason}; {remedy}, or choose cpu or auto")]
    ProviderUnavailable {
        /// Which one.
        provider: Provider,
        /// What is missing.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The provider, or the pack, does not have the arithmetic asked for.
    #[error(
        "the execution provider {provider} cannot run this pack in {precision}: {reason}, or set precision to auto"
    )]
    Precision {
        /// Which provider.
        provider: Provider,
        /// What was asked for.
        precision: Precision,
        /// Why not, and what to do.
        reason: String,
    },
    /// A graph that ONNX Runtime does not take.
    #[error("{} of the pack {pack} could not be loaded on {provider}: {message}", graph.file_name())]
    Graph {
        /// Which graph.
        graph: Graph,
        /// Where the pack is.
        pack: String,
        /// Who was to compute.
        provider: Provider,
        /// In ONNX Runtime's words.
        message: String,
    },
    /// Nobody waits for the model any more.
    #[error("opening the model was cancelled")]
    Cancelled,
    /// A model that opens, but does not restore a frame.
    #[error("{provider} could not restore a frame of a trial: {message}")]
    Trial {
        /// Who computed.
        provider: Provider,
        /// In ONNX Runtime's words.
        message: String,
    },
    /// A graph with other inputs or outputs than its manifest and the pack format say.
    #[error(
        "{} of the pack {pack} does not follow the pack format: {message}; export the pack again", graph.file_name()
    )]
    Signature {
        /// Which graph.
        graph: Graph,
        /// Where the pack is.
        pack: String,
        /// What is expected, and what was found.
        message: String,
    },
    /// The folder for compiled engines cannot be used.
    #[error("the cache folder {} cannot be used: {source}; set cache-dir to a folder that can be written", path.display())]
    CacheDir {
        /// Which folder.
        path: PathBuf,
        /// Of the system.
        source: io::Error,
    },
    /// No place for compiled engines is known.
    #[error("no cache folder is known (neither XDG_CACHE_HOME nor HOME is set); set cache-dir")]
    NoCacheDir,
}

fn list(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    texts.join(", ")
}
