//! From a request to the nodes that serve it.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    Worker,
    client::{Client, IN_FLIGHT_MAX, OUTPUT_MAX, Stall},
    upstreams::UpstreamId,
};
use crate::{
    command::{
        Flags, KeyPositions, ResolveError, Route, Scripted, Spec, by_pattern,
        keys::{self, InvalidArguments},
        resolve,
    },
    protocol::{Request, encode_command, quote},
    proxy::{
        outbox::LARGE,
        placement::{self, Apart, Place},
        routing::{NodeIndex, Routing},
        upstream::Receiver,
    },
    slot::SlotId,
};

impl Worker {
    /// Serves one request, or says why it must wait; then nothing has been done yet.
    pub(super) fn request(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let in_flight = client.replies.in_flight();
        if in_flight >= IN_FLIGHT_MAX {
            return Err(Stall::InFlight);
        }
        if client.replies.buffered() > OUTPUT_MAX {
            return Err(Stall::Output);
        }
        if client.fenced {
            if in_flight > 0 {
                return Err(Stall::Drain);
            }
            client.fenced = false;
        }
        let spec = match resolve(request) {
            Ok(spec) => spec,
            Err(ResolveError::UnknownCommand { text }) => {
                return self.teach(client, routing, request, in_flight, text);
            }
            Err(error) => {
                self.refuse(client, error.text());
                self.spoil(client, matches!(error, ResolveError::Arity { name: "exec" }));
                return Ok(());
            }
        };
        let takes_long = spec.takes_long() || client.transaction.as_ref().is_some_and(|of| of.takes_long());
        self.upstreams.choose(client, takes_long, request, in_flight)?;
        if !client.authenticated
            && !spec.flags.has(Flags::NO_AUTH)
            && let Some(refusal) = self.refusal_of_stranger()
        {
            self.reject(client, spec, refusal);
            return Ok(());
        }
        if client.transaction.is_some() && spec.flags.has(Flags::NO_MULTI) {
            self.refuse(client, "ERR Command not allowed inside a transaction");
            self.spoil(client, false);
            return Ok(());
        }
        if !client.user.may_do_all()
            && let Some(refusal) = self.denied(client, spec, request)
        {
            self.reject(client, spec, &refusal);
            return Ok(());
        }
        if client.hearing.is_some()
            && let Some(refusal) = client.refusal(spec)
        {
            self.refuse(client, refusal);
            self.spoil(client, false);
            return Ok(());
        }
        if self.shared.pause.is_on() && self.has_to_wait(client, spec, request) {
            return Err(Stall::Paused);
        }
        if client.transaction.is_some() && !spec.is_never_queued() {
            self.notice(client, spec, request);
            let errors = self.counters.errors;
            self.queue(client, routing, spec, request);
            if self.counters.errors > errors {
                self.spoil(client, false);
            } else if client.hearing.is_some() {
                self.remember_queued(client, routing, spec, request);
            }
            return Ok(());
        }
        client.info.last_command.store(spec.index, Relaxed);
        self.notice(client, spec, request);
        if client.hearing.is_some() {
            self.run_for_listener(client, routing, spec, request)?;
        } else {
            self.serve_by_table(client, routing, spec, request)?;
        }
        self.counters.commands += 1;
        self.figures.traffic.served(spec);
        if self.shared.monitors.are_any() {
            self.show(client, spec.flags, request);
        }
        Ok(())
    }

    /// Does what the command table says.
    #[inline]
    pub(super) fn serve_by_table(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if spec.flags.has(Flags::BLOCKING)
            && let Some(timeout) = spec.timeout_at(request)
        {
            return self.wait(client, routing, (spec, timeout), request);
        }
        match spec.route {
            Route::OneNode
            | Route::Combined(_)
            | Route::Taken(_)
            | Route::Scripted(Scripted::Source | Scripted::Digest | Scripted::Function) => {
                self.one_node(client, routing, spec, request)?;
            }
            Route::Scripted(scripted) => self.about_scripts(client, routing, spec, scripted, request)?,
            Route::Split(merge) => self.split(client, routing, spec, merge, request)?,
            Route::AllNodes(merge) => self.all_nodes(client, routing, spec, merge, request)?,
            Route::Transaction => self.about_transactions(client, routing, spec, request)?,
            Route::Channels => self.about_channels(client, routing, spec, request)?,
            Route::Servers(servers) => self.all_servers(client, routing, (spec, servers), request)?,
            Route::Local => self.local(client, spec, request)?,
            Route::Refused(reason) => self.unavailable(client, spec, reason),
        }
        Ok(())
    }

    /// A request was refused: what is queued will not run; nor is it queued any longer, if that was `EXEC`.
    pub(super) fn spoil(&mut self, client: &mut Client, is_exec: bool) {
        if is_exec {
            self.end_transaction(client);
        } else if let Some(transaction) = &mut client.transaction {
            transaction.abort();
        }
    }

