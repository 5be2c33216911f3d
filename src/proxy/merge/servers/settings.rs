//! `CONFIG` of all members. Settings are shown where all members have the same, and changed at all members or at none: what one of them
//! refuses is set back at the others.

use std::collections::BTreeMap;

use super::{
    super::{Around, Ask, Merge, Merged, Question, failures},
    name, pairs,
};
use crate::{
    protocol::Encoder,
    proxy::{gather::Gather, outcome::Outcome, routing::NodeIndex},
};

/// Of one node, in its order.
type Values = Vec<(String, Vec<u8>)>;

fn values(reply: &[u8]) -> Option<Values> {
    pairs(reply)?.iter().map(|(key, value)| Some((name(key)?, value.as_bytes()?.to_vec()))).collect()
}

/// `CONFIG GET`. Members that do not answer are left out.
#[derive(Debug)]
pub(in crate::proxy) struct Settings {
    /// The proxy's own among those asked for, which hide the nodes'.
    pub(in crate::proxy) own: Vec<(String, String)>,
    /// What nobody is told.
    pub(in crate::proxy) hidden: &'static [&'static str],
}

impl Settings {
    /// Of these nodes' values.
    pub(in crate::proxy) fn tell(&self, nodes: &[Values], encoder: &mut Encoder<'_>) {
        let mut told: Vec<(&str, &[u8])> = Vec::new();
        let first = nodes.first().into_iter().flatten();
        for (name, value) in first.filter(|(name, _)| !self.hidden.contains(&&*name.to_ascii_lowercase())) {
            let own = self.own.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            let everywhere = nodes.iter().all(|node| node.iter().any(|(of, is)| of == name && is == value));
            match own {
                Some((_, own)) => told.push((name, own.as_bytes())),
                None if everywhere => told.push((name, value)),
                None => {}
            }
        }
        for (name, value) in &self.own {
            if !told.iter().any(|(of, _)| of.eq_ignore_ascii_case(name)) {
                told.push((name, value.as_bytes()));
            }
        }
        encoder.map(told.len());
        for (name, value) in told {
            encoder.bulk(name);
            encoder.bulk(value);
        }
    }
}

impl Merge for Settings {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let answered = gather.replies().filter(|reply| !reply.is_error());
        let nodes: Option<Vec<Values>> = answered.map(|reply| values(reply.bytes)).collect();
        Merged::when(nodes.map(|nodes| self.tell(&nodes, &mut Encoder::new(out, gather.version))))
    }
}

/// `CONFIG SET`: how far it is.
#[derive(Debug)]
pub(in crate::proxy) enum SetSettings {
    /// Asked for what is set now, before this is.
    Looking { request: Vec<Vec<u8>> },
    /// Told to set it; what was set before, by node.
    Setting { before: Vec<(NodeIndex, Values)> },
    /// Setting it back, because of this.
    SettingBack { because: String },
}

impl SetSettings {
    /// For the whole request.
    pub(in crate::proxy) fn question(nodes: &[NodeIndex], request: Vec<Vec<u8>>) -> Question {
        let names: Vec<Vec<u8>> = request.iter().skip(2).step_by(2).cloned().collect();
        let words = [&b"CONFIG"[..], b"GET"].into_iter().chain(names.iter().map(Vec::as_slice));
        Question::new(nodes, words, Self::Looking { request })
    }
}

impl Merge for SetSettings {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let mut encoder = Encoder::new(out, gather.version);
        let failed = gather.replies().enumerate().find(|(_, reply)| reply.is_error());
        let words = |bytes| String::from_utf8_lossy(failures::text(bytes)).into_owned();
        match (self, failed) {
            (Self::Looking { .. }, Some((_, failed))) => encoder.error(failures::text(failed.bytes)),
            (Self::Looking { request }, None) => {
                let before: Option<Vec<_>> = gather
                    .nodes()
                    .zip(gather.replies())
                    .map(|(node, reply)| Some((node, values(reply.bytes)?)))
                    .collect();
                let Some(before) = before else { return Merged::Misfit };
                let nodes: Vec<NodeIndex> = gather.nodes().collect();
                let words = request.iter().map(Vec::as_slice);
                return Merged::Ask(Question::new(&nodes, words, Self::Setting { before }));
            }
            (Self::Setting { .. }, None) => encoder.ok(),
            (Self::Setting { before }, Some((part, failed))) => {
                // Whoever did not certainly refuse it may have it.
                let changed: BTreeMap<NodeIndex, bool> = gather
                    .nodes()
                    .zip(gather.replies())
                    .map(|(node, reply)| (node, !reply.is_error() || reply.outcome == Outcome::Unknown))
                    .collect();
                let back: Vec<Ask> = before
                    .iter()
                    .filter(|(node, old)| changed.get(node) == Some(&true) && !old.is_empty())
                    .map(|(node, old)| Ask::new(*node, set(old)))
                    .collect();
                if back.is_empty() {
                    encoder.error(failures::text(failed.bytes));
                    return Merged::Done;
                }
                let because =
                    format!("CONFIG SET was refused by {}: {}", gather.label(part), words(failed.bytes));
                return Merged::Ask(Question { asks: back, merge: Box::new(Self::SettingBack { because }) });
            }
            (Self::SettingBack { because }, None) => {
                encoder.error(format!("ERR {because}; the others have their old values again"));
            }
            (Self::SettingBack { because }, Some((part, failed))) => encoder.error(format!(
                "ERR {because}; {} could not be set back: {}",
                gather.label(part),
                words(failed.bytes)
            )),
        }
        Merged::Done
    }
}

/// Words of the request that sets these.
fn set(values: &Values) -> impl Iterator<Item = &[u8]> {
    let words = values.iter().flat_map(|(name, value)| [name.as_bytes(), value]);
    [&b"CONFIG"[..], b"SET"].into_iter().chain(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Version;

    fn node(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_differs_is_not_shown_and_the_proxys_own_comes_first() {
        let own = vec![("port".to_owned(), "7".to_owned()), ("timeout".to_owned(), "0".to_owned())];
        let settings = Settings { own, hidden: &["requirepass"] };
        let nodes = [
            node(&[("port", "1"), ("maxmemory", "5"), ("requirepass", "x"), ("dir", "/a")]),
            node(&[("port", "2"), ("maxmemory", "5"), ("requirepass", "x"), ("dir", "/b")]),
        ];
        let mut out = Vec::new();
        settings.tell(&nodes, &mut Encoder::new(&mut out, Version::Resp2));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "*6\r\n$4\r\nport\r\n$1\r\n7\r\n$9\r\nmaxmemory\r\n$1\r\n5\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"
        );
    }

    #[test]
    fn what_was_set_is_set_back_in_one_request() {
        let old = node(&[("a", "1"), ("b", "")]);
        let words: Vec<&[u8]> = set(&old).collect();
        assert_eq!(words, [&b"CONFIG"[..], b"SET", b"a", b"1", b"b", b""]);
    }
}
