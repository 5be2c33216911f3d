//! Requests that came together, run one after the other under one hold of the lock.
//!
//! Before the store is locked a batch becomes a [`Plan`]: rows of the command table and places of keys. With the lock held it is
//! run, and nothing waits.

use super::{
    FEW, Stage,
    admit::{Admission, admit},
    call,
    memory::{OUT_OF_MEMORY, cannot_keep, needs_memory, writes},
    timer::Timer,
};
use std::{borrow::Cow, time::Duration};

use crate::{
    command::{ResolveError, Spec, TABLE, resolve},
    connection::{Replies, pause},
    node::{
        absence::absence,
        aof::log::Wrap,
        clients::{CHANGED, CLOSING, Signal},
        commands::table::{self, Row},
        context::Flow,
        keyspace::Place,
        persist::MISCONF,
        script::{self, Digest, aside::Return},
    },
    protocol::{Args, Encoder, Mark, Output, Request},
    time::Millis,
};

/// Replies after which a batch is sent before it goes on: a client that does not read them must not make the node keep
/// all of them.
pub(super) const REPLIES_MAX: usize = 1 << 20;
/// Commands whose keys are fetched together; more would push each other out of the first cache.
const TOGETHER: usize = 64;

/// What will be run, in order. Reused from batch to batch.
#[derive(Default)]
pub(in crate::node) struct Plan {
    steps: Vec<Step>,
    places: Vec<Place>,
}

pub(super) struct Step {
    found: Result<&'static Row, Refusal>,
    pub(super) place: Option<Place>,
}

/// A request that is of no command, and whose row it would have been.
pub(super) struct Refusal {
    spec: Option<&'static Spec>,
    error: ResolveError,
}

/// Why a batch stopped.
#[derive(Clone, Debug)]
pub(in crate::node) enum Stop {
    /// All of it ran.
    End,
    /// The replies got large: send them, then go on.
    Replies,
    /// The next command needs room for so many more bytes of reply before it can run.
    Room(usize),
    /// The next command waits until clients are no longer paused, this time at the latest.
    Paused(Millis),
    /// The last command waits for somebody else, at most so long; the others after it.
    Blocked(Option<Duration>),
    /// The last command runs aside, and its caller comes back there; the others after it.
    Aside(Return),
    /// The connection is to be closed once the replies are sent; what is left does not run.
    Close,
}

impl Plan {
    /// The command of each request; `None`: it is of none.
    pub(in crate::node) fn specs(&self) -> impl Iterator<Item = Option<&'static Spec>> {
        self.steps.iter().map(|step| step.row().map(|row| row.spec))
    }

    /// Plans these requests.
    pub(in crate::node) fn make<'r>(&mut self, requests: impl Iterator<Item = Request<'r>>) {
        self.steps.clear();
        // Pipelines repeat themselves: what the command before was, this one is likely to be too.
        let mut before: Option<(&[u8], &'static Row)> = None;
        self.steps.extend(requests.map(|request| {
            if let Some((name, row)) = before
                && request.name() == name
                && row.spec.accepts(request.len())
            {
                return Step::with(row, &request);
            }
            let step = Step::of(&request);
            // The row of a container is not the one of what follows it.
            let repeats =
                step.row().filter(|row| row.spec.container().is_none() && row.spec.subcommands().is_empty());
            before = repeats.map(|row| (request.name(), row));
            step
        }));
    }
}

