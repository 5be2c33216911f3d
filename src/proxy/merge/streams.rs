//! Entries of streams on several nodes: `XREAD`. A reply is for one stream, and is empty without entries.

use super::{
    Around, Merge, Merged,
    elements::{Elements, string},
};
use crate::{
    protocol::{Encoder, Value, Version},
    proxy::{gather::Gather, outcome::Outcome},
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Streams;

impl Merge for Streams {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let replies = gather.replies().map(|reply| reply.bytes);
        Merged::when(Self::reply(replies, gather.version, out).map(|_| ()))
    }
}

impl Streams {
    /// Makes one reply of those of one stream each; how many of them have entries.
    pub(super) fn reply<'a>(
        replies: impl Iterator<Item = &'a [u8]>,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let streams: Vec<Option<&[u8]>> = replies.map(stream).collect::<Option<_>>()?;
        let streams: Vec<&[u8]> = streams.into_iter().flatten().collect();
        let mut encoder = Encoder::new(out, version);
        match version {
            _ if streams.is_empty() => encoder.null_array(),
            Version::Resp2 => encoder.array(streams.len()),
            Version::Resp3 => encoder.map(streams.len()),
        }
        streams.iter().for_each(|stream| encoder.raw(stream));
        Some(streams.len())
    }
}

/// What is in a reply of one stream: `Some(None)` if there are no entries.
fn stream(reply: &[u8]) -> Option<Option<&[u8]>> {
    match reply {
        b"*-1\r\n" | b"_\r\n" => Some(None),
        _ => reply.strip_prefix(b"*1\r\n").or(reply.strip_prefix(b"%1\r\n")).map(Some),
    }
}

/// The last IDs of streams, for what `$` means when it is said. A reply is one of `XINFO STREAM`.
#[derive(Debug)]
pub(in crate::proxy) struct LastIds;

impl Merge for LastIds {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        if let Some(failed) = gather.replies().find(|reply| reply.outcome != Outcome::Answered) {
            out.extend_from_slice(failed.bytes);
            return Merged::Done;
        }
        let mut encoder = Encoder::new(out, gather.version);
        encoder.array(gather.replies().count());
        gather.replies().for_each(|reply| encoder.bulk(last_id(reply.bytes)));
        Merged::Done
    }
}

/// What [`LastIds`] has to say.
pub(in crate::proxy) fn last_ids(reply: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let ids = Elements::of(reply).into_iter().flatten();
    ids.filter_map(|id| string(id).map(<[u8]>::to_vec))
}

/// The last ID that a stream has given, of what `XINFO STREAM` says.
pub(in crate::proxy) fn last_id(reply: &[u8]) -> Vec<u8> {
    let field = |name: &Value| name.as_bytes() == Some(b"last-generated-id");
    let value = match Value::decode(reply).ok().flatten().map(|(value, _)| value) {
        Some(Value::Array(parts)) => parts
            .iter()
            .position(field)
            .and_then(|at| parts.get(at + 1))
            .map(|id| id.as_bytes().map(<[u8]>::to_vec)),
        Some(Value::Map(pairs)) => {
            pairs.iter().find(|(name, _)| field(name)).map(|(_, id)| id.as_bytes().map(<[u8]>::to_vec))
        }
        _ => None,
    };
    // There is no such stream: whatever comes is new.
    value.flatten().unwrap_or_else(|| b"0-0".to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_id_of_a_stream_in_both_forms() {
        let two = b"*4\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$3\r\n5-1\r\n";
        let three = b"%2\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$3\r\n5-1\r\n";
        assert_eq!((last_id(two), last_id(three)), (b"5-1".to_vec(), b"5-1".to_vec()));
        assert_eq!(last_id(b"-ERR no such key\r\n"), b"0-0");
        assert_eq!(last_ids(b"*2\r\n$3\r\n5-1\r\n$3\r\n0-0\r\n").collect::<Vec<_>>(), [b"5-1", b"0-0"]);
    }

    #[test]
    fn one_stream_or_none() {
        assert_eq!(stream(b"*-1\r\n"), Some(None));
        assert_eq!(stream(b"*1\r\nrest"), Some(Some(&b"rest"[..])));
        assert_eq!(stream(b"%1\r\nrest"), Some(Some(&b"rest"[..])));
        assert_eq!(stream(b"*2\r\nrest"), None);
    }
}
