//! Replies to a command that nodes have taught, made one by the response policy that they named.

use super::{Around, Merge, Merged, elements::Elements, sum::integer};
use crate::{command::learned::Fold, protocol::Encoder, proxy::gather::Gather};

/// See the module. Of [`Fold::OneSucceeded`] and [`Fold::AllSucceeded`] there are merges already.
#[derive(Debug)]
pub(in crate::proxy) struct Folded(pub(in crate::proxy) Fold);

impl Merge for Folded {
    fn merge(&self, gather: &Gather, _: &mut Around<'_>, out: &mut Vec<u8>) -> Merged {
        let replies: Vec<&[u8]> = gather.replies().map(|reply| reply.bytes).collect();
        Merged::when(fold(self.0, &replies, &mut Encoder::new(out, gather.version)))
    }
}

/// `None` if the replies have another form. Integers are folded, arrays of integers place by place.
fn fold(how: Fold, replies: &[&[u8]], reply: &mut Encoder<'_>) -> Option<()> {
    if how == Fold::Together {
        return together(replies, reply);
    }
    if let Some(numbers) = replies.iter().map(|reply| integer(reply)).collect::<Option<Vec<i64>>>() {
        reply.integer(of_integers(how, &numbers)?);
        return Some(());
    }
    let arrays: Option<Vec<Vec<i64>>> =
        replies.iter().map(|reply| Elements::of(reply)?.map(integer).collect()).collect();
    let arrays = arrays?;
    let len = arrays.first()?.len();
    if arrays.iter().any(|array| array.len() != len) {
        return None;
    }
    reply.array(len);
    for place in 0..len {
        let numbers: Vec<i64> = arrays.iter().map(|array| array[place]).collect();
        reply.integer(of_integers(how, &numbers)?);
    }
    Some(())
}

fn of_integers(how: Fold, numbers: &[i64]) -> Option<i64> {
    match how {
        Fold::Sum => Some(numbers.iter().fold(0, |sum, number| sum.saturating_add(*number))),
        Fold::Least => numbers.iter().copied().min(),
        Fold::Greatest => numbers.iter().copied().max(),
        Fold::And => Some(i64::from(numbers.iter().all(|&number| number != 0))),
        Fold::Or => Some(i64::from(numbers.iter().any(|&number| number != 0))),
        Fold::OneSucceeded | Fold::AllSucceeded | Fold::Together => None,
    }
}

/// Elements of all arrays; what is no array is passed on if all say the same.
fn together(replies: &[&[u8]], reply: &mut Encoder<'_>) -> Option<()> {
    let Some(arrays) = replies.iter().map(|reply| Elements::of(reply)).collect::<Option<Vec<_>>>() else {
        let (first, others) = replies.split_first()?;
        return others.iter().all(|other| other == first).then(|| reply.raw(first));
    };
    reply.array(arrays.iter().map(|array| array.rest().1).sum());
    arrays.iter().for_each(|array| reply.raw(array.rest().0));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Version;

    fn folded(how: Fold, replies: &[&str]) -> Option<String> {
        let replies: Vec<&[u8]> = replies.iter().map(|reply| reply.as_bytes()).collect();
        let mut out = Vec::new();
        fold(how, &replies, &mut Encoder::new(&mut out, Version::Resp2))?;
        Some(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn integers_and_arrays_of_them() {
        let numbers = [":3\r\n", ":0\r\n"];
        let arrays = ["*2\r\n:1\r\n:0\r\n", "*2\r\n:1\r\n:5\r\n"];
        for (how, number, array) in [
            (Fold::Sum, 3, [2, 5]),
            (Fold::Least, 0, [1, 0]),
            (Fold::Greatest, 3, [1, 5]),
            (Fold::And, 0, [1, 0]),
            (Fold::Or, 1, [1, 1]),
        ] {
            assert_eq!(folded(how, &numbers), Some(format!(":{number}\r\n")), "{how:?}");
            let expected = format!("*2\r\n:{}\r\n:{}\r\n", array[0], array[1]);
            assert_eq!(folded(how, &arrays), Some(expected), "{how:?}");
            assert_eq!(folded(how, &[":1\r\n", "*1\r\n:1\r\n"]), None, "{how:?}");
            assert_eq!(folded(how, &["*1\r\n:1\r\n", "*0\r\n"]), None, "{how:?}");
            assert_eq!(folded(how, &["+x\r\n"]), None, "{how:?}");
        }
    }

    #[test]
    fn arrays_are_put_together_and_the_rest_must_be_the_same() {
        let together = |replies: &[&str]| folded(Fold::Together, replies);
        let expected = "*3\r\n$1\r\na\r\n$1\r\nb\r\n:1\r\n".to_owned();
        assert_eq!(together(&["*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*0\r\n", "*1\r\n:1\r\n"]), Some(expected));
        assert_eq!(together(&["+x\r\n", "+x\r\n"]), Some("+x\r\n".to_owned()));
        assert_eq!(together(&["+x\r\n", "+y\r\n"]), None);
    }
}
