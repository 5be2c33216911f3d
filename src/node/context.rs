//! What a command gets to work with, and how it fails.

use crate::{
    node::{
        caller::{Caller, Origin},
        commands::table::Row,
        keyspace::{Place, WrongType},
        state::NodeState,
        store::Store,
    },
    protocol::{Encoder, Request},
    time::Millis,
};

/// Everything a command may touch. Commands run one at a time: the store is theirs until they return.
#[derive(Debug)]
pub struct Context<'a> {
    /// The data, and what changes with it.
    pub store: &'a mut Store,
    /// Who asks.
    pub caller: &'a mut Caller,
    /// What is the same for all connections: configuration, clients, statistics.
    pub node: &'a NodeState,
    /// When the batch began; the one clock of the command.
    pub now: Millis,
    /// The place of argument 1, if the batch computed it before the store was locked.
    pub place: Option<Place>,
    /// The command's row.
    pub row: &'static Row,
    /// What follows for whoever asked.
    pub flow: Flow,
    /// Where the reply goes.
    pub reply: Encoder<'a>,
}

impl Context<'_> {
    /// Whether anybody keeps what commands do; only then is there something to tell.
    #[inline]
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.store.effects.is_heard()
    }

    /// What the command did is what this request does. Several may be told.
    #[cold]
    pub fn tell(&mut self, words: &[&[u8]]) {
        // What had expired went before the command did anything.
        self.store.tell_gone(self.node);
        self.store.effects.tell(self.caller.database, words);
    }

    /// What the command did is to be told although it may have changed nothing.
    pub fn tell_as_it_is(&mut self, request: Request<'_>) {
        if self.is_heard() {
            let words: Vec<&[u8]> = request.args().collect();
            self.tell(&words);
        }
    }

    /// Whether a key that is to expire then goes at once. When a journal is read none does: whatever was done to it afterwards
    /// is still to come.
    #[must_use]
    pub fn is_past(&self, expiry: Millis) -> bool {
        expiry <= self.now && self.caller.origin != Origin::Load
    }

    /// What a journal is told when a key goes because its time has come.
    #[must_use]
    pub fn expired_as(&self) -> &'static [u8] {
        if self.node.config.frees_expired_lazily() { b"UNLINK" } else { b"DEL" }
    }

    /// What the command did is not to be told.
    pub fn tell_nothing(&mut self) {
        self.store.effects.tell_nothing();
    }
}

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next one.
    Replied,
    /// Nothing: the connection closes once the replies are sent.
    Close,
    /// Nothing yet: the client waits, as long as [`Caller::patience`] says. No reply was written.
    Blocked,
    /// Nothing yet: the command runs aside, and [`Caller::away`] is where its caller comes back. No reply was written.
    Aside,
    /// The same command again, once clients are no longer paused: at this time at the latest. It did not run.
    Paused(Millis),
    /// The same command again, with room for so many more bytes; nothing was written or changed.
    Room(usize),
}

/// Runs a command whose arity was checked: writes exactly one reply, or returns an error having changed nothing.
pub type Handler = fn(&mut Context<'_>, Request<'_>) -> Result<(), CommandError>;

/// Why a command failed, with Redis's texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Arguments do not fit together.
    #[error("ERR syntax error")]
    Syntax,
    /// The key holds another type.
    #[error(transparent)]
    WrongType(#[from] WrongType),
    /// Not an integer of 64 bits.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// Not a float.
    #[error("ERR value is not a valid float")]
    NotFloat,
    /// The key must exist.
    #[error("ERR no such key")]
    NoSuchKey,
    /// Any other text, code first.
    #[error("{0}")]
    Other(std::borrow::Cow<'static, str>),
    /// The same with bytes in it that need not be text.
    #[error("{}", String::from_utf8_lossy(.0))]
    Bytes(Vec<u8>),
    /// The same, of a command that a script called: it has been counted.
    #[error("{}", String::from_utf8_lossy(.0))]
    Counted(Vec<u8>),
}

impl CommandError {
    /// What is written, code first.
    #[must_use]
    pub fn reply(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) | Self::Counted(bytes) => bytes.clone(),
            other => other.to_string().into_bytes(),
        }
    }

    /// An error with its own text, code first.
    pub fn other(text: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::Other(text.into())
    }
}
