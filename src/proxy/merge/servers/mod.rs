//! What is asked of every member because it is about servers and not about keys: how one server would have answered. Here: one text of
//! several, and the oldest of several times. Slow commands, spikes of latency, memory and settings have files of their own.

mod latency;
mod memory;
mod settings;
mod slow_log;

pub(in crate::proxy) use self::{
    latency::{Histograms, History, Latest},
    memory::Memory,
    settings::{SetSettings, Settings},
    slow_log::SlowLog,
};
use super::{Around, Merge, Merged, elements, sum};
use crate::{
    protocol::{Encoder, Value},
    proxy::{gather::Gather, info::text_of},
};

/// The smallest of integers: `LASTSAVE`, because what is saved is what all nodes have saved.
#[derive(Debug)]
pub(in crate::proxy) struct Oldest;

impl Merge for Oldest {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let times: Option<Vec<i64>> = gather.replies().map(|reply| sum::integer(reply.bytes)).collect();
        let oldest = times.and_then(|times| times.into_iter().min());
        Merged::when(oldest.map(|oldest| Encoder::new(out, gather.version).integer(oldest)))
    }
}

/// Texts for people, each below the name of its node: `MEMORY DOCTOR`, `LATENCY GRAPH`. Who has none to tell is left out.
#[derive(Debug)]
pub(in crate::proxy) struct Texts;

impl Merge for Texts {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut told = String::new();
        for (part, reply) in gather.replies().enumerate().filter(|(_, reply)| !reply.is_error()) {
            let Some(text) = text_of(reply.bytes) else { return Merged::Misfit };
            told.push_str(&format!(
                "# {}\n{}\n",
                gather.label(part),
                String::from_utf8_lossy(text).trim_end()
            ));
        }
        if told.is_empty() {
            return Merged::when(gather.replies().next().map(|reply| out.extend_from_slice(reply.bytes)));
        }
        Encoder::new(out, gather.version).verbatim("txt", told);
        Merged::Done
    }
}

/// The pairs of a map reply, which is an array in RESP2.
fn pairs(reply: &[u8]) -> Option<Vec<(Value, Value)>> {
    pairs_of(elements::value(reply)?)
}

fn pairs_of(value: Value) -> Option<Vec<(Value, Value)>> {
    match value {
        Value::Map(pairs) => Some(pairs),
        Value::Array(words) if words.len().is_multiple_of(2) => {
            let mut words = words.into_iter();
            Some(std::iter::from_fn(|| Some((words.next()?, words.next()?))).collect())
        }
        _ => None,
    }
}

/// A name as text.
fn name(value: &Value) -> Option<String> {
    Some(String::from_utf8_lossy(value.as_bytes()?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_come_in_both_forms() {
        let expected = vec![(Value::Bulk("a".into()), Value::Integer(1))];
        assert_eq!(pairs(b"*2\r\n$1\r\na\r\n:1\r\n").unwrap(), expected);
        assert_eq!(pairs(b"%1\r\n$1\r\na\r\n:1\r\n").unwrap(), expected);
        assert!(pairs(b"*1\r\n:1\r\n").is_none() && pairs(b"+OK\r\n").is_none());
    }
}
