//! What the first key that has something gives, of keys on several nodes: `LMPOP`, `BLPOP` and their like. First each key says what it is,
//! then those that have something are asked for it, one after the other in the order of the keys, until one gives: another client
//! may have been faster. So nothing is taken at two nodes, and nothing that the client does not get.

use std::sync::Arc;

use super::{Around, Ask, Merge, Merged, Question, elements::Elements, moved};
use crate::{
    command::{Spec, Take as Kind},
    protocol::{Encoder, Request, number::parse_i64},
    proxy::{gather::Gather, outcome::Outcome, routing::NodeIndex},
    slot::SlotId,
};

/// What the node of a key is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct How {
    kind: Kind,
    before: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
    /// What stands around what it gives.
    around: Whole,
}

/// How a reply becomes that of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    /// It is.
    Already,
    /// It is an element, which the key stands before.
    Element,
    /// It is a member and its score, which the key stands before.
    Member,
}

impl How {
    /// For a request with so many keys; none if a server would say what is wrong with it.
    pub(in crate::proxy) fn of(kind: Kind, spec: &Spec, request: &Request<'_>, keys: usize) -> Option<Self> {
        let simple = |name: &str, around| {
            Some(Self { kind, before: vec![name.as_bytes().to_vec()], after: Vec::new(), around })
        };
        let (name, keys_at) = match spec.name {
            "blpop" => return simple("LPOP", Whole::Element),
            "brpop" => return simple("RPOP", Whole::Element),
            "bzpopmin" => return simple("ZPOPMIN", Whole::Member),
            "bzpopmax" => return simple("ZPOPMAX", Whole::Member),
            "lmpop" => ("LMPOP", 2),
            "blmpop" => ("LMPOP", 3),
            "zmpop" => ("ZMPOP", 2),
            "bzmpop" => ("ZMPOP", 3),
            _ => return None,
        };
        let after: Vec<&[u8]> = request.args_from(keys_at + keys).collect();
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let ends = if kind == Kind::Elements { ["LEFT", "RIGHT"] } else { ["MIN", "MAX"] };
        let is_end = |word: &[u8]| ends.iter().any(|end| is(word, end));
        let is_complete = match after.as_slice() {
            [end] => is_end(end),
            [end, word, count] => {
                is_end(end) && is(word, "COUNT") && parse_i64(count).is_some_and(|count| count > 0)
            }
            _ => false,
        };
        is_complete.then(|| Self {
            kind,
            before: vec![name.as_bytes().to_vec(), b"1".to_vec()],
            after: after.into_iter().map(<[u8]>::to_vec).collect(),
            around: Whole::Already,
        })
    }

    /// The type of what it takes from, as `TYPE` has it.
    fn type_name(&self) -> &'static [u8] {
        match self.kind {
            Kind::Elements => b"+list\r\n",
            Kind::Members => b"+zset\r\n",
            Kind::Entries => b"+stream\r\n",
        }
    }

    fn ask(&self, wanted: &Wanted) -> Ask {
        let before = self.before.iter().map(Vec::as_slice);
        let after = self.after.iter().map(Vec::as_slice);
        Ask::new(wanted.node, before.chain(std::iter::once(&*wanted.key)).chain(after))
    }

    /// What a key gave, as the reply of the command.
    fn reply(&self, gather: &Gather, key: &[u8], given: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let mut encoder = Encoder::new(out, gather.version);
        match self.around {
            Whole::Already => encoder.raw(given),
            Whole::Element => {
                encoder.array(2);
                encoder.bulk(key);
                encoder.raw(given);
            }
            Whole::Member => {
                let (member_and_score, parts) = Elements::of(given)?.rest();
                encoder.array(1 + parts);
                encoder.bulk(key);
                encoder.raw(member_and_score);
            }
        }
        Some(())
    }
}

/// A key that may give something.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Wanted {
    pub(in crate::proxy) node: NodeIndex,
    pub(in crate::proxy) key: Box<[u8]>,
    /// Whether it is this client's turn, should it have something.
    pub(in crate::proxy) is_next: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct First {
    how: Arc<How>,
    keys: Arc<[Wanted]>,
    /// It has waited: what has another type by now has nothing.
    has_waited: bool,
    /// Which key was asked, and who is next.
    asked: Option<(usize, Vec<usize>)>,
}

impl First {
    /// The first question: what each key is.
    pub(in crate::proxy) fn question(how: Arc<How>, keys: Arc<[Wanted]>, has_waited: bool) -> Question {
        let asks = keys.iter().map(|wanted| Ask::new(wanted.node, [&b"TYPE"[..], &wanted.key])).collect();
        Question { asks, merge: Box::new(Self { how, keys, has_waited, asked: None }) }
    }

    /// Keys worth asking, by their types.
    fn having<'a>(&self, types: impl Iterator<Item = &'a [u8]>) -> Vec<usize> {
        let worth = |(wanted, is): (&Wanted, &[u8])| match is {
            b"+none\r\n" => false,
            _ if is == self.how.type_name() => wanted.is_next,
            // Its node says so.
            _ => !self.has_waited,
        };
        self.keys
            .iter()
            .zip(types)
            .map(worth)
            .enumerate()
            .filter(|(_, worth)| *worth)
            .map(|(at, _)| at)
            .collect()
    }
}

