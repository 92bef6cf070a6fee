//! The output's own name: claimed at the start, given at the end, and never taken from another file.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::mark;
use crate::Failure;

/// Where the finished file goes.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    /// The file of that name which `--force` allows to replace.
    replaced: Option<Identity>,
}

/// What tells a file from another that gets its name later.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// The same of two names if they are of one file: its device and inode, behind links.
pub fn file_id(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Target {
    /// Look at the place of the output: `inputs` are files that must not be written over.
    ///
    /// # Errors
    /// There is a file and `force` is not set; it is an input; there is no such folder.
    pub fn claim(output: &Path, inputs: &[PathBuf], force: bool) -> Result<Self, Failure> {
        let path = behind_links(output)?;
        let folder = folder_of(&path);
        if !folder.is_dir() {
            let folder = folder.display();
            return Err(Failure::Usage(format!(
                "there is no folder {folder} to write into: create it"
            )));
        }
        let present = match std::fs::symlink_metadata(&path) {
            Ok(present) => present,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { path, replaced: None }),
            Err(error) => {
                return Err(Failure::Usage(format!(
                    "the output {} cannot be used: {error}",
                    path.display()
                )));
            }
        };
        let output = output.display();
        if present.is_dir() {
            return Err(Failure::Usage(format!("the output {output} is a folder: name a file")));
        }
        if !present.is_file() {
            return Err(Failure::Usage(format!(
                "the output {output} is no ordinary file: name one"
            )));
        }
        let own = Some((present.dev(), present.ino()));
        if inputs.iter().any(|input| file_id(input) == own) {
            return Err(Failure::Usage(
                "input and output are the same file: choose another output".to_owned(),
            ));
        }
        if !force {
            return Err(Failure::Usage(format!(
                "{output} exists: add --force to replace it, or choose another name"
            )));
        }
        Ok(Self {
            path,
            replaced: Some(Identity::of(&present)),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file would be replaced that this program did not make, or that was changed since.
    pub fn replaces_unknown(&self) -> bool {
        self.replaced.is_some() && !mark::is_on(&self.path)
    }

    /// Mark the finished file as one of this program, and give it its name. On an error `finished` keeps its own.
    ///
    /// # Errors
    /// Meanwhile another file got the name, or the file system refuses.
    pub fn publish(&self, finished: &Path) -> Result<(), String> {
        let (from, to) = (finished.display(), self.path.display());
        let failed = |error: std::io::Error| format!("{from} cannot be renamed to {to}: {error}");
        mark::put(finished);
        // On the disk before what it was made of goes.
        sync(finished).map_err(|error| format!("{from} cannot be written: {error}"))?;
        self.rename(finished, failed)?;
        // The file is whole and has its name: a file system that cannot sync folders is no failure.
        let _ = sync(folder_of(&self.path));
        Ok(())
    }

    fn rename(&self, finished: &Path, failed: impl Fn(std::io::Error) -> String) -> Result<(), String> {
        let to = self.path.display();
        let Some(replaced) = &self.replaced else {
            return match rename_to_nothing(finished, &self.path) {
                Ok(()) => Ok(()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    Err(format!("another file named {to} appeared meanwhile and was left alone"))
                }
                Err(error) => Err(failed(error)),
            };
        };
        match std::fs::symlink_metadata(&self.path) {
            Ok(present) if Identity::of(&present) == *replaced => std::fs::rename(finished, &self.path).map_err(failed),
            Ok(_) => Err(format!(
                "{to} was changed meanwhile, and --force meant the file that was there before"
            )),
            // Taken away by its owner: nothing is lost.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                rename_to_nothing(finished, &self.path).map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Wait until a file or a folder is on the disk.
fn sync(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// Rename where nothing of the new name is there. The check and the rename are one step, in one of three ways, as the
/// file system has them.
fn rename_to_nothing(from: &Path, to: &Path) -> std::io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        done => return done.map_err(Into::into),
    }
    match std::fs::hard_link(from, to) {
        Ok(()) => return std::fs::remove_file(from),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    // No links either (FAT): an empty file of ours holds the name until the finished one replaces it.
    std::fs::OpenOptions::new().write(true).create_new(true).open(to)?;
    std::fs::rename(from, to)
}

/// The file that is written when this name is written to: where it is a symbolic link, what it leads to.
fn behind_links(output: &Path) -> Result<PathBuf, Failure> {
    /// As Linux has it.
    const LONGEST_CHAIN: u32 = 40;
    let mut path = output.to_owned();
    for _ in 0..LONGEST_CHAIN {
        let Ok(link) = std::fs::read_link(&path) else {
            return Ok(path);
        };
        path = path.parent().unwrap_or(Path::new("")).join(link);
    }
    Err(Failure::Usage(format!(
        "the output {} is a symbolic link that leads round in a circle",
        output.display()
    )))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, content: &str) -> PathBuf {
            let path = self.path(name);
            fs::write(&path, content).unwrap();
            path
        }

        /// A result of an earlier run.
        fn result(&self, name: &str) -> PathBuf {
            let path = self.file(name, "old");
            mark::put(&path);
            path
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
    }

    #[test]
    fn a_file_that_appears_meanwhile_stays() {
        let folder = Folder::new();
        let (input, part) = ([folder.file("in", "in")], folder.file("part", "new"));
        let output = folder.path("out");
        let target = Target::claim(&output, &input, false).unwrap();
        folder.file("out", "precious");
        assert!(target.publish(&part).unwrap_err().contains("appeared meanwhile"));
        assert_eq!(fs::read_to_string(&output).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&part).unwrap(), "new");
        fs::remove_file(&output).unwrap();
        target.publish(&part).unwrap();
        assert_eq!(fs::read_to_string(&output).unwrap(), "new");
    }

    #[test]
    fn force_replaces_the_file_that_was_there_and_no_other() {
        let folder = Folder::new();
        let (input, part) = ([folder.file("in", "in")], folder.file("part", "new"));
        let output = folder.file("out", "of the user's");
        assert!(Target::claim(&output, &input, false).is_err());
        assert!(Target::claim(&output, &input, true).unwrap().replaces_unknown());
        folder.result("out");
        assert!(Target::claim(&output, &input, false).is_err());
        let target = Target::claim(&output, &input, true).unwrap();
        assert!(!target.replaces_unknown());
        fs::remove_file(&output).unwrap();
        folder.file("other", "another");
        fs::rename(folder.path("other"), &output).unwrap();
        assert!(target.publish(&part).unwrap_err().contains("changed meanwhile"));
        assert_eq!(fs::read_to_string(&output).unwrap(), "another");
        folder.result("out");
        let target = Target::claim(&output, &input, true).unwrap();
        target.publish(&part).unwrap();
        assert_eq!(fs::read_to_string(&output).unwrap(), "new");
    }

    #[test]
    fn links_are_written_through() {
        let folder = Folder::new();
        let (input, part) = ([folder.file("in", "in")], folder.file("part", "new"));
        let (real, link) = (folder.result("real"), folder.path("link"));
        std::os::unix::fs::symlink("real", &link).unwrap();
        let target = Target::claim(&link, &input, true).unwrap();
        assert_eq!(target.path(), real);
        target.publish(&part).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let circle = folder.path("circle");
        std::os::unix::fs::symlink("circle", &circle).unwrap();
        assert!(Target::claim(&circle, &input, true).is_err());
        // A link to the input is the input.
        let again = folder.path("again");
        std::os::unix::fs::symlink("in", &again).unwrap();
        assert!(Target::claim(&again, &input, true).is_err());
    }
}
