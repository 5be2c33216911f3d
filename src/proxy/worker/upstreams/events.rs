//! What happens on connections to nodes, and who is told of it: replies, a node that goes away, time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Connected, FORGET_LARGE, UpstreamId, label, plain, unsent};
use crate::{
    command::Spec,
    protocol::quote,
    proxy::{
        merge::sum::integer,
        observe::{Note, SlowRequest},
        outcome::Outcome,
        routing::{Access, NodeIndex, Routing},
        upstream::{BACKLOG_MAX, Due, Failure, Lost, Receiver, Reply, Settled, Told, Trouble},
        worker::{READS_PER_TURN, Report, Worker},
    },
    server::grpc::UNCERTAIN,
};

/// Replies of one connection in one turn.
const REPLIES_PER_TURN: u64 = 4096;

/// Requests that were answered together, and late.
#[derive(Debug)]
struct Late {
    /// Of the first.
    spec: &'static Spec,
    took: Duration,
    requests: u64,
    /// What was kept of the one that is to blame, if there is one.
    note: Option<Arc<Note>>,
}

/// The number of receivers that a node counted, and so many more.
fn received(reply: &[u8], more: i32) -> Vec<u8> {
    match integer(reply) {
        Some(count) => format!(":{}\r\n", (count + i64::from(more)).max(0)).into_bytes(),
        None => reply.to_vec(),
    }
}

impl Worker {
    /// Something happened on a socket.
    pub(in crate::proxy::worker) fn upstream_event(&mut self, id: UpstreamId, writable: bool) {
        if self.upstreams.upstream(id).is_connecting()
            && let Err(error) = self.upstreams.opened(id)
        {
            return self.lose_upstream(id, Trouble::Unreachable(plain(&error)));
        }
        if writable && self.upstreams.upstream(id).backlog() > 0 {
            self.flush_upstream(id);
        }
        self.read_upstream(id);
    }

    /// Goes on where the turn before ended.
    pub(in crate::proxy::worker) fn continue_upstream(&mut self, id: UpstreamId) {
        self.upstreams.all[id.0 as usize].again = false;
        if self.upstreams.upstream(id).backlog() > 0 {
            self.flush_upstream(id);
        }
        self.read_upstream(id);
    }

    pub(in crate::proxy::worker) fn flush_upstream(&mut self, id: UpstreamId) {
        if let Err(trouble) = self.upstreams.flush(id, &mut self.turn, &mut self.remains) {
            return self.lose_upstream(id, trouble);
        }
        let Connected { upstream, waiters, .. } = &mut self.upstreams.all[id.0 as usize];
        if !waiters.is_empty() && upstream.backlog() < BACKLOG_MAX / 2 {
            self.clients.resume(waiters);
        }
    }