    /// Refuses a request for who asks, and not for what it asks. As in Redis, `EXEC` ends the transaction by that.
    #[cold]
    fn reject(&mut self, client: &mut Client, spec: &Spec, refusal: &str) {
        let is_exec = spec.name == "exec";
        if is_exec {
            self.refuse(client, format!("EXECABORT Transaction discarded because of: {refusal}"));
        } else {
            self.refuse(client, refusal);
        }
        self.spoil(client, is_exec);
    }

    /// Answers with an error of the proxy's own.
    pub(super) fn refuse(&mut self, client: &mut Client, text: impl AsRef<[u8]>) {
        self.counters.errors += 1;
        self.figures.traffic.refusals.add(text.as_ref());
        client.error(text);
    }

    pub(super) fn unavailable(&mut self, client: &mut Client, spec: &Spec, reason: &str) {
        self.unavailable_by_name(client, spec.name, reason);
    }

    pub(super) fn unavailable_by_name(&mut self, client: &mut Client, name: &str, reason: &str) {
        let name = name.replace('|', " ");
        self.refuse(client, format!("ERR '{name}' is not available through a proxy yet: {reason}"));
    }

    /// All keys on one node: forwarded as it is.
    fn one_node(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if let Some(index) = keys::sole(spec) {
            return self.one_key(client, routing, spec, request, SlotId::of_key(request.arg(index)));
        }
        let keys = match keys::positions(spec, request) {
            Ok(keys) => keys,
            Err(InvalidArguments) => return self.any_node(client, routing, request),
        };
        let place = placement::of(routing, keys.indices().map(|index| SlotId::of_key(request.arg(index))));
        if let Some(slot) = Self::moving_slot(routing, spec.writes(), request, &keys) {
            if spec.writes() {
                return self.hold(client, slot);
            }
            if self.refuse_uncertain(client, routing, slot) {
                return Ok(());
            }
        }
        let (node, slot) = match place {
            Ok(Place::At(node, slot)) => (node, slot),
            Ok(Place::Nowhere) => match (spec.route, routing.owning().first()) {
                // A script without keys runs anywhere.
                (Route::Scripted(_), Some(&node)) => (node, SlotId::of_key(b"")),
                _ => return self.any_node(client, routing, request),
            },
            Ok(Place::Apart(apart)) => {
                if let Route::Combined(combine) = spec.route {
                    return self.combine(client, routing, spec, combine, (request, &keys));
                }
                if let Route::Taken(take) = spec.route {
                    return self.take_of_several(client, routing, (spec, take), (request, &keys));
                }
                let text = apart_refusal(routing, spec.name, request, &keys, apart);
                self.refuse(client, text);
                return Ok(());
            }
            Err(slot) => return self.refuse_ownerless(client, routing, slot),
        };
        if spec.reads_by_pattern() {
            if by_pattern::only_reads(spec, request)
                && Self::pattern_elsewhere(routing, node, request).is_some()
            {
                return self.sort_over_nodes(client, routing, (spec, node, slot), request);
            }
            if let Err(text) = self.patterns_at(routing, node, spec, request) {
                self.refuse(client, text);
                return Ok(());
            }
        }
        if let Route::Scripted(scripted) = spec.route
            && let Some(question) = self.call_question(routing, scripted, node, request)
        {
            return self.ask(client, routing, spec, question);
        }
        self.send_to(client, routing, (node, slot), request)
    }

    /// The same for one key, which is most of what clients ask for.
    #[inline]
    pub(super) fn one_key(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
        slot: SlotId,
    ) -> Result<(), Stall> {
        if spec.writes() {
            if routing.holds(slot) {
                return self.hold(client, slot);
            }
        } else if routing.is_frozen(slot) && self.refuse_uncertain(client, routing, slot) {
            return Ok(());
        }
        match routing.owner(slot) {
            Some(node) => self.send_to(client, routing, (node, slot), request),
            None => self.refuse_ownerless(client, routing, slot),
        }
    }

    #[inline]
    pub(super) fn send_to(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        (node, slot): (NodeIndex, SlotId),
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        self.upstreams.choose_by_slot(client, slot, request);
        self.send_over(client, routing, node, request)
    }

    /// Over the connection to a node that was chosen for the client.
    #[inline]
    fn send_over(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        node: NodeIndex,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let upstream = self.upstreams.of(node, client);
        match self.upstreams.check(upstream, client, routing, self.turn.now)? {
            Ok(()) => self.forward(client, upstream, request),
            Err(text) => self.refuse(client, text),
        }
        Ok(())
    }

    /// A request without keys; or whose keys cannot be told, because its number of keys or a word before them is wrong: no server
    /// runs that, and any of them knows Redis's words for it.
    pub(super) fn any_node(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        match routing.owning().first() {
            Some(&node) => self.send_over(client, routing, node, request),
            None => self.refuse_ownerless(client, routing, SlotId::of_key(b"")),
        }
    }

