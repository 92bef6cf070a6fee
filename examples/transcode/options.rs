//! The command line.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lexopt::prelude::*;

use crate::Failure;

pub const HELP: &str = "\
Restore a video at four times its width and height.

Usage: transcode [options] INPUT OUTPUT

OUTPUT's ending chooses the format: .mkv, .mp4, .mov (H.264) or .webm (VP9).
Audio is copied as it is where that format can hold it, else encoded anew. Frame
count, timestamps, pixel aspect ratio and colour description are kept; a picture
that the file asks players to turn is turned, since not every format can ask.
Ctrl-C ends the output at the current frame and leaves a playable file.

Options:
  -n, --frames N           restore only the first N frames, as a preview
  -f, --force              replace OUTPUT if it is there
      --crf N              quality of the encoded video, 0 (best) to 50; default 17
      --speed-preset NAME  x264's preset, ultrafast to placebo; default veryfast
  -h, --help               this text

Options of the restoration (see `gst-inspect-1.0 dloralvsr`):
      --model FOLDER       the model pack; default: the small one that is built in
      --provider NAME      auto, cpu, cuda or tensorrt; default auto
      --device-id N        which GPU
      --threads N          CPU threads; default: all cores
      --color-fix NAME     pack, none, adain or wavelet; default: what the pack says
      --tile-size N        tile of the restorer in output pixels; default: the pack's
      --tile-overlap N     overlap of its tiles in output pixels; default: the pack's
      --scene-threshold X  sensitivity to scene cuts, 0 switches them off
      --cache-dir FOLDER   where engines built for a GPU are kept

Exit status: 0 done, 1 failed, 2 the command line cannot work, 130 interrupted.
";

/// The element's properties that have an option of their own: (option, property).
const ELEMENT_OPTIONS: [(&str, &str); 9] = [
    ("model", "model"),
    ("provider", "execution-provider"),
    ("device-id", "device-id"),
    ("threads", "intra-threads"),
    ("color-fix", "color-fix"),
    ("tile-size", "tile-size"),
    ("tile-overlap", "tile-overlap"),
    ("scene-threshold", "scene-threshold"),
    ("cache-dir", "cache-dir"),
];

/// What the command line asks for.
pub enum Command {
    Help,
    Transcode(Options),
}

/// One property of the element, as the user wrote it.
pub struct ElementOption {
    /// The option's name without dashes, for messages.
    pub option: &'static str,
    pub property: &'static str,
    pub value: String,
}

pub struct Options {
    pub input: PathBuf,
    pub output: PathBuf,
    /// Restore only this many frames.
    pub frames: Option<u64>,
    /// x264's constant rate factor, 0 to 50.
    pub crf: u32,
    pub speed_preset: String,
    pub element: Vec<ElementOption>,
}

fn usage(message: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("{message}\nTry --help."))
}

pub fn parse(mut parser: lexopt::Parser) -> Result<Command, Failure> {
    let mut files = Vec::<OsString>::new();
    let mut force = false;
    let mut options = Options {
        input: PathBuf::new(),
        output: PathBuf::new(),
        frames: None,
        // Visually lossless on restored video; preset veryfast because restoring needs the processor more.
        crf: 17,
        speed_preset: "veryfast".to_owned(),
        element: Vec::new(),
    };
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('f') | Long("force") => force = true,
            Short('n') | Long("frames") => options.frames = Some(number(&mut parser, "--frames", 1, u64::MAX)?),
            Long("crf") => options.crf = number(&mut parser, "--crf", 0, 50)?,
            Long("speed-preset") => options.speed_preset = text(&mut parser)?,
            Long(name) => match ELEMENT_OPTIONS.iter().find(|(option, _)| *option == name) {
                Some(&(option, property)) => {
                    let value = text(&mut parser)?;
                    options.element.push(ElementOption {
                        option,
                        property,
                        value,
                    });
                }
                None => return Err(usage(format!("unknown option --{name}"))),
            },
            Value(file) => files.push(file),
            other => return Err(usage(other.unexpected())),
        }
    }
    let [input, output] = <[OsString; 2]>::try_from(files)
        .map_err(|files| usage(format!("two files are needed, INPUT and OUTPUT; {} given", files.len())))?;
    options.input = input.into();
    options.output = output.into();
    check_files(&options.input, &options.output, force)?;
    Ok(Command::Transcode(options))
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Failure> {
    parser.value().and_then(|value| value.string()).map_err(usage)
}

fn number<T>(parser: &mut lexopt::Parser, option: &str, least: T, most: T) -> Result<T, Failure>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let written = text(parser)?;
    match written.parse::<T>() {
        Ok(value) if value >= least && value <= most => Ok(value),
        _ => Err(usage(format!(
            "{option} {written}: a whole number from {least} to {most} is needed"
        ))),
    }
}

/// Refuse what would lose a file, before anything is opened.
fn check_files(input: &Path, output: &Path, force: bool) -> Result<(), Failure> {
    let source = std::fs::metadata(input)
        .map_err(|error| Failure::Usage(format!("the input {} cannot be read: {error}", input.display())))?;
    if !source.is_file() {
        return Err(Failure::Usage(format!("the input {} is not a file", input.display())));
    }
    let folder = match output.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Failure::Usage(format!(
            "there is no folder {} to write into: create it",
            folder.display()
        )));
    }
    let Ok(present) = std::fs::metadata(output) else {
        return Ok(());
    };
    if present.is_dir() {
        return Err(Failure::Usage(format!(
            "the output {} is a folder: name a file",
            output.display()
        )));
    }
    if (present.dev(), present.ino()) == (source.dev(), source.ino()) {
        return Err(Failure::Usage(
            "input and output are the same file: choose another output".to_owned(),
        ));
    }
    if !force {
        let output = output.display();
        return Err(Failure::Usage(format!(
            "{output} exists: add --force to replace it, or choose another name"
        )));
    }
    Ok(())
}
