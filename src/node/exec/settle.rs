//! What follows a command, a transaction, or anything else that changed keys, before anybody else runs: those who watch are marked, and
//! those who wait are served.

use std::time::Instant;

use super::{Stage, call};
use crate::{
    node::{
        aof::log::Wrap,
        caller::Origin,
        clients::{Client, ClientId, Signal},
        context::Flow,
        keyspace::Key,
        state::NodeState,
        store::Store,
        tracking::Sending,
    },
    protocol::{Encoder, Output},
    time::Millis,
};

impl Store {
    /// See the module. Costs a branch when nobody is waiting for anything.
    pub fn settle(&mut self, node: &NodeState, now: Millis) {
        self.end_unit(Wrap::Together, node, now);
        self.note_changes(node, now);
        while let Some((database, key)) = self.blocked.next_ready() {
            let mut passed_over = 0;
            // However many wait: no more are looked at than find something, but for those who wait for a group, which is gone with
            // its key.
            while let Some(client) = self.blocked.nth(database, &key, passed_over) {
                let is_there = self.keyspace.db_mut(database).contains(Key::new(&key), now);
                if !is_there && !self.blocked.any_in_group(database, &key) {
                    break;
                }
                let is_lost = !is_there && !self.blocked.is_in_group(client);
                if is_lost || !self.serve(client, &key, node, now) {
                    passed_over += 1;
                }
            }
        }
    }

    /// Tells those who broadcasting is for what has changed.
    pub(in crate::node) fn broadcast(&mut self, node: &NodeState, now: Millis) {
        let limits = node.config.output_limits();
        self.tracking.broadcast(Sending { limits: &limits, now, others: &node.clients });
    }

    /// Tells the client whose command ran what it changed itself.
    pub(in crate::node) fn tell_own(&mut self, client: ClientId, node: &NodeState, now: Millis) {
        let limits = node.config.output_limits();
        self.tracking.send_own(client, Sending { limits: &limits, now, others: &node.clients });
    }

    /// Runs what a client waits in, on the key that got something. `false` if there is nothing for it after all, and it goes on waiting.
    fn serve(&mut self, client: ClientId, key: &[u8], node: &NodeState, now: Millis) -> bool {
        let Some(mut waiter) = self.blocked.suspend(client) else { return false };
        let client = waiter.caller.client.clone();
        if client.signal() == Signal::Kill {
            self.blocked.resume(waiter);
            self.end_waiting(&client);
            return true;
        }
        waiter.caller.origin = Origin::Unblocked;
        waiter.caller.woken_by = Some(key.into());
        let mut output = Output::default();
        let request = waiter.args.request().expect("what a client waits in has a name");
        let mut stage = Stage { store: self, caller: &mut waiter.caller, node, now };
        let reply = output.encoder(stage.caller.version);
        let begun = Instant::now();
        let flow = call(&mut stage, waiter.row, request, None, usize::MAX, reply);
        if flow == Flow::Blocked {
            self.blocked.resume(waiter);
            return false;
        }
        node.ran(waiter.row.spec, &request, begun.elapsed(), now, &client);
        stage.store.end_unit(Wrap::Together, node, now);
        let served = waiter.caller.served.take().map(|served| (waiter.caller.database, served));
        self.blocked.resume(waiter);
        self.finish_waiting(&client, &output.copy_from(0), node, now);
        client.set_served(served);
        // What it did may be what others wait for.
        self.note_changes(node, now);
        true
    }

    /// Tells a client the end of its waiting.
    fn finish_waiting(&mut self, client: &Client, reply: &[u8], node: &NodeState, now: Millis) {
        let Some(mut waiter) = self.end_waiting(client) else { return };
        let (hidden, _) = waiter.caller.replies.after();
        client.deliver(if hidden { b"" } else { reply }, &node.config.output_limits(), now);
        waiter.caller.woken_by = None;
    }

    /// A client has waited for as long as it wanted to. `false` if it was served meanwhile.
    pub(in crate::node) fn time_out(&mut self, client: &Client, node: &NodeState, now: Millis) -> bool {
        let mut reply = Vec::new();
        let Some(waiter) = self.blocked.waiter(client.id) else { return false };
        if let Some(position) = waiter.caller.until_synced {
            let mut reply_to = Encoder::new(&mut reply, waiter.caller.version);
            reply_to.array(2);
            reply_to.integer(i64::from(node.aof.shared.synced() >= position));
            reply_to.integer(0);
            self.finish_waiting(client, &reply, node, now);
            return true;
        }
        // Also from a command that would have given one value, as in Redis 7.0.
        Encoder::new(&mut reply, waiter.caller.version).null_array();
        self.finish_waiting(client, &reply, node, now);
        true
    }

    /// `CLIENT UNBLOCK`. `false` if no such client waits.
    pub(in crate::node) fn unblock(
        &mut self,
        client: u64,
        with_error: bool,
        node: &NodeState,
        now: Millis,
    ) -> bool {
        let Some(waiter) = self.blocked.waiter(client) else { return false };
        let client = waiter.caller.client.clone();
        if !with_error {
            return self.time_out(&client, node, now);
        }
        let mut reply = Vec::new();
        let text = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
        Encoder::new(&mut reply, waiter.caller.version).error(text);
        node.stats.error(text.as_bytes());
        self.finish_waiting(&client, &reply, node, now);
        true
    }
}
