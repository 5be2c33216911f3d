//! Users: who may log in, and whether they may do anything.
//!
//! As much of Redis's ACL as passwords and the fencing of proxies need: a user is on or off, has passwords, and may use
//! all keys, channels and commands, or none of each. Finer rules are refused rather than half kept.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use sha2::{Digest as _, Sha256};

/// Bits of [`User::flags`].
const ON: u8 = 1;
const NOPASS: u8 = 2;
const ALL_KEYS: u8 = 4;
const ALL_CHANNELS: u8 = 8;
const ALL_COMMANDS: u8 = 16;
/// Kept and shown as Redis does; payloads of `RESTORE` are always checked.
const SANITIZE: u8 = 32;
const SKIP_SANITIZE: u8 = 64;

/// The user of connections that have not logged in.
pub const DEFAULT: &[u8] = b"default";

/// One user. Shared by its sessions, which see changes at once.
#[derive(Debug)]
pub struct User {
    name: Vec<u8>,
    flags: AtomicU8,
    passwords: Mutex<Vec<Hash>>,
}

/// SHA-256 of a password.
type Hash = [u8; 32];

fn hash(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

fn to_hex(hash: &Hash) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &[u8]) -> Option<Hash> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// In a time that does not depend on where they differ.
fn equal(a: &Hash, b: &Hash) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

impl User {
    /// As Redis makes users: off, no password, may do nothing.
    fn new(name: &[u8]) -> Self {
        Self { name: name.to_vec(), flags: AtomicU8::new(0), passwords: Mutex::default() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    fn has(&self, flags: u8) -> bool {
        self.flags.load(Relaxed) & flags == flags
    }

    fn change(&self, add: u8, remove: u8) {
        self.flags.store((self.flags.load(Relaxed) | add) & !remove, Relaxed);
    }

    /// May log in.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.has(ON)
    }

    /// Any password will do.
    #[must_use]
    pub fn needs_no_password(&self) -> bool {
        self.has(NOPASS)
    }

    /// May run commands.
    #[must_use]
    pub fn may_run(&self) -> bool {
        self.has(ALL_COMMANDS)
    }

    /// May use keys.
    #[must_use]
    pub fn may_use_keys(&self) -> bool {
        self.has(ALL_KEYS)
    }

    /// Whether nothing is forbidden.
    #[must_use]
    pub fn may_do_all(&self) -> bool {
        self.has(ALL_COMMANDS | ALL_KEYS)
    }

    /// `~*` or nothing.
    #[must_use]
    pub fn keys(&self) -> &'static str {
        if self.has(ALL_KEYS) { "~*" } else { "" }
    }

    /// `&*` or nothing.
    #[must_use]
    pub fn channels(&self) -> &'static str {
        if self.has(ALL_CHANNELS) { "&*" } else { "" }
    }

    /// `+@all` or `-@all`.
    #[must_use]
    pub fn commands(&self) -> &'static str {
        if self.has(ALL_COMMANDS) { "+@all" } else { "-@all" }
    }

    fn passwords(&self) -> MutexGuard<'_, Vec<Hash>> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashes of its passwords, in hexadecimal digits.
    #[must_use]
    pub fn password_hashes(&self) -> Vec<String> {
        self.passwords().iter().map(to_hex).collect()
    }

    /// Whether it may log in with this password.
    #[must_use]
    pub fn accepts(&self, password: &[u8]) -> bool {
        if !self.is_on() {
            return false;
        }
        let given = hash(password);
        self.needs_no_password()
            | self.passwords().iter().fold(false, |found, known| found | equal(known, &given))
    }

    /// Its flags, in the order and with the names of Redis.
    pub fn flag_names(&self) -> impl Iterator<Item = &'static str> {
        let flags = self.flags.load(Relaxed);
        let state = if flags & ON != 0 { "on" } else { "off" };
        let others =
            [(NOPASS, "nopass"), (SKIP_SANITIZE, "skip-sanitize-payload"), (SANITIZE, "sanitize-payload")];
        let others = others.into_iter().filter(move |(flag, _)| flags & flag != 0);
        std::iter::once(state).chain(others.map(|(_, name)| name))
    }

    /// As `ACL LIST` shows it, without the word `user`.
    #[must_use]
    pub fn describe(&self) -> Vec<u8> {
        let mut text = self.name.clone();
        for flag in self.flag_names() {
            text.push(b' ');
            text.extend_from_slice(flag.as_bytes());
        }
        for hash in self.password_hashes() {
            text.extend_from_slice(b" #");
            text.extend_from_slice(hash.as_bytes());
        }
        if self.has(ALL_KEYS) {
            text.extend_from_slice(b" ~*");
        }
        text.extend_from_slice(if self.has(ALL_CHANNELS) { b" &*" } else { b" resetchannels" });
        text.push(b' ');
        text.extend_from_slice(self.commands().as_bytes());
        text
    }
}

