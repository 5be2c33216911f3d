//! Scripts and functions: every node is to know all of them, and one that was not there when they came is given what it lacks when it
//! is asked for it. Sources of scripts are kept by the proxy ([`crate::proxy::scripts`]), functions are lent by another node.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use super::{
    Worker,
    client::{Client, Stall},
};
use crate::{
    command::{Scripted, Spec},
    protocol::{Request, encode_command},
    proxy::{
        gather::Rule,
        merge::{AllSucceeded, AnySucceeded, Called, Exists, Help, Question, Running, Same},
        others::{Answered, Errand, Waiter},
        routing::{NodeIndex, Routing},
        upstream::Receiver,
    },
    slot::SlotId,
};

/// What this worker has given to the proxy's store, so that no source is digested twice.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    sources: HashSet<u64>,
    /// Of the store, when they were given.
    forgotten: u64,
}

/// More are not remembered at once.
const SEEN_MAX: usize = 10_000;

impl Worker {
    /// Keeps the source of a script.
    pub(super) fn keep_source(&mut self, source: &[u8]) {
        let (seen, scripts) = (&mut self.seen_scripts, &self.shared.scripts);
        if seen.forgotten != scripts.forgotten() || seen.sources.len() >= SEEN_MAX {
            seen.sources.clear();
            seen.forgotten = scripts.forgotten();
        }
        if seen.sources.insert(seen.hasher.hash_one(source)) {
            scripts.keep(source);
        }
    }

    /// Calls a script or a function at the node of its keys. `None`: there is no help for it, it is forwarded as it is.
    pub(super) fn call_question(
        &mut self,
        routing: &Routing,
        scripted: Scripted,
        node: NodeIndex,
        request: &Request<'_>,
    ) -> Option<Question> {
        let help = match scripted {
            Scripted::Digest => Help::Script { asked: false },
            Scripted::Function => {
                let lender = routing.owning().iter().copied().find(|&other| other != node)?;
                Help::Functions(lender)
            }
            Scripted::Source => {
                self.keep_source(request.arg(1));
                return None;
            }
            Scripted::Load
            | Scripted::Exists
            | Scripted::Flush
            | Scripted::Kill
            | Scripted::Libraries
            | Scripted::Stats
            | Scripted::Show => return None,
        };
        let words: Arc<[Vec<u8>]> = request.args().map(<[u8]>::to_vec).collect();
        Some(Called::question(node, words, help))
    }

    /// What is about the scripts or functions of all nodes.
    pub(super) fn about_scripts(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        scripted: Scripted,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let members: Vec<NodeIndex> = routing.members().map(|(index, _)| index).collect();
        if routing.owning().is_empty() {
            return self.refuse_ownerless(client, routing, SlotId::of_key(b""));
        }
        match scripted {
            Scripted::Source | Scripted::Digest | Scripted::Function => {}
            Scripted::Show => return self.any_node(client, routing, request),
            Scripted::Load => {
                self.keep_source(request.arg(2));
                // Another proxy may outlive this one.
                self.shared.others.tell(Errand::Keep(request.arg(2).into()));
                // A node that is away is given it when it is back.
                let there = self.reachable(client, routing, &members)?;
                return self.ask(client, routing, spec, Question::new(&there, request.args(), Same));
            }
            Scripted::Exists => {
                let digests = request.args_from(2).map(<[u8]>::to_vec).collect();
                let exists = Exists { digests, asked: false };
                let there = self.reachable(client, routing, &members)?;
                return self.ask(client, routing, spec, Question::new(&there, request.args(), exists));
            }
            Scripted::Flush => {
                let is_meant =
                    |how: &[u8]| [&b"sync"[..], b"async"].iter().any(|word| how.eq_ignore_ascii_case(word));
                if request.len() == 2 || request.len() == 3 && is_meant(request.arg(2)) {
                    // Proxies before nodes: they would bring scripts back.
                    if let Err(text) = self.ask_others(client, || Errand::Forget)? {
                        self.refuse(client, text);
                        return Ok(());
                    }
                    self.shared.scripts.forget();
                }
                return self.ask(
                    client,
                    routing,
                    spec,
                    Question::new(&members, request.args(), AllSucceeded),
                );
            }
            Scripted::Libraries => {
                return self.ask(client, routing, spec, Question::new(&members, request.args(), Same));
            }
            Scripted::Kill => {
                return self.ask_aside(
                    client,
                    routing,
                    spec,
                    Question::new(&members, request.args(), AnySucceeded),
                );
            }
            Scripted::Stats => {
                return self.ask_aside(
                    client,
                    routing,
                    spec,
                    Question::new(&members, request.args(), Running),
                );
            }
        }
        self.any_node(client, routing, request)
    }

