//! Users of the whole cluster, as they stand in the registry: `acl/NAME`, each with its rules as a line of an ACL file. Proxies enforce
//! them. Passwords are in it as hashes only. Not here: what rules mean.

use serde::{Deserialize, Serialize};

use super::records::{Unreadable, keys};
use crate::{protocol::quote, time::Millis};

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    #[serde(flatten)]
    line: Line,
    /// When it was changed last, milliseconds since 1970.
    pub changed_at_ms: i64,
    /// By whom: `proxy 1`.
    pub changed_by: String,
}

/// As `ACL LIST` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// Text.
    Rules(String),
    /// Names or patterns are not UTF-8: quoted as redis-cli does it.
    QuotedRules(String),
}

impl UserRecord {
    /// Of a line.
    #[must_use]
    pub fn new(line: Vec<u8>, now: Millis, changed_by: String) -> Self {
        let line = String::from_utf8(line)
            .map_or_else(|error| Line::QuotedRules(quote::repr(error.as_bytes())), Line::Rules);
        Self { line, changed_at_ms: now.0, changed_by }
    }

    /// The line.
    ///
    /// # Errors
    /// The quotes are not right.
    pub fn line(&self, key: &str) -> Result<Vec<u8>, Unreadable> {
        match &self.line {
            Line::Rules(line) => Ok(line.clone().into_bytes()),
            Line::QuotedRules(quoted) => match quote::split(quoted.as_bytes()).as_deref() {
                Ok([line]) => Ok(line.clone()),
                _ => {
                    Err(Unreadable { key: key.to_owned(), reason: "quoted_rules is no quoted string".into() })
                }
            },
        }
    }
}

/// `acl/NAME`: all but letters, digits and `-._` of the name as `%` and two digits.
#[must_use]
pub fn key(name: &[u8]) -> String {
    let mut key = keys::ACL.to_owned();
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            key.push(char::from(byte));
        } else {
            key.push_str(&format!("%{byte:02X}"));
        }
    }
    key
}

/// The name in such a key.
#[must_use]
pub fn name_of(key: &str) -> Option<Vec<u8>> {
    let mut rest = key.strip_prefix(keys::ACL)?.as_bytes();
    let mut name = Vec::new();
    while let Some((&byte, behind)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
            name.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &behind[2..];
        } else {
            name.push(byte);
            rest = behind;
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::{parse_value, to_json};

    #[test]
    fn records_are_text_that_can_be_read() {
        let record = |line: &[u8]| UserRecord::new(line.to_vec(), Millis(7), "proxy 1".into());
        let line = b"user alice on nopass ~app:* resetchannels -@all +get";
        let json = to_json(&record(line));
        assert_eq!(
            String::from_utf8(json.clone()).unwrap(),
            r#"{"rules":"user alice on nopass ~app:* resetchannels -@all +get","changed_at_ms":7,"changed_by":"proxy 1"}"#
        );
        for line in [&line[..], b"user \xff on ~\"\xfe\\*\" -@all"] {
            let json = to_json(&record(line));
            let again: UserRecord = parse_value("acl/alice", &json).unwrap();
            assert_eq!(again.line("acl/alice").unwrap(), line);
        }
        let broken: UserRecord =
            parse_value("acl/x", br#"{"quoted_rules":"\"x","changed_at_ms":7,"changed_by":"me"}"#).unwrap();
        assert!(broken.line("acl/x").unwrap_err().to_string().starts_with("acl/x is not readable"));
    }

    #[test]
    fn names_of_any_bytes_are_keys() {
        for (name, expected) in [
            (&b"alice"[..], "acl/alice"),
            (b"a/b%", "acl/a%2Fb%25"),
            (b"\xff-._", "acl/%FF-._"),
            (b"", "acl/"),
        ] {
            assert_eq!(key(name), expected);
            assert_eq!(name_of(expected).as_deref(), Some(name));
        }
        for wrong in ["nodes/1", "acl/%", "acl/%4", "acl/%zz"] {
            assert_eq!(name_of(wrong), None, "{wrong}");
        }
    }
}