    /// Reads and deals out replies.
    fn read_upstream(&mut self, id: UpstreamId) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut failure = None;
        let was_ready = self.upstreams.upstream(id).is_ready();
        let replies_max = self.upstreams.upstream(id).answered() + REPLIES_PER_TURN;
        for round in 0.. {
            if round == READS_PER_TURN || self.upstreams.upstream(id).answered() >= replies_max {
                self.upstreams.go_on_with(id, &mut self.turn);
                break;
            }
            match self.upstreams.read(id, &mut scratch) {
                Ok(None) => break,
                Ok(Some(0)) => {
                    failure =
                        Some(Failure::Other(Trouble::Unreachable("it closed the connection".to_owned())));
                    break;
                }
                Ok(Some(count)) => {
                    if let Err(error) = self.deal_out(id, &scratch[..count]) {
                        failure = Some(error);
                        break;
                    }
                    // An end of the stream comes with an event of its own.
                    if count < scratch.len() {
                        break;
                    }
                }
                Err(error) => {
                    failure = Some(Failure::Other(Trouble::Unreachable(plain(&error))));
                    break;
                }
            }
        }
        self.scratch = scratch;
        self.answer_gathers();
        self.answer_waits();
        self.tell_changes();
        match failure {
            None if !was_ready && self.upstreams.upstream(id).is_ready() => {
                self.upstreams.mark_dirty(id);
                self.upstreams.is_made();
                self.listener_ready(id);
            }
            None => self.resume_listening(),
            Some(Failure::Other(trouble)) => self.lose_upstream(id, trouble),
            Some(Failure::Login(reason)) => {
                let upstream = self.upstreams.upstream(id);
                let (user, node) = (upstream.user().to_owned(), upstream.node);
                let trouble = Trouble::Unreachable(format!("it refused this proxy's login: {reason}"));
                // Nobody listens any more when the proxy ends.
                let _ = self.reports.send(Report::LoginRefused { user, reason, node });
                self.lose_upstream(id, trouble);
            }
        }
    }

    fn deal_out(&mut self, id: UpstreamId, bytes: &[u8]) -> Result<(), Failure> {
        let Self { upstreams, clients, gathers, waits, listeners, epochs, shared, remains, turn, .. } = self;
        let Connected { upstream, figures, .. } = &mut upstreams.all[id.0 as usize];
        let (node, wall, before) = (upstream.node, turn.wall, upstream.answered());
        let dealt =
            upstream.receive(bytes, turn.now, remains, &mut |receiver, reply: Reply<'_>| match receiver {
                Receiver::Client { client, sequence } => {
                    clients.complete(client, sequence, reply, &shared.large_slots);
                }
                Receiver::Part { gather, part } => {
                    gathers.part_arrived(gather, part, reply, Outcome::Answered);
                }
                Receiver::Published { client, sequence, more } => {
                    let reply = Reply::Small(&received(reply.bytes(), more));
                    clients.complete(client, sequence, reply, &shared.large_slots);
                }
                Receiver::Pushed => {
                    listeners.hear(&reply, (id, node, &epochs.routing), clients, wall);
                }
                Receiver::Listener => listeners.answered((id, node), &reply, &epochs.routing),
                Receiver::Wait { wait, argument } => waits.arrived(wait, argument, reply, Outcome::Answered),
                Receiver::Returned(key) => waits.returns.answered(key, &reply, Outcome::Answered),
                Receiver::Nobody => {}
            });
        figures.input.add(bytes.len() as u64);
        figures.answered.add(upstream.answered() - before);
        upstreams.note_clogging(id);
        self.settle_times(id);
        dealt
    }

    /// Counts what was answered, and looks for what took long.
    fn settle_times(&mut self, id: UpstreamId) {
        let Connected { upstream, figures, .. } = &mut self.upstreams.all[id.0 as usize];
        let (traffic, slow, now) = (&self.figures.traffic, &self.shared.slow, self.turn.now);
        let mut late: Option<Late> = None;
        let head = upstream.settle(now, &mut |told| match told {
            Told::Took(Settled { spec, requests, took }) => {
                figures.times.record(took, requests);
                traffic.took(spec, took, requests);
                if slow.is_slow(took) {
                    traffic.slow.add(requests);
                    let late = late.get_or_insert(Late { spec, took, requests: 0, note: None });
                    late.requests += requests;
                }
            }
            Told::Failed(spec, text) => {
                figures.errors.add(1);
                figures.codes.add(&text);
                if let Some(spec) = spec {
                    traffic.failed(spec);
                }
            }
            Told::Noted(note, reply) => {
                if let Some(key) = &note.key {
                    traffic.keys().reply(key, note.spec.name, reply, now);
                }
                if let Some(late) = &mut late
                    && late.note.is_none()
                    && note.may_be_slow
                {
                    late.note = Some(note);
                }
            }
        });
        if let Some(late) = late {
            let node = upstream.node;
            self.note_late(node, &late, head);
        }
    }

    /// A node answers a pipeline when all of it has run: of what was answered together the first that may take long is named.
    #[cold]
    fn note_late(&self, node: NodeIndex, late: &Late, head: Option<Instant>) {
        let at_node = head.map_or(Duration::ZERO, |head| self.turn.now.saturating_duration_since(head));
        let at_node = at_node.min(late.took);
        let member = self.epochs.routing.member(node).map(|member| member.id.to_string());
        let note = late.note.as_deref();
        self.shared.slow.add(SlowRequest {
            at: self.turn.wall,
            queue: late.took - at_node,
            node: at_node,
            write: Duration::ZERO,
            member,
            others: late.requests - 1,
            client: note.and_then(Note::client_address).unwrap_or_default(),
            command: note.map_or_else(|| quote::repr(late.spec.name.as_bytes()), Note::command),
        });
    }

    /// The connection is of no more use: everyone waiting on it is told what is known.
    fn lose_upstream(&mut self, id: UpstreamId, trouble: Trouble) {
        let routing = Arc::clone(&self.epochs.routing);
        let upstream = self.upstreams.upstream(id);
        let forgets = upstream.is_remembered().then_some(upstream.node);
        let lost = self.upstreams.lose(id, trouble, &routing, self.turn.now);
        self.tell_lost(id, &lost, &routing);
        if let Some(node) = forgets {
            self.forget_reads(node);
        }
    }

    fn tell_lost(&mut self, id: UpstreamId, lost: &Lost, routing: &Routing) {
        let Connected { upstream, waiters, .. } = &mut self.upstreams.all[id.0 as usize];
        self.clients.resume(waiters);
        let label = label(routing, upstream.node);
        let not_run = [b"-", &unsent(&lost.trouble, &label)[..], b"\r\n"].concat();
        let unknown = format!(
            "-ERR {label}: connection lost after the command was sent ({}); {UNCERTAIN}\r\n",
            match &lost.trouble {
                Trouble::Unreachable(reason) => reason.as_str(),
                Trouble::Refused(_) => "the node refused it",
            }
        );
        for (receiver, outcome) in lost.receivers() {
            let reply = match outcome {
                Outcome::NotRun => Reply::Small(&not_run),
                Outcome::Answered | Outcome::Unknown => Reply::Small(unknown.as_bytes()),
            };
            match receiver {
                Receiver::Client { client, sequence } | Receiver::Published { client, sequence, .. } => {
                    self.clients.complete(client, sequence, reply, &self.shared.large_slots);
                }
                Receiver::Part { gather, part } => self.gathers.part_arrived(gather, part, reply, outcome),
                Receiver::Wait { wait, argument } => self.waits.arrived(wait, argument, reply, outcome),
                Receiver::Returned(key) => self.waits.returns.answered(key, &reply, outcome),
                Receiver::Listener | Receiver::Pushed | Receiver::Nobody => {}
            }
        }
        self.forget_watched(id);
        self.listener_gone(id);
        self.answer_gathers();
        self.answer_waits();
    }

    /// What a connection watched for a client is not watched any more.
    fn forget_watched(&mut self, id: UpstreamId) {
        if let Some(client) = self.upstreams.owner(id).and_then(|key| self.clients.get_mut(key))
            && let Some(watching) = &mut client.watching
        {
            watching.lost = true;
        }
    }

    pub(in crate::proxy::worker) fn close_upstream(&mut self, id: UpstreamId) {
        self.forget_watched(id);
        let upstream = self.upstreams.upstream(id);
        let forgets = upstream.is_remembered().then_some(upstream.node);
        self.upstreams.close(id);
        if let Some(node) = forgets {
            self.forget_reads(node);
        }
        self.listener_gone(id);
    }

    /// After the table of routes changed: connections to members that are gone or that let in another user now.
    pub(in crate::proxy::worker) fn update_upstreams(&mut self, routing: &Routing) {
        let now = self.turn.now;
        for id in self.upstreams.ids() {
            let upstream = &mut self.upstreams.all[id.0 as usize].upstream;
            let close = match routing.member(upstream.node).map(|member| &member.access) {
                Some(Access::Ready(login)) => upstream.change_login(login, now),
                Some(Access::Loading | Access::Closed(_)) => false,
                None => upstream.is_quiet(),
            };
            if close {
                self.close_upstream(id);
            }
        }
        for id in self.upstreams.expected(routing) {
            if self.upstreams.upstream(id).is_idle() {
                self.connect_upstream(id, routing);
            }
        }
    }

    pub(in crate::proxy::worker) fn connect_upstream(&mut self, id: UpstreamId, routing: &Routing) {
        if let Some(lost) = self.upstreams.connect(id, routing, self.turn.now) {
            self.tell_lost(id, &lost, routing);
        }
    }

    /// Connections that wait at the node of an ordinary one which it does not answer any more: it does not answer them either.
    fn waiting_at(&self, silent: UpstreamId) -> Vec<UpstreamId> {
        let silent = self.upstreams.upstream(silent);
        if !silent.is_ready() {
            return Vec::new();
        }
        let at_node = |id: &UpstreamId| {
            let upstream = self.upstreams.upstream(*id);
            upstream.node == silent.node && upstream.is_patient()
        };
        self.upstreams.ids().filter(at_node).collect()
    }

    /// Timeouts, and new attempts.
    pub(in crate::proxy::worker) fn tick(&mut self) {
        let (now, routing) = (self.turn.now, Arc::clone(&self.epochs.routing));
        self.tick_waits();
        self.tick_leaving();
        self.tick_limits();
        self.upstreams.note_slow(now);
        for id in self.upstreams.ids() {
            let upstream = self.upstreams.upstream(id);
            let access = routing.member(upstream.node).map(|member| &member.access);
            match upstream.due(access, self.upstreams.patience(id, now), now) {
                Some(Due::GiveUp(trouble)) => {
                    for waiting in self.waiting_at(id) {
                        self.lose_upstream(waiting, trouble.clone());
                    }
                    self.lose_upstream(id, trouble);
                }
                Some(Due::Connect) => self.connect_upstream(id, &routing),
                Some(Due::Close) => self.close_upstream(id),
                None if self.upstreams.is_left_over(id, now) => self.close_upstream(id),
                None => {}
            }
        }
        self.tick_listeners();
        self.listen(&routing);
        if self.index == 0 && now >= self.upstreams.forget_large {
            self.shared.large_slots.forget();
            self.upstreams.forget_large = now + FORGET_LARGE;
        }
    }
}
