//! Restores video files: file in, file out, up to four times as large.
//!
//! ```text
//! dloralvsr input.mp4 output.mkv
//! ```
//!
//! What a production program has to mind beside the element itself: every frame with its own timestamp, every other
//! stream kept or named as left out, colour description and pixel aspect ratio kept, the picture upright, and an output
//! that has its name only when it is whole. GStreamer restores the video; FFmpeg says what the input holds and puts the
//! restored video and the other streams together.
//!
//! | file | about |
//! |---|---|
//! | `options.rs` | the command line |
//! | `choice.rs`, `trial.rs` | which model `--model auto` takes, and how long one takes for a picture |
//! | `devices.rs`, `device_names.rs` | which execution providers this machine has, and what their devices are called |
//! | `install.rs` | getting ONNX Runtime |
//! | `batch.rs` | several files into a folder |
//! | `preview.rs` | pictures of a few frames, before the work |
//! | `range.rs` | which part of the input is restored |
//! | `size.rs` | how large the output's picture is |
//! | `resume/` | segments beside the output, from which an interrupted run goes on |
//! | `session.rs` | one run from the command line to the finished file |
//! | `input/` | what the input holds, which stream is restored, whether it is whole |
//! | `video/` | the GStreamer pipeline: the video decoded, restored, encoded |
//! | `watch.rs`, `stall.rs`, `signals.rs` | the loop beside the pipeline: messages, Ctrl-C, and whether anything moves |
//! | `work.rs` | where the restored video is kept until the output is whole |
//! | `finish/` | what becomes of the restored video in the end |
//! | `output/` | what the output can hold; parts, the output's name, free space; the muxer |
//! | `introduce.rs`, `progress.rs`, `messages.rs`, `terminal.rs` | what the user sees |
//! | `element.rs`, `tools.rs` | GStreamer's elements and FFmpeg's programs, with errors that say what to do |

mod batch;
mod choice;
mod device_names;
mod devices;
mod element;
mod finish;
mod input;
mod install;
mod introduce;
mod messages;
mod options;
mod output;
mod preview;
mod progress;
mod range;
mod resume;
mod session;
mod signals;
mod size;
mod stall;
mod terminal;
mod tools;
mod trial;
mod video;
mod watch;
mod work;

use std::process::ExitCode;

use options::Command;
use terminal::{answer, say};

/// Why the program ends without a complete output, and with which exit status.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The command line or the files it names cannot work: status 2.
    #[error("{0}")]
    Usage(String),
    /// The work failed: status 1.
    #[error("{0}")]
    Failed(String),
    /// Ctrl-C or SIGTERM: status 130, as shells expect.
    #[error("{0}")]
    Interrupted(String),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Failed(_) => ExitCode::from(1),
            Failure::Interrupted(_) => ExitCode::from(130),
        }
    }

    /// The same, followed by what is left of the work.
    fn leaving(self, kept: &str) -> Self {
        match self {
            Failure::Usage(text) => Failure::Usage(format!("{text}; {kept}")),
            Failure::Failed(text) => Failure::Failed(format!("{text}; {kept}")),
            Failure::Interrupted(text) => Failure::Interrupted(format!("{text}; {kept}")),
        }
    }
}

fn main() -> ExitCode {
    gstdloralvsr::runtime::telemetry::disable();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let label = if matches!(failure, Failure::Interrupted(_)) {
                "interrupted"
            } else {
                "error"
            };
            say!("{label}: {failure}");
            failure.exit_code()
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = match options::parse(lexopt::Parser::from_env())? {
        Command::Help => {
            answer!("{}", options::HELP.trim_end());
            return Ok(());
        }
        Command::Version => {
            answer!("dloralvsr {}", env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
        Command::ListDevices(model) => return devices::list(model.as_deref()),
        Command::InstallRuntime(provider) => return install::runtime(provider.as_deref()),
        Command::TimeProvider(provider, model) => {
            devices::time(&provider, model.as_deref());
            return Ok(());
        }
        Command::Restore(options) => options,
    };
    gst::init().map_err(|error| Failure::Failed(format!("GStreamer does not start: {error}")))?;
    // Registered from the crate itself: neither an installed plugin nor GST_PLUGIN_PATH is needed.
    gstdloralvsr::plugin_register_static()
        .map_err(|error| Failure::Failed(format!("the element cannot be registered: {error}")))?;
    match &options.batch {
        Some(batch) => batch::restore(&options, &batch.inputs, &batch.folder, &batch.format),
        None => session::restore(&options),
    }
}
