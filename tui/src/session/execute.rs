//! One command to its [`Outcome`].

use std::sync::Arc;

use super::{
    Session,
    data::DataError,
    outcome::{Outcome, Status},
    view::ClusterView,
};
use crate::language::Command;

pub(super) async fn run(session: &Session, command: Command) -> Outcome {
    match command {
        Command::Redis(arguments) => redis(session, &arguments).await,
        Command::Operator(_) => Outcome::failure(Status::Usage, "not available in this version"),
        Command::Directive(_) => {
            Outcome::failure(Status::Usage, "this word works in scripts and in the line editor only")
        }
    }
}

async fn redis(session: &Session, arguments: &[Vec<u8>]) -> Outcome {
    let view: Arc<ClusterView> = session.inner.view.borrow().clone();
    let mut link = session.inner.data.lock().await;
    match link.call(&view, &session.inner.options, arguments).await {
        Ok((reply, proxy)) => Outcome { via: Some(proxy), ..Outcome::reply(reply) },
        Err(error @ (DataError::NoProxy(_) | DataError::Lost { .. })) => {
            Outcome::failure(Status::Unreachable, error.to_string())
        }
    }
}
