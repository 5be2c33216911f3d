//! One user: whether it may log in, with which passwords, and what it may do then.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use super::{
    Denied,
    password::Hash,
    rules::{RuleError, SetError, merge},
    selector::{Access, Selector},
};
use crate::{
    command::{Acl, Spec, learned::Learned},
    protocol::{Request, quote::c_string},
};

/// Bits of [`Rules::flags`].
const ON: u8 = 1;
const NOPASS: u8 = 2;
/// Kept and shown as Redis does; payloads of `RESTORE` are always checked.
const SANITIZE: u8 = 4;
const SKIP_SANITIZE: u8 = 8;
/// Only in [`User::flags`]: nothing is forbidden.
const UNRESTRICTED: u8 = 16;

/// One user. Shared by its connections, which see changes at once.
#[derive(Debug)]
pub struct User {
    name: Vec<u8>,
    /// What is asked for every command, to be seen without the lock.
    flags: AtomicU8,
    rules: Mutex<Rules>,
}

/// What makes a user.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    flags: u8,
    passwords: Vec<Hash>,
    /// The user's own.
    root: Selector,
    /// Those in parentheses.
    others: Vec<Selector>,
}

impl Rules {
    /// As Redis makes users: off, no password, may do nothing, but for channels if they are allowed by default.
    pub(super) fn new(all_channels: bool) -> Self {
        Self { flags: 0, passwords: Vec::new(), root: Selector::new(all_channels), others: Vec::new() }
    }

    /// The default user of a server that was not told otherwise.
    pub(super) fn of_default_user() -> Self {
        Self { flags: ON | NOPASS, passwords: Vec::new(), root: Selector::everything(), others: Vec::new() }
    }

    fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    fn flag(&mut self, add: u8, remove: u8) {
        self.flags = (self.flags | add) & !remove;
    }

    /// Applies the words of a command, or none of them.
    ///
    /// # Errors
    /// The first that does not apply.
    pub(super) fn apply_all<'a>(
        &self,
        words: impl Iterator<Item = &'a [u8]>,
        all_channels: bool,
    ) -> Result<Self, SetError> {
        let mut rules = self.clone();
        for rule in merge(words).map_err(|start| SetError::Unmatched(start.to_vec()))? {
            rules
                .apply(&rule, all_channels)
                .map_err(|reason| SetError::Rule { rule: rule.into_owned(), reason })?;
        }
        Ok(rules)
    }

    /// Applies one rule.
    ///
    /// # Errors
    /// It does not apply; nothing has changed.
    pub(super) fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        match c_string(rule).to_ascii_lowercase().as_slice() {
            _ if rule.is_empty() => {}
            b"on" => self.flag(ON, 0),
            b"off" => self.flag(0, ON),
            b"sanitize-payload" => self.flag(SANITIZE, SKIP_SANITIZE),
            b"skip-sanitize-payload" => self.flag(SKIP_SANITIZE, SANITIZE),
            b"nopass" => {
                self.flag(NOPASS, 0);
                self.passwords.clear();
            }
            b"resetpass" => {
                self.flag(0, NOPASS);
                self.passwords.clear();
            }
            b"clearselectors" => self.others.clear(),
            b"reset" => *self = Self { flags: SANITIZE, ..Self::new(all_channels) },
            _ => match rule {
                [b'>', password @ ..] => self.add_password(Hash::of(password)),
                [b'<', password @ ..] => self.remove_password(Hash::of(password))?,
                [sign @ (b'#' | b'!'), digits @ ..] => {
                    let hash = Hash::from_hex(digits).ok_or(RuleError::NotHash)?;
                    if *sign == b'#' {
                        self.add_password(hash);
                    } else {
                        self.remove_password(hash)?;
                    }
                }
                [b'(', selector @ .., b')'] => {
                    let mut new = Selector::new(all_channels);
                    // Redis takes quotes without an end for no words at all.
                    for rule in crate::protocol::quote::split(c_string(selector)).unwrap_or_default() {
                        new.apply(&rule)?;
                    }
                    self.others.push(new);
                }
                _ => self.root.apply(rule)?,
            },
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        self.flag(0, NOPASS);
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }

    fn remove_password(&mut self, hash: Hash) -> Result<(), RuleError> {
        let found = self.passwords.iter().position(|known| *known == hash);
        self.passwords.remove(found.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// `requirepass`: the only password; none if empty.
    pub(super) fn set_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        if password.is_empty() { self.flag(NOPASS, 0) } else { self.add_password(Hash::of(password)) }
    }

    fn flag_names(&self) -> Vec<&'static str> {
        let mut names = vec![if self.flags & ON != 0 { "on" } else { "off" }];
        let others =
            [(NOPASS, "nopass"), (SKIP_SANITIZE, "skip-sanitize-payload"), (SANITIZE, "sanitize-payload")];
        names.extend(others.iter().filter(|(flag, _)| self.flags & flag != 0).map(|(_, name)| name));
        names
    }

    /// Whether a client may lose a subscription by these rules in the place of those before.
    fn takes_channels_from(&self, before: &Self) -> bool {
        !self.selectors().any(Selector::has_all_channels) && before.selectors().any(Selector::has_channels)
    }
}

