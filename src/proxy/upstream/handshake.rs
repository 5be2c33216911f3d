//! What a new connection says before anything else, and what the answers mean: it logs in, makes sure that the connection before it
//! is gone at the node, chooses its form of replies and its database, and learns its own number.

use super::{Failure, Known, Purpose, Trouble};
use crate::{
    protocol::{Value, Version, encode_command},
    proxy::routing::Login,
};

/// What is said, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    Auth,
    /// Ends the connection before.
    Kill,
    Hello,
    Select,
    Id,
}

/// What an answer says beyond that it is no refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeted {
    Nothing,
    /// The connection before is gone.
    Settled,
    /// The number of this connection at the node.
    Id(i64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Handshake {
    words: Vec<u8>,
    said: Vec<Greeting>,
    answered: usize,
    enters_busy: bool,
    /// Its number is not to be known: it is not what it was to be, and must not be used for anything else.
    is_nameless: bool,
}

impl Handshake {
    pub(super) fn new(login: &Login, purpose: Purpose, stale: Option<&Known>) -> Self {
        let (mut words, mut said) = (Vec::new(), vec![Greeting::Auth]);
        login.encode(&mut words);
        if let Some(stale) = stale {
            encode_command(&mut words, &["CLIENT", "KILL", "ID", &stale.id.to_string(), "USER", &stale.user]);
            said.push(Greeting::Kill);
        }
        if purpose.version == Version::Resp3 {
            encode_command(&mut words, &["HELLO", "3"]);
            said.push(Greeting::Hello);
        }
        if purpose.database != 0 {
            encode_command(&mut words, &["SELECT", &purpose.database.to_string()]);
            said.push(Greeting::Select);
        }
        encode_command(&mut words, &["CLIENT", "ID"]);
        said.push(Greeting::Id);
        Self { words, said, answered: 0, enters_busy: false, is_nameless: false }
    }

    /// It is for ending what keeps a node busy, so that its number may stay unknown.
    pub(super) fn entering_busy(self, enters_busy: bool) -> Self {
        Self { enters_busy, ..self }
    }

    /// What to say.
    pub(super) fn take_words(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.words)
    }

    /// Whether everything has been answered.
    pub(super) fn is_done(&self) -> bool {
        self.answered == self.said.len()
    }

    /// The next answer.
    pub(super) fn greeted(&mut self, reply: &[u8]) -> Result<Greeted, Failure> {
        let Some(&greeting) = self.said.get(self.answered) else {
            return Err(Failure::nonsense("it answered more than it was asked"));
        };
        self.answered += 1;
        let value = Value::decode(reply).ok().flatten().map(|(value, _)| value);
        let value = value.ok_or_else(|| Failure::nonsense("it answered nonsense"))?;
        if let Some(text) = value.as_error() {
            return match greeting {
                // A user that was deleted took its connections along.
                Greeting::Kill if text.contains("No such user") => Ok(Greeted::Settled),
                Greeting::Kill => Ok(Greeted::Nothing),
                // A script keeps it busy, and who ends that must get in. Its number stays unknown.
                Greeting::Select | Greeting::Id if self.enters_busy && text.starts_with("BUSY") => {
                    self.is_nameless = true;
                    Ok(Greeted::Nothing)
                }
                // It says nothing about the login.
                Greeting::Auth if text.starts_with("BUSY") => {
                    Err(Failure::Other(Trouble::Refused(reply.to_vec())))
                }
                Greeting::Auth => Err(Failure::Login(text.into_owned())),
                Greeting::Hello | Greeting::Select | Greeting::Id => {
                    Err(Failure::Other(Trouble::Refused(reply.to_vec())))
                }
            };
        }
        Ok(match (greeting, value.as_i64()) {
            // 1: ended now; 0: it had ended before.
            (Greeting::Kill, Some(_)) => Greeted::Settled,
            (Greeting::Id, Some(id)) if !self.is_nameless => Greeted::Id(id),
            _ => Greeted::Nothing,
        })
    }
}
