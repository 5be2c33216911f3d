//! What a file holds, and where it breaks: `redis_node --check FILE`.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::node::{
    object::Object,
    rdb::{
        Forms, Restored,
        file::{Item, ReadError, Reader},
    },
};

/// What a file holds, as far as it can be read.
#[derive(Debug, Default)]
pub struct Summary {
    path: PathBuf,
    version: u16,
    fields: Vec<(String, String)>,
    functions: u64,
    /// By database, then by type.
    keys: BTreeMap<usize, BTreeMap<&'static str, u64>>,
    expiring: u64,
    empty: u64,
    bytes: u64,
    /// Why no more was read.
    pub broken: Option<ReadError>,
}

/// Reads a file to its end, or to where it breaks.
///
/// # Errors
/// It cannot be opened.
pub fn check(path: &Path) -> io::Result<Summary> {
    let file = File::open(path)?;
    let mut summary = Summary { path: path.to_owned(), ..Summary::default() };
    let mut reader = match Reader::new(file, Forms::default(), true) {
        Ok(reader) => reader,
        Err(error) => {
            summary.broken = Some(error);
            return Ok(summary);
        }
    };
    summary.version = reader.version();
    loop {
        match reader.next() {
            Ok(Some(item)) => summary.add(item),
            Ok(None) => break,
            Err(error) => {
                summary.broken = Some(error);
                break;
            }
        }
    }
    (summary.empty, summary.bytes) = (reader.empty(), reader.offset());
    Ok(summary)
}

impl Summary {
    fn add(&mut self, item: Item<'_>) {
        match item {
            Item::Aux { name, value } => {
                self.fields.push((name.escape_ascii().to_string(), value.escape_ascii().to_string()));
            }
            Item::Function(_) => self.functions += 1,
            Item::Sizes { .. } => {}
            Item::Entry(entry) => {
                let kind = match entry.value {
                    Restored::String(_) | Restored::Object(Object::String(_)) => "string",
                    Restored::Object(Object::List(_)) => "list",
                    Restored::Object(Object::Hash(_)) => "hash",
                    Restored::Object(Object::Set(_)) => "set",
                    Restored::Object(Object::SortedSet(_)) => "zset",
                    Restored::Object(Object::Stream(_)) => "stream",
                };
                *self.keys.entry(entry.database).or_default().entry(kind).or_default() += 1;
                self.expiring += u64::from(entry.expiry.is_some());
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        writeln!(f, "{path}: RDB version {}, {} bytes read", self.version, self.bytes)?;
        for (name, value) in &self.fields {
            writeln!(f, "  {name}: {value}")?;
        }
        if self.functions > 0 {
            writeln!(f, "  libraries of functions: {}", self.functions)?;
        }
        for (database, kinds) in &self.keys {
            let total: u64 = kinds.values().sum();
            let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            writeln!(f, "  database {database}: {total} keys ({})", kinds.join(", "))?;
        }
        writeln!(f, "  keys that expire: {}", self.expiring)?;
        if self.empty > 0 {
            writeln!(f, "  keys with nothing in them, which are passed over: {}", self.empty)?;
        }
        match &self.broken {
            Some(error) => writeln!(f, "{path} is BROKEN {error}"),
            None => writeln!(f, "{path} is whole"),
        }
    }
}
