//! Replies of nodes that should all say the same, or of which one is enough: `SCRIPT` and `FUNCTION`.

use super::{Around, Merge, Merged, elements::Elements, sum};
use crate::{protocol::Encoder, proxy::gather::Gather};

/// All say the same.
#[derive(Debug)]
pub(in crate::proxy) struct Same;

impl Merge for Same {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        Merged::when(gather.replies().next().map(|reply| out.extend_from_slice(reply.bytes)))
    }
}

/// One that succeeded is enough: `SCRIPT KILL`.
#[derive(Debug)]
pub(in crate::proxy) struct AnySucceeded;

impl Merge for AnySucceeded {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let reply = gather.replies().find(|reply| !reply.is_error()).or_else(|| gather.replies().next());
        Merged::when(reply.map(|reply| out.extend_from_slice(reply.bytes)))
    }
}

/// Which digests all nodes know, or this proxy: `SCRIPT EXISTS`.
#[derive(Debug)]
pub(in crate::proxy) struct Exists {
    pub(in crate::proxy) known: Vec<bool>,
}

impl Merge for Exists {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let replies: Option<Vec<Vec<i64>>> =
            gather.replies().map(|reply| Elements::of(reply.bytes)?.map(sum::integer).collect()).collect();
        Merged::when(replies.map(|replies| {
            let mut encoder = Encoder::new(out, gather.version);
            encoder.array(self.known.len());
            for (at, known) in self.known.iter().enumerate() {
                let everywhere = replies.iter().all(|reply| reply.get(at) == Some(&1));
                encoder.integer(i64::from(*known || everywhere));
            }
        }))
    }
}

/// The node where a function runs, if one does: `FUNCTION STATS`.
#[derive(Debug)]
pub(in crate::proxy) struct Running;

impl Merge for Running {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let reply = gather.replies().find(|reply| runs(reply.bytes)).or_else(|| gather.replies().next());
        Merged::when(reply.map(|reply| out.extend_from_slice(reply.bytes)))
    }
}

/// Whether `running_script` is something.
fn runs(reply: &[u8]) -> bool {
    const FIELD: &[u8] = b"running_script\r\n";
    let value = memchr::memmem::find(reply, FIELD).map(|at| &reply[at + FIELD.len()..]);
    value.is_some_and(|value| [&b"$-1"[..], b"*-1", b"_"].iter().all(|nothing| !value.starts_with(nothing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_runs_or_not() {
        assert!(!runs(b"*4\r\n$14\r\nrunning_script\r\n$-1\r\n$7\r\nengines\r\n*0\r\n"));
        assert!(!runs(b"%2\r\n$14\r\nrunning_script\r\n_\r\n$7\r\nengines\r\n%0\r\n"));
        assert!(runs(b"*4\r\n$14\r\nrunning_script\r\n*6\r\n$4\r\nname\r\n"));
    }
}
