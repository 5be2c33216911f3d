//! The types of values, each in its own commands: how many elements there are, a window of them, and what is in one.

use redis_cluster::protocol::{Value, number, quote};

use crate::{
    language::quote_words,
    screen::{
        pages::grid::{Cell, Column, Row, column},
        text,
    },
};

/// Bytes of a string that are asked for at once.
const WINDOW: u64 = 4 << 10;
/// Bytes of an element that are kept.
pub(super) const KEPT: usize = 64 << 10;
/// Bytes of an element that stand in the table.
const IN_TABLE: usize = 400;

const INDEXED: &[Column] =
    &[column("INDEX", 12, true, 9), column("BYTES", 7, true, 5), column("VALUE", 400, false, 10)];
const FIELDS: &[Column] =
    &[column("FIELD", 40, false, 9), column("BYTES", 7, true, 5), column("VALUE", 400, false, 10)];
const MEMBERS: &[Column] = &[column("BYTES", 7, true, 5), column("MEMBER", 400, false, 10)];
const SCORES: &[Column] =
    &[column("SCORE", 20, true, 9), column("BYTES", 7, true, 5), column("MEMBER", 400, false, 10)];
const ENTRIES: &[Column] =
    &[column("ID", 28, false, 9), column("BYTES", 7, true, 5), column("FIELDS", 400, false, 10)];

/// What the value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    String,
    List,
    Hash,
    Set,
    Zset,
    Stream,
}

/// A window of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    pub(super) key: &'a [u8],
    /// Where it begins: a number, a cursor or an id; `None`: at the beginning.
    pub(super) begin: Option<&'a [u8]>,
    /// Elements.
    pub(super) count: u64,
}

impl Window<'_> {
    /// Where it begins, of what is counted.
    pub(super) fn first(&self) -> u64 {
        self.begin.and_then(|begin| std::str::from_utf8(begin).ok()?.parse().ok()).unwrap_or(0)
    }
}

/// Elements of a window, and the cursor of the next one where there are cursors.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) elements: Vec<Element>,
    pub(super) cursor: Option<Vec<u8>>,
}

impl Shape {
    pub(super) fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "string" => Self::String,
            "list" => Self::List,
            "hash" => Self::Hash,
            "set" => Self::Set,
            "zset" => Self::Zset,
            "stream" => Self::Stream,
            _ => return None,
        })
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::String | Self::List => INDEXED,
            Self::Hash => FIELDS,
            Self::Set => MEMBERS,
            Self::Zset => SCORES,
            Self::Stream => ENTRIES,
        }
    }

    /// The command that says how long it is.
    pub(super) fn length(self, key: &[u8]) -> Vec<Vec<u8>> {
        let name: &[u8] = match self {
            Self::String => b"STRLEN",
            Self::List => b"LLEN",
            Self::Hash => b"HLEN",
            Self::Set => b"SCARD",
            Self::Zset => b"ZCARD",
            Self::Stream => b"XLEN",
        };
        vec![name.to_vec(), key.to_vec()]
    }

    /// The command that reads a window.
    pub(super) fn window(self, window: &Window<'_>) -> Vec<Vec<u8>> {
        let key = window.key;
        let first = window.first();
        let (from, count) = (first.to_string(), window.count.to_string());
        let (from, count) = (from.as_bytes(), count.as_bytes());
        let to = |length: u64| (first + length - 1).to_string();
        let cursor = window.begin.unwrap_or(b"0");
        let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect();
        match self {
            Self::String => words(&[b"GETRANGE", key, from, to(WINDOW).as_bytes()]),
            Self::List => words(&[b"LRANGE", key, from, to(window.count).as_bytes()]),
            Self::Zset => words(&[b"ZRANGE", key, from, to(window.count).as_bytes(), b"WITHSCORES"]),
            Self::Hash => words(&[b"HSCAN", key, cursor, b"COUNT", count]),
            Self::Set => words(&[b"SSCAN", key, cursor, b"COUNT", count]),
            Self::Stream => words(&[b"XRANGE", key, window.begin.unwrap_or(b"-"), b"+", b"COUNT", count]),
        }
    }

    /// What the reply to that has, of a window that begins at `first`; a string has no elements.
    pub(super) fn read(self, reply: &Value, first: u64) -> Told {
        let all = |elements| Told { elements, cursor: None };
        match self {
            Self::String => Told::default(),
            Self::List => {
                let values = values_of(reply).into_iter().zip(first..);
                all(values
                    .map(|(value, index)| Element::new(index.to_string().as_bytes(), &bytes_of(&value)))
                    .collect())
            }
            Self::Zset => {
                let values = values_of(reply);
                all(pairs_of(&values).map(|(member, score)| Element::new(&score, &member)).collect())
            }
            Self::Hash | Self::Set => {
                let (cursor, values) = match reply {
                    Value::Array(parts) => (parts.first().map(bytes_of), parts.get(1).map(values_of)),
                    _ => (None, None),
                };
                let values = values.unwrap_or_default();
                let elements = match self {
                    Self::Hash => {
                        pairs_of(&values).map(|(field, value)| Element::new(&field, &value)).collect()
                    }
                    _ => values.iter().map(|member| Element::new(b"", &bytes_of(member))).collect(),
                };
                Told { elements, cursor: cursor.filter(|cursor| cursor != b"0") }
            }
            Self::Stream => {
                let entry = |entry: &Value| {
                    let Value::Array(parts) = entry else { return None };
                    let words: Vec<Vec<u8>> = values_of(parts.get(1)?).iter().map(bytes_of).collect();
                    Some(Element::new(&bytes_of(parts.first()?), quote_words(&words).as_bytes()))
                };
                all(values_of(reply).iter().filter_map(entry).collect())
            }
        }
    }
}

