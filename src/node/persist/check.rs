//! What a file holds, and where it breaks: `redis_node --check FILE`. The file is a snapshot, a file of an append-only log, or the
//! manifest of one, which stands for all files that it names.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use crate::{
    command::resolve,
    node::{
        aof::{
            load,
            manifest::{BadManifest, Manifest},
        },
        object::Object,
        rdb::{
            Forms, Restored,
            file::{Item, ReadError, Reader},
        },
    },
    protocol::Args,
};

/// What a snapshot begins with.
const SNAPSHOT: &[u8] = b"REDIS";

/// Why no more of a file was read.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It cannot be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A snapshot is not whole.
    #[error("is BROKEN {0}")]
    Snapshot(#[from] ReadError),
    /// A log is not whole.
    #[error("is BROKEN: {0}")]
    Log(#[from] load::LoadError),
    /// A crash cut what was being written.
    #[error(
        "is BROKEN at byte {0}: a request or transaction that begins there does not end. A node cuts it there at its start, if it is the last file"
    )]
    Torn(u64),
    /// It names no files.
    #[error("is BROKEN: {0}")]
    Manifest(#[from] BadManifest),
}

/// What was found, file by file.
#[derive(Debug)]
pub struct Report(Vec<Summary>);

impl Report {
    /// Whether all files are.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.iter().all(|summary| summary.broken.is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|summary| write!(f, "{summary}"))
    }
}

/// What a file holds, as far as it can be read.
#[derive(Debug, Default)]
struct Summary {
    path: PathBuf,
    /// Of the snapshot that it is, or begins with.
    version: Option<u16>,
    fields: Vec<(String, String)>,
    functions: u64,
    /// By database, then by type.
    keys: BTreeMap<usize, BTreeMap<&'static str, u64>>,
    expiring: u64,
    empty: u64,
    /// Of the snapshot.
    bytes: u64,
    /// Of a log, by command.
    requests: BTreeMap<&'static str, u64>,
    /// Why no more was read.
    broken: Option<Broken>,
}

/// Reads a file, and those that it names, to their ends or to where they break.
#[must_use]
pub fn check(path: &Path) -> Report {
    if path.extension().is_none_or(|extension| extension != "manifest") {
        return Report(vec![Summary::of(path)]);
    }
    let parsed = fs::read(path).map_err(Broken::from).and_then(|text| Ok(Manifest::parse(&text)?));
    match parsed {
        Ok(manifest) => {
            Report(manifest.parts().map(|part| Summary::of(&path.with_file_name(&part.name))).collect())
        }
        Err(error) => {
            Report(vec![Summary { path: path.to_owned(), broken: Some(error), ..Summary::default() }])
        }
    }
}

impl Summary {
    fn of(path: &Path) -> Self {
        let mut summary = Self { path: path.to_owned(), ..Self::default() };
        summary.broken = summary.read().err();
        summary
    }

    fn read(&mut self) -> Result<(), Broken> {
        let mut file = BufReader::new(File::open(&self.path)?);
        if !file.fill_buf()?.starts_with(SNAPSHOT)
            && self.path.extension().is_none_or(|extension| extension != "rdb")
        {
            return self.read_requests(file, 0);
        }
        let mut reader = Reader::new(file, Forms::default(), true)?;
        self.version = Some(reader.version());
        let read = loop {
            match reader.next() {
                Ok(Some(item)) => self.add(item),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        (self.empty, self.bytes) = (reader.empty(), reader.offset());
        read?;
        // Logs of Redis before 7 go on in the file of their base.
        let at = self.bytes;
        self.read_requests(reader.into_rest(), at)
    }

    fn read_requests(&mut self, rest: impl Read, at: u64) -> Result<(), Broken> {
        let mut counter = Counter(&mut self.requests);
        match load::read_requests(&self.path, rest, at, &mut counter)? {
            Some(at) => Err(Broken::Torn(at)),
            None => Ok(()),
        }
    }

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

/// Counts the requests of a log, by command.
struct Counter<'a>(&'a mut BTreeMap<&'static str, u64>);

impl load::Sink for Counter<'_> {
    fn run(&mut self, args: &Args) -> Result<(), String> {
        let request = args.request().ok_or("a request without a name")?;
        let spec = resolve(&request).map_err(|error| error.to_string())?;
        *self.0.entry(spec.name).or_default() += 1;
        Ok(())
    }

    fn advance(&mut self, _: u64) {}
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.version {
            Some(version) => writeln!(f, "{path}: RDB version {version}, {} bytes read", self.bytes)?,
            None => writeln!(f, "{path}: requests")?,
        }
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
        if self.version.is_some() {
            writeln!(f, "  keys that expire: {}", self.expiring)?;
        }
        if self.empty > 0 {
            writeln!(f, "  keys with nothing in them, which are passed over: {}", self.empty)?;
        }
        if !self.requests.is_empty() {
            let total: u64 = self.requests.values().sum();
            let by_command: Vec<String> =
                self.requests.iter().map(|(name, count)| format!("{count} {name}")).collect();
            writeln!(f, "  requests: {total} ({})", by_command.join(", "))?;
        }
        match &self.broken {
            Some(error) => writeln!(f, "{path} {error}"),
            None => writeln!(f, "{path} is whole"),
        }
    }
}
