//! What clients are told while a script has the data for so long that they had better not wait: the lock is not needed for it.

use crate::{
    node::{
        caller::Caller,
        commands::not_killed,
        exec::batch::{Plan, Stop},
        script::{self, BUSY_FUNCTION, BUSY_SCRIPT},
        state::NodeState,
    },
    protocol::Output,
};

/// What everything else is answered.
pub(super) fn text(node: &NodeState) -> &'static str {
    if node.script.is_function() { BUSY_FUNCTION } else { BUSY_SCRIPT }
}

/// Answers the requests of a plan; those that end the script do. `is_nosave`: whether a request has `NOSAVE`.
pub(super) fn answer(
    plan: &Plan,
    node: &NodeState,
    caller: &mut Caller,
    output: &mut Output,
    is_nosave: impl Fn(usize) -> bool,
) -> (usize, Stop) {
    let mut done = 0;
    for name in plan.names() {
        let mut reply = output.encoder(caller.version);
        done += 1;
        match name {
            Some(name @ ("script|kill" | "function|kill")) => match node.script.kill(name == "function|kill")
            {
                Ok(()) => reply.ok(),
                Err(reason) => reply.error(not_killed(reason).to_string()),
            },
            // To save it, the data would be needed.
            Some("shutdown") if !node.saves_at_end() || is_nosave(done - 1) => {
                node.script.abort();
                node.stop.cancel();
                return (done, Stop::Close);
            }
            Some("quit") => {
                reply.ok();
                return (done, Stop::Close);
            }
            Some("function|stats") if let Some(called) = node.script.called() => {
                script::write_stats(&node.script, Some(&called), called.counts, &mut reply);
            }
            Some("multi") if caller.transaction.is_none() => {
                caller.begin_transaction();
                reply.ok();
            }
            Some("discard") if caller.transaction.is_some() => {
                caller.end_transaction_later();
                reply.ok();
            }
            Some("exec") => {
                caller.end_transaction_later();
                let text = format!("EXECABORT Transaction discarded because of: {}", text(node));
                node.stats.error(text.as_bytes());
                reply.error(text);
            }
            _ => {
                if let Some(transaction) = &mut caller.transaction {
                    transaction.abort();
                }
                let text = text(node);
                node.stats.error(text.as_bytes());
                reply.error(text);
            }
        }
    }
    (done, Stop::End)
}
