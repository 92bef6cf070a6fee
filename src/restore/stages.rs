//! Frames in flight: while one is decoded, the next is encoded and restored. Each half of the way has a thread of its
//! own, and frames come out in the order in which they went in.
//!
//! Two halves on half of the cores each keep them busier than one graph after the other on all of them. What it costs is
//! time: a single frame is longer on its way. So this is for streams in which nobody waits for a particular frame.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use std::{fmt, io};

use super::RestoreError;
use super::back::Back;
use super::frame::Frame;
use super::front::{Front, Midway};
use super::job::{FAREWELL, Job, Outcome, Restored, caught};
use super::source::Source;
use super::stream::Stream;

/// A frame that has come out.
#[derive(Debug)]
pub struct Delivery<T> {
    /// What was given with it.
    pub cargo: T,
    /// As it went in.
    pub frame: Arc<Frame>,
    /// What became of it; none if it was [recalled](Stages::interrupt).
    pub outcome: Option<Outcome>,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Taking was [interrupted](Stages::interrupt).
    Interrupted,
    /// A thread has ended by itself: whoever takes the deliveries panicked.
    Ended,
}

/// Two threads that restore the frames of one stream, each one half of the way.
pub struct Stages<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<T> {
    places: Mutex<Places<T>>,
    changed: Condvar,
}

/// Where frames are. At most one is at each place.
struct Places<T> {
    /// Given, and not begun.
    given: Option<Ticket<T, Job>>,
    /// In the first half: the recalls before it was given.
    in_front: Option<u64>,
    /// Between the halves.
    midway: Option<Ticket<T, Half>>,
    /// In the second half, or being delivered: the recalls before it was given.
    in_back: Option<u64>,
    /// Being delivered with its outcome: a recall comes too late for it.
    delivering: bool,
    /// Memory for the first half.
    spare: Option<Source>,
    /// Recalls so far: frames that were given before the last one have another number.
    recall: u64,
    interrupted: bool,
    closed: bool,
    /// Threads that have ended.
    ended: usize,
}

/// A frame on its way.
struct Ticket<T, W> {
    /// Recalls before it was given.
    recall: u64,
    cargo: T,
    frame: Arc<Frame>,
    what: W,
}

/// What the first half leaves; no result if the frame was recalled before it began.
struct Half {
    result: Option<Result<Midway, RestoreError>>,
    picture: Vec<u8>,
}

impl<T: Send + 'static> Stages<T> {
    /// Starts the threads that take the frames of `stream`. `deliver` is called with every frame that was taken, on one
    /// of them; the frame counts as in flight until it returns.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(stream: Stream, deliver: impl FnMut(Delivery<T>) + Send + 'static) -> io::Result<Stages<T>> {
        let (front, back) = stream.into_halves();
        let mut stages = Stages {
            shared: Arc::new(Shared::new()),
            threads: Vec::new(),
        };
        stages.start("dloralvsr-front", move |shared| work_in_front(shared, front))?;
        stages.start("dloralvsr-back", move |shared| work_in_back(shared, back, deliver))?;
        Ok(stages)
    }

    fn start(&mut self, name: &str, work: impl FnOnce(&Shared<T>) + Send + 'static) -> io::Result<()> {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            let _end = End(&shared);
            work(&shared);
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Gives a frame, and waits until the first half is free for it and no other frame is waiting for the second, which
    /// is not for longer than a frame takes unless a delivery does. With the frame, `cargo` will be delivered.
    ///
    /// # Errors
    /// If the frame is not taken.
    pub fn give(&self, job: Job, cargo: T) -> Result<(), Refusal> {
        let places = self.shared.lock();
        let mut places = self.shared.wait(places, |places| {
            !places.refuses() && (places.given.is_some() || places.in_front.is_some() || places.midway.is_some())
        });
        if places.ended > 0 {
            return Err(Refusal::Ended);
        }
        if places.interrupted {
            return Err(Refusal::Interrupted);
        }
        places.given = Some(Ticket {
            recall: places.recall,
            cargo,
            frame: job.frame.clone(),
            what: job,
        });
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until every frame is delivered that has not been recalled, or for an interruption. A delivery that calls
    /// this waits for nothing.
    pub fn land(&self) {
        if self.delivers_here() {
            return;
        }
        let places = self.shared.lock();
        drop(
            self.shared
                .wait(places, |places| !places.refuses() && places.has_frames()),
        );
    }

    /// While interrupted, no frame is taken and nobody waits. Frames that are in flight are recalled: they are delivered
    /// without an outcome, as soon as what is being computed of them is done. A delivery that had begun is waited for
    /// when the interruption ends, so that from then on no frame comes out that had gone in before.
    pub fn interrupt(&self, interrupted: bool) {
        let mut places = self.shared.lock();
        if !interrupted && !self.delivers_here() {
            places = self
                .shared
                .wait(places, |places| places.delivering && places.ended == 0);
        }
        places.recall += u64::from(interrupted);
        places.interrupted = interrupted;
        self.shared.changed.notify_all();
    }
}

impl<T> Stages<T> {
    /// Whether this is called from a delivery, which cannot wait for itself.
    fn delivers_here(&self) -> bool {
        let own = std::thread::current().id();
        self.threads.iter().any(|thread| thread.thread().id() == own)
    }
}

impl<T> fmt::Debug for Stages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stages").finish_non_exhaustive()
    }
}

