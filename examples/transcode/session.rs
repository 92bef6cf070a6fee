//! Runs the pipeline, tells the user what happens, and finishes the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::Failure;
use crate::container::Container;
use crate::options::Options;
use crate::pipeline::{self, FAILURE, NOTICE, Transcoder};
use crate::probe::Source;
use crate::progress::{Progress, clock};

const SCALE: u32 = gstdloralvsr::restore::SCALE as u32;

/// Output above this many pixels is warned about.
const LARGE: u64 = 3840 * 2160;

/// How often the progress is shown.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// The user hears within this time that the first frame is still being waited for.
const SILENCE: Duration = Duration::from_secs(3);

/// How long a pipeline in error may take to finish the file.
const SALVAGE: Duration = Duration::from_secs(10);

/// Restore `options.input` into `options.output`.
pub fn transcode(options: &Options, source: &Source) -> Result<(), Failure> {
    let container = Container::of(&options.output)?;
    let part = part_of(&options.output);
    let transcoder = pipeline::build(options, source, container, &part)?;
    introduce(options, source, &transcoder);
    let total = options.frames.or(source.estimated_frames());
    let mut watch = Watch::new(&transcoder, total, count_signals()?);
    let end = watch.run();
    // Nothing to do about a failure here: the process ends, and the file is as finished as it gets.
    let _ = transcoder.pipeline.set_state(gst::State::Null);
    watch.progress.finish(transcoder.gate.restored());
    conclude(end, &transcoder, source, &part, &options.output)
}

/// Count Ctrl-C and SIGTERM instead of being ended by them.
fn count_signals() -> Result<Arc<AtomicU32>, Failure> {
    let signals = Arc::new(AtomicU32::new(0));
    let counter = signals.clone();
    ctrlc::set_handler(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })
    .map_err(|error| Failure::Failed(format!("Ctrl-C cannot be handled: {error}")))?;
    Ok(signals)
}

/// The output's name while it is not complete.
fn part_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Tell what goes in, what comes out and what to expect.
fn introduce(options: &Options, source: &Source, transcoder: &Transcoder) {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let duration = source
        .duration
        .map_or(String::new(), |duration| format!(", {}", clock(duration.seconds())));
    let audio = if source.audio.is_empty() {
        "none".to_owned()
    } else {
        source.audio.join(", ")
    };
    let size = format!("{}x{}", source.width, source.height);
    eprintln!(
        "{}: {size}{}{duration}, {}; audio: {audio}",
        name(&options.input),
        rate(source),
        source.video
    );
    let (width, height) = source.upright();
    let (width, height) = (width * SCALE, height * SCALE);
    let turned = match &source.orientation {
        Some(orientation) => format!(", turned ({orientation})"),
        _ => String::new(),
    };
    eprintln!(
        "{}: {width}x{height}{turned}, {}",
        name(&options.output),
        transcoder.encoder
    );
    let pixels = u64::from(width) * u64::from(height);
    if pixels > LARGE {
        let frames = options.frames.or(source.estimated_frames());
        let frames = frames.map_or(String::new(), |frames| format!(", about {frames} frames"));
        eprintln!(
            "warning: {width}x{height} is more than 2160p ({:.0} million pixels a frame{frames}): this takes long and \
             needs much memory, and many players cannot show it. --frames 10 makes a preview",
            pixels as f64 / 1e6
        );
    }
    if source.deep {
        eprintln!("note: the input has more than 8 bits per sample; it is restored at 8");
    }
    if !source.left_out.is_empty() {
        eprintln!("note: not in the output: {}", source.left_out.join(", "));
    }
    if let Some(notice) = &transcoder.notice {
        eprintln!("note: {notice}");
    }
}

