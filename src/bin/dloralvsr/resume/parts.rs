//! `OUTPUT.parts`: a folder with the segments that are whole, and what they belong to.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Identity, list};
use crate::Failure;
use crate::output::{Part, VideoCodec, with_suffix};
use crate::video::{Done, Shelf};

/// Frames of a segment: some seconds, so that its key frame costs little, and little work is lost.
const LENGTH: u64 = 120;
const STATE: &str = "run.json";
const LOCK: &str = "lock";
const LIST: &str = "segments.ffconcat";
/// All of them with the other streams, until it gets the output's name.
const WHOLE: &str = "whole";

/// A whole segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub frames: u64,
    /// Times of the first and the last frame, of the file's clock, ns.
    pub first: i64,
    pub last: i64,
}

/// What the folder holds, as its file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    run: Identity,
    /// What was chosen at the beginning, so that the run goes on with it: the model with its pack's hash, and the provider.
    model: Option<String>,
    pack: Option<String>,
    provider: Option<String>,
    segments: Vec<Segment>,
}

pub struct Parts {
    folder: PathBuf,
    ending: &'static str,
    /// What the segments' files count time in, ns.
    tick: i64,
    state: Mutex<State>,
    _lock: File,
}

impl Parts {
    /// The folder beside `output`: made, or gone on with.
    ///
    /// # Errors
    /// It belongs to another run, one is at work in it, or it cannot be written.
    pub fn open(output: &Path, run: Identity, codec: VideoCodec) -> Result<Self, Failure> {
        let folder = with_suffix(output, ".parts");
        let cannot = |error: std::io::Error| Failure::Usage(format!("{} cannot be used: {error}", folder.display()));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(cannot(error)),
            _ => {}
        }
        let lock = lock(&folder)?;
        let state = match fs::read(folder.join(STATE)) {
            Ok(text) => belonging(&folder, &text, run)?,
            Err(error) if error.kind() == ErrorKind::NotFound => State {
                run,
                model: None,
                pack: None,
                provider: None,
                segments: Vec::new(),
            },
            Err(error) => return Err(cannot(error)),
        };
        let (ending, tick) = match codec.is_in_fragments() {
            true => ("mp4", 1_000),
            false => ("mkv", 1_000_000),
        };
        let parts = Self {
            folder,
            ending,
            tick,
            state: Mutex::new(state),
            _lock: lock,
        };
        parts.keep_what_is_there();
        Ok(parts)
    }

    /// Segments up to the first one whose file is gone.
    fn keep_what_is_there(&self) {
        let there = (0..self.filled())
            .take_while(|number| self.file(*number).is_file())
            .count();
        self.state().segments.truncate(there);
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Frames in whole segments.
    pub fn frames(&self) -> u64 {
        self.state().segments.iter().map(|segment| segment.frames).sum()
    }

    /// What an earlier run had chosen.
    pub fn model(&self) -> Option<String> {
        self.state().model.clone()
    }

    pub fn provider(&self) -> Option<String> {
        self.state().provider.clone()
    }

    /// Note what this run restores with, before it begins.
    ///
    /// # Errors
    /// The earlier one had another pack of this name; it cannot be noted.
    pub fn settle(&self, model: &str, pack: &str) -> Result<(), Failure> {
        let mut state = self.state();
        if state.pack.as_deref().is_some_and(|earlier| earlier != pack) {
            return Err(Failure::Usage(format!(
                "{}: the model pack `{model}` has changed since; delete the folder to begin anew",
                self.folder.display()
            )));
        }
        state.model = Some(model.to_owned());
        state.pack = Some(pack.to_owned());
        self.write(&state).map_err(Failure::Usage)
    }

    /// Write the list that FFmpeg reads, with the last segment, which is not noted: whoever goes on makes it anew.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn list(&self, last: Option<Segment>) -> Result<PathBuf, String> {
        let mut segments = self.state().segments.clone();
        segments.extend(last);
        let path = self.folder.join(LIST);
        fs::write(&path, list::of(&segments, self.ending, self.tick))
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        Ok(path)
    }

    /// The file into which the segments are put together.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn whole(&self) -> Result<Part, Failure> {
        let path = self.folder.join(WHOLE);
        // What a run left that was ended in the middle of this; it may not be there.
        let _ = fs::remove_file(with_suffix(&path, ".part"));
        Part::create(&path)
    }

    /// Take away what this program has written there, and the folder if nothing else is in it.
    pub fn remove(&self) {
        let mut names: Vec<String> = [STATE, LIST, LOCK].map(str::to_owned).to_vec();
        // One more than are noted was begun.
        names.extend((0..=self.filled()).map(|number| list::name(number, self.ending)));
        for name in names {
            // Whatever the reason, there is nothing more to be done about it.
            let _ = fs::remove_file(self.folder.join(name));
        }
        let _ = fs::remove_dir(&self.folder);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // It is changed in single steps: what a panic leaves is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On the disk before it takes the earlier one's place.
    fn write(&self, state: &State) -> Result<(), String> {
        let (path, new) = (self.folder.join(STATE), self.folder.join(format!("{STATE}.new")));
        let written = serde_json::to_vec_pretty(state)
            .map_err(std::io::Error::from)
            .and_then(|text| {
                let mut file = File::create(&new)?;
                file.write_all(&text)?;
                file.sync_all()?;
                fs::rename(&new, &path)?;
                File::open(&self.folder)?.sync_all()
            });
        written.map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }
}

impl Shelf for Parts {
    fn length(&self) -> u64 {
        LENGTH
    }

    fn filled(&self) -> usize {
        self.state().segments.len()
    }

    fn done(&self) -> Option<Done> {
        let state = self.state();
        let (first, last) = (state.segments.first()?, state.segments.last()?);
        Some(Done {
            frames: state.segments.iter().map(|segment| segment.frames).sum(),
            first: first.first,
            last: last.last,
        })
    }

    fn file(&self, number: usize) -> PathBuf {
        self.folder.join(list::name(number, self.ending))
    }

    fn put(&self, segment: Segment, provider: Option<String>) -> Result<(), String> {
        let file = self.file(self.filled());
        File::open(&file)
            .and_then(|file| file.sync_all())
            .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        let mut state = self.state();
        state.segments.push(segment);
        state.provider = state.provider.take().or(provider);
        self.write(&state)
    }
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| Failure::Usage(format!("{} cannot be written: {error}", path.display())))?;
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(Failure::Usage(format!(
            "another run is at work in {} at this moment: wait for it, or choose another name",
            folder.display()
        ))),
        // A file system without locks is no reason not to work.
        _ => Ok(file),
    }
}

/// What the folder holds, if it is of this run.
fn belonging(folder: &Path, text: &[u8], run: Identity) -> Result<State, Failure> {
    let refused = |why: String| {
        Failure::Usage(format!(
            "{} holds the parts of another run: {why}. Delete the folder to begin anew, or go on as that run was begun",
            folder.display()
        ))
    };
    let state: State =
        serde_json::from_slice(text).map_err(|error| refused(format!("{STATE} is not understood ({error})")))?;
    match run.difference(&state.run) {
        Some(difference) => Err(refused(difference)),
        None => Ok(state),
    }
}
