//! `COMMAND`: the part of the command table that this node has.

use super::support::Outcome;
use crate::{
    command::{introspect, resolve},
    node::{
        context::{CommandError, Context, Handler},
        dispatch::is_implemented,
    },
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

#[cfg(test)]
mod tests {
    use crate::command::TABLE;

    #[test]
    fn every_handler_has_a_row() {
        let mut seen = std::collections::HashSet::new();
        for (name, _) in crate::node::commands::handlers() {
            assert!(TABLE.iter().any(|spec| spec.name == name), "{name} is not in the command table");
            assert!(seen.insert(name), "{name} has two handlers");
        }
    }
}
