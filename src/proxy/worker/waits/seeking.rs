//! Requests that wait for keys of several nodes. No server can be asked to wait without taking, so they wait at none: the nodes are asked to
//! tell when one of the keys changes, as for client-side caching, and then the keys are looked at, and asked in their order, without waiting,
//! until one has given something ([`crate::proxy::merge`]). So nothing is taken at two nodes, nor for who is not there.
//!
//! What a look has to say, and what is to be looked at, is kept until no client is being served: [`Worker::go_on_seeking`].

use std::{collections::BTreeMap, mem, sync::Arc, time::Instant};

use super::{Answer, Ending, Patience, Stage, Taken, unblocked};
use crate::{
    command::{
        KeyPositions, Route, Spec, Take,
        waiting::{InvalidTimeout, Timeout},
    },
    protocol::Request,
    proxy::{
        lines::{Arrival, Lines, Place, Who},
        merge::{Ask, First, How, LastIds, Part, Question, Wanted, last_ids, moved},
        put_back::PutBack,
        reading::Reading,
        routing::{NodeIndex, Routing},
        slab::{Key, Slab},
        worker::{Message, Worker, client::Client, combine::read},
    },
    slot::SlotId,
};

/// A request that waits.
#[derive(Debug)]
struct Seek {
    /// Nobody any more, perhaps.
    client: Option<Key>,
    arrival: Arrival,
    spec: &'static Spec,
    what: What,
    keys: Vec<Awaited>,
    /// The argument of the first ID, of streams.
    first_id: usize,
    until: Option<Instant>,
    step: Step,
    /// It has waited before.
    has_waited: bool,
    ending: Option<Ending>,
    taken: Taken,
}

/// A key that it waits for.
#[derive(Clone, Debug)]
struct Awaited {
    key: Box<[u8]>,
    place: Place,
    node: NodeIndex,
    slot: SlotId,
}

/// What it waits for.
#[derive(Clone, Debug)]
enum What {
    /// Something in the first of the keys that has it.
    First(Arc<How>),
    /// Entries.
    Entries(Arc<Reading>),
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A sign is awaited.
    Waits,
    /// It is to look.
    Due,
    /// Nodes are asked for the last IDs of streams.
    Asks,
    /// It looks; and a sign has come meanwhile, perhaps.
    Looks { again: bool },
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::proxy::worker) struct Seeks {
    open: Slab<Seek>,
    count: usize,
    waiting: usize,
    /// Whose time ends when.
    ends: BTreeMap<(Instant, Arrival), Key>,
    due: Vec<Key>,
    looked: Vec<(Key, Vec<u8>)>,
}

impl Seeks {
    /// What a look has come to.
    pub(in crate::proxy::worker) fn looked(&mut self, seek: Key, reply: Vec<u8>) {
        self.looked.push((seek, reply));
    }

    /// Whether there is nobody.
    pub(in crate::proxy::worker) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there is something to go on with.
    pub(in crate::proxy::worker) fn have_work(&self) -> bool {
        !self.due.is_empty() || !self.looked.is_empty()
    }

    /// When the first of them has waited long enough.
    pub(in crate::proxy::worker) fn first_end(&self) -> Option<Instant> {
        self.ends.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many have found nothing, and wait for others to act.
    pub(in crate::proxy::worker) fn waiting(&self) -> usize {
        self.waiting
    }

    /// It is to look, because something may have changed.
    pub(in crate::proxy::worker) fn make_due(&mut self, key: Key) {
        let Some(seek) = self.open.get_mut(key) else { return };
        match seek.step {
            Step::Waits => {
                seek.step = Step::Due;
                self.due.push(key);
            }
            Step::Looks { .. } => seek.step = Step::Looks { again: true },
            Step::Due | Step::Asks => {}
        }
    }

    fn open(&mut self, seek: Seek) -> Key {
        let (arrival, until, has_waited) = (seek.arrival, seek.until, seek.has_waited);
        let key = self.open.insert(seek);
        self.count += 1;
        self.waiting += usize::from(has_waited);
        if let Some(until) = until {
            self.ends.insert((until, arrival), key);
        }
        self.due.push(key);
        key
    }

    fn close(&mut self, key: Key) -> Option<Seek> {
        let seek = self.open.forget(key)?;
        self.count -= 1;
        self.waiting -= usize::from(seek.has_waited);
        if let Some(until) = seek.until {
            self.ends.remove(&(until, seek.arrival));
        }
        Some(seek)
    }
}

impl Seek {
    /// Whether it is to be asked for anew, because its keys are elsewhere, or may not be changed now.
    fn has_moved(&self, routing: &Routing) -> bool {
        self.keys.iter().any(|wait| {
            if self.spec.writes() {
                moved::has(routing, wait.node, wait.slot)
            } else {
                routing.owner(wait.slot) != Some(wait.node)
            }
        })
    }

