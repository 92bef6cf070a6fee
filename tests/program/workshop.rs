//! Makes small videos, runs the example on them, and reads the results back.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::program::built_program;

/// Longer than any of these runs takes on the slowest machine: beyond it the program hangs.
const HANG: Duration = Duration::from_secs(300);

/// A folder for one test's files.
pub struct Workshop {
    folder: tempfile::TempDir,
}

/// A video for ffmpeg to make: moving, coloured, with B-frames as real files have them.
pub struct Clip {
    pub frames: u32,
    /// Further arguments of the inputs, in front of the video's.
    pub inputs: Vec<&'static str>,
    /// Arguments of the output.
    pub output: Vec<&'static str>,
    /// Filters behind the source.
    pub filters: &'static str,
}

impl Default for Clip {
    fn default() -> Self {
        Self {
            frames: 24,
            inputs: Vec::new(),
            output: Vec::new(),
            filters: "null",
        }
    }
}

impl Workshop {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn clip(&self, name: &str, clip: &Clip) -> PathBuf {
        let path = self.path(name);
        // The source's duration, not an option of the output, ends the video: the option would end the audio too.
        let seconds = f64::from(clip.frames) / 24.0;
        let source = format!("testsrc2=size=64x48:rate=24:duration={seconds},{}", clip.filters);
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source])
            .args(&clip.inputs);
        ffmpeg.args(["-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "2"]);
        output_of(ffmpeg.args(&clip.output).arg(&path));
        path
    }

    /// A copy of a file of `tests/cases`.
    pub fn case(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name),
            &path,
        )
        .unwrap();
        path
    }

    /// A video of two seconds with a beep that begins at 1.000 s, its audio coded and sampled so.
    pub fn beep_clip(&self, name: &str, audio: &[&str]) -> PathBuf {
        let path = self.path(name);
        let video = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=2"];
        let beep =
            "sine=frequency=1000:duration=2:sample_rate=48000,volume='if(gte(t,1),1,0)':eval=frame,asetnsamples=48";
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-v", "error", "-y"])
            .args(video)
            .args(["-f", "lavfi", "-i", beep]);
        ffmpeg.args(["-pix_fmt", "yuv420p"]).args(audio).arg(&path);
        output_of(&mut ffmpeg);
        path
    }

    /// As [`beep_clip`](Self::beep_clip), with audio that begins half a second after the video.
    pub fn late_beep_clip(&self, name: &str) -> PathBuf {
        let (on_time, path) = (
            self.beep_clip("on-time.mkv", &["-c:v", "mpeg2video", "-c:a", "mp2"]),
            self.path(name),
        );
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-i"]).arg(&on_time);
        ffmpeg.args(["-itsoffset", "0.5", "-i"]).arg(&on_time);
        ffmpeg.args(["-map", "0:v", "-map", "1:a", "-c", "copy"]).arg(&path);
        output_of(&mut ffmpeg);
        path
    }

    /// How long after the first frame the beep begins, in seconds.
    pub fn beep(&self, file: &Path) -> f64 {
        const RATE: usize = 48_000;
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(file);
        ffmpeg.args(["-map", "0:a:0", "-ac", "1", "-ar", "48000", "-f", "s16le", "-"]);
        let bytes = output_of(&mut ffmpeg).stdout;
        let samples: Vec<i16> = bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        let begin = samples.iter().position(|sample| sample.unsigned_abs() > loudest / 4);
        // What lies before zero is what the decoder leaves out.
        let start: f64 = self.stream(file, "a:0")["start_time"].parse().unwrap();
        start.max(0.0) + begin.unwrap() as f64 / RATE as f64 - self.first_time(file)
    }

    /// Presentation time in seconds of the first frame.
    fn first_time(&self, file: &Path) -> f64 {
        let entries = [
            "-read_intervals",
            "%+#4",
            "-show_entries",
            "frame=best_effort_timestamp_time",
        ];
        let text = ffprobe(
            file,
            &[&["-select_streams", "v:0", "-of", "csv=p=0"][..], &entries].concat(),
        );
        column(&text)[0].parse().unwrap()
    }

    /// Every stream: kind, codec, language, title; whether it is marked as default, forced or a cover.
    pub fn streams(&self, file: &Path) -> Vec<String> {
        let count = column(&ffprobe(file, &["-show_entries", "stream=index", "-of", "csv=p=0"])).len();
        let describe = |index: usize| {
            let stream = self.stream(file, &index.to_string());
            let field = |key: &str| stream.get(key).cloned().unwrap_or_default();
            let tag = |key: &str| field(&format!("tags.{key}"));
            let marks = ["default", "forced", "attached_pic"]
                .into_iter()
                .filter(|mark| field(&format!("disposition.{mark}")) == "1");
            let mut words = vec![field("codec_type"), field("codec_name"), tag("language"), tag("title")];
            words.extend(marks.map(str::to_owned));
            words.retain(|word| !word.is_empty());
            words.join(" ")
        };
        (0..count).map(describe).collect()
    }

    /// Start and title of each chapter.
    pub fn chapters(&self, file: &Path) -> Vec<String> {
        column(&ffprobe(
            file,
            &[
                "-show_entries",
                "chapter=start_time:chapter_tags=title",
                "-of",
                "csv=p=0",
            ],
        ))
    }

    /// The luma of the first frame, its rows one after the other.
    pub fn luma(&self, file: &Path) -> Vec<u8> {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(file);
        // Named alike, planes are copied and not converted.
        ffmpeg.args(["-vf", "extractplanes=y", "-frames:v", "1", "-f", "rawvideo", "-"]);
        output_of(&mut ffmpeg).stdout
    }

    /// Everything in the folder, by name.
    pub fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Run the example to its end.
    pub fn restore(&self, options: &[&str], input: &Path, output: &Path) -> Run {
        Self::start(options, input, output).wait()
    }

    /// Start the program, with the model `tiny` unless the options name another.
    pub fn start(options: &[&str], input: &Path, output: &Path) -> Running {
        let child = Command::new(built_program())
            .args(["--model", "tiny"])
            .args(options)
            .args([input, output])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Running::new(child.unwrap())
    }

    /// Run ffmpeg.
    pub fn ffmpeg(&self, arguments: &[&str]) {
        output_of(Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments));
    }

    /// A tag of the whole file.
    pub fn format_tag(&self, file: &Path, name: &str) -> String {
        let entries = format!("format_tags={name}");
        let tags = ffprobe(file, &["-show_entries", &entries, "-of", "csv=p=0"]);
        tags.trim().to_owned()
    }

    /// A stream's fields as ffprobe names them; side data too.
    pub fn stream(&self, file: &Path, selector: &str) -> HashMap<String, String> {
        let text = ffprobe(file, &["-select_streams", selector, "-show_streams", "-of", "flat=s=."]);
        let fields = text.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            Some((
                key.splitn(4, '.').nth(3)?.to_owned(),
                value.trim_matches('"').to_owned(),
            ))
        });
        fields.collect()
    }

    /// The value of `numerator:denominator`.
    pub fn ratio(&self, text: &str) -> f64 {
        let (numerator, denominator) = text.split_once(':').unwrap();
        numerator.parse::<f64>().unwrap() / denominator.parse::<f64>().unwrap()
    }

    /// A number, or the value of `numerator/denominator`.
    pub fn quotient(&self, text: &str) -> f64 {
        match text.split_once('/') {
            Some((numerator, denominator)) => numerator.parse::<f64>().unwrap() / denominator.parse::<f64>().unwrap(),
            None => text.parse().unwrap(),
        }
    }

    /// Restore `input` over an older result `name`, of one frame, on a disk of such a size, and bring what is there then to
    /// `kept`: exit status and messages. `None`: nothing can be mounted here, or `--force` does not know results there.
    pub fn on_a_small_disk(
        &self,
        size: &str,
        options: &[&str],
        input: &Path,
        name: &str,
        kept: &Path,
    ) -> Option<(Option<i32>, String)> {
        let disk = self.path("disk");
        std::fs::create_dir_all(&disk).unwrap();
        let script = "size=$1 disk=$2 input=$3 name=$4 kept=$5 program=$6; shift 6
            mount -t tmpfs -o size=$size tmpfs \"$disk\" || exit 77
            \"$program\" --model tiny --frames 1 \"$input\" \"$disk/$name\" 2>/dev/null || exit 78
            \"$program\" \"$@\" \"$input\" \"$disk/$name\"
            status=$?; cp -r \"$disk\"/* \"$kept\"; umount \"$disk\"; exit $status";
        let output = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", script, "sh", size])
            .args([&disk, input, Path::new(name), kept, &built_program()])
            .args(options)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_mounted = output.status.code() != Some(77) && !messages.contains("unshare failed");
        let is_known = !messages.contains("no result of dloralvsr");
        (is_mounted && is_known).then_some((output.status.code(), messages))
    }

    /// The codec of each audio stream.
    pub fn audio_codecs(&self, file: &Path) -> Vec<String> {
        column(&ffprobe(
            file,
            &[
                "-select_streams",
                "a",
                "-show_entries",
                "stream=codec_name",
                "-of",
                "csv=p=0",
            ],
        ))
    }

    /// A hash of each packet's data.
    pub fn packet_hashes(&self, file: &Path, selector: &str) -> Vec<String> {
        let entries = ["-select_streams", selector, "-show_data_hash", "md5"];
        let text = ffprobe(
            file,
            &[&entries[..], &["-show_entries", "packet=data_hash", "-of", "csv=p=0"]].concat(),
        );
        column(&text)
            .into_iter()
            .filter(|line| line.starts_with("MD5:"))
            .collect()
    }

    /// Where each packet of a stream lies in the file, and how long it is, in bytes.
    pub fn packet_places(&self, file: &Path, selector: &str) -> Vec<(usize, usize)> {
        let entries = ["-select_streams", selector, "-show_entries", "packet=pos,size"];
        let lines = column(&ffprobe(file, &[&entries[..], &["-of", "compact=p=0"]].concat()));
        let number = |line: &str, key: &str| {
            let field = line.split('|').find_map(|field| field.strip_prefix(key));
            field.unwrap().parse().unwrap()
        };
        lines
            .iter()
            .map(|line| (number(line, "pos="), number(line, "size=")))
            .collect()
    }

    /// Where a stream ends, in seconds.
    pub fn last_packet_end(&self, file: &Path, selector: &str) -> f64 {
        let entries = [
            "-select_streams",
            selector,
            "-show_entries",
            "packet=pts_time,duration_time",
            "-of",
            "csv=p=0",
        ];
        let ends = column(&ffprobe(file, &entries)).into_iter().map(|line| {
            let mut fields = line.split(',').map(|field| field.parse::<f64>().unwrap_or(0.0));
            fields.next().unwrap_or(0.0) + fields.next().unwrap_or(0.0)
        });
        ends.fold(0.0, f64::max)
    }

    /// The first frame as a player shows it, turned as the file asks, in gray levels of width x height.
    pub fn shown(&self, file: &Path, width: u32, height: u32) -> Vec<u8> {
        let filter = format!("scale={width}:{height}:flags=area,format=gray");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-v", "error", "-i"])
            .arg(file)
            .args(["-vf", &filter, "-frames:v", "1", "-f", "rawvideo", "-"]);
        output_of(&mut ffmpeg).stdout
    }

    /// The first audio track's samples.
    pub fn samples(&self, file: &Path) -> Vec<u8> {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(file);
        output_of(ffmpeg.args(["-map", "0:a:0", "-f", "f32le", "-"])).stdout
    }

    /// Each frame in gray levels of width x height.
    pub fn gray_frames(&self, file: &Path, width: u32, height: u32) -> Vec<Vec<u8>> {
        let filter = format!("scale={width}:{height},format=gray");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(file);
        ffmpeg.args(["-vf", &filter, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]);
        let bytes = output_of(&mut ffmpeg).stdout;
        bytes.chunks((width * height) as usize).map(<[u8]>::to_vec).collect()
    }

    /// A hash of each decoded frame.
    pub fn frame_hashes(&self, file: &Path) -> Vec<String> {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(file);
        ffmpeg.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"]);
        let text = String::from_utf8(output_of(&mut ffmpeg).stdout).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
            .collect()
    }

    /// Copy a video into a file that asks players to turn it by a quarter.
    pub fn rotate(&self, input: &Path, output: &Path) {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-v", "error", "-i"])
            .arg(input)
            .args(["-c", "copy", "-metadata:s:v:0", "rotate=90"]);
        output_of(ffmpeg.arg(output));
    }

    pub fn tone(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        output_of(
            Command::new("ffmpeg")
                .args(["-v", "error", "-f", "lavfi", "-i", "sine=duration=1"])
                .arg(&path),
        );
        path
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Where the example writes while the output is not complete.
    pub fn part_of(&self, output: &Path) -> PathBuf {
        PathBuf::from(format!("{}.part", output.display()))
    }

    /// Presentation time in seconds of each frame that decodes.
    pub fn video_times(&self, file: &Path) -> Vec<f64> {
        let entries = [
            "-select_streams",
            "v:0",
            "-show_entries",
            "frame=best_effort_timestamp_time",
            "-of",
            "csv=p=0",
        ];
        column(&ffprobe(file, &entries))
            .iter()
            .map(|time| time.parse().unwrap())
            .collect()
    }
}

