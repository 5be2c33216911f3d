//! `:words` that ask the cluster: they compare a reply, or wait for something.

use std::time::Duration;

use super::{Body, Outcome, Session, Status, view::PlanState};
use crate::{
    format::{self, Form, Formatter, TextForm},
    language::{Command, Directive, Operator, WaitFor},
};

/// `:wait sync` asks anew so often while proxies are behind.
const RETRY: Duration = Duration::from_millis(50);

pub(super) async fn run(session: &Session, directive: Directive) -> Outcome {
    match directive {
        Directive::Assert { command, value } => assert(session, *command, &value).await,
        Directive::Wait { what, timeout } => wait(session, what, timeout).await,
        Directive::Sleep(time) => {
            tokio::time::sleep(time).await;
            Outcome::done(Body::Nothing)
        }
        other => {
            // A face does these itself.
            Outcome::failure(Status::Usage, format!("{other:?} is nothing that can be asked for here"))
        }
    }
}

/// The reply in its raw form must be the value.
async fn assert(session: &Session, command: Command, value: &[u8]) -> Outcome {
    let outcome = session.execute(command).await;
    let mut raw = Vec::new();
    match &outcome.body {
        Body::Reply(reply) => format::plain::raw(&mut raw, reply, b"\n"),
        Body::Table(table) => Formatter::new(Form::Raw, TextForm::Escaped).table(&mut raw, table),
        Body::Text(text) => raw.extend_from_slice(text.as_bytes()),
        Body::Document(document) => raw.extend_from_slice(document.to_string().as_bytes()),
        Body::Failure(_) if outcome.status != Status::Done => return outcome,
        Body::Nothing | Body::Failure(_) => {}
    }
    if raw.trim_ascii_end() == value.trim_ascii_end() {
        return Outcome::done(Body::Nothing);
    }
    let repr = redis_cluster::protocol::quote::repr;
    let text = format!("assertion failed: the reply is {}, not {}", repr(&raw), repr(value));
    Outcome::failure(Status::ErrorReply, text)
}

async fn wait(session: &Session, what: WaitFor, timeout: Option<Duration>) -> Outcome {
    let waiting = async {
        match what {
            WaitFor::Moves => wait_for_moves(session).await,
            WaitFor::Sync => loop {
                let outcome = session.execute(Command::Operator(Operator::Sync)).await;
                match outcome.status {
                    Status::TimedOut => {}
                    // Waiting gives no reply.
                    Status::Done => return Outcome { body: Body::Nothing, ..outcome },
                    _ => return outcome,
                }
                tokio::time::sleep(RETRY).await;
            },
        }
    };
    match timeout {
        None => waiting.await,
        Some(limit) => tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| {
            Outcome::failure(Status::TimedOut, format!("not yet after {} s", limit.as_secs_f64()))
        }),
    }
}

async fn wait_for_moves(session: &Session) -> Outcome {
    if let Err(error) = session.know_plans().await {
        return Outcome::failure(Status::Unreachable, error);
    }
    let mut view = session.view();
    let idle =
        view.wait_for(|view| view.moves().is_empty() && view.plans.iter().all(|plan| plan.state.is_final()));
    let last = match idle.await {
        Ok(view) => view.plans.last().map(|plan| (plan.id, plan.state.clone())),
        Err(_) => return Outcome::failure(Status::Unreachable, "the session has ended"),
    };
    match last {
        Some((id, PlanState::Failed(why))) => {
            Outcome::done(Body::Nothing).with_note(format!("the last plan, {id}, failed: {why}"))
        }
        _ => Outcome::done(Body::Nothing),
    }
}
