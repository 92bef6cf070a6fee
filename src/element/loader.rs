//! Something slow to load, on a thread of its own: waited for by the stream, abandoned when the element stops.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A value on its way. Dropping it, or [`abandon`](Self::abandon), leaves the worker to itself: nobody waits for it.
pub struct Loader<T>(Arc<Shared<T>>);

/// What waiting came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited<T> {
    /// The value.
    Ready(T),
    /// The worker could not load it, and has said why.
    Failed,
    /// A flush or the element's stop came first.
    Interrupted,
}

/// The worker's view: whether its result is still wanted.
pub struct Ticket<T>(Arc<Shared<T>>);

struct Shared<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

struct Slot<T> {
    outcome: Outcome<T>,
    flushing: bool,
    abandoned: bool,
}

enum Outcome<T> {
    Pending,
    Ready(T),
    Failed,
}

impl<T> Shared<T> {
    /// No code that can panic runs under this lock, so a poisoned one holds nothing half done.
    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Slot<T>)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

impl<T: Clone + Send + 'static> Loader<T> {
    /// Starts `load` on a thread. It delivers the value through its ticket; if it ends without, it has failed, and has
    /// said why.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(load: impl FnOnce(&Ticket<T>) + Send + 'static) -> io::Result<Self> {
        let slot = Slot {
            outcome: Outcome::Pending,
            flushing: false,
            abandoned: false,
        };
        let shared = Arc::new(Shared {
            slot: Mutex::new(slot),
            changed: Condvar::new(),
        });
        let ticket = Ticket(shared.clone());
        std::thread::Builder::new()
            .name("dloralvsr-load".into())
            .spawn(move || load(&ticket))?;
        Ok(Loader(shared))
    }

    /// Waits until the value is there, or a flush or abandonment comes.
    pub fn wait(&self) -> Waited<T> {
        let wanted = |slot: &mut Slot<T>| matches!(slot.outcome, Outcome::Pending) && !slot.flushing && !slot.abandoned;
        let slot = self
            .0
            .changed
            .wait_while(self.0.lock(), wanted)
            .unwrap_or_else(PoisonError::into_inner);
        match &slot.outcome {
            _ if slot.flushing || slot.abandoned => Waited::Interrupted,
            Outcome::Ready(value) => Waited::Ready(value.clone()),
            Outcome::Failed | Outcome::Pending => Waited::Failed,
        }
    }

    /// The value if it is there.
    pub fn get(&self) -> Option<T> {
        match &self.0.lock().outcome {
            Outcome::Ready(value) => Some(value.clone()),
            Outcome::Pending | Outcome::Failed => None,
        }
    }

    /// While `flushing`, waiting is interrupted.
    pub fn set_flushing(&self, flushing: bool) {
        self.0.change(|slot| slot.flushing = flushing);
    }

    /// Interrupts waiting for good. Says whether the worker is still at it.
    pub fn abandon(&self) -> bool {
        self.0.change(|slot| slot.abandoned = true);
        matches!(self.0.lock().outcome, Outcome::Pending)
    }
}

impl<T> Drop for Loader<T> {
    fn drop(&mut self) {
        self.0.change(|slot| slot.abandoned = true);
    }
}

impl<T> Ticket<T> {
    /// Hands the value to those who wait.
    pub fn deliver(&self, value: T) {
        self.0.change(|slot| slot.outcome = Outcome::Ready(value));
    }

    /// Whether somebody still wants the result, and hence news of it.
    pub fn is_wanted(&self) -> bool {
        !self.0.lock().abandoned
    }
}

impl<T> Drop for Ticket<T> {
    /// A worker that failed, or panicked, leaves nobody waiting.
    fn drop(&mut self) {
        self.0.change(|slot| {
            if matches!(slot.outcome, Outcome::Pending) {
                slot.outcome = Outcome::Failed;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    /// A loader whose worker waits for what the test sends, and a way to send it.
    fn held() -> (Loader<u32>, mpsc::Sender<Option<u32>>) {
        let (sender, receiver) = mpsc::channel();
        let load = move |ticket: &Ticket<u32>| {
            if let Ok(Some(value)) = receiver.recv() {
                ticket.deliver(value);
            }
        };
        (Loader::spawn(load).unwrap(), sender)
    }

    /// Waits on another thread, so that a hang fails the test.
    fn wait(loader: Loader<u32>, meanwhile: impl FnOnce(&Loader<u32>)) -> Waited<u32> {
        let loader = Arc::new(loader);
        let (sender, receiver) = mpsc::channel();
        let waiting = loader.clone();
        std::thread::spawn(move || sender.send(waiting.wait()));
        meanwhile(&loader);
        receiver.recv_timeout(Duration::from_secs(30)).expect("wait() hangs")
    }

    #[test]
    fn gives_the_value_to_those_who_wait() {
        let (loader, sender) = held();
        assert_eq!(loader.get(), None);
        assert_eq!(wait(loader, |_| sender.send(Some(7)).unwrap()), Waited::Ready(7));
    }

    #[test]
    fn failure_reaches_those_who_wait() {
        let (loader, sender) = held();
        assert_eq!(wait(loader, |_| sender.send(None).unwrap()), Waited::Failed);
    }

    #[test]
    fn a_panic_is_a_failure() {
        let loader = Loader::<u32>::spawn(|_| panic!("part of the test")).unwrap();
        assert_eq!(wait(loader, |_| ()), Waited::Failed);
    }

    #[test]
    fn a_flush_interrupts_and_its_end_allows_waiting_again() {
        let (loader, sender) = held();
        loader.set_flushing(true);
        assert_eq!(loader.wait(), Waited::Interrupted);
        loader.set_flushing(false);
        assert_eq!(wait(loader, |_| sender.send(Some(1)).unwrap()), Waited::Ready(1));
    }

    #[test]
    fn a_flush_wakes_those_who_wait() {
        let (loader, _sender) = held();
        assert_eq!(wait(loader, |loader| loader.set_flushing(true)), Waited::Interrupted);
    }

    #[test]
    fn abandoning_waits_for_nobody_and_tells_the_worker() {
        let (asked, answer) = (mpsc::channel(), mpsc::channel());
        let loader = Loader::<u32>::spawn(move |ticket| {
            asked.1.recv().unwrap();
            answer.0.send(ticket.is_wanted()).unwrap();
            ticket.deliver(1);
        })
        .unwrap();
        assert_eq!(wait(loader, |loader| assert!(loader.abandon())), Waited::Interrupted);
        asked.0.send(()).unwrap();
        assert_eq!(answer.1.recv_timeout(Duration::from_secs(30)), Ok(false));
    }
}
