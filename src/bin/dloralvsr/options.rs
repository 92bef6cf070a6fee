//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::prelude::*;

use crate::Failure;
use crate::output::VideoCodec;
use crate::range::{Range, time_of};
use crate::size::{OutputSize, box_of};
use crate::video::{DEINTERLACE, Deinterlace};

pub const HELP: &str = "\
Restore a video, up to four times as large.

Usage: dloralvsr [options] INPUT OUTPUT
       dloralvsr [options] INPUT... --out FOLDER
       dloralvsr --list-devices [--model NAME]
       dloralvsr --install-runtime [--provider NAME]

INPUT is a video, a still picture, or a sequence of PNG or JPEG pictures
(name%04d.png, with --fps). OUTPUT's ending chooses the format: .mkv, .mp4, .mov,
.webm, or .png for a still.
Audio, subtitles, chapters, cover, fonts, tags and languages are copied where
that format can hold them; audio and subtitles are converted where it holds
another kind. What it cannot hold is named before the work starts.
Frame count, timestamps, pixel aspect ratio and colour description are kept; a
picture that the file asks players to turn is turned, since not every format can
ask. A change of the picture's size in mid-file is fitted into the first size.
With --out every INPUT, a file or a folder of videos, is restored into FOLDER under
its name; what is there already is skipped, so that the same command goes on where it
was stopped.
The file under work is OUTPUT.part; OUTPUT appears when it is whole. Ctrl-C, a
full disk or an error leave what was restored in OUTPUT.part, which plays.

Size of the picture; default: four times the input's, of video at most 2160 lines:
      --scale X            X times the input's, at most 4
      --height N           N lines, in proportion
      --fit WxH            as large as fits into WxH, in proportion
      --size WxH           exactly WxH; pixels change their shape where that is
                           another proportion

Options:
      --start TIME         restore from here on; TIME is in seconds or h:mm:ss, from
                           the input's beginning
      --end TIME           restore up to here
  -n, --frames N           restore only N frames
      --preview N          restore N frames from all over the input and stop: of each
                           OUTPUT.preview-1-before.png (bicubic) and -restored.png,
                           without OUTPUT's ending; OUTPUT may be a folder
  -f, --force              replace OUTPUT if it is there and this program made it
      --resume             keep the work in OUTPUT.parts while it goes on; the same
                           command goes on there when it was interrupted
      --out FOLDER         restore into this folder; INPUTs may be many, and folders
      --format NAME        of files in it: mkv, mp4, mov or webm; default mkv
      --strict             refuse to work where something would be left out
      --stream N           restore the video stream of this number, as ffprobe
                           counts; default: the first that is no cover or still
      --fps RATE           pictures a second of a picture sequence
      --deinterlace NAME   auto (interlaced video becomes progressive, a frame for each
                           frame), off, on (whatever the file says), or field (a frame
                           for each field); default auto
      --codec NAME         h264, hevc, av1, vp9, prores (in .mov and .mkv) or ffv1
                           (lossless, in .mkv); default h264, of .webm vp9
      --crf N              quality of the encoded video, 0 (best) to 50; default 17.
                           On x264's scale; prores and ffv1 have one quality
      --speed-preset NAME  preset of x264 and x265, ultrafast to placebo; default
                           veryfast
      --hw NAME            auto: h264 and hevc by the machine's encoder in hardware
                           (NVENC, Quick Sync, VA-API) if it has one; off; default off.
                           Not with --resume
      --json               progress for other programs: one line of JSON a second, on
                           the standard output
      --list-devices       which execution providers this machine has, which of them
                           auto takes, how fast each is, and on which device
      --install-runtime    get ONNX Runtime for this user: what this machine computes
                           fastest with, or what the provider of --provider needs
  -h, --help               this text
  -V, --version            the program's version

