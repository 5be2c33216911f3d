//! What a user may not do, and what its client is told of that.

use super::log::Reason;
use crate::protocol::Request;

/// What a request must not do, and the argument that is to blame. Of several the greatest counts, as in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// Run this command.
    Command,
    /// Use this key in this way.
    Key(usize),
    /// Use this channel.
    Channel(usize),
}

const RIGHTS_CHANGED: &str = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
                              This command is no longer allowed for the following reason: ";

impl Denied {
    /// The reply to a request for the command of this name, code first.
    #[must_use]
    pub fn text(self, name: &str) -> String {
        match self {
            Self::Command => {
                format!("NOPERM this user has no permissions to run the '{name}' command")
            }
            Self::Key(_) => {
                "NOPERM this user has no permissions to access one of the keys used as arguments".into()
            }
            Self::Channel(_) => {
                "NOPERM this user has no permissions to access one of the channels used as arguments".into()
            }
        }
    }

    /// The same for a request that was queued while it was allowed.
    #[must_use]
    pub fn text_at_exec(self) -> String {
        let why = match self {
            Self::Command => "no permission to execute the command or subcommand",
            Self::Key(_) => "no permission to touch the specified keys",
            Self::Channel(_) => "no permission to access one of the channels used as arguments",
        };
        format!("{RIGHTS_CHANGED}{why}")
    }

    /// What `ACL LOG` says of it: why, and which command, key or channel.
    #[must_use]
    pub fn blamed<'a>(self, name: &'a str, request: &Request<'a>) -> (Reason, &'a [u8]) {
        match self {
            Self::Command => (Reason::Command, name.as_bytes()),
            Self::Key(index) => (Reason::Key, request.get(index).unwrap_or_default()),
            Self::Channel(index) => (Reason::Channel, request.get(index).unwrap_or_default()),
        }
    }
}
