//! Files under work, beside the output: made by this run, locked while it runs, never anyone else's.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Failure;

/// So many names are tried; more parts than that beside one output are no accident.
const NAMES: u32 = 100;

/// A file of this run. Its lock ends with the run, however that ends.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    /// The how manieth name was free.
    number: u32,
    _lock: File,
}

impl Part {
    /// Make `OUTPUT.part`, or `OUTPUT.2.part` and so on where a file of that name is there already.
    ///
    /// # Errors
    /// The folder cannot be written to, or another run is at work on the same output.
    pub fn create(output: &Path) -> Result<Self, Failure> {
        Self::create_after(0, output)
    }

    /// Make another part of the same run.
    ///
    /// # Errors
    /// As those of [`Part::create`].
    pub fn another(&self, output: &Path) -> Result<Self, Failure> {
        Self::create_after(self.number, output)
    }

    fn create_after(last: u32, output: &Path) -> Result<Self, Failure> {
        for number in last + 1..=NAMES {
            let path = with_suffix(
                output,
                &if number == 1 {
                    ".part".to_owned()
                } else {
                    format!(".{number}.part")
                },
            );
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Self::lock(file, path, number),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse_if_locked(&path, output)?,
                Err(error) => {
                    return Err(Failure::Usage(format!(
                        "{} cannot be written: {error}",
                        output.display()
                    )));
                }
            }
        }
        Err(Failure::Usage(format!(
            "there are {NAMES} unfinished parts of {} already: remove them, or choose another name",
            output.display()
        )))
    }

    fn lock(file: File, path: PathBuf, number: u32) -> Result<Self, Failure> {
        // Nobody else can have it: its name came into being with this handle. A file system without locks is no reason
        // not to work; names alone keep the runs apart then.
        let _ = file.try_lock();
        Ok(Self {
            path,
            number,
            _lock: file,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Take the file away.
    pub fn remove(self) {
        // Whatever the reason, there is nothing more to be done about it.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Let `better` take this file's place and name.
    pub fn replace_by(&self, better: Part) -> std::io::Result<()> {
        std::fs::rename(&better.path, &self.path)
    }
}

/// A part that somebody has locked belongs to a run that goes on.
fn refuse_if_locked(path: &Path, output: &Path) -> Result<(), Failure> {
    // One that cannot be opened is left alone like any other file.
    let Ok(file) = File::open(path) else { return Ok(()) };
    match file.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) => Err(Failure::Usage(format!(
            "another run is writing {} at this moment: wait for it, or choose another name",
            output.display()
        ))),
        _ => Ok(()),
    }
}

/// The path with so much more at its end.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.mkv");
        let theirs = folder.path().join("out.mkv.part");
        std::fs::write(&theirs, b"precious").unwrap();
        let part = Part::create(&output).unwrap();
        assert_eq!(part.path(), folder.path().join("out.mkv.2.part"));
        part.remove();
        assert_eq!(std::fs::read(&theirs).unwrap(), b"precious");
    }

    #[test]
    fn a_second_run_is_refused_while_the_first_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.mkv");
        let first = Part::create(&output).unwrap();
        let second = Part::create(&output);
        assert!(matches!(second, Err(Failure::Usage(text)) if text.contains("another run")));
        drop(first);
        // What a run that was killed left behind.
        assert_eq!(
            Part::create(&output).unwrap().path(),
            folder.path().join("out.mkv.2.part")
        );
    }
}