Options of the restoration (see `gst-inspect-1.0 dloralvsr`):
      --model NAME         a model pack by name, or its folder; `tiny` is built in.
                           Default: auto, the best that needs at most ten minutes:
                           `large` on a GPU, `small`, `tiny`
      --provider NAME      execution provider: auto, cpu, openvino, cuda, tensorrt, webgpu
                           or tensorrt-rtx; default auto
      --precision NAME     auto, fp32, fp16, bf16 or int8; default auto
      --device-id N        which of the provider's devices
      --threads N          CPU threads; default: all cores
      --color-fix NAME     pack, none, adain or wavelet; default: what the pack says
      --tile-size N        tile of the restorer in output pixels; default: the pack's
      --tile-overlap N     overlap of its tiles in output pixels; default: the pack's
      --scene-threshold X  sensitivity to scene cuts, 0 switches them off
      --restore-interval N restore one frame in N, and give the others its detail: with
                           2 nearly twice as fast; default 1
      --temporal-blend S   share, up to 0.5, of the detail that a frame takes from the one
                           before it: steadier, and slower; default 0.5, of tiny 0
      --cache-dir FOLDER   where engines built for a GPU are kept

Exit status: 0 done, 1 failed, or the input is incomplete and OUTPUT holds what
could be read, 2 the command line or the files cannot work, 130 interrupted.
";

/// The element's properties that have an option of their own: (option, property).
const ELEMENT_OPTIONS: [(&str, &str); 12] = [
    ("model", "model"),
    ("provider", "execution-provider"),
    ("precision", "precision"),
    ("device-id", "device-id"),
    ("threads", "intra-threads"),
    ("color-fix", "color-fix"),
    ("tile-size", "tile-size"),
    ("tile-overlap", "tile-overlap"),
    ("scene-threshold", "scene-threshold"),
    ("restore-interval", "restore-interval"),
    ("temporal-blend", "temporal-blend"),
    ("cache-dir", "cache-dir"),
];

/// What the command line asks for.
pub enum Command {
    Help,
    Version,
    /// With this model.
    ListDevices(Option<String>),
    /// With what this provider needs.
    InstallRuntime(Option<String>),
    /// What `--list-devices` starts for each provider, with that model.
    TimeProvider(String, Option<String>),
    Restore(Box<Options>),
}

/// One property of the element, as the user wrote it.
#[derive(Clone)]
pub struct ElementOption {
    /// The option's name without dashes, for messages.
    pub option: &'static str,
    pub property: &'static str,
    pub value: String,
}

/// Several files into a folder.
#[derive(Clone)]
pub struct Batch {
    pub inputs: Vec<PathBuf>,
    pub folder: PathBuf,
    /// Ending of the outputs.
    pub format: String,
}

#[derive(Clone)]
pub struct Options {
    pub input: PathBuf,
    pub output: PathBuf,
    /// In place of both.
    pub batch: Option<Batch>,
    /// Replace the output if it is there.
    pub force: bool,
    /// Keep what is restored, and go on with what is there.
    pub resume: bool,
    /// Refuse to work where the output cannot hold everything.
    pub strict: bool,
    /// Progress for programs, on the standard output.
    pub json: bool,
    /// Number of the video stream to restore, as ffprobe counts.
    pub stream: Option<usize>,
    /// Pictures a second of a sequence.
    pub rate: Option<(i32, i32)>,
    pub size: OutputSize,
    pub range: Range,
    /// Pictures of so many frames in place of the work.
    pub preview: Option<u32>,
    /// Restore only this many frames.
    pub frames: Option<u64>,
    pub deinterlace: Deinterlace,
    /// Of the restored video; none: the container's usual one.
    pub codec: Option<VideoCodec>,
    /// x264's constant rate factor, 0 to 50.
    pub crf: u32,
    pub speed_preset: String,
    /// Encode in hardware where that can be.
    pub hardware: bool,
    pub element: Vec<ElementOption>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            input: PathBuf::new(),
            output: PathBuf::new(),
            batch: None,
            force: false,
            resume: false,
            strict: false,
            json: false,
            stream: None,
            rate: None,
            size: OutputSize::Usual,
            range: Range::default(),
            preview: None,
            frames: None,
            deinterlace: Deinterlace::default(),
            codec: None,
            // Visually lossless on restored video; preset veryfast because restoring needs the processor more.
            crf: 17,
            speed_preset: "veryfast".to_owned(),
            hardware: false,
            element: Vec::new(),
        }
    }
}

