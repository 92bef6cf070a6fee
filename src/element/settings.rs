//! The writable properties: what they are, what they are set to, and what that means to the core.

use std::path::PathBuf;
use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

use super::enums::{ColorFix, ExecutionProvider, OptimizationLevel, Overload, Precision};
use crate::{restore, runtime};

/// Largest side of an output, in pixels: no tile is larger.
const MAX_TILE: u32 = 16_384;

/// Most threads of a graph: each costs memory and time to start, and no machine has more cores.
const MAX_THREADS: u32 = 1024;
/// Largest restore interval: over more frames too much has moved.
const MAX_INTERVAL: u32 = 8;
/// Largest share of a former frame's detail: with more, that frame would count for more than the one that is shown.
const MAX_BLEND: f64 = 0.5;
/// Longest time in ns that a frame may be given, an hour: sinks that are told to wait for centuries cannot be stopped.
const MAX_LATENCY: u64 = 3_600_000_000_000;

/// Values of the writable properties.
#[derive(Debug, Clone)]
pub struct Settings {
    model: Option<String>,
    execution_provider: ExecutionProvider,
    device_id: u32,
    precision: Precision,
    intra_threads: u32,
    optimization_level: OptimizationLevel,
    cache_dir: Option<String>,
    color_fix: ColorFix,
    tile_size: u32,
    tile_overlap: u32,
    scene_threshold: f64,
    /// One frame in so many is restored.
    pub restore_interval: u32,
    /// Share of the detail that a restored frame takes from the one before it.
    pub temporal_blend: f64,
    /// Whether frames that are bypassed for want of time have the detail of restored ones.
    pub propagate_detail: bool,
    /// What is done with frames that would come late.
    pub overload: Overload,
    /// Added to the answer of the LATENCY query.
    pub processing_latency: gst::ClockTime,
    /// Failures in a row that end the stream; 0: none do.
    pub max_errors: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            model: None,
            execution_provider: ExecutionProvider::default(),
            device_id: 0,
            precision: Precision::default(),
            intra_threads: 0,
            optimization_level: OptimizationLevel::default(),
            cache_dir: None,
            color_fix: ColorFix::default(),
            tile_size: 0,
            tile_overlap: 0,
            scene_threshold: restore::Settings::default().scene_threshold,
            restore_interval: 1,
            temporal_blend: 0.0,
            propagate_detail: true,
            overload: Overload::default(),
            processing_latency: gst::ClockTime::ZERO,
            max_errors: 5,
        }
    }
}

/// Which model is asked for.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The pack's name or folder; `None`: the embedded pack.
    pub model: Option<PathBuf>,
    /// How it is run.
    pub options: runtime::ModelOptions,
}

impl Settings {
    /// Takes the value of a writable property.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "model" => self.model = get(value),
            "execution-provider" => self.execution_provider = get(value),
            "device-id" => self.device_id = get(value),
            "precision" => self.precision = get(value),
            "intra-threads" => self.intra_threads = get(value),
            "optimization-level" => self.optimization_level = get(value),
            "cache-dir" => self.cache_dir = get(value),
            "color-fix" => self.color_fix = get(value),
            "tile-size" => self.tile_size = get(value),
            "tile-overlap" => self.tile_overlap = get(value),
            "scene-threshold" => self.scene_threshold = get(value),
            "restore-interval" => self.restore_interval = get(value),
            "temporal-blend" => self.temporal_blend = get(value),
            "propagate-detail" => self.propagate_detail = get(value),
            "overload" => self.overload = get(value),
            "processing-latency" => self.processing_latency = gst::ClockTime::from_nseconds(get(value)),
            "max-errors" => self.max_errors = get(value),
            // GObject passes on only names that `properties` lists as writable, and those are above.
            _ => unreachable!("property {name}"),
        }
    }

    /// The value of a writable property.
    pub fn value(&self, name: &str) -> glib::Value {
        match name {
            "model" => self.model.to_value(),
            "execution-provider" => self.execution_provider.to_value(),
            "device-id" => self.device_id.to_value(),
            "precision" => self.precision.to_value(),
            "intra-threads" => self.intra_threads.to_value(),
            "optimization-level" => self.optimization_level.to_value(),
            "cache-dir" => self.cache_dir.to_value(),
            "color-fix" => self.color_fix.to_value(),
            "tile-size" => self.tile_size.to_value(),
            "tile-overlap" => self.tile_overlap.to_value(),
            "scene-threshold" => self.scene_threshold.to_value(),
            "restore-interval" => self.restore_interval.to_value(),
            "temporal-blend" => self.temporal_blend.to_value(),
            "propagate-detail" => self.propagate_detail.to_value(),
            "overload" => self.overload.to_value(),
            "processing-latency" => self.processing_latency.nseconds().to_value(),
            "max-errors" => self.max_errors.to_value(),
            // As in `set`.
            _ => unreachable!("property {name}"),
        }
    }

    /// Which model these settings ask for.
    pub fn model_request(&self) -> ModelRequest {
        let path = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(PathBuf::from);
        ModelRequest {
            model: path(&self.model),
            options: runtime::ModelOptions {
                provider: self.execution_provider.into(),
                device_id: self.device_id,
                precision: self.precision.into(),
                intra_threads: self.intra_threads,
                optimization_level: self.optimization_level.into(),
                cache_dir: path(&self.cache_dir),
            },
        }
    }

    /// What the core is to do with the next frame.
    pub fn restore_settings(&self) -> restore::Settings {
        restore::Settings {
            color_fix: self.color_fix.into(),
            tile_size: self.tile_size,
            tile_overlap: self.tile_overlap,
            scene_threshold: self.scene_threshold,
        }
    }
}