/// Whether a key had nothing to give.
fn is_nothing(reply: &[u8]) -> bool {
    matches!(reply, b"$-1\r\n" | b"*-1\r\n" | b"*0\r\n" | b"_\r\n")
}

impl Merge for First {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let next = match &self.asked {
            None => {
                if let Some(failed) = gather.replies().find(super::PartReply::is_error) {
                    out.extend_from_slice(failed.bytes);
                    return Merged::Done;
                }
                self.having(gather.replies().map(|reply| reply.bytes))
            }
            Some((at, next)) => {
                let Some(reply) = gather.replies().next() else { return Merged::Misfit };
                let is_other_type = self.has_waited
                    && reply.outcome == Outcome::Answered
                    && reply.bytes.starts_with(b"-WRONGTYPE");
                if reply.is_error() && !is_other_type {
                    out.extend_from_slice(reply.bytes);
                    return Merged::Done;
                }
                if !is_other_type && !is_nothing(reply.bytes) {
                    return Merged::when(self.how.reply(gather, &self.keys[*at].key, reply.bytes, out));
                }
                next.clone()
            }
        };
        let Some((&at, rest)) = next.split_first() else {
            Encoder::new(out, gather.version).null_array();
            return Merged::Done;
        };
        let wanted = &self.keys[at];
        if moved::has(around.current, wanted.node, SlotId::of_key(&wanted.key)) {
            out.extend_from_slice(moved::ERROR);
            return Merged::Done;
        }
        let merge = Self { asked: Some((at, rest.to_vec())), ..self.clone() };
        Merged::Ask(Question { asks: vec![self.how.ask(wanted)], merge: Box::new(merge) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command, protocol::Args};

    fn how(line: &str, keys: usize) -> Option<How> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        let request = args.request().expect("a name");
        let spec = command::lookup(request.name()).expect("a command");
        let command::Route::Taken(kind) = spec.route else { panic!("{line} takes nothing") };
        How::of(kind, spec, &request, keys)
    }

    fn asked(line: &str, keys: usize) -> Option<String> {
        let wanted = Wanted { node: 0, key: b"k"[..].into(), is_next: true };
        how(line, keys).map(|how| String::from_utf8(how.ask(&wanted).arguments.join(&b' ')).expect("text"))
    }

    #[test]
    fn what_waits_is_asked_for_without_waiting() {
        for (line, keys, expected) in [
            ("BLPOP a b 0", 2, "LPOP k"),
            ("BRPOP a b 0", 2, "RPOP k"),
            ("BZPOPMIN a b 0", 2, "ZPOPMIN k"),
            ("BZPOPMAX a b 0", 2, "ZPOPMAX k"),
            ("LMPOP 2 a b left", 2, "LMPOP 1 k left"),
            ("BLMPOP 0 2 a b RIGHT COUNT 3", 2, "LMPOP 1 k RIGHT COUNT 3"),
            ("ZMPOP 2 a b MIN count 3", 2, "ZMPOP 1 k MIN count 3"),
            ("BZMPOP 0.5 2 a b MAX", 2, "ZMPOP 1 k MAX"),
        ] {
            assert_eq!(asked(line, keys).as_deref(), Some(expected), "{line}");
        }
        for line in [
            "LMPOP 2 a b",
            "LMPOP 2 a b MIN",
            "ZMPOP 2 a b LEFT",
            "LMPOP 2 a b LEFT COUNT",
            "LMPOP 2 a b LEFT COUNT 0",
            "LMPOP 2 a b LEFT COUNT x",
            "LMPOP 2 a b LEFT LIMIT 1",
            "LMPOP 2 a b LEFT COUNT 1 COUNT 1",
        ] {
            assert_eq!(asked(line, 2), None, "{line}");
        }
    }

    #[test]
    fn keys_are_asked_in_their_order_if_they_have_something() {
        let wanted = |is_next| Wanted { node: 0, key: b"k"[..].into(), is_next };
        let keys = [wanted(true), wanted(false), wanted(true), wanted(true)];
        let how = Arc::new(how("BLPOP a b c d 0", 4).expect("complete"));
        let mut take = First { how, keys: Arc::new(keys), has_waited: false, asked: None };
        let types = |words: &str| -> Vec<Vec<u8>> {
            words.split(' ').map(|word| format!("+{word}\r\n").into_bytes()).collect()
        };
        let having = |take: &First, words| take.having(types(words).iter().map(Vec::as_slice));
        assert_eq!(having(&take, "none list list list"), [2, 3]);
        assert_eq!(having(&take, "string none list none"), [0, 2]);
        assert!(having(&take, "none none none none").is_empty());
        take.has_waited = true;
        assert_eq!(having(&take, "string none list none"), [2]);
    }
}