impl Options {
    /// What an option of the restoration was given, if it was.
    pub fn given(&self, option: &str) -> Option<&str> {
        let wanted = self.element.iter().rev().find(|wanted| wanted.option == option);
        wanted.map(|wanted| wanted.value.as_str())
    }

    /// Give an option of the restoration, in place of what was given.
    pub fn set(&mut self, option: &'static str, property: &'static str, value: &str) {
        self.element.push(ElementOption {
            option,
            property,
            value: value.to_owned(),
        });
    }

    /// Take the option of this name, and its value where it has one.
    fn take(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), Failure> {
        match name {
            "resume" => self.resume = true,
            "strict" => self.strict = true,
            "json" => self.json = true,
            "stream" => self.stream = Some(number(parser, "--stream", 0, usize::MAX)?),
            "fps" => self.rate = Some(rate(parser)?),
            "frames" => self.frames = Some(number(parser, "--frames", 1, u64::MAX)?),
            "preview" => self.preview = Some(number(parser, "--preview", 1, 1000)?),
            "start" => self.range.start = Some(time(parser, "--start")?),
            "end" => self.range.end = Some(time(parser, "--end")?),
            "scale" => self.size = OutputSize::Scale(scale(parser)?),
            "height" => self.size = OutputSize::Height(number(parser, "--height", 2, 16384)?),
            "fit" => self.size = picture(parser, "--fit").map(|(w, h)| OutputSize::Fit(w, h))?,
            "size" => self.size = picture(parser, "--size").map(|(w, h)| OutputSize::Exact(w, h))?,
            "deinterlace" => self.deinterlace = deinterlace(parser)?,
            "codec" => self.codec = Some(codec(parser)?),
            "crf" => self.crf = number(parser, "--crf", 0, 50)?,
            "speed-preset" => self.speed_preset = text(parser)?,
            "hw" => self.hardware = hardware(parser)?,
            name => match ELEMENT_OPTIONS.iter().find(|(option, _)| *option == name) {
                Some(&(option, property)) => self.set(option, property, &text(parser)?),
                None => return Err(usage(format!("unknown option --{name}"))),
            },
        }
        Ok(())
    }
}

fn usage(message: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("{message}\nTry --help."))
}

/// What is not an option of one run.
#[derive(Default)]
struct Request {
    files: Vec<OsString>,
    folder: Option<OsString>,
    format: Option<String>,
    lists: bool,
    installs: bool,
    /// The provider to be timed.
    timed: Option<String>,
}

pub fn parse(mut parser: lexopt::Parser) -> Result<Command, Failure> {
    let (mut options, mut request) = (Options::default(), Request::default());
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Short('f') | Long("force") => options.force = true,
            Long("list-devices") => request.lists = true,
            Long("install-runtime") => request.installs = true,
            Long("time-provider") => request.timed = Some(text(&mut parser)?),
            Long("out") => request.folder = Some(parser.value().map_err(usage)?),
            Long("format") => request.format = Some(ending(&mut parser)?),
            Short('n') => options.take("frames", &mut parser)?,
            Long(name) => {
                let name = name.to_owned();
                options.take(&name, &mut parser)?;
            }
            Value(file) => request.files.push(file),
            other => return Err(usage(other.unexpected())),
        }
    }
    request.command(options)
}

