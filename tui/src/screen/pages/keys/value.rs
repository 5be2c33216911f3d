//! A value, a window at a time: 4 KiB of a string, a hundred elements of anything else, fewer where they are large.

use redis_cluster::{
    protocol::{Value, quote},
    slot::SlotId,
    time::Millis,
};

use super::{
    facts::{self, Facts},
    shown::{self, Look},
};
use crate::{
    language::quote_words,
    screen::{
        dialog::Change,
        keymap::Context,
        pages::{
            Content, Kind, Known, Text, Turn, Wish,
            ask::{Question, Topic},
            events::EventPage,
            grid::{Cell, Column, Grid, Row, column},
        },
        text,
        theme::Role,
    },
    session::{ClusterView, Target},
};

/// Bytes of a string that are asked for at once.
const WINDOW: u64 = 4 << 10;
/// Elements that are asked for at once.
const ELEMENTS: u64 = 100;
/// Bytes of elements that are asked for at once, by the mean size; one is asked for however large it is.
const ELEMENT_BYTES: u64 = 256 << 10;
/// Bytes of an element that are kept.
const KEPT: usize = 64 << 10;
/// Bytes of an element that stand in the table.
const IN_TABLE: usize = 400;
const EVERY_MS: i64 = 2_000;

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
enum Shape {
    String,
    List,
    Hash,
    Set,
    Zset,
    Stream,
}

impl Shape {
    fn of(kind: &str) -> Option<Self> {
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

    fn columns(self) -> &'static [Column] {
        match self {
            Self::String | Self::List => INDEXED,
            Self::Hash => FIELDS,
            Self::Set => MEMBERS,
            Self::Zset => SCORES,
            Self::Stream => ENTRIES,
        }
    }
}

/// An element: what it is called by (field, index, score, id), what it holds, and how long that is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Element {
    name: Vec<u8>,
    bytes: Vec<u8>,
    length: usize,
}

impl Element {
    fn new(name: &[u8], bytes: &[u8]) -> Self {
        let kept = &bytes[..bytes.len().min(KEPT)];
        Self { name: name.to_vec(), bytes: kept.to_vec(), length: bytes.len() }
    }
}

/// The page.
#[derive(Clone, Debug)]
pub struct ValuePage {
    key: Vec<u8>,
    facts: Option<Facts>,
    shape: Option<Shape>,
    is_gone: bool,
    place: String,
    length: Option<u64>,
    look: Look,
    /// Where the window begins, and those before it.
    begins: Vec<Vec<u8>>,
    /// Where the next one begins; `None`: this is the last.
    next: Option<Vec<u8>>,
    bytes: Vec<u8>,
    text: Text,
    elements: Vec<Element>,
    grid: Grid,
}

impl ValuePage {
    /// Nothing known yet.
    #[must_use]
    pub fn new(key: Vec<u8>) -> Self {
        Self {
            key,
            facts: None,
            shape: None,
            is_gone: false,
            place: String::new(),
            length: None,
            look: Look::Auto,
            begins: Vec::new(),
            next: None,
            bytes: Vec::new(),
            text: Text::default(),
            elements: Vec::new(),
            grid: Grid::new(INDEXED),
        }
    }

    fn begin(&self) -> &[u8] {
        self.begins.last().map_or(b"0", Vec::as_slice)
    }