impl Step {
    /// What runs it.
    #[inline]
    pub(super) fn row(&self) -> Option<&'static Row> {
        self.found.as_ref().ok().copied()
    }

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
            let error = ResolveError::absent(spec, absence(spec));
            return Self { found: Err(Refusal { spec: None, error }), place: None };
        };
        Self::with(row, request)
    }

    #[inline]
    fn with(row: &'static Row, request: &Request<'_>) -> Self {
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
        if std::mem::take(&mut self.caller.lets_go) {
            self.store.unwatch(&self.caller.client);
            self.caller.client.set_flag(CHANGED, false);
        }
        let mut timer = Timer::start();
        let done = self.run_timed(plan, request, &mut timer, out);
        timer.end_run(self.node);
        if self.store.tracking.has_broadcast() {
            self.store.broadcast(self.node, self.now);
            self.caller.client.take_messages(&mut out.encoder(self.caller.version));
        }
        if let Some(garbage) = self.store.keyspace.take_garbage() {
            self.node.freer.free(garbage);
        }
        if matches!(done.1, Stop::Close) {
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
        // A run of several hides which of them was slow: not where the operator wants to know of less than a millisecond.
        let is_alone = steps.len() == 1 || self.node.config.slow_threshold() < Duration::from_millis(1);
        let mut done = 0;
        for together in steps.chunks(TOGETHER) {
            if together.len() > 1 {
                places.clear();
                places.extend(together.iter().filter_map(|step| step.place));
                let of_collections =
                    together.iter().any(|step| step.row().is_some_and(|row| row.of_collection));
                self.store.keyspace.prefetch(self.caller.database, places, of_collections);
            }
            let mut at = 0;
            while let Some(step) = together.get(at) {
                if out.len() >= REPLIES_MAX {
                    return (done, Stop::Replies);
                }
                if !is_alone && self.is_plain() {
                    let (ran, room) =
                        self.run_plain(&together[at..], |index| request(done + index), timer, out);
                    (at, done) = (at + ran, done + ran);
                    match room {
                        Some(room) => return (done, Stop::Room(room)),
                        None if ran > 0 => continue,
                        None => {}
                    }
                }
                let flow = self.one(step, request(done), is_alone, timer, out);
                match flow {
                    Flow::Room(room) => return (done, Stop::Room(room)),
                    Flow::Paused(until) => return (done, Stop::Paused(until)),
                    Flow::Replied | Flow::Blocked | Flow::Aside | Flow::Close => {
                        (at, done) = (at + 1, done + 1);
                    }
                }
                match flow {
                    Flow::Replied | Flow::Room(_) | Flow::Paused(_) => {}
                    Flow::Blocked => return (done, Stop::Blocked(self.caller.patience.take())),
                    Flow::Aside => {
                        let back = self.caller.away.take().unwrap_or_default();
                        return (done, Stop::Aside(back));
                    }
                    Flow::Close => return (done, Stop::Close),
                }
            }
        }
        (done, Stop::End)
    }

    #[inline]
    fn one(
        &mut self,
        step: &Step,
        request: Request<'_>,
        is_alone: bool,
        timer: &mut Timer,
        out: &mut Output,
    ) -> Flow {
        let start = out.mark();
        let mut ran = None;
        let flow = match &step.found {
            Ok(row) => match admit(row.spec, &request, self.caller, self.node) {
                Ok(_) if let Some(reason) = self.has_no_room(row, &request) => {
                    let text = match row.spec.name {
                        "exec" => format!("EXECABORT Transaction discarded because of: {reason}"),
                        _ => reason.into_owned(),
                    };
                    self.refuse(Some(row.spec), text.as_bytes(), out)
                }
                Ok(admission) => {
                    if self.store.attention
                        && let Some(until) = self.has_to_wait(row, &request)
                    {
                        return Flow::Paused(until);
                    }
                    match admission {
                        Admission::Queue => self.queue(row, &request, out),
                        Admission::Run => {
                            ran = Some(row.spec);
                            self.run_one(row, request, step.place, is_alone, timer, out)
                        }
                    }
                }
                Err(text) if row.spec.name == "exec" => {
                    let text = format!("EXECABORT Transaction discarded because of: {text}");
                    self.refuse(Some(row.spec), text.as_bytes(), out)
                }
                Err(text) => self.refuse(Some(row.spec), text.as_bytes(), out),
            },
            Err(Refusal { spec, error }) => self.refuse(*spec, &error.text(), out),
        };
        if self.store.attention || self.caller.replies != Replies::On {
            self.finish(step, ran, &request, (start, flow), out);
        }
        flow
    }

    /// Evicts what is too much, and says why the command is not run if it would need what is not there.
    #[inline]
    fn has_no_room(&mut self, row: &Row, request: &Request<'_>) -> Option<Cow<'static, str>> {
        let config = &self.node.config;
        // What held under another limit holds no longer.
        let is_failing = self.node.aof.shared.is_failed() || self.node.persist.is_failing();
        let looks = config.guards() || self.store.out_of_memory || is_failing;
        looks.then(|| self.look_for_room(row, request)).flatten()
    }

    #[cold]
    fn look_for_room(&mut self, row: &Row, request: &Request<'_>) -> Option<Cow<'static, str>> {
        self.store.make_room(self.node, self.now);
        if self.store.out_of_memory
            && (needs_memory(row, self.caller) || self.store.script_needs_memory(row, request))
        {
            return Some(OUT_OF_MEMORY.into());
        }
        if self.node.aof.shared.is_failed() && (writes(row, self.caller) || row.spec.name == "ping") {
            return Some(cannot_keep(self.node).into());
        }
        let reason = self.node.refuses_writes()?;
        (writes(row, self.caller) || reason == MISCONF && row.spec.name == "ping").then_some(reason.into())
    }

    /// What only some clients need after a command.
    #[cold]
    fn finish(
        &mut self,
        step: &Step,
        ran: Option<&'static Spec>,
        request: &Request<'_>,
        (start, flow): (Mark, Flow),
        out: &mut Output,
    ) {
        if matches!(flow, Flow::Room(_)) {
            return;
        }
        let mut reply = out.encoder(self.caller.version);
        let end =
            if self.store.attention { self.attend(ran, request, start, &mut reply) } else { reply.mark() };
        // Of a client that waits this is decided when it is answered.
        if self.caller.replies != Replies::On && !matches!(flow, Flow::Blocked | Flow::Aside) {
            // `CLIENT REPLY OFF` and `SKIP`; confirmations of subscriptions are messages.
            let (hidden, next) = self.caller.replies.after();
            let pushes = step.found.as_ref().is_ok_and(|row| row.spec.name.ends_with("subscribe"));
            if hidden && !pushes {
                reply.remove(start, end);
            }
            self.caller.replies = next;
        }
    }

    #[inline]
    fn run_one(
        &mut self,
        row: &'static Row,
        request: Request<'_>,
        place: Option<Place>,
        is_alone: bool,
        timer: &mut Timer,
        out: &mut Output,
    ) -> Flow {
        let (room, reply) = (out.capacity(), out.encoder(self.caller.version));
        self.store.current = Some(self.caller.client.id);
        if !is_alone && row.is_quick && request.len() <= FEW {
            timer.begin_quick(self.node, row.spec);
            let flow = call(self, row, request, place, room, reply);
            self.end_unit(row);
            if !matches!(flow, Flow::Room(_)) {
                timer.count_quick();
            }
            return flow;
        }
        timer.begin(self.node);
        let flow = call(self, row, request, place, room, reply);
        self.end_unit(row);
        let took = timer.lap();
        if !matches!(flow, Flow::Room(_) | Flow::Aside | Flow::Blocked) {
            self.node.ran(row.spec, &request, took, self.now, &self.caller.client);
        }
        flow
    }

    /// What came of a command, with all that it called, is for the journal.
    #[inline]
    fn end_unit(&mut self, row: &Row) {
        // They come upon keys that have nothing to do with each other.
        let wrap = if matches!(row.spec.name, "scan" | "randomkey") { Wrap::Apart } else { Wrap::Together };
        self.store.end_unit(wrap, self.node, self.now);
    }

    /// Whether a command runs a script or a function that does not say that it only reads.
    fn is_writing_script(&self, row: &Row, request: &Request<'_>) -> bool {
        let name = request.get(1).unwrap_or_default();
        match row.spec.name {
            "eval" => !script::says_it_reads(name),
            "evalsha" => Digest::parse(name).is_some_and(|digest| self.store.scripts.may_write(&digest)),
            "fcall" => self.store.functions.knows(name) && !self.store.functions.reads_only(name),
            _ => false,
        }
    }

    /// Until when a command has to wait, if clients are paused.
    #[cold]
    fn has_to_wait(&mut self, row: &Row, request: &Request<'_>) -> Option<Millis> {
        let writes = match &self.caller.transaction {
            Some(transaction) if row.spec.name == "exec" => transaction
                .requests()
                .any(|(row, request)| pause::may_change(row.spec) || self.is_writing_script(row, &request)),
            _ => self.is_writing_script(row, request),
        };
        let until = self.store.pause.holds(row.spec, writes, self.now)?;
        self.store.wait_for_unpause(&self.caller.client);
        Some(until)
    }

    /// Tells whoever has to hear of what a command did, the client itself included: of events in front of its reply, of what is
    /// invalid behind it. Says where the reply ends.
    #[cold]
    fn attend(
        &mut self,
        ran: Option<&'static Spec>,
        request: &Request<'_>,
        start: Mark,
        reply: &mut Encoder<'_>,
    ) -> Mark {
        if let Some(spec) = ran {
            self.store.show(spec, request, self.caller, self.node);
        }
        self.store.settle(self.node, self.now);
        if self.caller.client.has_messages() {
            let mut own = Vec::new();
            self.caller.client.take_messages(&mut Encoder::new(&mut own, self.caller.version));
            reply.insert(start, &own);
        }
        let end = reply.mark();
        if self.store.tracking.has_own() {
            self.store.tell_own(self.caller.client.id, self.node, self.now);
            self.caller.client.take_messages(reply);
        }
        if self.caller.tracking && self.caller.transaction.is_none() {
            // `CLIENT CACHING` is for one command, or one transaction.
            if !ran.is_some_and(|spec| spec.name.starts_with("client|")) {
                self.store.tracking.set_caching(self.caller.client.id, false);
            }
        }
        end
    }

    fn queue(&mut self, row: &'static Row, request: &Request<'_>, out: &mut Output) -> Flow {
        if let Some(transaction) = &mut self.caller.transaction {
            transaction.queue(row, Args::from(request));
            self.caller.client.set_queued(Some(transaction.len()), transaction.memory());
        }
        out.encoder(self.caller.version).simple("QUEUED");
        Flow::Replied
    }

    fn refuse(&mut self, spec: Option<&'static Spec>, text: &[u8], out: &mut Output) -> Flow {
        if let Some(spec) = spec {
            self.node.stats.command(spec).rejected.add(1);
        }
        match &mut self.caller.transaction {
            // Whatever is wrong with EXEC, the transaction is over, and what was watched, if there was no transaction too.
            _ if spec.is_some_and(|spec| spec.name == "exec") => {
                self.caller.end_transaction(self.store);
            }
            Some(transaction) => transaction.abort(),
            None => {}
        }
        self.node.stats.error(text);
        out.encoder(self.caller.version).error(text);
        Flow::Replied
    }
}
