//! `ACL LOG`: what was denied of late.

use std::collections::VecDeque;

use crate::time::Millis;

/// Entries of this age and older are no longer added to.
const TOGETHER: i64 = 60_000;
/// Entries that are looked at for one to add to.
const LOOKED_AT: usize = 10;

/// Why something was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
    /// A name or a password.
    Auth,
}

impl Reason {
    /// As it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
            Self::Auth => "auth",
        }
    }
}

/// From where a command came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A client.
    Toplevel,
    /// A transaction, when it was queued or when it was to run.
    Multi,
    /// A script or a function.
    Lua,
}

impl Place {
    /// As it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Toplevel => "toplevel",
            Self::Multi => "multi",
            Self::Lua => "lua",
        }
    }
}

/// What was denied, once or several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How often.
    pub count: i64,
    /// Why.
    pub reason: Reason,
    /// From where.
    pub place: Place,
    /// The command, key or channel.
    pub object: Vec<u8>,
    /// To whom.
    pub user: Vec<u8>,
    /// When last.
    pub at: Millis,
    /// The line of the client in `CLIENT LIST` then.
    pub client: Vec<u8>,
}

impl Entry {
    fn is_like(&self, other: &Self) -> bool {
        self.reason == other.reason
            && self.place == other.place
            && (self.at.0 - other.at.0).abs() <= TOGETHER
            && self.object == other.object
            && self.user == other.user
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
}

impl Log {
    /// Adds one; the oldest beyond `most` are forgotten.
    pub fn add(&mut self, mut entry: Entry, most: usize) {
        let like = self.entries.iter().take(LOOKED_AT).position(|known| known.is_like(&entry));
        if let Some(known) = like.and_then(|at| self.entries.remove(at)) {
            entry.count += known.count;
            self.entries.push_front(entry);
        } else {
            self.entries.push_front(entry);
            self.entries.truncate(most);
        }
    }

    /// The newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// `ACL LOG RESET`.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str, at: i64) -> Entry {
        Entry {
            count: 1,
            reason: Reason::Key,
            place: Place::Toplevel,
            object: object.into(),
            user: b"u".to_vec(),
            at: Millis(at),
            client: Vec::new(),
        }
    }

    fn shown(log: &Log) -> Vec<(String, i64)> {
        log.entries().map(|entry| (String::from_utf8_lossy(&entry.object).into(), entry.count)).collect()
    }

    #[test]
    fn what_is_alike_is_counted_for_a_minute() {
        let mut log = Log::default();
        for (object, at) in [("a", 0), ("b", 1), ("a", 60_000), ("b", 60_002)] {
            log.add(entry(object, at), 128);
        }
        assert_eq!(shown(&log), [("b".into(), 1), ("a".into(), 2), ("b".into(), 1)]);
        log.add(Entry { reason: Reason::Auth, ..entry("b", 60_003) }, 2);
        assert_eq!(shown(&log), [("b".into(), 1), ("b".into(), 1)]);
        log.reset();
        log.add(entry("a", 0), 0);
        assert_eq!(log.entries().len(), 0);
    }

    #[test]
    fn only_the_newest_are_looked_at() {
        let mut log = Log::default();
        for object in 0..11 {
            log.add(entry(&object.to_string(), 0), 128);
        }
        log.add(entry("0", 0), 128);
        log.add(entry("10", 0), 128);
        assert_eq!(shown(&log)[..2], [("10".into(), 2), ("0".into(), 1)]);
        assert_eq!(log.entries().len(), 12);
    }
}
