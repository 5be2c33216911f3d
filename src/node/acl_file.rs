//! The ACL file: read for `ACL LOAD` and at the start, written by `ACL SAVE`. What its lines mean is in [`crate::acl`].

use std::{fs, io, path::Path, sync::Arc};

use crate::{
    acl::{Acl, User},
    server::durable,
};

/// The users of a file in the place of all there are, or none; see [`Acl::load`].
///
/// # Errors
/// What is wrong with the file, without a code.
pub(super) fn load(acl: &Acl, path: &str) -> Result<Vec<Arc<User>>, Vec<u8>> {
    let text = fs::read(path).map_err(|error| {
        format!("Error loading ACLs, opening file '{path}': {}", reason(&error)).into_bytes()
    })?;
    acl.load(&text, path)
}

/// What the system calls an error, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// All users, as lines of the file.
///
/// # Errors
/// The file is as it was.
pub(super) fn save(acl: &Acl, path: &str) -> io::Result<()> {
    let content: Vec<u8> = acl.lines().into_iter().flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
    durable::replace(Path::new(path), &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(acl: &Acl, name: &str, rules: &[&str]) {
        acl.set(name.as_bytes(), rules.iter().map(|rule| rule.as_bytes())).unwrap();
    }

    #[test]
    fn a_file_takes_the_place_of_all_users() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users.acl");
        let path = path.to_str().unwrap();
        let acl = Acl::default();
        set(&acl, "a", &["on", "nopass", "+@all", "-config|set", "(~x +get)"]);
        set(&acl, "default", &["-@dangerous"]);
        save(&acl, path).unwrap();
        let before = acl.lines();
        acl.remove(b"a");
        set(&acl, "b", &["on"]);
        let gone = load(&acl, path).unwrap();
        assert_eq!(gone.iter().map(|user| user.name()).collect::<Vec<_>>(), [b"b"]);
        assert_eq!(acl.lines(), before);
        std::fs::write(path, "user c on +nosuch").unwrap();
        assert!(load(&acl, path).is_err());
        assert_eq!(acl.lines(), before);
    }

    #[test]
    fn a_file_that_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let error = load(&Acl::default(), directory.path().join("none").to_str().unwrap()).unwrap_err();
        assert!(String::from_utf8(error).unwrap().ends_with("none': No such file or directory"));
    }
}
