//! A selector: commands, keys and channels that go together. A user has one of its own, and may have more in parentheses.

use super::{
    Denied,
    commands::Commands,
    rules::{RuleError, has_space},
};
use crate::{
    command::{Acl, Flags, KeyFlags, KeyPositions, Spec, keys, learned::Learned},
    protocol::{
        Request,
        glob::{Case, Glob},
        quote::c_string,
    },
};

/// What may be done to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    reads: bool,
    writes: bool,
}

impl Access {
    const ALL: Self = Self { reads: true, writes: true };
    /// To look at what is there.
    pub(super) const READ: Self = Self { reads: true, writes: false };

    const WRITE: Self = Self { reads: false, writes: true };

    /// What a command needs for a key.
    fn needed(flags: KeyFlags) -> Self {
        let writes = KeyFlags::INSERT.with(KeyFlags::UPDATE).with(KeyFlags::DELETE);
        Self { reads: flags.has(KeyFlags::ACCESS), writes: flags.has_any(writes) }
    }

    fn covers(self, needed: Self) -> bool {
        (self.reads || !needed.reads) && (self.writes || !needed.writes)
    }

    /// What stands in front of a pattern.
    fn prefix(self) -> &'static [u8] {
        match (self.reads, self.writes) {
            (true, false) => b"%R~",
            (false, _) => b"%W~",
            (true, true) => b"~",
        }
    }
}

/// A pattern of names.
#[derive(Debug)]
struct Pattern {
    text: Vec<u8>,
    glob: Glob,
}

impl Pattern {
    fn new(text: &[u8]) -> Self {
        Self { text: text.to_vec(), glob: Glob::new(text, Case::Exact) }
    }

    fn matches(&self, name: &[u8]) -> bool {
        self.glob.matches(name)
    }
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self::new(&self.text)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    commands: Commands,
    keys: Names<(Pattern, Access)>,
    channels: Names<Pattern>,
}

/// Which keys or channels.
#[derive(Clone, Debug)]
enum Names<T> {
    All,
    Some(Vec<T>),
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

impl Selector {
    /// That allows nothing, but for channels if they are allowed by default.
    pub(super) fn new(all_channels: bool) -> Self {
        let channels = if all_channels { Names::All } else { Names::default() };
        Self { channels, ..Self::default() }
    }

    /// That allows everything.
    pub(super) fn everything() -> Self {
        Self { commands: Commands::everything(), keys: Names::All, channels: Names::All }
    }

    /// Whether it allows everything.
    pub(super) fn is_everything(&self) -> bool {
        self.commands.is_everything() && matches!(self.keys, Names::All) && self.has_all_channels()
    }

    /// Whether it allows all channels.
    pub(super) fn has_all_channels(&self) -> bool {
        matches!(self.channels, Names::All)
    }

    /// Whether it allows any channel.
    pub(super) fn has_channels(&self) -> bool {
        !matches!(&self.channels, Names::Some(patterns) if patterns.is_empty())
    }

