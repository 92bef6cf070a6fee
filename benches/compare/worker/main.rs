//! The Rust side of `benches/compare`: waits for the number of frames to restore, a line of standard input each, and
//! says how many seconds they took. It computes nothing in between, so that it can take turns with other programs.
//!
//! ```text
//! compare_worker core|floor PACK PROVIDER THREADS CLIP WIDTHxHEIGHT
//! ```
//!
//! `core` is the restoration core as the element calls it. `floor` calls the same graphs, on tiles of the same sizes, one
//! after the other with nothing around them: what is left if everything else costs nothing.

mod floor;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use gstdloralvsr::pack::Pack;
use gstdloralvsr::restore::{PixelLayout, PixelView, PixelViewMut, SCALE, Settings, Stream};
use gstdloralvsr::runtime::{Model, ModelOptions, Provider};

/// What the command line says.
struct Options {
    pack: Pack,
    provider: Provider,
    threads: u32,
    /// Tight RGB, one frame after the other.
    frames: Vec<Vec<u8>>,
    width: usize,
    height: usize,
}

/// Restores one frame, by its number.
type Restore<'a> = Box<dyn FnMut(usize) -> Result<(), Box<dyn Error>> + 'a>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [method, pack, provider, threads, clip, size] = &arguments[..] else {
        return Err("compare_worker core|floor PACK PROVIDER THREADS CLIP WIDTHxHEIGHT".into());
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
        "core" => serve(core(&options)?),
        "floor" => serve(floor::prepare(&options)?),
        _ => Err("the method is core or floor".into()),
    }
}

/// Restores as many frames as each line of standard input says, and prints the seconds that they took.
fn serve(mut restore: Restore<'_>) -> Result<(), Box<dyn Error>> {
    restore(0)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let frames: usize = line?.trim().parse()?;
        let started = Instant::now();
        (0..frames).try_for_each(&mut restore)?;
        println!("{}", started.elapsed().as_secs_f64());
        io::stdout().flush()?;
    }
    Ok(())
}

/// Restores frame n of the clip, played again and again.
fn core(options: &Options) -> Result<Restore<'_>, Box<dyn Error>> {
    let runtime = ModelOptions {
        provider: options.provider,
        intra_threads: options.threads,
        ..ModelOptions::default()
    };
    let model = Model::load(&options.pack, &runtime, &mut |_| {})?;
    let mut stream = Stream::new(model, options.pack.manifest(), Settings::default())?;
    let (width, height) = (options.width, options.height);
    let mut output = vec![0; width * height * 3 * SCALE * SCALE];
    Ok(Box::new(move |at: usize| {
        let frame = &options.frames[at % options.frames.len()];
        let input = PixelView::new(frame, width, height, width * 3, PixelLayout::Rgb)?;
        let (width, height) = (width * SCALE, height * SCALE);
        let mut output = PixelViewMut::new(&mut output, width, height, width * 3, PixelLayout::Rgb)?;
        stream.restore(&input, &mut output)?;
        Ok(())
    }))
}
