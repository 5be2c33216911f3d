//! A run of entries in one listpack, in Redis's form:
//!
//! ```text
//! | entries | deleted | fields | field … | 0 |                        the names that most entries share
//! | flags | ms | seq | value … | elements |                           an entry with those names
//! | flags | ms | seq | fields | field | value … | elements |          an entry with others
//! ```
//!
//! `ms` and `seq` count from the chunk's own ID; `elements` is how many stand before it in the entry.

use super::{super::listpack::Listpack, Element, StreamId};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk(Listpack);

/// An entry where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its name.
    pub id: StreamId,
    pack: &'a Listpack,
    /// Where its flags are.
    at: usize,
    flags: i64,
    /// How many fields.
    fields: usize,
    /// Where the values, or fields and values, begin.
    content: usize,
}

fn int(element: Element<'_>) -> Option<i64> {
    match element {
        Element::Int(number) => Some(number),
        Element::Bytes(_) => None,
    }
}

impl<'a> Entry<'a> {
    /// How many fields it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields
    }

    /// It has no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields == 0
    }

    /// Shows each field with its value.
    pub fn each(&self, mut show: impl FnMut(Element<'a>, Element<'a>)) {
        let (pack, mut at) = (self.pack, self.content);
        let mut name = fields_at(pack);
        for _ in 0..self.fields {
            let field = if self.flags & SAME_FIELDS == 0 {
                let field = pack.get(at);
                at = pack.next(at);
                field
            } else {
                let field = pack.get(name);
                name = pack.next(name);
                field
            };
            show(field, pack.get(at));
            at = pack.next(at);
        }
    }

    fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }
}

/// Where the shared names begin.
fn fields_at(pack: &Listpack) -> usize {
    (0..3).fold(pack.first(), |at, _| pack.next(at))
}

/// Entries of a chunk, deleted ones too.
struct Walk<'a> {
    pack: &'a Listpack,
    base: StreamId,
    shared: usize,
    at: usize,
}

impl<'a> Walk<'a> {
    fn step(&mut self) -> Option<Entry<'a>> {
        let pack = self.pack;
        let mut at = self.at;
        let mut take = || {
            (at < pack.end()).then(|| {
                let element = pack.get(at);
                at = pack.next(at);
                element
            })
        };
        let flags = int(take()?)?;
        let (ms, seq) = (int(take()?)?, int(take()?)?);
        let same = flags & SAME_FIELDS != 0;
        let fields = if same { self.shared } else { usize::try_from(int(take()?)?).ok()? };
        let content = at;
        let skipped = if same { fields } else { fields.checked_mul(2)? };
        for _ in 0..=skipped {
            (at < pack.end()).then_some(())?;
            at = pack.next(at);
        }
        let id = StreamId {
            ms: self.base.ms.wrapping_add_signed(ms),
            seq: self.base.seq.wrapping_add_signed(seq),
        };
        let entry = Entry { id, pack, at: self.at, flags, fields, content };
        self.at = at;
        Some(entry)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.step()
    }
}

