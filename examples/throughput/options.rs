//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use gstdloralvsr::restore::Settings;
use gstdloralvsr::runtime::{ModelOptions, log};
use lexopt::prelude::*;

use crate::arguments::{color_fix, frame_size};

pub const HELP: &str = "\
Restores frames of one size as fast as it can, and says how fast that was.

    throughput [options] WIDTHxHEIGHT

    --model PACK              the model pack by name or folder (default: the embedded one)
    --execution-provider P    auto, cpu, openvino, cuda, tensorrt, webgpu or tensorrt-rtx (default: auto)
    --precision P             auto, fp32, fp16, bf16 or int8 (default: auto)
    --device-id N             which of the provider's devices (default: 0)
    --intra-threads N         on the CPU (default: 0, all cores)
    --color-fix FIX           pack, none, adain or wavelet (default: pack)
    --tile-size PIXELS        of the restorer, in output pixels (default: the pack's)
    --frames N                that are measured (default: 100)
    --warm-up N               before that (default: 5)
    --idle MS                 pause before every frame, to see what idling costs (default: 0)
    --pipelined               two frames at a time, as in streams that are not live
    --log LEVEL               of ONNX Runtime: verbose, info, warning or error (default: warning)
    --json                    for programs
";

pub struct Options {
    pub width: usize,
    pub height: usize,
    pub model: Option<PathBuf>,
    pub runtime: ModelOptions,
    pub settings: Settings,
    pub frames: usize,
    pub warm_up: usize,
    pub idle: Duration,
    /// Two frames at a time.
    pub pipelined: bool,
    pub json: bool,
}

/// None: help was asked for.
pub fn parse(mut arguments: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    let (mut size, mut model) = (None, None);
    let (mut runtime, mut settings) = (ModelOptions::default(), Settings::default());
    let (mut frames, mut warm_up, mut idle, mut pipelined, mut json) = (100, 5, 0, false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("model") => model = Some(arguments.value()?.into()),
            Long("execution-provider") => runtime.provider = arguments.value()?.parse()?,
            Long("precision") => runtime.precision = arguments.value()?.parse()?,
            Long("device-id") => runtime.device_id = arguments.value()?.parse()?,
            Long("intra-threads") => runtime.intra_threads = arguments.value()?.parse()?,
            Long("color-fix") => settings.color_fix = arguments.value()?.parse_with(color_fix)?,
            Long("tile-size") => settings.tile_size = arguments.value()?.parse()?,
            Long("frames") => frames = arguments.value()?.parse_with(at_least_one)?,
            Long("warm-up") => warm_up = arguments.value()?.parse()?,
            Long("idle") => idle = arguments.value()?.parse()?,
            // `--flight` is the former name.
            Long("pipelined" | "flight") => pipelined = true,
            Long("log") => log::set_level(arguments.value()?.parse_with(level)?),
            Long("json") => json = true,
            Short('h') | Long("help") => return Ok(None),
            Value(value) if size.is_none() => size = Some(value.parse_with(frame_size)?),
            other => return Err(other.unexpected()),
        }
    }
    let (width, height) = size.ok_or("the size of the frames is missing, such as 320x180")?;
    Ok(Some(Options {
        width,
        height,
        model,
        runtime,
        settings,
        frames,
        warm_up,
        idle: Duration::from_millis(idle),
        pipelined,
        json,
    }))
}

fn level(text: &str) -> Result<log::Level, String> {
    match text {
        "verbose" => Ok(log::Level::Verbose),
        "info" => Ok(log::Level::Info),
        "warning" => Ok(log::Level::Warning),
        "error" => Ok(log::Level::Error),
        _ => Err(format!("{text:?} is none of verbose, info, warning and error")),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{text:?} is not a count of frames")),
    }
}
