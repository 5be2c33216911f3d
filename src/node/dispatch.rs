//! From parsed requests to executed commands: who may run what, and what is counted about it.
//!
//! Before the keyspace is locked a batch becomes a [`Plan`]: rows of the command table and places of keys. With the lock
//! held it is run, and nothing waits.

use std::{sync::LazyLock, time::Instant};

use super::{
    clients::Signal,
    commands,
    context::{Context, Handler},
    keyspace::{Keyspace, Place},
    session::Session,
    state::NodeState,
};
use crate::{
    command::{Flags, ResolveError, Spec, TABLE, resolve},
    connection::Replies,
    protocol::{Batch, Encoder, Request},
    time::Millis,
};

/// What the node knows of a command besides its row.
#[derive(Clone, Copy)]
struct Entry {
    /// `None` where the table knows a command that this node does not have.
    handler: Option<Handler>,
    /// The first argument is a key.
    keyed: bool,
}

/// By [`Spec::index`].
static ENTRIES: LazyLock<Box<[Entry]>> = LazyLock::new(|| {
    let mut entries: Box<[Entry]> =
        TABLE.iter().map(|spec| Entry { handler: None, keyed: spec.legacy_keys().0 == 1 }).collect();
    for (name, handler) in commands::handlers() {
        let spec = TABLE.iter().find(|spec| spec.name == name);
        let spec = spec.unwrap_or_else(|| panic!("{name} is not in the command table"));
        entries[usize::from(spec.index)].handler = Some(handler);
    }
    entries
});

/// Whether this node has the command.
#[must_use]
pub fn is_implemented(spec: &Spec) -> bool {
    ENTRIES[usize::from(spec.index)].handler.is_some()
}

/// Replies after which a batch is sent before it goes on: a client that does not read them must not make the node keep
/// all of them.
const REPLIES_MAX: usize = 1 << 20;
/// Commands whose keys are fetched together; more would push each other out of the first cache.
const TOGETHER: usize = 64;

/// What will be run, in the order of the batch. Reused from batch to batch.
#[derive(Default)]
pub(super) struct Plan {
    steps: Vec<Step>,
    places: Vec<Place>,
}

struct Step {
    found: Result<(&'static Spec, Handler), Refusal>,
    place: Option<Place>,
}

/// A request that is of no command, and whose row it would have been.
struct Refusal {
    spec: Option<&'static Spec>,
    error: ResolveError,
}

impl Plan {
    /// Plans the requests from `first` on.
    pub(super) fn make(&mut self, batch: &Batch, buffer: &[u8], first: usize) {
        self.steps.clear();
        self.steps.extend((first..batch.len()).map(|index| Step::of(&batch.get(index, buffer))));
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
        let entry = ENTRIES[usize::from(spec.index)];
        let Some(handler) = entry.handler else {
            let error = ResolveError::absent(spec);
            return Self { found: Err(Refusal { spec: None, error }), place: None };
        };
        let place = if entry.keyed { request.get(1).map(Place::of) } else { None };
        Self { found: Ok((spec, handler)), place }
    }
}

/// The state that commands run on, locked.
pub(super) struct Execution<'a> {
    pub(super) node: &'a NodeState,
    pub(super) keyspace: &'a mut Keyspace,
    pub(super) session: &'a mut Session,
    pub(super) now: Millis,
}

