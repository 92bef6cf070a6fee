//! What the user sees while frames are restored: a bar on a terminal, now and then a line elsewhere. All on stderr.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a terminal: the first line comes early, so that the speed is known, the others seldom.
const FIRST_LINE: Duration = Duration::from_secs(2);
const LINE_EVERY: Duration = Duration::from_secs(10);

pub struct Progress {
    /// Only on a terminal.
    bar: Option<ProgressBar>,
    /// Frames to restore, estimated.
    total: Option<u64>,
    /// When the first frames came out, and how many: speed is measured from there, without the start-up.
    first: Option<(Instant, u64)>,
    next_line: Instant,
}

impl Progress {
    pub fn new(total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(total));
        Self {
            bar,
            total,
            first: None,
            next_line: Instant::now() + FIRST_LINE,
        }
    }

    /// Print a line above the bar.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Show what is done before the first frame: on a terminal in the bar, elsewhere only if it lasts.
    pub fn stage(&mut self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
            bar.tick();
        } else if Instant::now() >= self.next_line {
            self.next_line = Instant::now() + FIRST_LINE;
            eprintln!("{text}");
        }
    }

    /// Show that so many frames have been restored.
    pub fn update(&mut self, restored: u64) {
        let now = Instant::now();
        if restored == 0 {
            return;
        }
        if self.first.is_none() {
            self.first = Some((now, restored));
            self.next_line = now + FIRST_LINE;
        }
        let speed = self.speed(restored, now);
        if let Some(bar) = &self.bar {
            bar.set_message(summary(speed, self.left(restored, speed)));
            bar.set_position(restored);
        } else if now >= self.next_line {
            self.next_line = now + LINE_EVERY;
            let of = self.total.map_or(String::new(), |total| format!(" of about {total}"));
            eprintln!("{restored}{of} frames, {}", summary(speed, self.left(restored, speed)));
        }
    }

    /// Take the bar away and say what was done.
    pub fn finish(&self, restored: u64) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(speed) = self.speed(restored, Instant::now()) {
            eprintln!("{restored} frames, {speed:.2} frames/s");
        }
    }

    /// Frames per second since the first ones came out.
    fn speed(&self, restored: u64, now: Instant) -> Option<f64> {
        let (since, before) = self.first?;
        let seconds = now.duration_since(since).as_secs_f64();
        (restored > before && seconds > 0.0).then(|| (restored - before) as f64 / seconds)
    }

    fn left(&self, restored: u64, speed: Option<f64>) -> Option<Duration> {
        let frames = self.total?.saturating_sub(restored);
        // A speed near zero would overflow a Duration; nobody needs to know more than that it takes long.
        Some(Duration::from_secs_f64((frames as f64 / speed?).min(1e9)))
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

fn summary(speed: Option<f64>, left: Option<Duration>) -> String {
    match (speed, left) {
        (Some(speed), Some(left)) => format!("{speed:.2} frames/s, {} left", clock(left.as_secs())),
        (Some(speed), None) => format!("{speed:.2} frames/s"),
        _ => "measuring the speed".to_owned(),
    }
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
