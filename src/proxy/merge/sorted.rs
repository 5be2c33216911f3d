//! `SORT` without `STORE` whose patterns name keys of several nodes: its node gives the elements, the nodes of what `BY` names give what they are
//! sorted by, and those of what `GET` names give what is shown. Each answers at its own instant.

use std::sync::Arc;

use super::{
    Around, Ask, Merge, Merged, Question,
    elements::{Elements, string},
};
use crate::{
    protocol::{Args, Encoder, Request},
    proxy::{
        gather::{Gather, PartReply},
        placement,
        routing::{NodeIndex, Routing},
    },
    slot::SlotId,
    values::sorting::{Pattern, Query},
};

/// Keys that are read by patterns at once; with more the reply would keep everybody waiting for it.
const NAMED_MAX: usize = 1 << 17;
/// Keys that a node is asked for in one request.
const KEYS_AT_ONCE: usize = 500;

/// See the module.
#[derive(Debug)]
pub(in crate::proxy) struct Sorted {
    words: Arc<Args>,
    step: Step,
}

/// What the nodes were asked for.
#[derive(Debug)]
enum Step {
    /// Elements, in no order if they are to be sorted.
    Elements,
    /// What these are sorted by.
    Weights(Vec<Vec<u8>>, Places),
    /// What is shown of these.
    Shown(Vec<Vec<u8>>, Places),
}

/// For each question, which values it gives: a value has the number of its element, and of its pattern among all.
type Places = Vec<Vec<usize>>;

impl Sorted {
    /// The first question, for this node; none if it says what is wrong with the request.
    pub(in crate::proxy) fn question(
        node: NodeIndex,
        request: &Request<'_>,
        may_store: bool,
    ) -> Option<Question> {
        let query = Query::parse(request, may_store, true).ok()?;
        let words = Arc::new(Args::from(request));
        // As they are: of a list, a set and a sorted set alike.
        let mut first =
            vec![request.name().to_vec(), request.arg(1).to_vec(), b"BY".to_vec(), b"nosort".to_vec()];
        if query.unsorted {
            if query.descending {
                first.push(b"DESC".to_vec());
            }
            if let Some((start, count)) = query.limit() {
                first.push(b"LIMIT".to_vec());
                first.extend([start, count].map(|number| number.to_string().into_bytes()));
            }
        }
        let asks = vec![Ask { node, arguments: first.into() }];
        Some(Question { asks, merge: Box::new(Self { words, step: Step::Elements }) })
    }

    /// With what the nodes have answered; an error is what the client is told.
    fn go_on(&self, gather: &Gather, around: &Around<'_>, out: &mut Vec<u8>) -> Result<Merged, Failed> {
        let request = self.words.request().ok_or(Failed::Misfit)?;
        let query = Query::parse(&request, true, true).map_err(|_| Failed::Misfit)?;
        let by: Vec<Pattern<'_>> = query.by.into_iter().collect();
        let sorted = match &self.step {
            Step::Elements => {
                let reply = gather.replies().next().ok_or(Failed::Misfit)?;
                if reply.is_error() {
                    return Err(Failed::Told(reply.bytes.to_vec()));
                }
                let elements = Elements::of(reply.bytes).ok_or(Failed::Misfit)?;
                let elements = elements.map(|element| string(element).map(<[u8]>::to_vec));
                let elements = elements.collect::<Option<Vec<_>>>().ok_or(Failed::Misfit)?;
                if query.unsorted {
                    elements
                } else {
                    let (asks, places) = ask_for(&elements, &by, around.current)?;
                    if asks.is_empty() {
                        order(&query, elements, &[])?
                    } else {
                        return Ok(self.ask(asks, Step::Weights(elements, places)));
                    }
                }
            }
            Step::Weights(elements, places) => {
                let weights = values(gather.replies(), places, elements.len())?;
                order(&query, elements.clone(), &weights)?
            }
            Step::Shown(sorted, places) => {
                let shown = values(gather.replies(), places, sorted.len() * query.get.len())?;
                tell(&query, sorted, &shown, &mut Encoder::new(out, gather.version));
                return Ok(Merged::Done);
            }
        };
        let (asks, places) = ask_for(&sorted, &query.get, around.current)?;
        if asks.is_empty() {
            tell(&query, &sorted, &[], &mut Encoder::new(out, gather.version));
            return Ok(Merged::Done);
        }
        Ok(self.ask(asks, Step::Shown(sorted, places)))
    }

