//! Rules as words of a command or of the ACL file: how they are put together, and what is wrong with them in Redis's words.

use std::borrow::Cow;

use crate::protocol::quote::c_string;

/// Why a rule does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No command or category of this name.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// No such rule, or a pattern with a space in it.
    #[error("Syntax error")]
    Syntax,
    /// All keys are allowed already.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    AllKeys,
    /// All channels are.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try \
         'resetchannels' to start with an empty list of channels"
    )]
    AllChannels,
    /// A password that is not there cannot be taken away.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// No SHA-256 in hexadecimal digits.
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    NotHash,
    /// First arguments are for commands that have no subcommands.
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
}

/// Why `ACL SETUSER` changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// The name has a space in it.
    Name,
    /// A selector has no end; here it begins.
    Unmatched(Vec<u8>),
    /// A rule does not apply.
    Rule {
        /// As it was given.
        rule: Vec<u8>,
        /// What is wrong with it.
        reason: RuleError,
    },
}

impl SetError {
    /// The reply, code first.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        match self {
            Self::Name => b"ERR Usernames can't contain spaces or null characters".to_vec(),
            Self::Unmatched(start) => {
                [b"ERR Unmatched parenthesis in acl selector starting at '", c_string(start), b"'."].concat()
            }
            Self::Rule { rule, reason } => {
                let reason = reason.to_string();
                [b"ERR Error in ACL SETUSER modifier '", c_string(rule), b"': ", reason.as_bytes()].concat()
            }
        }
    }
}

/// Whether a name or a pattern has something in it that would make lines of the ACL file ambiguous.
pub(super) fn has_space(text: &[u8]) -> bool {
    text.iter().any(|&byte| matches!(byte, 0 | 9..=13 | b' '))
}

/// Puts selectors together that were split at their spaces.
///
/// # Errors
/// The word that begins a selector without an end.
pub(super) fn merge<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Cow<'a, [u8]>>, &'a [u8]> {
    let mut merged = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        let ends = word.last() == Some(&b')');
        if word.first() == Some(&b'(') && !ends {
            // One that begins inside of another takes its place, as in Redis.
            open = Some((word, word.to_vec()));
        } else if let Some((start, mut selector)) = open.take() {
            selector.push(b' ');
            selector.extend_from_slice(c_string(word));
            if ends {
                merged.push(selector.into());
            } else {
                open = Some((start, selector));
            }
        } else {
            merged.push(word.into());
        }
    }
    match open {
        Some((start, _)) => Err(start),
        None => Ok(merged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(words: &[&str]) -> Result<Vec<String>, String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        merge(words.iter().map(|word| word.as_bytes()))
            .map(|words| words.iter().map(|word| text(word)).collect())
            .map_err(text)
    }

    #[test]
    fn selectors_are_put_together() {
        assert_eq!(
            merged(&["on", "(+get", "~a", "~b)", "(+set)", ""]).unwrap(),
            ["on", "(+get ~a ~b)", "(+set)", ""]
        );
        assert_eq!(merged(&["(a", "(b", "c)"]).unwrap(), ["(b c)"]);
        assert_eq!(merged(&["on", "(+get", "~a"]).unwrap_err(), "(+get");
        assert_eq!(merged(&["("]).unwrap_err(), "(");
    }

    #[test]
    fn errors_name_the_rule() {
        let error = SetError::Rule { rule: b"foo\0bar".to_vec(), reason: RuleError::Syntax };
        assert_eq!(error.text(), b"ERR Error in ACL SETUSER modifier 'foo': Syntax error");
        assert_eq!(
            SetError::Unmatched(b"(x".to_vec()).text(),
            b"ERR Unmatched parenthesis in acl selector starting at '(x'."
        );
    }
}
