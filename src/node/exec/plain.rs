//! Runs of quick commands about keys, of a client to whom nothing special applies: what admits a command, what is looked at behind it
//! and where its reply goes is the same for all of them, and done once. In a pipeline that is a fifth of what a `GET` costs.

use super::{
    FEW, Stage, UNTOUCHED_MAX,
    batch::{REPLIES_MAX, Step},
    close,
    timer::Timer,
};
use crate::{
    command::Flags,
    connection::Replies,
    node::{
        aof::log::Wrap,
        context::{Context, Flow},
    },
    protocol::{Output, Request},
};

impl Stage<'_> {
    /// Whether the client may run everything at once, and nobody has to hear of it. Only commands that are not plain change that.
    pub(super) fn is_plain(&self) -> bool {
        let caller = &self.caller;
        caller.authenticated
            && caller.user.may_do_all()
            && caller.transaction.is_none()
            && !(caller.subscribed || caller.monitoring || caller.tracking)
            && caller.replies == Replies::On
            && !self.store.attention
            && !self.node.aof.shared.is_failed()
            && !(self.node.config.guards() && self.is_guarded())
    }

    /// There is too much memory, or nothing is to be written.
    #[cold]
    fn is_guarded(&self) -> bool {
        self.node.config.needs_replicas() || self.node.is_over_memory(&self.store.keyspace)
    }

    /// Runs the plain commands that `steps` begins with; `request` gives them, from 0. Returns how many were run, and how much room
    /// the next one needs if that is why it stopped.
    pub(super) fn run_plain<'r>(
        &mut self,
        steps: &[Step],
        request: impl Fn(usize) -> Request<'r>,
        timer: &mut Timer,
        out: &mut Output,
    ) -> (usize, Option<usize>) {
        let Some(first) = steps.first().and_then(Step::row) else { return (0, None) };
        self.store.current = Some(self.caller.client.id);
        let room = out.capacity();
        let reply = out.encoder(self.caller.version);
        let mut context = Context {
            store: &mut *self.store,
            caller: &mut *self.caller,
            node: self.node,
            now: self.now,
            place: None,
            row: first,
            flow: Flow::Replied,
            reply,
        };
        let (mut done, is_heard, database) = (0, context.is_heard(), context.caller.database);
        for step in steps {
            let Some(row) = step.row().filter(|row| row.is_plain) else { break };
            let request = request(done);
            if request.len() > FEW || context.reply.len() >= REPLIES_MAX {
                break;
            }
            timer.begin_quick(context.node, row.spec);
            (context.row, context.place) = (row, step.place);
            let start = context.reply.mark();
            let reads = row.spec.flags.has(Flags::READONLY);
            let limit = if reads { room.max(context.reply.len() + UNTOUCHED_MAX) } else { usize::MAX };
            context.reply.set_limit(limit);
            let effect = is_heard.then(|| context.store.begin_effect(row, database));
            let result = (row.handler)(&mut context, request);
            if let Some(effect) = effect {
                context.store.end_effect(effect, row, &request, database, context.node);
                context.store.end_unit(Wrap::Together, context.node, context.now);
            }
            if let Some(room) = close(&mut context, start, result) {
                return (done, Some(room));
            }
            timer.count_quick();
            done += 1;
        }
        debug_assert_eq!(context.flow, Flow::Replied, "plain commands leave the client as it is");
        context.caller.client.set_command(context.row.spec);
        (done, None)
    }
}
