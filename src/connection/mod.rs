//! The commands about a connection that node and proxy answer by themselves: `PING`, `HELLO`, `AUTH`, `SELECT`, `RESET`, `CLIENT …`. They
//! exist once, so that a client cannot tell the two apart by them.
//!
//! What both know of is here too: who is subscribed to what ([`channels`]), who is told of changed keys ([`tracking`]), what `MONITOR` shows ([`monitor`]) and hides ([`secrets`]), how
//! much may wait for a client ([`output`]), what `CLIENT PAUSE` holds ([`pause`]).
//!
//! A command works on an [`Endpoint`], which is whatever the daemon keeps of a connection, writes one reply, or returns an error
//! having written nothing. Not here: sockets, when a command may run, and what a daemon shows of a connection in `CLIENT LIST`.

pub mod channels;
pub(crate) mod clients;
pub(crate) mod monitor;
pub mod output;
pub mod pause;
pub(crate) mod secrets;
pub mod tracking;

use std::borrow::Cow;

use crate::protocol::{Encoder, Request, Version, number::parse_i64};

/// The version of Redis whose replies are given.
pub const REDIS_VERSION: &str = "7.2.4";

/// Why a command failed, with Redis's text, code first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub Cow<'static, str>);

impl Refusal {
    fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

/// Bytes that a name takes which is kept for a client: it is in a table of the client and in one of all, each with an entry.
#[must_use]
pub const fn held_name(name: &[u8]) -> usize {
    2 * (name.len() + 48)
}

const SYNTAX: Refusal = Refusal(Cow::Borrowed("ERR syntax error"));

/// One reply was written, or nothing.
pub type Outcome = Result<(), Refusal>;

/// A command whose arity was checked.
pub type Command = fn(&mut dyn Endpoint, &Request<'_>, &mut Encoder<'_>) -> Outcome;

/// All of them, by their name in the command table.
pub const COMMANDS: &[(&str, Command)] = &[
    ("auth", auth),
    ("client|getname", clients::getname),
    ("client|getredir", clients::getredir),
    ("client|id", clients::id),
    ("client|info", clients::info),
    ("client|kill", clients::kill),
    ("client|list", clients::list),
    ("client|no-evict", clients::no_evict),
    ("client|no-touch", clients::no_touch),
    ("client|reply", clients::reply),
    ("client|setinfo", clients::setinfo),
    ("client|setname", clients::setname),
    ("client|trackinginfo", clients::trackinginfo),
    ("echo", echo),
    ("hello", hello),
    ("ping", ping),
    ("quit", quit),
    ("reset", reset),
    ("select", select),
];

/// The command of this name.
#[must_use]
pub fn find(name: &str) -> Option<Command> {
    COMMANDS.binary_search_by_key(&name, |(name, _)| name).ok().map(|index| COMMANDS[index].1)
}

/// `CLIENT REPLY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replies {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// Not of this command and the next.
    SkipNext,
    /// Not of this command.
    Skip,
}

impl Replies {
    /// After a command: whether its reply is hidden, and what follows it.
    #[must_use]
    pub fn after(self) -> (bool, Self) {
        match self {
            Self::On => (false, Self::On),
            Self::Off => (true, Self::Off),
            Self::SkipNext => (true, Self::Skip),
            Self::Skip => (true, Self::On),
        }
    }
}

/// What a client calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// `CLIENT SETNAME`.
    Name,
    /// `CLIENT SETINFO LIB-NAME`.
    Library,
    /// `CLIENT SETINFO LIB-VER`.
    LibraryVersion,
}

/// What a client may ask for that its daemon shows in `CLIENT LIST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `CLIENT NO-EVICT`.
    NoEvict,
    /// `CLIENT NO-TOUCH`.
    NoTouch,
}

/// A connection of the daemon, as `CLIENT KILL` looks for it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// `id`.
    pub id: u64,
    /// The client's address.
    pub remote: String,
    /// Ours.
    pub local: String,
    /// Who it is.
    pub user: Vec<u8>,
    /// It has subscriptions.
    pub subscribed: bool,
}

