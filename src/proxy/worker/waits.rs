//! Requests that wait at a node for others to act. Each has a connection of its own from the pool of dedicated ones, until it is answered.
//!
//! The request stays the client's next one meanwhile: it is stalled, and served again when there is an answer, or when it has to be
//! asked for elsewhere. Before a wait ends in another way than by its answer, the node is told to end it (`CLIENT UNBLOCK`), and what it
//! says then is what counts: nothing, and the request goes on at another node, or its client is gone; or an element, and
//! the client gets it, or it goes back to where it was ([`returns`]). So no element is lost or given twice, and no move waits for a client.
//!
//! Requests whose keys are on several nodes wait here, and at no node: [`seeking`].

mod returns;
mod seeking;

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use bytes::Bytes;

use self::returns::Returns;
pub(super) use self::seeking::Seeks;
use super::{
    Message, Worker,
    client::{Client, Stall},
    dispatch::apart_refusal,
    upstreams::{UpstreamId, label},
};
use crate::{
    command::{Route, Spec, keys, waiting::Timeout},
    protocol::{Encoder, Request, Version, encode_command, number::parse_i64},
    proxy::{
        lines::Arrival,
        merge::last_id,
        outbox::Outbox,
        outcome::Outcome,
        placement::{self, Place},
        put_back::PutBack,
        routing::{NodeIndex, Routing},
        slab::{Key, Slab},
        upstream::{Receiver, Reply},
    },
    slot::SlotId,
};

/// A client's request that may wait.
#[derive(Debug)]
pub(super) struct Patience {
    /// When it gives up.
    until: Option<Instant>,
    arrival: Arrival,
    /// Its keys were looked at, and had nothing.
    has_waited: bool,
    stage: Stage,
    /// Arguments of `XREAD` that are `$`, with what they stood for when it began.
    last_ids: Vec<(usize, Vec<u8>)>,
}

#[derive(Debug)]
enum Stage {
    /// At no node now.
    Unsent,
    /// A node has it.
    Sent(Key),
    /// Its keys are on several nodes, and are looked at when they change.
    Seeking(Key),
    /// The reply, and what it has taken if it came from a node.
    Answered(Answer, Option<Taken>),
}

#[derive(Debug)]
enum Answer {
    Small(Vec<u8>),
    Large(Bytes),
}

impl Answer {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(bytes) => bytes,
        }
    }

    /// Whether nothing has come.
    fn is_nothing(&self) -> bool {
        matches!(self.bytes(), b"*-1\r\n" | b"$-1\r\n" | b"_\r\n")
    }

    fn is_error(&self) -> bool {
        matches!(self.bytes().first(), Some(b'-' | b'!'))
    }
}

impl From<Reply<'_>> for Answer {
    fn from(reply: Reply<'_>) -> Self {
        match reply {
            Reply::Small(bytes) => Self::Small(bytes.to_vec()),
            Reply::Large(bytes) => Self::Large(bytes),
        }
    }
}

/// How what a reply says goes back.
#[derive(Clone, Copy, Debug)]
struct Taken {
    put_back: PutBack,
    database: u8,
}

/// A request at a node.
#[derive(Debug)]
struct Wait {
    /// Nobody any more, perhaps.
    client: Option<Key>,
    upstream: UpstreamId,
    node: NodeIndex,
    slots: Vec<SlotId>,
    taken: Taken,
    ending: Option<Ending>,
}

/// Why the node was told to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its slots move.
    Moved,
    /// Its client has gone away.
    Gone,
    /// Somebody asked for it, in this form.
    Asked { error: bool },
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Waits {
    open: Slab<Wait>,
    count: usize,
    ending: usize,
    answered: Vec<(Key, Answer, Outcome)>,
    last_ids: Vec<(Key, usize, Vec<u8>)>,
    next_probe: Option<Instant>,
    pub(super) returns: Returns,
}

