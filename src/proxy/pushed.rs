//! What a node sends without being asked, taken apart as far as it takes to know whom it is for. Bytes only.

use super::merge::elements::{Elements, string};
use crate::{
    connection::{
        channels::Kind,
        output::{Class, Limits},
    },
    slot::SlotId,
};

/// A message of RESP3, whose first byte is `>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pushed<'a> {
    /// For those who are subscribed to `name`.
    Message { kind: Kind, name: &'a [u8], channel: &'a [u8], payload: &'a [u8] },
    /// These keys have changed; none: all.
    Changed(Option<Vec<&'a [u8]>>),
    /// Confirmations, and what nobody here asked for.
    Other,
}

impl<'a> Pushed<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self::parse(message).unwrap_or(Self::Other)
    }

    fn parse(message: &'a [u8]) -> Option<Self> {
        let mut elements = Elements::of(message)?;
        let kind = match string(elements.next()?)? {
            b"message" => Kind::Channel,
            b"pmessage" => Kind::Pattern,
            b"smessage" => Kind::Shard,
            b"invalidate" => {
                let keys = elements.next()?;
                if keys.starts_with(b"_") {
                    return Some(Self::Changed(None));
                }
                return Some(Self::Changed(Some(Elements::of(keys)?.map(string).collect::<Option<_>>()?)));
            }
            _ => return None,
        };
        let name = string(elements.next()?)?;
        let channel = if kind == Kind::Pattern { string(elements.next()?)? } else { name };
        Some(Self::Message { kind, name, channel, payload: string(elements.next()?)? })
    }
}

/// The key that a message tells of, if it is one of `notify-keyspace-events`.
pub(super) fn key_of_event<'a>(channel: &'a [u8], payload: &'a [u8]) -> Option<&'a [u8]> {
    let rest = channel.strip_prefix(b"__key")?;
    let end = memchr::memmem::find(rest, b"__:")?;
    let (event, database) = rest[..end].split_at(rest[..end].iter().position(|&byte| byte == b'@')?);
    let is_number = database.len() > 1 && database[1..].iter().all(u8::is_ascii_digit);
    match event {
        b"space" if is_number => Some(&rest[end + 3..]),
        b"event" if is_number => Some(payload),
        _ => None,
    }
}

/// What a message has around its names and its text, and then some.
const FRAME: usize = 1024;

/// The slot whose owner a message of this channel is published at. All proxies listen at all nodes, so any node would do; one
/// that is always the same keeps the order of a channel. What tells of a key belongs to the key's node, as if it had come from there.
pub(super) fn home(channel: &[u8], payload: &[u8]) -> SlotId {
    SlotId::of_key(key_of_event(channel, payload).unwrap_or(channel))
}

/// Why a message cannot be published through a proxy: a node would cut the connection on which this and other proxies hear it, and what
/// others publish meanwhile would be lost for clients that know nothing of it. One Redis would cut every subscriber.
pub(super) fn too_long(channel: &[u8], payload: &[u8]) -> Option<String> {
    let most = Limits::default().of(Class::PubSub).hard - FRAME;
    let length = channel.len() + payload.len();
    (length > most).then(|| {
        format!(
            "ERR a message of {length} bytes cannot be published through a proxy: more than {most} bytes cut whoever hears it \
             (client-output-buffer-limit pubsub); nothing was published. Keep it under a key and publish the key's name"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_whom_they_are_for() {
        let message = |kind, name, channel| Pushed::Message { kind, name, channel, payload: &b"hi"[..] };
        for (bytes, pushed) in [
            (
                &b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n"[..],
                message(Kind::Channel, &b"news"[..], &b"news"[..]),
            ),
            (
                b">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nnews\r\n$2\r\nhi\r\n",
                message(Kind::Pattern, b"*", b"news"),
            ),
            (b">3\r\n$8\r\nsmessage\r\n$1\r\ns\r\n$2\r\nhi\r\n", message(Kind::Shard, b"s", b"s")),
            (
                b">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$0\r\n\r\n",
                Pushed::Changed(Some(vec![b"a", b""])),
            ),
            (b">2\r\n$10\r\ninvalidate\r\n_\r\n", Pushed::Changed(None)),
            (b">2\r\n$10\r\ninvalidate\r\n:1\r\n", Pushed::Other),
            (b">3\r\n$9\r\nsubscribe\r\n$1\r\ns\r\n:1\r\n", Pushed::Other),
            (b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n:1\r\n", Pushed::Other),
            (b">1\r\n$7\r\nmessage\r\n", Pushed::Other),
        ] {
            assert_eq!(Pushed::of(bytes), pushed, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn events_of_keys_belong_to_the_key() {
        for (channel, key) in [
            ("__keyspace@0__:k:1", Some("k:1")),
            ("__keyevent@12__:del", Some("payload")),
            ("__keyspace@__:k", None),
            ("__keyspace@x__:k", None),
            ("__keyother@0__:k", None),
            ("__keyspace@0", None),
            ("news", None),
        ] {
            assert_eq!(key_of_event(channel.as_bytes(), b"payload"), key.map(str::as_bytes), "{channel}");
        }
        assert_eq!(home(b"__keyspace@0__:k", b"set"), SlotId::of_key(b"k"));
        assert_eq!(home(b"news", b"x"), SlotId::of_key(b"news"));
    }
}
