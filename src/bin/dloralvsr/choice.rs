//! Which model `--model auto` takes: the best whose work on the file takes no longer than people wait.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use gstdloralvsr::pack::Pack;
use gstdloralvsr::runtime::{Model, ModelOptions, Precision, Provider};

use crate::input::Input;
use crate::options::Options;
use crate::progress::clock;
use crate::trial;

/// How long a better model than the built-in one may take for a file.
const LONGEST: Duration = Duration::from_secs(600);
/// The pack that is built in, that for processors with time, and that for GPUs.
pub const TINY: &str = "tiny";
const SMALL: &str = "small";
const LARGE: &str = "large";

/// The option, and the element's property.
const MODEL: &str = "model";

/// What was chosen.
pub struct Choice {
    model: &'static str,
    /// Why, for the user.
    pub note: String,
    /// Open, so that the element need not open it again.
    _opened: Option<Arc<Model>>,
}

impl Choice {
    /// The same options with that model.
    pub fn applied_to(&self, options: &Options) -> Options {
        let mut options = options.clone();
        options.set(MODEL, MODEL, self.model);
        options
    }
}

/// Whether the user leaves the choice to the program.
pub fn is_wanted(options: &Options) -> bool {
    options.given(MODEL).is_none_or(|model| model == "auto")
}

/// Chooses for about so many frames, by a trial of one picture on the provider that the options ask for.
pub fn choose(options: &Options, input: &Input, frames: Option<u64>) -> Choice {
    let Some(frames) = frames else {
        return built_in("how long the input is, is not known");
    };
    let (width, height) = input.video.upright();
    let work = frames as f64 * f64::from(width) * f64::from(height);
    match best(&model_options(options), work) {
        Ok(choice) => choice,
        Err(reason) => built_in(&reason),
    }
}

fn built_in(reason: &str) -> Choice {
    Choice {
        model: TINY,
        note: format!("model {TINY}: {reason}"),
        _opened: None,
    }
}

/// For the work of so many pixels of input.
fn best(options: &ModelOptions, work: f64) -> Result<Choice, String> {
    let small = Candidate::open(SMALL, options)?;
    if !matches!(small.model.provider(), Provider::Cpu | Provider::OpenVino)
        && let Ok(large) = Candidate::open(LARGE, options)
        && let Ok(choice) = large.for_work(work)
    {
        return Ok(choice);
    }
    small.for_work(work)
}

struct Candidate {
    name: &'static str,
    model: Arc<Model>,
    /// For a pixel of input.
    seconds: f64,
}

impl Candidate {
    /// Opens the pack and restores a picture with it. An error says why it cannot be taken.
    fn open(name: &'static str, options: &ModelOptions) -> Result<Self, String> {
        let pack = Pack::find(name.as_ref()).map_err(|_| format!("there is no pack {name}"))?;
        let cannot = |error: &dyn std::fmt::Display| format!("{name} cannot run ({error})");
        let model = Model::load(&pack, options, &mut |_| ()).map_err(|error| cannot(&error))?;
        let took = trial::frame_time(&model, Duration::ZERO).map_err(|error| cannot(&error))?;
        Ok(Candidate {
            name,
            model,
            seconds: took.as_secs_f64() / trial::PIXELS as f64,
        })
    }

    /// The choice of it, or why it takes too long.
    fn for_work(self, work: f64) -> Result<Choice, String> {
        let note = verdict(self.name, self.seconds * work)?;
        Ok(Choice {
            model: self.name,
            note,
            _opened: Some(self.model),
        })
    }
}

/// Why a model that takes so many seconds is taken, or is not.
fn verdict(name: &str, seconds: f64) -> Result<String, String> {
    let takes = clock(seconds.min(1e9).ceil() as u64);
    match seconds <= LONGEST.as_secs_f64() {
        true => Ok(format!("model {name}: takes about {takes} (--model tiny is faster)")),
        false => Err(format!(
            "{name} would take about {takes} (--model {name} for its picture)"
        )),
    }
}

/// What the options say of how a model is run. What they say wrongly the element tells.
fn model_options(options: &Options) -> ModelOptions {
    ModelOptions {
        provider: read(options, "provider", Provider::default()),
        device_id: read(options, "device-id", 0),
        precision: read(options, "precision", Precision::default()),
        intra_threads: read(options, "threads", 0),
        cache_dir: options.given("cache-dir").map(Into::into),
        ..ModelOptions::default()
    }
}

fn read<T: FromStr>(options: &Options, option: &str, usual: T) -> T {
    options
        .given(option)
        .and_then(|value| value.parse().ok())
        .unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_model_may_take_ten_minutes() {
        assert_eq!(
            verdict("small", 83.2).unwrap(),
            "model small: takes about 1:24 (--model tiny is faster)"
        );
        assert!(verdict("small", 601.0).unwrap_err().contains("about 10:01"));
        assert!(verdict("small", f64::INFINITY).is_err());
    }
}
