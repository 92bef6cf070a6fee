//! Whether the input is whole: what it states of itself against what is in it, and that against what was decoded.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Input, ffprobe, riff};
use crate::terminal::say;
use crate::{Failure, tools};

/// How often it is asked whether to go on waiting.
const TICK: Duration = Duration::from_millis(20);
/// The user hears within this time what is waited for.
const SILENCE: Duration = Duration::from_secs(3);

const CUT: &str = "the input's file ends in the middle of its data: it is incomplete or damaged";

/// The packets of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    pub count: u64,
    /// Those that are shown: not before the start of an edit.
    pub shown: u64,
    /// Latest time at which one that is shown starts, and at which one ends, ns.
    pub last: Option<i64>,
    pub end: Option<i64>,
}

/// What a look through the whole input found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// By the stream's number.
    pub streams: HashMap<usize, Packets>,
    /// Errors of the video's decoder: damaged slices, missing references.
    pub errors: u64,
    /// The file ends in the middle of a packet.
    pub ends_early: bool,
}

/// Reads through and decodes the whole input beside the work, which takes far longer.
pub struct Scan {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    packets: Arc<OnceLock<HashMap<usize, Packets>>>,
    errors: Arc<OnceLock<Errors>>,
}

impl Scan {
    pub fn start(input: &Input) -> Result<Self, Failure> {
        let mut command = tools::command("ffprobe");
        command
            // Frames, for their decoder's errors.
            .args([
                "-show_entries",
                "packet=stream_index,pts_time,duration_time,flags:frame=key_frame",
            ])
            .args(["-of", "compact=p=0"])
            .args(input.media.arguments())
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| tools::cannot_start(command.get_program(), &error))?;
        let (packets, errors) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let decoder = format!("[{} @", input.video.stream.codec());
        let readers = [
            child.stdout.take().map(|stdout| read(stdout, packets.clone(), take)),
            child.stderr.take().map(|stderr| {
                read(stderr, errors.clone(), move |errors: &mut Errors, line| {
                    errors.take(line, &decoder)
                })
            }),
        ];
        Ok(Self {
            child,
            readers: readers.into_iter().flatten().collect(),
            packets,
            errors,
        })
    }

    /// The packets of a stream, if the input is read through by now.
    pub fn packets_if_read(&self, stream: usize) -> Option<u64> {
        let streams = self.packets.get()?;
        streams.get(&stream).map(|packets| packets.shown)
    }

    /// Wait until it is through, or `stopped` says not to.
    ///
    /// # Errors
    /// It said so.
    pub fn finish(mut self, stopped: &dyn Fn() -> bool) -> Result<Found, Failure> {
        let started = Instant::now();
        let mut is_announced = false;
        while !self.readers.iter().all(JoinHandle::is_finished) {
            if stopped() {
                return Err(Failure::Interrupted(
                    "whether the input is whole was not looked at to its end".to_owned(),
                ));
            }
            if !is_announced && started.elapsed() > SILENCE {
                is_announced = true;
                say!("the output is complete; the rest of the input is still being looked through for damage");
            }
            std::thread::sleep(TICK);
        }
        for reader in self.readers.drain(..) {
            // One that panicked has found nothing.
            let _ = reader.join();
        }
        let errors = self.errors.get().copied().unwrap_or_default();
        Ok(Found {
            streams: self.packets.get().cloned().unwrap_or_default(),
            errors: errors.of_decoder,
            ends_early: errors.of_end,
        })
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sum up a stream of lines in a thread of its own.
fn read<T: Default + Send + Sync + 'static>(
    lines: impl Read + Send + 'static,
    sum: Arc<OnceLock<T>>,
    mut take: impl FnMut(&mut T, &str) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut found = T::default();
        for line in BufReader::new(lines).lines().map_while(Result::ok) {
            take(&mut found, &line);
        }
        // Set here only.
        let _ = sum.set(found);
    })
}

/// What the reader complains of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Errors {
    of_decoder: u64,
    of_end: bool,
    /// The line before was the decoder's.
    repeats: bool,
}

impl Errors {
    /// Take down one line of a reader whose decoder's lines start with `decoder`.
    fn take(&mut self, line: &str, decoder: &str) {
        if let Some(times) = line.trim().strip_prefix("Last message repeated ") {
            let times = times
                .split(' ')
                .next()
                .and_then(|times| times.parse().ok())
                .unwrap_or(1);
            self.of_decoder += if self.repeats { times } else { 0 };
            return;
        }
        self.repeats = line.starts_with(decoder);
        self.of_decoder += u64::from(self.repeats);
        self.of_end |= ["File ended prematurely", "partial file"]
            .iter()
            .any(|text| line.contains(text));
    }
}

