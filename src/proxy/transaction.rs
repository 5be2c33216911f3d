//! What a client queues between `MULTI` and `EXEC`, and what it watches. Pure: when and where it runs is the worker's.

use super::{routing::NodeIndex, slab::Key};
use crate::{
    id::Epoch,
    protocol::{Request, encode_command},
    slot::SlotId,
};

/// The queue of one client.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// The commands, as they will be sent.
    commands: Vec<u8>,
    queued: u32,
    /// Requests before all others that give the node the scripts it will be asked for.
    gifts: Vec<u8>,
    given: u32,
    /// Digests of scripts that it calls, and whose sources are not known.
    unknown: Vec<String>,
    /// Slots of their keys.
    slots: Vec<Touched>,
    aborted: bool,
    takes_long: bool,
    changes: bool,
}

impl Transaction {
    /// Queues a command with these keys.
    pub(super) fn queue(&mut self, request: &Request<'_>, keys: &[&[u8]], writes: bool) {
        match request.raw() {
            Some(raw) => self.commands.extend_from_slice(raw),
            None => encode_command(&mut self.commands, &request.args().collect::<Vec<_>>()),
        }
        self.queued += 1;
        for key in keys {
            let slot = SlotId::of_key(key);
            match self.slots.iter_mut().find(|known| known.slot == slot) {
                Some(known) => known.writes |= writes,
                None => self.slots.push(Touched { slot, writes, key: (*key).into() }),
            }
        }
    }

    /// One of its commands may take long.
    pub(super) fn note_long(&mut self) {
        self.takes_long = true;
    }

    /// One of its commands does what others may hear of.
    pub(super) fn note_change(&mut self) {
        self.changes = true;
    }

    /// Whether one may change something, for `CLIENT PAUSE`.
    pub(super) fn may_change(&self) -> bool {
        self.changes
    }

    /// Whether one may.
    pub(super) fn takes_long(&self) -> bool {
        self.takes_long
    }

    /// The node is to know this script, whether it does or not.
    pub(super) fn bring(&mut self, source: &[u8]) {
        let mut gift = Vec::new();
        encode_command(&mut gift, &[&b"SCRIPT"[..], b"LOAD", source]);
        if memchr::memmem::find(&self.gifts, &gift).is_none() {
            self.gifts.append(&mut gift);
            self.given += 1;
        }
    }

    /// It calls a script whose source is not known.
    pub(super) fn lacks(&mut self, digest: String) {
        if !self.unknown.contains(&digest) {
            self.unknown.push(digest);
        }
    }

    /// Digests of scripts whose sources are not known; forgotten, if they are of no use any more.
    pub(super) fn unknown(&mut self) -> &mut Vec<String> {
        &mut self.unknown
    }

    /// Replies that come before that of `EXEC`.
    pub(super) fn replies_before(&self) -> u32 {
        self.given + 1 + self.queued
    }

    /// `EXEC` will fail: a command was refused.
    pub(super) fn abort(&mut self) {
        *self = Self { aborted: true, queued: self.queued, ..Self::default() };
    }

    /// Whether a command was refused.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// Commands.
    pub(super) fn queued(&self) -> u32 {
        self.queued
    }

    /// As they will be sent.
    pub(super) fn commands(&self) -> &[u8] {
        &self.commands
    }

    /// Bytes of them.
    pub(super) fn memory(&self) -> usize {
        self.commands.len() + self.gifts.len()
    }

    /// Slots of all keys, each once.
    pub(super) fn slots(&self) -> &[Touched] {
        &self.slots
    }

    /// What is sent to the node, in one piece so that nothing comes between.
    pub(super) fn into_block(self) -> Vec<u8> {
        let mut block = self.gifts;
        block.reserve(self.commands.len() + 32);
        encode_command(&mut block, &["MULTI"]);
        block.extend_from_slice(&self.commands);
        encode_command(&mut block, &["EXEC"]);
        block
    }
}

/// A slot that a transaction is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) slot: SlotId,
    /// Whether something is written there.
    pub(super) writes: bool,
    /// A key of it, for errors.
    pub(super) key: Box<[u8]>,
}

/// Keys that a client watches, on a connection of its own to their node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watching<Upstream> {
    pub(super) node: NodeIndex,
    pub(super) upstream: Upstream,
    /// When it began: after any change of the slots nobody can tell what has happened to the keys.
    pub(super) epoch: Epoch,
    /// The connection is gone, and with it what was watched.
    pub(super) lost: bool,
}

/// To whom a connection to a node belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// All clients of the worker: one of those with this number.
    Shared { number: usize },
    /// One client at a time; nobody at the moment, perhaps.
    Dedicated { to: Option<Key> },
    /// All clients of the worker: what the node sends without being asked.
    Listener,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    fn queue(transaction: &mut Transaction, words: &[&str], writes: bool) {
        let args = Args::of(words).expect("small");
        let keys: Vec<&[u8]> = words[1..].iter().map(|key| key.as_bytes()).collect();
        transaction.queue(&args.request().expect("a name"), &keys, writes);
    }

    #[test]
    fn one_block_with_all_of_it() {
        let mut transaction = Transaction::default();
        queue(&mut transaction, &["GET", "a"], false);
        queue(&mut transaction, &["INCR", "{a}b"], true);
        queue(&mut transaction, &["DEL", "c", "a"], true);
        queue(&mut transaction, &["PING"], false);
        let touched = |key: &[u8]| Touched { slot: SlotId::of_key(key), writes: true, key: key.into() };
        assert_eq!(transaction.slots(), [touched(b"a"), touched(b"c")]);
        assert_eq!(transaction.queued(), 4);
        let mut block = Vec::new();
        let all: [&[&str]; 6] =
            [&["MULTI"], &["GET", "a"], &["INCR", "{a}b"], &["DEL", "c", "a"], &["PING"], &["EXEC"]];
        all.iter().for_each(|words| encode_command(&mut block, words));
        assert_eq!(transaction.into_block(), block);
    }

    #[test]
    fn a_script_is_brought_once_and_before_the_transaction() {
        let mut transaction = Transaction::default();
        transaction.bring(b"return 1");
        transaction.bring(b"return 1");
        queue(&mut transaction, &["GET", "a"], false);
        assert_eq!(transaction.replies_before(), 3);
        let block = transaction.into_block();
        let mut expected = Vec::new();
        let all: [&[&str]; 4] = [&["SCRIPT", "LOAD", "return 1"], &["MULTI"], &["GET", "a"], &["EXEC"]];
        all.iter().for_each(|words| encode_command(&mut expected, words));
        assert_eq!(block, expected);
    }

    #[test]
    fn what_was_aborted_keeps_nothing() {
        let mut transaction = Transaction::default();
        queue(&mut transaction, &["SET", "a"], true);
        transaction.abort();
        assert!(transaction.is_aborted() && transaction.slots().is_empty());
        assert_eq!(transaction.memory(), 0);
    }
}