    fn begin_number(&self) -> u64 {
        std::str::from_utf8(self.begin()).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// As many elements as are asked for at once.
    fn elements_at_once(&self) -> u64 {
        let mean = match (self.facts.as_ref().and_then(|facts| facts.size), self.length) {
            (Some(size), Some(length)) if length > 0 => size / length,
            _ => 0,
        };
        (ELEMENT_BYTES / mean.max(1)).clamp(1, ELEMENTS)
    }

    fn lay_out(&mut self) {
        let is_whole = self.begin_number() == 0 && self.length == Some(self.bytes.len() as u64);
        self.text.lines = shown::lines(&self.bytes, self.begin_number(), is_whole, self.look);
        if self.text.lines.is_empty() {
            self.text.lines.push((Role::Quiet, "(empty)".to_owned()));
        }
        self.text.top = self.text.top.min(self.text.lines.len() - 1);
    }

    fn told_elements(&mut self, shape: Shape, elements: Vec<Element>) {
        let rows = elements.iter().enumerate().map(|(at, element)| {
            let part = &element.bytes[..element.bytes.len().min(IN_TABLE)];
            let shown = match std::str::from_utf8(part) {
                Ok(text) => text.to_owned(),
                Err(_) => quote::repr(part),
            };
            let name = String::from_utf8(element.name.clone()).unwrap_or_else(|_| quote::repr(&element.name));
            let length = element.length as u64;
            let mut cells = vec![Cell::number(length as f64, text::short_bytes(length)), Cell::text(shown)];
            if shape != Shape::Set {
                cells.insert(0, Cell { number: name.parse().ok(), text: name });
            }
            Row::new(at.to_string(), cells)
        });
        let rows = rows.collect();
        self.elements = elements;
        self.grid.columns = shape.columns();
        self.grid.set(rows);
    }

    fn take_window(&mut self, shape: Shape, reply: &Value) {
        let empty = Vec::new();
        let list = |value: &Value| match value {
            Value::Array(values) | Value::Set(values) => values.clone(),
            Value::Map(pairs) => pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect(),
            _ => Vec::new(),
        };
        match shape {
            Shape::String => {
                self.bytes = reply.as_bytes().unwrap_or_default().to_vec();
                let end = self.begin_number() + self.bytes.len() as u64;
                let more = self.length.is_some_and(|length| end < length);
                self.next = more.then(|| end.to_string().into_bytes());
                self.lay_out();
            }
            Shape::List | Shape::Zset => {
                let values = list(reply);
                let first = self.begin_number();
                let elements: Vec<Element> = match shape {
                    Shape::Zset => {
                        pairs_of(&values).map(|(member, score)| Element::new(&score, &member)).collect()
                    }
                    _ => values
                        .iter()
                        .zip(first..)
                        .map(|(value, index)| Element::new(index.to_string().as_bytes(), &bytes_of(value)))
                        .collect(),
                };
                let end = first + elements.len() as u64;
                let more = self.length.is_some_and(|length| end < length) && !elements.is_empty();
                self.next = more.then(|| end.to_string().into_bytes());
                self.told_elements(shape, elements);
            }
            Shape::Hash | Shape::Set => {
                let (cursor, values) = match reply {
                    Value::Array(parts) => (parts.first().map(bytes_of), parts.get(1).map(list)),
                    _ => (None, None),
                };
                let values = values.unwrap_or(empty);
                self.next = cursor.filter(|cursor| cursor != b"0");
                let elements = match shape {
                    Shape::Hash => {
                        pairs_of(&values).map(|(field, value)| Element::new(&field, &value)).collect()
                    }
                    _ => values.iter().map(|member| Element::new(b"", &bytes_of(member))).collect(),
                };
                self.told_elements(shape, elements);
            }
            Shape::Stream => {
                let entry = |entry: &Value| {
                    let Value::Array(parts) = entry else { return None };
                    let words: Vec<Vec<u8>> = list(parts.get(1)?).iter().map(bytes_of).collect();
                    Some(Element::new(&bytes_of(parts.first()?), quote_words(&words).as_bytes()))
                };
                let elements: Vec<Element> = list(reply).iter().filter_map(entry).collect();
                let full = elements.len() as u64 >= self.elements_at_once();
                self.next =
                    elements.last().filter(|_| full).map(|last| [b"(", last.name.as_slice()].concat());
                self.told_elements(shape, elements);
            }
        }
    }

    fn selected(&self) -> Option<&Element> {
        let at: usize = std::str::from_utf8(&self.grid.selected()?.id).ok()?.parse().ok()?;
        self.elements.get(at)
    }

    /// The command that changes the selected part of the value.
    fn edit(&self, shape: Shape) -> Result<Change, String> {
        let key = self.key.as_slice();
        let about = vec![("Key".to_owned(), crate::language::quote_word(key))];
        let change = |words: &[&[u8]]| {
            Change::new("Change a value", about.clone(), quote_words(words), "Change it").to_edit()
        };
        if shape == Shape::String {
            if self.length != Some(self.bytes.len() as u64) {
                return Err(
                    "only values that are shown whole are edited here; SETRANGE changes a part".to_owned()
                );
            }
            return Ok(change(&[b"set", key, &self.bytes, b"xx", b"keepttl"]));
        }
        let element = self.selected().ok_or("no element is selected")?;
        if element.bytes.len() < element.length {
            return Err("the element is too long to be edited here; type the command".to_owned());
        }
        let (name, bytes) = (element.name.as_slice(), element.bytes.as_slice());
        Ok(match shape {
            Shape::String => return Err("a string has no elements".to_owned()),
            Shape::List => change(&[b"lset", key, name, bytes]),
            Shape::Hash => change(&[b"hset", key, name, bytes]),
            Shape::Set => return Err("a member is what it is: D removes it, SADD adds another".to_owned()),
            Shape::Zset => change(&[b"zadd", key, b"xx", name, bytes]),
            Shape::Stream => return Err("entries of a stream do not change; D removes one".to_owned()),
        })
    }

    fn delete(&self, shape: Shape) -> Result<Change, String> {
        let key = self.key.as_slice();
        let Some(element) = self.selected().filter(|_| shape != Shape::String) else {
            return Ok(facts::change(key, self.facts.as_ref(), Wish::Delete));
        };
        if element.bytes.len() < element.length && shape != Shape::Hash {
            return Err("the element is too long for a dialog; type the command".to_owned());
        }
        let (name, bytes) = (element.name.as_slice(), element.bytes.as_slice());
        let words: Vec<&[u8]> = match shape {
            Shape::Hash => vec![b"hdel", key, name],
            Shape::Set => vec![b"srem", key, bytes],
            Shape::Zset => vec![b"zrem", key, bytes],
            Shape::Stream => vec![b"xdel", key, name],
            Shape::List | Shape::String => vec![b"lrem", key, b"1", bytes],
        };
        let mut about = vec![("Key".to_owned(), crate::language::quote_word(key))];
        if shape == Shape::List {
            about.push(("Note".to_owned(), "the first element with this value is removed".to_owned()));
        }
        Ok(Change::new("Remove an element", about, quote_words(&words), "Remove it"))
    }
}

fn bytes_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Double(number) => redis_cluster::protocol::number::format_double(*number).into_bytes(),
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

impl Content for ValuePage {
    fn title(&self) -> String {
        super::name(&self.key)
    }

