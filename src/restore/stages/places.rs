//! Where frames are, and who waits for what.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Ending, Refusal};
use crate::restore::RestoreError;
use crate::restore::frame::Frame;
use crate::restore::front::Midway;
use crate::restore::job::{Job, Outcome};
use crate::restore::source::Source;

/// Frames that may be inside: one that is delivered, one in each half, and one that waits for them.
const ROOM: usize = 4;

/// What the threads share.
pub struct Shared<T> {
    places: Mutex<Places<T>>,
    pub changed: Condvar,
}

/// Where frames are. Work goes through the halves, at most one at each place; whoever waits for it stands in line.
pub struct Places<T> {
    /// Given, and not begun.
    pub given: Option<Step<Job>>,
    /// Whether the first half is at one.
    pub in_front: bool,
    /// Between the halves.
    pub midway: Option<Step<Half>>,
    /// Frames that have not come out, in order.
    line: VecDeque<Entry<T>>,
    /// While a frame is handed over: its generation. None for one that was recalled before, for nobody waits for that.
    pub delivering: Option<u64>,
    probe: Probe,
    /// Memory for the first half.
    pub spare: Option<Source>,
    /// Of the frames that are given now. A recall begins the next one, and all before it are recalled.
    pub generation: u64,
    pub interrupted: bool,
    pub closed: bool,
    /// Threads that have ended.
    pub ended: usize,
    /// Of the next frame in line.
    serial: u64,
}

/// A frame's work on its way.
pub struct Step<W> {
    /// Whose it is in the line; none of a probe.
    pub serial: Option<u64>,
    /// Of when it was given.
    pub generation: u64,
    pub what: W,
}

/// What the first half leaves; no result if the frame was recalled before it began.
pub struct Half {
    pub result: Option<Result<Midway, RestoreError>>,
    pub picture: Vec<u8>,
}

/// A frame in line.
pub struct Entry<T> {
    serial: u64,
    /// Of when it was given.
    generation: u64,
    pub cargo: T,
    pub frame: Arc<Frame>,
    /// When it has to come out.
    deadline: Option<Instant>,
    /// None while it is on its way.
    ending: Option<Ending>,
}

