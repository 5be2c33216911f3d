//! The connection itself: PING, ECHO, HELLO, AUTH, SELECT, RESET, QUIT.

use super::{
    client::set_name,
    support::{Outcome, int},
};
use crate::{
    node::{
        acl,
        clients::{NO_EVICT, NO_TOUCH},
        context::{CommandError, Context, Handler},
        session::Replies,
        state::REDIS_VERSION,
    },
    protocol::{Request, Version, number::parse_i64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("auth", auth),
    ("echo", echo),
    ("hello", hello),
    ("ping", ping),
    ("quit", quit),
    ("reset", reset),
    ("select", select),
];

fn ping(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    match request.len() {
        1 => context.reply.simple("PONG"),
        2 => context.reply.bulk(request.arg(1)),
        _ => return Err(CommandError::other("ERR wrong number of arguments for 'ping' command")),
    }
    Ok(())
}

fn echo(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    context.reply.bulk(request.arg(1));
    Ok(())
}

fn quit(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    context.reply.ok();
    context.session.close();
    Ok(())
}

fn select(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let index = usize::try_from(int(request.arg(1))?)
        .ok()
        .filter(|&index| index < context.keyspace.databases())
        .ok_or(CommandError::other("ERR DB index is out of range"))?;
    context.session.select(index);
    context.reply.ok();
    Ok(())
}

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

fn auth(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (user, password) = match request.len() {
        2 => {
            if context.node.acl.default_user().needs_no_password() {
                return Err(CommandError::other(
                    "ERR AUTH <password> called without any password configured for the default user. Are you \
                     sure your configuration is correct?",
                ));
            }
            (acl::DEFAULT, request.arg(1))
        }
        3 => (request.arg(1), request.arg(2)),
        _ => return Err(CommandError::Syntax),
    };
    log_in(context, user, password)?;
    context.reply.ok();
    Ok(())
}

fn log_in(context: &mut Context<'_>, user: &[u8], password: &[u8]) -> Outcome {
    let user = context.node.acl.log_in(user, password).ok_or(CommandError::other(WRONG_PASSWORD))?;
    context.session.log_in(user);
    Ok(())
}

fn hello(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let version = match request.get(1).map(parse_i64) {
        None => None,
        Some(Some(2)) => Some(Version::Resp2),
        Some(Some(3)) => Some(Version::Resp3),
        Some(Some(_)) => return Err(CommandError::other("NOPROTO unsupported protocol version")),
        Some(None) => {
            return Err(CommandError::other("ERR Protocol version is not an integer or out of range"));
        }
    };
    // As in Redis, what comes before a wrong option is done.
    let mut at = 2;
    while let Some(option) = request.get(at) {
        match (option.to_ascii_lowercase().as_slice(), request.get(at + 1), request.get(at + 2)) {
            (b"auth", Some(user), Some(password)) => {
                log_in(context, user, password)?;
                at += 3;
            }
            (b"setname", Some(value), _) => {
                set_name(context, value)?;
                at += 2;
            }
            _ => {
                let option = String::from_utf8_lossy(option).into_owned();
                return Err(CommandError::other(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
    }
    if !context.session.authenticated && context.node.acl.login_required() {
        return Err(CommandError::other(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same \
             time",
        ));
    }
    if let Some(version) = version {
        context.session.set_version(version);
        context.reply.set_version(version);
    }
    let (id, version) = (context.session.client.id, context.session.version);
    let reply = &mut context.reply;
    reply.map(7);
    reply.bulk("server");
    reply.bulk("redis");
    reply.bulk("version");
    reply.bulk(REDIS_VERSION);
    reply.bulk("proto");
    reply.integer(if version == Version::Resp3 { 3 } else { 2 });
    reply.bulk("id");
    reply.integer(i64::try_from(id).unwrap_or(i64::MAX));
    reply.bulk("mode");
    reply.bulk("standalone");
    reply.bulk("role");
    reply.bulk("master");
    reply.bulk("modules");
    reply.array(0);
    Ok(())
}

fn reset(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let acl = &context.node.acl;
    let session = &mut *context.session;
    session.select(0);
    if !session.answers_all {
        session.set_version(Version::Resp2);
        context.reply.set_version(Version::Resp2);
    }
    session.log_in(acl.default_user().clone());
    session.authenticated = !acl.login_required();
    // `CLIENT REPLY SKIP` before it still hides its reply.
    if session.replies != Replies::Skip {
        session.replies = Replies::On;
    }
    session.no_touch = false;
    session.client.set_flag(NO_TOUCH, false);
    session.client.set_flag(NO_EVICT, false);
    session.client.labels().name.clear();
    context.reply.simple("RESET");
    Ok(())
}