/// A property's value in Rust.
fn get<T: for<'v> glib::value::FromValue<'v> + 'static>(value: &glib::Value) -> T {
    // GObject has checked the type against the property's specification before it calls `set_property`.
    value.get_owned().expect("a value of the property's type")
}

/// Every property; those that `is_fixed_while_running` says are taken when the element starts.
pub fn properties() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let mut properties = model_properties();
        properties.extend(running_properties());
        properties.extend(readings());
        properties
    });
    &PROPERTIES
}

/// Whether a property is taken when the element starts and cannot change until it stops.
pub fn is_fixed_while_running(pspec: &glib::ParamSpec) -> bool {
    pspec.flags().contains(gst::PARAM_FLAG_MUTABLE_READY)
}

fn model_properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("model")
            .nick("Model")
            .blurb(
                "Name of a model pack, or its folder; empty: the embedded pack `tiny`. Set while a stream runs, it is opened \
                 beside it and takes over between two frames",
            )
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("execution-provider", ExecutionProvider::default())
            .nick("Execution provider")
            .blurb("Execution provider of ONNX Runtime. Only `auto` falls back; any other that cannot run is an error")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("device-id")
            .nick("Device id")
            .blurb("Index of the provider's device; of openvino's the CPU is 0")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("precision", Precision::default())
            .nick("Precision")
            .blurb("Arithmetic of the graphs. One that the provider or the pack does not have is an error")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("intra-threads")
            .nick("Intra-op threads")
            .blurb(
                "CPU threads of a graph, half of them while two frames are in flight, with packs up to 256 MiB; \
                 0: all cores",
            )
            .maximum(MAX_THREADS)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("optimization-level", OptimizationLevel::default())
            .nick("Optimization level")
            .blurb("Graph optimizations of ONNX Runtime")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("cache-dir")
            .nick("Cache directory")
            .blurb("Folder for TensorRT's engines and the trials of `auto`; empty: the user's cache folder")
            .mutable_ready()
            .build(),
    ]
}

fn running_properties() -> Vec<glib::ParamSpec> {
    let defaults = Settings::default();
    vec![
        glib::ParamSpecEnum::builder_with_default("color-fix", ColorFix::default())
            .nick("Colour fix")
            .blurb("How the output's colours are matched to the input's")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("tile-size")
            .nick("Tile size")
            .blurb(
                "Side of the restorer's tiles in output pixels, rounded down to what the pack takes, and at least its \
                 smallest; 0: the pack's. Smaller tiles need less memory and more time",
            )
            .maximum(MAX_TILE)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("tile-overlap")
            .nick("Tile overlap")
            .blurb("Overlap of the restorer's tiles in output pixels; 0: the pack's")
            .maximum(MAX_TILE)
            .mutable_playing()
            .build(),
        glib::ParamSpecDouble::builder("scene-threshold")
            .nick("Scene threshold")
            .blurb("Difference between two frames above which the second begins a scene; 0: no scene detection")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(defaults.scene_threshold)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("restore-interval")
            .nick("Restore interval")
            .blurb(
                "Restore one frame in so many; the others are bicubic with the detail of that one, moved along the optical \
                 flow. 1: restore all",
            )
            .minimum(1)
            .maximum(MAX_INTERVAL)
            .default_value(defaults.restore_interval)
            .mutable_playing()
            .build(),
        glib::ParamSpecDouble::builder("temporal-blend")
            .nick("Temporal blend")
            .blurb(
                "Share of the detail that a restored frame takes from the restored frame before it, moved along the optical \
                 flow: steadier, and takes longer. 0: none",
            )
            .minimum(0.0)
            .maximum(MAX_BLEND)
            .default_value(defaults.temporal_blend)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("propagate-detail")
            .nick("Propagate detail")
            .blurb(
                "Whether frames that are bypassed because restoring is too slow have the detail of the last restored one, \
                 where there is time for that",
            )
            .default_value(defaults.propagate_detail)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("overload", Overload::default())
            .nick("Overload")
            .blurb("What to do with frames that would be late")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("processing-latency")
            .nick("Processing latency")
            .blurb("Latency in ns that the element adds to a live pipeline: the time that a frame has here")
            .maximum(MAX_LATENCY)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("max-errors")
            .nick("Maximum errors")
            .blurb(
                "Consecutive failures that end the stream with an error; until then failed frames go out bicubic, \
                 with a warning. 0: none do",
            )
            .default_value(defaults.max_errors)
            .mutable_playing()
            .build(),
    ]
}

fn readings() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder("window")
            .nick("Window")
            .blurb("Number of frames in the pack's window; 0 until the pack is open")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Frames in, out, restored, bypassed (with detail: propagated), dropped and late, scene cuts, ms of each \
                 stage, provider in use",
            )
            .read_only()
            .build(),
    ]
}
