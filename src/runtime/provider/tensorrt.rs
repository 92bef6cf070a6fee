//! NVIDIA GPUs through TensorRT, and where its engines are kept.

use std::fs;
use std::path::PathBuf;

use ort::ep::{self, ExecutionProviderDispatch};

use super::{Setting, device_id, nvidia};
use crate::pack::{Graph, Pack, Precision};
use crate::runtime::open::Shapes;
use crate::runtime::{ModelOptions, RuntimeError};

/// The provider for one graph at the sizes of `setting`.
pub fn provider(graph: Graph, setting: &Setting<'_>) -> Result<ExecutionProviderDispatch, RuntimeError> {
    let engines = engine_folder(setting.pack, setting.options, &setting.loaded.library.version)?;
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

/// A folder of its own for everything that engines and timings depend on: an engine that another version, driver or GPU
/// made is not found, and hence built again, where ONNX Runtime would fail on it.
fn engine_folder(pack: &Pack, options: &ModelOptions, version: &str) -> Result<PathBuf, RuntimeError> {
    let cache = options.cache_folder().ok_or(RuntimeError::NoCacheDir)?;
    let precision = match pack.manifest().precision {
        Precision::Fp32 => "fp32",
        Precision::Fp16 => "fp16",
        Precision::Int8 => "int8",
    };
    let path = cache.join("tensorrt").join(format!(
        "{}-{precision}-ort{version}-{}",
        pack.id(),
        nvidia::versions(options.device_id)
    ));
    fs::create_dir_all(&path).map_err(|source| RuntimeError::CacheDir {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::signature;

    #[test]
    fn engines_lie_by_pack_precision_and_version() {
        let folder = tempfile::tempdir().unwrap();
        let options = ModelOptions {
            cache_dir: Some(folder.path().to_owned()),
            ..ModelOptions::default()
        };
        let pack = Pack::embedded().unwrap();
        let path = engine_folder(&pack, &options, "1.32.0").unwrap();
        assert_eq!(
            path,
            folder
                .path()
                .join(format!("tensorrt/{}-fp32-ort1.32.0-{}", pack.id(), nvidia::versions(0)))
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
        let error = engine_folder(&pack, &options, "1.32.0").unwrap_err();
        assert!(matches!(error, RuntimeError::CacheDir { .. }), "{error}");
        assert!(error.to_string().contains("cache-dir"), "{error}");
    }
}
