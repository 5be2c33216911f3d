//! The directory of a log: its manifest and its files. Every change of the manifest is a new file that takes the place of the old one,
//! on disk before anything relies on it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::manifest::{BadManifest, Manifest, Part};

/// What a file is called before it is whole.
const UNFINISHED: &str = "temp-";

/// See the module.
#[derive(Debug)]
pub struct Directory {
    /// `dir`.
    base: PathBuf,
    /// `appenddirname`, in `dir`.
    path: PathBuf,
    /// `appendfilename`.
    log: String,
    /// What there is.
    pub manifest: Manifest,
    /// `aof-disable-auto-gc`: files that are of no use any more are kept.
    pub keeps_history: bool,
}

/// What goes on from a base.
#[derive(Clone, Debug)]
pub enum First {
    /// The incremental file of this number.
    Of(u64),
    /// One that the manifest does not have yet.
    Prepared(Part),
    /// Nothing: the log is off.
    Nothing,
}

impl First {
    fn number(&self) -> u64 {
        match self {
            Self::Of(number) => *number,
            Self::Prepared(part) => part.number,
            Self::Nothing => u64::MAX,
        }
    }
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused something.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The manifest is none.
    #[error("{}: {error}; restore it, or move the directory away to start without its data", path.display())]
    Manifest {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        error: BadManifest,
    },
}

fn at<'p>(what: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> DirectoryError + 'p {
    move |error| DirectoryError::Io { what, path: path.to_owned(), error }
}

/// Makes names in a directory last.
fn sync(directory: &Path) -> Result<(), DirectoryError> {
    File::open(directory).and_then(|open| open.sync_all()).map_err(at("sync", directory))
}

impl Directory {
    /// That of `log` in `base`, as its manifest says; empty where there is none. A log of Redis before 7, one file in `base`, moves in
    /// as the base of a new one.
    ///
    /// # Errors
    /// It cannot be read, or the manifest is none.
    pub fn open(base: &Path, name: &str, log: &str) -> Result<Self, DirectoryError> {
        let path = base.join(name);
        let mut directory = Self {
            base: base.to_owned(),
            path,
            log: log.to_owned(),
            manifest: Manifest::default(),
            keeps_history: false,
        };
        let manifest = directory.manifest_path();
        match fs::read(&manifest) {
            Ok(text) => {
                directory.manifest = Manifest::parse(&text)
                    .map_err(|error| DirectoryError::Manifest { path: manifest, error })?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at("read", &manifest)(error)),
        }
        directory.take_in_old_log()?;
        Ok(directory)
    }

    /// A log of one file: named in the manifest first, moved then, so that a crash in between is no loss.
    fn take_in_old_log(&mut self) -> Result<(), DirectoryError> {
        let old = self.base.join(&self.log);
        let is_half_done = self.manifest.incremental.is_empty()
            && self.manifest.base.as_ref().is_some_and(|base| base.name == self.log)
            && !self.path_of(&self.log).exists();
        if !old.is_file() || !(self.manifest.is_empty() || is_half_done) {
            return Ok(());
        }
        let base = Part { name: self.log.clone(), number: 1 };
        self.replace(Manifest { base: Some(base), ..Manifest::default() })?;
        let new = self.path_of(&self.log);
        fs::rename(&old, &new).map_err(at("move into the directory of the log", &old))?;
        sync(&self.path)?;
        sync(&self.base)?;
        tracing::info!(from = %old.display(), to = %new.display(), "an append-only file of an older Redis is now the base of a log");
        Ok(())
    }

    fn manifest_path(&self) -> PathBuf {
        self.path.join(format!("{}.manifest", self.log))
    }

    /// Where a file of the log is.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What the log is called.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Where a base is written until it is whole.
    #[must_use]
    pub fn unfinished_base(&self) -> PathBuf {
        self.path.join(format!("{UNFINISHED}rewriteaof-bg-{}.aof", std::process::id()))
    }