/// What `ACL GETUSER` shows of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `+@all -get`.
    pub commands: Vec<u8>,
    /// `~* %R~x`, or nothing.
    pub keys: Vec<u8>,
    /// `&*`, or nothing.
    pub channels: Vec<u8>,
}

impl User {
    pub(super) fn new(name: &[u8], rules: Rules) -> Self {
        let user = Self { name: name.to_vec(), flags: AtomicU8::new(0), rules: Mutex::new(rules) };
        user.publish(&user.rules());
        user
    }

    /// One that may do everything, and that nobody can log in as: it has no name.
    #[must_use]
    pub fn of_everything() -> Self {
        Self::new(b"", Rules::of_default_user())
    }

    /// From now on its connections may do nothing.
    pub fn forbid_everything(&self) {
        self.set_rules(Rules::new(false));
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is made of now.
    pub(super) fn copy_rules(&self) -> Rules {
        self.rules().clone()
    }

    /// Changes what it may do. Says whether its clients may have lost channels.
    pub(super) fn set_rules(&self, rules: Rules) -> bool {
        let mut current = self.rules();
        let takes_channels = rules.takes_channels_from(&current);
        *current = rules;
        self.publish(&current);
        takes_channels
    }

    fn publish(&self, rules: &Rules) {
        let unrestricted = rules.selectors().any(Selector::is_everything);
        let flag = if unrestricted { UNRESTRICTED } else { 0 };
        self.flags.store(rules.flags | flag, Relaxed);
    }

    fn has(&self, flags: u8) -> bool {
        self.flags.load(Relaxed) & flags == flags
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
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

    /// Whether nothing is forbidden: neither commands nor keys nor channels have to be looked at.
    #[must_use]
    #[inline]
    pub fn may_do_all(&self) -> bool {
        self.has(UNRESTRICTED)
    }

    /// Whether it may log in with this password.
    #[must_use]
    pub fn accepts(&self, password: &[u8]) -> bool {
        let given = Hash::of(password);
        self.is_on()
            && (self.needs_no_password()
                | self.rules().passwords.iter().fold(false, |found, known| found | known.is(given)))
    }

    /// Whether it may send a request for this row. One of its selectors has to allow all of it.
    ///
    /// # Errors
    /// What is not allowed.
    #[inline]
    pub fn check(&self, spec: &Spec, request: &Request<'_>) -> Result<(), Denied> {
        if self.may_do_all() { Ok(()) } else { self.check_selectors(spec, request) }
    }

    /// The same for a command that the table does not have.
    ///
    /// # Errors
    /// What is not allowed.
    pub fn check_learned(&self, learned: &Learned, request: &Request<'_>) -> Result<(), Denied> {
        if self.may_do_all() {
            return Ok(());
        }
        let mut worst = Denied::Command;
        for selector in self.rules().selectors() {
            match selector.check_learned(learned, request) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    fn check_selectors(&self, spec: &Spec, request: &Request<'_>) -> Result<(), Denied> {
        let mut positions = None;
        let mut worst = Denied::Command;
        for selector in self.rules().selectors() {
            match selector.check(spec, request, &mut positions) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// Whether a selector allows the request and reading all keys there are: what a pattern of `SORT` reads cannot be told before.
    #[must_use]
    pub fn may_read_all_keys(&self, spec: &Spec, request: &Request<'_>) -> bool {
        let mut positions = None;
        let mut allows = |selector: &Selector| {
            selector.allows_all_keys(Access::READ) && selector.check(spec, request, &mut positions).is_ok()
        };
        self.may_do_all() || self.rules().selectors().any(&mut allows)
    }

    /// Whether a selector allows the request and everything else of a category of commands.
    #[must_use]
    pub fn may_use_category(&self, spec: &Spec, request: &Request<'_>, category: Acl) -> bool {
        let mut positions = None;
        let mut allows = |selector: &Selector| {
            selector.allows_category(category) && selector.check(spec, request, &mut positions).is_ok()
        };
        self.may_do_all() || self.rules().selectors().any(&mut allows)
    }

    /// Whether it may subscribe to a channel, or to a pattern.
    #[must_use]
    pub fn may_use_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        self.rules().selectors().any(|selector| selector.allows_channel(name, is_pattern))
    }

    /// Hashes of its passwords, in hexadecimal digits.
    #[must_use]
    pub fn password_hashes(&self) -> Vec<String> {
        self.rules().passwords.iter().map(|hash| hash.to_hex()).collect()
    }

    /// Its flags, in the order and with the names of Redis.
    #[must_use]
    pub fn flag_names(&self) -> Vec<&'static str> {
        self.rules().flag_names()
    }

    /// Its selectors, its own first.
    #[must_use]
    pub fn selectors(&self) -> Vec<Shown> {
        let show = |selector: &Selector| Shown {
            commands: selector.describe_commands(),
            keys: selector.describe_keys(),
            channels: selector.describe_channels(),
        };
        self.rules().selectors().map(show).collect()
    }

    /// As `ACL LIST` and the ACL file have it.
    #[must_use]
    pub fn describe(&self) -> Vec<u8> {
        let rules = self.rules();
        let mut text = [b"user ", self.name.as_slice()].concat();
        for flag in rules.flag_names() {
            text.push(b' ');
            text.extend_from_slice(flag.as_bytes());
        }
        for hash in &rules.passwords {
            text.extend_from_slice(b" #");
            text.extend_from_slice(hash.to_hex().as_bytes());
        }
        text.push(b' ');
        text.extend_from_slice(&rules.root.describe());
        for selector in &rules.others {
            text.extend_from_slice(&[b" (", selector.describe().as_slice(), b")"].concat());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::resolve, protocol::Args};

    fn user(rules: &[&str]) -> User {
        let rules = Rules::new(false).apply_all(rules.iter().map(|rule| rule.as_bytes()), false);
        User::new(b"u", rules.unwrap())
    }

    fn check(user: &User, words: &[&str]) -> Result<(), Denied> {
        let args = Args::of(words).unwrap();
        let request = args.request().unwrap();
        user.check(resolve(&request).unwrap(), &request)
    }

    fn shown(user: &User) -> String {
        String::from_utf8(user.describe()).unwrap()
    }

    #[test]
    fn selectors_are_tried_one_by_one() {
        let user = user(&["on", "nopass", "+get", "~a*", "(+set ~b*)", "(%R~c*", "+@read)"]);
        assert_eq!(
            shown(&user),
            "user u on nopass ~a* resetchannels -@all +get (~b* resetchannels -@all +set) (%R~c* resetchannels -@all +@read)"
        );
        assert_eq!(check(&user, &["get", "a1"]), Ok(()));
        assert_eq!(check(&user, &["set", "b1", "x"]), Ok(()));
        assert_eq!(check(&user, &["get", "c1"]), Ok(()));
        assert_eq!(check(&user, &["set", "a1", "x"]), Err(Denied::Key(1)));
        // No selector has both.
        assert_eq!(check(&user, &["mget", "a1", "c1"]), Err(Denied::Key(1)));
        assert_eq!(check(&user, &["mget", "c1", "a1"]), Err(Denied::Key(2)));
        assert_eq!(check(&user, &["flushall"]), Err(Denied::Command));
        assert_eq!(check(&user, &["hello"]), Ok(()));
    }

    #[test]
    fn who_may_do_all_is_not_looked_at() {
        assert!(user(&["~*", "&*", "+@all"]).may_do_all() && user(&["(~* &* +@all)"]).may_do_all());
        for rules in [&["~*", "+@all"][..], &["~*", "&*", "+@all", "-get"], &["~*", "(&* +@all)"]] {
            assert!(!user(rules).may_do_all(), "{rules:?}");
        }
    }

    #[test]
    fn a_category_has_to_be_there_as_a_whole() {
        let may = |rules: &[&str]| {
            let user = user(rules);
            let args = Args::of(&["eval", "return 1", "1", "a"]).unwrap();
            let request = args.request().unwrap();
            user.may_use_category(resolve(&request).unwrap(), &request, Acl::SCRIPTING)
        };
        assert!(
            may(&["~a", "+@scripting"]) && may(&["~*", "&*", "+@all"]) && may(&["~b", "(~a +@scripting)"])
        );
        for rules in [&["~a", "+eval"][..], &["~a", "+@scripting", "-script|kill"], &["~b", "+@scripting"]] {
            assert!(!may(rules), "{rules:?}");
        }
        // One selector has to have both.
        assert!(!may(&["~a", "+eval", "(~b +@scripting)"]));
    }

    #[test]
    fn reset_and_defaults() {
        let mut rules = Rules::of_default_user();
        rules.apply(b"(+get)", false).unwrap();
        rules.apply(b"reset", false).unwrap();
        assert_eq!(shown(&User::new(b"u", rules.clone())), "user u off sanitize-payload resetchannels -@all");
        rules.apply(b"reset", true).unwrap();
        assert_eq!(shown(&User::new(b"u", rules)), "user u off sanitize-payload &* -@all");
    }

    #[test]
    fn passwords_come_and_go() {
        let user = user(&["on", ">one", ">two", ">one"]);
        assert!(user.accepts(b"one") && user.accepts(b"two") && !user.accepts(b"three"));
        let fails = |words: &[&str]| {
            let outcome = user.copy_rules().apply_all(words.iter().map(|word| word.as_bytes()), false);
            String::from_utf8(outcome.unwrap_err().text()).unwrap()
        };
        assert!(
            fails(&["<three"])
                .ends_with("'<three': The password you are trying to remove from the user does not exist")
        );
        assert!(fails(&["#abc"]).contains("exactly 64"));
        assert!(fails(&["on", "(+get +nosuch)"]).contains("'(+get +nosuch)': Unknown command"));
        assert!(fails(&["(on)"]).contains("'(on)': Syntax error"));
        user.set_rules(user.copy_rules().apply_all([&b"<one"[..], b"nopass"].into_iter(), false).unwrap());
        assert!(user.accepts(b"three") && user.password_hashes().is_empty());
    }
}