impl Execution<'_> {
    /// Runs the requests of `batch` from `first` on, for which `plan` was made; returns the first that did not run. Stops
    /// early when the replies get large or the connection is to be closed.
    pub(super) fn run(
        &mut self,
        plan: &mut Plan,
        batch: &Batch,
        buffer: &[u8],
        first: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        // Whoever killed this client did so under the lock that is held here.
        if self.session.client.signal() == Signal::Kill {
            self.session.close();
            return first;
        }
        let Plan { steps, places } = plan;
        let mut timer = Timer::start();
        let mut next = first;
        for together in steps.chunks(TOGETHER) {
            if together.len() > 1 {
                places.clear();
                places.extend(together.iter().filter_map(|step| step.place));
                self.keyspace.prefetch(self.session.database, places);
            }
            for step in together {
                if self.session.closing || out.len() >= REPLIES_MAX {
                    timer.switch(self.node, None);
                    return next;
                }
                let start = out.len();
                self.one(step, batch.get(next, buffer), &mut timer, out);
                if self.session.replies != Replies::On {
                    self.hide_reply(start, out);
                }
                next += 1;
            }
        }
        timer.switch(self.node, None);
        next
    }

    fn one(&mut self, step: &Step, request: Request<'_>, timer: &mut Timer, out: &mut Vec<u8>) {
        let (spec, handler) = match &step.found {
            Ok(found) => *found,
            Err(Refusal { spec, error }) => {
                if let Some(spec) = spec {
                    self.node.stats.command(spec).rejected.add(1);
                }
                return self.error(&error.text(), out);
            }
        };
        if let Err(text) = self.permitted(spec) {
            self.node.stats.command(spec).rejected.add(1);
            return self.error(text.as_bytes(), out);
        }
        timer.switch(self.node, Some(spec));
        self.session.client.set_command(spec);
        let start = out.len();
        let mut context = Context {
            keyspace: self.keyspace,
            node: self.node,
            now: self.now,
            place: step.place,
            reply: Encoder::new(out, self.session.version),
            session: self.session,
        };
        let result = handler(&mut context, request);
        timer.calls += 1;
        if let Err(error) = result {
            out.truncate(start);
            self.node.stats.command(spec).failed.add(1);
            self.error(error.to_string().as_bytes(), out);
        } else if out.get(start) == Some(&b'-') {
            self.node.stats.command(spec).failed.add(1);
            self.node.stats.error(&out[start + 1..]);
        }
    }

    fn error(&self, text: &[u8], out: &mut Vec<u8>) {
        self.node.stats.error(text);
        Encoder::new(out, self.session.version).error(text);
    }

    /// Login and rights, in the order and with the words of Redis.
    fn permitted(&self, spec: &Spec) -> Result<(), String> {
        let session = &*self.session;
        if (session.authenticated && session.user.may_do_all()) || spec.flags.has(Flags::NO_AUTH) {
            return Ok(());
        }
        if !session.authenticated && self.node.acl.login_required() {
            return Err("NOAUTH Authentication required.".into());
        }
        if !session.user.may_run() {
            return Err(format!("NOPERM this user has no permissions to run the '{}' command", spec.name));
        }
        if !session.user.may_use_keys() && spec.has_keys() {
            return Err(
                "NOPERM this user has no permissions to access one of the keys used as arguments".into()
            );
        }
        Ok(())
    }

    /// `CLIENT REPLY OFF` and `SKIP`.
    fn hide_reply(&mut self, start: usize, out: &mut Vec<u8>) {
        let (hidden, next) = self.session.replies.after();
        if hidden {
            out.truncate(start);
        }
        self.session.replies = next;
    }
}

/// Reads the clock when the command changes, not at every command: a pipeline of one command costs two readings.
struct Timer {
    since: Instant,
    spec: Option<&'static Spec>,
    calls: u64,
}

impl Timer {
    fn start() -> Self {
        Self { since: Instant::now(), spec: None, calls: 0 }
    }

    /// Another command (or none) follows: what the one before took is its own.
    fn switch(&mut self, node: &NodeState, to: Option<&'static Spec>) {
        if self.spec.map(|spec| spec.index) == to.map(|spec| spec.index) {
            return;
        }
        let Some(before) = self.spec else {
            self.spec = to;
            return;
        };
        let now = Instant::now();
        let stats = node.stats.command(before);
        stats.calls.add(self.calls);
        stats.nanoseconds.add(u64::try_from((now - self.since).as_nanos()).unwrap_or(u64::MAX));
        node.stats.processed.add(self.calls);
        *self = Self { since: now, spec: to, calls: 0 };
    }
}
