//! `MULTI`, `EXEC` and `WATCH`. Commands are queued here and checked as Redis does; at `EXEC` they are sent in one piece to the node
//! that owns all their keys. `WATCH` takes a connection to that node which belongs to the client until `EXEC`, because what a node
//! watches it watches for a connection.

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
    upstreams::{UpstreamId, label},
};
use crate::{
    command::{
        Route, Scripted, Spec, keys,
        learned::{Learned, Way},
    },
    protocol::{Limits, Request, encode_command},
    proxy::{
        learned::Known,
        observe::Cut,
        others::Errand,
        outbox::LARGE,
        placement::{self, Place},
        pushed::too_long,
        routing::{NodeIndex, Routing},
        scripts,
        transaction::{Touched, Transaction, Watching},
        upstream::Receiver,
    },
    slot::SlotId,
};

impl Worker {
    /// A command about transactions.
    pub(super) fn about_transactions(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        match (spec.name, client.transaction.is_some()) {
            ("multi", true) => self.refuse(client, "ERR MULTI calls can not be nested"),
            ("multi", false) => {
                client.transaction = Some(Box::default());
                client.note_queue();
                client.ok();
            }
            ("exec", true) => return self.exec(client, routing),
            ("exec", false) => self.refuse(client, "ERR EXEC without MULTI"),
            ("discard", true) => {
                self.end_transaction(client);
                client.ok();
            }
            ("discard", false) => self.refuse(client, "ERR DISCARD without MULTI"),
            ("watch", true) => self.refuse(client, "ERR WATCH inside MULTI is not allowed"),
            ("watch", false) => return self.watch(client, routing, request),
            _ => {
                self.unwatch(client);
                client.ok();
            }
        }
        Ok(())
    }

    /// Whatever a client has begun is over.
    pub(super) fn end_transaction(&mut self, client: &mut Client) -> Option<Box<Transaction>> {
        self.unwatch(client);
        let transaction = client.transaction.take();
        client.note_queue();
        transaction
    }

    /// Keeps a command for `EXEC`.
    pub(super) fn queue(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        spec: &'static Spec,
        request: &Request<'_>,
    ) {
        let keys: Vec<&[u8]> = match spec.route {
            // What would wait does not wait inside MULTI.
            Route::OneNode
            | Route::Combined(_)
            | Route::Taken(_)
            | Route::Split(_)
            | Route::Scripted(Scripted::Source | Scripted::Digest | Scripted::Function) => {
                let keys = keys::positions(spec, request);
                keys.map_or(Vec::new(), |keys| keys.indices().map(|index| request.arg(index)).collect())
            }
            Route::Channels
                if matches!(spec.name, "publish" | "spublish")
                    && let Some(text) = too_long(request.arg(1), request.arg(2)) =>
            {
                return self.refuse(client, text);
            }
            // Whatever node runs it, it is heard.
            Route::Channels if spec.name == "publish" => Vec::new(),
            Route::Channels if spec.name == "spublish" => vec![request.arg(1)],
            Route::Transaction => Vec::new(),
            Route::Local if matches!(spec.name, "echo" | "ping" | "time") => Vec::new(),
            Route::Local | Route::AllNodes(_) | Route::Servers(_) | Route::Channels | Route::Scripted(_) => {
                return self.refuse(client, only_on_one_node(spec.name));
            }
            Route::Refused(reason) => return self.unavailable(client, spec, reason),
        };
        let Some(transaction) = &client.transaction else { return };
        let node = match node_with(transaction, routing, &keys) {
            Ok(node) => node,
            Err(text) => return self.refuse(client, text),
        };
        if spec.reads_by_pattern()
            && let Some(node) = node
            && let Err(text) = self.patterns_at(routing, node, spec, request)
        {
            return self.refuse(client, text);
        }
        if spec.route == Route::Scripted(Scripted::Source) {
            self.keep_source(request.arg(1));
        }
        let Some(transaction) = &mut client.transaction else { return };
        if spec.route == Route::Scripted(Scripted::Digest) {
            match self.shared.scripts.source(request.arg(1)) {
                Some(source) => transaction.bring(&source),
                None => {
                    if let Some(digest) = scripts::digest(request.arg(1)) {
                        transaction.lacks(digest);
                    }
                }
            }
        }
        if spec.takes_long() {
            transaction.note_long();
        }
        let changes = self.may_change_when_run(client, spec, request);
        self.keep_queued(client, request, &keys, (spec.writes(), changes));
    }