    /// Asks the other proxies, or goes on when they have answered.
    pub(super) fn ask_others(
        &self,
        client: &mut Client,
        errand: impl FnOnce() -> Errand,
    ) -> Result<Answered, Stall> {
        if let Some(answered) = client.asked.take() {
            return Ok(answered);
        }
        if self.shared.others.ask(errand(), &self.mailbox, Waiter::Client(client.key)) {
            Err(Stall::Asking)
        } else {
            Ok(Err(b"ERR this proxy ends; nothing was done".to_vec()))
        }
    }

    /// They have.
    pub(super) fn others_answered(&mut self, waiter: Waiter, answered: Answered) {
        match waiter {
            Waiter::Gather(key) => self.go_on_with_gather(key),
            Waiter::Client(key) => {
                if let Some(client) = self.clients.get_mut(key)
                    && client.stall == Some(Stall::Asking)
                {
                    client.asked = Some(answered);
                    self.clients.resume_one(key);
                }
            }
        }
    }

    /// Those of the nodes that take a request now; all, if none does, so that one says why.
    fn reachable(
        &mut self,
        client: &Client,
        routing: &Routing,
        nodes: &[NodeIndex],
    ) -> Result<Vec<NodeIndex>, Stall> {
        let mut there = Vec::new();
        for &node in nodes {
            let upstream = self.upstreams.of(node, client);
            if self.upstreams.check(upstream, client, routing, self.turn.now)?.is_ok() {
                there.push(node);
            }
        }
        Ok(if there.is_empty() { nodes.to_vec() } else { there })
    }

    /// Asks over connections on which no script can be running.
    fn ask_aside(
        &mut self,
        client: &mut Client,
        routing: &Arc<Routing>,
        spec: &'static Spec,
        question: Question,
    ) -> Result<(), Stall> {
        let mut upstreams = Vec::new();
        let mut trouble = None;
        for ask in &question.asks {
            let Some(upstream) = self.upstreams.dedicate(ask.node, client) else {
                trouble = Some(Ok(
                    b"ERR too many clients have connections of their own through this proxy; try again"
                        .to_vec(),
                ));
                break;
            };
            upstreams.push(upstream);
            self.upstreams.enter_busy(upstream);
            match self.upstreams.check(upstream, client, routing, self.turn.now) {
                Ok(Ok(())) => {}
                Ok(Err(text)) => trouble = Some(Ok(text)),
                Err(stall) => trouble = Some(Err(stall)),
            }
        }
        if let Some(trouble) = trouble {
            upstreams.into_iter().for_each(|upstream| self.upstreams.release(upstream, self.turn.now));
            self.refuse(client, trouble?);
            return Ok(());
        }
        let nodes = question.asks.iter().map(|ask| ask.node);
        let gather = self.open_gather(client, spec, Rule::Own(question.merge), routing, nodes);
        for (part, (upstream, ask)) in (0..).zip(upstreams.into_iter().zip(&question.asks)) {
            let out = self.upstreams.push(upstream, Receiver::Part { gather, part }, self.turn.now);
            encode_command(out.tail(), &ask.arguments);
            // Whoever has it next comes behind this.
            self.upstreams.release(upstream, self.turn.now);
        }
        self.counters.forwarded += question.asks.len() as u64;
        Ok(())
    }
}