/// The example at work.
pub struct Running {
    child: Child,
    /// What it says, line by line, as it says it.
    lines: Receiver<String>,
    heard: String,
}

impl Running {
    fn new(mut child: Child) -> Self {
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            child,
            lines,
            heard: String::new(),
        }
    }

    /// Read on until a line contains `text` or, without one, to the program's end; a hang is a failure.
    fn listen(&mut self, text: Option<&str>) {
        loop {
            match self.lines.recv_timeout(HANG) {
                Ok(line) => {
                    self.heard += &format!("{line}\n");
                    if text.is_some_and(|text| line.contains(text)) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    panic!("the program hangs; it said:\n{}", self.heard);
                }
            }
        }
    }

    /// To the program's end, going on where it is held.
    pub fn wait(mut self) -> Run {
        self.signal("-CONT");
        self.listen(None);
        assert!(!self.heard.contains("CRITICAL"), "{}", self.heard);
        Run {
            status: self.child.wait().unwrap().code(),
            messages: self.heard,
        }
    }

    /// Hold the program once it has said `text`, however fast it is: it goes on when it is waited for.
    pub fn held_after(mut self, text: &str) -> Self {
        self.listen(Some(text));
        self.signal("-STOP");
        self
    }

    /// Hold the program once `is_time`.
    pub fn held_when(self, is_time: impl Fn() -> bool) -> Self {
        self.until(is_time);
        self.signal("-STOP");
        self
    }

    /// Let a loss of power end the program once `is_time`.
    pub fn killed_when(mut self, is_time: impl Fn() -> bool) {
        self.until(is_time);
        self.signal("-KILL");
        self.child.wait().unwrap();
    }

    fn until(&self, is_time: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_time() {
            assert!(begun.elapsed() < HANG, "it never comes so far");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Send what Ctrl-C sends to a program that is held.
    pub fn interrupt(self) -> Run {
        self.signal("-INT");
        self.wait()
    }

    /// Send what Ctrl-C sends once the program has said `text`.
    pub fn interrupt_after(mut self, text: &str) -> Run {
        self.listen(Some(text));
        self.signal("-INT");
        self.wait()
    }

    fn signal(&self, signal: &str) {
        output_of(Command::new("kill").args([signal, &self.child.id().to_string()]));
    }
}

/// A finished run of the example.
pub struct Run {
    pub status: Option<i32>,
    pub messages: String,
}

impl Run {
    pub fn succeeds(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.messages);
        self.messages
    }

    /// Ends with this status and says all of these.
    pub fn fails(&self, status: i32, says: &[&str]) {
        assert_eq!(self.status, Some(status), "{}", self.messages);
        for text in says {
            assert!(self.messages.contains(text), "`{text}` is not in:\n{}", self.messages);
        }
    }
}

fn column(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

pub fn ffprobe(file: &Path, arguments: &[&str]) -> String {
    let output = output_of(Command::new("ffprobe").args(["-v", "error"]).args(arguments).arg(file));
    String::from_utf8(output.stdout).unwrap()
}

fn output_of(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; ffmpeg and ffprobe are needed: scripts/install.sh installs them")
    });
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