    fn context(&self) -> Context {
        Context::Value
    }

    fn grid(&self) -> Option<&Grid> {
        self.shape.is_some_and(|shape| shape != Shape::String).then_some(&self.grid)
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        self.shape.is_some_and(|shape| shape != Shape::String).then_some(&mut self.grid)
    }

    fn text(&self) -> Option<&Text> {
        self.grid().is_none().then_some(&self.text)
    }

    fn text_mut(&mut self) -> Option<&mut Text> {
        self.grid().is_none().then_some(&mut self.text)
    }

    fn empty(&self) -> &'static str {
        "no elements in this window"
    }

    fn status(&self) -> String {
        if self.is_gone {
            return "there is no such key any more".to_owned();
        }
        let Some(facts) = &self.facts else { return self.place.clone() };
        let ttl = facts.ttl().map_or_else(|| "no ttl".to_owned(), |ttl| format!("ttl {}", text::age(ttl)));
        let size =
            facts.size.map(|size| format!("  {} of memory", text::short_bytes(size))).unwrap_or_default();
        let length = match (self.shape, self.length) {
            (Some(Shape::String), Some(length)) => {
                let from = self.begin_number();
                let to = from + self.bytes.len() as u64;
                if from == 0 && to == length {
                    format!("  {} bytes", text::thousands(length))
                } else {
                    format!("  bytes {from}-{to} of {}", text::thousands(length))
                }
            }
            (_, Some(length)) => {
                format!("  {} of {} elements", self.elements.len(), text::thousands(length))
            }
            (_, None) => String::new(),
        };
        let look = match self.shape {
            Some(Shape::String) => format!("  as {}", self.look.word()),
            _ => String::new(),
        };
        let more = if self.next.is_some() { "  ] next" } else { "" };
        format!("{} {}{length}{size}  {ttl}  {}{look}{more}", facts.kind, facts.encoding, self.place)
    }

