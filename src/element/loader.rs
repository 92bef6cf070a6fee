//! Loads something slow on a thread of its own. The stream waits for it; the element's stop cancels it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::runtime::OpenCancel;

/// How often it is looked whether threads have ended.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A value that is being loaded. Dropping it, or [`cancel`](Self::cancel), cancels the thread's work and does not wait
/// for it.
pub struct Loader<T, E>(Arc<Shared<T, E>>);

/// What waiting came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited<T> {
    /// The value.
    Ready(T),
    /// The thread could not load it, and has said why.
    Failed,
    /// A flush or the element's stop came first.
    Interrupted,
}

/// The thread's end of it.
pub struct Promise<T, E>(Arc<Shared<T, E>>);

struct Shared<T, E> {
    slot: Mutex<Slot<T, E>>,
    changed: Condvar,
    /// Ends what the thread is at.
    cancel: OpenCancel,
}

struct Slot<T, E> {
    outcome: Outcome<T, E>,
    /// Whether an error is for whoever starts the loader, see [`Loader::early_error`].
    starting: bool,
    flushing: bool,
    cancelled: bool,
}

enum Outcome<T, E> {
    Pending,
    Ready(T),
    /// With the error, until it is reported.
    Failed(Option<E>),
}

/// The threads of a run's loaders. When the process exits, ONNX Runtime destroys what a thread that is still opening a
/// model works with, so the end of a run waits for them for a moment.
#[derive(Default)]
pub struct LoaderThreads(Mutex<Vec<JoinHandle<()>>>);

impl LoaderThreads {
    fn add(&self, thread: JoinHandle<()>) {
        let mut threads = self.0.lock();
        join_ended(&mut threads);
        threads.push(thread);
    }