    /// Makes the directory, unless it is there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self) -> Result<(), DirectoryError> {
        if !self.path.is_dir() {
            fs::create_dir(&self.path).map_err(at("make the directory", &self.path))?;
            sync(&self.base)?;
        }
        Ok(())
    }

    /// Puts another manifest in the place of the one there is.
    ///
    /// # Errors
    /// It cannot be written; the old one is in force.
    pub fn replace(&mut self, manifest: Manifest) -> Result<(), DirectoryError> {
        self.make()?;
        let unfinished = self.path.join(format!("{UNFINISHED}{}.manifest", self.log));
        let write = |path: &Path| {
            let mut file = File::create(path)?;
            file.write_all(manifest.text().as_bytes())?;
            file.sync_all()
        };
        write(&unfinished).map_err(at("write", &unfinished))?;
        let path = self.manifest_path();
        fs::rename(&unfinished, &path).map_err(at("replace", &path))?;
        sync(&self.path)?;
        self.manifest = manifest;
        Ok(())
    }

    /// The last incremental file, to be written at its end; a new one where there is none.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_last(&mut self) -> Result<(File, u64), DirectoryError> {
        match self.manifest.incremental.last() {
            Some(last) => {
                let path = self.path_of(&last.name);
                let open = |path: &Path| {
                    let file = OpenOptions::new().append(true).create(true).open(path)?;
                    let length = file.metadata()?.len();
                    Ok((file, length))
                };
                open(&path).map_err(at("open", &path))
            }
            None => self.add().map(|(file, _)| (file, 0)),
        }
    }

    /// A new incremental file, and its number.
    ///
    /// # Errors
    /// It cannot be made; the manifest does not have it then.
    pub fn add(&mut self) -> Result<(File, u64), DirectoryError> {
        let mut manifest = self.manifest.clone();
        self.make()?;
        let (file, part) = self.create(&mut manifest)?;
        self.replace(manifest)?;
        Ok((file, part.number))
    }

    /// An empty incremental file that no manifest has yet.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn prepare(&self) -> Result<(File, Part), DirectoryError> {
        self.make()?;
        self.create(&mut self.manifest.clone())
    }

    /// An empty incremental file, named in a manifest that is to come.
    fn create(&self, manifest: &mut Manifest) -> Result<(File, Part), DirectoryError> {
        let part = manifest.add_incremental(&self.log);
        let path = self.path_of(&part.name);
        // One of this name is of an attempt that ended before the manifest had it.
        let open = |path: &Path| {
            OpenOptions::new().append(true).create(true).open(path).and_then(|file| {
                file.set_len(0)?;
                Ok(file)
            })
        };
        let file = open(&path).map_err(at("make", &path))?;
        Ok((file, part))
    }

    /// A base that is whole, written as [`Directory::unfinished_base`] says, begins the log from incremental file `first` on. What came
    /// before is deleted.
    ///
    /// # Errors
    /// The log is as it was.
    pub fn rebase(&mut self, unfinished: &Path, base: Part, first: &First) -> Result<(), DirectoryError> {
        let path = self.path_of(&base.name);
        fs::rename(unfinished, &path).map_err(at("name", &path))?;
        let mut manifest = self.manifest.clone();
        if let First::Prepared(part) = first {
            manifest.incremental.push(part.clone());
        }
        manifest.rebase(base, first.number());
        self.replace(manifest)?;
        self.delete_history()
    }

    /// Deletes what is of no use any more, unless it is to be kept.
    ///
    /// # Errors
    /// The manifest cannot be written.
    pub fn delete_history(&mut self) -> Result<(), DirectoryError> {
        let mut manifest = self.manifest.clone();
        if manifest.history.is_empty() || self.keeps_history {
            return Ok(());
        }
        for part in std::mem::take(&mut manifest.history) {
            let path = self.path_of(&part.name);
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "cannot delete a file that the log needs no more");
                manifest.history.push(part);
            }
        }
        self.replace(manifest)
    }

    /// Bytes of the base, and of what happened since.
    #[must_use]
    pub fn sizes(&self) -> (u64, u64) {
        let size = |part: &Part| fs::metadata(self.path_of(&part.name)).map_or(0, |data| data.len());
        let base = self.manifest.base.as_ref().map_or(0, size);
        (base, self.manifest.incremental.iter().map(size).sum())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{super::manifest::Form, *};

    #[test]
    fn a_log_goes_on_where_it_was_and_begins_anew_with_a_base() {
        let base = tempfile::tempdir().unwrap();
        let open = || Directory::open(base.path(), "logs", "a.aof").unwrap();
        let mut directory = open();
        assert!(directory.manifest.is_empty());
        let (mut file, length) = directory.open_last().unwrap();
        assert_eq!(length, 0);
        file.write_all(b"one").unwrap();
        let mut directory = open();
        assert_eq!(directory.open_last().unwrap().1, 3);
        let (_, number) = directory.add().unwrap();
        let unfinished = directory.unfinished_base();
        fs::write(&unfinished, "base").unwrap();
        let part = directory.manifest.next_base("a.aof", Form::Rdb);
        directory.rebase(&unfinished, part, &First::Of(number)).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(base.path().join("logs")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.aof.1.base.rdb", "a.aof.2.incr.aof", "a.aof.manifest"]);
        assert_eq!(open().manifest, directory.manifest);
        assert_eq!(directory.sizes(), (4, 0));
        // What is superfluous is kept where that is wanted, until it is not.
        directory.keeps_history = true;
        let (_, number) = directory.add().unwrap();
        fs::write(&unfinished, "base").unwrap();
        let part = directory.manifest.next_base("a.aof", Form::Rdb);
        directory.rebase(&unfinished, part, &First::Of(number)).unwrap();
        assert!(directory.path_of("a.aof.1.base.rdb").exists() && open().manifest.history.len() == 2);
        directory.keeps_history = false;
        directory.delete_history().unwrap();
        assert!(!directory.path_of("a.aof.1.base.rdb").exists() && open().manifest.history.is_empty());
    }

    #[test]
    fn an_old_log_moves_in_whenever_that_was_interrupted() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("a.aof"), "old").unwrap();
        let mut directory = Directory {
            base: base.path().to_owned(),
            path: base.path().join("logs"),
            log: "a.aof".into(),
            manifest: Manifest::default(),
            keeps_history: false,
        };
        // It was named, and not moved yet.
        let named = Manifest { base: Some(Part { name: "a.aof".into(), number: 1 }), ..Manifest::default() };
        directory.replace(named.clone()).unwrap();
        let directory = Directory::open(base.path(), "logs", "a.aof").unwrap();
        let mut text = String::new();
        File::open(directory.path_of("a.aof")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((directory.manifest, text.as_str()), (named, "old"));
        assert!(!base.path().join("a.aof").exists());
    }
}