fn rate(source: &Source) -> String {
    match (source.framerate.numer(), source.framerate.denom()) {
        (0, _) => String::new(),
        (numerator, denominator) => {
            let rate = format!("{:.3}", f64::from(numerator) / f64::from(denominator));
            format!(", {} frames/s", rate.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

/// How the pipeline came to its end.
struct End {
    /// The muxer has closed the file: it plays.
    closed: bool,
    interrupted: bool,
    /// The first error.
    error: Option<String>,
}

/// The loop over signals, messages and progress.
struct Watch<'a> {
    transcoder: &'a Transcoder,
    progress: Progress,
    signals: Arc<AtomicU32>,
    started: Instant,
    interrupted: bool,
    /// The first error, and until when the file may be finished despite it.
    error: Option<(String, Instant)>,
    announced: bool,
    waiting: bool,
}

impl<'a> Watch<'a> {
    fn new(transcoder: &'a Transcoder, total: Option<u64>, signals: Arc<AtomicU32>) -> Self {
        Self {
            transcoder,
            progress: Progress::new(total),
            signals,
            started: Instant::now(),
            interrupted: false,
            error: None,
            announced: false,
            waiting: false,
        }
    }

    fn run(&mut self) -> End {
        let Some(bus) = self.transcoder.pipeline.bus() else {
            return self.end(false, Some("the pipeline has no bus".to_owned()));
        };
        // A failure to start has its reason on the bus.
        let started = self.transcoder.pipeline.set_state(gst::State::Playing).is_ok();
        loop {
            let message = bus.timed_pop(if started { TICK } else { gst::ClockTime::ZERO });
            if message.is_none() && !started {
                return self.end(false, Some("the pipeline does not start".to_owned()));
            }
            if let Some(end) = message.and_then(|message| self.hear(&message)) {
                return end;
            }
            if let Some(end) = self.obey_signals() {
                return end;
            }
            self.show();
            if self.error.as_ref().is_some_and(|(_, until)| Instant::now() > *until) {
                return self.end(false, None);
            }
        }
    }

    fn end(&mut self, closed: bool, error: Option<String>) -> End {
        let error = self.error.take().map(|(error, _)| error).or(error);
        End {
            closed,
            interrupted: self.interrupted,
            error,
        }
    }

    /// Take a message of the pipeline.
    fn hear(&mut self, message: &gst::Message) -> Option<End> {
        match message.view() {
            gst::MessageView::Eos(_) => return Some(self.end(true, None)),
            gst::MessageView::Error(error) => return self.fail(describe(error.src(), &error.error(), error.debug())),
            gst::MessageView::Warning(warning) => {
                let text = describe(warning.src(), &warning.error(), warning.debug());
                self.progress.note(&format!("warning: {text}"));
            }
            gst::MessageView::Progress(progress) => match progress.get() {
                (gst::ProgressType::Complete, _, text) => {
                    self.announced = true;
                    self.progress.note(text);
                }
                (gst::ProgressType::Start | gst::ProgressType::Continue, _, text) => self.progress.stage(text),
                // An error comes as an error message too.
                _ => {}
            },
            gst::MessageView::Application(application) => {
                let fields = application.structure()?;
                let text = fields.get::<String>("text").ok()?;
                match fields.name().as_str() {
                    NOTICE => self.progress.note(&format!("note: {text}")),
                    FAILURE => return self.fail(text),
                    _ => {}
                }
            }
            _ => {}
        }
        None
    }

    /// Keep the first error, and finish the file if there is something in it.
    fn fail(&mut self, text: String) -> Option<End> {
        if self.error.is_none() {
            self.error = Some((text, Instant::now() + SALVAGE));
            if self.transcoder.gate.restored() == 0 {
                return Some(self.end(false, None));
            }
            self.transcoder.gate.end_now();
        }
        None
    }

    fn obey_signals(&mut self) -> Option<End> {
        match self.signals.swap(0, Ordering::Relaxed) {
            0 => None,
            1 if !self.interrupted && self.transcoder.gate.restored() > 0 => {
                self.interrupted = true;
                self.transcoder.gate.interrupt();
                self.progress
                    .note("finishing the file; once more Ctrl-C leaves it unfinished");
                None
            }
            _ => {
                self.interrupted = true;
                Some(self.end(false, None))
            }
        }
    }

    fn show(&mut self) {
        let restored = self.transcoder.gate.restored();
        if restored > 0 && !self.announced {
            self.announced = true;
            self.progress.note(&in_use(&self.transcoder.restorer));
        } else if restored == 0 && self.announced && !self.waiting && self.started.elapsed() > SILENCE {
            self.waiting = true;
            self.progress.note("waiting for the first frame");
        }
        self.progress.update(restored);
    }
}

/// Model and provider, as the element's properties tell: for when another element had loaded the model already.
fn in_use(restorer: &gst::Element) -> String {
    let model = restorer
        .property::<Option<String>>("model")
        .filter(|model| !model.is_empty());
    let model = model.unwrap_or_else(|| "built-in (tiny)".to_owned());
    let stats = restorer.property::<Option<gst::Structure>>("stats");
    match stats
        .and_then(|stats| stats.get::<String>("provider").ok())
        .filter(|provider| !provider.is_empty())
    {
        Some(provider) => format!("model: {model}; provider: {provider}"),
        None => format!("model: {model}"),
    }
}

/// An error in words: who, what, the detail behind it and what to do.
fn describe(source: Option<&gst::Object>, error: &gst::glib::Error, debug: Option<gst::glib::GString>) -> String {
    let mut text = error.message().to_owned();
    // The first line of a debug text is a place in GStreamer's source; what follows is for people.
    if let Some((_, detail)) = debug.as_deref().and_then(|debug| debug.split_once('\n'))
        && !detail.trim().is_empty()
    {
        text = format!("{text}\n  {}", detail.trim());
    }
    if let Some(source) = source {
        text = format!("{text}\n  (from {})", source.name());
    }
    match remedy(error) {
        Some(remedy) => format!("{text}\n  {remedy}"),
        None => text,
    }
}

fn remedy(error: &gst::glib::Error) -> Option<&'static str> {
    use gst::{CoreError, ResourceError, StreamError};
    if error.matches(CoreError::MissingPlugin) || error.matches(StreamError::CodecNotFound) {
        return Some("Remedy: install gstreamer1.0-libav, -plugins-good, -plugins-bad and -plugins-ugly");
    }
    if error.matches(ResourceError::NoSpaceLeft) {
        return Some("Remedy: free space on the output's disk, or write elsewhere");
    }
    let damaged = [
        StreamError::Demux,
        StreamError::Decode,
        StreamError::TypeNotFound,
        StreamError::WrongType,
    ];
    if damaged.into_iter().any(|kind| error.matches(kind)) {
        return Some("The input seems damaged or incomplete: try whether a player shows it to the end");
    }
    None
}

/// Give the file its name, or take it away, and say which.
fn conclude(end: End, transcoder: &Transcoder, source: &Source, part: &Path, output: &Path) -> Result<(), Failure> {
    let restored = transcoder.gate.restored();
    let kept = if end.closed && restored > 0 {
        std::fs::rename(part, output).map_err(|error| {
            Failure::Failed(format!(
                "{} cannot be renamed to {}: {error}",
                part.display(),
                output.display()
            ))
        })?;
        format!("the {restored} frames until then are in {}", output.display())
    } else if restored > 0 && end.error.is_some() {
        format!("what was written, unfinished, is in {}", part.display())
    } else {
        // Not there if the pipeline never started: then there is nothing to take away.
        let _ = std::fs::remove_file(part);
        "nothing was written".to_owned()
    };
    if let Some(error) = end.error {
        return Err(Failure::Failed(format!("{error}\n{kept}")));
    }
    if end.interrupted {
        return Err(Failure::Interrupted(kept));
    }
    if restored == 0 {
        return Err(Failure::Failed(format!(
            "no frame of the input could be decoded; {kept}"
        )));
    }
    if let Some(missing) = cut_short(transcoder, source) {
        return Err(Failure::Failed(format!("{missing}; {kept}")));
    }
    eprintln!("{}", output.display());
    Ok(())
}

/// An input that ends before its own stated duration was truncated: demuxers take that for a normal end.
fn cut_short(transcoder: &Transcoder, source: &Source) -> Option<String> {
    let stated = source.duration?;
    let reached = transcoder.gate.reached();
    let tolerance = gst::ClockTime::SECOND.max(stated / 50);
    // Streams that are left out may be the ones that last longest.
    if transcoder.gate.is_cut() || !source.left_out.is_empty() || reached + tolerance >= stated {
        return None;
    }
    let (reached, stated) = (clock(reached.seconds()), clock(stated.seconds()));
    Some(format!(
        "the input ends at {reached} although it states {stated}: it is incomplete or damaged"
    ))
}
