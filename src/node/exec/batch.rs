//! Requests that came together, run one after the other under one hold of the lock.
//!
//! Before the store is locked a batch becomes a [`Plan`]: rows of the command table and places of keys. With the lock held it is
//! run, and nothing waits.

use super::{
    Stage,
    admit::{Admission, admit},
    call,
    timer::Timer,
};
use std::time::Duration;

use crate::{
    command::{ResolveError, Spec, TABLE, resolve},
    connection::Replies,
    node::{
        clients::{CLOSING, Signal},
        commands::table::{self, Row},
        context::Flow,
        keyspace::Place,
    },
    protocol::{Args, Encoder, Output, Request},
};

/// Replies after which a batch is sent before it goes on: a client that does not read them must not make the node keep
/// all of them.
const REPLIES_MAX: usize = 1 << 20;
/// Commands whose keys are fetched together; more would push each other out of the first cache.
const TOGETHER: usize = 64;

/// What will be run, in order. Reused from batch to batch.
#[derive(Default)]
pub(in crate::node) struct Plan {
    steps: Vec<Step>,
    places: Vec<Place>,
}

struct Step {
    found: Result<&'static Row, Refusal>,
    place: Option<Place>,
}

/// A request that is of no command, and whose row it would have been.
struct Refusal {
    spec: Option<&'static Spec>,
    error: ResolveError,
}

/// Why a batch stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Stop {
    /// All of it ran.
    End,
    /// The replies got large: send them, then go on.
    Replies,
    /// The next command needs room for so many more bytes of reply before it can run.
    Room(usize),
    /// The last command waits for somebody else, at most so long; the others after it.
    Blocked(Option<Duration>),
    /// The connection is to be closed once the replies are sent; what is left does not run.
    Close,
}

impl Plan {
    /// Plans these requests.
    pub(in crate::node) fn make<'r>(&mut self, requests: impl Iterator<Item = Request<'r>>) {
        self.steps.clear();
        self.steps.extend(requests.map(|request| Step::of(&request)));
    }
}

impl Step {
    fn of(request: &Request<'_>) -> Self {
        let spec = match resolve(request) {
            Ok(spec) => spec,
            Err(error) => {
                let spec = match &error {
                    ResolveError::Arity { name } => TABLE.iter().find(|spec| spec.name == *name),
                    ResolveError::UnknownCommand { .. } | ResolveError::UnknownSubcommand { .. } => None,
                };
                return Self { found: Err(Refusal { spec, error }), place: None };
            }
        };
        let Some(row) = table::row(spec) else {
            let error = ResolveError::absent(spec);
            return Self { found: Err(Refusal { spec: None, error }), place: None };
        };
        let place = if row.keyed { request.get(1).map(Place::of) } else { None };
        Self { found: Ok(row), place }
    }
}

