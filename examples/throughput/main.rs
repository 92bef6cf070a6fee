//! How fast the core restores frames of one size, without GStreamer: frames per second, time per stage, memory and
//! start-up time, for people or (`--json`) for programs.
//!
//! ```text
//! cargo run --release --no-default-features --example throughput -- 320x180
//! cargo run --release --no-default-features --example throughput -- --model PACK --execution-provider cuda --json 320x180
//! ```

#[path = "../support/arguments.rs"]
mod arguments;
mod clip;
mod options;
mod runner;
mod system;

use std::error::Error;
use std::time::{Duration, Instant};

use gstdloralvsr::pack::Pack;
use gstdloralvsr::restore::{Report, SCALE};
use gstdloralvsr::runtime::{Model, Provider, library_path};
use serde_json::{Value, json};

use options::{HELP, Options, parse};
use runner::Runner;
use system::{cpu_time, gpu_memory, peak_rss};

fn main() -> Result<(), Box<dyn Error>> {
    gstdloralvsr::runtime::telemetry::disable();
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

fn measure(options: &Options, started: Instant) -> Result<Value, Box<dyn Error>> {
    let device = options.runtime.device_id;
    let gpu_before = gpu_memory(device);
    let pack = match &options.model {
        Some(folder) => Pack::find(folder)?,
        None => Pack::embedded()?,
    };
    let model = Model::load(&pack, &options.runtime, &mut |_| {})?;
    let loaded = started.elapsed();
    let (provider, note) = (model.provider(), model.provider_note().map(str::to_owned));
    let clip = clip::make(options.width, options.height);
    let mut clip = clip.iter().cycle();
    let mut next = || clip.next().ok_or("the clip is empty");

    let first = Instant::now();
    let runner = if options.pipelined {
        Runner::pipelined
    } else {
        Runner::sequential
    };
    let mut runner = runner(&model, &options.settings, options.width, options.height)?;
    runner.submit(next()?)?;
    runner.finish()?;
    let first = first.elapsed();
    for _ in 0..options.warm_up {
        runner.submit(next()?)?;
    }
    runner.finish()?;
    let (cpu_before, wall) = (cpu_time(), Instant::now());
    for _ in 0..options.frames {
        std::thread::sleep(options.idle);
        runner.submit(next()?)?;
    }
    let reports = runner.finish()?;
    let (wall, cpu) = (
        wall.elapsed(),
        cpu_time().zip(cpu_before).map(|(after, before)| after - before),
    );
    // A slow tool of its own, so it is asked after the measurement. ONNX Runtime frees nothing before.
    let gpu = gpu_memory(device)
        .zip(gpu_before)
        .map(|(after, before)| after.saturating_sub(before));
    // Pipelined frames overlap, so this is the time from the first to the last, pauses included.
    let busy: Duration = reports.iter().map(|report| report.timings.total).sum();
    let seconds = if options.pipelined { wall } else { busy }.as_secs_f64();
    let output_pixels = (options.width * options.height * SCALE * SCALE * options.frames) as f64;
    Ok(json!({
        "pack": pack.manifest().name,
        "provider": provider.to_string(),
        "provider_note": note,
        "left_to_cpu": model.left_to_cpu(),
        "precision": options.runtime.precision.to_string(),
        "onnxruntime": library_path(),
        "size": [options.width, options.height],
        "intra_threads": options.runtime.intra_threads,
        "pipelined": options.pipelined,
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
    if let Some(nodes) = result["left_to_cpu"].as_str() {
        println!("left to the CPU: {nodes}");
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
