//! NVIDIA GPUs through TensorRT.

use ort::ep::{self, ExecutionProviderDispatch};

use super::{Setting, device_id, engines};
use crate::pack::{Graph, Precision};
use crate::runtime::RuntimeError;
use crate::runtime::open::Shapes;

/// The provider for one graph at the sizes of `setting`.
pub fn provider(graph: Graph, setting: &Setting<'_>) -> Result<ExecutionProviderDispatch, RuntimeError> {
    let folder = engines::folder(
        "tensorrt",
        setting.pack,
        setting.options,
        &setting.loaded.library.version,
    )?;
    let path = folder.display();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Pack;
    use crate::runtime::signature;

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
}
