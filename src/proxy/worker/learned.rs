//! Requests for commands that the table does not have: the members are asked what they are, and the request is served by what they say.
//! Nothing of this is on the way of a command that the table has.
//!
//! Not here: who asks the members ([`crate::proxy::learned`]), what their words mean ([`crate::command::learned`]).

use std::sync::Arc;

use super::{
    Worker,
    client::{Client, Stall},
    dispatch::apart_refusal,
};
use crate::{
    acl::{Denied, log::Place as Origin},
    command::{
        Flags, KeyPositions,
        learned::{Fold, Learned, Way},
    },
    connection::channels,
    protocol::{Request, Version},
    proxy::{
        gather::Asked,
        learned::{self, Known, Lesson, Wanted},
        merge::{AnySucceeded, Folded, Located, Question, Same},
        placement::{self, Place},
        routing::{NodeIndex, Routing},
        slab::Key,
    },
    slot::SlotId,
};

impl Worker {
    /// A request that is of no row. `unknown` is what it is answered if no member knows it either.
    #[cold]
    pub(super) fn teach(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        request: &Request<'_>,
        in_flight: usize,
        unknown: Vec<u8>,
    ) -> Result<(), Stall> {
        let Some(known) = self.lesson(client, request)? else {
            self.refuse(client, unknown);
            self.spoil(client, false);
            return Ok(());
        };
        let learned = match known.command.resolve(request) {
            Ok(learned) => learned,
            Err(text) => {
                self.refuse(client, text);
                self.spoil(client, false);
                return Ok(());
            }
        };
        // Nobody knows how long it takes.
        let takes_long = !learned.flags().has(Flags::FAST);
        self.upstreams.choose(client, takes_long, request, in_flight)?;
        if let Some(refusal) = self.refusal_of_learned(client, learned, request) {
            self.refuse(client, refusal);
            self.spoil(client, false);
            return Ok(());
        }
        if self.shared.pause.is_on() && self.is_held_by_pause(client, learned.writes()) {
            return Err(Stall::Paused);
        }
        // Times and keys are counted for commands of the table.
        (self.upstreams.origin, self.upstreams.note, self.looked_at) = (None, None, None);
        if client.transaction.is_some() {
            let errors = self.counters.errors;
            self.queue_learned(client, routing, (&known, learned), request);
            if self.counters.errors > errors {
                self.spoil(client, false);
            } else if learned.flags().has(Flags::READONLY) {
                let keys = learned.positions(request).and_then(Result::ok).unwrap_or_default();
                let keys = keys.indices().map(|index| request.arg(index));
                self.remember_queued_keys(client, routing, keys);
            }
            return Ok(());
        }
        self.serve_learned(client, routing, (&known, learned), request)?;
        if client.tracks().is_some() && learned.flags().has(Flags::READONLY) {
            let keys = learned.positions(request).map(Result::unwrap_or_default);
            let keys = keys.map(|keys| keys.indices().map(|index| request.arg(index).into()).collect());
            self.forget_read(client, keys);
        }
        self.counters.commands += 1;
        client.info.note_learned(learned.name());
        if self.shared.monitors.are_any() {
            self.show(client, learned.flags(), request);
        }
        Ok(())
    }

    /// What members know of a request's command; they are asked if that is not known.
    fn lesson(&self, client: &mut Client, request: &Request<'_>) -> Result<Lesson, Stall> {
        if let Some(lesson) = client.lesson.take() {
            return Ok(lesson);
        }
        let Some(name) = learned::asked_for(request.name()) else { return Ok(None) };
        let commands = &self.shared.learned;
        if let Some(lesson) = commands.get(&name, self.turn.now) {
            return Ok(lesson);
        }
        if !client.authenticated && self.refusal_of_stranger().is_some() {
            // Nodes have no work with strangers.
            return Ok(None);
        }
        commands.ask(Wanted { mailbox: Arc::clone(&self.mailbox), client: client.key, name });
        Err(Stall::Learning)
    }

    /// Members have answered.
    pub(super) fn has_learned(&mut self, key: Key, lesson: Lesson) {
        if let Some(client) = self.clients.get_mut(key)
            && client.stall == Some(Stall::Learning)
        {
            client.lesson = Some(lesson);
            self.clients.resume_one(key);
        }
    }

    /// Why a client may not run it, if it may not: in the order of a command of the table.
    fn refusal_of_learned(
        &self,
        client: &Client,
        learned: &Learned,
        request: &Request<'_>,
    ) -> Option<String> {
        if !client.authenticated
            && let Some(refusal) = self.refusal_of_stranger()
        {
            return Some(refusal.to_owned());
        }
        if client.transaction.is_some() && learned.flags().has(Flags::NO_MULTI) {
            return Some("ERR Command not allowed inside a transaction".to_owned());
        }
        if let Err(denied) = client.user.check_learned(learned, request) {
            let place = if client.transaction.is_some() { Origin::Multi } else { Origin::Toplevel };
            client.info.note_learned(learned.name());
            self.note_denied(client, denied.blamed(learned.name(), request), place, client.user.name());
            return Some(denied.text(learned.name()));
        }
        if client.is_subscribed() && client.version == Version::Resp2 {
            return Some(channels::refusal_of(learned.name()));
        }
        let touches = learned.flags().has_any(Flags::of(&[Flags::WRITE, Flags::READONLY]));
        client.refusal_of_monitor(touches)
    }