/// What a rule of `ACL SETUSER` does.
#[derive(Clone, Debug)]
enum Change {
    Flags { add: u8, remove: u8 },
    NoPass,
    ResetPasswords,
    AddPassword(Hash),
    RemovePassword(Hash),
    Reset,
}

const SYNTAX: &str = "Syntax error";
const NOT_HASH: &str =
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
const NO_SUCH_PASSWORD: &str = "The password you are trying to remove from the user does not exist";
const TOO_FINE: &str =
    "rules for single commands, keys or channels are not supported yet; a user may use all or nothing";

fn parse(rule: &[u8]) -> Result<Change, &'static str> {
    let flags = |add, remove| Ok(Change::Flags { add, remove });
    match rule.to_ascii_lowercase().as_slice() {
        b"on" => return flags(ON, 0),
        b"off" => return flags(0, ON),
        b"nopass" => return Ok(Change::NoPass),
        b"resetpass" => return Ok(Change::ResetPasswords),
        b"allkeys" | b"~*" => return flags(ALL_KEYS, 0),
        b"resetkeys" => return flags(0, ALL_KEYS),
        b"allchannels" | b"&*" => return flags(ALL_CHANNELS, 0),
        b"resetchannels" => return flags(0, ALL_CHANNELS),
        b"allcommands" | b"+@all" => return flags(ALL_COMMANDS, 0),
        b"nocommands" | b"-@all" => return flags(0, ALL_COMMANDS),
        b"reset" => return Ok(Change::Reset),
        b"sanitize-payload" => return flags(SANITIZE, SKIP_SANITIZE),
        b"skip-sanitize-payload" => return flags(SKIP_SANITIZE, SANITIZE),
        b"clearselectors" => return flags(0, 0),
        _ => {}
    }
    match rule {
        [b'>', password @ ..] => Ok(Change::AddPassword(hash(password))),
        [b'<', password @ ..] => Ok(Change::RemovePassword(hash(password))),
        [b'#', digits @ ..] => from_hex(digits).map(Change::AddPassword).ok_or(NOT_HASH),
        [b'!', digits @ ..] => from_hex(digits).map(Change::RemovePassword).ok_or(NOT_HASH),
        [b'~' | b'&' | b'+' | b'-' | b'%' | b'(', ..] => Err(TOO_FINE),
        _ => Err(SYNTAX),
    }
}

/// All users.
#[derive(Debug)]
pub struct Acl {
    default: Arc<User>,
    others: Mutex<BTreeMap<Vec<u8>, Arc<User>>>,
}

impl Default for Acl {
    fn default() -> Self {
        let default = User::new(DEFAULT);
        default.change(ON | NOPASS | ALL_KEYS | ALL_CHANNELS | ALL_COMMANDS, 0);
        Self { default: Arc::new(default), others: Mutex::default() }
    }
}

impl Acl {
    /// The user of connections that have not logged in.
    #[must_use]
    pub fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// Whether a connection must log in before it may do anything.
    #[must_use]
    pub fn login_required(&self) -> bool {
        !self.default.has(NOPASS | ON)
    }

