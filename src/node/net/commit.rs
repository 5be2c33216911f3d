//! With `appendfsync always`: one sync for all connections of a worker that have something to be told.
//!
//! What a connection did is in the journal, and its reply waits. When the worker has been through all connections that had sent something,
//! it makes the journal last itself, and they go on: nobody else has to be woken, and no thread for that. Workers take turns, and who comes
//! second often finds everything done. While the disk is slow or fails, the journal's own thread does it instead, so that whoever has
//! nothing to wait for is served meanwhile.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::node::aof::journal::Shared;

/// See the module.
#[derive(Debug)]
pub(super) struct Committer {
    journal: Arc<Shared>,
    /// Up to where somebody waits.
    wanted: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
    /// Of the task that commits, while there is nothing to do for it.
    idle: RefCell<Option<Waker>>,
}

impl Committer {
    pub(super) fn new(journal: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self { journal, wanted: Cell::new(0), waiting: RefCell::default(), idle: RefCell::default() })
    }

    /// Ready when the journal lasts up to here; whoever asks is woken when it does, or when it has to be asked again.
    pub(super) fn poll_lasts(&self, position: u64, cx: &mut Context<'_>) -> Poll<()> {
        if !self.journal.syncs_at_once() {
            return self.journal.poll_synced(position, cx);
        }
        if self.journal.synced() >= position {
            return Poll::Ready(());
        }
        self.wanted.set(self.wanted.get().max(position));
        self.waiting.borrow_mut().push(cx.waker().clone());
        if let Some(idle) = self.idle.take() {
            idle.wake();
        }
        Poll::Pending
    }

    /// Commits whenever somebody waits. Its turn comes behind those of all connections that were ready when the first began to wait.
    pub(super) async fn run(self: Rc<Self>) {
        poll_fn(|cx| {
            if !self.waiting.borrow().is_empty() {
                self.journal.commit(self.wanted.get());
                self.waiting.take().into_iter().for_each(Waker::wake);
            }
            self.idle.replace(Some(cx.waker().clone()));
            Poll::<()>::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime;

    use super::*;
    use crate::node::{
        aof::{
            journal::{Journal, Policy},
            log::Wrap,
            output::Target,
        },
        effects::Effects,
    };

    /// A file that counts.
    #[derive(Debug, Default)]
    struct Counting {
        syncs: std::sync::atomic::AtomicU64,
    }

    impl Target for Counting {
        fn append(&self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn sync(&self) -> std::io::Result<()> {
            self.syncs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        }

        fn cut(&self, _: u64) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_who_are_ready_share_a_sync() {
        let (shared, file) = (Arc::new(Shared::default()), Arc::new(Counting::default()));
        shared.set_policy(Policy::Always);
        let journal = Journal::open(Arc::clone(&shared), Arc::clone(&file) as _, 0);
        let journal = Rc::new(RefCell::new(journal));
        let committer = Committer::new(Arc::clone(&shared));
        let runtime =
            runtime::Builder::new_current_thread().build_local(runtime::LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let commits = tokio::task::spawn_local(Rc::clone(&committer).run());
            for round in 1..=3 {
                let clients: Vec<_> = (0..40)
                    .map(|_| {
                        let (journal, committer) = (Rc::clone(&journal), Rc::clone(&committer));
                        tokio::task::spawn_local(async move {
                            let mut effects = Effects::default();
                            effects.hear(true);
                            effects.tell(0, &["DEL", "a"]);
                            journal.borrow_mut().append(&effects, Wrap::Together, None);
                            let position = journal.borrow().position();
                            poll_fn(|cx| committer.poll_lasts(position, cx)).await;
                        })
                    })
                    .collect();
                for client in clients {
                    client.await.unwrap();
                }
                assert_eq!(file.syncs.load(std::sync::atomic::Ordering::Relaxed), round);
                assert_eq!(shared.synced(), shared.appended());
            }
            commits.abort();
        });
    }
}
