//! `SORT`: elements of a list, set or sorted set in order, by themselves or by what other keys hold.
//!
//! Redis compares texts by the locale that its process was started in; here they are compared byte by byte, which is what it
//! does in the C locale and with `STORE`.

use std::cmp::Ordering;

use super::{
    set_combine::put_result,
    support::{Outcome, as_c_string, integer, is_word, reply_element, with_bytes},
};
use crate::{
    acl::answers::{SORT_BY_DENIED, SORT_GET_DENIED},
    node::{
        caller::Origin,
        context::{CommandError, Context, Handler},
        keyspace::{Access, Content, Db, EventClass, Key, RecordRef, WrongType},
        object::{
            Element, List, Object,
            list::{End, Fill},
        },
    },
    protocol::{Request, number::parse_f64},
};

pub(super) const HANDLERS: &[(&str, Handler)] = &[("sort", sort), ("sort_ro", sort_ro)];

/// What is asked for.
#[derive(Default)]
struct Query<'a> {
    descending: bool,
    /// By text rather than by number.
    alpha: bool,
    limit: Option<(i64, i64)>,
    by: Option<Pattern<'a>>,
    /// `BY` something that is the same for all elements: they stay as they are.
    unsorted: bool,
    /// `GET`s, in order; none for the elements themselves.
    get: Vec<Pattern<'a>>,
    store: Option<Key<'a>>,
}

/// What names a value for each element.
#[derive(Clone, Copy)]
enum Pattern<'a> {
    /// `#`: the element.
    Element,
    /// A string: the element goes between these.
    Key(&'a [u8], &'a [u8]),
    /// A field of a hash, which is named behind `->`.
    Field(&'a [u8], &'a [u8], &'a [u8]),
    /// Without `*` there is nothing that it names.
    Nothing,
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Element;
        }
        let Some(star) = text.iter().position(|&byte| byte == b'*') else { return Self::Nothing };
        let (before, after) = (&text[..star], &text[star + 1..]);
        match after.windows(2).position(|pair| pair == b"->") {
            Some(arrow) if arrow + 2 < after.len() => {
                Self::Field(before, &after[..arrow], &after[arrow + 2..])
            }
            _ => Self::Key(before, after),
        }
    }

    /// Shows what it names for an element, if that is there and a string.
    fn with<R>(
        self,
        db: &mut Db,
        access: Access,
        element: Element<'_>,
        with: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        let (before, after) = match self {
            Self::Element => return Some(element.with(with)),
            Self::Nothing => return None,
            Self::Key(before, after) | Self::Field(before, after, _) => (before, after),
        };
        let name = element.with(|element| [before, element, after].concat());
        match (self, db.read(Key::new(&name), access).map(RecordRef::content)?) {
            (Self::Key(..), Content::String(value)) => Some(with_bytes(value, with)),
            (Self::Field(_, _, field), Content::Hash(hash)) => hash.get(field).map(|value| value.with(with)),
            _ => None,
        }
    }
}