    fn ask(&self, asks: Vec<Ask>, step: Step) -> Merged {
        Merged::Ask(Question { asks, merge: Box::new(Self { words: Arc::clone(&self.words), step }) })
    }
}

impl Merge for Sorted {
    fn takes_errors(&self) -> bool {
        true
    }

    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        match self.go_on(gather, around, out) {
            Ok(merged) => merged,
            Err(Failed::Misfit) => Merged::Misfit,
            Err(Failed::Told(reply)) => {
                *out = reply;
                Merged::Done
            }
            Err(Failed::Text(text)) => {
                Encoder::new(out, gather.version).error(text);
                Merged::Done
            }
        }
    }
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
enum Failed {
    /// Replies have another form.
    Misfit,
    /// A node's own words.
    Told(Vec<u8>),
    /// An error, code first.
    Text(String),
}

/// What is asked for where patterns name keys: whole strings a few hundred at once, fields one by one.
fn ask_for(
    elements: &[Vec<u8>],
    patterns: &[Pattern<'_>],
    routing: &Routing,
) -> Result<(Vec<Ask>, Places), Failed> {
    let naming = patterns.iter().filter(|pattern| matches!(pattern, Pattern::Key(..) | Pattern::Field(..)));
    let named = elements.len().saturating_mul(naming.count());
    if named > NAMED_MAX {
        return Err(Failed::Text(format!(
            "ERR {named} keys would be read by patterns on several nodes, more than {NAMED_MAX}; give them and the key that is \
             sorted a common {{tag}}"
        )));
    }
    let (mut asks, mut places) = (Vec::new(), Places::new());
    let mut strings: Vec<(NodeIndex, Vec<Vec<u8>>, Vec<usize>)> = Vec::new();
    let mut flush = |node: NodeIndex, keys: Vec<Vec<u8>>, of: Vec<usize>| {
        asks.push(Ask { node, arguments: std::iter::once(b"MGET".to_vec()).chain(keys).collect() });
        places.push(of);
    };
    let mut fields = Vec::new();
    for (at, (element, pattern)) in
        elements.iter().flat_map(|element| patterns.iter().map(move |pattern| (element, pattern))).enumerate()
    {
        let Some((key, field)) = pattern.key(element) else { continue };
        let slot = SlotId::of_key(&key);
        if routing.is_frozen(slot) && !routing.is_certain() {
            return Err(Failed::Text(placement::uncertain(slot)));
        }
        let node = routing.owner(slot).ok_or_else(|| Failed::Text(routing.no_owner(slot)))?;
        if let Some(field) = field {
            fields.push((Ask::new(node, [&b"HGET"[..], &key, field]), vec![at]));
            continue;
        }
        let open = match strings.iter().position(|(of, ..)| *of == node) {
            Some(open) => open,
            None => {
                strings.push((node, Vec::new(), Vec::new()));
                strings.len() - 1
            }
        };
        let (_, keys, of) = &mut strings[open];
        keys.push(key);
        of.push(at);
        if keys.len() == KEYS_AT_ONCE {
            flush(node, std::mem::take(keys), std::mem::take(of));
        }
    }
    strings
        .into_iter()
        .filter(|(_, keys, _)| !keys.is_empty())
        .for_each(|(node, keys, of)| flush(node, keys, of));
    for (ask, of) in fields {
        asks.push(ask);
        places.push(of);
    }
    Ok((asks, places))
}

/// What was found, by number. A key of another type is as good as none.
fn values<'a>(
    replies: impl Iterator<Item = PartReply<'a>>,
    places: &Places,
    count: usize,
) -> Result<Vec<Option<Vec<u8>>>, Failed> {
    let mut values = vec![None; count];
    for (reply, of) in replies.zip(places) {
        if reply.is_error() {
            if reply.bytes.starts_with(b"-WRONGTYPE") {
                continue;
            }
            return Err(Failed::Told(reply.bytes.to_vec()));
        }
        match Elements::of(reply.bytes) {
            Some(elements) => {
                if elements.rest().1 != of.len() {
                    return Err(Failed::Misfit);
                }
                for (&at, element) in of.iter().zip(elements) {
                    values[at] = string(element).map(<[u8]>::to_vec);
                }
            }
            None => of.iter().for_each(|&at| values[at] = string(reply.bytes).map(<[u8]>::to_vec)),
        }
    }
    Ok(values)
}

