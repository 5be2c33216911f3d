//! CLIENT: what connections know about themselves and each other.

use std::sync::Arc;

use super::{help::help as help_lines, support::Outcome};
use crate::{
    node::{
        clients::{Client, NO_EVICT, NO_TOUCH, Signal},
        context::{CommandError, Context, Handler},
        session::Replies,
    },
    protocol::{Request, number::parse_i64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("client|getname", getname),
    ("client|getredir", getredir),
    ("client|help", help),
    ("client|id", id),
    ("client|info", info),
    ("client|kill", kill),
    ("client|list", list),
    ("client|no-evict", no_evict),
    ("client|no-touch", no_touch),
    ("client|reply", reply),
    ("client|setinfo", setinfo),
    ("client|setname", setname),
    ("client|trackinginfo", trackinginfo),
];

fn id(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    context.reply.integer(i64::try_from(context.session.client.id).unwrap_or(i64::MAX));
    Ok(())
}

fn getname(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let name = context.session.client.labels().name.clone();
    if name.is_empty() {
        context.reply.null();
    } else {
        context.reply.bulk(name);
    }
    Ok(())
}

/// No client is tracked, so nothing is sent elsewhere.
fn getredir(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    context.reply.integer(-1);
    Ok(())
}

fn trackinginfo(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let reply = &mut context.reply;
    reply.map(3);
    reply.bulk("flags");
    reply.set(1);
    reply.bulk("off");
    reply.bulk("redirect");
    reply.integer(-1);
    reply.bulk("prefixes");
    reply.array(0);
    Ok(())
}

/// Whether it can stand in a line of `CLIENT LIST` without breaking it.
fn is_label(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// `CLIENT SETNAME`, also of `HELLO`.
pub(super) fn set_name(context: &Context<'_>, name: &[u8]) -> Outcome {
    if !is_label(name) {
        return Err(CommandError::other(
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ));
    }
    context.session.client.labels().name = name.to_vec();
    Ok(())
}

fn setname(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    set_name(context, request.arg(2))?;
    context.reply.ok();
    Ok(())
}

fn setinfo(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let (option, value) = (request.arg(2), request.arg(3));
    let library = option.eq_ignore_ascii_case(b"lib-name");
    if !library && !option.eq_ignore_ascii_case(b"lib-ver") {
        let option = String::from_utf8_lossy(option).into_owned();
        return Err(CommandError::other(format!("ERR Unrecognized option '{option}'")));
    }
    if !is_label(value) {
        let name = if library { "lib-name" } else { "lib-ver" };
        return Err(CommandError::other(format!(
            "ERR {name} cannot contain spaces, newlines or special characters."
        )));
    }
    let client = Arc::clone(&context.session.client);
    let mut labels = client.labels();
    *(if library { &mut labels.library } else { &mut labels.library_version }) = value.to_vec();
    context.reply.ok();
    Ok(())
}

fn info(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let mut line = context.session.client.describe(context.now);
    line.push(b'\n');
    context.reply.verbatim("txt", line);
    Ok(())
}

/// The kinds that `TYPE` knows; all clients of a node are normal ones.
fn is_normal_type(word: &[u8]) -> Result<bool, CommandError> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(true),
        b"slave" | b"replica" | b"pubsub" | b"master" => Ok(false),
        _ => {
            let word = String::from_utf8_lossy(word).into_owned();
            Err(CommandError::other(format!("ERR Unknown client type '{word}'")))
        }
    }
}

fn list(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let option = request.get(2).map(<[u8]>::to_ascii_lowercase);
    let clients = &context.node.clients;
    let chosen: Vec<Arc<Client>> = match (option.as_deref(), request.len()) {
        (None, _) => clients.all(),
        (Some(b"type"), 4) => {
            if is_normal_type(request.arg(3))? {
                clients.all()
            } else {
                Vec::new()
            }
        }
        (Some(b"id"), 4..) => {
            let mut chosen = Vec::new();
            for word in request.args_from(3) {
                let id = parse_i64(word).ok_or(CommandError::other("ERR Invalid client ID"))?;
                chosen.extend(u64::try_from(id).ok().and_then(|id| clients.get(id)));
            }
            chosen
        }
        _ => return Err(CommandError::Syntax),
    };
    let mut lines = Vec::new();
    for client in chosen {
        lines.extend(client.describe(context.now));
        lines.push(b'\n');
    }
    context.reply.verbatim("txt", lines);
    Ok(())
}

/// What `CLIENT KILL` looks for; all that are given must fit.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    other_type: bool,
}

