//! One row of the command table, and the words rows are written with.

use super::{Acl, Arg, Flags, Group, KeyFlags, KeySpec, Route, Scripted, TABLE, keys::ByCode};

/// A command or subcommand.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Lower case: `get`; of a subcommand, with its container: `client|list`.
    pub name: &'static str,
    /// Place in [`TABLE`]: commands and subcommands are numbered densely from 0, so that tables about them can be arrays.
    pub index: u16,
    /// Arguments with the name included (a subcommand counts its container too); negative: at least that many.
    pub arity: i16,
    /// What `COMMAND INFO` says about it.
    pub flags: Flags,
    /// All its access control categories.
    pub acl: Acl,
    /// `command tips`: hints for those who spread a command over several servers.
    pub tips: &'static [&'static str],
    /// Where the keys are.
    pub keys: &'static [KeySpec],
    /// The code that finds the keys where [`Spec::keys`] cannot.
    pub(super) keys_by_code: Option<ByCode>,
    /// What a proxy does with it.
    pub route: Route,
    /// Its family.
    pub group: Group,
    /// Version of Redis that brought it.
    pub since: &'static str,
    /// Time it takes, or empty.
    pub complexity: &'static str,
    /// What it does, one line.
    pub summary: &'static str,
    /// Why and since which version of Redis something else is recommended.
    pub deprecated: Option<Deprecated>,
    /// For Redis itself, not for clients.
    pub internal: bool,
    /// How long it may keep a server at work.
    pub work: Work,
    /// Arguments after the name.
    pub args: &'static [Arg],
    subcommands: (u16, u16),
    container: Option<u16>,
}

/// How long a request may keep a server at work that is no larger itself than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// No longer, the larger a value is.
    Little,
    /// The longer, the larger a value is: who looks for what is slow looks at these.
    ByValue,
    /// Long: a proxy lets nobody else wait behind it.
    Much,
}

/// Something else is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// Version of Redis.
    pub since: &'static str,
    /// What to use.
    pub instead: &'static str,
}

impl Spec {
    /// The word a client sends: of a subcommand, its second.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, word)| word)
    }

    /// Its subcommands; none for most.
    #[must_use]
    pub fn subcommands(&self) -> &'static [Self] {
        let (start, end) = self.subcommands;
        &TABLE[start as usize..end as usize]
    }

    /// The subcommand of this name, in any case of letters.
    #[must_use]
    pub fn subcommand(&self, word: &[u8]) -> Option<&'static Self> {
        self.subcommands().iter().find(|sub| sub.word().as_bytes().eq_ignore_ascii_case(word))
    }

    /// The command whose subcommand this is.
    #[must_use]
    pub fn container(&self) -> Option<&'static Self> {
        self.container.map(|index| &TABLE[index as usize])
    }

    /// Whether it may keep a server at work for long, however small request and reply are.
    #[must_use]
    pub const fn takes_long(&self) -> bool {
        matches!(self.work, Work::Much)
    }

    /// Whether a request of `len` arguments, the name included, has as many as it must.
    #[must_use]
    pub const fn accepts(&self, len: usize) -> bool {
        let needed = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { len >= needed } else { len == needed }
    }

    /// Whether it may change keys, scripts included. Such requests are held while their slot moves.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.flags.has(Flags::WRITE)
            || self.keys.iter().any(|keys| !keys.flags.has_any(KeyFlags::RO.with(KeyFlags::NOT_KEY)))
    }

    /// Whether a request of it can name keys.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.keys.iter().any(|keys| !keys.flags.has(KeyFlags::NOT_KEY))
    }

    /// First key, last key (negative: from the end), step, as old clients want them; zeros if there is no key.
    #[must_use]
    pub fn legacy_keys(&self) -> (i32, i32, i32) {
        super::keys::legacy(self.keys)
    }

    /// Name in capitals and arguments: `SET key value [NX | XX]`.
    #[must_use]
    pub fn syntax(&self) -> String {
        let mut line = self.name.replace('|', " ").to_ascii_uppercase();
        for arg in self.args {
            line.push(' ');
            line.push_str(&arg.to_string());
        }
        line
    }
}

/// A row as it is written: a command with its subcommands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    spec: Spec,
    has_route: bool,
    subcommands: &'static [Row],
}

/// Begins a row.
pub(super) const fn command(group: Group, name: &'static str, arity: i16, summary: &'static str) -> Row {
    let spec = Spec {
        name,
        index: 0,
        arity,
        flags: Flags::NONE,
        acl: Acl::NONE,
        tips: &[],
        keys: &[],
        keys_by_code: None,
        route: Route::OneNode,
        group,
        since: "1.0.0",
        complexity: "O(1)",
        summary,
        deprecated: None,
        internal: false,
        work: Work::Little,
        args: &[],
        subcommands: (0, 0),
        container: None,
    };
    Row { spec, has_route: false, subcommands: &[] }
}

impl Row {
    /// Version of Redis; 1.0.0 if not said.
    pub(super) const fn since(mut self, version: &'static str) -> Self {
        self.spec.since = version;
        self
    }

    /// O(1) if not said.
    pub(super) const fn complexity(mut self, text: &'static str) -> Self {
        self.spec.complexity = text;
        self
    }

    pub(super) const fn flags(mut self, flags: &[Flags]) -> Self {
        self.spec.flags = Flags::of(flags);
        self
    }

    /// Categories that do not follow from the flags.
    pub(super) const fn acl(mut self, categories: &[Acl]) -> Self {
        self.spec.acl = Acl::of(categories);
        self
    }