/// How a connection is told of changed keys.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    /// As `CLIENT TRACKINGINFO` has them, `on` left out.
    pub flags: Vec<&'static str>,
    /// Who is told in its place; 0 for nobody.
    pub redirect: i64,
    /// Beginnings of keys.
    pub prefixes: Vec<Vec<u8>>,
}

/// What `AUTH` and `HELLO` need of a connection, and no more: they are possible also while a script has a node's data.
pub trait Entrance {
    /// Its number.
    fn id(&self) -> u64;
    /// Logged in, or need not.
    fn is_authenticated(&self) -> bool;
    /// Whether clients need a password, those of the default user.
    fn needs_password(&self) -> bool;
    /// Logs in, if the password is right.
    fn log_in(&mut self, user: &[u8], password: &[u8]) -> bool;
    /// What it is answered in.
    fn version(&self) -> Version;
    /// Changes that.
    fn set_version(&mut self, version: Version);
    /// Changes what it calls itself.
    fn set_label(&mut self, label: Label, value: &[u8]);
}

/// One connection, and what its daemon has to be asked about it.
pub trait Endpoint: Entrance {
    /// Ends transactions and subscriptions, where there are any.
    fn end_all(&mut self) {}
    /// Whether and how it is told of changed keys; `None` where nobody can be.
    fn tracking(&self) -> Option<Tracking> {
        None
    }
    /// Whether it has subscriptions.
    fn is_subscribed(&self) -> bool {
        false
    }
    /// As it was when it connected.
    fn log_out(&mut self);
    /// Whether there is a user of this name.
    fn knows_user(&self, name: &[u8]) -> bool;
    /// How many databases there are.
    fn databases(&self) -> usize;
    /// Uses one of them.
    fn select(&mut self, database: usize);
    /// Which replies it wants.
    fn replies(&self) -> Replies;
    /// Changes that.
    fn set_replies(&mut self, replies: Replies);
    /// Every command must be answered, and in RESP3: it is a gRPC caller's.
    fn answers_all(&self) -> bool;
    /// What it calls itself.
    fn name(&self) -> Vec<u8>;
    /// Notes what it asks for.
    fn set_wish(&mut self, wish: Wish, on: bool);
    /// Closes it after the replies were sent.
    fn close(&mut self);
    /// All connections of the daemon, oldest first.
    fn listed(&self) -> Vec<Listed>;
    /// The line of a connection in `CLIENT LIST`, without its end.
    fn line(&self, id: u64) -> Option<Vec<u8>>;
    /// Ends another connection at once.
    fn kill(&mut self, id: u64);
}

pub(crate) fn ping(endpoint: &mut dyn Endpoint, request: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    match request.len() {
        1 | 2 if endpoint.is_subscribed() && endpoint.version() == Version::Resp2 => {
            // It has to look like what else comes on such a connection.
            reply.array(2);
            reply.bulk("pong");
            reply.bulk(request.get(1).unwrap_or_default());
        }
        1 => reply.simple("PONG"),
        2 => reply.bulk(request.arg(1)),
        _ => return Err(Refusal::new("ERR wrong number of arguments for 'ping' command")),
    }
    Ok(())
}

pub(crate) fn echo(_: &mut dyn Endpoint, request: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    reply.bulk(request.arg(1));
    Ok(())
}

pub(crate) fn quit(endpoint: &mut dyn Endpoint, _: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    reply.ok();
    endpoint.close();
    Ok(())
}

pub(crate) fn select(endpoint: &mut dyn Endpoint, request: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    let index =
        parse_i64(request.arg(1)).ok_or(Refusal::new("ERR value is not an integer or out of range"))?;
    if i32::try_from(index).is_err() {
        return Err(Refusal::new(format!(
            "ERR value is out of range, value must between {} and {}",
            i32::MIN,
            i32::MAX
        )));
    }
    let index = usize::try_from(index).ok().filter(|&index| index < endpoint.databases());
    endpoint.select(index.ok_or(Refusal::new("ERR DB index is out of range"))?);
    reply.ok();
    Ok(())
}