impl Filter<'_> {
    fn fits(&self, client: &Client) -> bool {
        !self.other_type
            && self.id.is_none_or(|id| client.id == id)
            && self.address.is_none_or(|address| client.peer.remote.to_string().as_bytes() == address)
            && self.local.is_none_or(|local| client.peer.local.to_string().as_bytes() == local)
            && self.user.is_none_or(|user| client.labels().user.name() == user)
    }
}

fn kill(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if request.len() == 3 {
        let filter = Filter { address: Some(request.arg(2)), ..Filter::default() };
        if kill_all(context, &filter, false) == 0 {
            return Err(CommandError::other("ERR No such client"));
        }
        context.reply.ok();
        return Ok(());
    }
    let (mut filter, mut skip_me) = (Filter::default(), true);
    for at in (2..request.len()).step_by(2) {
        let value = request.get(at + 1).ok_or(CommandError::Syntax)?;
        match request.arg(at).to_ascii_lowercase().as_slice() {
            b"id" => {
                let id = parse_i64(value)
                    .and_then(|id| u64::try_from(id).ok())
                    .filter(|&id| id > 0)
                    .ok_or(CommandError::other("ERR client-id should be greater than 0"))?;
                filter.id = Some(id);
            }
            b"type" => filter.other_type = !is_normal_type(value)?,
            b"addr" => filter.address = Some(value),
            b"laddr" => filter.local = Some(value),
            b"user" => {
                if context.node.acl.user(value).is_none() {
                    let user = String::from_utf8_lossy(value).into_owned();
                    return Err(CommandError::other(format!("ERR No such user '{user}'")));
                }
                filter.user = Some(value);
            }
            b"skipme" => match value.to_ascii_lowercase().as_slice() {
                b"yes" => skip_me = true,
                b"no" => skip_me = false,
                _ => return Err(CommandError::Syntax),
            },
            _ => return Err(CommandError::Syntax),
        }
    }
    let killed = kill_all(context, &filter, skip_me);
    context.reply.integer(killed);
    Ok(())
}

/// Kills those that fit. This client itself still gets the reply; of the others nothing more runs.
fn kill_all(context: &mut Context<'_>, filter: &Filter<'_>, skip_me: bool) -> i64 {
    let me = context.session.client.id;
    let mut killed = 0;
    for client in context.node.clients.all() {
        if !filter.fits(&client) || (skip_me && client.id == me) {
            continue;
        }
        killed += 1;
        if client.id == me {
            context.session.close();
        } else {
            client.send(Signal::Kill);
        }
    }
    killed
}

fn reply(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let replies = match request.arg(2).to_ascii_lowercase().as_slice() {
        b"on" => Replies::On,
        b"off" => Replies::Off,
        b"skip" if context.session.replies == Replies::Off => Replies::Off,
        b"skip" => Replies::SkipNext,
        _ => return Err(CommandError::Syntax),
    };
    if context.session.answers_all && replies != Replies::On {
        return Err(CommandError::other("ERR CLIENT REPLY: every command of a gRPC stream has its reply"));
    }
    context.session.replies = replies;
    context.reply.ok();
    Ok(())
}

fn on_off(word: &[u8]) -> Result<bool, CommandError> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

fn no_evict(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    context.session.client.set_flag(NO_EVICT, on_off(request.arg(2))?);
    context.reply.ok();
    Ok(())
}

fn no_touch(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let on = on_off(request.arg(2))?;
    context.session.no_touch = on;
    context.session.client.set_flag(NO_TOUCH, on);
    context.reply.ok();
    Ok(())
}

fn help(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        context,
        "CLIENT",
        &[
            ("GETNAME", "The name of this connection."),
            ("GETREDIR", "-1: no connection is tracked."),
            ("ID", "The number of this connection."),
            ("INFO", "The line of this connection in CLIENT LIST."),
            ("KILL <ip:port>", "Closes the connection from this address."),
            (
                "KILL [ID <id>] [ADDR <ip:port>] [LADDR <ip:port>] [TYPE <type>] [USER <name>] [SKIPME YES|NO]",
                "Closes all connections that every given condition fits, this one only with SKIPME NO.",
            ),
            ("LIST [TYPE <type> | ID <id> [<id> ...]]", "One line for each connection."),
            ("NO-EVICT ON|OFF", "Spares this connection when memory for clients is short."),
            ("NO-TOUCH ON|OFF", "Whether reading leaves the access time of keys alone."),
            ("REPLY ON|OFF|SKIP", "Which commands of this connection are answered."),
            ("SETINFO LIB-NAME|LIB-VER <value>", "What library the client uses."),
            ("SETNAME <name>", "Names this connection."),
            ("TRACKINGINFO", "That this connection is not tracked."),
        ],
    );
    Ok(())
}