    /// What the nodes are asked for; `lines` knows whose turn it is.
    fn question(&self, lines: &Lines) -> Question {
        match &self.what {
            What::First(how) => {
                let wanted = |wait: &Awaited| Wanted {
                    node: wait.node,
                    key: wait.key.clone(),
                    is_next: lines.is_next(&wait.place, self.arrival),
                };
                let keys = self.keys.iter().map(wanted).collect();
                First::question(Arc::clone(how), keys, self.has_waited)
            }
            What::Entries(reading) => {
                let parts = self.keys.iter().zip(&reading.ids).map(|(wait, id)| Part {
                    node: wait.node,
                    slot: wait.slot,
                    arguments: reading.arguments(&wait.key, id),
                });
                read(parts.collect(), reading, self.keys.iter().map(|wait| &*wait.key))
            }
        }
    }
}

/// What a request waits for.
fn what(
    spec: &Spec,
    (request, keys): (&Request<'_>, &KeyPositions),
    patience: &Patience,
) -> Option<(Take, What)> {
    match spec.route {
        Route::Taken(take @ (Take::Elements | Take::Members)) => {
            Some((take, What::First(Arc::new(How::of(take, spec, request, keys.len())?))))
        }
        Route::Taken(Take::Entries) | Route::Combined(_) => {
            let mut reading = Reading::of(request, (keys.first()?, keys.len()))?;
            let first_id = request.len() - keys.len();
            for (at, id) in &patience.last_ids {
                reading.ids[at - first_id].clone_from(id);
            }
            Some((Take::Entries, What::Entries(Arc::new(reading))))
        }
        Route::OneNode
        | Route::Split(_)
        | Route::AllNodes(_)
        | Route::Local
        | Route::Transaction
        | Route::Scripted(_)
        | Route::Servers(_)
        | Route::Channels
        | Route::Refused(_) => None,
    }
}

/// What of a request is an ID that means the last one there is.
const LAST: &[u8] = b"$";

impl Worker {
    /// Begins to wait. None: a server would say what is wrong with the request.
    ///
    /// # Errors
    /// When the time to wait is none.
    pub(super) fn seek(
        &mut self,
        client: &Client,
        routing: &Routing,
        (spec, timeout): (&'static Spec, Timeout),
        (request, keys): (&Request<'_>, &KeyPositions),
        patience: &Patience,
    ) -> Result<Option<Key>, InvalidTimeout> {
        let Some((take, what)) = what(spec, (request, keys), patience) else { return Ok(None) };
        timeout.of(request, self.turn.wall)?;
        let first_id = request.len().saturating_sub(keys.len());
        let wait = |at| {
            let key = request.arg(at);
            let slot = SlotId::of_key(key);
            let place = Place::new(key, client.database, take);
            Some(Awaited { key: key.into(), place, node: routing.owner(slot)?, slot })
        };
        let keys: Option<Vec<Awaited>> = keys.indices().map(wait).collect();
        let Some(keys) = keys else { return Ok(None) };
        let seek = Seek {
            client: Some(client.key),
            arrival: patience.arrival,
            spec,
            what,
            keys,
            first_id,
            until: patience.until,
            step: Step::Due,
            has_waited: patience.has_waited,
            ending: None,
            taken: Taken { put_back: PutBack::of(spec, request), database: client.database },
        };
        let places: Vec<Place> = seek.keys.iter().map(|awaited| awaited.place.clone()).collect();
        let key = self.seeks.open(seek);
        let who = Who { worker: self.index, seek: key };
        let mut lines = self.shared.lines();
        places.iter().for_each(|place| lines.join(place, patience.arrival, who));
        drop(lines);
        // What follows is told by nodes that are listened to.
        self.listeners.seeking = true;
        self.listen(routing);
        Ok(Some(key))
    }

    /// A key has changed, at whichever node; none: any may have.
    pub(in crate::proxy::worker) fn seek_again(&mut self, key: Option<&[u8]>) {
        if self.seeks.is_empty() {
            return;
        }
        let lines = self.shared.lines();
        let next = key.map_or_else(|| lines.all(), |key| lines.changed(key));
        drop(lines);
        // Other threads hear of it themselves.
        let own = next.into_iter().filter(|who| who.worker == self.index);
        own.for_each(|who| self.seeks.make_due(who.seek));
    }

    /// It waits no longer; who stood behind it is next.
    fn close_seek(&mut self, key: Key) -> Option<Seek> {
        let seek = self.seeks.close(key)?;
        let mut lines = self.shared.lines();
        let next: Vec<Who> =
            seek.keys.iter().filter_map(|awaited| lines.leave(&awaited.place, seek.arrival)).collect();
        drop(lines);
        for who in next {
            if who.worker == self.index {
                self.seeks.make_due(who.seek);
            } else if let Some(mailbox) = self.shared.mailboxes().get(who.worker) {
                mailbox.send(Message::Look { seek: who.seek });
            }
        }
        Some(seek)
    }

    /// Goes on with all that can go on.
    pub(in crate::proxy::worker) fn go_on_seeking(&mut self) {
        while self.seeks.have_work() {
            for (key, reply) in mem::take(&mut self.seeks.looked) {
                self.has_looked(key, reply);
            }
            for key in mem::take(&mut self.seeks.due) {
                self.look(key);
            }
            self.answer_gathers();
        }
    }

    /// Asks the nodes.
    fn look(&mut self, key: Key) {
        let routing = Arc::clone(&self.epochs.routing);
        let Self { seeks, clients, shared, .. } = self;
        let Some(seek) = seeks.open.get_mut(key) else { return };
        let Some(client) = seek.client.and_then(|client| clients.take(client)) else { return };
        if seek.has_moved(&routing) {
            self.clients.put_back(client);
            self.seek_anew(key);
            return;
        }
        let ids = match (&seek.what, seek.spec.writes()) {
            (What::Entries(reading), false) => unknown_ids(&seek.keys, reading),
            _ => Vec::new(),
        };
        let is_told = ids.is_empty();
        let question = if is_told {
            seek.step = Step::Looks { again: false };
            seek.question(&shared.lines())
        } else {
            seek.step = Step::Asks;
            Question { asks: ids, merge: Box::new(LastIds) }
        };
        let spec = seek.spec;
        self.ask_for_seek(&client, (key, spec), &routing, question, is_told);
        // Where nobody listens yet, what changes is not told: it is looked at again when somebody does.
        self.upstreams.untracked = false;
        self.clients.put_back(client);
    }

    /// Nodes have answered.
    fn has_looked(&mut self, key: Key, reply: Vec<u8>) {
        let now = self.turn.now;
        let Some(seek) = self.seeks.open.get_mut(key) else { return };
        let answer = Answer::Small(reply);
        let is_gone = seek.client.is_none();
        if seek.step == Step::Asks && !answer.is_error() && !is_gone {
            return self.know_last_ids(key, answer.bytes());
        }
        let nothing = answer.is_nothing();
        if is_gone {
            if let Some(seek) = self.close_seek(key) {
                self.give_back(seek.taken, &answer);
            }
        } else if answer.bytes() == moved::ERROR || nothing && seek.has_moved(&self.epochs.routing) {
            self.seek_anew(key);
        } else if !nothing {
            self.end_seek(key, answer);
        } else {
            self.seeks.waiting += usize::from(!mem::replace(&mut seek.has_waited, true));
            let again = seek.step == Step::Looks { again: true };
            seek.step = Step::Waits;
            match seek.ending {
                Some(Ending::Asked { error }) => self.end_seek_unanswered(key, error),
                Some(Ending::Gone) => {
                    let client = seek.client;
                    client.into_iter().for_each(|client| self.close_client(client));
                }
                Some(Ending::Moved) | None if seek.until.is_some_and(|until| now >= until) => {
                    self.end_seek_unanswered(key, false);
                }
                Some(Ending::Moved) | None if again => self.seeks.make_due(key),
                Some(Ending::Moved) | None => {}
            }
        }
    }

    /// What `$` stands for, wherever the request goes on.
    fn know_last_ids(&mut self, key: Key, reply: &[u8]) {
        let Some(seek) = self.seeks.open.get_mut(key) else { return };
        let What::Entries(reading) = &mut seek.what else { return };
        let reading = Arc::make_mut(reading);
        let mut known = Vec::new();
        let unknown = reading.ids.iter_mut().enumerate().filter(|(_, id)| *id == LAST);
        for ((at, id), last) in unknown.zip(last_ids(reply)) {
            id.clone_from(&last);
            known.push((seek.first_id + at, last));
        }
        seek.step = Step::Due;
        self.seeks.due.push(key);
        let client = seek.client.and_then(|client| self.clients.get_mut(client));
        if let Some(patience) = client.and_then(|client| client.patience.as_mut()) {
            patience.last_ids.extend(known);
        }
    }

    /// It is asked for again as if it came now, with the time it has left.
    fn seek_anew(&mut self, key: Key) {
        self.finish_seek(key, |seek| (Stage::Unsent, seek.has_waited));
    }

    fn end_seek(&mut self, key: Key, answer: Answer) {
        self.finish_seek(key, |seek| (Stage::Answered(answer, Some(seek.taken)), true));
    }

    /// Nothing has come in time, or somebody has asked for an end.
    fn end_seek_unanswered(&mut self, key: Key, error: bool) {
        let client = self.seeks.open.get_mut(key).and_then(|seek| seek.client);
        let Some(client) = client.and_then(|client| self.clients.get_mut(client)) else { return };
        let answer = Answer::Small(unblocked(client.version, error));
        self.finish_seek(key, |_| (Stage::Answered(answer, None), true));
    }

    fn finish_seek(&mut self, key: Key, next: impl FnOnce(&Seek) -> (Stage, bool)) {
        let Some(seek) = self.close_seek(key) else { return };
        let Some(client) = seek.client else { return };
        if let Some(patience) = self.clients.get_mut(client).and_then(|client| client.patience.as_mut()) {
            (patience.stage, patience.has_waited) = next(&seek);
            self.clients.resume_one(client);
        }
    }

    /// Its client goes away, or has nothing more to say.
    pub(super) fn abandon_seek(&mut self, key: Key) {
        let Some(seek) = self.seeks.open.get_mut(key) else { return };
        match seek.step {
            Step::Waits | Step::Due => drop(self.close_seek(key)),
            // Something may be under way to it.
            Step::Asks | Step::Looks { .. } => seek.client = None,
        }
    }

    /// It gets what is there, and waits for nothing.
    pub(super) fn stop_seeking(&mut self, key: Key, ending: Ending) {
        let Some(seek) = self.seeks.open.get_mut(key) else { return };
        match (ending, seek.step) {
            (Ending::Asked { error }, Step::Waits) => self.end_seek_unanswered(key, error),
            (Ending::Gone, Step::Waits) => {
                let client = seek.client;
                client.into_iter().for_each(|client| self.close_client(client));
            }
            _ => seek.ending = Some(ending),
        }
    }

    /// Those whose keys have moved, or are about to, are asked for again.
    pub(super) fn seek_where_slots_are(&mut self, routing: &Routing) {
        for key in self.seeks.open.keys() {
            // Who looks finds out by itself.
            let has_moved = |seek: &mut Seek| seek.step == Step::Waits && seek.has_moved(routing);
            if self.seeks.open.get_mut(key).is_some_and(has_moved) {
                self.seek_anew(key);
            }
        }
    }

    /// Those who have waited long enough are told so.
    pub(in crate::proxy::worker) fn end_late_seeks(&mut self) {
        while let Some(entry) = self.seeks.ends.first_entry().filter(|entry| entry.key().0 <= self.turn.now) {
            let key = entry.remove();
            // Who looks is told when it has looked.
            if self.seeks.open.get_mut(key).is_some_and(|seek| seek.step == Step::Waits) {
                self.end_seek_unanswered(key, false);
            }
        }
    }
}

/// What nodes are asked to know what `$` stands for.
fn unknown_ids(keys: &[Awaited], reading: &Reading) -> Vec<Ask> {
    let unknown = keys.iter().zip(&reading.ids).filter(|(_, id)| *id == LAST);
    unknown.map(|(wait, _)| Ask::new(wait.node, [&b"XINFO"[..], b"STREAM", &wait.key])).collect()
}