impl Waits {
    /// A reply: the one that is waited for, or, before it, about the stream whose `$` is this argument.
    pub(super) fn arrived(&mut self, wait: Key, argument: u32, reply: Reply<'_>, outcome: Outcome) {
        if argument == 0 {
            self.answered.push((wait, reply.into(), outcome));
        } else if outcome == Outcome::Answered {
            self.last_ids.push((wait, argument as usize, last_id(Answer::from(reply).bytes())));
        }
    }

    /// Whether nobody waits at a node, and nothing goes back.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.returns.is_empty()
    }

    /// Whether nodes were told to end some, or something goes back.
    pub(super) fn are_ending(&self) -> bool {
        self.ending > 0 || !self.returns.is_empty()
    }

    fn open(&mut self, wait: Wait) -> Key {
        self.count += 1;
        self.open.insert(wait)
    }

    fn close(&mut self, key: Key) -> Option<Wait> {
        let wait = self.open.forget(key)?;
        self.count -= 1;
        self.ending -= usize::from(wait.ending.is_some());
        Some(wait)
    }
}

/// Who waits is at a node that may have gone away without a word: it is asked for a sign of life so often in the time after which that
/// counts as true.
const PROBES: u32 = 2;

impl Worker {
    /// A request that may wait for others to act.
    pub(super) fn wait(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        (spec, timeout): (&'static Spec, Timeout),
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let (patience, resumed) = match client.patience.take() {
            None => {
                if client.replies.in_flight() > 0 {
                    // It goes another way than they did.
                    return Err(Stall::Drain);
                }
                if client.info.peer.is_none() {
                    self.refuse(
                        client,
                        format!("ERR '{}' waits, which calls over gRPC do not: use RESP", spec.name),
                    );
                    return Ok(());
                }
                // A server refuses what is no timeout.
                let patience = timeout.of(request, self.turn.wall).unwrap_or_default();
                let until = patience.and_then(|patience| self.turn.now.checked_add(patience));
                let arrival = self.shared.lines().arrive();
                let (stage, last_ids) = (Stage::Unsent, Vec::new());
                (Box::new(Patience { until, arrival, has_waited: false, stage, last_ids }), false)
            }
            Some(patience) => match patience.stage {
                Stage::Unsent => (patience, true),
                Stage::Sent(_) | Stage::Seeking(_) => {
                    client.patience = Some(patience);
                    return Err(Stall::Waiting);
                }
                Stage::Answered(answer, _) => {
                    client.info.waits.store(false, Relaxed);
                    match answer {
                        Answer::Small(bytes) => {
                            client.replies.answer(client.muted, |out| out.extend_from_slice(&bytes));
                        }
                        Answer::Large(bytes) => {
                            let mut out = Outbox::default();
                            out.push(bytes);
                            client.replies.answer_large(client.muted, out);
                        }
                    }
                    return Ok(());
                }
            },
        };
        let sent = self.wait_at_node(client, routing, spec, timeout, request, (&patience, resumed));
        match sent {
            Ok(Some(stage)) => {
                client.info.waits.store(true, Relaxed);
                if client.hung_up {
                    // As in Redis it gets what is there, and waits for nothing.
                    match stage {
                        Stage::Sent(wait) => self.end_wait(wait, Ending::Gone),
                        Stage::Seeking(seek) => self.stop_seeking(seek, Ending::Gone),
                        Stage::Unsent | Stage::Answered(..) => {}
                    }
                }
                client.patience = Some(Box::new(Patience { stage, ..*patience }));
                Err(Stall::Waiting)
            }
            Ok(None) => {
                client.info.waits.store(false, Relaxed);
                Ok(())
            }
            Err(stall) => {
                // Its time goes by.
                client.info.waits.store(stall == Stall::Held, Relaxed);
                client.patience = Some(patience);
                Err(stall)
            }
        }
    }

    /// Sends it to the node of its keys, or begins to look at those of several nodes. None: it was refused.
    fn wait_at_node(
        &mut self,
        client: &mut Client,
        routing: &Routing,
        spec: &'static Spec,
        timeout: Timeout,
        request: &Request<'_>,
        (patience, resumed): (&Patience, bool),
    ) -> Result<Option<Stage>, Stall> {
        // If keys cannot be told, any server says why; should it wait, it does so on a connection that nobody else uses.
        let keys = keys::positions(spec, request).unwrap_or_default();
        let slots: Vec<SlotId> = keys.indices().map(|index| SlotId::of_key(request.arg(index))).collect();
        if let Some(slot) = Self::moving_slot(routing, spec.writes(), request, &keys) {
            if spec.writes() {
                self.hold(client, slot)?;
                return Ok(None);
            }
            if self.refuse_uncertain(client, routing, slot) {
                return Ok(None);
            }
        }
        let node = match placement::of(routing, slots.iter().copied()) {
            Ok(Place::At(node, _)) => Some(node),
            Ok(Place::Nowhere) => routing.owning().first().copied(),
            Ok(Place::Apart(apart)) if spec.route == Route::OneNode => {
                let text = apart_refusal(routing, spec.name, request, &keys, apart);
                self.refuse(client, text);
                return Ok(None);
            }
            Ok(Place::Apart(_)) => {
                match self.seek(client, routing, (spec, timeout), (request, &keys), patience) {
                    Ok(Some(seek)) => return Ok(Some(Stage::Seeking(seek))),
                    // A server says what is wrong with it.
                    Ok(None) => routing.owning().first().copied(),
                    Err(error) => {
                        self.refuse(client, error.to_string());
                        return Ok(None);
                    }
                }
            }
            Err(slot) => {
                self.refuse(client, routing.no_owner(slot));
                return Ok(None);
            }
        };
        let Some(node) = node else {
            self.refuse(client, routing.no_owner(SlotId::of_key(b"")));
            return Ok(None);
        };
        let Some(upstream) = self.upstreams.dedicate(node, client) else {
            let label = label(routing, node);
            self.refuse(
                client,
                format!("ERR too many clients wait at {label} through this proxy; try again"),
            );
            return Ok(None);
        };
        match self.upstreams.check(upstream, client, routing, self.turn.now) {
            Ok(Ok(())) => {}
            Ok(Err(text)) => {
                self.upstreams.release(upstream, self.turn.now);
                self.refuse(client, text);
                return Ok(None);
            }
            Err(stall) => {
                self.upstreams.release(upstream, self.turn.now);
                return Err(stall);
            }
        }
        let wait = self.waits.open(Wait {
            client: Some(client.key),
            upstream,
            node,
            slots,
            taken: Taken { put_back: PutBack::of(spec, request), database: client.database },
            ending: None,
        });
        let mut words: Vec<&[u8]> = request.args().collect();
        let left =
            patience.until.filter(|_| resumed).map(|until| until.saturating_duration_since(self.turn.now));
        let left = left.map(|left| timeout.word(left));
        if let Some(left) = &left {
            words[timeout.index] = left.as_bytes();
        }
        for (index, id) in &patience.last_ids {
            words[*index] = id;
        }
        self.counters.forwarded += 1;
        if !spec.writes() {
            // What `$` stands for now is what it stands for wherever the request goes on.
            let ids = words.len().saturating_sub(keys.len());
            for (key, index) in keys.indices().zip(ids..).filter(|&(_, index)| words[index] == b"$") {
                let argument = u32::try_from(index).unwrap_or_default();
                let out = self.upstreams.push(upstream, Receiver::Wait { wait, argument }, self.turn.now);
                encode_command(out.tail(), &[&b"XINFO"[..], b"STREAM", request.arg(key)]);
            }
        }
        let out = self.upstreams.push_patient(upstream, Receiver::Wait { wait, argument: 0 }, self.turn.now);
        encode_command(out.tail(), &words);
        Ok(Some(Stage::Sent(wait)))
    }

    /// Goes on with those that were answered.
    pub(super) fn answer_waits(&mut self) {
        for (wait, argument, id) in std::mem::take(&mut self.waits.last_ids) {
            let client = self.waits.open.get_mut(wait).and_then(|wait| wait.client);
            let client = client.and_then(|key| self.clients.get_mut(key));
            if let Some(patience) = client.and_then(|client| client.patience.as_mut()) {
                patience.last_ids.push((argument, id));
            }
        }
        for (key, answer, outcome) in std::mem::take(&mut self.waits.answered) {
            let Some(wait) = self.waits.close(key) else { continue };
            self.upstreams.release(wait.upstream, self.turn.now);
            let client = wait.client.and_then(|key| self.clients.get_mut(key));
            let Some((client, patience)) = client.and_then(|client| {
                let key = client.key;
                client.patience.as_mut().map(|patience| (key, patience))
            }) else {
                if outcome == Outcome::Answered {
                    self.give_back(wait.taken, &answer);
                }
                continue;
            };
            let nothing_came = outcome == Outcome::NotRun || answer.is_nothing();
            match wait.ending {
                Some(Ending::Moved)
                    if nothing_came && patience.until.is_none_or(|until| self.turn.now < until) =>
                {
                    patience.stage = Stage::Unsent;
                }
                Some(Ending::Gone) if nothing_came => {
                    self.close_client(client);
                    continue;
                }
                _ => patience.stage = Stage::Answered(answer, Some(wait.taken)),
            }
            self.clients.resume_one(client);
        }
    }

    /// Tells a node to end a wait. It is told again until it has answered.
    fn end_wait(&mut self, key: Key, ending: Ending) {
        let Some(wait) = self.waits.open.get_mut(key) else { return };
        if wait.ending.is_none() {
            self.waits.ending += 1;
        }
        // Whoever is gone wants nothing else.
        if wait.ending != Some(Ending::Gone) {
            wait.ending = Some(ending);
        }
        let (node, upstream) = (wait.node, wait.upstream);
        let how = if matches!(ending, Ending::Asked { error: true }) { "ERROR" } else { "TIMEOUT" };
        // Before it is connected there is nothing to end; the next tick comes soon.
        let Some(id) = self.upstreams.connection_id(upstream) else { return };
        let teller = self.upstreams.ordinary(node);
        if self.upstreams.upstream(teller).is_ready() {
            let out = self.upstreams.push(teller, Receiver::Nobody, self.turn.now);
            encode_command(out.tail(), &["CLIENT", "UNBLOCK", &id.to_string(), how]);
        }
    }

    /// A client is to go: it gets what is there, and waits for nothing.
    pub(super) fn end_own_wait(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        match client.patience.as_ref().map(|patience| &patience.stage) {
            Some(&Stage::Sent(wait)) => self.end_wait(wait, Ending::Gone),
            Some(&Stage::Seeking(seek)) => self.stop_seeking(seek, Ending::Gone),
            // No node has it.
            Some(Stage::Unsent) => client.closing = true,
            Some(Stage::Answered(..)) | None => {}
        }
    }

    /// A client goes away.
    pub(super) fn abandon_wait(&mut self, client: &mut Client) {
        match client.patience.take().map(|patience| patience.stage) {
            Some(Stage::Sent(key)) => {
                if let Some(wait) = self.waits.open.get_mut(key) {
                    wait.client = None;
                }
                self.end_wait(key, Ending::Gone);
            }
            Some(Stage::Seeking(key)) => self.abandon_seek(key),
            // It was on its way to it.
            Some(Stage::Answered(answer, Some(taken))) => self.give_back(taken, &answer),
            Some(Stage::Answered(_, None) | Stage::Unsent) | None => {}
        }
    }

    /// Ends waits in slots that move, or have moved, by this table of routes. Returns the connections of all others: no epoch has to
    /// wait for them.
    pub(super) fn end_moved_waits(&mut self, routing: &Routing) -> Vec<UpstreamId> {
        self.seek_where_slots_are(routing);
        let mut others = Vec::new();
        if self.waits.is_empty() {
            return others;
        }
        for key in self.waits.open.keys() {
            let Some(wait) = self.waits.open.get_mut(key) else { continue };
            let moves = |slot: &SlotId| routing.holds(*slot) || routing.owner(*slot) != Some(wait.node);
            if wait.slots.iter().any(moves) {
                self.end_wait(key, Ending::Moved);
            } else if wait.ending.is_none() {
                others.push(wait.upstream);
            }
        }
        others
    }

    /// As time goes by: nodes are told again what they did not hear, and asked whether they are there.
    pub(super) fn tick_waits(&mut self) {
        self.send_returns();
        if self.waits.is_empty() {
            self.waits.next_probe = None;
            return;
        }
        let now = self.turn.now;
        let probes = self.waits.next_probe.is_none_or(|due| now >= due);
        if probes {
            self.waits.next_probe = now.checked_add(self.probe_every());
        }
        let mut probed = Vec::new();
        for key in self.waits.open.keys() {
            let Some(wait) = self.waits.open.get_mut(key) else { continue };
            let (node, ending) = (wait.node, wait.ending);
            if let Some(ending) = ending {
                self.end_wait(key, ending);
            }
            if probes && !probed.contains(&node) {
                probed.push(node);
                self.probe(node);
            }
        }
    }

    /// How often it is time for that, if there is nothing else to do.
    pub(super) fn probe_every(&self) -> Duration {
        self.shared.config.node_timeout / PROBES
    }

    fn probe(&mut self, node: NodeIndex) {
        let ordinary = self.upstreams.ordinary(node);
        if self.upstreams.upstream(ordinary).is_ready() && self.upstreams.upstream(ordinary).is_quiet() {
            let out = self.upstreams.push(ordinary, Receiver::Nobody, self.turn.now);
            encode_command(out.tail(), &["PING"]);
        }
    }

    /// `CLIENT UNBLOCK`, of a client of any worker.
    pub(super) fn unblock(&mut self, client: &mut Client, request: &Request<'_>) {
        let error = match request.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
            None | Some(b"timeout") => false,
            Some(b"error") => true,
            Some(_) => return self.refuse(client, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        };
        let Some(id) = parse_i64(request.arg(2)) else {
            return self.refuse(client, "ERR value is not an integer or out of range");
        };
        let other = u64::try_from(id).ok().and_then(|id| self.shared.clients.get(id));
        // Only one who asks is told that it was him.
        let other = other.filter(|other| other.waits.swap(false, Relaxed));
        if let Some(mailbox) = other.as_ref().and_then(|other| self.shared.mailboxes().get(other.worker)) {
            mailbox.send(Message::Unblock { id: id.unsigned_abs(), error });
        }
        client.reply(|reply| reply.integer(i64::from(other.is_some())));
    }

    /// The same in the worker of who waits.
    pub(super) fn unblock_own(&mut self, id: u64, error: bool) {
        for key in self.clients.keys() {
            let Some(client) = self.clients.get_mut(key).filter(|client| client.info.id == id) else {
                continue;
            };
            let version = client.version;
            match client.patience.as_mut() {
                None => {}
                Some(patience) => match &patience.stage {
                    &Stage::Sent(wait) => self.end_wait(wait, Ending::Asked { error }),
                    &Stage::Seeking(seek) => self.stop_seeking(seek, Ending::Asked { error }),
                    Stage::Answered(..) => {}
                    Stage::Unsent => {
                        patience.stage = Stage::Answered(Answer::Small(unblocked(version, error)), None);
                        self.clients.resume_one(key);
                    }
                },
            }
        }
    }
}

/// What a client is told that waits at no node.
fn unblocked(version: Version, error: bool) -> Vec<u8> {
    let mut reply = Vec::new();
    let mut encoder = Encoder::new(&mut reply, version);
    if error {
        encoder.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    } else {
        encoder.null_array();
    }
    reply
}
