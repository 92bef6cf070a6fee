//! Where the input comes from: a file, or the numbered pictures of a sequence.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::{Failure, tools};

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    File(PathBuf),
    Sequence(Sequence),
}

/// Pictures whose names differ in a number: `name%04d.png`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub pattern: PathBuf,
    /// Numbers of the first and the last picture; none is missing between them.
    pub first: u32,
    pub last: u32,
    /// Pictures a second.
    pub rate: (i32, i32),
}

impl Media {
    /// What `path` names: a file, or a sequence shown at `rate` pictures a second.
    ///
    /// # Errors
    /// There is no such file, or no picture of such a sequence, or it has no rate.
    pub fn open(path: &Path, rate: Option<(i32, i32)>) -> Result<Self, Failure> {
        let unreadable = |cause: &dyn std::fmt::Display| {
            Failure::Usage(format!("the input {} cannot be read: {cause}", path.display()))
        };
        match (std::fs::metadata(path), Numbered::of(path)) {
            (Ok(found), _) if !found.is_file() => {
                Err(Failure::Usage(format!("the input {} is not a file", path.display())))
            }
            (Ok(_), _) => match rate {
                Some(_) => Err(Failure::Usage(format!(
                    "--fps is for picture sequences such as name%04d.png; {} has its own times",
                    path.display()
                ))),
                None => Ok(Media::File(path.to_owned())),
            },
            (Err(_), Some(numbered)) => {
                let (first, last) = numbered
                    .range()
                    .ok_or_else(|| unreadable(&"no picture has such a name"))?;
                let rate = rate.ok_or_else(|| {
                    Failure::Usage("a picture sequence needs its rate: add --fps, for instance --fps 25".to_owned())
                })?;
                Ok(Media::Sequence(Sequence {
                    pattern: path.to_owned(),
                    first,
                    last,
                    rate,
                }))
            }
            (Err(error), None) => Err(unreadable(&error)),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Media::File(path) => path,
            Media::Sequence(sequence) => &sequence.pattern,
        }
    }

    /// Every file that is read.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Media::File(path) => vec![path.clone()],
            Media::Sequence(sequence) => Numbered::of(&sequence.pattern).map_or_else(Vec::new, |numbered| {
                (sequence.first..=sequence.last)
                    .map(|number| numbered.path(number))
                    .collect()
            }),
        }
    }

    /// The input as `ffmpeg` and `ffprobe` take it.
    pub fn arguments(&self) -> Vec<OsString> {
        match self {
            Media::File(path) => vec!["-i".into(), tools::file(path)],
            Media::Sequence(sequence) => {
                let (numerator, denominator) = sequence.rate;
                let options = [
                    "-f",
                    "image2",
                    "-framerate",
                    &format!("{numerator}/{denominator}"),
                    "-start_number",
                ];
                let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
                arguments.extend([
                    sequence.first.to_string().into(),
                    "-i".into(),
                    tools::file(&sequence.pattern),
                ]);
                arguments
            }
        }
    }
}

/// A path with one `%d` or `%0Nd` in its file name.
struct Numbered {
    folder: PathBuf,
    before: String,
    /// Digits at least; shorter numbers are filled up with zeros.
    digits: usize,
    after: String,
}

impl Numbered {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (before, rest) = name.split_once('%')?;
        let (digits, after) = rest.split_once('d')?;
        let digits = match digits {
            "" => 1,
            _ => digits.strip_prefix('0')?.parse().ok()?,
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        (!after.contains('%')).then(|| Self {
            folder,
            before: before.to_owned(),
            digits,
            after: after.to_owned(),
        })
    }

    /// The smallest number that there is, and the last before the first gap behind it.
    fn range(&self) -> Option<(u32, u32)> {
        let mut numbers: Vec<u32> = std::fs::read_dir(&self.folder)
            .ok()?
            .filter_map(|entry| self.number(entry.ok()?.file_name().to_str()?))
            .collect();
        numbers.sort_unstable();
        let first = *numbers.first()?;
        let last = numbers
            .iter()
            .zip(first..)
            .take_while(|(number, expected)| **number == *expected)
            .last()?;
        Some((first, *last.0))
    }

    fn path(&self, number: u32) -> PathBuf {
        let name = format!("{}{number:0width$}{}", self.before, self.after, width = self.digits);
        self.folder.join(name)
    }

    fn number(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let number: u32 = digits.parse().ok()?;
        (format!("{number:0width$}", width = self.digits) == digits).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_ends_before_its_first_gap() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "p_0007.png",
            "p_0008.png",
            "p_0010.png",
            "p_9.png",
            "q_0006.png",
            "p_0009.jpg",
        ] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let pattern = folder.path().join("p_%04d.png");
        let Media::Sequence(sequence) = Media::open(&pattern, Some((25, 1))).unwrap() else {
            panic!("a sequence")
        };
        assert_eq!((sequence.first, sequence.last), (7, 8));
        let files = Media::Sequence(sequence).files();
        assert_eq!(files, ["p_0007.png", "p_0008.png"].map(|name| folder.path().join(name)));
        assert!(matches!(Media::open(&pattern, None), Err(Failure::Usage(text)) if text.contains("--fps")));
        let none = folder.path().join("z_%04d.png");
        assert!(matches!(Media::open(&none, Some((25, 1))), Err(Failure::Usage(text)) if text.contains("no picture")));
    }

    #[test]
    fn a_file_that_only_looks_like_a_pattern_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("100%d.mp4");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(Media::open(&path, None).unwrap(), Media::File(path.clone()));
        assert!(matches!(Media::open(&path, Some((25, 1))), Err(Failure::Usage(text)) if text.contains("--fps")));
    }
}