impl Stage<'_> {
    /// Runs what `plan` was made of: `request` gives the requests again, by their number in the plan. Returns how many of them are
    /// done with, and why it stopped there.
    pub(in crate::node) fn run<'r>(
        &mut self,
        plan: &mut Plan,
        request: impl Fn(usize) -> Request<'r>,
        out: &mut Output,
    ) -> (usize, Stop) {
        // Whoever killed this client did so under the lock that is held here.
        if self.caller.client.signal() == Signal::Kill {
            return (0, Stop::Close);
        }
        let mut timer = Timer::start();
        let done = self.run_timed(plan, request, &mut timer, out);
        timer.switch(self.node, None);
        if self.store.tracking.has_broadcast() {
            self.store.broadcast(self.node, self.now);
            self.caller.client.take_messages(&mut out.encoder(self.caller.version));
        }
        if let Some(garbage) = self.store.keyspace.take_garbage() {
            self.node.freer.free(garbage);
        }
        if done.1 == Stop::Close {
            self.caller.client.set_flag(CLOSING, true);
        }
        done
    }

    fn run_timed<'r>(
        &mut self,
        plan: &mut Plan,
        request: impl Fn(usize) -> Request<'r>,
        timer: &mut Timer,
        out: &mut Output,
    ) -> (usize, Stop) {
        let Plan { steps, places } = plan;
        let mut done = 0;
        for together in steps.chunks(TOGETHER) {
            if together.len() > 1 {
                places.clear();
                places.extend(together.iter().filter_map(|step| step.place));
                self.store.keyspace.prefetch(self.caller.database, places);
            }
            for step in together {
                if out.len() >= REPLIES_MAX {
                    return (done, Stop::Replies);
                }
                let flow = self.one(step, request(done), timer, out);
                if let Flow::Room(room) = flow {
                    return (done, Stop::Room(room));
                }
                done += 1;
                match flow {
                    Flow::Replied | Flow::Room(_) => {}
                    Flow::Blocked(limit) => return (done, Stop::Blocked(limit)),
                    Flow::Close => return (done, Stop::Close),
                }
            }
        }
        (done, Stop::End)
    }

    fn one(&mut self, step: &Step, request: Request<'_>, timer: &mut Timer, out: &mut Output) -> Flow {
        let room = out.capacity();
        let mut reply = out.encoder(self.caller.version);
        let start = reply.mark();
        let flow = match &step.found {
            Ok(row) => match admit(row.spec, self.caller, self.node) {
                Ok(Admission::Run) => {
                    timer.switch(self.node, Some(row.spec));
                    self.store.current = Some(self.caller.client.id);
                    let flow = call(self, row, request, step.place, room, reply.reborrow());
                    if !matches!(flow, Flow::Room(_)) {
                        timer.count();
                        self.store.settle(self.node, self.now);
                    }
                    flow
                }
                Ok(Admission::Queue) => self.queue(row, &request, &mut reply),
                Err(text) => self.refuse(Some(row.spec), text.as_bytes(), &mut reply),
            },
            Err(Refusal { spec, error }) => self.refuse(*spec, &error.text(), &mut reply),
        };
        // Of a client that waits this is decided when it is answered.
        let pushes = step.found.as_ref().is_ok_and(|row| row.spec.name.ends_with("subscribe"));
        if self.caller.client.has_messages() {
            // Events of what it did itself are in front of the reply.
            let mut own = Vec::new();
            self.caller.client.take_messages(&mut Encoder::new(&mut own, self.caller.version));
            reply.insert(start, &own);
        }
        let replied = reply.mark();
        if self.store.tracking.has_own() {
            self.store.tell_own(self.caller.client.id, self.node, self.now);
            self.caller.client.take_messages(&mut reply);
        }
        if self.caller.tracking && self.caller.transaction.is_none() {
            // `CLIENT CACHING` is for one command, or one transaction.
            let is_client = step.found.as_ref().is_ok_and(|row| row.spec.name.starts_with("client|"));
            if !is_client {
                self.store.tracking.set_caching(self.caller.client.id, false);
            }
        }
        if self.caller.replies != Replies::On && !matches!(flow, Flow::Room(_) | Flow::Blocked(_)) {
            // `CLIENT REPLY OFF` and `SKIP`.
            let (hidden, next) = self.caller.replies.after();
            if hidden && !pushes {
                reply.remove(start, replied);
            }
            self.caller.replies = next;
        }
        flow
    }

    fn queue(&mut self, row: &'static Row, request: &Request<'_>, reply: &mut Encoder<'_>) -> Flow {
        if let Some(transaction) = &mut self.caller.transaction {
            transaction.queue(row, Args::from(request));
            self.caller.client.set_queued(Some(transaction.len()), transaction.memory());
        }
        reply.simple("QUEUED");
        Flow::Replied
    }

    fn refuse(&mut self, spec: Option<&'static Spec>, text: &[u8], reply: &mut Encoder<'_>) -> Flow {
        if let Some(spec) = spec {
            self.node.stats.command(spec).rejected.add(1);
        }
        match &mut self.caller.transaction {
            // Whatever is wrong with EXEC, the transaction is over.
            Some(_) if spec.is_some_and(|spec| spec.name == "exec") => {
                self.caller.end_transaction(self.store);
            }
            Some(transaction) => transaction.abort(),
            None => {}
        }
        self.node.stats.error(text);
        reply.error(text);
        Flow::Replied
    }
}
