//! Models of the process, shared by all who ask for the same one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Values that live as long as somebody uses them, by key. Whoever asks while a value is being made waits for it;
/// other keys do not.
pub(super) struct Shared<K, V> {
    slots: Mutex<Option<HashMap<K, Slot<V>>>>,
}

type Slot<V> = Arc<Mutex<Weak<V>>>;

impl<K: Hash + Eq, V> Shared<K, V> {
    pub const fn new() -> Self {
        Shared {
            slots: Mutex::new(None),
        }
    }

    /// The value of `key`, made by `make` if there is none.
    pub fn get_or_make<E>(&self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let slot = self.slot(key);
        // A panic in `make` leaves the slot as it was: without a value.
        let mut weak = slot.lock();
        if let Some(value) = weak.upgrade() {
            return Ok(value);
        }
        let value = Arc::new(make()?);
        *weak = Arc::downgrade(&value);
        Ok(value)
    }

    fn slot(&self, key: K) -> Slot<V> {
        let mut slots = self.slots.lock();
        let slots = slots.get_or_insert_default();
        // Slots that nobody uses and whose value is gone.
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || is_alive(slot));
        slots.entry(key).or_default().clone()
    }
}

fn is_alive<V>(slot: &Slot<V>) -> bool {
    slot.lock().strong_count() > 0
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::thread;

    use super::*;

    fn make(value: u32) -> impl FnOnce() -> Result<u32, Infallible> {
        move || Ok(value)
    }

    #[test]
    fn equal_keys_share_while_in_use() {
        let shared = Shared::new();
        let first = shared.get_or_make("a", make(1)).unwrap();
        let second = shared.get_or_make("a", make(2)).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*shared.get_or_make("b", make(3)).unwrap(), 3);
        drop((first, second));
        assert_eq!(*shared.get_or_make("a", make(4)).unwrap(), 4, "the first is gone");
    }

    #[test]
    fn a_failure_is_not_kept() {
        let shared = Shared::new();
        assert_eq!(shared.get_or_make("a", || Err::<u32, _>("no")), Err("no"));
        assert_eq!(*shared.get_or_make("a", make(1)).unwrap(), 1);
    }

    #[test]
    fn whoever_asks_meanwhile_gets_the_same() {
        let shared = Shared::new();
        let values: Vec<Arc<thread::ThreadId>> = thread::scope(|scope| {
            let ask = || {
                shared
                    .get_or_make("a", || Ok::<_, Infallible>(thread::current().id()))
                    .unwrap()
            };
            let others: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            others.into_iter().map(|other| other.join().unwrap()).collect()
        });
        assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
    }

    #[test]
    fn dead_slots_are_forgotten() {
        let shared = Shared::new();
        for key in 0..100 {
            shared.get_or_make(key, make(key)).unwrap();
        }
        let slots = shared.slots.lock();
        assert_eq!(slots.as_ref().unwrap().len(), 1);
    }
}
