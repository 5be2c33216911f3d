//! The one lock of the data: whoever holds it runs alone. It is held for the time of a batch, some microseconds, which is less
//! than putting a thread to sleep and waking it costs; so a thread that finds it taken first waits without sleeping.

use std::{
    hint,
    sync::{Mutex, MutexGuard, TryLockError},
    time::{Duration, Instant},
};

/// How long to wait awake: as long as a batch of some 250 commands takes. A thread that waits longer sleeps, because the holder
/// may have lost its core, or runs a slow command.
const AWAKE: Duration = Duration::from_micros(20);
/// Pauses between two looks at the lock, so that looking does not slow its holder down.
const PAUSES: u32 = 32;

const HALF_CHANGED: &str = "a panic may have left the data half-changed";

/// A value that one thread has at a time, for short.
#[derive(Debug, Default)]
pub(super) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits until nobody else has it.
    ///
    /// # Panics
    /// If another thread did while it had it: what that left half-changed is for nobody. Daemons have ended by then.
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        if let Some(guard) = self.try_lock() {
            return guard;
        }
        let since = Instant::now();
        while since.elapsed() < AWAKE {
            for _ in 0..PAUSES {
                hint::spin_loop();
            }
            if let Some(guard) = self.try_lock() {
                return guard;
            }
        }
        self.0.lock().expect(HALF_CHANGED)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(poisoned @ TryLockError::Poisoned(_)) => panic!("{HALF_CHANGED}: {poisoned}"),
            Err(TryLockError::WouldBlock) => None,
        }
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