    pub(super) const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.spec.tips = tips;
        self
    }

    pub(super) const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.spec.keys = keys;
        self
    }

    pub(super) const fn keys_by_code(mut self, code: ByCode) -> Self {
        self.spec.keys_by_code = Some(code);
        self
    }

    /// Needed where there are no keys; with keys it is [`Route::OneNode`] if not said.
    pub(super) const fn route(mut self, route: Route) -> Self {
        self.spec.route = route;
        self.has_route = true;
        self
    }

    pub(super) const fn refused(self, reason: &'static str) -> Self {
        self.route(Route::Refused(reason))
    }

    pub(super) const fn deprecated(mut self, since: &'static str, instead: &'static str) -> Self {
        self.spec.deprecated = Some(Deprecated { since, instead });
        self
    }

    pub(super) const fn internal(mut self) -> Self {
        self.spec.internal = true;
        self
    }

    /// Scripts and functions may take long without saying so here.
    pub(super) const fn takes_long(mut self) -> Self {
        self.spec.work = Work::Much;
        self
    }

    pub(super) const fn args(mut self, args: &'static [Arg]) -> Self {
        self.spec.args = args;
        self
    }

    pub(super) const fn subcommands(mut self, rows: &'static [Self]) -> Self {
        self.subcommands = rows;
        self
    }
}

/// Rows in `groups`, subcommands included.
pub(super) const fn count(groups: &[&[Row]]) -> usize {
    let (mut total, mut group) = (0, 0);
    while group < groups.len() {
        let mut row = 0;
        while row < groups[group].len() {
            total += 1 + groups[group][row].subcommands.len();
            row += 1;
        }
        group += 1;
    }
    total
}

/// Commands in `groups`, subcommands not counted.
pub(super) const fn count_commands(groups: &[&[Row]]) -> usize {
    let (mut total, mut group) = (0, 0);
    while group < groups.len() {
        total += groups[group].len();
        group += 1;
    }
    total
}

/// The rows of all groups with what follows from them filled in: first the commands, then the subcommands.
pub(super) const fn number<const N: usize>(groups: &[&[Row]]) -> [Spec; N] {
    let mut table = [groups[0][0].spec; N];
    let (mut at, mut sub_at) = (0, count_commands(groups));
    let mut group = 0;
    while group < groups.len() {
        let rows = groups[group];
        let mut row = 0;
        while row < rows.len() {
            let mut spec = complete(&rows[row], at);
            let first_sub = sub_at;
            let mut sub = 0;
            while sub < rows[row].subcommands.len() {
                let mut child = complete(&rows[row].subcommands[sub], sub_at);
                child.container = Some(index_of(at));
                table[sub_at] = child;
                sub_at += 1;
                sub += 1;
            }
            spec.subcommands = (index_of(first_sub), index_of(sub_at));
            table[at] = spec;
            at += 1;
            row += 1;
        }
        group += 1;
    }
    table
}

/// A place in the table.
#[expect(clippy::cast_possible_truncation, reason = "checked")]
pub(super) const fn index_of(place: usize) -> u16 {
    assert!(place < u16::MAX as usize);
    place as u16
}

const fn complete(row: &Row, index: usize) -> Spec {
    let mut spec = row.spec;
    assert!(row.has_route || !spec.keys.is_empty(), "a command without keys must say its route");
    spec.index = index_of(index);
    spec.work = work(&spec);
    spec.acl = spec.acl.with(implied(spec.flags, spec.acl));
    if super::keys::movable(spec.keys) {
        spec.flags = spec.flags.with(Flags::MOVABLEKEYS);
    }
    spec
}

/// Redis marks as fast what takes no longer, the larger a value is. What a proxy splits by key takes long only with many keys, and then the
/// request is large.
const fn work(spec: &Spec) -> Work {
    let is_called =
        matches!(spec.route, Route::Scripted(Scripted::Source | Scripted::Digest | Scripted::Function));
    if is_called || spec.takes_long() {
        Work::Much
    } else if spec.flags.has(Flags::FAST)
        || matches!(spec.complexity.as_bytes(), b"O(1)")
        || matches!(spec.route, Route::Split(_))
    {
        Work::Little
    } else {
        Work::ByValue
    }
}

/// Categories that follow from flags. A script that reads is not in the category of reading commands.
const fn implied(flags: Flags, given: Acl) -> Acl {
    let mut acl = if flags.has(Flags::FAST) { Acl::FAST } else { Acl::SLOW };
    if flags.has(Flags::WRITE) {
        acl = acl.with(Acl::WRITE);
    }
    if flags.has(Flags::READONLY) && !given.has(Acl::SCRIPTING) {
        acl = acl.with(Acl::READ);
    }
    if flags.has(Flags::ADMIN) {
        acl = acl.with(Acl::ADMIN).with(Acl::DANGEROUS);
    }
    if flags.has(Flags::PUBSUB) {
        acl = acl.with(Acl::PUBSUB);
    }
    if flags.has(Flags::BLOCKING) {
        acl = acl.with(Acl::BLOCKING);
    }
    acl
}

#[cfg(test)]
mod tests {
    use crate::command::{Work, lookup};

    #[test]
    fn how_long_commands_keep_a_server_at_work() {
        for (work, names) in [
            (Work::Little, &["get", "set", "hset", "incr", "mget", "mset", "del", "zadd", "lpush"][..]),
            (Work::ByValue, &["smembers", "lrange", "hgetall"]),
            (Work::Much, &["keys", "eval", "fcall_ro", "sort", "sunionstore", "debug"]),
        ] {
            for name in names {
                assert_eq!(lookup(name.as_bytes()).unwrap().work, work, "{name}");
            }
        }
    }
}
