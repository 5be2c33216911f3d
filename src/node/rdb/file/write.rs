//! Writes a file, one thing after the other.

use std::io::{self, BufWriter, Write};

use super::{AUX, END, EXPIRY, FREQUENCY, IDLE, MAGIC, RESIZE, SELECT};
use crate::{
    node::{
        keyspace::{Aging, RecordRef},
        object::Shown,
        rdb::{
            Draft, Dumped, FUNCTION, VERSION, VERSION_OF_EXPIRING_FIELDS, crc64, lzf::Compressor,
            sink::Sink as _, string, value,
        },
    },
    time::Millis,
};

/// Bytes that are summed up and handed on at once.
const CHUNK: usize = 64 << 10;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// There are hashes with fields that expire, which only Redis 7.4 and its like read. Without them Redis 7.0 reads the file.
    pub has_expiring_fields: bool,
    /// `rdbcompression`.
    pub compresses: bool,
    /// `rdbchecksum`.
    pub sums: bool,
}

impl Settings {
    /// The version that the file gets.
    #[must_use]
    pub fn version(self) -> u16 {
        if self.has_expiring_fields { VERSION_OF_EXPIRING_FIELDS } else { VERSION }
    }
}

/// What a file says of how keys were used.
#[derive(Clone, Copy, Debug)]
pub enum Used {
    /// Nothing.
    Unsaid,
    /// How long they were not, for an LRU policy.
    Idle(Millis),
    /// How often they were, for an LFU policy.
    Often(Aging, Millis),
}

/// Appends a key to a draft.
pub fn write_entry(draft: &mut Draft, record: RecordRef<'_>, used: Used) {
    write_head(draft, record, used);
    value::write(draft, record.content());
}

/// Appends a key whose value is a large collection, but for its elements: all of them follow, by [`write_element`].
pub fn write_entry_in_parts(draft: &mut Draft, record: RecordRef<'_>, used: Used) {
    write_head(draft, record, used);
    value::write_count(draft, record.content());
}

/// Appends an element of a large collection.
pub fn write_element(draft: &mut Draft, element: Shown<'_>) {
    value::write_shown(draft, element);
}

fn write_head(draft: &mut Draft, record: RecordRef<'_>, used: Used) {
    if let Some(expiry) = record.expiry() {
        draft.raw(&[EXPIRY]);
        draft.raw(&expiry.0.to_le_bytes());
    }
    match used {
        Used::Unsaid => {}
        Used::Idle(now) => {
            let idle = usize::try_from(Aging::idle_seconds(record.age(), now)).unwrap_or_default();
            draft.raw(&[IDLE]);
            string::write_length(draft, idle);
        }
        Used::Often(aging, now) => draft.raw(&[FREQUENCY, aging.frequency(record.age(), now)]),
    }
    let content = record.content();
    draft.raw(&[value::kind(content)]);
    string::write_bytes(draft, record.key());
}

/// See the module.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: BufWriter<Summed<W>>,
    compressor: Option<Compressor>,
}

/// Sums up what goes through it.
#[derive(Debug)]
struct Summed<W> {
    out: W,
    written: u64,
    crc: Option<u64>,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.written += written as u64;
        self.crc = self.crc.map(|crc| crc64::go_on(crc, &bytes[..written]));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// What writing to `out` says, as for all that follows.
    pub fn new(out: W, settings: Settings) -> io::Result<Self> {
        let summed = Summed { out, written: 0, crc: settings.sums.then_some(0) };
        let mut out = BufWriter::with_capacity(CHUNK, summed);
        out.write_all(MAGIC)?;
        write!(out, "{:04}", settings.version())?;
        Ok(Self { out, compressor: settings.compresses.then(Compressor::default) })
    }

    /// Says something about the file itself. This and functions stand in front of the first database.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn aux(&mut self, name: &str, value: &str) -> io::Result<()> {
        let mut draft = Draft::default();
        draft.raw(&[AUX]);
        string::write_bytes(&mut draft, name.as_bytes());
        string::write_bytes(&mut draft, value.as_bytes());
        self.draft(&draft)
    }

    /// The source of a library of functions.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn function(&mut self, source: &[u8]) -> io::Result<()> {
        let mut draft = Draft::default();
        draft.raw(&[FUNCTION]);
        string::write_bytes(&mut draft, source);
        self.draft(&draft)
    }

    /// The keys that follow are in this database.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn select(&mut self, database: usize) -> io::Result<()> {
        let mut mark = vec![SELECT];
        string::write_length(&mut mark, database);
        self.out.write_all(&mark)
    }

    /// How many keys the database that was selected has: readers take memory for them.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn sizes(&mut self, keys: usize, expiring: usize) -> io::Result<()> {
        let mut mark = vec![RESIZE];
        string::write_length(&mut mark, keys);
        string::write_length(&mut mark, expiring);
        self.out.write_all(&mark)
    }

    /// Keys of the database that was selected, as [`write_entry`] made them.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn draft(&mut self, draft: &Draft) -> io::Result<()> {
        draft.write(self.compressor.as_mut(), &mut self.out)
    }

    /// A key of the database that was selected, with a value that a server serialised. Whether the file's version has that
    /// form of a value is for the caller to see to ([`Dumped::version`], [`Settings::version`]).
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn dumped(&mut self, key: &[u8], expiry: Option<Millis>, dumped: Dumped<'_>) -> io::Result<()> {
        let mut head = Vec::with_capacity(key.len() + 20);
        if let Some(expiry) = expiry {
            head.push(EXPIRY);
            head.extend_from_slice(&expiry.0.to_le_bytes());
        }
        head.push(dumped.kind);
        string::write_bytes(&mut head, key);
        self.out.write_all(&head)?;
        self.out.write_all(dumped.value)
    }

    /// Bytes that were handed on.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.out.get_ref().written
    }

    /// Writes the end, and gives back what was written to.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[END])?;
        let Summed { mut out, crc, .. } = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        out.write_all(&crc.unwrap_or(0).to_le_bytes())?;
        out.flush()?;
        Ok(out)
    }
}
