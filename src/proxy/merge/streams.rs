//! Entries of streams on several nodes: `XREAD`. A reply is for one stream, and is empty without entries.

use super::{Around, Merge, Merged};
use crate::{
    protocol::{Encoder, Version},
    proxy::gather::Gather,
};

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Streams;

impl Merge for Streams {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let streams: Option<Vec<Option<&[u8]>>> = gather.replies().map(|reply| stream(reply.bytes)).collect();
        Merged::when(streams.map(|streams| {
            let streams: Vec<&[u8]> = streams.into_iter().flatten().collect();
            let mut encoder = Encoder::new(out, gather.version);
            match gather.version {
                _ if streams.is_empty() => encoder.null_array(),
                Version::Resp2 => encoder.array(streams.len()),
                Version::Resp3 => encoder.map(streams.len()),
            }
            streams.into_iter().for_each(|stream| encoder.raw(stream));
        }))
    }
}

/// What is in a reply of one stream: `Some(None)` if there are no entries.
fn stream(reply: &[u8]) -> Option<Option<&[u8]>> {
    match reply {
        b"*-1\r\n" | b"_\r\n" => Some(None),
        _ => reply.strip_prefix(b"*1\r\n").or(reply.strip_prefix(b"%1\r\n")).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_or_none() {
        assert_eq!(stream(b"*-1\r\n"), Some(None));
        assert_eq!(stream(b"*1\r\nrest"), Some(Some(&b"rest"[..])));
        assert_eq!(stream(b"%1\r\nrest"), Some(Some(&b"rest"[..])));
        assert_eq!(stream(b"*2\r\nrest"), None);
    }
}
