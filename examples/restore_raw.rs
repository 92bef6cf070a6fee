//! Restores raw frames without GStreamer: packed RGB frames on standard input, four times as large ones on standard
//! output.
//!
//! ```text
//! ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - |
//!     cargo run --release --no-default-features --example restore_raw -- 320x180 |
//!     ffmpeg -f rawvideo -pix_fmt rgb24 -s 1280x720 -i - out.mkv
//! ```

#[path = "support/arguments.rs"]
mod arguments;

use std::error::Error;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use gstdloralvsr::pack::Pack;
use gstdloralvsr::restore::{Graphs, PixelLayout, PixelView, PixelViewMut, SCALE, Settings, Stream};
use gstdloralvsr::runtime::{Model, ModelOptions};
use lexopt::prelude::*;

use arguments::{color_fix, frame_size};

const HELP: &str = "\
Restores raw RGB frames from standard input to standard output, four times as large.

    restore_raw [options] WIDTHxHEIGHT

    --model PACK              the model pack by name or folder (default: the embedded one)
    --execution-provider P    auto, cpu, openvino, cuda, tensorrt, webgpu or tensorrt-rtx (default: auto)
    --precision P             auto, fp32, fp16, bf16 or int8 (default: auto)
    --color-fix FIX           pack, none, adain or wavelet (default: pack)
    --tile-size PIXELS        of the restorer, in output pixels (default: the pack's)
    --tile-overlap PIXELS     likewise
    --scene-threshold SCORE   0: no scene detection (default: the core's)
";

struct Options {
    width: usize,
    height: usize,
    model: Option<PathBuf>,
    runtime: ModelOptions,
    settings: Settings,
}

fn main() -> Result<(), Box<dyn Error>> {
    gstdloralvsr::runtime::telemetry::disable();
    let Some(options) = parse(lexopt::Parser::from_env())? else {
        print!("{HELP}");
        return Ok(());
    };
    let pack = match &options.model {
        Some(folder) => Pack::find(folder)?,
        None => Pack::embedded()?,
    };
    let model = Model::load(&pack, &options.runtime, &mut |_| {})?;
    let graphs: Arc<dyn Graphs> = model;
    let stream = Stream::new(graphs, pack.manifest(), options.settings)?;
    restore(stream, options.width, options.height)
}

/// None: help was asked for.
fn parse(mut arguments: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    let (mut size, mut model) = (None, None);
    let (mut runtime, mut settings) = (ModelOptions::default(), Settings::default());
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("model") => model = Some(arguments.value()?.into()),
            Long("execution-provider") => runtime.provider = arguments.value()?.parse()?,
            Long("precision") => runtime.precision = arguments.value()?.parse()?,
            Long("color-fix") => settings.color_fix = arguments.value()?.parse_with(color_fix)?,
            Long("tile-size") => settings.tile_size = arguments.value()?.parse()?,
            Long("tile-overlap") => settings.tile_overlap = arguments.value()?.parse()?,
            Long("scene-threshold") => settings.scene_threshold = arguments.value()?.parse()?,
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
    }))
}

fn restore(mut stream: Stream, width: usize, height: usize) -> Result<(), Box<dyn Error>> {
    let (mut input, mut output) = (BufReader::new(io::stdin().lock()), BufWriter::new(io::stdout().lock()));
    let mut frame = vec![0; width * height * 3];
    let mut restored = vec![0; frame.len() * SCALE * SCALE];
    let mut number = 0_u64;
    while read_frame(&mut input, &mut frame).map_err(|error| format!("frame {number}: {error}"))? {
        let view = PixelView::new(&frame, width, height, width * 3, PixelLayout::Rgb)?;
        let (width, height) = (width * SCALE, height * SCALE);
        let mut into = PixelViewMut::new(&mut restored, width, height, width * 3, PixelLayout::Rgb)?;
        stream.restore(&view, &mut into)?;
        output.write_all(&restored)?;
        number += 1;
    }
    Ok(output.flush()?)
}

/// Fills `frame`; false if the input ends before it.
fn read_frame(input: &mut impl Read, frame: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < frame.len() {
        match input.read(&mut frame[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the input ends in the middle of it",
                ));
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
