//! Elements that were taken for a client which had gone meanwhile, on their way back to where they were. Sent until a node has them; what it
//! refuses for good, and what nobody can tell the end of, is logged and counted.

use std::time::{Duration, Instant};

use super::{Answer, Taken};
use crate::{
    protocol::encode_command,
    proxy::{
        outcome::Outcome,
        slab::{Key, Slab},
        upstream::{Receiver, Reply},
        worker::{Worker, upstreams::label},
    },
    slot::SlotId,
};

/// How long a node may refuse them.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a node says that may take them later.
const NOT_NOW: [&[u8]; 8] = [
    b"-OOM",
    b"-LOADING",
    b"-BUSY",
    b"-READONLY",
    b"-MISCONF",
    b"-NOREPLICAS",
    b"-MASTERDOWN",
    b"-CLUSTERDOWN",
];

/// On its way.
#[derive(Debug)]
struct Return {
    /// The command that puts it where it was.
    words: Vec<Vec<u8>>,
    database: u8,
    slot: SlotId,
    until: Instant,
    is_sent: bool,
    is_warned: bool,
}

/// What has become of one that was sent.
#[derive(Debug)]
enum End {
    Done,
    /// It is to be sent again, because the node said so, or did not get it.
    NotNow(String),
    Failed(String),
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::proxy::worker) struct Returns {
    open: Slab<Return>,
    count: usize,
    ended: Vec<(Key, End)>,
}

impl Returns {
    pub(in crate::proxy::worker) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A node has answered, or did not.
    pub(in crate::proxy::worker) fn answered(&mut self, key: Key, reply: &Reply<'_>, outcome: Outcome) {
        let bytes = reply.bytes();
        let said =
            || String::from_utf8_lossy(bytes.strip_prefix(b"-").unwrap_or(bytes)).trim_end().to_owned();
        let end = match outcome {
            Outcome::Answered if !bytes.starts_with(b"-") => End::Done,
            Outcome::Answered if NOT_NOW.iter().any(|error| bytes.starts_with(error)) => End::NotNow(said()),
            Outcome::NotRun => End::NotNow(said()),
            Outcome::Answered | Outcome::Unknown => End::Failed(said()),
        };
        self.ended.push((key, end));
    }

    fn close(&mut self, key: Key) {
        self.count -= usize::from(self.open.forget(key).is_some());
    }
}

impl Worker {
    /// What was taken goes back, because nobody is there to have it.
    pub(super) fn give_back(&mut self, taken: Taken, answer: &Answer) {
        if answer.is_nothing() || answer.is_error() {
            return;
        }
        let Some(command) = taken.put_back.command(answer.bytes()) else { return };
        let words: Vec<Vec<u8>> = command.into_iter().map(<[u8]>::to_vec).collect();
        let slot = SlotId::of_key(words.get(1).map_or(&b""[..], Vec::as_slice));
        let until = self.turn.now + PATIENCE;
        let open = &mut self.waits.returns.open;
        open.insert(Return {
            words,
            database: taken.database,
            slot,
            until,
            is_sent: false,
            is_warned: false,
        });
        self.waits.returns.count += 1;
        self.send_returns();
    }

    /// Sends what can be sent now; a slot that moves, and a node that is away, are waited for.
    pub(super) fn send_returns(&mut self) {
        if self.waits.returns.is_empty() {
            return;
        }
        self.end_returns();
        let routing = std::sync::Arc::clone(&self.epochs.routing);
        for key in self.waits.returns.open.keys() {
            let Some(back) = self.waits.returns.open.get_mut(key).filter(|back| !back.is_sent) else {
                continue;
            };
            let Some(node) = routing.owner(back.slot).filter(|_| !routing.holds(back.slot)) else {
                self.wait_to_return(key, "its slot moves, or has no owner");
                continue;
            };
            let upstream = self.upstreams.for_itself(node, back.database);
            if self.upstreams.takes(upstream, &routing, self.turn.now) {
                back.is_sent = true;
                let out = self.upstreams.push(upstream, Receiver::Returned(key), self.turn.now);
                encode_command(out.tail(), &back.words);
            } else {
                let reason = format!("{} does not take it", label(&routing, node));
                self.wait_to_return(key, &reason);
            }
        }
    }

    /// What was sent and answered.
    fn end_returns(&mut self) {
        for (key, end) in std::mem::take(&mut self.waits.returns.ended) {
            match end {
                End::Done => {
                    self.waits.returns.close(key);
                    self.counters.returned += 1;
                }
                End::Failed(reason) => self.give_up_returning(key, &reason),
                End::NotNow(reason) => {
                    if let Some(back) = self.waits.returns.open.get_mut(key) {
                        back.is_sent = false;
                    }
                    self.wait_to_return(key, &reason);
                }
            }
        }
    }

    fn wait_to_return(&mut self, key: Key, reason: &str) {
        let Some(back) = self.waits.returns.open.get_mut(key) else { return };
        if self.turn.now >= back.until {
            return self.give_up_returning(key, reason);
        }
        if !std::mem::replace(&mut back.is_warned, true) {
            tracing::warn!(
                reason,
                "an element taken for a client that has gone cannot go back yet; trying again"
            );
        }
    }

    fn give_up_returning(&mut self, key: Key, reason: &str) {
        self.waits.returns.close(key);
        self.counters.unreturned += 1;
        tracing::error!(reason, "an element taken for a client that has gone is lost, or may be");
    }
}
