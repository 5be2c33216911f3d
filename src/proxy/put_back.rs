//! What a waiting command took for a client that had gone away meanwhile goes back where it was. Pure: when that is so, and who sends
//! it, is the worker's.

use super::merge::elements::{Elements, string};
use crate::{command::Spec, protocol::Request};

/// How it goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PutBack {
    /// Nothing was taken out: elements were moved, or only shown, or are pending for their consumer.
    Nothing,
    /// To the head of a list.
    Head,
    /// To the tail of a list.
    Tail,
    /// Into a sorted set.
    Scored,
}

impl PutBack {
    /// For what this request may take.
    pub(super) fn of(spec: &Spec, request: &Request<'_>) -> Self {
        match spec.name {
            "blpop" => Self::Head,
            "brpop" => Self::Tail,
            "blmpop" if request.args_from(3).any(|word| word.eq_ignore_ascii_case(b"right")) => Self::Tail,
            "blmpop" => Self::Head,
            "bzpopmin" | "bzpopmax" | "bzmpop" => Self::Scored,
            _ => Self::Nothing,
        }
    }

    /// The command that undoes what the reply says; none if it took nothing.
    pub(super) fn command(self, reply: &[u8]) -> Option<Vec<&[u8]>> {
        let name: &[u8] = match self {
            Self::Nothing => return None,
            Self::Head => b"LPUSH",
            Self::Tail => b"RPUSH",
            Self::Scored => b"ZADD",
        };
        let mut elements = Elements::of(reply)?;
        let key = string(elements.next()?)?;
        let mut words = Vec::new();
        elements.try_for_each(|element| flatten(element, &mut words))?;
        if self == Self::Scored {
            // Members come before their scores.
            words.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.swap(0, 1));
        } else {
            // The last one taken is the first to go back.
            words.reverse();
        }
        (!words.is_empty()).then(|| [name, key].into_iter().chain(words).collect())
    }
}

/// All strings and numbers in an element, however deep.
fn flatten<'a>(element: &'a [u8], words: &mut Vec<&'a [u8]>) -> Option<()> {
    if let Some(mut inner) = Elements::of(element) {
        return inner.try_for_each(|element| flatten(element, words));
    }
    let word = element.strip_prefix(b",").map(<[u8]>::trim_ascii_end).or_else(|| string(element))?;
    words.push(word);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::lookup, protocol::Args};

    fn undone(line: &str, reply: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let args = Args::of(&words).expect("small");
        let request = args.request().expect("a name");
        let put_back = PutBack::of(lookup(request.name()).expect("a command"), &request);
        let reply = reply.replace(' ', "\r\n") + "\r\n";
        put_back.command(reply.as_bytes()).map(|words| String::from_utf8(words.join(&b' ')).expect("text"))
    }

    #[test]
    fn elements_go_back_to_where_they_were() {
        let is = |line, reply, expected: &str| {
            assert_eq!(undone(line, reply).as_deref(), Some(expected), "{line}");
        };
        is("BLPOP k j 0", "*2 $1 k $1 a", "LPUSH k a");
        is("BRPOP k j 0", "*2 $1 k $1 a", "RPUSH k a");
        is("BLMPOP 0 1 k LEFT COUNT 2", "*2 $1 k *2 $1 a $1 b", "LPUSH k b a");
        is("BLMPOP 0 1 k right COUNT 2", "*2 $1 k *2 $1 b $1 a", "RPUSH k a b");
        is("BZPOPMIN k 0", "*3 $1 k $1 a $3 1.5", "ZADD k 1.5 a");
        is("BZPOPMAX k 0", "*3 $1 k $1 a ,1.5", "ZADD k 1.5 a");
        is("BZMPOP 0 1 k MIN COUNT 2", "*2 $1 k *2 *2 $1 a $1 1 *2 $1 b ,2", "ZADD k 1 a 2 b");
        is("BZMPOP 0 1 k MIN COUNT 2", "*2 $1 k *2 *2 $1 a $1 1 *2 $1 b $1 2", "ZADD k 1 a 2 b");
    }

    #[test]
    fn where_nothing_was_taken_nothing_goes_back() {
        assert_eq!(undone("BLPOP k 0", "*-1"), None);
        assert_eq!(undone("BLPOP k 0", "_"), None);
        assert_eq!(undone("BLMOVE k j LEFT LEFT 0", "$1 a"), None);
        assert_eq!(undone("XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "*1 *2 $1 k *0"), None);
    }
}