    /// Whether a user may run what was queued, now. What nobody remembers any more may be anything.
    pub(super) fn check_taught(&self, client: &Client, request: &Request<'_>) -> Result<(), Denied> {
        let name = learned::asked_for(request.name()).unwrap_or_default();
        let known = self.shared.learned.get(&name, self.turn.now).flatten();
        let learned = known.as_ref().and_then(|known| known.command.resolve(request).ok());
        client.user.check_learned(learned.ok_or(Denied::Command)?, request)
    }

    fn serve_learned(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        (known, learned): (&Arc<Known>, &Learned),
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        match learned.way() {
            Way::Refused(reason) => self.unavailable_by_name(client, learned.name(), reason),
            Way::ByKey => {
                let keys = learned.positions(request).and_then(Result::ok).unwrap_or_default();
                return self.learned_by_key(client, routing, (known, learned), request, &keys);
            }
            Way::Any => return self.learned_anywhere(client, routing, known, request),
            Way::ByAskedKey => {
                let Some(node) = having(routing, known).next() else {
                    self.refuse(client, routing.no_owner(SlotId::of_key(b"")));
                    return Ok(());
                };
                let located = Located {
                    known: Arc::clone(known),
                    name: learned.name().into(),
                    writes: learned.writes(),
                    request: request.args().map(<[u8]>::to_vec).collect(),
                };
                self.ask(client, routing, asked(learned), located.question(node))?;
                // What follows must not come before the second step.
                client.fenced = true;
            }
            Way::AllNodes(fold) => {
                let nodes = if learned.writes() {
                    if let Some(slot) = routing.any_held() {
                        return self.hold(client, slot);
                    }
                    routing.members().map(|(index, _)| index).collect()
                } else {
                    if let Some(slot) = routing.any_frozen()
                        && self.refuse_uncertain(client, routing, slot)
                    {
                        return Ok(());
                    }
                    routing.owning().to_vec()
                };
                return self.learned_everywhere(client, routing, (known, learned), request, (&nodes, fold));
            }
            Way::AllMembers(fold) => {
                let nodes: Vec<NodeIndex> = routing.members().map(|(index, _)| index).collect();
                return self.learned_everywhere(client, routing, (known, learned), request, (&nodes, fold));
            }
        }
        Ok(())
    }

    fn learned_by_key(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        (known, learned): (&Known, &Learned),
        request: &Request<'_>,
        keys: &KeyPositions,
    ) -> Result<(), Stall> {
        if let Some(slot) = Self::moving_slot(routing, learned.writes(), request, keys) {
            if learned.writes() {
                return self.hold(client, slot);
            }
            if self.refuse_uncertain(client, routing, slot) {
                return Ok(());
            }
        }
        let slots = keys.indices().map(|index| SlotId::of_key(request.arg(index)));
        let refusal = match placement::of(routing, slots) {
            Ok(Place::At(node, _)) if known.is_lacking(node) => {
                placement::lacking(routing, learned.name(), node)
            }
            Ok(Place::At(node, slot)) => return self.send_to(client, routing, (node, slot), request),
            // It names none, or says wrongly where they are: whoever has it knows the words for that.
            Ok(Place::Nowhere) => return self.learned_anywhere(client, routing, known, request),
            Ok(Place::Apart(apart)) => apart_refusal(routing, learned.name(), request, keys, apart),
            Err(slot) => routing.no_owner(slot).into_bytes(),
        };
        self.refuse(client, refusal);
        Ok(())
    }

    /// To the first node that has it and can be reached.
    fn learned_anywhere(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        known: &Known,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let mut refusal = None;
        for node in having(routing, known) {
            let upstream = self.upstreams.of(node, client);
            match self.upstreams.check(upstream, client, routing, self.turn.now)? {
                Ok(()) => {
                    self.forward(client, upstream, request);
                    return Ok(());
                }
                Err(text) => refusal = refusal.or(Some(text)),
            }
        }
        self.refuse(client, refusal.unwrap_or_else(|| routing.no_owner(SlotId::of_key(b"")).into_bytes()));
        Ok(())
    }

    fn learned_everywhere(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        (known, learned): (&Known, &Learned),
        request: &Request<'_>,
        (nodes, fold): (&[NodeIndex], Fold),
    ) -> Result<(), Stall> {
        if let Some(&node) = nodes.iter().find(|&&node| known.is_lacking(node)) {
            self.refuse(client, placement::lacking(routing, learned.name(), node));
            return Ok(());
        }
        if nodes.is_empty() {
            self.refuse(client, routing.no_owner(SlotId::of_key(b"")));
            return Ok(());
        }
        let question = match fold {
            Fold::OneSucceeded => Question::new(nodes, request.args(), AnySucceeded),
            Fold::AllSucceeded => Question::new(nodes, request.args(), Same),
            Fold::Sum | Fold::Least | Fold::Greatest | Fold::And | Fold::Or | Fold::Together => {
                Question::new(nodes, request.args(), Folded(fold))
            }
        };
        self.ask(client, routing, asked(learned), question)
    }
}

/// Nodes that may have it: those that own slots first.
fn having<'a>(routing: &'a Routing, known: &'a Known) -> impl Iterator<Item = NodeIndex> + 'a {
    let owning = routing.owning();
    let others = routing.members().map(|(index, _)| index).filter(|index| !owning.contains(index));
    owning.iter().copied().chain(others).filter(|&node| !known.is_lacking(node))
}

fn asked(learned: &Learned) -> Asked {
    Asked::Learned { name: learned.name().into(), writes: learned.writes() }
}
