//! The loop beside the pipeline: its messages, the user's signals, and whether anything moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::input::Scan;
use crate::messages::{self, FAILURE, NOTICE};
use crate::progress::{Counts, Progress};
use crate::stall::{Action, Motion, Stall};
use crate::video::Transcoder;

/// How often signals and progress are looked at.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// The user hears within this time that the first frame is still being waited for.
const SILENCE: Duration = Duration::from_secs(3);

/// How long a pipeline in error may take to finish the file.
const SALVAGE: Duration = Duration::from_secs(10);

/// How the pipeline came to its end.
#[derive(Debug)]
pub struct End {
    /// The muxer has closed the file.
    pub closed: bool,
    pub interrupted: bool,
    /// The first error.
    pub error: Option<Error>,
}

#[derive(Clone, Debug)]
pub struct Error {
    pub text: String,
    pub kind: ErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input is damaged: what could be read is all that there is.
    Input,
    /// There is no room for more.
    NoSpace,
    Other,
}

impl Error {
    fn other(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            kind: ErrorKind::Other,
        }
    }

    fn of(message: &gst::message::Error) -> Self {
        let error = message.error();
        let kind = if error.matches(gst::ResourceError::NoSpaceLeft) {
            ErrorKind::NoSpace
        } else if messages::is_damage(&error) {
            ErrorKind::Input
        } else {
            ErrorKind::Other
        };
        Self {
            text: messages::describe(message.src(), &error, message.debug()),
            kind,
        }
    }
}

pub struct Watch<'a> {
    transcoder: &'a Transcoder,
    /// The packets of the input's video, once it is read through.
    scan: &'a Scan,
    stream: usize,
    /// Frames that become of a packet.
    times: u64,
    /// The file that is written, or the folder of files.
    written: PathBuf,
    progress: Progress,
    signals: Arc<AtomicU32>,
    started: Instant,
    stall: Stall,
    interrupted: bool,
    /// The first error, and until when the file may be finished despite it.
    error: Option<(Error, Instant)>,
    announced: bool,
    waiting: bool,
}

impl<'a> Watch<'a> {
    /// Watch a pipeline that writes `written` from `stream` of the input, each packet as so many frames, and show its
    /// `progress`.
    pub fn new(
        transcoder: &'a Transcoder,
        (scan, stream, times): (&'a Scan, usize, u32),
        written: PathBuf,
        progress: Progress,
        signals: Arc<AtomicU32>,
    ) -> Self {
        let started = Instant::now();
        Self {
            transcoder,
            scan,
            stream,
            times: u64::from(times),
            written,
            progress,
            signals,
            started,
            stall: Stall::new(started),
            interrupted: false,
            error: None,
            announced: false,
            waiting: false,
        }
    }

    /// Start the pipeline and stay until its end.
    pub fn run(&mut self) -> End {
        let Some(bus) = self.transcoder.pipeline.bus() else {
            return self.end(false, Some(Error::other("the pipeline has no bus")));
        };
        // A failure to start has its reason on the bus.
        let started = self.transcoder.pipeline.set_state(gst::State::Playing).is_ok();
        loop {
            let message = bus.timed_pop(if started { TICK } else { gst::ClockTime::ZERO });
            if message.is_none() && !started {
                return self.end(false, Some(Error::other("the pipeline does not start")));
            }
            let heard = message.and_then(|message| self.hear(&message));
            if let Some(end) = heard.or_else(|| self.obey_signals()).or_else(|| self.notice_stall()) {
                return end;
            }
            self.show();
            if self.error.as_ref().is_some_and(|(_, until)| Instant::now() > *until) {
                return self.end(false, None);
            }
        }
    }

    fn end(&mut self, closed: bool, error: Option<Error>) -> End {
        End {
            closed,
            interrupted: self.interrupted,
            error: self.error.take().map(|(error, _)| error).or(error),
        }
    }

    /// Take a message of the pipeline.
    fn hear(&mut self, message: &gst::Message) -> Option<End> {
        match message.view() {
            gst::MessageView::Eos(_) => return Some(self.end(true, None)),
            gst::MessageView::Error(error) => return self.fail(Error::of(error)),
            gst::MessageView::Warning(warning) => {
                let text = messages::describe(warning.src(), &warning.error(), warning.debug());
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
                    FAILURE => return self.fail(Error::other(&text)),
                    _ => {}
                }
            }
            _ => {}
        }
        None
    }

