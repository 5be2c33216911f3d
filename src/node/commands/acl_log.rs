//! ACL LOG and DRYRUN: what was denied, and what would be.

use super::support::{Outcome, as_c_string, integer, is_word, wrong_subcommand};
use crate::{
    command::{ResolveError, resolve},
    node::{
        acl::Denied,
        context::{CommandError, Context, Handler},
    },
    protocol::Request,
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("acl|dryrun", dryrun), ("acl|log", log)];

/// Entries that are shown if nobody says how many.
const SHOWN: i64 = 10;

fn log(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let count = match request.len() {
        2 => SHOWN,
        3 if is_word(request.arg(2), "RESET") => {
            context.node.acl.log().reset();
            context.reply.ok();
            return Ok(());
        }
        3 => integer(request.arg(2))?,
        _ => return Err(wrong_subcommand(request)),
    };
    let log = context.node.acl.log();
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX).min(log.entries().len());
    let now = Millis::now();
    let reply = &mut context.reply;
    reply.array(count);
    for entry in log.entries().take(count) {
        reply.map(7);
        reply.bulk("count");
        reply.integer(entry.count);
        reply.bulk("reason");
        reply.bulk(entry.reason.name());
        reply.bulk("context");
        reply.bulk(entry.place.name());
        reply.bulk("object");
        reply.bulk(&entry.object);
        reply.bulk("username");
        reply.bulk(&entry.user);
        reply.bulk("age-seconds");
        reply.double(
            std::time::Duration::from_millis((now.0 - entry.at.0).max(0).unsigned_abs()).as_secs_f64(),
        );
        reply.bulk("client-info");
        // A line, as CLIENT INFO shows it.
        reply.bulk(&entry.client);
    }
    Ok(())
}

fn dryrun(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let name = as_c_string(request.arg(2));
    let not_found = |what: &[u8], name: &[u8]| {
        CommandError::Bytes([b"ERR ", what, b" '", as_c_string(name), b"' not found"].concat())
    };
    let user = context.node.acl.user(request.arg(2)).ok_or_else(|| not_found(b"User", name))?;
    let command = request.tail(3).ok_or_else(|| not_found(b"Command", b""))?;
    let spec = resolve(&command).map_err(|error| match error {
        ResolveError::Arity { name } => {
            CommandError::other(format!("ERR wrong number of arguments for '{name}' command"))
        }
        ResolveError::UnknownCommand { .. } | ResolveError::UnknownSubcommand { .. } => {
            not_found(b"Command", command.name())
        }
    })?;
    let Err(denied) = user.check(spec, &command) else {
        context.reply.ok();
        return Ok(());
    };
    let argument = |index| as_c_string(command.get(index).unwrap_or_default());
    let (before, object, after) = match denied {
        Denied::Command => (&b"run"[..], spec.name.as_bytes(), &b"command"[..]),
        Denied::Key(index) => (&b"access"[..], argument(index), &b"key"[..]),
        Denied::Channel(index) => (&b"access"[..], argument(index), &b"channel"[..]),
    };
    context
        .reply
        .bulk([b"This user has no permissions to ", before, b" the '", object, b"' ", after].concat());
    Ok(())
}