impl<'a> Query<'a> {
    /// `reads_all`: the caller may read whatever key a pattern names.
    fn parse(request: Request<'a>, may_store: bool, reads_all: bool) -> Result<Self, CommandError> {
        let mut query = Self::default();
        let mut words = request.args_from(2);
        while let Some(word) = words.next() {
            let left = words.len();
            match word {
                word if is_word(word, "ASC") => query.descending = false,
                word if is_word(word, "DESC") => query.descending = true,
                word if is_word(word, "ALPHA") => query.alpha = true,
                word if is_word(word, "LIMIT") && left >= 2 => {
                    let start = integer(words.next().unwrap_or_default())?;
                    query.limit = Some((start, integer(words.next().unwrap_or_default())?));
                }
                word if is_word(word, "STORE") && left >= 1 && may_store => {
                    query.store = words.next().map(Key::new);
                }
                word if is_word(word, "BY") && left >= 1 => {
                    let text = words.next().unwrap_or_default();
                    if text.contains(&b'*') && !reads_all {
                        return Err(CommandError::other(SORT_BY_DENIED));
                    }
                    query.by = Some(Pattern::parse(text));
                    // Of several, one such is enough.
                    query.unsorted |= !text.contains(&b'*');
                }
                word if is_word(word, "GET") && left >= 1 => {
                    if !reads_all {
                        return Err(CommandError::other(SORT_GET_DENIED));
                    }
                    query.get.push(Pattern::parse(words.next().unwrap_or_default()));
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(query)
    }

    /// Which of `len` elements in order are asked for: the first, and how many.
    fn range(&self, len: usize) -> (usize, usize) {
        let Some((start, count)) = self.limit else { return (0, len) };
        let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX).min(len);
        // A negative number of elements is all of them.
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        (start, count.min(len - start))
    }
}

/// What an element is sorted by.
enum Weight {
    Number(f64),
    /// No text is before any text.
    Text(Option<Vec<u8>>),
    Itself,
}

struct Item {
    element: Vec<u8>,
    weight: Weight,
    /// Where it stood: equals stay as they were.
    at: usize,
}

impl Item {
    /// Of texts `seen` shows what counts.
    fn cmp(&self, other: &Self, descending: bool, seen: fn(&[u8]) -> &[u8]) -> Ordering {
        let order = match (&self.weight, &other.weight) {
            // Redis compares the elements where the numbers are the same, so that the order is always one.
            (Weight::Number(one), Weight::Number(two)) => {
                one.total_cmp(two).then_with(|| self.element.cmp(&other.element))
            }
            (Weight::Text(one), Weight::Text(two)) => one.as_deref().map(seen).cmp(&two.as_deref().map(seen)),
            _ => seen(&self.element).cmp(seen(&other.element)),
        };
        if descending { order.reverse() } else { order }.then(self.at.cmp(&other.at))
    }
}

/// A number as C's `strtod` reads it: up to a zero byte, behind white space, and nothing is zero.
fn number(text: &[u8]) -> Option<f64> {
    let text = as_c_string(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let start = text.iter().position(|byte| !matches!(byte, b' ' | 9..=13)).unwrap_or(text.len());
    // Both zeros are one number, and what lost digits so near to zero is none.
    parse_f64(&text[start..]).filter(|number| !number.is_subnormal()).map(|number| number + 0.0)
}

/// The elements of what is there, with those already chosen that need no order.
fn elements(
    db: &mut Db,
    key: Key<'_>,
    access: Access,
    query: &mut Query<'_>,
    shown_to_others: bool,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let Some(record) = db.read(key, access) else { return Ok(Vec::new()) };
    let content = record.content();
    // A set has no order to stay in: where others see or keep the result, it gets one.
    if query.unsorted && shown_to_others && matches!(content, Content::Set(_)) {
        (query.unsorted, query.alpha, query.by) = (false, true, None);
    }
    let part = |len| if query.unsorted { query.range(len) } else { (0, len) };
    let backwards = query.unsorted && query.descending;
    Ok(match content {
        Content::List(list) => {
            let (start, count) = part(list.len());
            let from = if backwards { (list.len() - start).saturating_sub(1) } else { start };
            let to = if backwards { End::Left } else { End::Right };
            list.iter(from, to).take(count).map(|element| element.to_vec()).collect()
        }
        Content::Set(set) => {
            let (start, count) = part(set.len());
            set.iter().skip(start).take(count).map(|element| element.to_vec()).collect()
        }
        Content::SortedSet(set) => {
            let (start, count) = part(set.len());
            let ranks =
                if backwards { set.len() - start - count..set.len() - start } else { start..start + count };
            set.range(ranks, backwards).map(|(element, _)| element.to_vec()).collect()
        }
        Content::String(_) | Content::Hash(_) | Content::Stream(_) => return Err(WrongType.into()),
    })
}

/// Puts them in order, and leaves those that are asked for.
fn ordered(
    db: &mut Db,
    access: Access,
    query: &Query<'_>,
    elements: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let (start, count) = query.range(elements.len());
    let mut items = Vec::with_capacity(elements.len());
    for (at, element) in elements.into_iter().enumerate() {
        let weight = match query.by {
            None if query.alpha => Weight::Itself,
            None => Weight::Number(number(&element).ok_or_else(not_a_number)?),
            Some(by) => {
                let of = Element::Bytes(&element);
                if query.alpha {
                    Weight::Text(by.with(db, access, of, <[u8]>::to_vec))
                } else {
                    let weight = by.with(db, access, of, number);
                    Weight::Number(weight.unwrap_or(Some(0.0)).ok_or_else(not_a_number)?)
                }
            }
        };
        items.push(Item { element, weight, at });
    }
    // As Redis: what is stored is compared whole, what is shown as texts of C.
    let seen: fn(&[u8]) -> &[u8] = if query.store.is_some() { |text| text } else { as_c_string };
    let order = |one: &Item, two: &Item| one.cmp(two, query.descending, seen);
    if count == 0 {
        return Ok(Vec::new());
    }
    if start + count < items.len() {
        // Only the first need an order among each other.
        items.select_nth_unstable_by(start + count - 1, order);
        items.truncate(start + count);
    }
    items.sort_unstable_by(order);
    Ok(items.into_iter().skip(start).map(|item| item.element).collect())
}

fn not_a_number() -> CommandError {
    CommandError::other("ERR One or more scores can't be converted into double")
}

fn sort(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, true)
}

fn sort_ro(ctx: &mut Context<'_>, request: Request<'_>) -> Outcome {
    run(ctx, request, false)
}

fn run(ctx: &mut Context<'_>, request: Request<'_>, may_store: bool) -> Outcome {
    let reads_all = ctx.caller.user.may_read_all_keys(ctx.row.spec, &request);
    let mut query = Query::parse(request, may_store, reads_all)?;
    let (key, access, fill) = (ctx.key(request, 1), ctx.access(), ctx.node.config.list_fill());
    let scripted = ctx.caller.origin == Origin::Script;
    let (db, reply) = ctx.db_and_reply();
    let shown_to_others = scripted || query.store.is_some();
    let elements = elements(db, key, access, &mut query, shown_to_others)?;
    let sorted = if query.unsorted { elements } else { ordered(db, access, &query, elements)? };
    if let Some(target) = query.store {
        let list = result(db, access, &query, &sorted, fill);
        let (len, before) = (list.len(), db.changes());
        reply.integer(len as i64);
        let object = (!list.is_empty()).then_some(Object::List(list));
        put_result(db, target, access, object, EventClass::List, "sortstore");
        if len > 0 {
            db.count_as(before, len);
        }
        return Ok(());
    }
    reply.array(sorted.len() * query.get.len().max(1));
    for element in &sorted {
        let element = Element::Bytes(element);
        if query.get.is_empty() {
            reply_element(reply, element);
        }
        for get in &query.get {
            if get.with(db, access, element, |value| reply.bulk(value)).is_none() {
                reply.null();
            }
        }
    }
    Ok(())
}

/// What `STORE` keeps. What is not there is an empty element.
fn result(db: &mut Db, access: Access, query: &Query<'_>, sorted: &[Vec<u8>], fill: Fill) -> List {
    let mut list = List::default();
    for element in sorted {
        if query.get.is_empty() {
            list.push(End::Right, element, fill);
        }
        for get in &query.get {
            let push = |value: &[u8]| list.push(End::Right, value, fill);
            if get.with(db, access, Element::Bytes(element), push).is_none() {
                list.push(End::Right, b"", fill);
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_redis() {
        for (limit, len, expected) in [
            (None, 3, (0, 3)),
            (Some((0, -1)), 3, (0, 3)),
            (Some((1, 1)), 3, (1, 1)),
            (Some((-5, 2)), 3, (0, 2)),
            (Some((3, 2)), 3, (3, 0)),
            (Some((i64::MAX, i64::MAX)), 3, (3, 0)),
            (Some((1, i64::MAX)), 3, (1, 2)),
            (Some((0, i64::MIN)), 0, (0, 0)),
        ] {
            let query = Query { limit, ..Query::default() };
            assert_eq!(query.range(len), expected, "{limit:?} of {len}");
        }
    }

    #[test]
    fn numbers_as_c_reads_them() {
        for (text, expected) in [
            (&b""[..], Some(0.0)),
            (b"3.5", Some(3.5)),
            (b" \t-2", Some(-2.0)),
            (b"1\0x", Some(1.0)),
            (b"\0", Some(0.0)),
            (b"inf", Some(f64::INFINITY)),
            (b" ", None),
            (b"1 ", None),
            (b"nan", None),
            (b"4e-320", None),
            (b"x", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }
}
