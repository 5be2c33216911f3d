//! From a request to its row, or to the error Redis answers with.

use super::{Spec, lookup};
use crate::protocol::Request;

/// Why a request is of no command. [`ResolveError::text`] is Redis's reply, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// No such command.
    UnknownCommand {
        /// The reply.
        text: Vec<u8>,
    },
    /// The command has subcommands, and not this one.
    UnknownSubcommand {
        /// The reply.
        text: Vec<u8>,
    },
    /// Too few or too many arguments.
    Arity {
        /// Name of the command, as `client|list`.
        name: &'static str,
    },
}

/// Bytes of a name, or of all arguments together, that an error repeats.
const SHOWN_MAX: usize = 128;

impl ResolveError {
    /// The error of a request whose first word is no command.
    #[must_use]
    pub fn unknown(request: &Request<'_>) -> Self {
        let name = request.name();
        let mut shown = Vec::new();
        for arg in request.args_from(1) {
            if shown.len() >= SHOWN_MAX {
                break;
            }
            let room = SHOWN_MAX - shown.len();
            shown.push(b'\'');
            shown.extend_from_slice(printed(arg, room));
            shown.extend_from_slice(b"' ");
        }
        let name = printed(name, SHOWN_MAX);
        Self::UnknownCommand {
            text: [b"ERR unknown command '", name, b"', with args beginning with: ", &shown].concat(),
        }
    }

    /// The error of a command of the table that `redis_node` does not have, with the reason. It begins as Redis's own does,
    /// because clients look for that.
    #[must_use]
    pub fn absent(spec: &Spec, reason: &str) -> Self {
        match spec.name.split_once('|') {
            Some((container, word)) => {
                let container = container.to_ascii_uppercase();
                let text = format!(
                    "ERR unknown subcommand '{word}' of {container}: Redis has it, redis_node does not: {reason}"
                );
                Self::UnknownSubcommand { text: text.into() }
            }
            None => {
                let text = format!(
                    "ERR unknown command '{}': Redis has it, redis_node does not: {reason}",
                    spec.name
                );
                Self::UnknownCommand { text: text.into() }
            }
        }
    }

    /// The error of a subcommand that `container` does not have.
    #[must_use]
    pub fn unknown_subcommand(container: &[u8], word: &[u8]) -> Self {
        let (word, upper) = (printed(word, SHOWN_MAX), container.to_ascii_uppercase());
        Self::UnknownSubcommand {
            text: [b"ERR unknown subcommand '", word, b"'. Try ", &upper, b" HELP."].concat(),
        }
    }

    /// The reply, error code first.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        match self {
            Self::UnknownCommand { text } | Self::UnknownSubcommand { text } => text.clone(),
            // Whatever is wrong with EXEC, the transaction is over.
            Self::Arity { name: name @ "exec" } => format!(
                "EXECABORT Transaction discarded because of: wrong number of arguments for '{name}' command"
            )
            .into_bytes(),
            Self::Arity { name } => {
                format!("ERR wrong number of arguments for '{name}' command").into_bytes()
            }
        }
    }
}

impl std::fmt::Display for ResolveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl std::error::Error for ResolveError {}

/// What `%.*s` of C prints: `max` bytes, and nothing from a NUL on.
fn printed(bytes: &[u8], max: usize) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(max)];
    &bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())]
}

/// The error of words that the subcommand in argument 1 has no use for, or of too few of them.
#[must_use]
pub fn misused_subcommand(request: &Request<'_>) -> Vec<u8> {
    let (word, upper) = (printed(request.arg(1), SHOWN_MAX), request.name().to_ascii_uppercase());
    [b"ERR unknown subcommand or wrong number of arguments for '", word, b"'. Try ", &upper, b" HELP."]
        .concat()
}

/// The row that a request is for: of its subcommand, if the command has such. The arity is checked.
///
/// # Errors
/// Unknown command, unknown subcommand, or wrong number of arguments, in this order.
pub fn resolve(request: &Request<'_>) -> Result<&'static Spec, ResolveError> {
    let spec = find(request)?;
    if spec.accepts(request.len()) { Ok(spec) } else { Err(ResolveError::Arity { name: spec.name }) }
}

/// The row that a request is for, whatever its arity.
pub(super) fn find(request: &Request<'_>) -> Result<&'static Spec, ResolveError> {
    let spec = lookup(request.name()).ok_or_else(|| ResolveError::unknown(request))?;
    match request.get(1) {
        Some(word) if !spec.subcommands().is_empty() => {
            spec.subcommand(word).ok_or_else(|| ResolveError::unknown_subcommand(request.name(), word))
        }
        _ => Ok(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::TABLE, *};
    use crate::protocol::{Batch, Limits};

    fn outcome(words: &[&[u8]]) -> String {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        let mut batch = Batch::default();
        batch.parse(&bytes, &Limits::default()).unwrap();
        match resolve(&batch.get(0, &bytes)) {
            Ok(spec) => spec.name.to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn rows_and_errors() {
        assert_eq!(outcome(&[b"GeT", b"k"]), "get");
        assert_eq!(outcome(&[b"client", b"LIST"]), "client|list");
        assert_eq!(outcome(&[b"command"]), "command");
        assert_eq!(outcome(&[b"get"]), "ERR wrong number of arguments for 'get' command");
        assert_eq!(outcome(&[b"client"]), "ERR wrong number of arguments for 'client' command");
        assert_eq!(
            outcome(&[b"client", b"id", b"x"]),
            "ERR wrong number of arguments for 'client|id' command"
        );
        assert_eq!(outcome(&[b"Client", b"Foo"]), "ERR unknown subcommand 'Foo'. Try CLIENT HELP.");
        assert_eq!(
            outcome(&[b"Foo", b"a\0z", b"b c"]),
            "ERR unknown command 'Foo', with args beginning with: 'a' 'b c' "
        );
        assert_eq!(outcome(&[b"foo"]), "ERR unknown command 'foo', with args beginning with: ");
    }

    #[test]
    fn what_a_node_does_not_have_is_named_with_the_reason() {
        for (name, text) in [
            ("hset", "ERR unknown command 'hset': Redis has it, redis_node does not: not yet"),
            (
                "latency|doctor",
                "ERR unknown subcommand 'doctor' of LATENCY: Redis has it, redis_node does not: not yet",
            ),
        ] {
            let spec = TABLE.iter().find(|spec| spec.name == name).unwrap();
            assert_eq!(ResolveError::absent(spec, "not yet").to_string(), text);
        }
    }

    #[test]
    fn long_names_are_cut() {
        let long = [b'x'; 200];
        let cut = "x".repeat(128);
        assert_eq!(
            outcome(&[&long, &long[..100], &long]),
            format!(
                "ERR unknown command '{cut}', with args beginning with: '{}' '{}' ",
                &cut[..100],
                &cut[..25]
            )
        );
        assert_eq!(outcome(&[b"client", &long]), format!("ERR unknown subcommand '{cut}'. Try CLIENT HELP."));
    }
}
