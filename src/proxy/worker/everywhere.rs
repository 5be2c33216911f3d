//! Commands over all nodes.

use std::sync::Arc;

use super::{
    Waiting, Worker,
    client::{Client, Stall},
};
use crate::{
    command::{Merge, Spec},
    protocol::{Request, quote},
    proxy::{
        count::Counted,
        gather::Rule,
        info,
        merge::{Acknowledged, Info, KeyCount, Keys, Question, RandomKey, Same, Scan},
        routing::{NodeIndex, Routing},
        scan::Cursor,
    },
    slot::SlotId,
};

impl Worker {
    /// To every node that owns slots; writes to every member, so that no copy survives.
    pub(super) fn all_nodes(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        merge: Merge,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if merge == Merge::Info {
            // Answered without any node, too.
            return self.info(client, routing, spec, request);
        }
        let owning = routing.owning();
        if owning.is_empty() {
            return self.refuse_ownerless(client, routing, SlotId::of_key(b""));
        }
        if spec.writes() {
            return self.all_members(client, routing, spec, merge, request);
        }
        if let Some(slot) = routing.any_frozen()
            && self.refuse_uncertain(client, routing, slot)
        {
            return Ok(());
        }
        let question = match merge {
            Merge::Scan => return self.scan(client, routing, spec, request),
            Merge::KeyCount if !routing.topology().moves.is_empty() => {
                return self.count_keys(client, routing, spec);
            }
            Merge::KeyCount => Question::new(owning, request.args(), KeyCount { counted: 0 }),
            Merge::Keys => Question::new(owning, request.args(), Keys),
            Merge::Acknowledged => return self.wait_for_replicas(client, routing, spec, request),
            Merge::RandomKey => Question::new(owning, [&b"DBSIZE"[..]], RandomKey::default()),
            Merge::ByKey | Merge::Sum | Merge::AllSucceeded | Merge::Info => {
                return self.plainly(client, routing, spec, (owning, merge), request);
            }
        };
        self.ask(client, routing, spec, question)
    }

    fn plainly(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        (nodes, merge): (&[NodeIndex], Merge),
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let Some(rule) = Rule::plain(merge) else {
            self.unavailable(client, spec, "its replies of several nodes have no common form");
            return Ok(());
        };
        let arguments: Vec<&[u8]> = request.args().collect();
        self.scatter(client, routing, spec, (nodes, rule), &arguments)
    }

    /// `WAIT` and `WAITAOF`: for what this client has written and been told so.
    fn wait_for_replicas(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if client.replies.in_flight() > 0 {
            return Err(Stall::Drain);
        }
        let Some(acknowledged) = Acknowledged::of(request, self.turn.wall) else {
            // Any server knows what is wrong with it.
            return self.any_node(client, routing, request);
        };
        let question = acknowledged.question(routing, self.turn.wall, true);
        self.ask(client, routing, spec, question)?;
        client.fenced = true;
        Ok(())
    }

    /// What deletes everything, from every member.
    fn all_members(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        merge: Merge,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        // It is a write to all slots. While none is held there is no copy under way: what the nodes have now is all there is, and
        // a slot is not frozen before its node has answered this.
        if let Some(slot) = routing.any_held() {
            return self.hold(client, slot);
        }
        let members: Vec<NodeIndex> = routing.members().map(|(index, _)| index).collect();
        self.plainly(client, routing, spec, (&members, merge), request)
    }

    fn info(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if let Some(id) = request.get(1).and_then(info::node) {
            return self.info_of_node(client, routing, spec, (id, request));
        }
        let sections: Vec<Vec<u8>> = request.args_from(1).map(<[u8]>::to_ascii_lowercase).collect();
        let moving = !routing.topology().moves.is_empty() && info::wants(&sections, "keyspace");
        let counted = if moving { Some(self.counted(client, routing, true)?) } else { None };
        if info::are_own(&sections) {
            let text = info::merge(&self.shared, routing, &sections, &[], None, self.turn.wall);
            client.reply(|reply| reply.verbatim("txt", text));
            return Ok(());
        }
        // A node that does not answer must not hide the others: it is left out, and said so.
        let mut reachable = Vec::new();
        for &node in routing.owning() {
            let upstream = self.upstreams.of(node, client);
            if self.upstreams.check(upstream, client, routing, self.turn.now)?.is_ok() {
                reachable.push(node);
            }
        }
        if reachable.is_empty() {
            let text = info::merge(&self.shared, routing, &sections, &[], None, self.turn.wall);
            client.reply(|reply| reply.verbatim("txt", text));
            return Ok(());
        }
        let question = Question::new(&reachable, request.args(), Info { sections, counted });
        self.ask(client, routing, spec, question)
    }

    /// `INFO node:ID`: what one member says of itself.
    fn info_of_node(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        (id, request): (&[u8], &Request<'_>),
    ) -> Result<(), Stall> {
        let Some((node, _)) = routing.members().find(|(_, member)| member.id.as_str().as_bytes() == id)
        else {
            let known: Vec<&str> = routing.members().map(|(_, member)| member.id.as_str()).collect();
            let text = format!(
                "ERR there is no node {} in this cluster: it has {}",
                quote::repr(id),
                known.join(", ")
            );
            self.refuse(client, text);
            return Ok(());
        };
        let words = std::iter::once(request.name()).chain(request.args_from(2));
        self.ask(client, routing, spec, Question::new(&[node], words, Same))
    }

    /// Nodes that may hold copies are counted by slot, the others asked.
    fn count_keys(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
    ) -> Result<(), Stall> {
        let counted = self.counted(client, routing, false)?;
        let mut keys = 0;
        for (_, databases) in &counted.nodes {
            match databases {
                Ok(databases) => {
                    let here = databases.iter().filter(|(of, _)| *of == u32::from(client.database));
                    keys += here.map(|(_, tally)| tally.keys).sum::<u64>();
                }
                Err(reason) => {
                    self.refuse(client, format!("ERR the keys of a node cannot be counted: {reason}"));
                    return Ok(());
                }
            }
        }
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        let others: Vec<NodeIndex> =
            routing.owning().iter().copied().filter(|&node| counted.node(node).is_none()).collect();
        if others.is_empty() {
            client.reply(|reply| reply.integer(keys));
            return Ok(());
        }
        let question = Question::new(&others, [&b"DBSIZE"[..]], KeyCount { counted: keys });
        self.ask(client, routing, spec, question)
    }

    /// What nodes that may hold copies have of their own, by this table of routes. The client waits for it, after all it
    /// has asked before was answered.
    fn counted(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        expires: bool,
    ) -> Result<Arc<Counted>, Stall> {
        let counted = client.counted.take();
        if let Some(counted) = counted.filter(|of| of.epoch == routing.epoch() && (of.expires || !expires)) {
            return Ok(counted);
        }
        if client.replies.in_flight() > 0 {
            return Err(Stall::Drain);
        }
        let waiting = Waiting { mailbox: Arc::clone(&self.mailbox), client: client.key, expires };
        // Who counts ends with the proxy.
        let _ = self.shared.counts.send(waiting);
        Err(Stall::Counting)
    }

    fn scan(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let Some(cursor) = Cursor::parse(request.arg(1)) else {
            self.refuse(client, "ERR invalid cursor");
            return Ok(());
        };
        match cursor.ask(routing) {
            Some(ask) => self.ask(client, routing, spec, Scan::question(ask, request)),
            None => {
                client.reply(|reply| {
                    reply.array(2);
                    reply.bulk("0");
                    reply.array(0);
                });
                Ok(())
            }
        }
    }
}