    /// Nobody owns the slot that a request is about; or any, if that is all it needs.
    #[cold]
    pub(super) fn refuse_ownerless(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        slot: SlotId,
    ) -> Result<(), Stall> {
        self.refuse(client, routing.no_owner(slot));
        Ok(())
    }

    /// Sends a whole request on, as the client sent it.
    pub(super) fn forward(&mut self, client: &mut Client, upstream: UpstreamId, request: &Request<'_>) {
        let receiver = client.expect();
        self.pass_on(upstream, receiver, request);
    }

    /// The same for a reply that is not only passed on.
    #[inline]
    pub(super) fn pass_on(&mut self, upstream: UpstreamId, receiver: Receiver, request: &Request<'_>) {
        self.counters.forwarded += 1;
        let whole = request.raw().filter(|raw| raw.len() >= LARGE).and(self.whole.clone());
        let out = self.upstreams.push(upstream, receiver, self.turn.now);
        match (request.raw(), whole) {
            (Some(raw), None) => out.tail().extend_from_slice(raw),
            (Some(raw), Some(whole)) => out.push_part(&whole, raw),
            (None, _) => encode_command(out.tail(), &request.args().collect::<Vec<_>>()),
        }
    }

    /// A write to a slot on the move waits; without a registry nobody could tell it when to go on.
    pub(super) fn hold(&mut self, client: &mut Client, slot: SlotId) -> Result<(), Stall> {
        let text = self.held(slot)?;
        self.refuse(client, text);
        Ok(())
    }

    /// The same; what is to be told instead.
    pub(super) fn held(&self, slot: SlotId) -> Result<String, Stall> {
        if !self.epochs.registry_silent {
            return Err(Stall::Held);
        }
        Ok(format!(
            "TRYAGAIN slot {slot} is being moved and etcd does not answer; nothing was written, try again later"
        ))
    }

    /// A read of a slot that may have changed its owner, if this proxy's registration has ended, is refused rather than
    /// answered by the owner of before. True: it was.
    pub(super) fn refuse_uncertain(&mut self, client: &mut Client, routing: &Routing, slot: SlotId) -> bool {
        if routing.is_certain() {
            return false;
        }
        self.refuse(client, placement::uncertain(slot));
        true
    }

    /// The first pattern that may mean keys on other nodes than this one.
    fn pattern_elsewhere<'a>(routing: &Routing, node: NodeIndex, request: &Request<'a>) -> Option<&'a [u8]> {
        // Whoever owns all slots has all keys.
        let is_there = |slot: Option<SlotId>| {
            routing.owning() == [node] || slot.and_then(|slot| routing.owner(slot)) == Some(node)
        };
        by_pattern::patterns(request).find(|(_, slot)| !is_there(*slot)).map(|(pattern, _)| pattern)
    }

    /// Whether keys that are read by patterns are all on this node; if not, what is to be told.
    pub(super) fn patterns_at(
        &self,
        routing: &Routing,
        node: NodeIndex,
        spec: &Spec,
        request: &Request<'_>,
    ) -> Result<(), String> {
        if let Some(pattern) = Self::pattern_elsewhere(routing, node, request) {
            return Err(format!(
                "CROSSSLOT {} reads keys by the pattern {}, which may be on other nodes than its key; give both a \
                 common {{tag}}",
                spec.name.to_ascii_uppercase(),
                quote::repr(pattern)
            ));
        }
        for (_, slot) in by_pattern::patterns(request) {
            let frozen = match slot {
                Some(slot) => routing.is_frozen(slot).then_some(slot),
                None => routing.any_frozen(),
            };
            if let Some(slot) = frozen.filter(|_| !routing.is_certain()) {
                return Err(placement::uncertain(slot));
            }
        }
        Ok(())
    }

    /// The first of the keys whose slot is on the move in a way that matters to the command.
    pub(super) fn moving_slot(
        routing: &Routing,
        writes: bool,
        request: &Request<'_>,
        keys: &KeyPositions,
    ) -> Option<SlotId> {
        if !routing.holds_any() {
            return None;
        }
        let matters = |slot| if writes { routing.holds(slot) } else { routing.is_frozen(slot) };
        keys.indices().map(|index| SlotId::of_key(request.arg(index))).find(|&slot| matters(slot))
    }
}

/// The refusal of a request whose keys are on several nodes.
pub(super) fn apart_refusal(
    routing: &Routing,
    name: &str,
    request: &Request<'_>,
    keys: &KeyPositions,
    apart: Apart,
) -> Vec<u8> {
    let key = |at| keys.indices().nth(at).map_or(&b""[..], |index| request.arg(index));
    let [one, other] = [apart.one, apart.other].map(|(at, node)| (key(at), node));
    placement::refusal(routing, &placement::shown_name(name), one, other)
}
