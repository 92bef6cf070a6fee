//! By what a run is known again: segments of another input or of other options do not belong together.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Failure;
use crate::input::Media;
use crate::options::Options;
use crate::output::{Container, VideoCodec};
use crate::terminal::say;

/// Above this many bytes the user is told what is waited for.
const LARGE: u64 = 1 << 30;
/// Options of the restoration that leave the picture as it is.
const WITHOUT_EFFECT: [&str; 1] = ["cache-dir"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The program's version.
    program: String,
    /// SHA-256 of the input.
    input: String,
    /// Everything that changes the output.
    options: BTreeMap<String, String>,
}

impl Identity {
    /// Reads the whole input. `stopped` is asked whether the user wants no more.
    ///
    /// # Errors
    /// It cannot be read; the user wants no more.
    pub fn of(
        options: &Options,
        media: &Media,
        (container, codec): (Container, VideoCodec),
        stopped: &dyn Fn() -> bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            input: hash(media, stopped)?,
            options: effective(options, container, codec),
        })
    }

    /// What tells another run from this one, in words.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.input != other.input {
            return Some("the input is another one, or was changed".to_owned());
        }
        if self.program != other.program {
            return Some(format!(
                "dloralvsr {} began it, and this is {}",
                other.program, self.program
            ));
        }
        let said = |options: &BTreeMap<String, String>, name: &String| {
            options
                .get(name)
                .map_or("not given".to_owned(), |value| format!("`{value}`"))
        };
        let names = self.options.keys().chain(other.options.keys());
        let mut changed: Vec<String> = names
            .filter(|name| self.options.get(*name) != other.options.get(*name))
            .map(|name| {
                let (now, then) = (said(&self.options, name), said(&other.options, name));
                format!("{name} was {then} and is {now}")
            })
            .collect();
        changed.sort();
        changed.dedup();
        (!changed.is_empty()).then(|| changed.join("; "))
    }
}

fn effective(options: &Options, container: Container, codec: VideoCodec) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut say = |name: &str, value: String| {
        all.insert(name.to_owned(), value);
    };
    say("format", container.ending().to_owned());
    say("codec", codec.name().to_owned());
    say("crf", options.crf.to_string());
    say("speed-preset", options.speed_preset.clone());
    say("deinterlace", options.deinterlace.name().to_owned());
    say("size", format!("{:?}", options.size));
    let seconds = |time: i64| format!("{} s", time as f64 / 1e9);
    for (name, value) in [
        ("stream", options.stream.map(|stream| stream.to_string())),
        (
            "fps",
            options
                .rate
                .map(|(numerator, denominator)| format!("{numerator}/{denominator}")),
        ),
        ("start", options.range.start.map(seconds)),
        ("end", options.range.end.map(seconds)),
        ("frames", options.frames.map(|frames| frames.to_string())),
    ] {
        if let Some(value) = value {
            say(name, value);
        }
    }
    for wanted in &options.element {
        if !WITHOUT_EFFECT.contains(&wanted.option) {
            say(wanted.option, wanted.value.clone());
        }
    }
    all
}

fn hash(media: &Media, stopped: &dyn Fn() -> bool) -> Result<String, Failure> {
    let files = media.files();
    let sizes = files.iter().filter_map(|file| std::fs::metadata(file).ok());
    if sizes.map(|file| file.len()).sum::<u64>() > LARGE {
        say!("reading the input for its hash");
    }
    let mut hasher = Sha256::new();
    for file in files {
        add(&mut hasher, &file, stopped).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => Failure::Interrupted("nothing was begun".to_owned()),
            _ => Failure::Failed(format!("{} cannot be read: {error}", file.display())),
        })?;
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// An error of the kind `Interrupted` is `stopped`'s.
fn add(hasher: &mut Sha256, file: &Path, stopped: &dyn Fn() -> bool) -> std::io::Result<()> {
    let mut file = File::open(file)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        if stopped() {
            return Err(ErrorKind::Interrupted.into());
        }
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => hasher.update(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(input: &str, options: &[(&str, &str)]) -> Identity {
        let options = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Identity {
            program: "1".to_owned(),
            input: input.to_owned(),
            options: options.collect(),
        }
    }

    #[test]
    fn what_is_different_is_told() {
        let own = identity("a", &[("model", "tiny"), ("crf", "17")]);
        assert_eq!(own.difference(&own.clone()), None);
        let other = own.difference(&identity("b", &[]));
        assert!(other.is_some_and(|text| text.contains("input")));
        assert_eq!(
            own.difference(&identity("a", &[("model", "small"), ("frames", "3"), ("crf", "17")]))
                .as_deref(),
            Some("frames was `3` and is not given; model was `small` and is `tiny`")
        );
    }
}
