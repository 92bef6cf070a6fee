//! What the user sees while frames are restored: a bar on a terminal, now and then a line elsewhere, both on stderr; or
//! for programs a line of JSON each second, on stdout.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::terminal::say;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

/// Without a terminal: the first line comes early, so that the speed is known, the others seldom.
const FIRST_LINE: Duration = Duration::from_secs(2);
const LINE_EVERY: Duration = Duration::from_secs(10);
const JSON_EVERY: Duration = Duration::from_secs(1);

/// What became of the frames so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// That came out of the element.
    pub restored: u64,
    /// Of these, those that have the detail of another, as a restore interval asks for.
    pub propagated: u64,
    /// Of these, those that are bicubic pictures.
    pub bypassed: u64,
    /// Of these, those that could not be restored.
    pub failed: u64,
}

/// Where progress is shown.
enum Display {
    Bar(ProgressBar),
    Lines,
    Json,
}

pub struct Progress {
    display: Display,
    /// Frames to restore, estimated, and those that an earlier run has restored.
    total: Option<u64>,
    done: u64,
    /// When the first frames came out, and how many: speed is measured from there, without the start-up.
    first: Option<(Instant, u64)>,
    next_line: Cell<Instant>,
}

impl Progress {
    /// Of about `total` frames, of which so many are `done`; `json`: for programs.
    pub fn new(total: Option<u64>, done: u64, json: bool) -> Self {
        let display = match (json, std::io::stderr().is_terminal()) {
            (true, _) => Display::Json,
            (false, true) => Display::Bar(bar(total)),
            (false, false) => Display::Lines,
        };
        Self {
            display,
            total,
            done,
            first: None,
            next_line: Cell::new(Instant::now() + FIRST_LINE),
        }
    }

    /// Print a line above the bar.
    pub fn note(&self, text: &str) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(|| say!("{text}")),
            Display::Lines | Display::Json => say!("{text}"),
        }
    }

    /// Show what is done before the first frame: on a terminal in the bar, elsewhere only if it lasts.
    pub fn stage(&self, text: &str) {
        match &self.display {
            Display::Bar(bar) => {
                bar.set_message(text.to_owned());
                bar.tick();
            }
            Display::Lines if self.is_due(FIRST_LINE) => say!("{text}"),
            Display::Lines | Display::Json => {}
        }
    }

    /// Show what became of the frames so far.
    pub fn update(&mut self, counts: Counts) {
        let now = Instant::now();
        if self.first.is_none() && counts.restored > 0 {
            self.first = Some((now, counts.restored));
            self.next_line.set(now + FIRST_LINE);
        }
        match &self.display {
            Display::Json if self.is_due(JSON_EVERY) => self.print_json("working", counts),
            Display::Json => {}
            _ if counts.restored == 0 => {}
            Display::Bar(bar) => {
                bar.set_message(self.summary(counts, now));
                bar.set_position(self.done + counts.restored);
            }
            Display::Lines if self.is_due(LINE_EVERY) => {
                let of = self.total.map_or(String::new(), |total| format!(" of about {total}"));
                say!(
                    "{}{of} frames, {}",
                    self.done + counts.restored,
                    self.summary(counts, now)
                );
            }
            Display::Lines => {}
        }
    }

    /// Take the bar away and say what was done, and for programs how it ended: `encoded`, `failed` or `interrupted`.
    pub fn finish(&self, state: &str, counts: Counts) {
        match &self.display {
            Display::Bar(bar) => bar.finish_and_clear(),
            Display::Json => self.print_json(state, counts),
            Display::Lines => {}
        }
        if let Some(speed) = self.speed(counts.restored, Instant::now()) {
            let before = if self.done > 0 {
                format!(", {} of them before", self.done)
            } else {
                String::new()
            };
            say!(
                "{} frames{before}, {speed:.2} frames/s{}",
                self.done + counts.restored,
                trouble(counts)
            );
        }
    }

    /// Whether it is time for a line; the next one then comes after `pause`.
    fn is_due(&self, pause: Duration) -> bool {
        let now = Instant::now();
        let is_due = now >= self.next_line.get();
        if is_due {
            self.next_line.set(now + pause);
        }
        is_due
    }

    fn print_json(&self, state: &str, counts: Counts) {
        let speed = self.speed(counts.restored, Instant::now());
        let line = json!({
            "state": state,
            "frames": self.done + counts.restored,
            "total": self.total,
            "frames_per_second": speed,
            "seconds_left": self.left(counts.restored, speed).map(|left| left.as_secs()),
            "propagated": counts.propagated,
            "bypassed": counts.bypassed,
            "failed": counts.failed,
        });
        // Who has stopped reading does not end the work.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    fn summary(&self, counts: Counts, now: Instant) -> String {
        let speed = self.speed(counts.restored, now);
        let speed_and_left = match (speed, self.left(counts.restored, speed)) {
            (Some(speed), Some(left)) => format!("{speed:.2} frames/s, {} left", clock(left.as_secs())),
            (Some(speed), None) => format!("{speed:.2} frames/s"),
            _ => "measuring the speed".to_owned(),
        };
        format!("{speed_and_left}{}", trouble(counts))
    }

    /// Frames per second since the first ones came out.
    fn speed(&self, restored: u64, now: Instant) -> Option<f64> {
        let (since, before) = self.first?;
        let seconds = now.duration_since(since).as_secs_f64();
        (restored > before && seconds > 0.0).then(|| (restored - before) as f64 / seconds)
    }

    fn left(&self, restored: u64, speed: Option<f64>) -> Option<Duration> {
        let frames = self.total?.saturating_sub(self.done + restored);
        // A speed near zero would overflow a Duration; nobody needs to know more than that it takes long.
        Some(Duration::from_secs_f64((frames as f64 / speed?).min(1e9)))
    }
}

/// Frames that are not as they should be, if there are any.
fn trouble(counts: Counts) -> String {
    match (counts.bypassed, counts.failed) {
        (0, 0) => String::new(),
        (bypassed, failed) => format!(", {bypassed} bypassed, {failed} failed"),
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(5));
    let template = if total.is_some() {
        "{bar:30} {pos}/{len} frames, {msg}"
    } else {
        "{pos} frames, {msg}"
    };
    // The templates are constants that indicatif parses; it falls back to its default bar rather than ending the work.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message("starting");
    bar
}

/// Seconds as h:mm:ss or m:ss.
pub fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}
