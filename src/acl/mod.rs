//! Users: who may log in, and what each may do, as Redis's access control lists have it.
//!
//! [`user`] is one user with its flags and passwords, [`selector`] what it may do with which keys and channels, [`commands`] the set
//! of commands in that, [`Denied`] what it may not; [`rules`] has the words and their errors, [`password`] the hashes. [`mod@file`] reads lines of an ACL file,
//! [`log`] remembers what was denied, [`answers`] is what the `ACL` commands reply that ask and change nothing. Pure, for nodes and
//! proxies alike. Not here: files and the registry, when a command is checked, and who is told of changes.

pub mod answers;
mod commands;
mod denied;
mod file;
pub mod log;
mod password;
pub mod rules;
pub mod selector;
pub mod user;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

pub use self::{denied::Denied, user::User};
use self::{log::Log, rules::SetError, user::Rules};

/// The user of connections that have not logged in.
pub const DEFAULT: &[u8] = b"default";

/// All users, and what was denied to them.
#[derive(Debug)]
pub struct Acl {
    default: Arc<User>,
    others: Mutex<BTreeMap<Vec<u8>, Arc<User>>>,
    /// `acl-pubsub-default`: new users may use all channels.
    all_channels: AtomicBool,
    log: Mutex<Log>,
}

impl Default for Acl {
    fn default() -> Self {
        Self {
            default: Arc::new(User::new(DEFAULT, Rules::of_default_user())),
            others: Mutex::default(),
            all_channels: AtomicBool::new(false),
            log: Mutex::default(),
        }
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
        !(self.default.needs_no_password() && self.default.is_on())
    }

    fn others(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Arc<User>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was denied of late.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `acl-pubsub-default`.
    pub fn set_all_channels(&self, on: bool) {
        self.all_channels.store(on, Relaxed);
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
        users.sort_by(|a, b| a.name().cmp(b.name()));
        users
    }

    /// The user, if it may log in with this password.
    #[must_use]
    pub fn log_in(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        self.user(name).filter(|user| user.accepts(password))
    }

    /// `requirepass`: the only password of the default user; none if empty.
    pub fn set_default_password(&self, password: &[u8]) {
        let mut rules = self.default.copy_rules();
        rules.set_password(password);
        self.default.set_rules(rules);
    }

    /// `ACL SETUSER`: all rules or none. Returns the user if its clients may have lost channels.
    ///
    /// # Errors
    /// The first rule that does not apply.
    pub fn set<'a>(
        &self,
        name: &[u8],
        words: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Arc<User>>, SetError> {
        if rules::has_space(name) {
            return Err(SetError::Name);
        }
        let all_channels = self.all_channels.load(Relaxed);
        match self.user(name) {
            Some(user) => {
                let changed = user.copy_rules().apply_all(words, all_channels)?;
                Ok(user.set_rules(changed).then_some(user))
            }
            None => {
                let rules = Rules::new(all_channels).apply_all(words, all_channels)?;
                self.others().insert(name.to_vec(), Arc::new(User::new(name, rules)));
                Ok(None)
            }
        }
    }

    /// Takes over a user as a line of an ACL file has it; its connections stay, and see the change at once. Returns it if its clients
    /// may have lost channels. `source` is what errors call the line.
    ///
    /// # Errors
    /// What is wrong with the line; nothing has changed.
    pub fn put_line(&self, line: &[u8], source: &str) -> Result<Option<Arc<User>>, Vec<u8>> {
        let mut changed = None;
        for (name, rules) in file::parse(line, source, false)? {
            match self.user(&name) {
                Some(user) => changed = user.set_rules(rules).then_some(user),
                None => {
                    self.others().insert(name.clone(), Arc::new(User::new(&name, rules)));
                }
            }
        }
        Ok(changed)
    }

    /// The default user is as nobody has changed it, with this password; without any, if that is empty. Returns whether its clients may
    /// have lost channels.
    pub fn reset_default(&self, password: &[u8]) -> bool {
        let mut rules = Rules::of_default_user();
        rules.set_password(password);
        self.default.set_rules(rules)
    }

    /// Removes a user other than the default one; its connections are the caller's to close.
    pub fn remove(&self, name: &[u8]) -> Option<Arc<User>> {
        self.others().remove(name)
    }

    /// `ACL LOAD`: the users of a file in the place of all there are, or none. Returns those that are no more, whose connections are
    /// the caller's to close. As in Redis 7.0 that is everybody but the default user: those of the same name are others.
    ///
    /// # Errors
    /// What is wrong with the text of the file, without a code.
    pub fn load(&self, text: &[u8], path: &str) -> Result<Vec<Arc<User>>, Vec<u8>> {
        let rules = file::parse(text, path, self.all_channels.load(Relaxed))?;
        Ok(self.replace(rules))
    }

    /// The same of users that a configuration file has, beside those there are.
    ///
    /// # Errors
    /// What is wrong with them, without a code.
    pub fn load_lines(&self, text: &[u8], path: &str) -> Result<(), Vec<u8>> {
        let rules = file::parse(text, path, self.all_channels.load(Relaxed))?;
        for (name, rules) in rules {
            if name == DEFAULT {
                self.default.set_rules(rules);
            } else {
                self.others().insert(name.clone(), Arc::new(User::new(&name, rules)));
            }
        }
        Ok(())
    }

    fn replace(&self, mut rules: BTreeMap<Vec<u8>, Rules>) -> Vec<Arc<User>> {
        self.default.set_rules(rules.remove(DEFAULT).unwrap_or_else(Rules::of_default_user));
        let users = rules.into_iter().map(|(name, rules)| {
            let user = Arc::new(User::new(&name, rules));
            (name, user)
        });
        let before = std::mem::replace(&mut *self.others(), users.collect());
        before.into_values().collect()
    }

    /// All users as `ACL LIST` shows them.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.users().iter().map(|user| user.describe()).collect()
    }
}

