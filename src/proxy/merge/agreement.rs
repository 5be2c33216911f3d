//! Replies of nodes that should all say the same, or of which one is enough: `SCRIPT` and `FUNCTION`.

use super::{Around, Merge, Merged, elements::Elements, sum};
use crate::{
    protocol::Encoder,
    proxy::{gather::Gather, scripts},
};

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

/// Which digests all nodes know, or a proxy: `SCRIPT EXISTS`.
#[derive(Debug)]
pub(in crate::proxy) struct Exists {
    pub(in crate::proxy) digests: Vec<Vec<u8>>,
    /// Whether other proxies were asked.
    pub(in crate::proxy) asked: bool,
}

impl Merge for Exists {
    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let replies: Option<Vec<Vec<i64>>> =
            gather.replies().map(|reply| Elements::of(reply.bytes)?.map(sum::integer).collect()).collect();
        let Some(replies) = replies else { return Merged::Misfit };
        let is_known = |(at, digest): (usize, &Vec<u8>)| {
            let everywhere = replies.iter().all(|reply| reply.get(at) == Some(&1));
            everywhere || around.shared.scripts.source(digest).is_some()
        };
        let known: Vec<bool> = self.digests.iter().enumerate().map(is_known).collect();
        let unknown = self.digests.iter().zip(&known).filter(|(_, known)| !**known);
        let wanted: Vec<String> = unknown.filter_map(|(digest, _)| scripts::digest(digest)).collect();
        if !self.asked && !wanted.is_empty() {
            let again = Self { digests: self.digests.clone(), asked: true };
            return Merged::Elsewhere(wanted, Box::new(again));
        }
        let mut encoder = Encoder::new(out, gather.version);
        encoder.array(known.len());
        known.iter().for_each(|&known| encoder.integer(i64::from(known)));
        Merged::Done
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
