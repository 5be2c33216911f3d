//! A base as commands (`aof-use-rdb-preamble no`): what a snapshot holds, told in the words that make it, as redis-server tells it. Bytes in,
//! bytes out. Not here: how keys were used, which commands cannot say.

use std::io::{self, Read, Write};

use crate::{
    node::{
        object::{Element, Hash, Object, Stream, list::End, stream::StreamId},
        rdb::{
            Forms, Restored,
            file::{Entry, Item, Reader},
        },
    },
    protocol::number::format_double,
    time::Millis,
};

/// Elements that one command adds.
const TOGETHER: usize = 64;

/// Writes requests.
struct Script<W> {
    out: W,
    selected: Option<usize>,
}

impl<W: Write> Script<W> {
    /// A request of so many words begins.
    fn begin(&mut self, words: usize) -> io::Result<()> {
        write!(self.out, "*{words}\r\n")
    }

    fn word(&mut self, word: &[u8]) -> io::Result<()> {
        write!(self.out, "${}\r\n", word.len())?;
        self.out.write_all(word)?;
        self.out.write_all(b"\r\n")
    }

    fn element(&mut self, element: Element<'_>) -> io::Result<()> {
        element.with(|bytes| self.word(bytes))
    }

    fn request(&mut self, words: &[&[u8]]) -> io::Result<()> {
        self.begin(words.len())?;
        words.iter().try_for_each(|word| self.word(word))
    }

    /// Adds so many elements to a key, as many with one command as there may be; each is `words` long.
    fn elements<E>(
        &mut self,
        (name, key): (&str, &[u8]),
        (mut left, words): (usize, usize),
        elements: impl Iterator<Item = E>,
        mut write: impl FnMut(&mut Self, E) -> io::Result<()>,
    ) -> io::Result<()> {
        for (number, element) in elements.enumerate() {
            if number.is_multiple_of(TOGETHER) {
                self.begin(2 + words * left.min(TOGETHER))?;
                self.word(name.as_bytes())?;
                self.word(key)?;
                left = left.saturating_sub(TOGETHER);
            }
            write(self, element)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let key = entry.key;
        if self.selected != Some(entry.database) {
            self.selected = Some(entry.database);
            self.request(&[b"SELECT", entry.database.to_string().as_bytes()])?;
        }
        match &entry.value {
            Restored::String(string) => self.request(&[b"SET", key, string])?,
            Restored::Object(Object::String(string)) => self.request(&[b"SET", key, string])?,
            Restored::Object(Object::List(list)) => {
                let elements = list.view().iter(0, End::Right);
                self.elements(("RPUSH", key), (list.len(), 1), elements, Self::element)?;
            }
            Restored::Object(Object::Set(set)) => {
                let members = set.view().iter();
                self.elements(("SADD", key), (set.len(), 1), members, Self::element)?;
            }
            Restored::Object(Object::SortedSet(set)) => {
                let members = set.view().iter();
                self.elements(("ZADD", key), (set.len(), 2), members, |script, (member, score)| {
                    script.word(format_double(score).as_bytes())?;
                    script.element(member)
                })?;
            }
            Restored::Object(Object::Hash(hash)) => self.hash(key, hash)?,
            Restored::Object(Object::Stream(stream)) => self.stream(key, stream)?,
        }
        match entry.expiry {
            Some(expiry) => self.request(&[b"PEXPIREAT", key, expiry.0.to_string().as_bytes()]),
            None => Ok(()),
        }
    }

    fn hash(&mut self, key: &[u8], hash: &Hash) -> io::Result<()> {
        let view = hash.view();
        self.elements(("HMSET", key), (view.len(), 2), view.iter(), |script, (field, value)| {
            script.element(field)?;
            script.element(value)
        })?;
        if view.next_deadline().is_none() {
            return Ok(());
        }
        for (field, _) in view.iter() {
            field.with(|field| match view.deadline(field) {
                Some(Millis(at)) => {
                    self.request(&[b"HPEXPIREAT", key, at.to_string().as_bytes(), b"FIELDS", b"1", field])
                }
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    fn stream(&mut self, key: &[u8], stream: &Stream) -> io::Result<()> {
        for entry in stream.range(StreamId::MIN, StreamId::MAX) {
            self.begin(3 + 2 * entry.len())?;
            self.word(b"XADD")?;
            self.word(key)?;
            self.word(entry.id.to_string().as_bytes())?;
            let mut written = Ok(());
            entry.each(|field, value| {
                if written.is_ok() {
                    written = self.element(field).and_then(|()| self.element(value));
                }
            });
            written?;
        }
        if !stream.has_entries() {
            // There is no other way to a stream without entries.
            self.request(&[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"])?;
        }
        let [last, deleted] = [stream.last_id, stream.max_deleted].map(|id| id.to_string());
        self.request(&[
            b"XSETID",
            key,
            last.as_bytes(),
            b"ENTRIESADDED",
            stream.entries_added.to_string().as_bytes(),
            b"MAXDELETEDID",
            deleted.as_bytes(),
        ])?;
        for (name, group) in stream.groups() {
            let read = group.entries_read.map_or_else(|| "-1".to_owned(), |read| read.to_string());
            let last = group.last_id.to_string();
            self.request(&[
                b"XGROUP",
                b"CREATE",
                key,
                name,
                last.as_bytes(),
                b"ENTRIESREAD",
                read.as_bytes(),
            ])?;
            for (consumer, held) in group.consumers() {
                if held.pending().is_empty() {
                    self.request(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer])?;
                }
                for id in held.pending() {
                    let Some(pending) = group.pending().get(id) else { continue };
                    let [id, count] = [id.to_string(), pending.count.to_string()];
                    self.request(&[
                        b"XCLAIM",
                        key,
                        name,
                        consumer,
                        b"0",
                        id.as_bytes(),
                        b"TIME",
                        pending.delivered.0.to_string().as_bytes(),
                        b"RETRYCOUNT",
                        count.as_bytes(),
                        b"JUSTID",
                        b"FORCE",
                    ])?;
                }
            }
        }
        Ok(())
    }
}

/// Writes what a snapshot holds. `stamp`: when it was taken, where times are to be noted.
///
/// # Errors
/// Those of the two files.
pub fn of_snapshot<W: Write>(
    snapshot: impl Read,
    forms: Forms,
    stamp: Option<Millis>,
    out: W,
) -> io::Result<W> {
    let mut script = Script { out: io::BufWriter::new(out), selected: None };
    if let Some(now) = stamp {
        write!(script.out, "#TS:{}\r\n", now.seconds())?;
    }
    let mut reader = Reader::new(snapshot, forms, false).map_err(io::Error::other)?;
    while let Some(item) = reader.next().map_err(io::Error::other)? {
        match item {
            Item::Aux { .. } | Item::Sizes { .. } => {}
            Item::Function(source) => script.request(&[b"FUNCTION", b"LOAD", &source])?,
            Item::Entry(entry) => script.entry(&entry)?,
        }
    }
    script.out.into_inner().map_err(io::IntoInnerError::into_error)
}