    fn wants(&self, _view: &ClusterView) -> Vec<(Topic, i64)> {
        let mut wants = vec![(Topic::Main, EVERY_MS)];
        if self.shape.is_some() && !self.is_gone {
            wants.push((Topic::Count, EVERY_MS));
            if self.length.is_some() {
                wants.push((Topic::Value, EVERY_MS));
            }
        }
        wants
    }

    fn question(&self, topic: &Topic) -> Option<Question> {
        let key = self.key.as_slice();
        let ask = |words: &[&[u8]]| vec![words.iter().map(|word| word.to_vec()).collect::<Vec<_>>()];
        let commands = match topic {
            Topic::Main => Facts::questions(key),
            Topic::Count => {
                let length: &[u8] = match self.shape? {
                    Shape::String => b"STRLEN",
                    Shape::List => b"LLEN",
                    Shape::Hash => b"HLEN",
                    Shape::Set => b"SCARD",
                    Shape::Zset => b"ZCARD",
                    Shape::Stream => b"XLEN",
                };
                ask(&[length, key])
            }
            Topic::Value => {
                let (shape, count) = (self.shape?, self.elements_at_once());
                let begin = self.begin_number();
                let (from, count_text) = (begin.to_string(), count.to_string());
                let (from, count_text) = (from.as_bytes(), count_text.as_bytes());
                let to = |length: u64| (begin + length - 1).to_string().into_bytes();
                match shape {
                    Shape::String => ask(&[b"GETRANGE", key, from, &to(WINDOW)]),
                    Shape::List => ask(&[b"LRANGE", key, from, &to(count)]),
                    Shape::Zset => ask(&[b"ZRANGE", key, from, &to(count), b"WITHSCORES"]),
                    Shape::Hash => ask(&[b"HSCAN", key, self.begin(), b"COUNT", count_text]),
                    Shape::Set => ask(&[b"SSCAN", key, self.begin(), b"COUNT", count_text]),
                    Shape::Stream => {
                        let begin = if self.begins.is_empty() { b"-" } else { self.begin() };
                        ask(&[b"XRANGE", key, begin, b"+", b"COUNT", count_text])
                    }
                }
            }
            _ => return None,
        };
        Some(Question::of(Target::Cluster, commands))
    }

    fn take(&mut self, topic: &Topic, _question: &Question, replies: Vec<Value>, now: Millis) {
        match topic {
            Topic::Main => {
                let facts = Facts::of(&replies, now);
                self.is_gone = facts.is_none();
                let shape = facts.as_ref().and_then(|facts| Shape::of(&facts.kind));
                if let (None, Some(facts)) = (shape, &facts) {
                    self.text.lines =
                        vec![(Role::Quiet, format!("a value of type {} has no form here", facts.kind))];
                }
                // It was written anew as something else.
                if shape != self.shape {
                    (self.shape, self.length, self.next) = (shape, None, None);
                    self.begins.clear();
                    self.bytes.clear();
                    self.elements.clear();
                }
                self.facts = facts.or(self.facts.take());
            }
            Topic::Count => self.length = replies.first().and_then(Value::as_i64).map(i64::unsigned_abs),
            Topic::Value => {
                if let (Some(shape), Some(reply)) = (self.shape, replies.first()) {
                    self.take_window(shape, reply);
                }
            }
            _ => {}
        }
    }

