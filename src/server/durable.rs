//! Files that are replaced as a whole.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Puts `content` in the place of a file, with its permissions, and returns when it is on the disk. Whoever reads the file finds the old
/// content or the new one, whatever happens to the machine.
///
/// # Errors
/// The old content is still there.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let new = path.with_file_name(name);
    let written = (|| {
        let mut file = File::create(&new)?;
        if let Ok(known) = fs::metadata(path) {
            file.set_permissions(known.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    })();
    if written.is_err() {
        // There may be none; the error that matters is the first.
        drop(fs::remove_file(&new));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for content in [&b"first"[..], b"second, and longer"] {
            replace(&path, content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        replace(&path, b"third").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Nothing is left beside it, also where it failed.
        let taken = directory.path().join("directory");
        fs::create_dir(&taken).unwrap();
        assert!(replace(&taken, b"x").is_err());
        assert!(replace(&directory.path().join("no/such"), b"x").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