/// Take down one line: `stream_index=0|pts_time=0.040000|duration_time=0.040000|flags=K_`. Those of frames have none.
fn take(streams: &mut HashMap<usize, Packets>, line: &str) {
    let field = |name: &str| {
        line.split('|')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let Some(index) = field("stream_index").and_then(|index| index.parse().ok()) else {
        return;
    };
    let packets: &mut Packets = streams.entry(index).or_default();
    packets.count += 1;
    if field("flags").is_some_and(|flags| flags.contains('D')) {
        return;
    }
    packets.shown += 1;
    if let Some(start) = field("pts_time").and_then(ffprobe::nanoseconds) {
        let duration = field("duration_time").and_then(ffprobe::nanoseconds).unwrap_or(0);
        packets.last = packets.last.max(Some(start));
        packets.end = packets.end.max(Some(start + duration));
    }
}

/// The frames that came out of the decoder, in the file's time, ns.
#[derive(Clone, Copy, Debug)]
pub struct Decoded {
    /// None: not all that there are, since reading began in the middle.
    pub frames: Option<u64>,
    /// Where the last frame starts.
    pub last: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Whole,
    /// Something is missing: what, in words.
    Short(String),
    /// The container does not state its length.
    Unstated,
}

/// Compare what is stated, what is there, and what was decoded.
pub fn judge(input: &Input, found: &Found, decoded: Decoded) -> Verdict {
    let video = found
        .streams
        .get(&input.video.stream.index)
        .copied()
        .unwrap_or_default();
    let frame = input.video.mean_frame();
    match stated(input, found, video, frame) {
        Stated::Nothing => Verdict::Unstated,
        Stated::Missing(what) => Verdict::Short(what),
        Stated::Met => decodable(input, found, video, frame, decoded).map_or(Verdict::Whole, Verdict::Short),
    }
}

/// What of the packets did not become frames, in words.
fn decodable(input: &Input, found: &Found, video: Packets, frame: i64, decoded: Decoded) -> Option<String> {
    // Streams of old encoders have one packet more than frames.
    let is_packed = matches!(input.video.stream.codec(), "mpeg4" | "msmpeg4v3");
    let expected = video.shown - u64::from(is_packed).min(video.shown);
    if decoded.frames.is_some_and(|frames| frames >= expected) {
        return None;
    }
    // Two fields that are packets of their own are one frame: fewer frames alone are no sign of damage.
    let ends_before = video.last.is_some_and(|last| decoded.last + frame * 3 / 4 < last);
    match decoded.frames {
        Some(frames) => (ends_before || found.errors > 0).then(|| {
            format!(
                "of {} frames in the input {frames} can be decoded: it is incomplete or damaged",
                video.shown
            )
        }),
        None => ends_before.then(|| {
            format!(
                "the input can be decoded up to {}, and there are frames behind that: it is incomplete or damaged",
                seconds(decoded.last)
            )
        }),
    }
}

enum Stated {
    Nothing,
    Met,
    Missing(String),
}

fn stated(input: &Input, found: &Found, video: Packets, frame: i64) -> Stated {
    if found.ends_early {
        return Stated::Missing(CUT.to_owned());
    }
    if input.format == "avi" {
        // Its number of frames is often a little wrong, the sizes of its parts are not.
        return match riff::is_cut(input.media.path()) {
            Some(false) => Stated::Met,
            Some(true) => Stated::Missing(CUT.to_owned()),
            None => Stated::Nothing,
        };
    }
    if let Some(frames) = input.video.stated_frames() {
        return if video.count < frames {
            Stated::Missing(format!(
                "the input states {frames} frames and holds {}: it is incomplete or damaged",
                video.count
            ))
        } else {
            Stated::Met
        };
    }
    if input.has_arbitrary_start() || !input.format.contains("matroska") {
        return Stated::Nothing;
    }
    // Some writers count a stream's length from its start, others from zero: at least so much must be there.
    let own = input.video.stream.tag("DURATION").and_then(ffprobe::clock);
    let (end, length) = match own {
        Some(length) => (
            video.last.map(|last| video.end.unwrap_or(last).max(last + frame)),
            length,
        ),
        None => {
            let Some(duration) = input.duration else {
                return Stated::Nothing;
            };
            (
                found.streams.values().filter_map(|packets| packets.end).max(),
                duration + input.start.min(0),
            )
        }
    };
    let end = end.unwrap_or(0);
    if end + frame / 2 < length {
        return Stated::Missing(format!(
            "the input ends at {} although it states {}: it is incomplete or damaged",
            seconds(end),
            seconds(length)
        ));
    }
    Stated::Met
}

fn seconds(time: i64) -> String {
    format!("{:.3} s", time as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_and_their_ends_kept() {
        let mut streams = HashMap::new();
        for line in [
            "stream_index=0|pts_time=0.080000|duration_time=0.040000|flags=K_",
            "stream_index=0|pts_time=0.040000|duration_time=0.040000|flags=__",
            "stream_index=1|pts_time=N/A|duration_time=N/A|flags=K_",
            "stream_index=0|pts_time=9.000000|duration_time=0.040000|flags=_D",
            "something else",
        ] {
            take(&mut streams, line);
        }
        let video = Packets {
            count: 3,
            shown: 2,
            last: Some(80_000_000),
            end: Some(120_000_000),
        };
        assert_eq!(streams[&0], video);
        assert_eq!(streams[&1].count, 1);
        assert_eq!(streams.len(), 2);
    }

    #[test]
    fn errors_of_the_videos_decoder_are_counted() {
        let mut errors = Errors::default();
        for line in [
            "[aac @ 0x562e98842980] decode_pce: Input buffer exhausted before END element found",
            "    Last message repeated 9 times",
            "[h264 @ 0x562e98841100] error while decoding MB 0 4, bytestream -5",
            "    Last message repeated 2 times",
        ] {
            errors.take(line, "[h264 @");
        }
        assert_eq!((errors.of_decoder, errors.of_end), (3, false));
        errors.take("[matroska,webm @ 0x55754700e800] File ended prematurely", "[h264 @");
        assert_eq!((errors.of_decoder, errors.of_end), (3, true));
    }
}
