//! Files and directories that get their name when they are whole. Until then they have another beside it, which says so; what is given
//! up is removed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
    wanted: PathBuf,
    is_directory: bool,
}

impl Unfinished {
    /// A new file, which only its owner may read.
    pub(super) fn file(wanted: &Path) -> io::Result<(Self, File)> {
        let new = Self::of(wanted, false)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new.path);
        match file {
            Ok(file) => Ok((new, file)),
            Err(error) => Err(new.forget(error)),
        }
    }

    /// A new directory, which only its owner may enter.
    pub(super) fn directory(wanted: &Path) -> io::Result<Self> {
        let new = Self::of(wanted, true)?;
        match fs::DirBuilder::new().mode(0o700).create(&new.path) {
            Ok(()) => Ok(new),
            Err(error) => Err(new.forget(error)),
        }
    }

    fn of(wanted: &Path, is_directory: bool) -> io::Result<Self> {
        if wanted.symlink_metadata().is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists, and is not overwritten"));
        }
        let name = wanted.file_name().ok_or_else(|| io::Error::other("this is no name for it"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.unfinished", std::process::id()));
        Ok(Self { path: wanted.with_file_name(hidden), wanted: wanted.to_owned(), is_directory })
    }

    /// It was not made here, so it is not removed here.
    fn forget(self, error: io::Error) -> io::Error {
        std::mem::forget(self);
        error
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, for good. What is in it is on disk already.
    pub(super) fn finish(self) -> io::Result<()> {
        // Between this look and the next line somebody else may take the name; a file of theirs would be replaced.
        if self.wanted.symlink_metadata().is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it has come to exist meanwhile"));
        }
        fs::rename(&self.path, &self.wanted)?;
        let parent = self.wanted.parent().filter(|parent| !parent.as_os_str().is_empty());
        let synced = File::open(parent.unwrap_or(Path::new("."))).and_then(|parent| parent.sync_all());
        std::mem::forget(self);
        synced
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Whoever gave it up has said why; a leftover says by its name what it is.
        let _ = if self.is_directory { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_has_its_name_when_it_is_whole_and_leaves_nothing_otherwise() {
        let home = tempfile::tempdir().unwrap();
        let wanted = home.path().join("data.rdb");
        let (unfinished, _file) = Unfinished::file(&wanted).unwrap();
        assert_eq!(names(home.path()), [format!(".data.rdb.{}.unfinished", std::process::id())]);
        // A second one of the same process does not touch the first.
        assert_eq!(Unfinished::file(&wanted).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(home.path()).len(), 1);
        drop(unfinished);
        assert!(names(home.path()).is_empty());

        let (unfinished, _file) = Unfinished::file(&wanted).unwrap();
        unfinished.finish().unwrap();
        assert_eq!(names(home.path()), ["data.rdb"]);
        assert_eq!(Unfinished::directory(&wanted).unwrap_err().kind(), io::ErrorKind::AlreadyExists);

        let directory = Unfinished::directory(&home.path().join("backup")).unwrap();
        fs::write(directory.path().join("inside"), "x").unwrap();
        drop(directory);
        assert_eq!(names(home.path()), ["data.rdb"]);
    }
}
