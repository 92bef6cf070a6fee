//! Frames in flight: while one is decoded, the next is encoded and restored. Each half of the way has a thread of its
//! own, and a third one hands the frames out, in the order in which they went in.
//!
//! Two halves on half of the cores each keep them busier than one graph after the other on all of them. What it costs is
//! time: a single frame is longer on its way. So this is for streams in which nobody waits for a particular frame, or in
//! which each has time enough for that; then frames have deadlines, at which they come out whether restored or not.

mod places;
mod threads;

use std::sync::{Arc, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;
use std::{fmt, io};

use self::places::{Places, Shared, Step};
use super::frame::Frame;
use super::job::{FAREWELL, Job, Limit, Outcome};
use super::stream::Stream;

/// A frame that has come out.
#[derive(Debug)]
pub struct Delivery<T> {
    /// What was given with it.
    pub cargo: T,
    /// As it went in.
    pub frame: Arc<Frame>,
    /// How its way ended.
    pub ending: Ending,
}

/// How a frame's way ended.
#[derive(Debug)]
pub enum Ending {
    /// It is restored, or has failed.
    Done(Outcome),
    /// Time was up first.
    Late,
    /// It was not to be restored.
    Plain,
    /// It was [recalled](Stages::interrupt).
    Recalled,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Taking was [interrupted](Stages::interrupt).
    Interrupted,
    /// A thread has ended by itself: whoever takes the deliveries panicked.
    Ended,
}

/// Threads that restore the frames of one stream, each one half of the way, and hand them out.
pub struct Stages<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
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
            shared: Arc::default(),
            threads: Vec::new(),
        };
        stages.start("dloralvsr-front", move |shared| threads::restore(shared, front))?;
        stages.start("dloralvsr-back", move |shared| threads::decode(shared, back))?;
        stages.start("dloralvsr-out", move |shared| threads::hand_out(shared, deliver))?;
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

    /// Waits until a frame that is given or passed by does not have to wait for others to come out first.
    ///
    /// # Errors
    /// If it would not be taken.
    pub fn wait_for_room(&self) -> Result<(), Refusal> {
        self.room().check()
    }

    /// Gives a frame, with which `cargo` will be delivered. Waits until there is room, the first half is free for it and
    /// no other frame is waiting for the second, which is not for longer than a frame takes unless a delivery does.
    ///
    /// With a `limit` the frame comes out by the limit's end, restored or not. If the first half does not get free in time
    /// for it, the frame is not begun, which is what is returned, and comes out as late.
    ///
    /// # Errors
    /// If the frame is not taken.
    pub fn give(&self, job: Job, cargo: T, limit: Option<Limit>) -> Result<bool, Refusal> {
        let deadline = limit.map(|limit| limit.deadline);
        let places = self.room();
        let waits = places.front_is_taken();
        let wanting = |places: &Places<T>| places.takes() && places.front_is_taken();
        let mut places = self.shared.wait_until(places, deadline, wanting);
        places.check()?;
        let too_late = waits && limit.is_some_and(|limit| limit.is_near());
        let begins = !places.front_is_taken() && !too_late;
        let ending = (!begins).then_some(Ending::Late);
        let serial = places.enter(job.frame.clone(), cargo, deadline, ending);
        if begins {
            let generation = places.generation;
            places.given = Some(Step {
                serial: Some(serial),
                generation,
                what: job,
            });
        }
        self.shared.changed.notify_all();
        Ok(begins)
    }

    /// Gives a frame that is not to be restored: it comes out in its place. Waits until there is room.
    ///
    /// # Errors
    /// If the frame is not taken.
    pub fn pass_by(&self, frame: Arc<Frame>, cargo: T) -> Result<(), Refusal> {
        let mut places = self.room();
        places.check()?;
        places.enter(frame, cargo, None, Some(Ending::Plain));
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Restores a frame that does not come out, if the first half is free and what became of the last one of that kind
    /// has been [taken](Self::take). Says whether it is.
    pub fn probe(&self, job: Job) -> bool {
        let mut places = self.shared.lock();
        let free = places.check().is_ok() && !places.front_is_taken() && places.probe_is_free();
        if free {
            let generation = places.generation;
            places.begin_probe();
            places.given = Some(Step {
                serial: None,
                generation,
                what: job,
            });
            self.shared.changed.notify_all();
        }
        free
    }

    /// What became of a [probe](Self::probe), once.
    pub fn take(&self) -> Option<Outcome> {
        self.shared.lock().take_probe()
    }

    /// Waits until every frame is delivered that has not been recalled, or for an interruption. A delivery that calls
    /// this waits for nothing.
    pub fn land(&self) {
        if self.delivers_here() {
            return;
        }
        let places = self.shared.lock();
        drop(self.shared.wait(places, |places| places.takes() && places.has_frames()));
    }

    /// While interrupted, no frame is taken and nobody waits. Frames that are in flight are recalled: they are delivered
    /// as such at once. A delivery that had begun is waited for when the interruption ends, so that from then on no frame
    /// comes out that had gone in before.
    pub fn interrupt(&self, interrupted: bool) {
        let mut places = self.shared.lock();
        if !interrupted && !self.delivers_here() {
            let delivering = |places: &Places<T>| places.delivering.is_some() && places.ended == 0;
            places = self.shared.wait(places, delivering);
        }
        places.generation += u64::from(interrupted);
        places.interrupted = interrupted;
        self.shared.changed.notify_all();
    }
}

impl<T> Stages<T> {
    /// The places, once there is room for a frame or none is taken.
    fn room(&self) -> MutexGuard<'_, Places<T>> {
        let places = self.shared.lock();
        self.shared.wait(places, |places| places.takes() && places.is_full())
    }

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
        places.generation += 1;
        self.shared.changed.notify_all();
        if delivers_here {
            return;
        }
        let deadline = Some(Instant::now() + FAREWELL);
        places = self.shared.wait_until(places, deadline, |places| places.ended < count);
        let working = places.ended < count;
        drop(places);
        if working {
            return;
        }
        for thread in self.threads.drain(..) {
            // It has nothing left to do, and says nothing: a panic in there was told where it happened.
            let _ = thread.join();
        }
    }
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
