//! What clients are told while a script has the data for so long that they had better not wait: the lock is not needed for it.

use crate::{
    connection,
    node::{
        caller::Caller,
        commands::{Entering, not_killed},
        exec::{
            admit::admit,
            batch::{Plan, Stop},
        },
        script::{self, BUSY_FUNCTION, BUSY_SCRIPT},
        state::NodeState,
    },
    protocol::{Output, Request},
};

fn has_nosave(request: &Request<'_>) -> bool {
    request.args_from(1).any(|word| word.eq_ignore_ascii_case(b"nosave"))
}

/// What everything else is answered.
pub(super) fn text(node: &NodeState) -> &'static str {
    if node.script.is_function() { BUSY_FUNCTION } else { BUSY_SCRIPT }
}

/// Answers the requests of a plan; those that end the script do, from who may. Whoever wants to end it can log in before.
pub(super) fn answer<'r>(
    plan: &Plan,
    request: impl Fn(usize) -> Request<'r>,
    node: &NodeState,
    caller: &mut Caller,
    output: &mut Output,
) -> (usize, Stop) {
    let mut done = 0;
    for spec in plan.specs() {
        let mut reply = output.encoder(caller.version);
        let request = request(done);
        done += 1;
        if let Some(spec) = spec
            && let Err(text) = admit(spec, &request, caller, node)
        {
            if let Some(transaction) = &mut caller.transaction {
                transaction.abort();
            }
            node.stats.error(text.as_bytes());
            reply.error(text);
            continue;
        }
        match spec.map(|spec| spec.name) {
            Some(name @ ("auth" | "hello")) => {
                let mut entering = Entering { caller: &mut *caller, node, word: request.name() };
                let entered = match name {
                    "auth" => connection::enter_by_auth(&mut entering, &request, &mut reply),
                    _ => connection::enter_by_hello(&mut entering, &request, &mut reply),
                };
                if let Err(refusal) = entered {
                    node.stats.error(refusal.0.as_bytes());
                    reply.error(&*refusal.0);
                }
            }
            Some(name @ ("script|kill" | "function|kill")) => match node.script.kill(name == "function|kill")
            {
                Ok(()) => reply.ok(),
                Err(reason) => reply.error(not_killed(reason).to_string()),
            },
            // To save it, the data would be needed.
            Some("shutdown") if !node.saves_at_end() || has_nosave(&request) => {
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