    /// Applies a rule.
    ///
    /// # Errors
    /// It does not apply; nothing has changed.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        match c_string(rule).to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.keys = Names::All,
            b"resetkeys" => self.keys = Names::default(),
            b"allchannels" | b"&*" => self.channels = Names::All,
            b"resetchannels" => self.channels = Names::default(),
            b"allcommands" | b"+@all" => self.commands = Commands::everything(),
            b"nocommands" | b"-@all" => self.commands = Commands::default(),
            _ => return self.apply_named(rule),
        }
        Ok(())
    }

    fn apply_named(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        match rule {
            [b'~', pattern @ ..] => self.add_keys(pattern, Access::ALL),
            [b'%', ..] if matches!(self.keys, Names::All) => Err(RuleError::AllKeys),
            [b'%', rest @ ..] => {
                let (letters, pattern) = match memchr::memchr(b'~', rest) {
                    Some(at) => (&rest[..at], &rest[at + 1..]),
                    None => (rest, &b""[..]),
                };
                let mut access = Access { reads: false, writes: false };
                for letter in letters.to_ascii_uppercase() {
                    match letter {
                        b'R' if !access.reads => access.reads = true,
                        b'W' if !access.writes => access.writes = true,
                        _ => return Err(RuleError::Syntax),
                    }
                }
                // Redis 7.0 takes a pattern without a letter, and ends when it is to show it.
                if letters.is_empty() { Err(RuleError::Syntax) } else { self.add_keys(pattern, access) }
            }
            [b'&', pattern @ ..] => self.add_channels(pattern),
            [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                self.commands.switch_category(c_string(category), *sign == b'+')
            }
            [b'+', name @ ..] => self.commands.add(c_string(name)),
            [b'-', name @ ..] => self.commands.remove(c_string(name)),
            _ => Err(RuleError::Syntax),
        }
    }

    fn add_keys(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleError> {
        let Names::Some(patterns) = &mut self.keys else { return Err(RuleError::AllKeys) };
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        match patterns.iter_mut().find(|(known, _)| known.text == pattern) {
            Some((_, known)) => {
                known.reads |= access.reads;
                known.writes |= access.writes;
            }
            None => patterns.push((Pattern::new(pattern), access)),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        let Names::Some(patterns) = &mut self.channels else { return Err(RuleError::AllChannels) };
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        if !patterns.iter().any(|known| known.text == pattern) {
            patterns.push(Pattern::new(pattern));
        }
        Ok(())
    }

    /// Whether it allows a request; `positions` are the keys, once anybody has looked for them.
    ///
    /// # Errors
    /// What it does not allow.
    pub(super) fn check(
        &self,
        spec: &Spec,
        request: &Request<'_>,
        positions: &mut Option<KeyPositions>,
    ) -> Result<(), Denied> {
        if !spec.flags.has(Flags::NO_AUTH) && !self.commands.allows(spec, request) {
            return Err(Denied::Command);
        }
        if matches!(self.keys, Names::Some(_)) && spec.has_keys() {
            // Where keys cannot be told the arguments are wrong, and the command says so.
            let find = || keys::positions(spec, request).unwrap_or_default();
            let keys = positions.get_or_insert_with(find);
            let used = keys.iter().map(|(index, flags)| (index, Access::needed(flags)));
            self.check_keys(request, used.chain(stored(spec, request).map(|index| (index, Access::WRITE))))?;
        }
        if spec.flags.has(Flags::PUBSUB)
            && !self.has_all_channels()
            && let Some((channels, is_pattern)) = channels(spec, request.len())
        {
            for index in channels {
                if !self.allows_channel(request.get(index).unwrap_or_default(), is_pattern) {
                    return Err(Denied::Channel(index));
                }
            }
        }
        Ok(())
    }

    /// The same for a command that the table does not have.
    ///
    /// # Errors
    /// What it does not allow.
    pub(super) fn check_learned(&self, learned: &Learned, request: &Request<'_>) -> Result<(), Denied> {
        if !self.commands.allows_unlisted(learned.acl()) {
            return Err(Denied::Command);
        }
        match learned.positions(request) {
            Some(keys) => {
                let keys = keys.unwrap_or_default();
                self.check_keys(request, keys.iter().map(|(index, flags)| (index, Access::needed(flags))))
            }
            // Which they are is not known in time.
            None if self.allows_all_keys(Access { reads: true, writes: learned.writes() }) => Ok(()),
            None => Err(Denied::Key(1)),
        }
    }

    /// Whether it allows to use these arguments as keys, each in this way.
    fn check_keys(
        &self,
        request: &Request<'_>,
        used: impl Iterator<Item = (usize, Access)>,
    ) -> Result<(), Denied> {
        let Names::Some(patterns) = &self.keys else { return Ok(()) };
        for (index, needed) in used {
            let key = request.get(index).unwrap_or_default();
            let fits = |(pattern, access): &(Pattern, Access)| access.covers(needed) && pattern.matches(key);
            if !patterns.iter().any(fits) {
                return Err(Denied::Key(index));
            }
        }
        Ok(())
    }

    /// Whether it allows a channel. A pattern of channels has to be one of its own, in the same words.
    pub(super) fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        match &self.channels {
            Names::All => true,
            Names::Some(patterns) if is_pattern => patterns.iter().any(|known| known.text == name),
            Names::Some(patterns) => patterns.iter().any(|known| known.matches(name)),
        }
    }

    /// Whether all keys there are may be used in this way.
    pub(super) fn allows_all_keys(&self, needed: Access) -> bool {
        match &self.keys {
            Names::All => true,
            Names::Some(patterns) => {
                patterns.iter().any(|(pattern, access)| access.covers(needed) && pattern.text == b"*")
            }
        }
    }

    /// Whether it allows all commands of a category.
    pub(super) fn allows_category(&self, category: Acl) -> bool {
        self.commands.allows_category(category)
    }

    /// Its rules about commands, as they could be set.
    pub(super) fn describe_commands(&self) -> Vec<u8> {
        self.commands.describe()
    }

    /// Its rules about keys, as they would be set.
    pub(super) fn describe_keys(&self) -> Vec<u8> {
        match &self.keys {
            Names::All => b"~*".to_vec(),
            Names::Some(patterns) => {
                let words =
                    patterns.iter().map(|(pattern, access)| [access.prefix(), &pattern.text].concat());
                words.collect::<Vec<_>>().join(&b' ')
            }
        }
    }

    /// Its rules about channels.
    pub(super) fn describe_channels(&self) -> Vec<u8> {
        match &self.channels {
            Names::All => b"&*".to_vec(),
            Names::Some(patterns) => {
                let words = patterns.iter().map(|pattern| [b"&", pattern.text.as_slice()].concat());
                words.collect::<Vec<_>>().join(&b' ')
            }
        }
    }

    /// All its rules.
    pub(super) fn describe(&self) -> Vec<u8> {
        let mut words = vec![self.describe_keys()];
        if !self.has_all_channels() {
            words.push(b"resetchannels".to_vec());
        }
        words.push(self.describe_channels());
        words.push(self.commands.describe());
        words.retain(|word| !word.is_empty());
        words.join(&b' ')
    }
}

