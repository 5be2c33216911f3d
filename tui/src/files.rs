//! Names of files and directories that begin like what was typed, to complete a line.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

/// Entries of a directory that are looked at; who has more types more.
const LOOKED_AT: usize = 10_000;
/// More than these nobody reads.
const SHOWN: usize = 100;

/// Paths that begin so, sorted; those of directories end in `/`. Hidden ones only where the dot is typed. A directory that cannot be read has
/// none: whoever runs the line is told.
#[must_use]
pub fn names_like(typed: &[u8]) -> Vec<Vec<u8>> {
    let at = typed.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, beginning) = typed.split_at(at);
    let path = if directory.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(directory)) };
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<Vec<u8>> = entries
        .take(LOOKED_AT)
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let is_directory = fs::metadata(entry.path()).is_ok_and(|about| about.is_dir());
            let mut name = entry.file_name().into_vec();
            if !name.starts_with(beginning) || (name.starts_with(b".") && !beginning.starts_with(b".")) {
                return None;
            }
            name.splice(0..0, directory.iter().copied());
            name.extend(is_directory.then_some(b'/'));
            Some(name)
        })
        .collect();
    names.sort();
    names.truncate(SHOWN);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_with_their_directory_and_hidden_ones_when_asked_for() {
        let place = tempfile::tempdir().unwrap();
        for name in ["dump.rdb", "dusk", ".hidden", "other"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        fs::create_dir(place.path().join("dumps")).unwrap();
        let root = format!("{}/", place.path().display());
        let found = |typed: &str| {
            let names = names_like(format!("{root}{typed}").as_bytes());
            let bare =
                |name: Vec<u8>| String::from_utf8(name).unwrap().strip_prefix(&root).unwrap().to_owned();
            names.into_iter().map(bare).collect::<Vec<_>>()
        };
        assert_eq!(found("du"), ["dump.rdb", "dumps/", "dusk"]);
        assert_eq!(found("").len(), 4);
        assert_eq!(found("."), [".hidden"]);
        assert!(found("nobody").is_empty() && names_like(b"/no/such/place/x").is_empty());
    }
}
