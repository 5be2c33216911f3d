//! `COMMAND`: the part of the command table that this node has.

use super::{support::Outcome, table::is_implemented};
use crate::{
    command::{introspect, resolve},
    node::context::{CommandError, Context, Handler},
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("command", command),
    ("command|count", command),
    ("command|docs", command),
    ("command|getkeys", command),
    ("command|getkeysandflags", command),
    ("command|help", command),
    ("command|info", command),
    ("command|list", command),
];

fn command(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let spec = resolve(&request).map_err(|error| CommandError::other(error.to_string()))?;
    introspect::command(spec, &request, &mut ctx.reply, &is_implemented)
        .map_err(|error| CommandError::other(error.to_string()))
}
