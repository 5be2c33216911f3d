//! ACL: users. What rules there are says [`crate::node::acl`].

use super::{
    help::help as help_lines,
    support::{Outcome, wrong_subcommand},
};
use crate::{
    command::{Acl, TABLE},
    node::{
        acl::DEFAULT,
        clients::Signal,
        commands::table::is_implemented,
        context::{CommandError, Context, Flow, Handler},
    },
    protocol::Request,
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("acl|cat", cat),
    ("acl|deluser", deluser),
    ("acl|getuser", getuser),
    ("acl|help", help),
    ("acl|list", list),
    ("acl|setuser", setuser),
    ("acl|users", users),
    ("acl|whoami", whoami),
];

fn setuser(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    context.node.acl.set(request.arg(2), request.args_from(3)).map_err(CommandError::other)?;
    context.reply.ok();
    Ok(())
}

fn getuser(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let reply = &mut context.reply;
    let Some(user) = context.node.acl.user(request.arg(2)) else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply.bulk("flags");
    reply.set(user.flag_names().count());
    for flag in user.flag_names() {
        reply.bulk(flag);
    }
    reply.bulk("passwords");
    let passwords = user.password_hashes();
    reply.array(passwords.len());
    for password in passwords {
        reply.bulk(password);
    }
    reply.bulk("commands");
    reply.bulk(user.commands());
    reply.bulk("keys");
    reply.bulk(user.keys());
    reply.bulk("channels");
    reply.bulk(user.channels());
    reply.bulk("selectors");
    reply.array(0);
    Ok(())
}

fn deluser(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    if request.args_from(2).any(|name| name == DEFAULT) {
        return Err(CommandError::other("ERR The 'default' user cannot be removed"));
    }
    let mut removed = 0;
    for name in request.args_from(2) {
        if !context.node.acl.remove(name) {
            continue;
        }
        removed += 1;
        for client in context.node.clients.all() {
            if client.labels().user.name() != name {
                continue;
            }
            if client.id == context.caller.client.id {
                context.flow = Flow::Close;
            } else {
                client.send(Signal::Kill);
            }
        }
    }
    context.reply.integer(removed);
    Ok(())
}

fn list(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let users = context.node.acl.users();
    context.reply.array(users.len());
    for user in users {
        context.reply.bulk([&b"user "[..], &user.describe()].concat());
    }
    Ok(())
}

fn users(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let users = context.node.acl.users();
    context.reply.array(users.len());
    for user in users {
        context.reply.bulk(user.name());
    }
    Ok(())
}

fn whoami(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    let user = context.caller.user.clone();
    context.reply.bulk(user.name());
    Ok(())
}

fn cat(context: &mut Context<'_>, request: Request<'_>) -> Outcome {
    let reply = &mut context.reply;
    match request.len() {
        2 => {
            reply.array(Acl::all_names().len());
            for name in Acl::all_names() {
                reply.bulk(name);
            }
        }
        3 => {
            let category = Acl::named(request.arg(2)).ok_or_else(|| {
                let word = String::from_utf8_lossy(request.arg(2)).into_owned();
                CommandError::other(format!("ERR Unknown category '{word}'"))
            })?;
            let members: Vec<_> =
                TABLE.iter().filter(|spec| spec.acl.has(category) && is_implemented(spec)).collect();
            reply.array(members.len());
            for spec in members {
                reply.bulk(spec.name);
            }
        }
        _ => return Err(wrong_subcommand(request)),
    }
    Ok(())
}

fn help(context: &mut Context<'_>, _: Request<'_>) -> Outcome {
    help_lines(
        context,
        "ACL",
        &[
            ("CAT [<category>]", "All categories, or the commands of one."),
            ("DELUSER <name> [<name> ...]", "Removes users and closes their connections."),
            ("GETUSER <name>", "What a user may do."),
            ("LIST", "All users with their rules."),
            (
                "SETUSER <name> [<rule> ...]",
                "Makes or changes a user: on, off, >password, <password, #hash, !hash, nopass, resetpass, ~*, &*, +@all, \
                 -@all, resetkeys, resetchannels, reset.",
            ),
            ("USERS", "The names of all users."),
            ("WHOAMI", "The user of this connection."),
        ],
    );
    Ok(())
}
