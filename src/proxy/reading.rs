//! `XREAD` and `XREADGROUP` taken apart, so that each stream can be read by itself. Pure.

use std::sync::Arc;

use crate::protocol::Request;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The command and its options, without `BLOCK`.
    words: Vec<Vec<u8>>,
    /// Whose entries.
    group: Option<Vec<u8>>,
    /// Where each stream is read from.
    pub(super) ids: Vec<Vec<u8>>,
}

impl Reading {
    /// None if a server would say what is wrong with it. `first` is the argument of the first of so many keys.
    pub(super) fn of(request: &Request<'_>, (first, keys): (usize, usize)) -> Option<Self> {
        let is_of_group = request.name().eq_ignore_ascii_case(b"xreadgroup");
        let mut words = vec![request.name().to_ascii_uppercase()];
        let mut group = None;
        let mut at = 1;
        loop {
            let word = request.get(at)?;
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let length = if is("streams") {
                break;
            } else if is("count") || is("block") {
                2
            } else if is("group") && is_of_group {
                group = Some(request.get(at + 1)?.to_vec());
                3
            } else if is("noack") && is_of_group {
                1
            } else {
                return None;
            };
            if at + length > request.len() {
                return None;
            }
            if !is("block") {
                words.extend(request.args_from(at).take(length).map(<[u8]>::to_vec));
            }
            at += length;
        }
        let ids: Vec<Vec<u8>> = request.args_from(first + keys).map(<[u8]>::to_vec).collect();
        let is_whole = at + 1 == first && ids.len() == keys && group.is_some() == is_of_group;
        is_whole.then_some(Self { words, group, ids })
    }

    /// Whose entries are read.
    pub(super) fn group(&self) -> Option<&[u8]> {
        self.group.as_deref()
    }

    /// What the node of one stream is asked.
    pub(super) fn arguments(&self, key: &[u8], id: &[u8]) -> Arc<[Vec<u8>]> {
        let words = self.words.iter().cloned();
        words.chain([b"STREAMS".to_vec(), key.to_vec(), id.to_vec()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::{keys, lookup},
        protocol::Args,
    };

    fn asked(line: &str) -> Option<Vec<String>> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        let request = args.request().expect("a name");
        let keys = keys::positions(lookup(request.name()).expect("a command"), &request).expect("keys");
        let reading = Reading::of(&request, (keys.first()?, keys.len()))?;
        let text = |(key, id): (usize, &Vec<u8>)| {
            String::from_utf8(reading.arguments(request.arg(key), id).join(&b' ')).expect("text")
        };
        Some(keys.indices().zip(&reading.ids).map(text).collect())
    }

    #[test]
    fn each_stream_keeps_its_id_and_nobody_waits() {
        for (line, expected) in [
            ("XREAD STREAMS a b 0 1-1", ["XREAD STREAMS a 0", "XREAD STREAMS b 1-1"]),
            (
                "XREAD COUNT 2 BLOCK 0 STREAMS a b 0 $",
                ["XREAD COUNT 2 STREAMS a 0", "XREAD COUNT 2 STREAMS b $"],
            ),
            (
                "xreadgroup GROUP g c NOACK BLOCK 5 STREAMS a b > >",
                ["XREADGROUP GROUP g c NOACK STREAMS a >", "XREADGROUP GROUP g c NOACK STREAMS b >"],
            ),
        ] {
            assert_eq!(asked(line).expect("whole"), expected, "{line}");
        }
        for line in [
            "XREAD WHAT 2 STREAMS a b 0 $",
            "XREAD NOACK STREAMS a b 0 $",
            "XREAD GROUP g c STREAMS a b 0 $",
            "XREAD STREAMS a b 0",
            "XREADGROUP COUNT 1 NOACK STREAMS a b > >",
        ] {
            assert_eq!(asked(line), None, "{line}");
        }
    }
}
