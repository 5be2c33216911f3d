//! The directory of a node: one process has it, and its files are replaced as a whole.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bytes after which what was written goes to the disk: at the end there is little left to wait for.
const SYNC_EVERY: u64 = 4 << 20;

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system says no.
    #[error("cannot use the directory {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
    /// Somebody else has it.
    #[error(
        "the directory {} is in use by another process: stop that one, or give this node a directory of its own (--dir)",
        .0.display()
    )]
    Locked(PathBuf),
}

/// See the module. The directory is locked until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    lock: File,
    /// Temporary files so far: two may be written at the same time.
    written: AtomicU64,
}

impl Directory {
    /// Creates it where there is none, and locks it.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |source| DirectoryError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let lock = File::open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock, written: AtomicU64::new(0) }),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked(path)),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets `write` write a file that then takes the place of the one of this name, and returns when it is on the disk. Whatever
    /// happens, the old file or the new one is there, whole; nothing is left of one that failed. `may` has the last word, and what it
    /// returns is held while the file takes its place. Says how long the new one is.
    ///
    /// # Errors
    /// What `write` says, or the system.
    pub fn replace<G>(
        &self,
        name: &str,
        syncs_often: bool,
        write: impl FnOnce(Synced) -> io::Result<Synced>,
        may: impl FnOnce() -> io::Result<G>,
    ) -> io::Result<u64> {
        let number = self.written.fetch_add(1, Relaxed);
        let temporary = self.path.join(format!("temp-{}-{number}-{name}", std::process::id()));
        let written = (|| {
            let length = Synced::create(&temporary, syncs_often, write)?;
            let held = may()?;
            fs::rename(&temporary, self.path.join(name))?;
            drop(held);
            self.lock.sync_all()?;
            Ok(length)
        })();
        if written.is_err() {
            // There may be none; the error that matters is the first.
            drop(fs::remove_file(&temporary));
        }
        written
    }

    /// Removes what processes left that ended while they wrote.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn remove_temporary(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let mut parts = name.splitn(4, '-');
            let is_number = |part: Option<&str>| {
                part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
            };
            if parts.next() == Some("temp") && is_number(parts.next()) && is_number(parts.next()) {
                tracing::info!(file = %entry.path().display(), "removed: its process ended while it wrote");
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// A new file on its way to the disk.
#[derive(Debug)]
pub struct Synced {
    file: File,
    unsynced: u64,
    syncs_often: bool,
}

impl Synced {
    /// Lets `write` write a file, which is on the disk when this returns. Says how long it is.
    ///
    /// # Errors
    /// What `write` says, or the system.
    pub(in crate::node) fn create(
        path: &Path,
        syncs_often: bool,
        write: impl FnOnce(Self) -> io::Result<Self>,
    ) -> io::Result<u64> {
        let file = write(Self { file: File::create(path)?, unsynced: 0, syncs_often })?.file;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }
}

impl Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written as u64;
        if self.syncs_often && self.unsynced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_it_and_files_are_replaced_whole() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new");
        let directory = Directory::open(&path).unwrap();
        let second = Directory::open(&path).unwrap_err();
        assert!(second.to_string().contains("is in use by another process"), "{second}");
        for content in [&b"first"[..], b"second"] {
            let write = |mut file: Synced| {
                file.write_all(content)?;
                Ok(file)
            };
            directory.replace("dump.rdb", true, write, || Ok(())).unwrap();
            assert_eq!(fs::read(path.join("dump.rdb")).unwrap(), content);
        }
        let failed = directory.replace("dump.rdb", true, |_| Err(io::Error::other("no more")), || Ok(()));
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        let refused = directory.replace("dump.rdb", true, Ok, || Err::<(), _>(io::Error::other("too late")));
        assert_eq!(refused.unwrap_err().to_string(), "too late");
        assert_eq!(fs::read(path.join("dump.rdb")).unwrap(), b"second");
        for name in ["temp-77-0-dump.rdb", "temp-x-1-dump.rdb", "temp-7.txt"] {
            fs::write(path.join(name), b"").unwrap();
        }
        directory.remove_temporary().unwrap();
        let mut left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["dump.rdb", "temp-7.txt", "temp-x-1-dump.rdb"]);
        drop(directory);
        Directory::open(&path).expect("free again");
    }
}
