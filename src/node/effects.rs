//! What commands did, as requests that do the same again: what a journal keeps.
//!
//! A command that changed something is told as it came, unless its handler tells something else instead: what chance or a clock
//! decided is told as it was decided, and who waited as if it had not. Whatever belongs together - a transaction, a script, what
//! expired in passing and the command that came upon it - is one *unit*, which a journal gets whole.
//!
//! Pure: bytes in the form of a request, no files and no clock. Nobody listens: a branch per command, and no memory.

use crate::protocol::encode_command;

/// See the module.
#[derive(Debug, Default)]
pub struct Effects {
    is_heard: bool,
    /// `redis.set_repl`: what a script does is kept from the journal.
    is_muted: bool,
    /// The command that runs has told what it did.
    is_told: bool,
    bytes: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    database: usize,
    /// Where it ends.
    end: usize,
}

/// What a command that begins has to give back when it ends.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    was_told: bool,
    /// Changes until then.
    pub changes: u64,
}

/// Memory of a unit that is kept for the next one.
const KEEP: usize = 64 << 10;

impl Effects {
    /// Whether anybody keeps what commands do.
    #[inline]
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// Somebody begins to keep it, or ceases to.
    pub fn hear(&mut self, heard: bool) {
        *self = Self { is_heard: heard, ..Self::default() };
    }

    /// What follows is not kept, or is again.
    pub fn mute(&mut self, muted: bool) {
        self.is_muted = muted;
    }

    /// A command begins, perhaps inside of another.
    pub fn begin(&mut self, changes: u64) -> Before {
        Before { was_told: std::mem::take(&mut self.is_told), changes }
    }

    /// It ended. Says whether it is still to be told.
    pub fn end(&mut self, before: Before, changes: u64) -> bool {
        let is_told = std::mem::replace(&mut self.is_told, before.was_told);
        !is_told && changes != before.changes
    }

    /// Tells a request.
    pub fn tell<A: AsRef<[u8]>>(&mut self, database: usize, words: &[A]) {
        self.is_told = true;
        if !self.is_muted {
            self.tell_aside(database, words);
        }
    }

    /// The same of what no command did: the one that runs is still to be told, and nothing keeps it from the journal.
    pub fn tell_aside<A: AsRef<[u8]>>(&mut self, database: usize, words: &[A]) {
        encode_command(&mut self.bytes, words);
        self.items.push(Item { database, end: self.bytes.len() });
    }

    /// The command that runs has no effect of its own to be told.
    pub fn tell_nothing(&mut self) {
        self.is_told = true;
    }

    /// Nothing was told since the last unit.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What was told since the last unit, each with its database.
    pub fn unit(&self) -> impl ExactSizeIterator<Item = (usize, &[u8])> {
        let mut start = 0;
        self.items.iter().map(move |item| {
            let bytes = &self.bytes[start..item.end];
            start = item.end;
            (item.database, bytes)
        })
    }

    /// The next unit begins.
    pub fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(effects: &Effects) -> Vec<(usize, String)> {
        effects.unit().map(|(database, bytes)| (database, String::from_utf8_lossy(bytes).into())).collect()
    }

    #[test]
    fn a_command_in_another_is_told_by_itself() {
        let mut effects = Effects::default();
        effects.hear(true);
        let outer = effects.begin(5);
        let first = effects.begin(5);
        assert!(effects.end(first, 6), "it changed something and told nothing");
        effects.tell(0, &["SET", "a", "1"]);
        let second = effects.begin(6);
        effects.tell(3, &["DEL", "b"]);
        assert!(!effects.end(second, 7), "it has told what it did");
        assert!(!effects.end(outer, 7) || effects.unit().len() == 2, "EXEC is told by what it ran");
        assert_eq!(
            told(&effects),
            [
                (0, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n".into()),
                (3, "*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n".into())
            ]
        );
        effects.clear();
        assert!(effects.is_empty());
    }

    #[test]
    fn what_changes_nothing_or_is_kept_from_the_journal_is_not_told() {
        let mut effects = Effects::default();
        let before = effects.begin(1);
        assert!(!effects.end(before, 1));
        let before = effects.begin(1);
        effects.tell_nothing();
        assert!(!effects.end(before, 9));
        effects.mute(true);
        effects.tell(0, &["SET", "a", "1"]);
        assert!(effects.is_empty());
    }
}
