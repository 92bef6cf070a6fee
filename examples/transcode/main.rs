//! Restore a video file at four times its width and height: file in, file out.
//!
//! ```text
//! cargo run --release --example transcode -- input.mp4 output.mkv
//! ```
//!
//! What a production program has to mind beside the element itself: every frame with its own timestamp, audio copied
//! without being encoded again, colour description and pixel aspect ratio kept, the picture upright, a file that plays
//! even when the work was interrupted.
//!
//! | file | about |
//! |---|---|
//! | `options.rs` | the command line |
//! | `probe.rs` | what the input holds |
//! | `container.rs` | what the output can hold: muxers and encoders |
//! | `pipeline.rs`, `audio.rs` | the GStreamer pipeline: video restored, audio copied |
//! | `formats.rs` | sizes and colours from the input to the encoder |
//! | `gate.rs` | where the streams end early: `--frames`, Ctrl-C |
//! | `session.rs` | runs the pipeline and finishes the file |
//! | `progress.rs` | what the user sees meanwhile |

mod audio;
mod container;
mod formats;
mod gate;
mod options;
mod pipeline;
mod probe;
mod progress;
mod session;

use std::process::ExitCode;

use options::Command;

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
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let label = if matches!(failure, Failure::Interrupted(_)) {
                "interrupted"
            } else {
                "error"
            };
            eprintln!("{label}: {failure}");
            failure.exit_code()
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = match options::parse(lexopt::Parser::from_env())? {
        Command::Help => {
            print!("{}", options::HELP);
            return Ok(());
        }
        Command::Transcode(options) => options,
    };
    gst::init().map_err(|error| Failure::Failed(format!("GStreamer does not start: {error}")))?;
    // Registered from the crate itself: neither an installed plugin nor GST_PLUGIN_PATH is needed.
    gstdloralvsr::plugin_register_static()
        .map_err(|error| Failure::Failed(format!("the element cannot be registered: {error}")))?;
    let source = probe::probe(&options.input)?;
    session::transcode(&options, &source)
}
