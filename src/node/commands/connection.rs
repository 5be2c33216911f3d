//! The connection itself: PING, HELLO, AUTH, SELECT, RESET, most of CLIENT. What they do is in [`crate::connection`]; here is what a
//! node keeps of a connection.

use super::{help::help as help_lines, support::Outcome};
use crate::{
    connection::{self, Command, Endpoint, Entrance, Label, Listed, Replies, Tracking, Wish, output::Class},
    node::{
        caller::Caller,
        clients::{NO_EVICT, NO_TOUCH, Signal},
        context::{CommandError, Context, Flow, Handler},
        exec::admit::note_login,
        state::NodeState,
        store::Store,
    },
    protocol::{Request, Version},
    time::Millis,
};

/// A handler for each command, which knows it without looking for it.
macro_rules! handlers {
    ($($name:literal => $command:path),* $(,)?) => {
        &[("client|help", help), $(($name, |context, request| run(context, request, $command))),*]
    };
}

pub(super) const HANDLERS: &[(&str, Handler)] = handlers![
    "auth" => connection::auth,
    "client|getname" => connection::clients::getname,
    "client|getredir" => connection::clients::getredir,
    "client|id" => connection::clients::id,
    "client|info" => connection::clients::info,
    "client|kill" => connection::clients::kill,
    "client|list" => connection::clients::list,
    "client|no-evict" => connection::clients::no_evict,
    "client|no-touch" => connection::clients::no_touch,
    "client|reply" => connection::clients::reply,
    "client|setinfo" => connection::clients::setinfo,
    "client|setname" => connection::clients::setname,
    "client|trackinginfo" => connection::clients::trackinginfo,
    "echo" => connection::echo,
    "hello" => connection::hello,
    "ping" => connection::ping,
    "quit" => connection::quit,
    "reset" => connection::reset,
    "select" => connection::select,
];

fn run(context: &mut Context<'_>, request: Request<'_>, command: Command) -> Outcome {
    let databases = context.store.keyspace.databases();
    let mut here = Here {
        at: Entering { caller: context.caller, node: context.node, word: request.name() },
        store: context.store,
        now: context.now,
        databases,
        closes: false,
    };
    let outcome = command(&mut here, &request, &mut context.reply);
    if here.closes {
        context.flow = Flow::Close;
    }
    outcome.map_err(|refusal| CommandError::other(refusal.0))
}

/// A connection, and the node it is to: what is there also while a script has the data.
pub(in crate::node) struct Entering<'a> {
    pub(in crate::node) caller: &'a mut Caller,
    pub(in crate::node) node: &'a NodeState,
    /// The command, as the client wrote it.
    pub(in crate::node) word: &'a [u8],
}

impl Entrance for Entering<'_> {
    fn id(&self) -> u64 {
        self.caller.client.id
    }

    fn is_authenticated(&self) -> bool {
        self.caller.authenticated || !self.node.acl.login_required()
    }

    fn needs_password(&self) -> bool {
        !self.node.acl.default_user().needs_no_password()
    }

    fn log_in(&mut self, user: &[u8], password: &[u8]) -> bool {
        match self.node.acl.log_in(user, password) {
            Some(user) => self.caller.log_in(user),
            None => {
                note_login(self.word, user, self.caller, self.node);
                return false;
            }
        }
        true
    }

    fn version(&self) -> Version {
        self.caller.version
    }

    fn set_version(&mut self, version: Version) {
        self.caller.set_version(version);
    }

    fn set_label(&mut self, label: Label, value: &[u8]) {
        let mut labels = self.caller.client.labels();
        let place = match label {
            Label::Name => &mut labels.name,
            Label::Library => &mut labels.library,
            Label::LibraryVersion => &mut labels.library_version,
        };
        *place = value.to_vec();
    }
}

/// The same with the data.
struct Here<'a> {
    at: Entering<'a>,
    store: &'a mut Store,
    now: Millis,
    databases: usize,
    /// The connection is to be closed after the reply.
    closes: bool,
}

impl Entrance for Here<'_> {
    fn id(&self) -> u64 {
        self.at.id()
    }

    fn is_authenticated(&self) -> bool {
        self.at.is_authenticated()
    }

    fn needs_password(&self) -> bool {
        self.at.needs_password()
    }

    fn log_in(&mut self, user: &[u8], password: &[u8]) -> bool {
        self.at.log_in(user, password)
    }

    fn version(&self) -> Version {
        self.at.version()
    }

    fn set_version(&mut self, version: Version) {
        self.at.set_version(version);
    }

    fn set_label(&mut self, label: Label, value: &[u8]) {
        self.at.set_label(label, value);
    }
}

impl Endpoint for Here<'_> {
    fn end_all(&mut self) {
        self.at.caller.end_transaction(self.store);
        self.store.unsubscribe_all(self.at.caller);
        self.store.untrack(self.at.caller);
        self.store.end_monitor(self.at.caller);
    }

    fn tracking(&self) -> Option<Tracking> {
        let state = self.store.tracking.state(self.at.caller.client.id)?;
        Some(state.options.shown(state.caching, state.broken_redirect))
    }

    fn is_subscribed(&self) -> bool {
        self.at.caller.subscribed
    }

    fn log_out(&mut self) {
        let acl = &self.at.node.acl;
        self.at.caller.log_in(acl.default_user().clone());
        self.at.caller.authenticated = !acl.login_required();
    }

    fn knows_user(&self, name: &[u8]) -> bool {
        self.at.node.acl.user(name).is_some()
    }

    fn databases(&self) -> usize {
        self.databases
    }

    fn select(&mut self, database: usize) {
        self.at.caller.select(database);
    }

    fn replies(&self) -> Replies {
        self.at.caller.replies
    }

    fn set_replies(&mut self, replies: Replies) {
        self.at.caller.replies = replies;
    }

    fn answers_all(&self) -> bool {
        self.at.caller.answers_all
    }

    fn name(&self) -> Vec<u8> {
        self.at.caller.client.labels().name.clone()
    }

    fn set_wish(&mut self, wish: Wish, on: bool) {
        let flag = match wish {
            Wish::NoEvict => NO_EVICT,
            Wish::NoTouch => {
                self.at.caller.no_touch = on;
                NO_TOUCH
            }
        };
        self.at.caller.client.set_flag(flag, on);
    }

    fn close(&mut self) {
        self.closes = true;
    }

    fn listed(&self) -> Vec<Listed> {
        let clients = self.at.node.clients.all();
        clients
            .iter()
            .map(|client| Listed {
                id: client.id,
                remote: client.addresses.remote.to_string(),
                local: client.addresses.local.to_string(),
                user: client.labels().user.name().to_vec(),
                subscribed: client.class() == Class::PubSub,
            })
            .collect()
    }

    fn line(&self, id: u64) -> Option<Vec<u8>> {
        if id == self.at.caller.client.id {
            // Also of a gRPC caller, which is not in the list.
            return Some(self.at.caller.client.describe(self.now));
        }
        self.at.node.clients.get(id).map(|client| client.describe(self.now))
    }

    fn kill(&mut self, id: u64) {
        if let Some(client) = self.at.node.clients.get(id) {
            client.send(Signal::Kill);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_all_commands_about_a_connection() {
        let ours: Vec<&str> =
            HANDLERS.iter().map(|(name, _)| *name).filter(|name| *name != "client|help").collect();
        let all: Vec<&str> = connection::COMMANDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(ours, all);
    }
}
