//! One command to its [`Outcome`].

use std::time::Duration;

use redis_cluster::{client::Connection, id::NodeId, protocol::Value};

use super::{
    Session, alive, directive, drain, explain, guard, help, operations,
    outcome::{Outcome, Status},
    show, transfer,
};
use crate::{
    format,
    language::{Command, Operator},
};

pub(super) async fn run(session: &Session, command: Command) -> Outcome {
    if let Some(refused) = refuse(session, &command) {
        return refused;
    }
    match command {
        Command::Redis(arguments) => redis(session, &arguments).await,
        Command::Operator(Operator::Help(word)) => help::answer(word.as_deref()),
        Command::Operator(operator) => match session.first_look().await {
            Err(error) => error.into(),
            Ok(_) => self::operator(session, operator).await,
        },
        Command::Directive(directive) => directive::run(session, directive).await,
    }
}

async fn operator(session: &Session, operator: Operator) -> Outcome {
    match operator {
        Operator::Add { id, address, options } => operations::add(session, id, address, options).await,
        Operator::Remove { id, options } => operations::remove(session, id, options).await,
        Operator::Plan(request) => operations::dry_run(session, request).await,
        Operator::Ack { id } => operations::ack(session, id).await,
        Operator::DrainProxy { id, options } => drain::proxy(session, id, options).await,
        Operator::Sync => operations::sync(session).await,
        Operator::Show(what) => show::show(session, what).await,
        Operator::Node { id, command } => node(session, &id, &command).await,
        Operator::Delete { key, value: None } => redis(session, &[b"DEL".to_vec(), key]).await,
        Operator::Delete { key, value: Some(value) } => delete_if(session, key, value).await,
        Operator::Explain(command) => explain::explain(session, &command).await,
        // Faces that can repeat do so themselves; where one cannot, once is what is left.
        Operator::Watch(command) => Box::pin(run(session, *command)).await,
        Operator::Import { path, conflict } => transfer::import(session, &path, conflict).await,
        Operator::Export { path, newer } => transfer::export(session, &path, newer).await,
        Operator::Backup { directory, newer } => transfer::backup(session, &directory, newer).await,
        Operator::Restore { directory, conflict } => transfer::restore(session, &directory, conflict).await,
        Operator::Help(word) => help::answer(word.as_deref()),
    }
}

/// Whether a server would send more than replies after a command.
fn listens(arguments: &[Vec<u8>]) -> bool {
    let is = |at: usize, word: &str| {
        arguments.get(at).is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
    };
    ["subscribe", "psubscribe", "ssubscribe", "monitor"].iter().any(|name| is(0, name))
        || is(0, "client") && is(1, "tracking") && is(2, "on")
}

/// What is refused before anything is sent.
pub(super) fn refuse(session: &Session, command: &Command) -> Option<Outcome> {
    let redis = match command {
        Command::Redis(arguments) => Some(arguments),
        Command::Operator(Operator::Node { command, .. }) => Some(command),
        _ => None,
    };
    if let Some([name, word, mode, ..]) = redis.map(Vec::as_slice)
        && name.eq_ignore_ascii_case(b"client")
        && word.eq_ignore_ascii_case(b"reply")
        && !mode.eq_ignore_ascii_case(b"on")
    {
        return Some(Outcome::failure(
            Status::Refused,
            "CLIENT REPLY would take away the replies that the console waits for",
        ));
    }
    if redis.is_some_and(|arguments| listens(arguments)) {
        return Some(Outcome::failure(
            Status::Refused,
            "messages come when they come, and the console shows one reply to a command: connect with redis-cli to hear them",
        ));
    }
    if !session.options().read_only {
        return None;
    }
    let changes = match command {
        Command::Redis(arguments) => !guard::only_reads(arguments),
        Command::Operator(Operator::Node { command, .. }) => !guard::only_reads(command),
        Command::Operator(operator) => {
            matches!(
                operator,
                Operator::Add { .. }
                    | Operator::Remove { .. }
                    | Operator::Ack { .. }
                    | Operator::DrainProxy { .. }
                    | Operator::Delete { .. }
                    | Operator::Import { .. }
                    | Operator::Restore { .. }
            )
        }
        Command::Directive(_) => false,
    };
    changes.then(|| Outcome::failure(Status::Refused, "refused: this console is read-only (--read-only)"))
}

async fn redis(session: &Session, arguments: &[Vec<u8>]) -> Outcome {
    let view = match session.first_look().await {
        Ok(view) => view,
        Err(error) => return error.into(),
    };
    let mut link = session.inner.data.lock().await;
    match link.call(&view, &session.inner.options, arguments).await {
        Ok((reply, proxy)) => {
            Outcome { via: Some(proxy), verbatim: format::is_verbatim(arguments), ..Outcome::reply(reply) }
        }
        Err(error) => error.into(),
    }
}

/// `node ID COMMAND…`: a connection of its own, past the proxies.
async fn node(session: &Session, id: &NodeId, arguments: &[Vec<u8>]) -> Outcome {
    let view = session.now();
    let Some(node) = view.nodes.get(id) else { return unknown_node(&view, id) };
    match ask_node(&node.record.address, session.options().connect_timeout, arguments).await {
        Ok(reply) => Outcome { verbatim: format::is_verbatim(arguments), ..Outcome::reply(reply) },
        Err(error) => Outcome::failure(Status::Unreachable, format!("node {id}: {error}")),
    }
}

/// One command at a node, whatever the proxies say.
pub(super) async fn ask_node(
    address: &redis_cluster::cluster::member::Address,
    timeout: Duration,
    arguments: &[Vec<u8>],
) -> Result<Value, String> {
    let server = address.connect_to();
    let connected = Connection::connect(&server, timeout).await;
    let mut connection = connected.map_err(|error| error.to_string())?;
    let asked = async {
        if let Some((user, password)) = address.login() {
            let reply = connection.call(&["AUTH", user, password]).await?;
            if reply.as_error().is_some() {
                return Ok(reply);
            }
        }
        connection.call(arguments).await
    };
    alive::reply_of(&server, alive::OF_NODE, asked).await.map_err(|error| error.to_string())
}

pub(super) fn unknown_node(view: &super::ClusterView, id: &NodeId) -> Outcome {
    let known: Vec<&str> = view.nodes.keys().map(NodeId::as_str).collect();
    let known = if known.is_empty() {
        "there are no nodes".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    };
    Outcome::failure(Status::Refused, format!("no node {id}; {known}"))
}

/// Compared and deleted at once.
async fn delete_if(session: &Session, key: Vec<u8>, value: Vec<u8>) -> Outcome {
    let view = match session.first_look().await {
        Ok(view) => view,
        Err(error) => return error.into(),
    };
    let mut link = session.inner.data.lock().await;
    match link.delete_if(&view, &session.inner.options, &key.into(), &value.into()).await {
        Ok((reply, proxy)) => Outcome { via: Some(proxy), ..Outcome::reply(reply) },
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_sends_more_than_replies_is_known() {
        let listens = |line: &str| {
            let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            super::listens(&words)
        };
        for line in ["subscribe a", "PSUBSCRIBE a*", "ssubscribe a", "monitor", "client tracking on"] {
            assert!(listens(line), "{line}");
        }
        for line in
            ["publish a b", "pubsub channels", "client tracking off", "client trackinginfo", "get monitor"]
        {
            assert!(!listens(line), "{line}");
        }
    }
}