/// An element: what it is called by (field, index, score, id), what it holds, and how long that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: Vec<u8>,
    pub(super) bytes: Vec<u8>,
    pub(super) length: usize,
}

impl Element {
    fn new(name: &[u8], bytes: &[u8]) -> Self {
        let kept = &bytes[..bytes.len().min(KEPT)];
        Self { name: name.to_vec(), bytes: kept.to_vec(), length: bytes.len() }
    }

    /// All of it is kept.
    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() == self.length
    }

    /// The n-th row of the table.
    pub(super) fn row(&self, shape: Shape, at: usize) -> Row {
        let part = &self.bytes[..self.bytes.len().min(IN_TABLE)];
        let shown = match std::str::from_utf8(part) {
            Ok(text) => text.to_owned(),
            Err(_) => quote::repr(part),
        };
        let length = self.length as u64;
        let mut cells = vec![Cell::number(length as f64, text::short_bytes(length)), Cell::text(shown)];
        if shape != Shape::Set {
            let name = String::from_utf8(self.name.clone()).unwrap_or_else(|_| quote::repr(&self.name));
            cells.insert(0, Cell { number: name.parse().ok(), text: name });
        }
        Row::new(at.to_string(), cells)
    }
}

/// The elements of a collection, names and values of a map in turn.
fn values_of(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) | Value::Set(values) => values.clone(),
        Value::Map(pairs) => pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect(),
        _ => Vec::new(),
    }
}

fn bytes_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Double(number) => number::format_double(*number).into_bytes(),
        other => other.as_bytes().unwrap_or_default().to_vec(),
    }
}

/// Names and values that follow one another, or stand in pairs.
fn pairs_of(values: &[Value]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let nested = matches!(values.first(), Some(Value::Array(_)));
    let flat: Vec<Vec<u8>> = if nested {
        let inner = |value: &Value| match value {
            Value::Array(pair) => pair.iter().map(bytes_of).collect(),
            _ => Vec::new(),
        };
        values.iter().flat_map(inner).collect()
    } else {
        values.iter().map(bytes_of).collect()
    };
    let mut flat = flat.into_iter();
    std::iter::from_fn(move || Some((flat.next()?, flat.next()?)))
}