    fn know(&mut self, known: Known<'_>) {
        let slot = SlotId::of_key(&self.key);
        let node = known.view.owner_of(slot).map(|node| format!(" node {node}")).unwrap_or_default();
        self.place = format!("slot {slot}{node}");
    }

    fn turn(&mut self, what: Turn) -> bool {
        if what == Turn::Look {
            self.look = self.look.next();
            self.lay_out();
        }
        false
    }

    fn neighbour(&mut self, forward: bool) -> bool {
        if !forward {
            self.begins.pop();
        } else if let Some(next) = self.next.take() {
            self.begins.push(next);
        } else {
            return false;
        }
        self.text.top = 0;
        self.grid.select(0);
        true
    }

    fn open(&mut self) -> Option<Kind> {
        let element = self.selected()?;
        let is_whole = element.bytes.len() == element.length;
        let mut lines = Vec::new();
        if self.shape != Some(Shape::Set) {
            lines.push((Role::Title, super::name(&element.name)));
        }
        if !is_whole {
            let kept = text::short_bytes(KEPT as u64);
            lines.push((
                Role::Warning,
                format!("the first {kept} of {} bytes", text::thousands(element.length as u64)),
            ));
        }
        lines.push((Role::Text, String::new()));
        lines.extend(shown::lines(&element.bytes, 0, is_whole, self.look));
        Some(Kind::Event(EventPage::of_text(super::name(&element.name), lines)))
    }

    fn change(&self, wish: Wish) -> Result<Change, String> {
        let shape = self.shape.ok_or("nothing is known of this key yet")?;
        match wish {
            Wish::Edit => self.edit(shape),
            Wish::Delete => self.delete(shape),
            Wish::Expire | Wish::Rename => Ok(facts::change(&self.key, self.facts.as_ref(), wish)),
        }
    }

