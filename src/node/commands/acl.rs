//! ACL: users. What rules there are says [`crate::node::acl`]; what was denied, and what would be, is in [`super::acl_log`].

use std::sync::Arc;

use super::{
    help::help as help_lines,
    support::{Outcome, as_c_string, integer, wrong_subcommand},
};
use crate::{
    command::{Acl, TABLE},
    connection::{channels::Kind, output::Class},
    node::{
        acl::{DEFAULT, User, user::Shown},
        clients::{Client, Signal},
        commands::table::is_implemented,
        context::{CommandError, Context, Flow, Handler},
    },
    protocol::{Encoder, Request},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("acl|cat", cat),
    ("acl|deluser", deluser),
    ("acl|genpass", genpass),
    ("acl|getuser", getuser),
    ("acl|help", help),
    ("acl|list", list),
    ("acl|load", load),
    ("acl|save", save),
    ("acl|setuser", setuser),
    ("acl|users", users),
    ("acl|whoami", whoami),
];

fn setuser(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let changed = context.node.acl.set(request.arg(2), request.args_from(3));
    if let Some(user) = changed.map_err(|error| CommandError::Bytes(error.text()))? {
        close_subscribers(context, &user);
    }
    context.reply.ok();
    Ok(())
}

/// Closes the clients of a user that are subscribed to what it may not be subscribed to any more.
fn close_subscribers(context: &mut Context<'_>, user: &Arc<User>) {
    for client in clients_of(context, user) {
        let may_keep = |(kind, is_pattern)| {
            let names = context.store.channels.names(kind, client.id);
            names.iter().all(|name| user.may_use_channel(name, is_pattern))
        };
        let kinds = [(Kind::Pattern, true), (Kind::Channel, false), (Kind::Shard, false)];
        if client.class() == Class::PubSub && !kinds.into_iter().all(may_keep) {
            close(context, &client);
        }
    }
}

fn clients_of(context: &Context<'_>, user: &Arc<User>) -> Vec<Arc<Client>> {
    let mut clients = context.node.clients.all();
    clients.retain(|client| Arc::ptr_eq(&client.labels().user, user));
    clients
}

/// Closes a client; the caller's own connection after its reply.
fn close(context: &mut Context<'_>, client: &Client) {
    if client.id == context.caller.client.id {
        context.flow = Flow::Close;
    } else {
        client.send(Signal::Kill);
    }
}

/// A user is no more, and neither are its connections.
fn close_all(context: &mut Context<'_>, user: &Arc<User>) {
    for client in clients_of(context, user) {
        close(context, &client);
    }
    if Arc::ptr_eq(&context.caller.user, user) {
        // What follows in a transaction has nobody's rights.
        context.caller.log_in(Arc::clone(context.node.acl.default_user()));
        context.caller.authenticated = false;
        context.flow = Flow::Close;
    }
}

fn getuser(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let reply = &mut context.reply;
    let Some(user) = context.node.acl.user(request.arg(2)) else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply.bulk("flags");
    let flags = user.flag_names();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag));
    reply.bulk("passwords");
    let passwords = user.password_hashes();
    reply.array(passwords.len());
    passwords.iter().for_each(|password| reply.bulk(password));
    let selectors = user.selectors();
    if let Some((root, others)) = selectors.split_first() {
        show(reply, root);
        reply.bulk("selectors");
        reply.array(others.len());
        for selector in others {
            reply.map(3);
            show(reply, selector);
        }
    }
    Ok(())
}

fn show(reply: &mut Encoder<'_>, selector: &Shown) {
    reply.bulk("commands");
    reply.bulk(&selector.commands);
    reply.bulk("keys");
    reply.bulk(&selector.keys);
    reply.bulk("channels");
    reply.bulk(&selector.channels);
}

