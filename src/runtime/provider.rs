//! Execution providers and their options.

use std::fs;
use std::path::PathBuf;

use ort::ep::{self, ExecutionProviderDispatch};

use super::open::Shapes;
use super::{Library, ModelOptions, Provider, RuntimeError, nvidia};
use crate::pack::{Graph, Pack, Precision};
use crate::places::home_folder;

/// What a provider's options depend on.
pub(super) struct Setting<'a> {
    pub pack: &'a Pack,
    pub options: &'a ModelOptions,
    pub library: &'a Library,
    /// Of the inputs, for providers that compile a graph for one size.
    pub shapes: &'a Shapes,
    /// Whether the GPU is to record the kernels of a run and to replay them (a CUDA graph). A session does not open with
    /// it if some of its graph stays on the CPU.
    pub recorded: bool,
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
pub(super) fn execution_providers(
    provider: Provider,
    graph: Graph,
    setting: &Setting<'_>,
) -> Result<Vec<ExecutionProviderDispatch>, RuntimeError> {
    match provider {
        Provider::Auto | Provider::Cpu => Ok(Vec::new()),
        Provider::Cuda => {
            nvidia::prepare(provider, setting.library)?;
            Ok(vec![cuda(setting, setting.recorded)?])
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
    // Exactly the sizes of the tiles: an engine for a range is slower, and takes the memory of the largest.
    let profile = profile(setting.shapes);
    let provider = ep::TensorRT::default()
        .with_device_id(device_id(setting.options)?)
        .with_fp16(setting.pack.manifest().precision == Precision::Fp16)
        .with_engine_cache(true)
        .with_engine_cache_path(&path)
        .with_engine_cache_prefix(engine_prefix(graph, setting.shapes))
        .with_profile_min_shapes(&profile)
        .with_profile_opt_shapes(&profile)
        .with_profile_max_shapes(&profile)
        .with_timing_cache(true)
        .with_timing_cache_path(&path)
        .with_context_memory_sharing(true)
        .with_cuda_graph(setting.recorded);
    Ok(provider.build().error_on_failure())
}

/// Shapes as TensorRT's options have them: `latent:1x4x90x160,guide:1x3x90x160`.
fn profile(shapes: &Shapes) -> String {
    let dimensions = |shape: &[i64]| shape.iter().map(i64::to_string).collect::<Vec<_>>().join("x");
    let inputs = shapes.iter();
    let inputs = inputs.map(|(name, shape)| format!("{}:{}", name.to_string_lossy(), dimensions(shape)));
    inputs.collect::<Vec<_>>().join(",")
}

/// Engines for two sizes of tiles are two files. All inputs follow from the size of one.
fn engine_prefix(graph: Graph, shapes: &Shapes) -> String {
    let size = shapes
        .first()
        .map(|(_, shape)| shape.iter().map(i64::to_string).collect::<Vec<_>>().join("x"));
    format!("{graph}-{}", size.unwrap_or_default())
}

/// As CUDA counts them.
pub(super) fn device_id(options: &ModelOptions) -> Result<i32, RuntimeError> {
    i32::try_from(options.device_id).map_err(|_| RuntimeError::ProviderUnavailable {
        provider: options.provider,
        reason: format!("there is no device {}", options.device_id),
        remedy: "set a smaller device-id".to_owned(),
    })
}

/// A folder of its own for everything that engines and timings depend on: an engine that another version, driver or GPU
/// made is not found, and hence built again, where ONNX Runtime would fail on it.
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
        Precision::Int8 => "int8",
    };
    let version = &setting.library.version;
    let path = cache.join("tensorrt").join(format!(
        "{}-{precision}-ort{version}-{}",
        setting.pack.id(),
        nvidia::versions(setting.options.device_id)
    ));
    fs::create_dir_all(&path).map_err(|source| RuntimeError::CacheDir {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::super::signature;
    use super::*;

    fn setting<'a>(pack: &'a Pack, options: &'a ModelOptions, library: &'a Library) -> Setting<'a> {
        static NONE: Shapes = Shapes::new();
        Setting {
            pack,
            options,
            library,
            shapes: &NONE,
            recorded: false,
        }
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
            folder
                .path()
                .join(format!("tensorrt/{}-int8-ort1.32.0-{}", pack.id(), nvidia::versions(0)))
        );
        assert!(path.is_dir());
    }

    #[test]
    fn every_input_has_a_profile_of_exactly_its_size() {
        let pack = Pack::embedded().unwrap();
        let restorer = signature::inputs(Graph::Restorer, pack.manifest(), [90, 160]);
        let latents = "latent:1x16x90x160,guide:1x3x90x160,latent_prev:1x16x90x160,guide_prev:1x3x90x160";
        assert_eq!(profile(&restorer), latents);
        assert_eq!(engine_prefix(Graph::Restorer, &restorer), "restorer-1x16x90x160");
        let decoder = signature::inputs(Graph::Decoder, pack.manifest(), [90, 160]);
        assert_eq!(profile(&decoder), "restored:1x16x90x160,frame:1x180x320x3");
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
