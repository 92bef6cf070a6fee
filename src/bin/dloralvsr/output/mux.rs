//! Puts the restored video and the input's other streams together, with FFmpeg: they are copied packet by packet where
//! the container holds them, with their times, languages, dispositions, chapters, tags and attachments.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use gst_video::VideoColorimetry;

use super::codec::VideoCodec;
use super::container::Container;
use super::streams::{Kept, Kind, Streams};
use crate::input::{Input, ffprobe};
use crate::{Failure, tools};

/// How often a run is looked at.
const TICK: Duration = Duration::from_millis(50);

/// The orders of channels that Opus has; others are brought into the nearest.
const OPUS_LAYOUTS: &str = "aformat=channel_layouts=mono|stereo|3.0|quad|5.0|5.1|6.1|7.1";

/// Tags of a video stream that are about the input's coding, not about the picture.
const OF_THE_CODING: [&str; 7] = [
    "BPS",
    "DURATION",
    "NUMBER_OF_",
    "_STATISTICS",
    "ENCODER",
    "ROTATE",
    "HANDLER_NAME",
];

/// What is put together.
pub struct Mux<'a> {
    pub input: &'a Input,
    pub streams: &'a Streams,
    pub container: Container,
    pub codec: VideoCodec,
    /// Of the restored video, once the first frame has come.
    pub colours: Option<VideoColorimetry>,
    /// The restored video: a file, or a list of files that follow one another.
    pub video: &'a Path,
    pub is_list: bool,
    /// Where every stream begins, of the file's clock, ns; none: where the file does.
    pub from: Option<i64>,
    /// Time of the first restored frame, of the file's clock, ns.
    pub first_frame: i64,
    /// Where every stream is cut, of the file's clock, ns.
    pub until: Option<i64>,
}

impl Mux<'_> {
    /// Write `output`. `stopped` is asked now and then whether to give up.
    ///
    /// # Errors
    /// FFmpeg fails, for the reason that it gives, or was stopped.
    pub fn write(&self, output: &Path, stopped: &dyn Fn() -> bool) -> Result<(), Failure> {
        let covers = tempfile::tempdir().map_err(|error| Failure::Failed(format!("no temporary folder: {error}")))?;
        let mut command = tools::command("ffmpeg");
        command.arg("-y");
        self.inputs(&mut command);
        self.video(&mut command);
        self.others(&mut command, covers.path())?;
        if let Some(until) = self.until {
            command.args(["-t", &seconds((until - self.start()).max(1_000))]);
        }
        // Times stay what they are; what lies before zero was not meant to be heard.
        command.args(["-avoid_negative_ts", "disabled", "-f", self.container.format()]);
        command.arg(tools::file(output)).stdout(std::process::Stdio::null());
        let child = command
            .spawn()
            .map_err(|error| tools::cannot_start(command.get_program(), &error))?;
        wait(child, stopped)
    }

    /// The time of the file's clock that is zero in the output.
    fn start(&self) -> i64 {
        self.from.unwrap_or_else(|| self.input.beginning())
    }

    fn inputs(&self, command: &mut Command) {
        // FFmpeg lets each input start at zero, and then moves it by the offset.
        let first = seconds(self.first_frame - self.start());
        command.args(["-itsoffset", &first]);
        if self.is_list {
            command.args(["-f", "concat", "-safe", "0"]);
        }
        command.arg("-i").arg(tools::file(self.video));
        if !self.input.is_pictures() {
            // Where a clock begins anywhere (MPEG-TS), an offset of nothing would let the streams that are taken begin at
            // zero, although the video, which is not, began before them.
            let least = if self.input.has_arbitrary_start() { 1_000 } else { 0 };
            let offset = match self.from {
                Some(_) => least,
                None => self.input.start - self.start() + least,
            };
            command.args(["-itsoffset", &seconds(offset)]);
            if let Some(from) = self.from {
                // Seeks, and lets that time be zero.
                command.args(["-ss", &seconds(from - self.input.start)]);
            }
            command.args(self.input.media.arguments());
            command.args(["-map_metadata", "1", "-map_chapters", "1"]);
        }
    }

    fn video(&self, command: &mut Command) {
        command.args(["-map", "0:v:0", "-c:v:0", "copy"]);
        if let Some(tag) = self.codec.tag(self.container) {
            command.args(["-tag:v:0", tag]);
        }
        if let Some(filter) = self.colours.as_ref().and_then(|colours| self.codec.describe(colours)) {
            command.args(["-bsf:v:0", &filter]);
        }
        let stream = &self.input.video.stream;
        if !self.input.is_pictures() {
            command.args(["-map_metadata:s:v:0", &format!("1:s:{}", stream.index)]);
        }
        forget_coding(command, "v:0", stream);
        if self.from.is_some() {
            // It is that of the input's first frame.
            command.args(["-metadata", "timecode=", "-metadata:s:v:0", "timecode="]);
        }
        let set: Vec<&str> = stream
            .disposition
            .iter()
            .filter(|(_, set)| **set != 0)
            .map(|(name, _)| name.as_str())
            .collect();
        let set = if set.is_empty() { "0".to_owned() } else { set.join("+") };
        command.args(["-disposition:v:0", &set]);
    }

    fn others(&self, command: &mut Command, covers: &Path) -> Result<(), Failure> {
        for (number, kept) in self.streams.of_kind(Kind::Audio).enumerate() {
            let output = self.map(command, kept, "a", number);
            match kept.encoder {
                Some(encoder) => {
                    if encoder != "flac" {
                        let rate = bit_rate(encoder, kept.stream.channels.unwrap_or(2));
                        command.args([&format!("-b:{output}"), &rate]);
                    }
                    forget_coding(command, &output, &kept.stream);
                    if encoder == "libopus" {
                        command.args([&format!("-filter:{output}"), OPUS_LAYOUTS]);
                    }
                }
                // Opus says in its header how much is not to be heard; elsewhere it lies before zero, and Matroska
                // has no such time.
                None if self.from.is_some() => begin_at_start(command, &output),
                None if kept.stream.codec() != "opus" && self.container == Container::Matroska => {
                    begin_at_start(command, &output);
                }
                None => {}
            }
        }
        for (number, kept) in self.streams.of_kind(Kind::Subtitle).enumerate() {
            let output = self.map(command, kept, "s", number);
            if self.from.is_some() {
                begin_at_start(command, &output);
            }
        }
        for (number, kept) in self.streams.of_kind(Kind::Data).enumerate() {
            self.map(command, kept, "d", number);
        }
        let mut attached = 0;
        for kept in self.streams.of_kind(Kind::Attachment) {
            self.map(command, kept, "t", attached);
            attached += 1;
        }
        for (number, kept) in self.streams.of_kind(Kind::Cover).enumerate() {
            if self.container == Container::Matroska {
                self.attach_cover(command, kept, covers, attached + number)?;
            } else {
                let output = self.map(command, kept, "v", number + 1);
                command.args([&format!("-disposition:{output}"), "attached_pic"]);
            }
        }
        Ok(())
    }

    /// Map a stream of the input to the next one of its kind; the output's specifier.
    fn map(&self, command: &mut Command, kept: &Kept, kind: &str, number: usize) -> String {
        let (index, output) = (kept.stream.index, format!("{kind}:{number}"));
        command.args(["-map", &format!("1:{index}")]);
        command.args([&format!("-c:{output}"), kept.encoder.unwrap_or("copy")]);
        command.args([&format!("-map_metadata:s:{output}"), &format!("1:s:{index}")]);
        output
    }

    /// Matroska holds pictures as attached files.
    fn attach_cover(&self, command: &mut Command, kept: &Kept, folder: &Path, number: usize) -> Result<(), Failure> {
        let (ending, kind) = match kept.stream.codec() {
            "png" => ("png", "image/png"),
            "gif" => ("gif", "image/gif"),
            "bmp" => ("bmp", "image/bmp"),
            "tiff" => ("tiff", "image/tiff"),
            "webp" => ("webp", "image/webp"),
            _ => ("jpg", "image/jpeg"),
        };
        let name = format!("cover{}.{ending}", kept.stream.index);
        let file = folder.join(&name);
        let mut extract = tools::command("ffmpeg");
        extract.args(self.input.media.arguments());
        extract.args([
            "-map",
            &format!("0:{}", kept.stream.index),
            "-c",
            "copy",
            "-frames:v",
            "1",
            "-f",
            "image2pipe",
            "-",
        ]);
        std::fs::write(&file, tools::output(extract)?)
            .map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", file.display())))?;
        command.arg("-attach").arg(&file);
        command.args([&format!("-metadata:s:t:{number}"), &format!("mimetype={kind}")]);
        // Players take an attached file of this name for the cover.
        let shown = kept
            .stream
            .tag("filename")
            .map_or_else(|| format!("cover.{ending}"), str::to_owned);
        command.args([&format!("-metadata:s:t:{number}"), &format!("filename={shown}")]);
        Ok(())
    }
}

