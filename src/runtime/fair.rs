//! A lock that is granted in the order in which it was asked for.
//!
//! Two elements that share a session would starve each other with `std::sync::Mutex`: it may hand the lock to
//! whoever asks next, and the stream that has just finished a frame asks again at once. A ticket and a condition
//! variable are all it takes; the waits are milliseconds, so waking every waiter costs nothing that shows.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A value behind a first-come-first-served lock.
#[derive(Debug)]
pub(super) struct FairMutex<T> {
    queue: Mutex<Queue>,
    moved: Condvar,
    value: Mutex<T>,
}

#[derive(Debug)]
struct Queue {
    next_ticket: u64,
    now_serving: u64,
}

impl<T> FairMutex<T> {
    pub const fn new(value: T) -> Self {
        FairMutex {
            queue: Mutex::new(Queue {
                next_ticket: 0,
                now_serving: 0,
            }),
            moved: Condvar::new(),
            value: Mutex::new(value),
        }
    }

    /// Runs `work` when all who asked before are done.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let _turn = self.wait_for_turn();
        // A panic in `work` is the caller's; what it left of the value is for the next to find out, as without a lock.
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut value)
    }

    fn wait_for_turn(&self) -> Turn<'_, T> {
        let mut queue = self.queue();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        while queue.now_serving != ticket {
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the next one in when dropped.
struct Turn<'a, T>(&'a FairMutex<T>);

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.0.queue().now_serving += 1;
        self.0.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn whoever_waits_goes_before_whoever_comes_back() {
        let lock = FairMutex::new(Vec::new());
        thread::scope(|scope| {
            let (inside, is_inside) = mpsc::channel();
            let lock = &lock;
            scope.spawn(move || {
                lock.with(|order| {
                    inside.send(()).unwrap();
                    // Held until the other one is in the queue.
                    while lock.queue().next_ticket < 2 {
                        thread::yield_now();
                    }
                    order.push("first");
                });
                lock.with(|order| order.push("first again"));
            });
            is_inside.recv().unwrap();
            lock.with(|order| order.push("second"));
        });
        assert_eq!(lock.with(|order| order.clone()), ["first", "second", "first again"]);
    }

    #[test]
    fn a_panic_lets_the_next_one_in() {
        let lock = FairMutex::new(0);
        thread::scope(|scope| {
            let panicked = scope.spawn(|| lock.with(|_| panic!("on purpose"))).join();
            assert!(panicked.is_err());
        });
        assert_eq!(lock.with(|value| *value), 0);
    }
}
