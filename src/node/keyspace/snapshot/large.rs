//! Large collections of a snapshot: each is written in pieces, over as many slices as it takes, one collection after the other.
//!
//! A collection is *open* from when the walk or a change first comes to it until its last piece is written: it keeps what it was
//! then (`object::moment`). Meanwhile it stays under its key, or goes with the tables of a database that is emptied, or is thrown away, and
//! then the bin keeps it. Before it is taken out to be put elsewhere, all that is left of it is written down.

use std::collections::VecDeque;

use crate::node::{
    keyspace::{
        garbage::{Bin, Garbage},
        key::Key,
        record::{Record, RecordMut, RecordRef},
        slot::Slot,
    },
    object::Object,
    rdb::{
        Draft,
        file::{Used, write_element, write_entry_in_parts},
    },
};

/// Elements that are written between two looks at the budget.
const ELEMENTS: usize = 64;

/// An open collection.
#[derive(Debug)]
struct Open {
    name: Box<[u8]>,
    /// What is to be written before the next piece: at first the head.
    first: Draft,
    /// Nothing is missing in that.
    is_whole: bool,
    /// Some of it was written.
    has_begun: bool,
}

/// The open collections of a database, in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct Larges(VecDeque<Open>);

/// The record of a key in some tables.
fn find<'t>(tables: &'t [Slot], name: &[u8]) -> Option<RecordRef<'t>> {
    let key = Key::new(name);
    let (table, tag) = tables.get(key.place.slot.index())?.table(key.place.hash);
    Some(table.at(table.find(tag, name)?))
}

/// The same, to be changed.
pub(super) fn find_mut<'t>(tables: &'t mut [Slot], name: &[u8]) -> Option<RecordMut<'t>> {
    let key = Key::new(name);
    let (table, tag) = tables.get_mut(key.place.slot.index())?.table_mut(key.place.hash);
    let at = table.find(tag, name)?;
    Some(table.at_mut(at))
}

/// The object of an open collection, wherever it is.
fn object_of<'o>(tables: &'o mut [Slot], bin: &'o mut Bin, name: &[u8]) -> Option<&'o mut Object> {
    let under_its_key = find_mut(tables, name).and_then(RecordMut::into_object);
    under_its_key.filter(|object| object.has_moment()).or_else(|| {
        let kept = bin.kept.iter_mut().find(|record| record.as_ref().key() == name)?;
        kept.as_mut().into_object()
    })
}

impl Larges {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some of a collection was written, and nothing else may be before its end.
    pub(super) fn is_amid(&self) -> bool {
        self.0.front().is_some_and(|open| open.has_begun)
    }

    /// Opens a collection that is worth it; `false` if it is not.
    pub(super) fn open(&mut self, record: &mut RecordMut<'_>, used: Used) -> bool {
        let view = record.as_ref();
        if !view.object().is_some_and(Object::is_worth_a_moment) {
            return false;
        }
        let (name, mut first) = (view.key().into(), Draft::default());
        write_entry_in_parts(&mut first, view, used);
        if let Some(object) = record.object() {
            object.begin_moment();
        }
        self.0.push_back(Open { name, first, is_whole: false, has_begun: false });
        true
    }

    /// Writes pieces until all are written, or `budget` is used up: bytes, and `per_element` for each element. Returns how many
    /// collections came to their end; what nobody else needs of them becomes garbage.
    pub(super) fn write_pieces(
        &mut self,
        out: &mut Draft,
        (mut budget, per_element): (usize, usize),
        tables: &mut [Slot],
        bin: &mut Bin,
        garbage: &mut Garbage,
    ) -> u64 {
        let mut finished = 0;
        while let Some(open) = self.0.front_mut().filter(|_| budget > 0) {
            open.has_begun = true;
            out.append(&mut open.first);
            if !open.is_whole {
                let object = object_of(tables, bin, &open.name)
                    .expect("whoever takes an open collection out closes it or keeps it");
                while !open.is_whole && budget > 0 {
                    let before = out.len();
                    open.is_whole = object.show_moment(ELEMENTS, &mut |element| write_element(out, element));
                    budget = budget.saturating_sub(out.len() - before + ELEMENTS * per_element);
                }
            }
            if !open.is_whole {
                break;
            }
            if let Some(at) = bin.kept.iter().position(|record| record.as_ref().key() == &*open.name) {
                garbage.add(Garbage::of_record(bin.kept.swap_remove(at)));
            }
            self.0.pop_front();
            finished += 1;
        }
        finished
    }

    /// A record goes elsewhere: what is left of it is written down.
    pub(super) fn close(&mut self, record: &mut Record) {
        if !record.as_ref().object().is_some_and(Object::has_moment) {
            return;
        }
        let open = self.0.iter_mut().find(|open| *open.name == *record.as_ref().key());
        if let (Some(open), Some(object)) = (open, record.as_mut().object()) {
            while !object.show_moment(usize::MAX, &mut |element| write_element(&mut open.first, element)) {}
            open.is_whole = true;
        }
    }

    /// Nobody needs the rest.
    pub(super) fn forget(&mut self, tables: &mut [Slot], bin: &mut Bin, garbage: &mut Garbage) {
        for open in self.0.drain(..) {
            if let Some(object) = object_of(tables, bin, &open.name) {
                object.forget_moment();
            }
        }
        bin.kept.drain(..).for_each(|record| garbage.add(Garbage::of_record(record)));
    }

    /// Bytes that would not be there without the snapshot.
    pub(super) fn bytes(&self, tables: &[Slot], bin: &Bin) -> usize {
        let here = self.0.iter().map(|open| {
            let object = find(tables, &open.name).and_then(RecordRef::object);
            open.name.len() + open.first.len() + object.map_or(0, Object::moment_bytes)
        });
        let kept = bin.kept.iter().filter_map(|record| record.as_ref().object());
        here.sum::<usize>() + kept.map(|object| object.bytes() + object.moment_bytes()).sum::<usize>()
    }
}