    /// Keeps a command that the table does not have, with these keys.
    pub(super) fn queue_learned(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        (known, learned): (&Known, &Learned),
        request: &Request<'_>,
    ) {
        let keys = match (learned.way(), learned.positions(request)) {
            (Way::ByKey | Way::Any, Some(keys)) => keys.unwrap_or_default(),
            (Way::Refused(reason), _) => return self.unavailable_by_name(client, learned.name(), reason),
            (Way::AllNodes(_) | Way::AllMembers(_), _) => {
                return self.refuse(client, only_on_one_node(learned.name()));
            }
            (Way::ByAskedKey | Way::ByKey | Way::Any, _) => {
                let reason = "which of its arguments are keys only a node can tell";
                let text = format!(
                    "ERR '{}' is not available inside MULTI through a proxy: {reason}",
                    learned.name()
                );
                return self.refuse(client, text);
            }
        };
        let keys: Vec<&[u8]> = keys.indices().map(|index| request.arg(index)).collect();
        let Some(transaction) = &client.transaction else { return };
        match node_with(transaction, routing, &keys) {
            Ok(Some(node)) if known.is_lacking(node) => {
                let text = placement::lacking(routing, learned.name(), node);
                self.refuse(client, text);
            }
            Ok(_) => self.keep_queued(client, request, &keys, (learned.writes(), learned.writes())),
            Err(text) => self.refuse(client, text),
        }
    }

    /// It may write to its keys; others may hear of what it does.
    fn keep_queued(
        &mut self,
        client: &mut Client,
        request: &Request<'_>,
        keys: &[&[u8]],
        (writes, changes): (bool, bool),
    ) {
        let Some(transaction) = &mut client.transaction else { return };
        transaction.queue(request, keys, writes);
        if changes {
            transaction.note_change();
        }
        if transaction.memory() > Limits::default().query_buffer {
            tracing::warn!(client = client.info.address(), "closing a client that queues without an end");
            self.figures.traffic.cut(Cut::QueryBuffer);
            client.closing = true;
        }
        client.note_queue();
        client.reply(|reply| reply.simple("QUEUED"));
    }

    fn exec(&mut self, client: &mut Client, routing: &Arc<Routing>) -> Result<(), Stall> {
        self.find_scripts(client)?;
        let place = match self.place_of_exec(client, routing)? {
            Ok(place) => place,
            Err(text) => {
                self.end_transaction(client);
                self.refuse(client, text);
                return Ok(());
            }
        };
        match place {
            Destination::Nowhere { changed } => {
                self.end_transaction(client);
                client.reply(|reply| if changed { reply.null_array() } else { reply.array(0) });
            }
            Destination::At(upstream) => {
                let Some(transaction) = client.transaction.take() else { return Ok(()) };
                client.note_queue();
                if self.shared.monitors.are_any() {
                    self.show_queued(client, &transaction);
                }
                self.counters.forwarded += 1;
                let receiver = client.expect();
                let skipped = transaction.replies_before();
                let out = self.upstreams.push_block(upstream, receiver, skipped, self.turn.now);
                let block = transaction.into_block();
                if block.len() >= LARGE {
                    out.push(block.into());
                } else {
                    out.tail().extend_from_slice(&block);
                }
                if let Some(watching) = client.watching.take() {
                    // EXEC ends what was watched; what follows takes other connections.
                    self.upstreams.release(watching.upstream, self.turn.now);
                    client.fenced = true;
                }
            }
        }
        Ok(())
    }