    fn copied(&self) -> Option<String> {
        let bytes = if self.shape == Some(Shape::String) { &self.bytes } else { &self.selected()?.bytes };
        Some(String::from_utf8(bytes.clone()).unwrap_or_else(|_| quote::repr(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(bytes::Bytes::copy_from_slice(text.as_bytes()))
    }

    /// Answers a topic as a server would that has this.
    fn told(page: &mut ValuePage, topic: &Topic, replies: Vec<Value>) {
        let question = page.question(topic).unwrap();
        page.take(topic, &question, replies, Millis(0));
    }

    fn page(kind: &'static str, size: i64, length: i64) -> ValuePage {
        let mut page = ValuePage::new(b"k".to_vec());
        assert!(page.wants(&ClusterView::default()).iter().all(|(topic, _)| *topic == Topic::Main));
        let facts = vec![Value::Simple(kind.into()), Value::Integer(-1), Value::Integer(size), bulk("raw")];
        told(&mut page, &Topic::Main, facts);
        if page.shape.is_some() {
            told(&mut page, &Topic::Count, vec![Value::Integer(length)]);
        }
        page
    }

    fn asked(page: &ValuePage) -> String {
        let question = page.question(&Topic::Value).unwrap();
        let words = question.commands()[0].iter().map(|word| String::from_utf8_lossy(word).into_owned());
        words.collect::<Vec<_>>().join(" ")
    }

    fn command(page: &ValuePage, wish: Wish) -> String {
        page.change(wish).unwrap().command.value().to_owned()
    }

    #[test]
    fn a_large_string_is_asked_for_in_windows() {
        let mut page = page("string", 10 << 20, 10 << 20);
        assert_eq!(asked(&page), "GETRANGE k 0 4095");
        told(&mut page, &Topic::Value, vec![bulk(&"x".repeat(4096))]);
        assert!(page.status().contains("bytes 0-4096 of 10,485,760"), "{}", page.status());
        assert!(page.change(Wish::Edit).is_err() && page.neighbour(true));
        assert_eq!(asked(&page), "GETRANGE k 4096 8191");
        assert!(!page.neighbour(true), "the end of this window is not known yet");
        assert!(page.neighbour(false));
        assert_eq!(asked(&page), "GETRANGE k 0 4095");
    }

    #[test]
    fn large_elements_are_asked_for_one_at_a_time() {
        assert_eq!(asked(&page("list", 4_000, 1_000)), "LRANGE k 0 99");
        assert_eq!(asked(&page("list", 10 << 30, 1_000)), "LRANGE k 0 0");
        assert_eq!(asked(&page("hash", 20 << 20, 2)), "HSCAN k 0 COUNT 1");
        assert_eq!(asked(&page("stream", 100, 2)), "XRANGE k - + COUNT 100");
        assert!(page("module", 1, 1).question(&Topic::Value).is_none());
    }

    #[test]
    fn every_type_has_rows_and_the_commands_that_change_them() {
        let mut string = page("string", 60, 3);
        told(&mut string, &Topic::Value, vec![Value::Bulk(b"a\xffb".as_slice().into())]);
        assert_eq!(command(&string, Wish::Edit), "set k \"a\\xffb\" xx keepttl");
        assert_eq!(command(&string, Wish::Delete), "unlink k");

        let mut list = page("list", 60, 200);
        told(&mut list, &Topic::Value, vec![Value::Array(vec![bulk("a"), bulk("b")])]);
        list.grid.select(1);
        assert_eq!(command(&list, Wish::Edit), "lset k 1 b");
        assert_eq!(command(&list, Wish::Delete), "lrem k 1 b");
        assert!(list.neighbour(true));
        assert_eq!(asked(&list), "LRANGE k 2 101");

        let mut hash = page("hash", 60, 2);
        let fields = Value::Array(vec![bulk("f 1"), bulk("v"), bulk("g"), bulk("w")]);
        told(&mut hash, &Topic::Value, vec![Value::Array(vec![bulk("17"), fields])]);
        assert_eq!((hash.grid.len(), command(&hash, Wish::Edit).as_str()), (2, "hset k \"f 1\" v"));
        assert_eq!(command(&hash, Wish::Delete), "hdel k \"f 1\"");
        assert!(hash.neighbour(true));
        assert_eq!(asked(&hash), "HSCAN k 17 COUNT 100");

        let mut zset = page("zset", 60, 1);
        told(&mut zset, &Topic::Value, vec![Value::Array(vec![bulk("m"), bulk("1.5")])]);
        assert_eq!(command(&zset, Wish::Edit), "zadd k xx 1.5 m");
        let nested = Value::Array(vec![Value::Array(vec![bulk("m"), Value::Double(1.5)])]);
        told(&mut zset, &Topic::Value, vec![nested]);
        assert_eq!(command(&zset, Wish::Delete), "zrem k m");

        let mut set = page("set", 60, 1);
        told(&mut set, &Topic::Value, vec![Value::Array(vec![bulk("0"), Value::Array(vec![bulk("m")])])]);
        assert_eq!(command(&set, Wish::Delete), "srem k m");
        assert!(!set.neighbour(true) && set.change(Wish::Edit).is_err());

        let mut stream = page("stream", 60, 1);
        let entry = Value::Array(vec![bulk("1-1"), Value::Array(vec![bulk("f"), bulk("v w")])]);
        told(&mut stream, &Topic::Value, vec![Value::Array(vec![entry])]);
        assert_eq!(command(&stream, Wish::Delete), "xdel k 1-1");
        let Some(Kind::Event(opened)) = stream.open() else { panic!("an entry opens") };
        assert!(opened.text().unwrap().lines.iter().any(|(_, line)| line == "f \"v w\""));
    }

    #[test]
    fn a_key_that_becomes_something_else_is_asked_for_anew() {
        let mut page = page("list", 60, 2);
        let facts =
            vec![Value::Simple("set".into()), Value::Integer(9_000), Value::Integer(1), bulk("intset")];
        told(&mut page, &Topic::Main, facts);
        assert!(page.length.is_none() && page.status().contains("ttl 9s"));
        let gone = vec![Value::Simple("none".into()), Value::Integer(-2), Value::Null, Value::Null];
        told(&mut page, &Topic::Main, gone);
        assert!(page.status().contains("no such key"));
    }
}