impl<T> Drop for Stages<T> {
    /// Waits a moment for what is being computed or delivered, and leaves the threads to themselves if that takes longer.
    /// What waits is dropped with its cargo. A delivery that drops this waits for nothing.
    fn drop(&mut self) {
        let delivers_here = self.delivers_here();
        let count = self.threads.len();
        let mut places = self.shared.lock();
        places.closed = true;
        places.recall += 1;
        self.shared.changed.notify_all();
        if delivers_here {
            return;
        }
        let deadline = Instant::now() + FAREWELL;
        while places.ended < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(places, left);
            places = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(places);
        for thread in self.threads.drain(..) {
            // It has nothing left to do, and says nothing: a panic in there was told where it happened.
            let _ = thread.join();
        }
    }
}

impl<T> Places<T> {
    fn refuses(&self) -> bool {
        self.interrupted || self.ended > 0
    }

    /// Whether there are frames that will come out.
    fn has_frames(&self) -> bool {
        let given = self.given.as_ref().map(|ticket| ticket.recall);
        let midway = self.midway.as_ref().map(|ticket| ticket.recall);
        [given, self.in_front, midway, self.in_back].contains(&Some(self.recall))
    }
}

impl<T> Shared<T> {
    fn new() -> Shared<T> {
        Shared {
            places: Mutex::new(Places {
                given: None,
                in_front: None,
                midway: None,
                in_back: None,
                delivering: false,
                spare: None,
                recall: 0,
                interrupted: false,
                closed: false,
                ended: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// No code that can panic runs under this lock, so a poisoned one holds nothing half done.
    fn lock(&self) -> MutexGuard<'_, Places<T>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `take` gives, as soon as it gives something; nothing once the threads are to end.
    fn next<R>(&self, take: impl Fn(&mut Places<T>) -> Option<R>) -> Option<(R, MutexGuard<'_, Places<T>>)> {
        let mut places = self.lock();
        while !places.closed {
            if let Some(taken) = take(&mut places) {
                return Some((taken, places));
            }
            places = self.changed.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Waits while `condition` holds.
    fn wait<'s>(
        &self,
        mut places: MutexGuard<'s, Places<T>>,
        condition: impl Fn(&Places<T>) -> bool,
    ) -> MutexGuard<'s, Places<T>> {
        while condition(&places) {
            places = self.changed.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
        places
    }
}

/// The first thread: frames to their restored latents.
fn work_in_front<T>(shared: &Shared<T>, mut front: Front) {
    loop {
        // At most one frame is before the second half: each has the memory of a whole picture with it.
        let take = |places: &mut Places<T>| places.given.take_if(|_| places.midway.is_none());
        let Some((ticket, mut places)) = shared.next(take) else {
            return;
        };
        places.in_front = Some(ticket.recall);
        let recalled = ticket.recall != places.recall;
        if let Some(source) = places.spare.take() {
            front.recycle(source);
        }
        drop(places);
        let Ticket {
            recall,
            cargo,
            frame,
            what: job,
        } = ticket;
        let what = Half {
            result: (!recalled).then(|| restore(&mut front, &job)),
            picture: job.picture,
        };
        let mut places = shared.lock();
        places.midway = Some(Ticket {
            recall,
            cargo,
            frame,
            what,
        });
        places.in_front = None;
        shared.changed.notify_all();
    }
}

fn restore(front: &mut Front, job: &Job) -> Result<Midway, RestoreError> {
    front.set_settings(job.settings.clone());
    if !job.follows {
        front.reset();
    }
    caught(|| front.restore(&job.frame))
}

/// The second thread: restored latents to pictures, and their delivery.
fn work_in_back<T>(shared: &Shared<T>, mut back: Back, mut deliver: impl FnMut(Delivery<T>)) {
    loop {
        let Some((ticket, mut places)) = shared.next(|places| places.midway.take()) else {
            return;
        };
        places.in_back = Some(ticket.recall);
        let recalled = ticket.recall != places.recall;
        shared.changed.notify_all();
        drop(places);
        let Half { result, picture } = ticket.what;
        let finished = result
            .filter(|_| !recalled)
            .map(|result| finish(&mut back, result, picture));
        let (outcome, spare) = match finished {
            Some(Ok((restored, source))) => (Some(Ok(restored)), Some(source)),
            Some(Err(error)) => (Some(Err(error)), None),
            None => (None, None),
        };
        let mut places = shared.lock();
        let recalled = ticket.recall != places.recall;
        places.delivering = !recalled;
        drop(places);
        deliver(Delivery {
            cargo: ticket.cargo,
            frame: ticket.frame,
            outcome: outcome.filter(|_| !recalled),
        });
        let mut places = shared.lock();
        places.in_back = None;
        places.delivering = false;
        places.spare = spare.or(places.spare.take());
        shared.changed.notify_all();
    }
}

fn finish(
    back: &mut Back,
    half: Result<Midway, RestoreError>,
    mut picture: Vec<u8>,
) -> Result<(Restored, Source), RestoreError> {
    let midway = half?;
    let (report, source) = caught(|| back.finish(midway, &mut picture))?;
    Ok((Restored { picture, report }, source))
}

/// Says, when a thread ends, that it has.
struct End<'s, T>(&'s Shared<T>);

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        let mut places = self.0.lock();
        places.ended += 1;
        drop(places);
        self.0.changed.notify_all();
    }
}
