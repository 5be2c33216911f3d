//! Which keys a listing or a watch is about: those that begin with a prefix, perhaps but for those that begin with another.

use super::Inner;

/// Some of a cluster's keys.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    prefix: String,
    /// Begins with `prefix`.
    but_for: Option<String>,
}

impl Scope {
    /// All that begin with it.
    pub(super) fn below(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), but_for: None }
    }

    /// Without those that begin with `but_for`.
    pub(super) fn but_for(self, but_for: &str) -> Self {
        Self { but_for: Some(but_for.to_owned()), ..self }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A key below the prefix is meant.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.but_for.as_ref().is_none_or(|but_for| !key.starts_with(but_for.as_str()))
    }

    /// First keys and those behind the last, as etcd knows them, in order.
    pub(super) fn spans(&self, inner: &Inner) -> Vec<(Vec<u8>, Vec<u8>)> {
        let start = inner.absolute(&self.prefix);
        let end = prefix_end(&start);
        match &self.but_for {
            None => vec![(start, end)],
            Some(but_for) => {
                let gap = inner.absolute(but_for);
                let behind = prefix_end(&gap);
                vec![(start, gap), (behind, end)]
            }
        }
    }
}

/// The first key after all that begin with `prefix`, which ends in `/` or in text: never in 0xff.
pub(super) fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
