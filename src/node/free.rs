//! Where values go that take long to free: a thread of their own, so that no client waits for the system to take memory back.
//!
//! What waits there was held before anyway, so there is no bound on it; `lazyfree_pending_objects` tells how much it is. The thread ends
//! with the node, after it has freed what it was given.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use super::keyspace::Garbage;

/// See the module.
#[derive(Debug)]
pub struct Freer {
    sender: mpsc::Sender<Garbage>,
    pending: Arc<AtomicUsize>,
    freed: Arc<AtomicUsize>,
}

impl Freer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: &str) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Garbage>();
        let (pending, freed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counters = (Arc::clone(&pending), Arc::clone(&freed));
        thread::Builder::new().name(format!("{name}-free")).spawn(move || {
            while let Ok(garbage) = receiver.recv() {
                let objects = garbage.objects();
                drop(garbage);
                counters.0.fetch_sub(objects, Relaxed);
                counters.1.fetch_add(objects, Relaxed);
            }
        })?;
        Ok(Self { sender, pending, freed })
    }

    /// Frees it, later.
    pub fn free(&self, garbage: Garbage) {
        let objects = garbage.objects();
        if objects == 0 {
            return;
        }
        self.pending.fetch_add(objects, Relaxed);
        if let Err(mpsc::SendError(garbage)) = self.sender.send(garbage) {
            // The thread is gone only when it panicked; freeing here is late, but done.
            drop(garbage);
            self.pending.fetch_sub(objects, Relaxed);
        }
    }

    /// Keys and values that wait to be freed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.load(Relaxed)
    }

    /// Counts anew.
    pub fn reset(&self) {
        self.freed.store(0, Relaxed);
    }

    /// Keys and values freed so far.
    #[must_use]
    pub fn freed(&self) -> usize {
        self.freed.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        node::keyspace::{Key, Keyspace, Ttl, Value},
        time::Millis,
    };

    #[test]
    fn everything_given_is_freed() {
        let freer = Freer::start("test").expect("a thread");
        let mut keyspace = Keyspace::new(2);
        let access = keyspace.access(Millis(0), true);
        let large = bytes::Bytes::from(vec![0; 1 << 20]);
        for _ in 0..2 {
            keyspace.db_mut(0).set(Key::new(b"large"), Value::Shared(&large), Ttl::None, access);
        }
        drop(keyspace.db_mut(0).remove(Key::new(b"large"), Millis(0)));
        let garbage = keyspace.take_garbage().expect("a large value was overwritten");
        assert_eq!(garbage.objects(), 1);
        freer.free(garbage);
        assert!(keyspace.take_garbage().is_none());
        while freer.pending() > 0 {
            thread::yield_now();
        }
        assert_eq!(freer.freed(), 1);
        assert!(large.try_into_mut().is_ok(), "nobody else holds it");
    }
}