    /// Sources of scripts that a transaction calls and that are not known here: other proxies may have them.
    fn find_scripts(&self, client: &mut Client) -> Result<(), Stall> {
        let Some(unknown) =
            client.transaction.as_mut().map(|transaction| std::mem::take(transaction.unknown()))
        else {
            return Ok(());
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let asked = self.ask_others(client, || Errand::Find(unknown.clone()));
        let Some(transaction) = &mut client.transaction else { return Ok(()) };
        match asked {
            Err(stall) => {
                *transaction.unknown() = unknown;
                Err(stall)
            }
            // What nobody has the node may know.
            Ok(_) => {
                let sources =
                    unknown.iter().filter_map(|digest| self.shared.scripts.source(digest.as_bytes()));
                sources.for_each(|source| transaction.bring(&source));
                Ok(())
            }
        }
    }

    /// Where a transaction runs now, if it can; an error ends it.
    fn place_of_exec(
        &mut self,
        client: &Client,
        routing: &Routing,
    ) -> Result<Result<Destination, Vec<u8>>, Stall> {
        let Some(transaction) = &client.transaction else {
            return Ok(Ok(Destination::Nowhere { changed: false }));
        };
        if transaction.is_aborted() {
            let text = "EXECABORT Transaction discarded because of previous errors.";
            return Ok(Err(text.into()));
        }
        if !client.user.may_do_all()
            && let Some(text) = self.denied_at_exec(client, transaction)
        {
            return Ok(Err(text.into_bytes()));
        }
        if let Some(watching) = &client.watching {
            if client.replies.in_flight() > 0 {
                // They went another way.
                return Err(Stall::Drain);
            }
            if watching.lost || watching.epoch != routing.epoch() {
                return Ok(Ok(Destination::Nowhere { changed: true }));
            }
        }
        if routing.holds_any() {
            for &Touched { slot, writes, .. } in transaction.slots() {
                if writes && routing.holds(slot) {
                    return self.held(slot).map(|text| Err(text.into_bytes()));
                }
                if routing.is_frozen(slot) && !routing.is_certain() {
                    return Ok(Err(placement::uncertain(slot).into_bytes()));
                }
            }
        }
        let node = match one_node(
            routing,
            "a transaction",
            &transaction.slots().iter().map(|touched| &*touched.key),
        ) {
            Ok(node) => node,
            Err(text) => return Ok(Err(text)),
        };
        let upstream = match (&client.watching, node) {
            (Some(watching), Some(node)) if watching.node != node => {
                let key = transaction.slots().first().map_or(&b""[..], |touched| &touched.key);
                return Ok(Err(placement::refusal_of_watched(routing, watching.node, (key, node))));
            }
            (Some(watching), _) => watching.upstream,
            (None, _) if transaction.queued() == 0 => return Ok(Ok(Destination::Nowhere { changed: false })),
            (None, node) => match node.or(routing.owning().first().copied()) {
                Some(node) => self.upstreams.of(node, client),
                None => return Ok(Err(routing.no_owner(SlotId::of_key(b"")).into_bytes())),
            },
        };
        let checked = self.upstreams.check(upstream, client, routing, self.turn.now)?;
        Ok(checked.map(|()| Destination::At(upstream)))
    }

    fn watch(&mut self, client: &mut Client, routing: &Routing, request: &Request<'_>) -> Result<(), Stall> {
        if client.replies.in_flight() > 0 {
            // What this client has written before is no change to come.
            return Err(Stall::Drain);
        }
        let slots: Vec<SlotId> = request.args_from(1).map(SlotId::of_key).collect();
        for &slot in &slots {
            if routing.is_frozen(slot) && self.refuse_uncertain(client, routing, slot) {
                return Ok(());
            }
        }
        let node = match one_node(routing, "WATCH", &request.args_from(1)) {
            Ok(Some(node)) => node,
            Ok(None) => return Ok(()),
            Err(text) => {
                self.refuse(client, text);
                return Ok(());
            }
        };
        let upstream = match client.watching {
            Some(watching) if watching.lost || watching.epoch != routing.epoch() => {
                // The next EXEC answers nil, whatever else is watched.
                client.ok();
                return Ok(());
            }
            Some(watching) if watching.node != node => {
                self.refuse(
                    client,
                    placement::refusal_of_watched(routing, watching.node, (request.arg(1), node)),
                );
                return Ok(());
            }
            Some(watching) => watching.upstream,
            None => match self.upstreams.dedicate(node, client) {
                Some(upstream) => upstream,
                None => {
                    let label = label(routing, node);
                    self.refuse(
                        client,
                        format!("ERR too many clients watch keys of {label} through this proxy; try again"),
                    );
                    return Ok(());
                }
            },
        };
        client.watching = Some(Watching { node, upstream, epoch: routing.epoch(), lost: false });
        match self.upstreams.check(upstream, client, routing, self.turn.now)? {
            Ok(()) => {
                self.forward(client, upstream, request);
                client.fenced = true;
            }
            Err(text) => {
                if let Some(watching) = client.watching.take() {
                    self.upstreams.release(watching.upstream, self.turn.now);
                }
                self.refuse(client, text);
            }
        }
        Ok(())
    }

    /// A client watches nothing any more.
    pub(super) fn unwatch(&mut self, client: &mut Client) {
        let Some(watching) = client.watching.take() else { return };
        if !watching.lost {
            let out = self.upstreams.push(watching.upstream, Receiver::Nobody, self.turn.now);
            encode_command(out.tail(), &["UNWATCH"]);
        }
        self.upstreams.release(watching.upstream, self.turn.now);
    }
}

fn only_on_one_node(name: &str) -> String {
    let name = name.replace('|', " ");
    format!("ERR '{name}' is not available inside MULTI through a proxy: EXEC runs on one node")
}

/// The node of a transaction that has these keys too; none without any.
fn node_with(
    transaction: &Transaction,
    routing: &Routing,
    keys: &[&[u8]],
) -> Result<Option<NodeIndex>, Vec<u8>> {
    // One of those before is enough: they are on one node.
    let before = transaction.slots().first().map(|touched| &*touched.key);
    one_node(routing, "a transaction", &before.into_iter().chain(keys.iter().copied()))
}

/// Where a transaction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    /// On no node: nothing is queued, or something has changed.
    Nowhere {
        changed: bool,
    },
    At(UpstreamId),
}

/// The node that owns all these keys; none if there are none.
fn one_node<'a>(
    routing: &Routing,
    what: &str,
    keys: &(impl Iterator<Item = &'a [u8]> + Clone),
) -> Result<Option<NodeIndex>, Vec<u8>> {
    match placement::of(routing, keys.clone().map(SlotId::of_key)) {
        Ok(Place::At(node, _)) => Ok(Some(node)),
        Ok(Place::Nowhere) => Ok(None),
        Ok(Place::Apart(apart)) => {
            let key = |(at, node)| (keys.clone().nth(at).unwrap_or_default(), node);
            Err(placement::refusal(routing, what, key(apart.one), key(apart.other)))
        }
        Err(slot) => Err(routing.no_owner(slot).into_bytes()),
    }
}
