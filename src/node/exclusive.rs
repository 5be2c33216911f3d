//! The one lock of the data: whoever holds it runs alone. It is held for the time of a batch, some microseconds, which is less
//! than putting a thread to sleep and waking it costs; so a thread that finds it taken first waits without sleeping.

use std::{
    hint,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

/// How long to wait awake: as long as a batch of some 250 commands takes. A thread that waits longer sleeps, because the holder
/// may have lost its core, or runs a slow command.
const AWAKE: Duration = Duration::from_micros(20);
/// Pauses between two looks at the lock, so that looking does not slow its holder down.
const PAUSES: u32 = 32;

const HALF_CHANGED: &str = "a panic may have left the data half-changed";

/// Between two questions whether it is worth waiting on.
const PATIENCE: Duration = Duration::from_millis(10);

/// A value that one thread has at a time, for short.
#[derive(Debug, Default)]
pub(super) struct Exclusive<T> {
    value: Mutex<T>,
    half_changed: AtomicBool,
}

/// The value, until this is dropped.
#[derive(Debug)]
pub struct Held<'a, T> {
    value: MutexGuard<'a, T>,
    half_changed: &'a AtomicBool,
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.half_changed.store(true, Relaxed);
        }
    }
}

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), half_changed: AtomicBool::new(false) }
    }

    /// Waits until nobody else has it.
    ///
    /// # Panics
    /// If another thread did while it had it: what that left half-changed is for nobody. Daemons have ended by then.
    pub(super) fn lock(&self) -> Held<'_, T> {
        self.try_awake().unwrap_or_else(|| self.held(self.value.lock()))
    }

    /// The same, but gives up once `is_long` says that whoever has it will have it for long.
    ///
    /// # Panics
    /// As [`Exclusive::lock`].
    pub(super) fn lock_unless(&self, is_long: impl Fn() -> bool) -> Option<Held<'_, T>> {
        if let Some(held) = self.try_awake() {
            return Some(held);
        }
        loop {
            if is_long() {
                return None;
            }
            if let Some(guard) = self.value.try_lock_for(PATIENCE) {
                return Some(self.held(guard));
            }
        }
    }

    fn try_awake(&self) -> Option<Held<'_, T>> {
        if let Some(held) = self.try_lock() {
            return Some(held);
        }
        let since = Instant::now();
        while since.elapsed() < AWAKE {
            for _ in 0..PAUSES {
                hint::spin_loop();
            }
            if let Some(held) = self.try_lock() {
                return Some(held);
            }
        }
        None
    }

    fn try_lock(&self) -> Option<Held<'_, T>> {
        self.value.try_lock().map(|guard| self.held(guard))
    }

    fn held<'a>(&'a self, value: MutexGuard<'a, T>) -> Held<'a, T> {
        let held = Held { value, half_changed: &self.half_changed };
        assert!(!self.half_changed.load(Relaxed), "{HALF_CHANGED}");
        held
    }
}

#[cfg(test)]
mod tests {
    use std::{panic, sync::Arc, thread};

    use super::*;

    #[test]
    fn one_thread_at_a_time_however_long_it_takes() {
        let count = Arc::new(Exclusive::new(0_u64));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let count = Arc::clone(&count);
                thread::spawn(move || {
                    for round in 0..1000 {
                        let mut count = count.lock();
                        let before = *count;
                        if round % 250 == 0 {
                            // Longer than others stay awake for.
                            let since = Instant::now();
                            while since.elapsed() < 4 * AWAKE {
                                hint::spin_loop();
                            }
                        }
                        *count = before + 1;
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(*count.lock(), 4000);
    }

    #[test]
    fn nobody_waits_for_what_takes_long() {
        let value = Exclusive::new(1);
        let held = value.lock();
        assert!(value.lock_unless(|| true).is_none());
        let asked = std::cell::Cell::new(0);
        assert!(value.lock_unless(|| asked.replace(asked.get() + 1) == 3).is_none());
        drop(held);
        assert!(value.lock_unless(|| true).is_some(), "what is free is had at once");
    }

    #[test]
    fn what_a_panic_of_its_holder_left_is_for_nobody() {
        let value = Exclusive::new(1);
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let mut value = value.lock();
            *value = 2;
            panic!("while it is held");
        }));
        assert!(outcome.is_err());
        let seen = panic::catch_unwind(panic::AssertUnwindSafe(|| *value.lock()));
        assert!(seen.is_err());
    }
}