impl Chunk {
    /// A chunk with the first entry's names and nothing in it.
    pub(super) fn new<'f>(fields: impl ExactSizeIterator<Item = &'f [u8]>) -> Self {
        let mut chunk = Self(Listpack::default());
        chunk.push(0);
        chunk.push(0);
        chunk.push(fields.len() as i64);
        fields.for_each(|field| chunk.0.insert(chunk.0.end(), Element::of(field)));
        chunk.push(0);
        chunk
    }

    /// Takes over a pack from elsewhere, if every entry of it is whole, in order, and counted right.
    pub(super) fn of_pack(pack: Listpack, base: StreamId) -> Option<Self> {
        let mut at = pack.first();
        let mut header = [0; 3];
        for number in &mut header {
            (at < pack.end()).then_some(())?;
            *number = usize::try_from(int(pack.get(at))?).ok()?;
            at = pack.next(at);
        }
        for _ in 0..header[2] {
            (at < pack.end()).then_some(())?;
            at = pack.next(at);
        }
        (at < pack.end() && int(pack.get(at)) == Some(0)).then_some(())?;
        let mut walk = Walk { pack: &pack, base, shared: header[2], at: pack.next(at) };
        let (mut counts, mut last) = ([0, 0], None);
        while walk.at < pack.end() {
            let entry = walk.step()?;
            (last.is_none_or(|last| last < entry.id) && entry.id >= base).then_some(())?;
            counts[usize::from(entry.is_deleted())] += 1;
            last = Some(entry.id);
        }
        (counts == header[..2]).then_some(Self(pack))
    }

    pub(super) fn pack(&self) -> &Listpack {
        &self.0
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    fn push(&mut self, number: i64) {
        self.0.insert(self.0.end(), Element::Int(number));
    }

    fn header(&self, index: usize) -> usize {
        let at = (0..index).fold(self.0.first(), |at, _| self.0.next(at));
        int(self.0.get(at)).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    }

    /// Entries that are there.
    pub(super) fn len(&self) -> usize {
        self.header(0)
    }

    /// Entries that are there or were deleted.
    pub(super) fn slots(&self) -> usize {
        self.header(0) + self.header(1)
    }

    fn set_header(&mut self, index: usize, number: usize) {
        let at = (0..index).fold(self.0.first(), |at, _| self.0.next(at));
        self.0.replace(at, Element::Int(number as i64));
    }

    /// Puts an entry behind the others.
    pub(super) fn add<'f>(
        &mut self,
        base: StreamId,
        id: StreamId,
        pairs: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
    ) {
        let count = pairs.len();
        let mut same = self.header(2) == count;
        let mut at = fields_at(&self.0);
        for (field, _) in pairs.clone() {
            if !same {
                break;
            }
            same = self.0.get(at) == Element::of(field);
            at = self.0.next(at);
        }
        self.push(if same { SAME_FIELDS } else { 0 });
        self.push(id.ms.wrapping_sub(base.ms).cast_signed());
        self.push(id.seq.wrapping_sub(base.seq).cast_signed());
        if !same {
            self.push(count as i64);
        }
        for (field, value) in pairs {
            if !same {
                self.0.insert(self.0.end(), Element::of(field));
            }
            self.0.insert(self.0.end(), Element::of(value));
        }
        self.push((if same { count + 3 } else { 2 * count + 4 }) as i64);
        self.set_header(0, self.len() + 1);
    }

    fn walk(&self, base: StreamId) -> Walk<'_> {
        let shared = self.header(2);
        let at = (0..=shared).fold(fields_at(&self.0), |at, _| self.0.next(at));
        Walk { pack: &self.0, base, shared, at }
    }

    /// Entries that are there.
    pub(super) fn entries(&self, base: StreamId) -> impl Iterator<Item = Entry<'_>> {
        self.walk(base).filter(|entry| !entry.is_deleted())
    }

    /// The last entry, there or deleted.
    pub(super) fn last_slot(&self, base: StreamId) -> StreamId {
        self.walk(base).last().map_or(base, |entry| entry.id)
    }

    /// Marks entries as deleted while `which` says so; says how many.
    pub(super) fn delete_while(&mut self, base: StreamId, mut which: impl FnMut(StreamId) -> bool) -> usize {
        let marks: Vec<(usize, i64)> = self
            .walk(base)
            .take_while(|entry| which(entry.id))
            .filter(|entry| !entry.is_deleted())
            .map(|entry| (entry.at, entry.flags))
            .collect();
        self.mark(&marks);
        marks.len()
    }

    /// Marks one entry as deleted, if it is there.
    pub(super) fn delete(&mut self, base: StreamId, id: StreamId) -> bool {
        let mark = self.entries(base).find(|entry| entry.id == id).map(|entry| (entry.at, entry.flags));
        self.mark(mark.as_slice());
        mark.is_some()
    }

    /// Flags are one byte with and without the mark, so nothing moves.
    fn mark(&mut self, marks: &[(usize, i64)]) {
        for &(at, flags) in marks {
            self.0.replace(at, Element::Int(flags | DELETED));
        }
        if !marks.is_empty() {
            let (there, deleted) = (self.header(0), self.header(1));
            self.set_header(0, there - marks.len());
            self.set_header(1, deleted + marks.len());
        }
    }
}
