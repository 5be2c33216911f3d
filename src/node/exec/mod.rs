//! The one door to commands: [`call`] runs one on the store, whoever asks. Batches of a connection ([`batch`]), transactions and gRPC
//! come through it, but for runs of quick commands of clients to whom nothing special applies ([`plain`]); [`admit`] says before it
//! who may run what, [`memory`] whether there is room, [`settle`] what follows, and [`record`] what the journal gets of it. Not here: sockets, and what commands do.

pub(super) mod admit;
pub(super) mod batch;
pub(super) mod memory;
mod plain;
mod record;
mod settle;
mod timer;

use super::{
    caller::{Caller, Origin},
    commands::table::Row,
    context::{CommandError, Context, Flow},
    keyspace::Place,
    state::NodeState,
    store::Store,
    tracking::Sending,
};
use crate::{
    command::{Flags, Group, keys},
    protocol::{Encoder, Mark, Request},
    time::Millis,
};

/// Replies to a reading command that are longer than this are not written into memory that the system has yet to find: that
/// would take longer than the copying, and everybody waits for it.
const UNTOUCHED_MAX: usize = 1 << 20;

/// With more arguments no command is quick, nor its reply short.
const FEW: usize = 16;

/// On what a command runs: the store is locked, the caller known, and the clock stands still.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The data.
    pub store: &'a mut Store,
    /// Who asks.
    pub caller: &'a mut Caller,
    /// Configuration, clients, statistics.
    pub node: &'a NodeState,
    /// When the batch began.
    pub now: Millis,
}

/// Runs a command that was admitted. Writes one reply, whatever happens; none if it is to be called again, see [`Flow::Room`].
///
/// `place` is that of argument 1 if it is known; `room` is how long the whole output may get without memory that has to be found
/// first.
#[inline]
pub fn call(
    stage: &mut Stage<'_>,
    row: &'static Row,
    request: Request<'_>,
    place: Option<Place>,
    room: usize,
    mut reply: Encoder<'_>,
) -> Flow {
    stage.caller.client.set_command(row.spec);
    let start = reply.mark();
    let mut before = None;
    if row.spec.flags.has(Flags::READONLY) {
        reply.set_limit(room.max(reply.len() + UNTOUCHED_MAX));
        if !row.is_quick || request.len() > FEW {
            before = Some(stage.store.keyspace.db(stage.caller.database).stats());
        }
    }
    let database = stage.caller.database;
    let effect = stage.store.effects.is_heard().then(|| stage.store.begin_effect(row, database));
    let mut context = Context {
        store: stage.store,
        caller: stage.caller,
        node: stage.node,
        now: stage.now,
        place,
        row,
        flow: Flow::Replied,
        reply,
    };
    let result = (row.handler)(&mut context, request);
    if let Some(effect) = effect {
        context.store.end_effect(effect, row, &request, database, context.node);
    }
    if let Some(room) = close(&mut context, start, result) {
        if let Some(before) = before {
            // What it looked up is counted when it has its room.
            stage.store.keyspace.db_mut(stage.caller.database).set_stats(before);
        }
        return Flow::Room(room);
    }
    let flow = context.flow;
    // Of scripts the keys are remembered that they declare, when they read.
    if stage.caller.tracking
        && row.spec.flags.has(Flags::READONLY)
        && row.spec.group != Group::Scripting
        && stage.caller.origin != Origin::Script
    {
        remember(stage, row, request);
    }
    flow
}

/// Ends the reply that began at `start`: an error takes the place of what was written, and is counted. Says how much room the whole
/// reply needs if it had not enough; then nothing is left of it.
#[inline]
fn close(context: &mut Context<'_>, start: Mark, result: Result<(), CommandError>) -> Option<usize> {
    if let Err(error) = result {
        fail(context, start, &error);
        return None;
    }
    let reply = &mut context.reply;
    if reply.room_missing() > 0 {
        let room = reply.since(start).len() + reply.room_missing();
        reply.truncate(start);
        return Some(room);
    }
    if let [b'-', error @ ..] = reply.since(start) {
        let stats = &context.node.stats;
        stats.command(context.row.spec).failed.add(1);
        stats.error(error);
    }
    None
}

#[cold]
fn fail(context: &mut Context<'_>, start: Mark, error: &CommandError) {
    let text = error.reply();
    let stats = &context.node.stats;
    stats.command(context.row.spec).failed.add(1);
    if !matches!(error, CommandError::Counted(_)) {
        stats.error(&text);
    }
    context.reply.truncate(start);
    context.reply.error(text);
    context.flow = Flow::Replied;
}

/// A client that is told of changes has read keys.
#[cold]
fn remember(stage: &mut Stage<'_>, row: &'static Row, request: Request<'_>) {
    let Ok(positions) = keys::positions(row.spec, &request) else { return };
    let keys: Vec<&[u8]> = positions.indices().map(|index| request.arg(index)).collect();
    remember_keys(stage, &keys);
}

/// The same, of these keys.
#[cold]
pub fn remember_keys(stage: &mut Stage<'_>, keys: &[&[u8]]) {
    let client = stage.caller.client.id;
    if !stage.store.tracking.remembers(client) {
        return;
    }
    let limits = stage.node.config.output_limits();
    let sending = Sending { limits: &limits, now: stage.now, others: &stage.node.clients };
    for key in keys {
        stage.store.tracking.remember(client, key, stage.node.config.tracked_keys(), sending);
    }
}