/// Leave out what lies before the output's zero, though it is copied.
fn begin_at_start(command: &mut Command, output: &str) {
    command.args([&format!("-copypriorss:{output}"), "0"]);
}

/// Delete the tags that would be wrong of newly coded data.
fn forget_coding(command: &mut Command, output: &str, stream: &ffprobe::Stream) {
    for key in stream.tags.keys() {
        let upper = key.to_ascii_uppercase();
        if OF_THE_CODING.iter().any(|tag| upper.starts_with(tag)) {
            command.args([&format!("-metadata:s:{output}"), &format!("{key}=")]);
        }
    }
}

/// Bits a second at which nobody hears a difference, as FFmpeg takes them.
fn bit_rate(encoder: &str, channels: u32) -> String {
    let each = if encoder == "libopus" { 80_000 } else { 96_000 };
    (each * channels.clamp(1, 8)).max(96_000).to_string()
}

fn seconds(time: i64) -> String {
    format!("{}us", time / 1_000)
}

/// Wait until the program ends, or `stopped` says to end it.
fn wait(mut child: Child, stopped: &dyn Fn() -> bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("ffmpeg cannot be waited for: {error}"));
    // What it says is read aside, or it would wait for that at a full pipe.
    let stderr = child.stderr.take().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            // Cut off where the pipe breaks: as much as there is.
            let _ = std::io::Read::read_to_end(&mut stderr, &mut text);
            text
        })
    });
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if stopped() {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            return Err(Failure::Interrupted("the streams were not put together".to_owned()));
        }
        std::thread::sleep(TICK);
    };
    let said = stderr.and_then(|reader| reader.join().ok()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    // FFmpeg may call that a success.
    let is_full = said.contains("No space left on device");
    if status.success() && !is_full {
        return Ok(());
    }
    let cause = if is_full {
        "no space left on the output's disk"
    } else {
        tools::last_line(&said)
    };
    Err(Failure::Failed(format!("the streams cannot be put together: {cause}")))
}
