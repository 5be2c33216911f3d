//! Strings of several nodes, whole: HyperLogLogs for `PFCOUNT`, texts for `LCS`.

use super::{Around, Merge, Merged, elements::string};
use crate::{
    protocol::Encoder,
    proxy::gather::Gather,
    values::{
        hyperloglog::{self, Corrupt},
        subsequence::{self, Options},
    },
};

/// The string of a reply to `GET`: of a key that is not there, none.
fn value(reply: &[u8]) -> Option<Option<&[u8]>> {
    match reply {
        b"$-1\r\n" | b"_\r\n" => Some(None),
        reply => string(reply).map(Some),
    }
}

/// `PFCOUNT`.
#[derive(Debug)]
pub(in crate::proxy) struct HyperLogLogs;

/// A string that is none.
const NO_LOG: &str = "WRONGTYPE Key is not a valid HyperLogLog string value.";

impl HyperLogLogs {
    /// The estimate of all replies before the first error.
    fn estimate(gather: &Gather) -> Option<Result<u64, String>> {
        let mut registers = hyperloglog::no_registers();
        for reply in gather.replies().take_while(|reply| !reply.is_error()) {
            let Some(log) = value(reply.bytes)? else { continue };
            if !hyperloglog::is_valid(log) {
                return Some(Err(NO_LOG.to_owned()));
            }
            if let Err(Corrupt) = hyperloglog::merge(log, &mut registers) {
                return Some(Err(Corrupt.to_string()));
            }
        }
        Some(Ok(hyperloglog::estimate(&registers)))
    }
}

impl Merge for HyperLogLogs {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut encoder = Encoder::new(out, gather.version);
        Merged::when(Self::estimate(gather).map(|estimate| match estimate {
            Ok(estimate) => encoder.integer(estimate.cast_signed()),
            Err(text) => encoder.error(text),
        }))
    }

    /// What is wrong with a key before it is told first.
    fn error(&self, gather: &Gather, first: Vec<u8>) -> Vec<u8> {
        match Self::estimate(gather) {
            Some(Err(text)) if first.starts_with(b"WRONGTYPE") => text.into_bytes(),
            Some(_) | None => first,
        }
    }
}

/// `LCS`.
#[derive(Debug)]
pub(in crate::proxy) struct Subsequence {
    /// Looked at after the keys, as in Redis.
    pub(in crate::proxy) options: Result<Options, subsequence::Invalid>,
}

/// For the table of lengths: what fills it up takes a tenth of a second, in which a worker does nothing else.
const MEMORY_MAX: usize = 64 << 20;

impl Merge for Subsequence {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let texts: Option<Vec<&[u8]>> =
            gather.replies().map(|reply| value(reply.bytes).map(Option::unwrap_or_default)).collect();
        let Some(&[a, b]) = texts.as_deref() else { return Merged::Misfit };
        let mut encoder = Encoder::new(out, gather.version);
        let answer = |options| subsequence::answer(&mut encoder.reborrow(), a, b, options, MEMORY_MAX);
        match self.options.and_then(answer) {
            Ok(()) => {}
            Err(subsequence::Invalid::TooMuchMemory) => encoder.error(
                "ERR LCS of strings on two nodes is limited to 16 million pairs of bytes; give the keys a common {tag}",
            ),
            Err(error) => encoder.error(error.to_string()),
        }
        Merged::Done
    }

    fn error(&self, _: &Gather, first: Vec<u8>) -> Vec<u8> {
        if first.starts_with(b"WRONGTYPE") {
            return b"ERR The specified keys must contain string values".to_vec();
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_no_misfit() {
        assert_eq!(value(b"$-1\r\n"), Some(None));
        assert_eq!(value(b"_\r\n"), Some(None));
        assert_eq!(value(b"$1\r\nx\r\n"), Some(Some(&b"x"[..])));
        assert_eq!(value(b":1\r\n"), None);
    }
}