    fn others(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Arc<User>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user by name.
    #[must_use]
    pub fn user(&self, name: &[u8]) -> Option<Arc<User>> {
        if name == DEFAULT { Some(Arc::clone(&self.default)) } else { self.others().get(name).cloned() }
    }

    /// All users, by name.
    #[must_use]
    pub fn users(&self) -> Vec<Arc<User>> {
        let mut users: Vec<_> = self.others().values().cloned().collect();
        users.push(Arc::clone(&self.default));
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users
    }

    /// The user, if it may log in with this password.
    #[must_use]
    pub fn log_in(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        self.user(name).filter(|user| user.accepts(password))
    }

    /// `requirepass`: the only password of the default user; none if empty.
    pub fn set_default_password(&self, password: &[u8]) {
        let mut passwords = self.default.passwords();
        passwords.clear();
        if password.is_empty() {
            self.default.change(NOPASS, 0);
        } else {
            passwords.push(hash(password));
            self.default.change(0, NOPASS);
        }
    }

    /// `ACL SETUSER`: all rules or none.
    ///
    /// # Errors
    /// The text of Redis.
    pub fn set<'a>(&self, name: &[u8], rules: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
        if name.iter().any(|&byte| byte == 0 || byte.is_ascii_whitespace()) {
            return Err("ERR Usernames can't contain spaces or null characters".into());
        }
        let existing = self.user(name);
        let (mut flags, mut passwords) = match &existing {
            Some(user) => (user.flags.load(Relaxed), user.passwords().clone()),
            None => (0, Vec::new()),
        };
        for rule in rules {
            let failed = |reason| {
                format!("ERR Error in ACL SETUSER modifier '{}': {reason}", String::from_utf8_lossy(rule))
            };
            match parse(rule).map_err(failed)? {
                Change::Flags { add, remove } => flags = (flags | add) & !remove,
                Change::NoPass => {
                    flags |= NOPASS;
                    passwords.clear();
                }
                Change::ResetPasswords => {
                    flags &= !NOPASS;
                    passwords.clear();
                }
                Change::AddPassword(hash) => {
                    flags &= !NOPASS;
                    if !passwords.contains(&hash) {
                        passwords.push(hash);
                    }
                }
                Change::RemovePassword(hash) => {
                    let found = passwords.iter().position(|known| *known == hash);
                    passwords.remove(found.ok_or_else(|| failed(NO_SUCH_PASSWORD))?);
                }
                Change::Reset => (flags, passwords) = (SANITIZE, Vec::new()),
            }
        }
        let user = existing.unwrap_or_else(|| {
            Arc::clone(self.others().entry(name.to_vec()).or_insert_with(|| Arc::new(User::new(name))))
        });
        *user.passwords() = passwords;
        user.flags.store(flags, Relaxed);
        Ok(())
    }

    /// Removes a user other than the default one; its connections are the caller's to close.
    pub fn remove(&self, name: &[u8]) -> bool {
        self.others().remove(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(acl: &Acl, name: &str, rules: &[&str]) -> Result<(), String> {
        acl.set(name.as_bytes(), rules.iter().map(|rule| rule.as_bytes()))
    }

    #[test]
    fn users_log_in_until_they_are_off() {
        let acl = Acl::default();
        set(&acl, "proxy", &["on", ">secret", "~*", "&*", "+@all"]).unwrap();
        let user = acl.log_in(b"proxy", b"secret").unwrap();
        assert!(user.may_do_all() && acl.log_in(b"proxy", b"other").is_none());
        assert_eq!(
            String::from_utf8(user.describe()).unwrap(),
            "proxy on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~* &* +@all"
        );
        set(&acl, "proxy", &["off"]).unwrap();
        assert!(acl.log_in(b"proxy", b"secret").is_none());
        assert!(acl.remove(b"proxy") && !acl.remove(b"proxy"));
    }

    #[test]
    fn a_bad_rule_changes_nothing() {
        let acl = Acl::default();
        for (rules, expected) in [
            (&["on", "foo"][..], "ERR Error in ACL SETUSER modifier 'foo': Syntax error"),
            (&["on", "+get"], "not supported yet"),
            (&["on", "<x"], "does not exist"),
            (&["on", "#abc"], "exactly 64"),
        ] {
            let error = set(&acl, "u", rules).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(acl.user(b"u").is_none());
        }
        assert!(set(&acl, "a b", &["on"]).is_err());
    }

    #[test]
    fn a_password_for_the_default_user() {
        let acl = Acl::default();
        assert!(!acl.login_required());
        acl.set_default_password(b"p");
        assert!(acl.login_required() && acl.log_in(DEFAULT, b"p").is_some());
        acl.set_default_password(b"");
        assert!(!acl.login_required());
    }
}