impl Request {
    /// What is asked for, with these options.
    fn command(self, mut options: Options) -> Result<Command, Failure> {
        if options.hardware && options.resume {
            return Err(usage(
                "--hw auto and --resume: segments of different encoders cannot be joined to one video; choose one of \
                 the two",
            ));
        }
        let given = |option: &str| options.given(option).map(str::to_owned);
        if let Some(provider) = self.timed {
            return Ok(Command::TimeProvider(provider, given("model")));
        }
        if self.lists {
            return Ok(Command::ListDevices(given("model")));
        }
        if self.installs {
            return Ok(Command::InstallRuntime(given("provider")));
        }
        if let Some(folder) = self.folder {
            options.batch = Some(Batch {
                inputs: self.files.into_iter().map(PathBuf::from).collect(),
                folder: folder.into(),
                format: self.format.unwrap_or_else(|| "mkv".to_owned()),
            });
            return Ok(Command::Restore(Box::new(options)));
        }
        if self.format.is_some() {
            return Err(usage("--format is for --out: OUTPUT's ending chooses the format"));
        }
        let [input, output] = <[OsString; 2]>::try_from(self.files).map_err(|files| {
            usage(format!(
                "two files are needed, INPUT and OUTPUT; {} given (many go into a folder: --out FOLDER)",
                files.len()
            ))
        })?;
        options.input = input.into();
        options.output = output.into();
        Ok(Command::Restore(Box::new(options)))
    }
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

/// Whether to encode in hardware.
fn hardware(parser: &mut lexopt::Parser) -> Result<bool, Failure> {
    match text(parser)?.as_str() {
        "auto" => Ok(true),
        "off" => Ok(false),
        written => Err(usage(format!("--hw {written}: auto or off is needed"))),
    }
}

/// Ending of a video file.
fn ending(parser: &mut lexopt::Parser) -> Result<String, Failure> {
    let written = text(parser)?;
    match ["mkv", "mp4", "mov", "webm"].contains(&written.as_str()) {
        true => Ok(written),
        false => Err(usage(format!("--format {written}: mkv, mp4, mov or webm is needed"))),
    }
}

/// Of the restored video.
fn codec(parser: &mut lexopt::Parser) -> Result<VideoCodec, Failure> {
    let written = text(parser)?;
    VideoCodec::named(&written).map_err(|cause| usage(format!("--codec {written}: {cause}")))
}

fn deinterlace(parser: &mut lexopt::Parser) -> Result<Deinterlace, Failure> {
    let written = text(parser)?;
    Deinterlace::named(&written).ok_or_else(|| {
        let names = DEINTERLACE.map(|(name, _)| name).join(", ");
        usage(format!("--deinterlace {written}: not known; one of {names}"))
    })
}

/// Times the input's size.
fn scale(parser: &mut lexopt::Parser) -> Result<f64, Failure> {
    let written = text(parser)?;
    let times = written.parse::<f64>().ok().filter(|times| (0.25..=4.0).contains(times));
    times.ok_or_else(|| usage(format!("--scale {written}: a number from 0.25 to 4 is needed")))
}

/// From the input's beginning, ns.
fn time(parser: &mut lexopt::Parser, option: &str) -> Result<i64, Failure> {
    let written = text(parser)?;
    time_of(&written).ok_or_else(|| {
        usage(format!(
            "{option} {written}: a time such as 90, 1:30 or 0:01:30.5 is needed"
        ))
    })
}

/// Width and height.
fn picture(parser: &mut lexopt::Parser, option: &str) -> Result<(u32, u32), Failure> {
    let written = text(parser)?;
    box_of(&written).ok_or_else(|| usage(format!("{option} {written}: a size such as 1920x1080 is needed")))
}

/// Pictures a second: a whole number, a fraction or a decimal.
fn rate(parser: &mut lexopt::Parser) -> Result<(i32, i32), Failure> {
    let written = text(parser)?;
    let rate = match written.split_once('/') {
        Some((numerator, denominator)) => numerator.parse().ok().zip(denominator.parse().ok()),
        // In thousandths.
        None => written
            .parse::<f64>()
            .ok()
            .map(|rate| ((rate * 1000.0).round() as i32, 1000)),
    };
    rate.filter(|(numerator, denominator)| *numerator > 0 && *denominator > 0)
        .ok_or_else(|| usage(format!("--fps {written}: a rate such as 25 or 30000/1001 is needed")))
}
