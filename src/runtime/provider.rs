//! Execution providers and their options.

use std::fs;
use std::path::PathBuf;

use ort::ep::{self, ExecutionProviderDispatch};

use super::library::home_folder;
use super::{Library, ModelOptions, Provider, RuntimeError, nvidia};
use crate::pack::{Graph, Pack, Precision};

/// What a provider's options depend on.
pub(super) struct Setting<'a> {
    pub pack: &'a Pack,
    pub options: &'a ModelOptions,
    pub library: &'a Library,
}

/// Who to try, best first: the one asked for, or all that `auto` stands for.
pub(super) fn candidates(provider: Provider) -> &'static [Provider] {
    match provider {
        Provider::Auto => &[Provider::Cuda, Provider::Cpu],
        Provider::Cpu => &[Provider::Cpu],
        Provider::Cuda => &[Provider::Cuda],
        Provider::TensorRt => &[Provider::TensorRt],
    }
}

/// What to register with a session for `graph`; nothing for the CPU, which always is. All of it has to register:
/// whoever asked for a GPU is told when there is none.
///
/// Single nodes may still be left to the CPU. ONNX Runtime's option against it (`session.disable_cpu_ep_fallback`)
/// refuses every graph of dynamic size, because the arithmetic on sizes belongs on the CPU; what it leaves there it
/// writes to its log as a warning.
///
/// `recorded` asks CUDA to record the kernels of a run and to replay them (a CUDA graph), which a session does not load
/// with if some of its graph stays on the CPU.
pub(super) fn execution_providers(
    provider: Provider,
    graph: Graph,
    setting: &Setting<'_>,
    recorded: bool,
) -> Result<Vec<ExecutionProviderDispatch>, RuntimeError> {
    match provider {
        Provider::Auto | Provider::Cpu => Ok(Vec::new()),
        Provider::Cuda => {
            nvidia::prepare(provider, setting.library)?;
            Ok(vec![cuda(setting, recorded)?])
        }
        Provider::TensorRt => {
            nvidia::prepare(provider, setting.library)?;
            Ok(vec![tensorrt(graph, setting)?, cuda(setting, false)?])
        }
    }
}

/// What to do when `provider` does not register though it is compiled in.
pub(super) fn remedy(provider: Provider) -> &'static str {
    match provider {
        Provider::Auto | Provider::Cpu => "install ONNX Runtime again with scripts/install.sh",
        Provider::Cuda => "install the CUDA and cuDNN versions that this ONNX Runtime needs (scripts/install.sh)",
        Provider::TensorRt => "install TensorRT 10 beside CUDA and cuDNN (the Python package tensorrt has it)",
    }
}

fn cuda(setting: &Setting<'_>, recorded: bool) -> Result<ExecutionProviderDispatch, RuntimeError> {
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

fn tensorrt(graph: Graph, setting: &Setting<'_>) -> Result<ExecutionProviderDispatch, RuntimeError> {
    let engines = engine_folder(setting)?;
    let path = engines.display();
    let provider = ep::TensorRT::default()
        .with_device_id(device_id(setting.options)?)
        .with_fp16(setting.pack.manifest().precision == Precision::Fp16)
        .with_engine_cache(true)
        .with_engine_cache_path(&path)
        .with_engine_cache_prefix(graph)
        .with_timing_cache(true)
        .with_timing_cache_path(&path)
        .with_context_memory_sharing(true);
    Ok(provider.build().error_on_failure())
}

/// As CUDA counts them.
pub(super) fn device_id(options: &ModelOptions) -> Result<i32, RuntimeError> {
    i32::try_from(options.device_id).map_err(|_| RuntimeError::ProviderUnavailable {
        provider: options.provider,
        reason: format!("there is no device {}", options.device_id),
        remedy: "set a smaller device-id".to_owned(),
    })
}

/// A folder of its own for everything that an engine depends on and ONNX Runtime does not put into its name. The
/// GPU's architecture and TensorRT's version are in the name.
fn engine_folder(setting: &Setting<'_>) -> Result<PathBuf, RuntimeError> {
    let cache = match &setting.options.cache_dir {
        Some(folder) => folder.clone(),
        None => home_folder("XDG_CACHE_HOME", ".cache")
            .ok_or(RuntimeError::NoCacheDir)?
            .join("dloralvsr"),
    };
    let precision = match setting.pack.manifest().precision {
        Precision::Fp32 => "fp32",
        Precision::Fp16 => "fp16",
    };
    let version = &setting.library.version;
    let path = cache
        .join("tensorrt")
        .join(format!("{}-{precision}-ort{version}", setting.pack.id()));
    fs::create_dir_all(&path).map_err(|source| RuntimeError::CacheDir {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting<'a>(pack: &'a Pack, options: &'a ModelOptions, library: &'a Library) -> Setting<'a> {
        Setting { pack, options, library }
    }

    fn library() -> Library {
        Library {
            path: "/lib/libonnxruntime.so".into(),
            version: "1.32.0".to_owned(),
        }
    }

    #[test]
    fn auto_never_builds_engines() {
        assert_eq!(candidates(Provider::Auto), [Provider::Cuda, Provider::Cpu]);
        assert_eq!(candidates(Provider::TensorRt), [Provider::TensorRt]);
    }

    #[test]
    fn engines_lie_by_pack_precision_and_version() {
        let folder = tempfile::tempdir().unwrap();
        let options = ModelOptions {
            cache_dir: Some(folder.path().to_owned()),
            ..ModelOptions::default()
        };
        let pack = Pack::embedded().unwrap();
        let path = engine_folder(&setting(&pack, &options, &library())).unwrap();
        assert_eq!(
            path,
            folder.path().join(format!("tensorrt/{}-fp32-ort1.32.0", pack.id()))
        );
        assert!(path.is_dir());
    }

    #[test]
    fn a_cache_folder_that_cannot_be_made_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let options = ModelOptions {
            cache_dir: Some(file),
            ..ModelOptions::default()
        };
        let pack = Pack::embedded().unwrap();
        let error = engine_folder(&setting(&pack, &options, &library())).unwrap_err();
        assert!(matches!(error, RuntimeError::CacheDir { .. }), "{error}");
        assert!(error.to_string().contains("cache-dir"), "{error}");
    }

    #[test]
    fn a_device_beyond_cuda_s_numbers_is_an_error() {
        let options = ModelOptions {
            device_id: u32::MAX,
            ..ModelOptions::default()
        };
        assert!(device_id(&options).unwrap_err().to_string().contains("4294967295"));
    }
}