    /// Keep the first error, and finish the file if there is something in it.
    fn fail(&mut self, error: Error) -> Option<End> {
        if self.error.is_none() {
            self.error = Some((error, Instant::now() + SALVAGE));
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
                    .note("finishing what is restored; once more Ctrl-C leaves it as it is");
                None
            }
            _ => {
                self.interrupted = true;
                Some(self.end(false, None))
            }
        }
    }

    fn notice_stall(&mut self) -> Option<End> {
        let gate = &self.transcoder.gate;
        let motion = Motion {
            decoded: gate.decoded(),
            admitted: gate.admitted(),
            restored: gate.restored(),
            encoded: self.transcoder.encoded.load(Ordering::Relaxed),
            written: bytes(&self.written),
        };
        // Opening a model may take minutes.
        if !self.announced {
            self.stall = Stall::new(Instant::now());
            return None;
        }
        let has_come = self
            .scan
            .packets_if_read(self.stream)
            .is_some_and(|packets| gate.has_read_all() && motion.decoded >= packets * self.times);
        match self.stall.look(Instant::now(), motion, has_come || self.interrupted) {
            Action::Wait => None,
            Action::EndStream => {
                gate.end_now();
                None
            }
            Action::GiveUp => {
                let text = if has_come || self.interrupted {
                    "all frames are restored, and the encoder or the muxer does not come to an end"
                } else {
                    "no frame came for a minute, although the input is not at its end: GStreamer cannot read on"
                };
                Some(self.end(false, Some(Error::other(text))))
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
        self.progress.update(self.counts());
    }

    /// Take the bar away and say what was done until the `end`.
    pub fn finish(&mut self, end: &End) {
        let state = match end {
            End { interrupted: true, .. } => "interrupted",
            End {
                closed: true,
                error: None,
                ..
            } => "encoded",
            _ => "failed",
        };
        self.progress.finish(state, self.counts());
    }

    fn counts(&self) -> Counts {
        let stats = self.transcoder.restorer.property::<Option<gst::Structure>>("stats");
        let count = |name: &str| stats.as_ref().and_then(|stats| stats.get::<u64>(name).ok());
        let propagated = count("propagated").unwrap_or(0);
        Counts {
            restored: self.transcoder.gate.restored(),
            propagated,
            bypassed: count("bypassed").unwrap_or(0).saturating_sub(propagated),
            failed: count("errors").unwrap_or(0),
        }
    }
}

/// Length of a file, or of all files of a folder.
fn bytes(written: &Path) -> u64 {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    match std::fs::read_dir(written) {
        Ok(files) => files.flatten().map(|file| length(&file.path())).sum(),
        Err(_) => length(written),
    }
}

/// The execution provider, once it is known.
pub fn provider_of(restorer: &gst::Element) -> Option<String> {
    let stats = restorer.property::<Option<gst::Structure>>("stats")?;
    let provider = stats.get::<String>("provider").ok();
    provider.filter(|provider| !provider.is_empty())
}

/// Model and provider, as the element's properties tell: for when another element had loaded the model already.
fn in_use(restorer: &gst::Element) -> String {
    let model = restorer
        .property::<Option<String>>("model")
        .filter(|model| !model.is_empty());
    let model = model.unwrap_or_else(|| "built-in (tiny)".to_owned());
    match provider_of(restorer) {
        Some(provider) => format!("model: {model}; provider: {provider}"),
        None => format!("model: {model}"),
    }
}
