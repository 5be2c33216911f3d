//! The one error that failed parts make.
//!
//! A request that only reads, or that failed everywhere, answers with the first error in the order of its keys (a part whose outcome
//! is unknown counts as first). A request that writes and failed at some nodes only says so, and at which: it begins with `ERR`,
//! because the words that promise "nothing was done" would be false.

use crate::proxy::{gather::PartReply, outcome::Outcome};

/// `None` if no part failed. `name` is the command's, `label` names the node of a part.
pub(in crate::proxy) fn error_of<'a>(
    name: &str,
    writes: bool,
    parts: &(impl Iterator<Item = PartReply<'a>> + Clone),
    label: impl Fn(usize) -> String,
) -> Option<Vec<u8>> {
    let failed = || parts.clone().enumerate().filter(|(_, part)| part.is_error());
    let unknown = failed().find(|(_, part)| part.outcome == Outcome::Unknown);
    let (index, part) = unknown.or_else(|| failed().next())?;
    let failed_everywhere = parts.clone().all(|part| part.is_error());
    if !writes || failed_everywhere && (unknown.is_none() || failed().count() == 1) {
        return Some(text(part.bytes).to_vec());
    }
    let upper = name.to_ascii_uppercase();
    let mut error = format!("ERR {upper} ran on some nodes only; {} answered: ", label(index)).into_bytes();
    error.extend_from_slice(text(part.bytes));
    Some(error)
}

/// An error without its type and end. Some of Redis's end with a space, which is part of them.
pub(super) fn text(reply: &[u8]) -> &[u8] {
    let body = match reply {
        [b'!', rest @ ..] => memchr::memchr(b'\n', rest).map_or(rest, |at| &rest[at + 1..]),
        [b'-', rest @ ..] => rest,
        _ => reply,
    };
    body.strip_suffix(b"\r\n").unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: &[u8], outcome: Outcome) -> PartReply<'_> {
        PartReply { bytes, outcome }
    }

    fn error(writes: bool, parts: &[PartReply<'_>]) -> Option<String> {
        error_of("mset", writes, &parts.iter().copied(), |index| format!("node {index}"))
            .map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_error_that_promises_nothing_was_done_is_only_told_when_it_is_true() {
        let ok = part(b"+OK\r\n", Outcome::Answered);
        let down = part(b"-CLUSTERDOWN node 1 is unreachable\r\n", Outcome::NotRun);
        let oom = part(b"-OOM full\r\n", Outcome::Answered);
        let lost = part(b"-ERR node 2: it may or may not have run\r\n", Outcome::Unknown);
        assert_eq!(error(true, &[ok, ok]), None);
        assert_eq!(error(true, &[down, down]).unwrap(), "CLUSTERDOWN node 1 is unreachable");
        assert_eq!(error(true, &[oom, down]).unwrap(), "OOM full");
        assert_eq!(
            error(true, &[ok, down]).unwrap(),
            "ERR MSET ran on some nodes only; node 1 answered: CLUSTERDOWN node 1 is unreachable"
        );
        for parts in [[oom, lost], [lost, down], [ok, lost]] {
            let text = error(true, &parts).unwrap();
            assert!(text.starts_with("ERR ") && text.contains("may or may not have run"), "{text}");
        }
        assert_eq!(error(false, &[ok, down]).unwrap(), "CLUSTERDOWN node 1 is unreachable");
    }

    #[test]
    fn errors_of_both_kinds_lose_their_frame() {
        assert_eq!(text(b"-OOM full\r\n"), b"OOM full");
        assert_eq!(text(b"!9\r\nOOM full!\r\n"), b"OOM full!");
        assert_eq!(text(b"-ERR Unknown option given: \r\n"), b"ERR Unknown option given: ");
    }
}