/// The line of a user after `ACL SETUSER`: of the one that `line` has, or of a new one.
///
/// # Errors
/// The reply, code first: a rule does not apply, or what it gives cannot be written as a line.
pub fn edited<'a>(
    line: Option<&[u8]>,
    name: &[u8],
    words: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, Vec<u8>> {
    if rules::has_space(name) {
        return Err(SetError::Name.text());
    }
    let before = match line {
        Some(line) => file::parse(line, "the registry", false)
            .map_err(|reason| [b"ERR ", reason.as_slice()].concat())?
            .remove(name),
        None => None,
    };
    let rules = before.unwrap_or_else(|| Rules::new(false));
    let changed = rules.apply_all(words, false).map_err(|error| error.text())?;
    let line = User::new(name, changed).describe();
    // A first argument may have any bytes in it.
    let again = file::parse(&line, "the registry", false).ok().and_then(|mut users| users.remove(name));
    if again.is_none_or(|again| User::new(name, again).describe() != line) {
        return Err(
            b"ERR these rules cannot be kept: as a line of an ACL file they would mean something else"
                .to_vec(),
        );
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(acl: &Acl, name: &str, rules: &[&str]) -> Result<Option<Arc<User>>, String> {
        acl.set(name.as_bytes(), rules.iter().map(|rule| rule.as_bytes()))
            .map_err(|error| String::from_utf8(error.text()).unwrap())
    }

    #[test]
    fn users_log_in_until_they_are_off() {
        let acl = Acl::default();
        set(&acl, "proxy", &["on", ">secret", "~*", "&*", "+@all"]).unwrap();
        let user = acl.log_in(b"proxy", b"secret").unwrap();
        assert!(user.may_do_all() && acl.log_in(b"proxy", b"other").is_none());
        assert_eq!(
            String::from_utf8(user.describe()).unwrap(),
            "user proxy on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~* &* +@all"
        );
        set(&acl, "proxy", &["off"]).unwrap();
        assert!(acl.log_in(b"proxy", b"secret").is_none());
        assert!(acl.remove(b"proxy").is_some() && acl.remove(b"proxy").is_none());
    }

    #[test]
    fn a_bad_rule_changes_nothing() {
        let acl = Acl::default();
        for (rules, expected) in [
            (&["on", "foo"][..], "ERR Error in ACL SETUSER modifier 'foo': Syntax error"),
            (&["on", "<x"], "does not exist"),
            (&["on", "#abc"], "exactly 64"),
            (&["on", "(+get"], "ERR Unmatched parenthesis in acl selector starting at '(+get'."),
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
        set(&acl, "default", &["off"]).unwrap();
        assert!(acl.login_required());
    }

    #[test]
    fn lines_are_edited_and_put() {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        let edit = |line: Option<&[u8]>, name: &str, rules: &[&str]| {
            edited(line, name.as_bytes(), words(rules).iter().map(Vec::as_slice))
        };
        let line = edit(None, "u", &["on", ">secret", "~a*", "&x", "(+get ~b)"]).unwrap();
        let line = edit(Some(&line), "u", &["nopass", "+get"]).unwrap();
        assert_eq!(line, b"user u on nopass ~a* resetchannels &x -@all +get (~b resetchannels -@all +get)");
        let acl = Acl::default();
        assert!(acl.put_line(&line, "F").unwrap().is_none());
        let user = acl.user(b"u").unwrap();
        assert_eq!(user.describe(), line);
        // Its connections see what it becomes.
        let other = edit(Some(&line), "u", &["resetchannels"]).unwrap();
        assert!(acl.put_line(&other, "F").unwrap().is_some_and(|changed| Arc::ptr_eq(&changed, &user)));
        assert_eq!(user.describe(), other);
        assert!(acl.put_line(b"user u +nosuch", "F").is_err());
        assert_eq!(user.describe(), other);
        for (name, rules, expected) in [
            ("a b", &["on"][..], "ERR Usernames can't contain"),
            ("u", &["on", "foo"], "ERR Error in ACL SETUSER modifier 'foo': Syntax error"),
            ("u", &["+select|a\nuser v on nopass +@all"], "ERR these rules cannot be kept"),
            ("u", &["+select|a b"], "ERR these rules cannot be kept"),
        ] {
            let error = String::from_utf8(edit(None, name, rules).unwrap_err()).unwrap();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn the_default_user_goes_back_to_what_it_was() {
        let acl = Acl::default();
        acl.put_line(b"user default on nopass ~a -@all +get", "F").unwrap();
        assert!(!acl.default_user().may_do_all());
        assert!(!acl.reset_default(b"pw") && acl.login_required() && acl.default_user().may_do_all());
        acl.reset_default(b"");
        assert!(!acl.login_required());
    }

    #[test]
    fn channels_that_are_lost() {
        let acl = Acl::default();
        assert!(set(&acl, "u", &["&*"]).unwrap().is_none());
        assert!(set(&acl, "u", &["+get"]).unwrap().is_none());
        let user = set(&acl, "u", &["resetchannels", "&a*"]).unwrap().unwrap();
        assert!(user.may_use_channel(b"ab", false) && !user.may_use_channel(b"b", false));
        assert!(user.may_use_channel(b"a*", true) && !user.may_use_channel(b"ab", true));
        acl.set_all_channels(true);
        assert!(set(&acl, "v", &[]).unwrap().is_none());
        assert!(acl.user(b"v").unwrap().may_use_channel(b"x", false));
    }
}
