//! DEBUG: only what a test of crashes needs, and only where the daemon was started for it.

use super::support::{Outcome, is_word};
use crate::{
    node::context::{CommandError, Context, Handler},
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("debug", debug)];

fn debug(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let allowed = match context.node.config.get("enable-debug-command").as_deref() {
        Some("yes") => true,
        Some("local") => context.caller.client.addresses.remote.ip().is_loopback(),
        _ => false,
    };
    if !allowed {
        return Err(CommandError::other(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
             from a local connection, otherwise you need to set this option in the configuration file, and then \
             restart the server.",
        ));
    }
    let word = request.arg(1);
    if is_word(word, "PANIC") {
        panic!("DEBUG PANIC, as a client asked for");
    }
    let word = String::from_utf8_lossy(word);
    Err(CommandError::other(format!(
        "ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP."
    )))
}
