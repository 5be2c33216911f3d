//! An answer that is no older than the question, for many who ask at once: whoever asks while somebody is being answered waits for the
//! next answer, together with all who came meanwhile. A proxy that logs in to a thousand members asks the registry a few times, not
//! some thousand.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use tokio::sync::Mutex;

/// See the module.
#[derive(Debug)]
pub(super) struct Fresh<T> {
    /// How many have asked.
    asked: AtomicU64,
    /// The last answer, and how many had asked before it was looked for: so many it is for.
    answer: Mutex<Option<(u64, T)>>,
}

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        Self { asked: AtomicU64::new(0), answer: Mutex::new(None) }
    }
}

impl<T: Clone> Fresh<T> {
    /// What `find` finds, begun by this call or by another one after this one was made.
    pub(super) async fn get<F: Future<Output = T>>(&self, find: impl FnOnce() -> F) -> T {
        let number = self.asked.fetch_add(1, SeqCst);
        let mut answer = self.answer.lock().await;
        match &*answer {
            Some((all_before, found)) if number < *all_before => found.clone(),
            _ => {
                let all_before = self.asked.load(SeqCst);
                let found = find().await;
                *answer = Some((all_before, found.clone()));
                found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Finds how often it was looked for, after all who are ready had their turn.
    async fn find(looked: &Cell<u64>) -> u64 {
        looked.set(looked.get() + 1);
        let found = looked.get();
        tokio::task::yield_now().await;
        found
    }

    #[tokio::test]
    async fn who_asks_together_is_answered_together_and_never_by_what_was_found_before() {
        let (fresh, looked) = (Fresh::default(), Cell::new(0));
        let ask = || fresh.get(|| find(&looked));
        assert_eq!(ask().await, 1);
        assert_eq!(ask().await, 2, "an answer of before is none");
        // The first begins to look when it alone has asked; all others wait for one more answer.
        let answers = futures::future::join_all((0..100).map(|_| ask())).await;
        assert_eq!(answers.first(), Some(&3));
        assert!(answers[1..].iter().all(|&answer| answer == 4), "{answers:?}");
        assert_eq!(looked.get(), 4);
    }

    #[tokio::test]
    async fn who_gives_up_looking_leaves_it_to_the_next() {
        let (fresh, looked) = (Fresh::default(), Cell::new(0));
        let gave_up = tokio::time::timeout(
            std::time::Duration::ZERO,
            fresh.get(|| async {
                std::future::pending::<()>().await;
                0
            }),
        );
        assert!(gave_up.await.is_err());
        assert_eq!(fresh.get(|| find(&looked)).await, 1);
    }
}
