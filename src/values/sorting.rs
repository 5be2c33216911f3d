//! `SORT`: what is asked for, what the patterns of `BY` and `GET` name, and the order of elements. Whoever holds the values that patterns name
//! shows them.
//!
//! Redis compares texts by the locale that its process was started in; here they are compared byte by byte, which is what it
//! does in the C locale and with `STORE`.

use std::cmp::Ordering;

use crate::protocol::{
    Request,
    number::{parse_f64, parse_i64},
    quote::c_string,
};

/// Why there is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Options do not fit together.
    #[error("ERR syntax error")]
    Syntax,
    /// `LIMIT` with something else.
    #[error("ERR value is not an integer or out of range")]
    Limit,
    /// `BY` names keys, and who asks may not read all there are.
    #[error("ERR BY names keys that may not be read")]
    By,
    /// The same of `GET`.
    #[error("ERR GET names keys that may not be read")]
    Get,
    /// What elements are sorted by.
    #[error("ERR One or more scores can't be converted into double")]
    Number,
}

/// What names a value for each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern<'a> {
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
        let Some(star) = memchr::memchr(b'*', text) else { return Self::Nothing };
        let (before, after) = (&text[..star], &text[star + 1..]);
        match after.windows(2).position(|pair| pair == b"->") {
            Some(arrow) if arrow + 2 < after.len() => {
                Self::Field(before, &after[..arrow], &after[arrow + 2..])
            }
            _ => Self::Key(before, after),
        }
    }

    /// The key that it names for an element, and the field, if it is a hash; none where no key is meant.
    #[must_use]
    pub fn key(self, element: &[u8]) -> Option<(Vec<u8>, Option<&'a [u8]>)> {
        match self {
            Self::Element | Self::Nothing => None,
            Self::Key(before, after) => Some(([before, element, after].concat(), None)),
            Self::Field(before, after, field) => Some(([before, element, after].concat(), Some(field))),
        }
    }
}

/// What is asked for.
#[derive(Debug, Default)]
pub struct Query<'a> {
    /// The greatest first.
    pub descending: bool,
    /// By text rather than by number.
    pub alpha: bool,
    limit: Option<(i64, i64)>,
    /// What elements are sorted by; none for themselves.
    pub by: Option<Pattern<'a>>,
    /// `BY` something that is the same for all elements: they stay as they are.
    pub unsorted: bool,
    /// `GET`s, in order; none for the elements themselves.
    pub get: Vec<Pattern<'a>>,
    /// Where it goes.
    pub store: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    /// Of a request for `SORT`, or, without a target, for `SORT_RO`. `reads_all`: whatever key a pattern names may be read.
    ///
    /// # Errors
    /// Options that make no sense.
    pub fn parse(request: &Request<'a>, may_store: bool, reads_all: bool) -> Result<Self, Invalid> {
        let mut query = Self::default();
        let mut words = request.args_from(2);
        while let Some(word) = words.next() {
            let left = words.len();
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let mut next = || words.next().unwrap_or_default();
            if is("ASC") {
                query.descending = false;
            } else if is("DESC") {
                query.descending = true;
            } else if is("ALPHA") {
                query.alpha = true;
            } else if is("LIMIT") && left >= 2 {
                let start = parse_i64(next()).ok_or(Invalid::Limit)?;
                query.limit = Some((start, parse_i64(next()).ok_or(Invalid::Limit)?));
            } else if is("STORE") && left >= 1 && may_store {
                query.store = Some(next());
            } else if is("BY") && left >= 1 {
                let text = next();
                if text.contains(&b'*') && !reads_all {
                    return Err(Invalid::By);
                }
                query.by = Some(Pattern::parse(text));
                // Of several, one such is enough.
                query.unsorted |= !text.contains(&b'*');
            } else if is("GET") && left >= 1 {
                if !reads_all {
                    return Err(Invalid::Get);
                }
                query.get.push(Pattern::parse(next()));
            } else {
                return Err(Invalid::Syntax);
            }
        }
        Ok(query)
    }

    /// Which of `len` elements in order are asked for: the first, and how many.
    #[must_use]
    pub fn range(&self, len: usize) -> (usize, usize) {
        let Some((start, count)) = self.limit else { return (0, len) };
        let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX).min(len);
        // A negative number of elements is all of them.
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        (start, count.min(len - start))
    }

    /// `LIMIT`, as it was given.
    #[must_use]
    pub fn limit(&self) -> Option<(i64, i64)> {
        self.limit
    }

    /// Puts elements in order, and leaves those that are asked for. `show` is given the place of an element, the element and the pattern of `BY`,
    /// and shows what that names, if it is there and a string.
    ///
    /// # Errors
    /// What should be numbers is not.
    pub fn order(
        &self,
        elements: Vec<Vec<u8>>,
        mut show: impl FnMut(usize, &[u8], Pattern<'a>, &mut dyn FnMut(&[u8])),
    ) -> Result<Vec<Vec<u8>>, Invalid> {
        let (start, count) = self.range(elements.len());
        let mut items = Vec::with_capacity(elements.len());
        for (at, element) in elements.into_iter().enumerate() {
            let weight = match self.by {
                None if self.alpha => Weight::Itself,
                None => Weight::Number(number(&element).ok_or(Invalid::Number)?),
                Some(by) if self.alpha => {
                    let mut text = None;
                    show(at, &element, by, &mut |shown| text = Some(shown.to_vec()));
                    Weight::Text(text)
                }
                Some(by) => {
                    let mut weight = Some(0.0);
                    show(at, &element, by, &mut |shown| weight = number(shown));
                    Weight::Number(weight.ok_or(Invalid::Number)?)
                }
            };
            items.push(Item { element, weight, at });
        }
        // As Redis: what is stored is compared whole, what is shown as texts of C.
        let seen: fn(&[u8]) -> &[u8] = if self.store.is_some() { |text| text } else { c_string };
        let order = |one: &Item, two: &Item| one.cmp(two, self.descending, seen);
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
    let text = c_string(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let start = text.iter().position(|byte| !matches!(byte, b' ' | 9..=13)).unwrap_or(text.len());
    // Both zeros are one number, and what lost digits so near to zero is none.
    parse_f64(&text[start..]).filter(|number| !number.is_subnormal()).map(|number| number + 0.0)
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

    #[test]
    fn patterns_name_keys_and_fields() {
        let named = |text: &'static str| Pattern::parse(text.as_bytes()).key(b"e");
        assert_eq!(named("w_*"), Some((b"w_e".to_vec(), None)));
        assert_eq!(named("w_*_x->f"), Some((b"w_e_x".to_vec(), Some(&b"f"[..]))));
        assert_eq!(named("w_*->"), Some((b"w_e->".to_vec(), None)));
        assert_eq!((named("#"), named("w")), (None, None));
    }

    #[test]
    fn the_order_is_by_what_is_shown() {
        let words = ["SORT", "k", "BY", "w_*", "DESC", "LIMIT", "0", "2"];
        let args = crate::protocol::Args::of(&words).expect("small");
        let query = Query::parse(&args.request().expect("a name"), true, true).expect("complete");
        let elements = || [b"a", b"b", b"c"].map(|element| element.to_vec()).to_vec();
        let weights = [Some(&b"1"[..]), None, Some(b"2")];
        let order = |weights: [Option<&'static [u8]>; 3]| {
            query.order(elements(), |at, _, _, show| weights[at].into_iter().for_each(show))
        };
        assert_eq!(order(weights), Ok(vec![b"c".to_vec(), b"a".to_vec()]));
        assert_eq!(order([Some(b"x"), None, None]), Err(Invalid::Number));
    }
}
