//! Which commands a selector allows: a bit for each row of the command table, and how Redis words such a set.

use std::{collections::BTreeMap, sync::LazyLock};

use super::rules::RuleError;
use crate::{
    command::{Acl as Categories, Spec, TABLE, lookup, table::COMMANDS},
    protocol::{Request, quote::c_string},
};

const WORDS: usize = TABLE.len().div_ceil(64);

/// A set of commands and subcommands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bits([u64; WORDS]);

impl Bits {
    fn has(&self, spec: &Spec) -> bool {
        let index = usize::from(spec.index);
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    fn set(&mut self, spec: &Spec, on: bool) {
        let index = usize::from(spec.index);
        let bit = 1 << (index % 64);
        if on {
            self.0[index / 64] |= bit;
        } else {
            self.0[index / 64] &= !bit;
        }
    }

    /// A command, and with it its subcommands.
    fn set_with_subcommands(&mut self, spec: &Spec, on: bool) {
        self.set(spec, on);
        spec.subcommands().iter().for_each(|sub| self.set(sub, on));
    }

    fn set_all(&mut self, others: &Self, on: bool) {
        for (word, other) in self.0.iter_mut().zip(others.0) {
            *word = if on { *word | other } else { *word & !other };
        }
    }

    /// How many of these are here, and how many are not.
    fn count(&self, of: &Self) -> (u32, u32) {
        self.0.iter().zip(of.0).fold((0, 0), |(here, not), (word, of)| {
            (here + (word & of).count_ones(), not + (!word & of).count_ones())
        })
    }
}

/// A category of commands.
struct Category {
    name: &'static str,
    /// What is switched with it: a container takes its subcommands with it, whatever their category.
    switched: Bits,
    /// What tells how well it fits a set. Only what Redis 7.0 has, so that it words the same set the same way.
    counted: Bits,
}

static EVERYTHING: LazyLock<Bits> = LazyLock::new(|| {
    let mut all = Bits::default();
    TABLE.iter().for_each(|spec| all.set(spec, true));
    all
});

static CATEGORIES: LazyLock<Vec<Category>> = LazyLock::new(|| {
    let category = |name: &'static str| {
        let mut category = Category { name, switched: Bits::default(), counted: Bits::default() };
        let flag = Categories::named(name.as_bytes()).unwrap_or_default();
        for spec in TABLE.iter().filter(|spec| spec.acl.has(flag)) {
            category.switched.set_with_subcommands(spec, true);
            category.counted.set(spec, is_in_redis_7_0(spec));
        }
        category
    };
    Categories::all_names().iter().map(|name| category(name)).collect()
});

fn is_in_redis_7_0(spec: &Spec) -> bool {
    let mut numbers = spec.since.split('.').map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) <= (Some(7), Some(0))
}

/// The command, or subcommand as `config|get`, of this name.
fn find(name: &[u8]) -> Result<&'static Spec, RuleError> {
    let mut words = name.split(|&byte| byte == b'|');
    let spec = words.next().and_then(lookup);
    let spec = match words.next() {
        Some(word) => spec.and_then(|spec| spec.subcommand(word)),
        None => spec,
    };
    spec.filter(|_| words.next().is_none()).ok_or(RuleError::Unknown)
}

/// What a selector allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Commands {
    allowed: Bits,
    /// Began with everything: what is added to the table later would be allowed too. It decides how the set is worded.
    future: bool,
    /// By [`Spec::index`]: first arguments with which a command may run that may not run otherwise.
    first_args: BTreeMap<u16, Vec<Vec<u8>>>,
}

impl Commands {
    /// Everything.
    pub(super) fn everything() -> Self {
        Self { allowed: *EVERYTHING, future: true, first_args: BTreeMap::new() }
    }

    /// Whether nothing is forbidden.
    pub(super) fn is_everything(&self) -> bool {
        self.allowed == *EVERYTHING
    }

