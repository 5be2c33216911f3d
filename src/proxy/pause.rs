//! `CLIENT PAUSE` of a proxy: requests of its clients wait, on all threads. No request begins any more once it is said here; who asked for it is told when
//! all threads have an answer to what had begun before.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{
    slab::Key,
    worker::{Mailbox, Message},
};
use crate::{connection::pause::Span, time::Millis};

/// Who is told when all threads have answered what had begun.
#[derive(Debug)]
pub(super) struct Ticket {
    /// Threads that have not.
    left: AtomicUsize,
    mailbox: Arc<Mailbox>,
    client: Key,
}

impl Ticket {
    pub(super) fn new(threads: usize, mailbox: Arc<Mailbox>, client: Key) -> Self {
        Self { left: AtomicUsize::new(threads), mailbox, client }
    }

    /// One thread has.
    pub(super) fn settled(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.mailbox.send(Message::Settled { client: self.client });
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// Whether there is one, for each request to look at.
    is_on: AtomicBool,
    span: Mutex<Option<Span>>,
}

impl Pause {
    fn span(&self) -> MutexGuard<'_, Option<Span>> {
        // It is whole whatever happens.
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there may be one.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Pauses.
    pub(super) fn begin(&self, asked: Span) {
        let mut span = self.span();
        *span = Some(asked.beside(*span));
        self.is_on.store(true, Ordering::Release);
    }

    /// `CLIENT UNPAUSE`.
    pub(super) fn end(&self) {
        let mut span = self.span();
        *span = None;
        self.is_on.store(false, Ordering::Release);
    }

    /// The one there is now. One whose time has come is none from then on.
    pub(super) fn now(&self, now: Millis) -> Option<Span> {
        let mut span = self.span();
        if span.is_some_and(|span| span.is_over(now)) {
            *span = None;
            self.is_on.store(false, Ordering::Release);
        }
        *span
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::pause::Scope;

    #[test]
    fn it_ends_by_its_time_or_when_somebody_says_so() {
        let pause = Pause::default();
        let span = Span::new(Millis(100), Scope::Writes);
        assert!(!pause.is_on() && pause.now(Millis(0)).is_none());
        pause.begin(span);
        pause.begin(Span::new(Millis(50), Scope::All));
        assert_eq!(pause.now(Millis(99)), Some(Span::new(Millis(100), Scope::All)));
        assert!(pause.is_on());
        assert!(pause.now(Millis(100)).is_none() && !pause.is_on());
        pause.begin(span);
        pause.end();
        assert!(!pause.is_on() && pause.now(Millis(0)).is_none());
    }
}
