//! A value, a window at a time: 4 KiB of a string, a hundred elements of anything else, fewer where they are large.
//!
//! Here: the page, its window and what it asks. What a type's commands are is `window`, what changes a value is `edit`.

mod edit;
mod window;

use redis_cluster::{
    protocol::{Value, quote},
    slot::SlotId,
    time::Millis,
};

use self::window::{Element, KEPT, Shape, Told, Window};
use super::{
    facts::{self, Facts},
    shown::{self, Look},
};
use crate::{
    screen::{
        dialog::Change,
        keymap::Context,
        pages::{
            Content, Kind, Known, Text, Turn, Wish,
            ask::{Question, Topic},
            events::EventPage,
            grid::Grid,
            listing::Listing,
        },
        text,
        theme::Role,
    },
    session::{ClusterView, Target},
};

/// Elements that are asked for at once.
const ELEMENTS: u64 = 100;
/// Bytes of elements that are asked for at once, by the mean size; one is asked for however large it is.
const ELEMENT_BYTES: u64 = 256 << 10;
const EVERY_MS: i64 = 2_000;

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
    elements: Listing<Element>,
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
            elements: Listing::new(Shape::String.columns()),
        }
    }

    fn window(&self) -> Window<'_> {
        Window {
            key: &self.key,
            begin: self.begins.last().map(Vec::as_slice),
            count: self.elements_at_once(),
        }
    }

    fn begin_number(&self) -> u64 {
        self.window().first()
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

    fn take_window(&mut self, shape: Shape, reply: &Value) {
        let first = self.begin_number();
        if shape == Shape::String {
            self.bytes = reply.as_bytes().unwrap_or_default().to_vec();
            self.next = self.more(first + self.bytes.len() as u64);
            return self.lay_out();
        }
        let Told { elements, cursor } = shape.read(reply, first);
        let count = elements.len() as u64;
        self.next = match shape {
            Shape::String | Shape::List | Shape::Zset => self.more(first + count).filter(|_| count > 0),
            Shape::Hash | Shape::Set => cursor,
            Shape::Stream => {
                let last = elements.last().filter(|_| count >= self.elements_at_once());
                last.map(|last| [b"(", last.name.as_slice()].concat())
            }
        };
        self.elements.grid_mut().columns = shape.columns();
        self.elements.set(elements.into_iter().enumerate().map(|(at, element)| {
            let row = element.row(shape, at);
            (element, row)
        }));
    }

    /// The next window begins at this element, if there is one.
    fn more(&self, end: u64) -> Option<Vec<u8>> {
        self.length.is_some_and(|length| end < length).then(|| end.to_string().into_bytes())
    }
}

impl Content for ValuePage {
    fn title(&self) -> String {
        super::name(&self.key)
    }

    fn context(&self) -> Context {
        Context::Value
    }

    fn grid(&self) -> Option<&Grid> {
        self.shape.is_some_and(|shape| shape != Shape::String).then_some(self.elements.grid())
    }

    fn grid_mut(&mut self) -> Option<&mut Grid> {
        self.shape.is_some_and(|shape| shape != Shape::String).then_some(self.elements.grid_mut())
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
                format!("  {} of {} elements", self.elements.things().len(), text::thousands(length))
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
        let commands = match topic {
            Topic::Main => Facts::questions(key),
            Topic::Count => vec![self.shape?.length(key)],
            Topic::Value => vec![self.shape?.window(&self.window())],
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
                    self.elements.set([]);
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
        self.elements.grid_mut().select(0);
        true
    }

    fn open(&mut self) -> Option<Kind> {
        let element = self.elements.selected()?;
        let is_whole = element.is_whole();
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
        let bytes =
            if self.shape == Some(Shape::String) { &self.bytes } else { &self.elements.selected()?.bytes };
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
        list.elements.grid_mut().select(1);
        assert_eq!(command(&list, Wish::Edit), "lset k 1 b");
        assert_eq!(command(&list, Wish::Delete), "lrem k 1 b");
        assert!(list.neighbour(true));
        assert_eq!(asked(&list), "LRANGE k 2 101");

        let mut hash = page("hash", 60, 2);
        let fields = Value::Array(vec![bulk("f 1"), bulk("v"), bulk("g"), bulk("w")]);
        told(&mut hash, &Topic::Value, vec![Value::Array(vec![bulk("17"), fields])]);
        assert_eq!(
            (hash.elements.grid().len(), command(&hash, Wish::Edit).as_str()),
            (2, "hset k \"f 1\" v")
        );
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
