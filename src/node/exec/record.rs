//! What becomes of the effects of commands: collected while one runs, with what went by itself in front, and handed to the journal as one
//! unit before anybody else runs.

use crate::{
    node::{
        aof::log::Wrap, commands::table::Row, effects::Before, keyspace::Gone, state::NodeState, store::Store,
    },
    protocol::Request,
    time::Millis,
};

impl Store {
    /// Changes until now, as far as a command can make any: plain ones change something in their database.
    fn changes_of(&self, row: &Row, database: usize) -> u64 {
        if row.is_plain { self.keyspace.changes_in(database) } else { self.keyspace.changes() }
    }

    /// A command begins. Only where somebody hears of effects.
    #[cold]
    pub(super) fn begin_effect(&mut self, row: &Row, database: usize) -> Before {
        let changes = self.changes_of(row, database);
        self.effects.begin(changes)
    }

    /// A command that began in this database has ended.
    #[cold]
    pub(super) fn end_effect(
        &mut self,
        before: Before,
        row: &Row,
        request: &Request<'_>,
        database: usize,
        node: &NodeState,
    ) {
        self.tell_gone(node);
        let changes = self.changes_of(row, database);
        if self.effects.end(before, changes) && row.has_effect {
            let words: Vec<&[u8]> = request.args().collect();
            self.effects.tell(database, &words);
        }
    }

    /// What went by itself since it was last told comes in front of what follows.
    pub(in crate::node) fn tell_gone(&mut self, node: &NodeState) {
        let Self { keyspace, effects, .. } = self;
        let name = |lazy: bool| if lazy { &b"UNLINK"[..] } else { b"DEL" };
        keyspace.take_gone(|database, gone| {
            let words = match &gone {
                Gone::Expired(key) => vec![name(node.config.frees_expired_lazily()), key],
                Gone::Evicted(key) => vec![name(node.config.frees_evicted_lazily()), key],
                Gone::Field { key, field } => vec![&b"HDEL"[..], key, field],
            };
            effects.tell_aside(database, &words);
        });
    }

    /// What was told until now belongs together: the journal gets it.
    #[inline]
    pub(in crate::node) fn end_unit(&mut self, wrap: Wrap, node: &NodeState, now: Millis) {
        if self.effects.is_heard() {
            self.hand_over(wrap, node, now);
        }
    }

    #[cold]
    fn hand_over(&mut self, wrap: Wrap, node: &NodeState, now: Millis) {
        self.tell_gone(node);
        if self.effects.is_empty() {
            return;
        }
        if let Some(journal) = &mut self.journal {
            journal.append(&self.effects, wrap, node.config.notes_times().then_some(now));
        }
        self.effects.clear();
    }
}

#[cfg(test)]
mod tests;