pub(crate) fn auth(endpoint: &mut dyn Endpoint, request: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    enter_by_auth(endpoint, request, reply)
}

/// `AUTH`, where that may be all that is possible.
pub(crate) fn enter_by_auth(
    endpoint: &mut dyn Entrance,
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
) -> Outcome {
    let (user, password) = match request.len() {
        2 if !endpoint.needs_password() => {
            return Err(Refusal::new(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => (&b"default"[..], request.arg(1)),
        3 => (request.arg(1), request.arg(2)),
        _ => return Err(SYNTAX),
    };
    log_in(endpoint, user, password)?;
    reply.ok();
    Ok(())
}

fn log_in(endpoint: &mut dyn Entrance, user: &[u8], password: &[u8]) -> Outcome {
    if endpoint.log_in(user, password) {
        return Ok(());
    }
    Err(Refusal::new("WRONGPASS invalid username-password pair or user is disabled."))
}

/// The version that `HELLO` asks for.
///
/// # Errors
/// There is none such.
pub fn version_asked(request: &Request<'_>) -> Result<Option<Version>, Refusal> {
    match request.get(1).map(parse_i64) {
        None => Ok(None),
        Some(Some(2)) => Ok(Some(Version::Resp2)),
        Some(Some(3)) => Ok(Some(Version::Resp3)),
        Some(Some(_)) => Err(Refusal::new("NOPROTO unsupported protocol version")),
        Some(None) => Err(Refusal::new("ERR Protocol version is not an integer or out of range")),
    }
}

pub(crate) fn hello(endpoint: &mut dyn Endpoint, request: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    enter_by_hello(endpoint, request, reply)
}

/// `HELLO`, the same.
pub(crate) fn enter_by_hello(
    endpoint: &mut dyn Entrance,
    request: &Request<'_>,
    reply: &mut Encoder<'_>,
) -> Outcome {
    let version = version_asked(request)?;
    // As in Redis, what comes before a wrong option is done.
    let mut at = 2;
    while let Some(option) = request.get(at) {
        match (option.to_ascii_lowercase().as_slice(), request.get(at + 1), request.get(at + 2)) {
            (b"auth", Some(user), Some(password)) => {
                log_in(endpoint, user, password)?;
                at += 3;
            }
            (b"setname", Some(value), _) => {
                clients::set_name(endpoint, value)?;
                at += 2;
            }
            _ => {
                let option = String::from_utf8_lossy(option);
                return Err(Refusal::new(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
    }
    if !endpoint.is_authenticated() {
        return Err(Refusal::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option \
             can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(version) = version {
        endpoint.set_version(version);
        reply.set_version(version);
    }
    reply.map(7);
    reply.bulk("server");
    reply.bulk("redis");
    reply.bulk("version");
    reply.bulk(REDIS_VERSION);
    reply.bulk("proto");
    reply.integer(if endpoint.version() == Version::Resp3 { 3 } else { 2 });
    reply.bulk("id");
    reply.integer(i64::try_from(endpoint.id()).unwrap_or(i64::MAX));
    reply.bulk("mode");
    reply.bulk("standalone");
    reply.bulk("role");
    reply.bulk("master");
    reply.bulk("modules");
    reply.array(0);
    Ok(())
}

pub(crate) fn reset(endpoint: &mut dyn Endpoint, _: &Request<'_>, reply: &mut Encoder<'_>) -> Outcome {
    endpoint.end_all();
    endpoint.select(0);
    if !endpoint.answers_all() {
        endpoint.set_version(Version::Resp2);
        reply.set_version(Version::Resp2);
    }
    endpoint.log_out();
    // `CLIENT REPLY SKIP` before it still hides its reply.
    if endpoint.replies() != Replies::Skip {
        endpoint.set_replies(Replies::On);
    }
    endpoint.set_wish(Wish::NoEvict, false);
    endpoint.set_wish(Wish::NoTouch, false);
    endpoint.set_label(Label::Name, b"");
    reply.simple("RESET");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found() {
        for (name, _) in COMMANDS {
            assert!(find(name).is_some(), "{name} is out of order");
        }
        assert!(find("get").is_none());
    }
}
