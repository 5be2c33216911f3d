//! Which files an append-only log is made of, and the text that says so: as Redis 7 writes and reads it. Pure.
//!
//! A base says what there was at one time, incremental files what happened since, in their order. History is what a later base has made
//! superfluous, until it is deleted.

use crate::protocol::quote;

/// What a file is to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What there was.
    Base,
    /// What happened then.
    Incremental,
    /// Of no use any more.
    History,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Self::Base => 'b',
            Self::Incremental => 'i',
            Self::History => 'h',
        }
    }
}

/// A file of a log, in the log's own directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name there.
    pub name: String,
    /// Its number among those of its kind.
    pub number: u64,
}

impl Part {
    fn line(&self, kind: Kind) -> String {
        let plain =
            self.name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\'));
        let name = if plain { self.name.clone() } else { quote::repr(self.name.as_bytes()) };
        format!("file {name} seq {} type {}\n", self.number, kind.letter())
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// At most one.
    pub base: Option<Part>,
    /// In the order in which they are read.
    pub incremental: Vec<Part>,
    /// To be deleted.
    pub history: Vec<Part>,
}

/// A line that no manifest has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the manifest: {reason}: {text:?}")]
pub struct BadManifest {
    line: usize,
    reason: &'static str,
    text: String,
}

/// How the form of a base is told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a snapshot is.
    Rdb,
    /// Commands, as everything else in a log.
    Commands,
}

impl Manifest {
    /// Reads what [`Manifest::text`] wrote, or Redis.
    ///
    /// # Errors
    /// A line is none of a manifest.
    pub fn parse(text: &[u8]) -> Result<Self, BadManifest> {
        let mut manifest = Self::default();
        let mut is_empty = true;
        for (number, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
            is_empty = false;
            if line.starts_with(b"#") {
                continue;
            }
            manifest.add_line(line).map_err(|reason| BadManifest {
                line: number + 1,
                reason,
                text: String::from_utf8_lossy(line).trim_end().to_owned(),
            })?;
        }
        if is_empty {
            return Err(BadManifest { line: 1, reason: "it is empty", text: String::new() });
        }
        Ok(manifest)
    }

    fn add_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        const NO_LINE: &str = "expected 'file NAME seq NUMBER type b|i|h'";
        if !line.ends_with(b"\n") {
            return Err("it is cut");
        }
        let words = quote::split(line.trim_ascii()).map_err(|_| NO_LINE)?;
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err(NO_LINE);
        }
        let value = |key: &[u8]| {
            let mut pairs = words.chunks_exact(2);
            pairs.find(|pair| pair[0].eq_ignore_ascii_case(key)).map(|pair| pair[1].as_slice())
        };
        let name = value(b"file").and_then(|name| std::str::from_utf8(name).ok()).ok_or(NO_LINE)?;
        if name.is_empty() || name.contains('/') {
            return Err("a file is named without its directory");
        }
        let number = value(b"seq").and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
        let number = number.filter(|&number| number > 0).ok_or(NO_LINE)?;
        let part = Part { name: name.to_owned(), number };
        match value(b"type").and_then(<[u8]>::first) {
            Some(b'b') if self.base.is_some() => return Err("a second base"),
            Some(b'b') => self.base = Some(part),
            Some(b'h') => self.history.push(part),
            Some(b'i') if self.incremental.last().is_some_and(|last| number <= last.number) => {
                return Err("numbers of incremental files have to grow");
            }
            Some(b'i') => self.incremental.push(part),
            _ => return Err("a type that is none"),
        }
        Ok(())
    }

    /// The text of it.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = |parts: &[Part], kind| parts.iter().map(|part| part.line(kind)).collect::<String>();
        let base = self.base.as_ref().map(|part| part.line(Kind::Base)).unwrap_or_default();
        base + &lines(&self.history, Kind::History) + &lines(&self.incremental, Kind::Incremental)
    }

    /// Neither a base nor anything that happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.incremental.is_empty()
    }

    /// The files that are read, in order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.incremental)
    }

    /// Names the next incremental file.
    pub fn add_incremental(&mut self, log: &str) -> Part {
        let last = self
            .incremental
            .iter()
            .chain(self.history.iter().filter(|part| part.name.ends_with(".incr.aof")));
        let number = last.map(|part| part.number).max().unwrap_or(0) + 1;
        let part = Part { name: format!("{log}.{number}.incr.aof"), number };
        self.incremental.push(part.clone());
        part
    }

    /// The name of the next base.
    #[must_use]
    pub fn next_base(&self, log: &str, form: Form) -> Part {
        let number = self.base.as_ref().map_or(0, |base| base.number) + 1;
        let ending = match form {
            Form::Rdb => "rdb",
            Form::Commands => "aof",
        };
        Part { name: format!("{log}.{number}.base.{ending}"), number }
    }

    /// A new base says what there was when incremental file `first` began: everything before is history.
    pub fn rebase(&mut self, base: Part, first: u64) {
        let superfluous = self.incremental.extract_if(.., |part| part.number < first);
        let superfluous: Vec<Part> = self.base.replace(base).into_iter().chain(superfluous).collect();
        self.history.extend(superfluous);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_order_is_that_of_redis() {
        let base = Manifest::default().next_base("a b", Form::Commands);
        let mut manifest = Manifest { base: Some(base), ..Manifest::default() };
        assert_eq!(manifest.add_incremental("a b").number, 1);
        let second = manifest.add_incremental("a b");
        manifest.rebase(manifest.next_base("a b", Form::Rdb), second.number);
        assert_eq!(
            manifest.text(),
            "file \"a b.2.base.rdb\" seq 2 type b\nfile \"a b.1.base.aof\" seq 1 type h\n\
             file \"a b.1.incr.aof\" seq 1 type h\nfile \"a b.2.incr.aof\" seq 2 type i\n"
        );
        assert_eq!(Manifest::parse(manifest.text().as_bytes()), Ok(manifest.clone()));
        manifest.history.clear();
        assert_eq!(manifest.add_incremental("a b").name, "a b.3.incr.aof");
    }

    #[test]
    fn what_is_no_manifest_says_where() {
        for (text, line, reason) in [
            ("", 1, "empty"),
            ("# a comment\nfile a seq 1\n", 2, "expected"),
            ("file a seq 1 type b", 1, "cut"),
            ("file a seq 1 type b\nfile b seq 2 type b\n", 2, "second base"),
            ("file a seq 2 type i\nfile b seq 2 type i\n", 2, "grow"),
            ("file ../a seq 2 type i\n", 1, "directory"),
            ("file a seq 0 type i\n", 1, "expected"),
            ("file a seq 1 type x\n", 1, "none"),
        ] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert!(error.line == line && error.reason.contains(reason), "{text:?}: {error}");
        }
    }
}
