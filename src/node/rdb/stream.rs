//! Streams as Redis serialises them: chunks as they are kept, figures, and groups with what their consumers hold.

use super::{
    list,
    sink::Sink,
    source::{Fault, Source},
    string::{self, write_length},
};
use crate::{
    node::object::{
        Stream,
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

fn write_number(out: &mut impl Sink, number: u64) {
    write_length(out, usize::try_from(number).unwrap_or(UNKNOWN));
}

fn write_id(out: &mut impl Sink, id: StreamId) {
    write_number(out, id.ms);
    write_number(out, id.seq);
}

/// Appends a stream as 7.0 does.
pub(super) fn write(out: &mut impl Sink, stream: &Stream) {
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
            out.raw(&id.to_bytes());
            out.raw(&pending.delivered.0.to_le_bytes());
            write_number(out, pending.count);
        }
        write_length(out, group.consumers().len());
        for (name, consumer) in group.consumers() {
            string::write_bytes(out, name);
            out.raw(&consumer.seen.0.to_le_bytes());
            write_length(out, consumer.pending().len());
            consumer.pending().iter().for_each(|id| out.raw(&id.to_bytes()));
        }
    }
}

fn read_id(source: &mut impl Source) -> Result<StreamId, Fault> {
    Ok(StreamId { ms: source.length()? as u64, seq: source.length()? as u64 })
}

fn read_raw_id(source: &mut impl Source) -> Result<StreamId, Fault> {
    source.array().map(StreamId::from_bytes)
}

fn read_time(source: &mut impl Source) -> Result<Millis, Fault> {
    source.array().map(|bytes| Millis(i64::from_le_bytes(bytes)))
}

/// Whether what was read fits together.
fn holds(it: bool, otherwise: &'static str) -> Result<(), Fault> {
    if it { Ok(()) } else { Err(Fault::Bad(otherwise)) }
}

/// A stream in one of its forms.
pub(super) fn read(source: &mut impl Source, form: Form) -> Result<Stream, Fault> {
    let mut stream = Stream::default();
    for _ in 0..source.length()? {
        let id = source.string()?.as_ref().try_into().map_err(|_| Fault::Bad("a chunk without an ID"))?;
        let pack = list::read_listpack(source)?;
        let added = stream.add_pack(StreamId::from_bytes(id), pack);
        holds(added.is_some(), "a chunk that is no part of a stream")?;
    }
    holds(source.length()? as u64 == stream.len(), "another number of entries than there are")?;
    stream.last_id = read_id(source)?;
    stream.entries_added = stream.len();
    if form >= Form::Second {
        read_id(source)?;
        stream.max_deleted = read_id(source)?;
        stream.entries_added = source.length()? as u64;
    }
    holds(stream.last().is_none_or(|entry| entry.id <= stream.last_id), "entries behind the last ID")?;
    for _ in 0..source.length()? {
        let (name, group) = read_group(source, &stream, form)?;
        holds(stream.add_group(&name, group), "a group is there twice")?;
    }
    Ok(stream)
}

fn read_group(source: &mut impl Source, stream: &Stream, form: Form) -> Result<(Vec<u8>, Group), Fault> {
    let (name, last_id) = (source.string()?.into_owned(), read_id(source)?);
    let entries_read = if form >= Form::Second {
        Some(source.length()?).filter(|&read| read != UNKNOWN).map(|read| read as u64)
    } else {
        stream.entries_up_to(last_id)
    };
    let mut group = Group::new(last_id, entries_read);
    let mut pending = std::collections::BTreeMap::new();
    for _ in 0..source.length()? {
        let id = read_raw_id(source)?;
        let what = (read_time(source)?, source.length()? as u64);
        holds(pending.insert(id, what).is_none(), "a pending entry is there twice")?;
    }
    for _ in 0..source.length()? {
        let (name, seen) = (source.string()?.into_owned(), read_time(source)?);
        holds(group.add_consumer(&name, seen), "a consumer is there twice")?;
        // Before 7.2 nobody wrote it: the last time seen stands for it, as in Redis.
        let active = if form >= Form::Third { read_time(source)? } else { seen };
        if let Some(consumer) = group.consumer_mut(&name) {
            consumer.active = (active.0 >= 0).then_some(active);
        }
        for _ in 0..source.length()? {
            let id = read_raw_id(source)?;
            let known = pending.remove(&id).ok_or(Fault::Bad("a consumer has what is not pending"))?;
            group.hand(id, &name, known.0, known.1);
        }
    }
    holds(pending.is_empty(), "a pending entry without a consumer")?;
    Ok((name, group))
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
        let mut input = out.as_slice();
        let same = read(&mut input, Form::Second).expect("a stream");
        assert!(input.is_empty());
        let mut again = Vec::new();
        write(&mut again, &same);
        assert_eq!((again, same.len(), same.groups().len()), (out.clone(), 399, 1));
        assert_eq!(read(&mut &out[..out.len() - 1], Form::Second), Err(Fault::Ended));
    }
}