    /// Whether a request for this row may run.
    pub(super) fn allows(&self, spec: &Spec, request: &Request<'_>) -> bool {
        if self.allowed.has(spec) {
            return true;
        }
        let Some(allowed) = self.first_args.get(&spec.index) else { return false };
        let first = request.get(1).map(c_string);
        first.is_some_and(|first| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(first)))
    }

    /// Whether all of a category may run.
    pub(super) fn allows_category(&self, category: Categories) -> bool {
        TABLE.iter().filter(|spec| spec.acl.has(category)).all(|spec| self.allowed.has(spec))
    }

    /// Whether a command may run that the table does not have. Only its categories tell: who began with everything may run it unless
    /// all of one of them is forbidden, anybody else if all of one of them is allowed.
    pub(super) fn allows_unlisted(&self, categories: Categories) -> bool {
        let mut of_it = CATEGORIES.iter().filter(|category| {
            Categories::named(category.name.as_bytes()).is_some_and(|flag| categories.has(flag))
        });
        if self.future {
            of_it.all(|category| self.allowed.count(&category.switched).0 > 0)
        } else {
            of_it.any(|category| self.allowed.count(&category.switched).1 == 0)
        }
    }

    fn switch(&mut self, spec: &Spec, on: bool) {
        self.allowed.set_with_subcommands(spec, on);
        self.first_args.remove(&spec.index);
    }

    /// `+name`, `+name|sub` or `+name|firstarg`.
    pub(super) fn add(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(bar) = memchr::memrchr(b'|', name) else {
            self.switch(find(name)?, true);
            return Ok(());
        };
        let (command, word) = (find(&name[..bar])?, &name[bar + 1..]);
        if command.container().is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if word.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !command.subcommands().is_empty() {
            self.switch(find(name)?, true);
            return Ok(());
        }
        tracing::warn!(rule = %name.escape_ascii(), "ACL: allowing a first argument of a command that is blocked otherwise is deprecated");
        let known = self.first_args.entry(command.index).or_default();
        if !known.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            known.push(word.to_vec());
        }
        Ok(())
    }

    /// `-name` or `-name|sub`.
    pub(super) fn remove(&mut self, name: &[u8]) -> Result<(), RuleError> {
        self.switch(find(name)?, false);
        Ok(())
    }

    /// `+@name` or `-@name`.
    pub(super) fn switch_category(&mut self, name: &[u8], on: bool) -> Result<(), RuleError> {
        let named = |category: &&Category| category.name.as_bytes().eq_ignore_ascii_case(name);
        let category = CATEGORIES.iter().find(named).ok_or(RuleError::Unknown)?;
        self.allowed.set_all(&category.switched, on);
        self.first_args.retain(|&index, _| !category.switched.has(&TABLE[usize::from(index)]));
        Ok(())
    }

    /// Rules that give this set, always beginning with `+@all` or `-@all`: then the categories that come nearest, then what is
    /// still different. They are not those that were given: as in Redis, only the set is kept.
    pub(super) fn describe(&self) -> Vec<u8> {
        let adds = !self.future;
        let mut text = if adds { *b"-@all" } else { *b"+@all" }.to_vec();
        let sign = if adds { b'+' } else { b'-' };
        // What the words so far give, and what they leave to be said.
        let mut said = if adds { Bits::default() } else { *EVERYTHING };
        let mut left = self.allowed;
        let mut unused: Vec<&Category> = CATEGORIES.iter().collect();
        while let Some(at) = best(&left, &unused, adds) {
            let category = unused.remove(at);
            text.extend_from_slice(&[b' ', sign, b'@']);
            text.extend_from_slice(category.name.as_bytes());
            said.set_all(&category.switched, adds);
            left.set_all(&category.switched, !adds);
        }
        let mut single = |spec: &Spec| {
            let allowed = self.allowed.has(spec);
            if allowed != said.has(spec) {
                text.extend_from_slice(if allowed { b" +" } else { b" -" });
                text.extend_from_slice(spec.name.as_bytes());
                said.set_with_subcommands(spec, allowed);
            }
        };
        for spec in &TABLE[..COMMANDS] {
            single(spec);
            spec.subcommands().iter().for_each(&mut single);
        }
        for (&index, args) in &self.first_args {
            let spec = &TABLE[usize::from(index)];
            for arg in args.iter().filter(|_| !self.allowed.has(spec)) {
                text.extend_from_slice(&[b" +", spec.name.as_bytes(), b"|", arg].concat());
            }
        }
        text
    }
}

