//! How fast the core restores frames of one size, without GStreamer: frames per second, time per stage, memory and
//! start-up time, for people or (`--json`) for programs.
//!
//! ```text
//! cargo run --release --no-default-features --example throughput -- 320x180
//! cargo run --release --no-default-features --example throughput -- --model PACK --execution-provider cuda --json 320x180
//! ```

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gstdloralvsr::pack::Pack;
use gstdloralvsr::restore::{ColorFix, Graphs, PixelLayout, PixelView, PixelViewMut, Report, SCALE, Settings, Stream};
use gstdloralvsr::runtime::{Model, ModelOptions, Provider};
use lexopt::prelude::*;
use serde_json::{Value, json};

const HELP: &str = "\
Restores frames of one size as fast as it can, and says how fast that was.

    throughput [options] WIDTHxHEIGHT

    --model FOLDER            the model pack (default: the embedded one)
    --execution-provider P    auto, cpu, cuda or tensorrt (default: auto)
    --device-id N             which GPU (default: 0)
    --intra-threads N         on the CPU (default: 0, all cores)
    --color-fix FIX           pack, none, adain or wavelet (default: pack)
    --tile-size PIXELS        of the restorer, in output pixels (default: the pack's)
    --frames N                that are measured (default: 100)
    --warm-up N               before that (default: 5)
    --idle MS                 pause before every frame, to see what idling costs (default: 0)
    --json                    for programs
";

/// Frames that are made before anything is measured, and given again and again.
const CLIP: usize = 16;

struct Options {
    width: usize,
    height: usize,
    model: Option<PathBuf>,
    runtime: ModelOptions,
    settings: Settings,
    frames: usize,
    warm_up: usize,
    idle: Duration,
    json: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let Some(options) = parse(lexopt::Parser::from_env())? else {
        print!("{HELP}");
        return Ok(());
    };
    let result = measure(&options, started)?;
    if options.json {
        println!("{result:#}");
    } else {
        print_text(&result);
    }
    Ok(())
}

/// None: help was asked for.
fn parse(mut arguments: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    let (mut size, mut model) = (None, None);
    let (mut runtime, mut settings) = (ModelOptions::default(), Settings::default());
    let (mut frames, mut warm_up, mut idle, mut json) = (100, 5, 0, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("model") => model = Some(arguments.value()?.into()),
            Long("execution-provider") => runtime.provider = arguments.value()?.parse()?,
            Long("device-id") => runtime.device_id = arguments.value()?.parse()?,
            Long("intra-threads") => runtime.intra_threads = arguments.value()?.parse()?,
            Long("color-fix") => settings.color_fix = arguments.value()?.parse_with(color_fix)?,
            Long("tile-size") => settings.tile_size = arguments.value()?.parse()?,
            Long("frames") => frames = arguments.value()?.parse_with(at_least_one)?,
            Long("warm-up") => warm_up = arguments.value()?.parse()?,
            Long("idle") => idle = arguments.value()?.parse()?,
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
        json,
    }))
}

fn frame_size(text: &str) -> Result<(usize, usize), String> {
    let sides = text
        .split_once('x')
        .map(|(width, height)| (width.parse(), height.parse()));
    match sides {
        Some((Ok(width), Ok(height))) if width > 0 && height > 0 => Ok((width, height)),
        _ => Err(format!("{text:?} is not a size such as 320x180")),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{text:?} is not a count of frames")),
    }
}

fn color_fix(text: &str) -> Result<ColorFix, String> {
    match text {
        "pack" => Ok(ColorFix::Pack),
        "none" => Ok(ColorFix::None),
        "adain" => Ok(ColorFix::AdaIn),
        "wavelet" => Ok(ColorFix::Wavelet),
        _ => Err("there are pack, none, adain and wavelet".to_owned()),
    }
}

fn measure(options: &Options, started: Instant) -> Result<Value, Box<dyn Error>> {
    let device = options.runtime.device_id;
    let gpu_before = gpu_memory(device);
    let pack = match &options.model {
        Some(folder) => Pack::open(folder)?,
        None => Pack::embedded()?,
    };
    let model = Model::load(&pack, &options.runtime, &mut |_| {})?;
    let loaded = started.elapsed();
    let (provider, note) = (model.provider(), model.provider_note().map(str::to_owned));
    let graphs: Arc<dyn Graphs> = model;
    let mut stream = Stream::new(graphs, pack.manifest(), options.settings.clone())?;
    let clip: Vec<Vec<u8>> = (0..CLIP)
        .map(|at| frame(options.width, options.height, there_and_back(at)))
        .collect();
    let mut output = vec![0; options.width * options.height * 3 * SCALE * SCALE];
    let mut restore = |at: usize| restore(&mut stream, &clip[at % CLIP], options, &mut output);

    let first = Instant::now();
    restore(0)?;
    let first = first.elapsed();
    for at in 1..=options.warm_up {
        restore(at)?;
    }
    let (cpu_before, wall) = (cpu_time(), Instant::now());
    let mut reports = Vec::with_capacity(options.frames);
    for at in 0..options.frames {
        std::thread::sleep(options.idle);
        reports.push(restore(1 + options.warm_up + at)?);
    }
    let (wall, cpu) = (
        wall.elapsed(),
        cpu_time().zip(cpu_before).map(|(after, before)| after - before),
    );
    // A tool of its own, and slow: asked when nothing is measured any more. ONNX Runtime gives nothing back before.
    let gpu = gpu_memory(device)
        .zip(gpu_before)
        .map(|(after, before)| after.saturating_sub(before));
    let busy: Duration = reports.iter().map(|report| report.timings.total).sum();
    let seconds = busy.as_secs_f64();
    let output_pixels = (options.width * options.height * SCALE * SCALE * options.frames) as f64;
    Ok(json!({
        "pack": pack.manifest().name,
        "provider": provider.to_string(),
        "provider_note": note,
        "size": [options.width, options.height],
        "intra_threads": options.runtime.intra_threads,
        "frames": options.frames,
        "frames_per_second": options.frames as f64 / seconds,
        "output_megapixels_per_second": output_pixels / 1e6 / seconds,
        "cpu_seconds_per_frame": cpu.map(|cpu| cpu / options.frames as f64),
        "wall_seconds": wall.as_secs_f64(),
        "stages_ms": stages(&reports),
        "scene_cuts": reports.iter().filter(|report| report.scene_cut).count(),
        "start_up_ms": { "model": milliseconds(loaded), "first_frame": milliseconds(first) },
        "peak_rss_mib": peak_rss(),
        "gpu_memory_mib": (provider != Provider::Cpu).then_some(gpu).flatten(),
    }))
}

