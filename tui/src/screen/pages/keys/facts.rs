//! What is told of a key besides its value: type, time to live, size, encoding; and the dialogs that are about a key as a whole.

use redis_cluster::{protocol::Value, time::Millis};

use crate::{
    language::{quote_word, quote_words},
    screen::{
        dialog::Change,
        pages::{Wish, grid::Cell},
        text,
    },
};

/// The facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Such as `hash`.
    pub(super) kind: String,
    /// When it expires; `None`: never.
    pub(super) expires_at: Option<Millis>,
    /// Bytes of memory; `None`: the server does not say.
    pub(super) size: Option<u64>,
    /// Such as `listpack`.
    pub(super) encoding: String,
    told_at: Millis,
}

/// Facts of keys on the screen are asked about again after this time.
const OLD_MS: i64 = 5_000;

impl Facts {
    /// Commands that tell of one key.
    pub(super) const COMMANDS: usize = 4;

    /// These; the key is the last word of the first.
    pub(super) fn questions(key: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let ask = |words: &[&str]| {
            let mut command = super::command(words);
            command.push(key.to_vec());
            command
        };
        vec![ask(&["TYPE"]), ask(&["PTTL"]), ask(&["MEMORY", "USAGE"]), ask(&["OBJECT", "ENCODING"])]
    }

    /// What their replies say; `None`: there is no such key.
    pub(super) fn of(replies: &[Value], now: Millis) -> Option<Self> {
        let [kind, ttl, size, encoding] = replies else { return None };
        let text =
            |value: &Value| value.as_bytes().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let kind = match kind {
            Value::Error(words) => String::from_utf8_lossy(words).into_owned(),
            kind => text(kind),
        };
        if kind == "none" {
            return None;
        }
        let ttl = ttl.as_i64().filter(|&ttl| ttl >= 0);
        Some(Self {
            kind,
            expires_at: ttl.map(|ttl| Millis(now.0.saturating_add(ttl))),
            size: size.as_i64().map(i64::unsigned_abs),
            encoding: text(encoding),
            told_at: now,
        })
    }

    /// It was told so long ago that it is asked about again.
    pub(super) fn is_old(&self, now: Millis) -> bool {
        now.0 - self.told_at.0 > OLD_MS
    }

    /// Milliseconds that were left when it was told.
    pub(super) fn ttl(&self) -> Option<i64> {
        self.expires_at.map(|at| (at.0 - self.told_at.0).max(0))
    }

    /// As cells of a table: type, TTL, size, encoding.
    pub(super) fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.kind),
            self.ttl().map(|ttl| Cell::number(ttl as f64, text::age(ttl))).unwrap_or_default(),
            self.size.map(|size| Cell::number(size as f64, text::short_bytes(size))).unwrap_or_default(),
            Cell::text(&self.encoding),
        ]
    }
}

/// The dialog about a key as a whole.
pub(super) fn change(key: &[u8], facts: Option<&Facts>, wish: Wish) -> Change {
    let mut about = vec![("Key".to_owned(), quote_word(key))];
    if let Some(facts) = facts {
        let size = facts.size.map(|size| format!(", {} bytes", text::thousands(size))).unwrap_or_default();
        let ttl = facts.ttl().map_or_else(|| "for ever".to_owned(), |ttl| format!("{} left", text::age(ttl)));
        about.push(("It is".to_owned(), format!("{}{size}, {ttl}", facts.kind)));
    }
    match wish {
        Wish::Expire => {
            let command = match facts.and_then(Facts::ttl) {
                Some(_) => quote_words(&[b"persist".as_slice(), key]),
                None => quote_words(&[b"expire".as_slice(), key, b"3600"]),
            };
            about.push(("Or".to_owned(), "expire KEY SECONDS, persist KEY".to_owned()));
            Change::new("Change the time to live", about, command, "Change it").to_edit()
        }
        Wish::Rename => {
            about.push(("Note".to_owned(), "renamenx does nothing where the new name is taken".to_owned()));
            let command = quote_words(&[b"renamenx".as_slice(), key, key]);
            Change::new("Rename a key", about, command, "Rename it").to_edit()
        }
        Wish::Delete | Wish::Edit => {
            let command = quote_words(&[b"unlink".as_slice(), key]);
            Change::new("Delete a key", about, command, "Delete it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_gone_has_no_facts_and_changes_are_commands() {
        let replies = |kind: &'static str, ttl: i64| {
            let encoding = Value::Bulk("listpack".into());
            [Value::Simple(kind.into()), Value::Integer(ttl), Value::Integer(2048), encoding]
        };
        assert_eq!(Facts::of(&replies("none", -2), Millis(0)), None);
        let facts = Facts::of(&replies("hash", 90_000), Millis(5_000)).unwrap();
        assert_eq!((facts.ttl(), facts.expires_at), (Some(90_000), Some(Millis(95_000))));
        let texts: Vec<String> = facts.cells().into_iter().map(|cell| cell.text).collect();
        assert_eq!(texts, ["hash", "1m30s", "2.00K", "listpack"]);
        let command = |wish| change(b"a b", Some(&facts), wish).command.value().to_owned();
        assert_eq!(command(Wish::Delete), "unlink \"a b\"");
        assert_eq!(command(Wish::Expire), "persist \"a b\"");
        assert_eq!(command(Wish::Rename), "renamenx \"a b\" \"a b\"");
    }
}