/// The keys that `GEORADIUS` may store to. Of several the last one counts, but its key specification finds the first; Redis 7.0 lets a
/// user write to any key that way.
fn stored<'a>(spec: &Spec, request: &'a Request<'_>) -> impl Iterator<Item = usize> + use<'a> {
    let options = match spec.name {
        "georadius" => 6,
        "georadiusbymember" => 5,
        _ => request.len(),
    };
    let words = options..request.len().saturating_sub(1);
    let names_key = move |index: &usize| {
        let word = request.get(*index).unwrap_or_default();
        word.eq_ignore_ascii_case(b"store") || word.eq_ignore_ascii_case(b"storedist")
    };
    words.filter(names_key).map(|index| index + 1)
}

/// Which arguments of a command are channels that it subscribes or sends to, and whether they are patterns.
fn channels(spec: &Spec, len: usize) -> Option<(std::ops::Range<usize>, bool)> {
    match spec.name {
        "publish" | "spublish" => Some((1..2, false)),
        "subscribe" | "ssubscribe" => Some((1..len, false)),
        "psubscribe" => Some((1..len, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::resolve,
        protocol::{Args, Value},
    };

    fn of(rules: &[&str]) -> Selector {
        let mut selector = Selector::default();
        rules.iter().for_each(|rule| selector.apply(rule.as_bytes()).unwrap());
        selector
    }

    fn check(selector: &Selector, words: &[&str]) -> Result<(), Denied> {
        let args = Args::of(words).unwrap();
        let request = args.request().unwrap();
        selector.check(resolve(&request).unwrap(), &request, &mut None)
    }

    fn shown(selector: &Selector) -> String {
        String::from_utf8(selector.describe()).unwrap()
    }

    #[test]
    fn keys_are_read_or_written() {
        let selector = of(&["+@all", "%R~r*", "%w~w*", "%rW~b", "~a"]);
        assert_eq!(shown(&selector), "%R~r* %W~w* ~b ~a resetchannels +@all");
        for (words, allowed) in [
            (&["get", "r1"][..], Ok(())),
            (&["get", "w1"], Err(Denied::Key(1))),
            (&["set", "w1", "x"], Ok(())),
            (&["set", "w1", "x", "get"], Err(Denied::Key(1))),
            (&["set", "r1", "x"], Err(Denied::Key(1))),
            (&["copy", "r1", "w1"], Ok(())),
            (&["copy", "w1", "r1"], Err(Denied::Key(1))),
            (&["mget", "a", "b", "c"], Err(Denied::Key(3))),
            // It neither reads nor writes what is there.
            (&["exists", "w1"], Ok(())),
            (&["exists", "x"], Err(Denied::Key(1))),
            (&["eval", "return 1", "0"], Ok(())),
            (&["eval", "return 1", "1", "x"], Err(Denied::Key(3))),
            (&["ping"], Ok(())),
            (&["georadius", "a", "0", "0", "1", "m", "store", "a"], Ok(())),
            (&["georadius", "a", "0", "0", "1", "m", "store", "a", "STORE", "r1"], Err(Denied::Key(9))),
            (
                &["georadiusbymember", "a", "x", "1", "m", "store", "a", "storedist", "r1"],
                Err(Denied::Key(8)),
            ),
        ] {
            assert_eq!(check(&selector, words), allowed, "{words:?}");
        }
        assert_eq!(shown(&of(&["%R~x", "%W~x"])), "~x resetchannels -@all");
    }

    #[test]
    fn channels_are_matched_and_patterns_compared() {
        let selector = of(&["+@all", "~*", "&news:*", "&x"]);
        assert_eq!(shown(&selector), "~* resetchannels &news:* &x +@all");
        for (words, allowed) in [
            (&["subscribe", "x", "news:1"][..], Ok(())),
            (&["subscribe", "x", "y"], Err(Denied::Channel(2))),
            (&["psubscribe", "news:*"], Ok(())),
            (&["psubscribe", "news:1"], Err(Denied::Channel(1))),
            (&["publish", "news:1", "y"], Ok(())),
            (&["spublish", "y", "x"], Err(Denied::Channel(1))),
            (&["unsubscribe", "y"], Ok(())),
            (&["punsubscribe", "y*"], Ok(())),
        ] {
            assert_eq!(check(&selector, words), allowed, "{words:?}");
        }
    }

    #[test]
    fn rules_that_do_not_apply_change_nothing() {
        let mut selector = of(&["~*", "&*", "+get"]);
        for (rule, error) in [
            ("~x", RuleError::AllKeys),
            ("%R~x", RuleError::AllKeys),
            ("%", RuleError::AllKeys),
            ("&x", RuleError::AllChannels),
            ("+nosuch", RuleError::Unknown),
            ("-@nosuch", RuleError::Unknown),
            ("nosuch", RuleError::Syntax),
            ("(+get", RuleError::Syntax),
        ] {
            assert_eq!(selector.apply(rule.as_bytes()), Err(error), "{rule}");
        }
        assert_eq!(shown(&selector), "~* &* -@all +get");
        let mut selector = of(&["ResetKeys", "RESETCHANNELS"]);
        for rule in ["~a b", "&a\tb", "%~x", "%", "%RR~x", "%X~y", "%R~a b"] {
            assert_eq!(selector.apply(rule.as_bytes()), Err(RuleError::Syntax), "{rule}");
        }
        assert_eq!(shown(&selector), "resetchannels -@all");
    }

    /// What `COMMAND INFO` of a server would say, without specifications of keys.
    fn learned(flags: &[&'static str], categories: &[&'static str], first_key: i64) -> Learned {
        let names = |names: &[&'static str]| {
            Value::Array(names.iter().map(|name| Value::Simple(name.as_bytes().into())).collect())
        };
        let info = [
            Value::Bulk("x.y".into()),
            Value::Integer(-1),
            names(flags),
            Value::Integer(first_key),
            Value::Integer(first_key),
            Value::Integer(1),
            names(categories),
        ];
        Learned::parse("x.y", &Value::Array(info.to_vec())).expect("all that old servers say")
    }

    #[test]
    fn what_the_table_does_not_have_is_allowed_by_category() {
        let writes = learned(&["write"], &["@write", "@slow"], 1);
        let reads = learned(&["readonly"], &["@read", "@fast"], 1);
        let asked = learned(&["readonly", "movablekeys"], &["@read", "@slow"], 0);
        let args = Args::of(&["x.y", "a", "b"]).unwrap();
        let request = args.request().unwrap();
        for (rules, expected) in [
            (&["+@all", "~*"][..], [Ok(()), Ok(()), Ok(())]),
            (&["+@all", "-get", "~*"], [Ok(()), Ok(()), Ok(())]),
            (&["+@all", "-@write", "~*"], [Err(Denied::Command), Ok(()), Ok(())]),
            (&["+@read", "~*"], [Err(Denied::Command), Ok(()), Ok(())]),
            (&["+get", "+set", "~*"], [Err(Denied::Command); 3]),
            (&["+@all", "~a"], [Ok(()), Ok(()), Err(Denied::Key(1))]),
            (&["+@all", "%R~a"], [Err(Denied::Key(1)), Ok(()), Err(Denied::Key(1))]),
            (&["+@all", "%R~*"], [Err(Denied::Key(1)), Ok(()), Ok(())]),
            (&["+@all", "~b"], [Err(Denied::Key(1)); 3]),
        ] {
            let selector = of(rules);
            let found = [&writes, &reads, &asked].map(|learned| selector.check_learned(learned, &request));
            assert_eq!(found, expected, "{rules:?}");
        }
    }

    #[test]
    fn what_allows_everything() {
        assert!(of(&["allkeys", "allchannels", "allcommands"]).is_everything());
        assert!(!of(&["allkeys", "+@all"]).is_everything());
        assert!(of(&["%R~*"]).allows_all_keys(Access::READ) && !of(&["%W~*"]).allows_all_keys(Access::READ));
        assert!(!of(&["~**"]).allows_all_keys(Access::READ) && of(&["~*"]).allows_all_keys(Access::READ));
    }
}