/// The category that says the most about what is left, and more right than wrong.
fn best(left: &Bits, unused: &[&Category], adds: bool) -> Option<usize> {
    let mut best = None;
    let (mut least_wrong, mut most_right) = (u32::MAX, 0);
    for (at, category) in unused.iter().enumerate() {
        let (on, off) = left.count(&category.counted);
        let (right, wrong) = if adds { (on, off) } else { (off, on) };
        let better = wrong < least_wrong || wrong == least_wrong && right > most_right;
        if right > wrong && better {
            (best, least_wrong, most_right) = (Some(at), wrong, right);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Args;

    fn of(rules: &[&str]) -> Commands {
        let mut commands = Commands::default();
        for rule in rules {
            let name = &rule.as_bytes()[1..];
            match (rule.as_bytes()[0], name.strip_prefix(b"@")) {
                (_, Some(b"all")) if rule.starts_with('+') => commands = Commands::everything(),
                (_, Some(b"all")) => commands = Commands::default(),
                (sign, Some(category)) => commands.switch_category(category, sign == b'+').unwrap(),
                (b'+', None) => commands.add(name).unwrap(),
                (_, None) => commands.remove(name).unwrap(),
            }
        }
        commands
    }

    fn shown(commands: &Commands) -> String {
        String::from_utf8(commands.describe()).unwrap()
    }

    fn allows(commands: &Commands, words: &[&str]) -> bool {
        let args = Args::of(words).unwrap();
        let request = args.request().unwrap();
        commands.allows(crate::command::resolve(&request).unwrap(), &request)
    }

    #[test]
    fn containers_and_first_arguments() {
        let commands = of(&["+config|get", "+select|0", "+select|0", "+select|1"]);
        assert!(
            allows(&commands, &["config", "get", "x"]) && !allows(&commands, &["config", "set", "x", "y"])
        );
        assert!(allows(&commands, &["select", "1"]) && !allows(&commands, &["select", "2"]));
        assert_eq!(shown(&commands), "-@all +config|get +select|0 +select|1");
        let commands = of(&["+@all", "-config"]);
        assert!(!allows(&commands, &["config", "get", "x"]));
        assert_eq!(shown(&commands), "+@all -config");
        assert_eq!(shown(&of(&["+config", "-config|set"])), "-@all +config -config|set");
        // Given anew, what was allowed by its first argument is forgotten.
        assert_eq!(shown(&of(&["+select|0", "+select", "-select"])), "-@all");
    }

    #[test]
    fn categories_are_found_again() {
        assert!(Commands::everything().is_everything() && !of(&["+@all", "-get"]).is_everything());
        for rules in [
            &["+@all", "-@dangerous"][..],
            &["+@all", "-@write", "-@admin"],
            &["+@read", "+@hash", "-hget"],
            &["+@string"],
            &["+@all", "-@all", "+@geo"],
        ] {
            let commands = of(rules);
            let words = shown(&commands);
            let again = of(&words.split(' ').filter(|word| *word != "-@all").collect::<Vec<_>>());
            assert_eq!(again.allowed, commands.allowed, "{words}");
        }
        assert_eq!(shown(&of(&["+@all", "-@dangerous"])), "+@all -@dangerous");
        assert_eq!(shown(&of(&["+@string"])), "-@all +@string");
    }

    #[test]
    fn refusals() {
        let mut commands = Commands::default();
        for (name, error) in [
            ("nosuch", RuleError::Unknown),
            ("", RuleError::Unknown),
            ("config|nosuch", RuleError::Unknown),
            ("nosuch|x", RuleError::Unknown),
            ("config|get|x", RuleError::FirstArgOfSubcommand),
            ("get|", RuleError::Syntax),
            ("config|", RuleError::Syntax),
        ] {
            assert_eq!(commands.add(name.as_bytes()), Err(error), "{name}");
        }
        for name in ["select|0", "nosuch", "config|get|x", ""] {
            assert_eq!(commands.remove(name.as_bytes()), Err(RuleError::Unknown), "{name}");
        }
        assert_eq!(commands, Commands::default());
    }
}
