//! The Rust side of `benches/compare`: waits for the number of frames to restore, a line of standard input each, and
//! says how many seconds they took. It computes nothing in between, so that it can take turns with other programs.
//!
//! ```text
//! compare_worker core|pipelined|floor PACK PROVIDER THREADS CLIP WIDTHxHEIGHT
//! ```
//!
//! `core` is the restoration core with one frame at a time, `pipelined` with two in flight. `floor` calls the same graphs,
//! on tiles of the same sizes, with nothing around them: what is left if everything else costs nothing.

mod floor;
#[path = "../../../examples/throughput/runner.rs"]
mod runner;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use std::{env, fs};

use gstdloralvsr::pack::Pack;
use gstdloralvsr::restore::Settings;
use gstdloralvsr::runtime::{Model, ModelOptions, Provider};
use runner::Runner;

/// What the command line says.
struct Options {
    pack: Pack,
    provider: Provider,
    threads: u32,
    /// Packed RGB, one frame after the other.
    frames: Vec<Vec<u8>>,
    width: usize,
    height: usize,
}

/// Restores so many frames of the clip, from its first one on, again and again.
type Restore<'a> = Box<dyn FnMut(usize) -> Result<(), Box<dyn Error>> + 'a>;
/// Makes the core, sequential or pipelined.
type MakeRunner = fn(&Arc<Model>, &Settings, usize, usize) -> Result<Runner, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    gstdloralvsr::runtime::telemetry::disable();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [method, pack, provider, threads, clip, size] = &arguments[..] else {
        return Err("compare_worker core|pipelined|floor PACK PROVIDER THREADS CLIP WIDTHxHEIGHT".into());
    };
    let (width, height) = size.split_once('x').ok_or("a size is WIDTHxHEIGHT")?;
    let (width, height) = (width.parse()?, height.parse()?);
    let clip = fs::read(clip)?;
    let options = Options {
        pack: Pack::open(Path::new(pack))?,
        provider: provider.parse()?,
        threads: threads.parse()?,
        frames: clip.chunks_exact(width * height * 3).map(<[u8]>::to_vec).collect(),
        width,
        height,
    };
    if options.frames.is_empty() {
        return Err("the clip has no whole frame of that size".into());
    }
    match method.as_str() {
        "core" => serve(core(&options, Runner::sequential)?),
        "pipelined" => serve(core(&options, Runner::pipelined)?),
        "floor" => serve(floor::prepare(&options)?),
        _ => Err("the method is core, pipelined or floor".into()),
    }
}

/// Restores as many frames as each line of standard input says, and prints the seconds that they took.
fn serve(mut restore: Restore<'_>) -> Result<(), Box<dyn Error>> {
    restore(1)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let frames: usize = line?.trim().parse()?;
        let started = Instant::now();
        restore(frames)?;
        println!("{}", started.elapsed().as_secs_f64());
        io::stdout().flush()?;
    }
    Ok(())
}

fn core(options: &Options, make: MakeRunner) -> Result<Restore<'_>, Box<dyn Error>> {
    let runtime = ModelOptions {
        provider: options.provider,
        intra_threads: options.threads,
        ..ModelOptions::default()
    };
    let model = Model::load(&options.pack, &runtime, &mut |_| {})?;
    let mut runner = make(&model, &Settings::default(), options.width, options.height)?;
    Ok(Box::new(move |count| {
        for frame in options.frames.iter().cycle().take(count) {
            runner.submit(frame)?;
        }
        runner.finish()?;
        Ok(())
    }))
}
