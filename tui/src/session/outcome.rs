//! What became of a command.

use std::time::Duration;

use redis_cluster::{id::ProxyId, protocol::Value};

pub use crate::format::table::Table;

/// What became of a command, ready to be shown by any face.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What to show.
    pub body: Body,
    /// How it went.
    pub status: Status,
    /// What the operator should know besides; for stderr.
    pub notes: Vec<String>,
    /// From asking to the answer.
    pub took: Duration,
    /// The proxy that answered, where one did.
    pub via: Option<ProxyId>,
    /// The reply is text with a form of its own (INFO, CLIENT LIST …): shown as it is, also to people.
    pub verbatim: bool,
}

/// What a command gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Nothing to show.
    Nothing,
    /// The reply of a server; error replies too.
    Reply(Value),
    /// Rows.
    Table(Table),
    /// Lines for people.
    Text(String),
    /// A document: one line of JSON, laid out for people.
    Document(serde_json::Value),
    /// Why it failed, when it was not a server that said so.
    Failure(String),
}

/// How a command went: the exit status of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// It ran, and there was no error reply.
    #[default]
    Done,
    /// An error reply.
    ErrorReply,
    /// It was not understood.
    Usage,
    /// Neither the registry nor any member could be reached.
    Unreachable,
    /// It was refused: read-only, a confirmation is missing, the cluster changed meanwhile.
    Refused,
    /// It took longer than allowed.
    TimedOut,
    /// The terminal went away.
    HungUp,
    /// Ctrl-C.
    Interrupted,
    /// Nobody reads the output any more.
    BrokenPipe,
    /// SIGTERM.
    Terminated,
    /// What `:exit` said.
    Chosen(u8),
}

impl Status {
    /// The exit status of the program.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::ErrorReply => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Refused => 4,
            Self::TimedOut => 124,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::BrokenPipe => 141,
            Self::Terminated => 143,
            Self::Chosen(code) => code,
        }
    }

    /// The status of a script in which both happened: the one an operator should hear of first.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        const ORDER: [Status; 5] =
            [Status::TimedOut, Status::Unreachable, Status::Refused, Status::Usage, Status::ErrorReply];
        ORDER.into_iter().find(|status| [self, other].contains(status)).unwrap_or(self)
    }
}

impl Outcome {
    /// Done, with this to show.
    #[must_use]
    pub fn done(body: Body) -> Self {
        Self {
            body,
            status: Status::Done,
            notes: Vec::new(),
            took: Duration::ZERO,
            via: None,
            verbatim: false,
        }
    }

    /// A reply; an error reply makes the status [`Status::ErrorReply`].
    #[must_use]
    pub fn reply(value: Value) -> Self {
        let status = if matches!(value, Value::Error(_)) { Status::ErrorReply } else { Status::Done };
        Self { status, ..Self::done(Body::Reply(value)) }
    }

    /// It did not work.
    #[must_use]
    pub fn failure(status: Status, text: impl Into<String>) -> Self {
        Self { status, ..Self::done(Body::Failure(text.into())) }
    }

    /// The error text, of a server or of ours.
    #[must_use]
    pub fn error_text(&self) -> Option<String> {
        match &self.body {
            Body::Failure(text) => Some(text.clone()),
            Body::Reply(value) => value.as_error().map(std::borrow::Cow::into_owned),
            Body::Nothing | Body::Table(_) | Body::Text(_) | Body::Document(_) => None,
        }
    }

    /// With a note for the operator.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_documentation() {
        let codes = [
            (Status::Done, 0),
            (Status::ErrorReply, 1),
            (Status::Usage, 2),
            (Status::Unreachable, 3),
            (Status::Refused, 4),
            (Status::TimedOut, 124),
            (Status::HungUp, 129),
            (Status::Interrupted, 130),
            (Status::BrokenPipe, 141),
            (Status::Terminated, 143),
        ];
        for (status, code) in codes {
            assert_eq!(status.code(), code, "{status:?}");
        }
    }

    #[test]
    fn the_worse_status_wins_whatever_the_order() {
        assert_eq!(Status::Done.worse(Status::ErrorReply), Status::ErrorReply);
        assert_eq!(Status::Refused.worse(Status::ErrorReply), Status::Refused);
        assert_eq!(Status::ErrorReply.worse(Status::Refused), Status::Refused);
        assert_eq!(Status::Done.worse(Status::Done), Status::Done);
    }
}
