//! ACL: users. What rules there are says [`crate::acl`], with what proxies answer in the same way; here is what changes users, and what
//! becomes of their connections.

use std::sync::Arc;

use super::{
    help::help as help_lines,
    support::{Outcome, as_c_string},
};
use crate::{
    acl::{DEFAULT, User, answers},
    connection::{channels::Kind, output::Class},
    node::{
        acl_file,
        clients::{Client, Signal},
        commands::table::is_implemented,
        context::{CommandError, Context, Flow, Handler},
    },
    protocol::Request,
    time::Millis,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("acl|cat", cat),
    ("acl|deluser", deluser),
    ("acl|dryrun", dryrun),
    ("acl|genpass", genpass),
    ("acl|getuser", getuser),
    ("acl|help", help),
    ("acl|list", list),
    ("acl|load", load),
    ("acl|log", log),
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
    answers::getuser(&context.node.acl, &request, &mut context.reply);
    Ok(())
}

fn deluser(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if request.args_from(2).any(|name| as_c_string(name) == DEFAULT) {
        return Err(CommandError::other(answers::DEFAULT_STAYS));
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
    answers::list(&context.node.acl, &mut context.reply);
    Ok(())
}

fn users(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    answers::users(&context.node.acl, &mut context.reply);
    Ok(())
}

fn whoami(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    context.reply.bulk(context.caller.user.name());
    Ok(())
}

fn load(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let path = context.node.config.acl_file().ok_or(CommandError::other(answers::NO_FILE))?;
    let gone = acl_file::load(&context.node.acl, &path);
    for user in gone.map_err(|errors| CommandError::Bytes([b"ERR ", errors.as_slice()].concat()))? {
        close_all(context, &user);
    }
    context.reply.ok();
    Ok(())
}

fn save(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let path = context.node.config.acl_file().ok_or(CommandError::other(answers::NO_FILE))?;
    acl_file::save(&context.node.acl, &path).map_err(|error| {
        tracing::warn!(path, %error, "ACL SAVE failed");
        CommandError::other(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    context.reply.ok();
    Ok(())
}

fn cat(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    answers::cat(&request, &mut context.reply, &is_implemented).map_err(CommandError::Bytes)
}

fn genpass(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    answers::genpass(&request, &mut context.reply).map_err(CommandError::Bytes)
}

fn log(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let log = answers::log(&context.node.acl, &request, Millis::now(), &mut context.reply);
    log.map_err(CommandError::Bytes)
}

fn dryrun(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    answers::dryrun(&context.node.acl, &request, &mut context.reply).map_err(CommandError::Bytes)
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