fn restore(stream: &mut Stream, frame: &[u8], options: &Options, output: &mut [u8]) -> Result<Report, Box<dyn Error>> {
    let (width, height) = (options.width, options.height);
    let input = PixelView::new(frame, width, height, width * 3, PixelLayout::Rgb)?;
    let (width, height) = (width * SCALE, height * SCALE);
    let mut output = PixelViewMut::new(output, width, height, width * 3, PixelLayout::Rgb)?;
    Ok(stream.restore(&input, &mut output)?)
}

/// A clip that is played forwards and backwards has no cut where it begins again.
fn there_and_back(at: usize) -> usize {
    at.min(CLIP - at)
}

/// Waves of several lengths that move, with noise on them: tight RGB.
fn frame(width: usize, height: usize, time: usize) -> Vec<u8> {
    let mut noise = 0x9e37_79b9_u32.wrapping_add(time as u32);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (x, y) = ((x + 2 * time) as f32, (y + time) as f32);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (noise >> 28) as f32;
            let wave = |length: f32| (x / length).sin() * (y / (0.7 * length)).cos();
            let value = |channel: f32| 120.0 + 60.0 * wave(37.0 + channel) + 30.0 * wave(5.0 + channel) + grain;
            // The cast saturates.
            rgb.extend([0.0, 9.0, 21.0].map(|channel| value(channel) as u8));
        }
    }
    rgb
}

fn stages(reports: &[Report]) -> Value {
    let stage = |time: &dyn Fn(&Report) -> Duration| {
        let mut times: Vec<Duration> = reports.iter().map(time).collect();
        times.sort();
        let rank = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        json!({ "median": milliseconds(rank(0.5)), "p99": milliseconds(rank(0.99)) })
    };
    let other = |report: &Report| {
        let of = report.timings;
        of.total
            .saturating_sub(of.upscale + of.encode + of.restore + of.decode + of.color)
    };
    json!({
        "upscale": stage(&|report| report.timings.upscale),
        "encode": stage(&|report| report.timings.encode),
        "restore": stage(&|report| report.timings.restore),
        "decode": stage(&|report| report.timings.decode),
        "color": stage(&|report| report.timings.color),
        "other": stage(&other),
        "total": stage(&|report| report.timings.total),
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Of this process, MiB; none where the system does not say (no Linux).
fn peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

/// Seconds that all threads of this process have computed; none where the system does not say.
fn cpu_time() -> Option<f64> {
    /// Of Linux on every processor that ONNX Runtime has.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Fields are counted from after the program's name, which may have spaces: user time is the 12th, system the 13th.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>().ok()? + fields[12].parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

/// Memory in use on a GPU, by all processes, MiB; none where there is no NVIDIA driver.
fn gpu_memory(device: u32) -> Option<u64> {
    let output = Command::new("nvidia-smi")
        .args([
            "--query-gpu=memory.used",
            "--format=csv,noheader,nounits",
            "-i",
            &device.to_string(),
        ])
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn print_text(result: &Value) {
    let number = |value: &Value, digits: usize| match value.as_f64() {
        Some(value) => format!("{value:.digits$}"),
        None => "not known".to_owned(),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (width, height) = (&result["size"][0], &result["size"][1]);
    println!(
        "pack {} on {}, {width}x{height}, {} frames",
        text(&result["pack"]),
        text(&result["provider"]),
        result["frames"]
    );
    if let Some(note) = result["provider_note"].as_str() {
        println!("{note}");
    }
    println!("{} frames/s", number(&result["frames_per_second"], 2));
    println!("{} output MP/s", number(&result["output_megapixels_per_second"], 2));
    println!("{} s of CPU time a frame", number(&result["cpu_seconds_per_frame"], 4));
    println!("{:<10}{:>10}{:>10}", "ms", "median", "p99");
    for name in ["upscale", "encode", "restore", "decode", "color", "other", "total"] {
        let stage = &result["stages_ms"][name];
        println!(
            "{name:<10}{:>10}{:>10}",
            number(&stage["median"], 2),
            number(&stage["p99"], 2)
        );
    }
    let start_up = &result["start_up_ms"];
    println!(
        "start-up: model after {} ms, its first frame in {} ms",
        number(&start_up["model"], 0),
        number(&start_up["first_frame"], 0)
    );
    println!("peak memory: {} MiB", number(&result["peak_rss_mib"], 0));
    println!("GPU memory: {} MiB", number(&result["gpu_memory_mib"], 0));
}
