//! Streams as Redis serialises them: chunks as they are kept, figures, and groups with what their consumers hold.

use super::string::{self, read_length, write_length};
use crate::{
    node::object::{
        Stream,
        listpack::Listpack,
        stream::{Group, StreamId},
    },
    time::Millis,
};

/// Which form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// Since 5.0.
    First,
    /// Since 7.0: with what was ever added, deleted and read.
    Second,
    /// Since 7.2: with when consumers last got something.
    Third,
}

/// How an unknown number of entries is written.
const UNKNOWN: usize = usize::MAX;

fn write_number(out: &mut Vec<u8>, number: u64) {
    write_length(out, usize::try_from(number).unwrap_or(UNKNOWN));
}

fn write_id(out: &mut Vec<u8>, id: StreamId) {
    write_number(out, id.ms);
    write_number(out, id.seq);
}

/// Appends a stream as 7.0 does.
pub(super) fn write(out: &mut Vec<u8>, stream: &Stream) {
    write_length(out, stream.packs().len());
    for (id, pack) in stream.packs() {
        string::write_bytes(out, &id.to_bytes());
        string::write_bytes(out, pack.as_bytes());
    }
    write_number(out, stream.len());
    write_id(out, stream.last_id);
    write_id(out, stream.first().map_or(StreamId::MIN, |entry| entry.id));
    write_id(out, stream.max_deleted);
    write_number(out, stream.entries_added);
    write_length(out, stream.groups().len());
    for (name, group) in stream.groups() {
        string::write_bytes(out, name);
        write_id(out, group.last_id);
        write_number(out, group.entries_read.unwrap_or(u64::MAX));
        write_length(out, group.pending().len());
        for (id, pending) in group.pending() {
            out.extend_from_slice(&id.to_bytes());
            out.extend_from_slice(&pending.delivered.0.to_le_bytes());
            write_number(out, pending.count);
        }
        write_length(out, group.consumers().len());
        for (name, consumer) in group.consumers() {
            string::write_bytes(out, name);
            out.extend_from_slice(&consumer.seen.0.to_le_bytes());
            write_length(out, consumer.pending().len());
            consumer.pending().iter().for_each(|id| out.extend_from_slice(&id.to_bytes()));
        }
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn length(&mut self) -> Option<usize> {
        let (length, rest) = read_length(self.0)?;
        self.0 = rest;
        Some(length)
    }

    fn id(&mut self) -> Option<StreamId> {
        Some(StreamId { ms: self.length()? as u64, seq: self.length()? as u64 })
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let (string, rest) = string::read(self.0)?;
        self.0 = rest;
        Some(string.into_owned())
    }

    fn raw<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn time(&mut self) -> Option<Millis> {
        Some(Millis(i64::from_le_bytes(self.raw()?)))
    }
}

/// A stream in one of its forms.
pub(super) fn read(input: &[u8], form: Form) -> Option<(Stream, &[u8])> {
    let mut rest = Input(input);
    let mut stream = Stream::default();
    for _ in 0..rest.length()? {
        let id = StreamId::from_bytes(rest.string()?.try_into().ok()?);
        stream.add_pack(id, Listpack::from_bytes(rest.string()?).ok()?)?;
    }
    (rest.length()? as u64 == stream.len()).then_some(())?;
    stream.last_id = rest.id()?;
    stream.entries_added = stream.len();
    if form >= Form::Second {
        rest.id()?;
        stream.max_deleted = rest.id()?;
        stream.entries_added = rest.length()? as u64;
    }
    (stream.last().is_none_or(|entry| entry.id <= stream.last_id)).then_some(())?;
    for _ in 0..rest.length()? {
        let (name, group) = read_group(&mut rest, &stream, form)?;
        stream.add_group(&name, group).then_some(())?;
    }
    Some((stream, rest.0))
}

fn read_group(rest: &mut Input<'_>, stream: &Stream, form: Form) -> Option<(Vec<u8>, Group)> {
    let (name, last_id) = (rest.string()?, rest.id()?);
    let entries_read = if form >= Form::Second {
        Some(rest.length()?).filter(|&read| read != UNKNOWN).map(|read| read as u64)
    } else {
        stream.entries_up_to(last_id)
    };
    let mut group = Group::new(last_id, entries_read);
    let mut pending = std::collections::BTreeMap::new();
    for _ in 0..rest.length()? {
        let id = StreamId::from_bytes(rest.raw()?);
        let what = (rest.time()?, rest.length()? as u64);
        pending.insert(id, what).is_none().then_some(())?;
    }
    for _ in 0..rest.length()? {
        let (consumer, seen) = (rest.string()?, rest.time()?);
        group.add_consumer(&consumer, seen).then_some(())?;
        // Before 7.2 nobody wrote it: the last time seen stands for it, as in Redis.
        let active = if form >= Form::Third { rest.time()? } else { seen };
        group.consumer_mut(&consumer)?.active = (active.0 >= 0).then_some(active);
        for _ in 0..rest.length()? {
            let id = StreamId::from_bytes(rest.raw()?);
            let (delivered, count) = pending.remove(&id)?;
            group.hand(id, &consumer, delivered, count);
        }
    }
    pending.is_empty().then_some((name, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut stream = Stream::default();
        for ms in 1..400 {
            let pair: (&[u8], &[u8]) = (b"field", b"value");
            let id = StreamId { ms, seq: 0 };
            stream.add(id, [pair].into_iter(), Default::default()).expect("small");
        }
        let mut group = Group::new(StreamId { ms: 3, seq: 0 }, Some(3));
        group.add_consumer(b"c", Millis(7));
        group.consumer_mut(b"c").expect("added").active = Some(Millis(7));
        group.hand(StreamId { ms: 2, seq: 0 }, b"c", Millis(5), 2);
        stream.add_group(b"g", group);
        let mut out = Vec::new();
        write(&mut out, &stream);
        let (same, rest) = read(&out, Form::Second).expect("a stream");
        assert!(rest.is_empty());
        let mut again = Vec::new();
        write(&mut again, &same);
        assert_eq!((again, same.len(), same.groups().len()), (out.clone(), 399, 1));
        assert_eq!(read(&out[..out.len() - 1], Form::Second), None);
    }
}