/// In order; `weights` are what `BY` names, and none if that is no key.
fn order(
    query: &Query<'_>,
    elements: Vec<Vec<u8>>,
    weights: &[Option<Vec<u8>>],
) -> Result<Vec<Vec<u8>>, Failed> {
    let sorted = query.order(elements, |at, _, _, show| {
        if let Some(Some(weight)) = weights.get(at) {
            show(weight);
        }
    });
    sorted.map_err(|invalid| Failed::Text(invalid.to_string()))
}

/// The reply; `shown` are what `GET`s name, element by element.
fn tell(query: &Query<'_>, sorted: &[Vec<u8>], shown: &[Option<Vec<u8>>], reply: &mut Encoder<'_>) {
    reply.array(sorted.len() * query.get.len().max(1));
    for (at, element) in sorted.iter().enumerate() {
        if query.get.is_empty() {
            reply.bulk(element);
        }
        for (number, get) in query.get.iter().enumerate() {
            let value = match get {
                Pattern::Element => Some(element),
                _ => shown.get(at * query.get.len() + number).and_then(Option::as_ref),
            };
            match value {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::outcome::Outcome;

    fn first(line: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        let question = Sorted::question(3, &args.request().expect("a name"), !line.starts_with("SORT_RO"))?;
        assert_eq!(question.asks[0].node, 3);
        Some(String::from_utf8(question.asks[0].arguments.join(&b' ')).expect("text"))
    }

    #[test]
    fn elements_are_asked_for_as_they_are() {
        for (line, expected) in [
            ("SORT k BY w_* DESC LIMIT 0 2", Some("SORT k BY nosort")),
            ("SORT_RO k GET w_*", Some("SORT_RO k BY nosort")),
            ("SORT k BY nosort DESC LIMIT 1 2 GET w_*", Some("SORT k BY nosort DESC LIMIT 1 2")),
            ("SORT_RO k GET w_* STORE d", None),
            ("SORT k GET w_* LIMIT 1", None),
            ("SORT k GET w_* LIMIT 1 x", None),
        ] {
            assert_eq!(first(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn what_nodes_gave_goes_where_it_belongs() {
        let part = |bytes| PartReply { bytes, outcome: Outcome::Answered };
        let places = vec![vec![2, 0], vec![1], vec![3]];
        let replies = [
            part(&b"*2\r\n$1\r\na\r\n$-1\r\n"[..]),
            part(b"$1\r\nb\r\n"),
            part(b"-WRONGTYPE Operation against a key\r\n"),
        ];
        let found = values(replies.into_iter(), &places, 4);
        assert_eq!(found, Ok(vec![None, Some(b"b".to_vec()), Some(b"a".to_vec()), None]));
        assert_eq!(values([part(b"*1\r\n$1\r\na\r\n")].into_iter(), &places, 4), Err(Failed::Misfit));
        let lost = part(b"-ERR node 1: connection lost\r\n");
        assert_eq!(values([lost].into_iter(), &places, 4), Err(Failed::Told(lost.bytes.to_vec())));
    }
}
