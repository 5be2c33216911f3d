//! The shape of all `HELP` subcommands.

use crate::node::context::Context;

/// Subcommands as they are written, with what they do.
pub(super) fn help(context: &mut Context<'_>, container: &str, subcommands: &[(&str, &str)]) {
    let reply = &mut context.reply;
    reply.array(1 + 2 * subcommands.len() + 2);
    reply.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for (syntax, summary) in subcommands.iter().copied().chain([("HELP", "These lines.")]) {
        reply.simple(syntax);
        reply.simple(&format!("    {summary}"));
    }
}
