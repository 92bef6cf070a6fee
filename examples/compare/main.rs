//! Before and after in one picture: a video restored beside the same video enlarged by bicubic interpolation.
//!
//!     cargo run --release --example compare -- input.mp4 split.mkv                  # left half before, right half after
//!     cargo run --release --example compare -- --side-by-side input.mp4 both.mkv
//!     cargo run --release --example compare -- --frame 20 input.mp4 split.png       # one picture of it
//!     cargo run --release --example compare -- --profile input.mp4 profile.png
//!
//! A temporal profile is the middle row of every frame, one below the other: what flickers is ragged there. The upper
//! half is before, the lower one after. `--model NAME` takes another model.

mod picture;
mod pipeline;
mod reader;
mod writer;

use std::error::Error;

use lexopt::prelude::*;

use picture::Picture;
use reader::{Pair, Reader};
use writer::Writer;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Split,
    SideBySide,
    Profile,
}

struct Options {
    kind: Kind,
    /// Of a picture.
    frame: usize,
    model: String,
    input: String,
    output: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = parse(lexopt::Parser::from_env())?;
    gst::init()?;
    gstdloralvsr::plugin_register_static()?;
    let reader = Reader::open(&options.input, &options.model)?;
    let is_picture = options.output.ends_with(".png");
    let mut writer = None;
    let mut profile: [Vec<u8>; 2] = Default::default();
    let (mut number, mut width) = (0, 0);
    while let Some(Pair { before, after, time }) = reader.next()? {
        width = after.width;
        if options.kind == Kind::Profile {
            for (rows, picture) in profile.iter_mut().zip([&before, &after]) {
                let row = picture.height() / 2 * width * 3;
                rows.extend(&picture.pixels[row..row + width * 3]);
            }
        } else if !is_picture || number == options.frame {
            let both = match options.kind {
                Kind::SideBySide => Picture::side_by_side(&before, &after),
                _ => Picture::split(&before, &after),
            };
            let writer = match &writer {
                Some(writer) => writer,
                None => writer.insert(Writer::open(&options.output, &both, reader.rate()?)?),
            };
            writer.write(both, time)?;
            if is_picture {
                break;
            }
        }
        number += 1;
    }
    if options.kind == Kind::Profile {
        let both = Picture {
            pixels: profile.concat(),
            width,
        };
        let opened = Writer::open(&options.output, &both, gst::Fraction::new(25, 1))?;
        opened.write(both, gst::ClockTime::ZERO)?;
        writer = Some(opened);
    }
    let writer = writer.ok_or_else(|| format!("{} has no frame {}", options.input, options.frame))?;
    writer.finish()
}

fn parse(mut arguments: lexopt::Parser) -> Result<Options, lexopt::Error> {
    let (mut kind, mut frame, mut model, mut files) = (Kind::Split, 0, String::new(), Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("side-by-side") => kind = Kind::SideBySide,
            Long("profile") => kind = Kind::Profile,
            Long("frame") => frame = arguments.value()?.parse()?,
            Long("model") => model = arguments.value()?.string()?,
            Value(file) => files.push(file.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let [input, output] = <[String; 2]>::try_from(files).map_err(|_| "INPUT and OUTPUT are needed")?;
    if kind == Kind::Profile && !output.ends_with(".png") {
        return Err("a profile is a .png".into());
    }
    Ok(Options {
        kind,
        frame,
        model,
        input,
        output,
    })
}
