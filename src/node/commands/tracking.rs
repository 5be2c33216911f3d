//! `CLIENT TRACKING` and `CLIENT CACHING`. What is asked for, and refused, is in [`crate::connection::tracking`].

use super::support::Outcome;
use crate::{
    connection::tracking::{self, Change, Refused},
    node::context::{CommandError, Context, Handler},
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("client|caching", caching), ("client|tracking", tracking)];

impl From<Refused> for CommandError {
    fn from(refused: Refused) -> Self {
        Self::Bytes(refused.0)
    }
}

fn tracking(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let state = ctx.store.tracking.state(ctx.caller.client.id);
    let is_client = |id| ctx.node.clients.get(id).is_some();
    let before = state.as_ref().map(|state| state.options);
    match tracking::change(&request, before, &is_client, !ctx.caller.answers_all)? {
        Change::On(options) => ctx.store.track(ctx.caller, options),
        Change::Off => ctx.store.untrack(ctx.caller),
    }
    ctx.reply.ok();
    Ok(())
}

fn caching(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let client = ctx.caller.client.id;
    let state = ctx.store.tracking.state(client);
    tracking::check_caching(state.as_ref().map(|state| state.options), request.arg(2))?;
    ctx.store.tracking.set_caching(client, true);
    ctx.reply.ok();
    Ok(())
}
