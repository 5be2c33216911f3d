//! `CLIENT PAUSE` and `UNPAUSE`: which requests of this thread's clients wait, and when they go on; and what had begun before, until it is answered.
//!
//! Not here: what a pause is ([`crate::connection::pause`]), nor that it is one for all threads ([`crate::proxy::pause`]).

use std::{sync::Arc, time::Duration};

use super::{
    Message, Worker,
    client::{Client, Stall},
    upstreams::UpstreamId,
};
use crate::{
    command::{Spec, shebang},
    connection::pause::{Span, may_change},
    protocol::Request,
    proxy::{clients::PAUSED, pause::Ticket, slab::Key},
};

/// What had begun when clients were paused: who waits for others is left out.
#[derive(Debug)]
pub(super) struct Begun {
    /// Connections, and how many requests they had taken.
    taken: Vec<(UpstreamId, u64)>,
    /// Requests of several steps had numbers below this one. What only reads may go on: `WAIT`, for one, for ever.
    gathers: u64,
    ticket: Arc<Ticket>,
}

impl Worker {
    /// `CLIENT PAUSE`.
    pub(super) fn pause(&mut self, client: &mut Client, request: &Request<'_>) -> Result<(), Stall> {
        if client.stall == Some(Stall::Pausing) {
            client.ok();
            return Ok(());
        }
        let span = match Span::parse(request, self.turn.wall) {
            Ok(span) => span,
            Err(refusal) => {
                self.refuse(client, refusal.0.as_bytes());
                return Ok(());
            }
        };
        self.shared.pause.begin(span);
        let mailboxes = self.shared.mailboxes();
        let ticket = Arc::new(Ticket::new(mailboxes.len(), Arc::clone(&self.mailbox), client.key));
        for mailbox in mailboxes {
            mailbox.send(Message::Paused(Arc::clone(&ticket)));
        }
        Err(Stall::Pausing)
    }

    /// Clients are paused: what has begun here is remembered.
    pub(super) fn note_begun(&mut self, ticket: Arc<Ticket>) {
        let open = self.upstreams.iter().filter(|(_, upstream)| !upstream.is_patient());
        let taken = open
            .filter(|(_, upstream)| upstream.answered() < upstream.taken())
            .map(|(id, upstream)| (id, upstream.taken()));
        let taken = taken.collect();
        self.begun.push(Begun { taken, gathers: self.gathers.begun(), ticket });
    }

    /// Tells whoever paused clients if all of that is answered.
    pub(super) fn settle_begun(&mut self) {
        if self.begun.is_empty() {
            return;
        }
        let (upstreams, gathers) = (&self.upstreams, &self.gathers);
        self.begun.retain(|begun| {
            let is_done = begun.taken.iter().all(|&(id, taken)| upstreams.upstream(id).answered() >= taken)
                && !gathers.may_change_before(begun.gathers);
            if is_done {
                begun.ticket.settled();
            }
            !is_done
        });
    }

    /// They have.
    pub(super) fn has_settled(&mut self, key: Key) {
        if self.clients.get_mut(key).is_some_and(|client| client.stall == Some(Stall::Pausing)) {
            self.clients.resume_one(key);
        }
    }

    /// `CLIENT UNPAUSE`.
    pub(super) fn unpause(&mut self, client: &mut Client) {
        self.shared.pause.end();
        for mailbox in self.shared.mailboxes() {
            mailbox.send(Message::Unpaused);
        }
        client.ok();
    }

    /// Whether a request has to wait, as there is a pause.
    #[cold]
    pub(super) fn has_to_wait(&self, client: &Client, spec: &Spec, request: &Request<'_>) -> bool {
        let changes = may_change(spec) || self.runs_what_may_change(client, spec, request);
        self.is_held_by_pause(client, changes)
    }

    /// The same for what may change something, or cannot.
    #[cold]
    pub(super) fn is_held_by_pause(&self, client: &Client, changes: bool) -> bool {
        // Who waits for others has begun before; so has who pauses.
        let begins = client.patience.is_none() && client.stall != Some(Stall::Pausing);
        let held = begins
            && self
                .shared
                .pause
                .now(self.turn.wall)
                .is_some_and(|span| span.holds_what(changes, self.turn.wall).is_some());
        client.info.mark(PAUSED, held);
        held
    }

    /// Whether it runs other commands that may change something.
    fn runs_what_may_change(&self, client: &Client, spec: &Spec, request: &Request<'_>) -> bool {
        match spec.name {
            "exec" => client.transaction.as_ref().is_some_and(|transaction| transaction.may_change()),
            "eval" => !shebang::says_it_reads(request.arg(1)),
            "evalsha" => {
                let source = self.shared.scripts.source(request.arg(1));
                source.is_none_or(|source| !shebang::says_it_reads(&source))
            }
            // What a function says of itself only nodes know.
            "fcall" => true,
            _ => false,
        }
    }

    /// Whether a command may change something once it is run by `EXEC`.
    pub(super) fn may_change_when_run(&self, client: &Client, spec: &Spec, request: &Request<'_>) -> bool {
        may_change(spec) || self.runs_what_may_change(client, spec, request)
    }

    /// Lets those go on who waited, if there is no pause any more.
    pub(super) fn resume_paused(&mut self) {
        if self.clients.paused() > 0 && self.shared.pause.now(self.turn.wall).is_none() {
            self.clients.resume_paused();
        }
    }

    /// How long those who wait have to, if nobody ends it before.
    pub(super) fn pause_left(&self) -> Option<Duration> {
        if self.clients.paused() == 0 {
            return None;
        }
        let until = self.shared.pause.now(self.turn.wall).map_or(self.turn.wall, Span::until);
        Some(Duration::from_millis((until.0 - self.turn.wall.0).max(0).unsigned_abs()))
    }
}