fn deluser(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if request.args_from(2).any(|name| as_c_string(name) == DEFAULT) {
        return Err(CommandError::other("ERR The 'default' user cannot be removed"));
    }
    let mut removed = 0;
    for name in request.args_from(2) {
        if let Some(user) = context.node.acl.remove(name) {
            removed += 1;
            close_all(context, &user);
        }
    }
    context.reply.integer(removed);
    Ok(())
}

fn list(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let users = context.node.acl.users();
    context.reply.array(users.len());
    users.iter().for_each(|user| context.reply.bulk(user.describe()));
    Ok(())
}

fn users(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let users = context.node.acl.users();
    context.reply.array(users.len());
    users.iter().for_each(|user| context.reply.bulk(user.name()));
    Ok(())
}

fn whoami(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    context.reply.bulk(context.caller.user.name());
    Ok(())
}

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
                       SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
                       order to store users in the Redis configuration.";

fn load(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let path = context.node.config.acl_file().ok_or(CommandError::other(NO_FILE))?;
    let gone = context.node.acl.load(&path);
    for user in gone.map_err(|errors| CommandError::Bytes([b"ERR ", errors.as_slice()].concat()))? {
        close_all(context, &user);
    }
    context.reply.ok();
    Ok(())
}

fn save(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let path = context.node.config.acl_file().ok_or(CommandError::other(NO_FILE))?;
    context.node.acl.save(&path).map_err(|error| {
        tracing::warn!(path, %error, "ACL SAVE failed");
        CommandError::other(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    context.reply.ok();
    Ok(())
}

fn cat(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let reply = &mut context.reply;
    match request.len() {
        2 => {
            reply.array(Acl::all_names().len());
            Acl::all_names().iter().for_each(|name| reply.bulk(name));
        }
        3 => {
            let word = as_c_string(request.arg(2));
            let category = Acl::named(word).ok_or_else(|| {
                let shown = &word[..word.len().min(CATEGORY_SHOWN)];
                CommandError::Bytes([b"ERR Unknown category '", shown, b"'"].concat())
            })?;
            let members: Vec<_> =
                TABLE.iter().filter(|spec| spec.acl.has(category) && is_implemented(spec)).collect();
            reply.array(members.len());
            members.iter().for_each(|spec| reply.bulk(spec.name));
        }
        _ => return Err(wrong_subcommand(request)),
    }
    Ok(())
}

/// Bytes of a category that an error repeats.
const CATEGORY_SHOWN: usize = 128;
/// Of a password.
const BITS_MAX: i64 = 4096;

fn genpass(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let bits = match request.len() {
        2 => 256,
        3 => integer(request.arg(2))?,
        _ => return Err(wrong_subcommand(request)),
    };
    let bits = usize::try_from(bits).ok().filter(|_| (1..=BITS_MAX).contains(&bits)).ok_or_else(|| {
        CommandError::other(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to {BITS_MAX}"
        ))
    })?;
    let digits = bits.div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::other(format!("ERR no random numbers: {error}")))?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    context.reply.bulk(text);
    Ok(())
}

fn help(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        context,
        "ACL",
        &[
            ("CAT [<category>]", "All categories, or the commands of one."),
            ("DELUSER <name> [<name> ...]", "Removes users and closes their connections."),
            (
                "DRYRUN <name> <command> [<arg> ...]",
                "Whether a user might run a command, without running it.",
            ),
            ("GENPASS [<bits>]", "A password that nobody guesses, of 256 bits if not said."),
            ("GETUSER <name>", "What a user may do."),
            ("LIST", "All users with their rules, as lines of an ACL file."),
            ("LOAD", "Reads the ACL file: its users take the place of all others."),
            ("LOG [<count> | RESET]", "What was denied of late."),
            ("SAVE", "Writes all users to the ACL file."),
            ("SETUSER <name> [<rule> ...]", "Makes a user, or changes what it may do: all rules or none."),
            ("USERS", "The names of all users."),
            ("WHOAMI", "The user of this connection."),
        ],
    );
    Ok(())
}
