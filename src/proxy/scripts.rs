//! Sources of the scripts that went through this proxy, by their digests: a node that does not know one is given it.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use sha1::{Digest as _, Sha1};

/// Bytes of sources that are kept; beyond them the oldest are forgotten.
const MEMORY_MAX: usize = 32 << 20;

/// A digest in lower case, if it can be one.
pub(super) fn digest(text: &[u8]) -> Option<String> {
    let is_digest = text.len() == 40 && text.iter().all(u8::is_ascii_hexdigit);
    is_digest.then(|| text.iter().map(|&byte| char::from(byte.to_ascii_lowercase())).collect())
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    known: Mutex<Known>,
    /// How often some were forgotten.
    forgotten: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    by_digest: HashMap<String, Arc<[u8]>>,
    oldest_first: VecDeque<String>,
    memory: usize,
}

impl Scripts {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a source.
    pub(super) fn keep(&self, source: &[u8]) {
        if source.len() > MEMORY_MAX {
            return;
        }
        let mut digest = String::with_capacity(40);
        for byte in Sha1::digest(source) {
            // Writing to a string cannot fail.
            let _ = write!(digest, "{byte:02x}");
        }
        let mut known = self.known();
        if known.by_digest.contains_key(&digest) {
            return;
        }
        known.memory += source.len();
        known.by_digest.insert(digest.clone(), source.into());
        known.oldest_first.push_back(digest);
        while known.memory > MEMORY_MAX {
            let Some(oldest) = known.oldest_first.pop_front() else { break };
            if let Some(source) = known.by_digest.remove(&oldest) {
                known.memory -= source.len();
            }
            self.forgotten.fetch_add(1, Relaxed);
        }
    }

    /// The source with this digest, in any case of letters.
    pub(super) fn source(&self, digest: &[u8]) -> Option<Arc<[u8]>> {
        let digest = std::str::from_utf8(digest).ok()?.to_ascii_lowercase();
        self.known().by_digest.get(&digest).cloned()
    }

    /// Forgets all.
    pub(super) fn forget(&self) {
        *self.known() = Known::default();
        self.forgotten.fetch_add(1, Relaxed);
    }

    /// Changes whenever some were forgotten.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_by_their_digests_until_they_are_forgotten() {
        let scripts = Scripts::default();
        scripts.keep(b"return 1");
        let digest = b"E0E1F9FABFC9D4800C877A703B823AC0578FF8DB";
        assert_eq!(scripts.source(digest).as_deref(), Some(&b"return 1"[..]));
        assert_eq!(scripts.source(b"e0e1"), None);
        let before = scripts.forgotten();
        scripts.forget();
        assert_eq!(scripts.source(digest), None);
        assert_ne!(scripts.forgotten(), before);
    }

    #[test]
    fn the_oldest_make_room() {
        let scripts = Scripts::default();
        let source = |fill| vec![fill; MEMORY_MAX / 2];
        (b'a'..=b'c').for_each(|fill| scripts.keep(&source(fill)));
        let known = scripts.known();
        assert_eq!((known.by_digest.len(), known.oldest_first.len()), (2, 2));
        assert!(known.by_digest.values().all(|source| source[0] != b'a') && known.memory <= MEMORY_MAX);
    }
}