impl<T> Entry<T> {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

/// A frame that is restored without coming out.
#[derive(Default)]
enum Probe {
    #[default]
    None,
    Working,
    Done(Outcome),
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared {
            places: Mutex::new(Places {
                given: None,
                in_front: false,
                midway: None,
                line: VecDeque::new(),
                delivering: None,
                probe: Probe::None,
                spare: None,
                generation: 0,
                interrupted: false,
                closed: false,
                ended: 0,
                serial: 0,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Places<T> {
    /// Whether frames are taken.
    pub fn takes(&self) -> bool {
        !self.interrupted && self.ended == 0
    }

    pub fn check(&self) -> Result<(), Refusal> {
        match (self.ended, self.interrupted) {
            (0, false) => Ok(()),
            (0, true) => Err(Refusal::Interrupted),
            _ => Err(Refusal::Ended),
        }
    }

    pub fn is_full(&self) -> bool {
        self.line.len() + usize::from(self.delivering.is_some()) >= ROOM
    }

    /// Whether a frame that is given now would have to wait.
    pub fn front_is_taken(&self) -> bool {
        self.given.is_some() || self.in_front || self.midway.is_some()
    }

    /// Whether there are frames that will come out.
    pub fn has_frames(&self) -> bool {
        self.delivering == Some(self.generation) || self.line.iter().any(|entry| entry.generation == self.generation)
    }

    /// Puts a frame at the end of the line. Returns its number.
    pub fn enter(&mut self, frame: Arc<Frame>, cargo: T, deadline: Option<Instant>, ending: Option<Ending>) -> u64 {
        self.serial += 1;
        self.line.push_back(Entry {
            serial: self.serial,
            generation: self.generation,
            cargo,
            frame,
            deadline,
            ending,
        });
        self.serial
    }

    /// Whether somebody still waits for a frame.
    pub fn wants<W>(&self, step: &Step<W>) -> bool {
        let waits = |serial| self.line.iter().any(|entry| entry.serial == serial && !entry.is_late());
        step.generation == self.generation && step.serial.is_none_or(waits)
    }

    /// What became of a frame's work; nothing if nobody waited for it any more.
    pub fn conclude<W>(&mut self, step: &Step<W>, outcome: Option<Outcome>) {
        match step.serial {
            None => self.probe = outcome.map_or(Probe::None, Probe::Done),
            Some(serial) => {
                let entry = self.line.iter_mut().find(|entry| entry.serial == serial);
                if let (Some(entry), Some(outcome)) = (entry, outcome) {
                    entry.ending = Some(Ending::Done(outcome));
                }
            }
        }
    }

    pub fn probe_is_free(&self) -> bool {
        matches!(self.probe, Probe::None)
    }

    pub fn begin_probe(&mut self) {
        self.probe = Probe::Working;
    }

    pub fn take_probe(&mut self) -> Option<Outcome> {
        match std::mem::take(&mut self.probe) {
            Probe::Done(outcome) => Some(outcome),
            probe => {
                self.probe = probe;
                None
            }
        }
    }

    /// The first in line, if it is to come out now.
    fn leave(&mut self) -> Option<(Entry<T>, Ending)> {
        let first = self.line.front()?;
        let recalled = first.generation != self.generation;
        if !recalled && !first.is_late() && first.ending.is_none() {
            return None;
        }
        let mut entry = self.line.pop_front()?;
        let ending = match entry.ending.take() {
            _ if recalled => Ending::Recalled,
            ending => ending.unwrap_or(Ending::Late),
        };
        self.delivering = (!recalled).then_some(entry.generation);
        Some((entry, ending))
    }
}

impl<T> Shared<T> {
    /// No code that can panic runs under this lock, so a poisoned one holds nothing half done.
    pub fn lock(&self) -> MutexGuard<'_, Places<T>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `take` gives, as soon as it gives something; nothing once the threads are to end.
    pub fn next<R>(&self, take: impl Fn(&mut Places<T>) -> Option<R>) -> Option<(R, MutexGuard<'_, Places<T>>)> {
        let mut places = self.lock();
        while !places.closed {
            if let Some(taken) = take(&mut places) {
                return Some((taken, places));
            }
            places = self.changed.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// The next frame to come out, as soon as it is to; none once the threads are to end.
    pub fn next_to_leave(&self) -> Option<(Entry<T>, Ending)> {
        let mut places = self.lock();
        while !places.closed {
            if let Some(leaving) = places.leave() {
                return Some(leaving);
            }
            let deadline = places.line.front().and_then(|entry| entry.deadline);
            places = self.wait_once(places, deadline);
        }
        None
    }

    /// Waits while `condition` holds.
    pub fn wait<'s>(
        &self,
        places: MutexGuard<'s, Places<T>>,
        condition: impl Fn(&Places<T>) -> bool,
    ) -> MutexGuard<'s, Places<T>> {
        self.wait_until(places, None, condition)
    }

    /// Waits while `condition` holds, until `deadline` at most.
    pub fn wait_until<'s>(
        &self,
        mut places: MutexGuard<'s, Places<T>>,
        deadline: Option<Instant>,
        condition: impl Fn(&Places<T>) -> bool,
    ) -> MutexGuard<'s, Places<T>> {
        while condition(&places) && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            places = self.wait_once(places, deadline);
        }
        places
    }

    /// Waits for a change, until `deadline` at most.
    fn wait_once<'s>(&self, places: MutexGuard<'s, Places<T>>, deadline: Option<Instant>) -> MutexGuard<'s, Places<T>> {
        match deadline {
            None => self.changed.wait(places).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout(places, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}