    /// Waits until all have ended, but no longer than `timeout`; those that take longer are left to themselves.
    pub fn join(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut threads = std::mem::take(&mut *self.0.lock());
        loop {
            join_ended(&mut threads);
            if threads.is_empty() || Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

fn join_ended(threads: &mut Vec<JoinHandle<()>>) {
    for thread in threads.extract_if(.., |thread| thread.is_finished()) {
        // The panic hook has reported a panic in there.
        let _ = thread.join();
    }
}

impl<T, E> Shared<T, E> {
    fn change<R>(&self, change: impl FnOnce(&mut Slot<T, E>) -> R) -> R {
        let result = change(&mut self.slot.lock());
        self.changed.notify_all();
        result
    }
}

impl<T, E> Slot<T, E> {
    fn is_pending(&self) -> bool {
        matches!(self.outcome, Outcome::Pending)
    }
}

impl<T: Clone + Send + 'static, E: Send + 'static> Loader<T, E> {
    /// Starts `load` on a thread, one of `threads`. It hands the value or the error to its promise; if it ends with
    /// neither, it has failed.
    /// Fails if the system gives no thread.
    pub fn spawn(threads: &LoaderThreads, load: impl FnOnce(&Promise<T, E>) + Send + 'static) -> io::Result<Self> {
        let slot = Slot {
            outcome: Outcome::Pending,
            starting: true,
            flushing: false,
            cancelled: false,
        };
        let shared = Arc::new(Shared {
            slot: Mutex::new(slot),
            changed: Condvar::new(),
            cancel: OpenCancel::default(),
        });
        let promise = Promise(shared.clone());
        let thread = std::thread::Builder::new()
            .name("dloralvsr-load".into())
            .spawn(move || load(&promise))?;
        threads.add(thread);
        Ok(Loader(shared))
    }

    /// The error, if it comes before `timeout` is over; waits no longer than for the first outcome. From then on the
    /// thread has to report an error itself.
    pub fn early_error(&self, timeout: Duration) -> Option<E> {
        let pending = |slot: &mut Slot<T, E>| slot.is_pending();
        let mut slot = self.0.slot.lock();
        self.0.changed.wait_while_for(&mut slot, pending, timeout);
        slot.starting = false;
        match &mut slot.outcome {
            Outcome::Failed(error) => error.take(),
            Outcome::Pending | Outcome::Ready(_) => None,
        }
    }

    /// Waits until the value is there, or a flush or cancellation comes.
    pub fn wait(&self) -> Waited<T> {
        let wanted = |slot: &mut Slot<T, E>| slot.is_pending() && !slot.flushing && !slot.cancelled;
        let mut slot = self.0.slot.lock();
        self.0.changed.wait_while(&mut slot, wanted);
        match &slot.outcome {
            _ if slot.flushing || slot.cancelled => Waited::Interrupted,
            Outcome::Ready(value) => Waited::Ready(value.clone()),
            Outcome::Failed(_) | Outcome::Pending => Waited::Failed,
        }
    }

    /// The value if it is there.
    pub fn get(&self) -> Option<T> {
        match &self.0.slot.lock().outcome {
            Outcome::Ready(value) => Some(value.clone()),
            Outcome::Pending | Outcome::Failed(_) => None,
        }
    }

    /// Whether there will be no value.
    pub fn has_failed(&self) -> bool {
        matches!(self.0.slot.lock().outcome, Outcome::Failed(_))
    }

    /// Whether waiting is interrupted at present.
    pub fn is_interrupted(&self) -> bool {
        let slot = self.0.slot.lock();
        slot.flushing || slot.cancelled
    }

    /// While `flushing`, waiting is interrupted.
    pub fn set_flushing(&self, flushing: bool) {
        self.0.change(|slot| slot.flushing = flushing);
    }
}

impl<T, E> Loader<T, E> {
    /// Interrupts waiting for good, and what is being opened. Says whether the thread is still at it.
    pub fn cancel(&self) -> bool {
        self.0.cancel.cancel();
        self.0.change(|slot| {
            slot.cancelled = true;
            slot.is_pending()
        })
    }
}

impl<T, E> Drop for Loader<T, E> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<T, E> Promise<T, E> {
    /// Hands the value to those who wait. Says whether it was still wanted: whoever cancelled it before knows that it was
    /// pending.
    pub fn deliver(&self, value: T) -> bool {
        self.0.change(|slot| {
            slot.outcome = Outcome::Ready(value);
            !slot.cancelled
        })
    }

    /// Hands the error to whoever starts the loader. Gives it back if they have gone on: then the thread has to report it,
    /// before it drops the promise and those who wait learn of the failure.
    pub fn fail(&self, error: E) -> Option<E> {
        self.0.change(|slot| {
            if !slot.starting {
                return Some(error);
            }
            slot.outcome = Outcome::Failed(Some(error));
            None
        })
    }

    /// What ends the thread's work when nobody wants the result any more.
    pub fn cancellation(&self) -> &OpenCancel {
        &self.0.cancel
    }

    /// Whether somebody still wants the result, and hence messages about it.
    pub fn is_wanted(&self) -> bool {
        !self.0.slot.lock().cancelled
    }
}

impl<T, E> Drop for Promise<T, E> {
    /// A thread that failed, or panicked, leaves nobody waiting.
    fn drop(&mut self) {
        self.0.change(|slot| {
            if slot.is_pending() {
                slot.outcome = Outcome::Failed(None);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(30);
    type TestLoader = Loader<u32, &'static str>;

    /// A loader whose thread waits for what the test sends, and a way to send it.
    fn held() -> (TestLoader, mpsc::Sender<Result<u32, &'static str>>) {
        let (sender, receiver) = mpsc::channel();
        let load = move |promise: &Promise<u32, &'static str>| match receiver.recv() {
            Ok(Ok(value)) => drop(promise.deliver(value)),
            Ok(Err(error)) => drop(promise.fail(error)),
            Err(_) => (),
        };
        (Loader::spawn(&LoaderThreads::default(), load).unwrap(), sender)
    }

    /// Waits on another thread, so that a hang fails the test.
    fn wait(loader: TestLoader, meanwhile: impl FnOnce(&TestLoader)) -> Waited<u32> {
        let loader = Arc::new(loader);
        let (sender, receiver) = mpsc::channel();
        let waiting = loader.clone();
        std::thread::spawn(move || sender.send(waiting.wait()));
        meanwhile(&loader);
        receiver.recv_timeout(LONG).expect("wait() hangs")
    }

    #[test]
    fn gives_the_value_to_those_who_wait() {
        let (loader, sender) = held();
        assert_eq!(loader.get(), None);
        assert_eq!(wait(loader, |_| sender.send(Ok(7)).unwrap()), Waited::Ready(7));
    }

    #[test]
    fn failure_reaches_those_who_wait() {
        let (loader, sender) = held();
        assert_eq!(wait(loader, |_| sender.send(Err("broken")).unwrap()), Waited::Failed);
    }

    #[test]
    fn a_panic_is_a_failure() {
        let loader = TestLoader::spawn(&LoaderThreads::default(), |_| panic!("part of the test")).unwrap();
        assert_eq!(wait(loader, |_| ()), Waited::Failed);
    }

    #[test]
    fn an_early_error_is_for_whoever_starts() {
        let (loader, sender) = held();
        sender.send(Err("broken")).unwrap();
        assert_eq!(loader.early_error(LONG), Some("broken"));
        assert_eq!(loader.wait(), Waited::Failed);
    }

    #[test]
    fn a_later_error_is_given_back_to_the_thread() {
        let (told, hears) = mpsc::channel();
        let (go, wait_for_go) = mpsc::channel();
        let loader = TestLoader::spawn(&LoaderThreads::default(), move |promise| {
            wait_for_go.recv().unwrap();
            told.send(promise.fail("broken")).unwrap();
        })
        .unwrap();
        assert_eq!(loader.early_error(Duration::ZERO), None);
        go.send(()).unwrap();
        assert_eq!(hears.recv_timeout(LONG), Ok(Some("broken")));
        assert_eq!(loader.wait(), Waited::Failed);
    }

    #[test]
    fn a_value_ends_the_timeout() {
        let (loader, sender) = held();
        sender.send(Ok(3)).unwrap();
        assert_eq!(loader.early_error(Duration::from_secs(100_000)), None);
        assert_eq!(loader.get(), Some(3));
    }

    #[test]
    fn a_flush_interrupts_and_its_end_allows_waiting_again() {
        let (loader, sender) = held();
        loader.set_flushing(true);
        assert_eq!(loader.wait(), Waited::Interrupted);
        loader.set_flushing(false);
        assert_eq!(wait(loader, |_| sender.send(Ok(1)).unwrap()), Waited::Ready(1));
    }

    #[test]
    fn a_flush_wakes_those_who_wait() {
        let (loader, _sender) = held();
        assert_eq!(wait(loader, |loader| loader.set_flushing(true)), Waited::Interrupted);
    }

    #[test]
    fn cancelling_waits_for_nobody_and_tells_the_thread() {
        let (asked, answer) = (mpsc::channel(), mpsc::channel());
        let loader = TestLoader::spawn(&LoaderThreads::default(), move |promise| {
            asked.1.recv().unwrap();
            answer.0.send(promise.is_wanted()).unwrap();
            promise.deliver(1);
        })
        .unwrap();
        assert_eq!(wait(loader, |loader| assert!(loader.cancel())), Waited::Interrupted);
        asked.0.send(()).unwrap();
        assert_eq!(answer.1.recv_timeout(LONG), Ok(false));
    }

    #[test]
    fn threads_that_end_in_time_are_waited_for_and_others_are_not() {
        let threads = LoaderThreads::default();
        let (sender, receiver) = mpsc::channel::<()>();
        let (ended, is_ended) = (Arc::new(Mutex::new(false)), Duration::from_millis(50));
        let end = ended.clone();
        let soon = TestLoader::spawn(&threads, move |_| {
            std::thread::sleep(is_ended);
            *end.lock() = true;
        });
        drop(soon.unwrap());
        threads.join(LONG);
        assert!(*ended.lock());
        let never = TestLoader::spawn(&threads, move |_| {
            let _ = receiver.recv();
        });
        drop(never.unwrap());
        threads.join(Duration::from_millis(1));
        drop(sender);
    }
}
