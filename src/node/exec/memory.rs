//! `maxmemory`: before a command runs, what is too much goes, or the command is refused that would make it more. And
//! `min-replicas-to-write`, which refuses what writes.

use std::time::Instant;

use crate::{
    command::Flags,
    node::{
        aof::log::Wrap,
        caller::Caller,
        commands::table::Row,
        script::{self, Digest},
        state::NodeState,
        store::Store,
    },
    protocol::Request,
    time::Millis,
};

/// What a command is told that would need memory.
pub(in crate::node) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// What a command is told that would write where replicas are wanted: there are none.
pub(in crate::node) const NO_REPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";

/// What a command is told that would write while the journal cannot be written.
pub(in crate::node) fn cannot_keep(node: &NodeState) -> String {
    format!("MISCONF Errors writing to the AOF file: {}", node.aof.shared.failure())
}

/// Keys that are evicted between looks at the clock.
const AT_ONCE: usize = 16;

impl Store {
    /// Evicts keys until there is no more than `maxmemory`, or until that has taken as long as one command may; the rest goes before
    /// the next ones, and with the housekeeping. Notes whether nothing could be done.
    #[cold]
    pub(in crate::node) fn make_room(&mut self, node: &NodeState, now: Millis) {
        self.out_of_memory = false;
        // While clients are paused nothing changes that others hear of, and nobody is refused for it.
        if self.pause.is_on(now) || !node.is_really_over_memory(&self.keyspace) {
            return;
        }
        let (policy, samples, time) = node.config.eviction();
        let begun = Instant::now();
        let mut evicted = 0;
        while node.is_over_memory(&self.keyspace) {
            if !policy.is_some_and(|policy| self.keyspace.evict(policy, samples, now)) {
                self.out_of_memory = true;
                break;
            }
            evicted += 1;
            if evicted % AT_ONCE == 0 && begun.elapsed() >= time {
                break;
            }
        }
        if evicted > 0 {
            self.end_unit(Wrap::Apart, node, now);
            self.note_changes(node, now);
            if let Some(garbage) = self.keyspace.take_garbage() {
                node.freer.free(garbage);
            }
            node.note_slow("eviction-cycle", begun.elapsed(), now);
        }
    }
}

impl Store {
    /// Whether a command runs a script or a function that says what it does, and not that it may run when there is no more memory.
    pub(super) fn script_needs_memory(&self, row: &Row, request: &Request<'_>) -> bool {
        let name = request.get(1).unwrap_or_default();
        match row.spec.name {
            "eval" | "eval_ro" => script::says_it_needs_memory(name),
            "evalsha" | "evalsha_ro" => {
                Digest::parse(name).is_some_and(|digest| self.scripts.needs_memory(&digest))
            }
            "fcall" | "fcall_ro" => self.functions.needs_memory(name),
            _ => false,
        }
    }
}

/// Whether a command writes.
pub(super) fn writes(row: &Row, caller: &Caller) -> bool {
    match &caller.transaction {
        Some(transaction) if row.spec.name == "exec" => transaction.writes(),
        _ => row.spec.flags.has(Flags::WRITE),
    }
}

/// Whether a command would make it more, or is queued where one would not be told.
pub(super) fn needs_memory(row: &Row, caller: &Caller) -> bool {
    match &caller.transaction {
        Some(transaction) if row.spec.name == "exec" => transaction.needs_memory(),
        Some(_) => !matches!(row.spec.name, "discard" | "multi" | "quit" | "watch" | "reset"),
        None => row.spec.flags.has(Flags::DENYOOM),
    }
}
