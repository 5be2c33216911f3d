//! One row of the command table.

/// A command or subcommand. Names are lower case; a subcommand's is its second word.
#[derive(Debug)]
pub struct Spec {
    /// `get`; for a subcommand of `client`, `list`.
    pub name: &'static str,
    /// Arguments with the name included (a subcommand counts its container too); negative: at least that many.
    pub arity: i32,
    /// What a proxy does with it.
    pub route: Route,
    /// Where the keys are.
    pub keys: &'static [KeySpec],
    /// Changes keys, so it is held while its slot moves.
    pub write: bool,
    /// Subcommands by second argument; empty for most.
    pub subcommands: &'static [Spec],
}

/// Where keys stand among the arguments. Names follow `COMMAND INFO`'s key specifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySpec {
    /// From argument `first` to `first + last` (negative: from the end), every `step`.
    Range { first: usize, last: i32, step: usize },
    /// Argument `count_at` (from the first) is the number of keys that follow from `first`.
    Count { count_at: usize, first: usize, step: usize },
    /// After the argument `word`, searched from `from`.
    After { word: &'static str, from: i32, last: i32, step: usize },
}

/// What a proxy does with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// All keys in one slot: forwarded as it is.
    OneSlot,
    /// One request per node, replies merged in the order of the keys.
    Split(Merge),
    /// To every node; replies merged.
    AllNodes(Merge),
    /// Answered by the proxy.
    Local,
    /// Not possible through a proxy, and why.
    Refused(&'static str),
}

/// How replies of several nodes become one. Names follow Redis's response policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Arrays whose elements belong to the keys, in their order.
    ByKey,
    /// Integers are added.
    Sum,
    /// OK if all are OK, otherwise the first error.
    AllSucceeded,
    /// The command has a rule of its own in the proxy.
    Special,
}

/// The row of a command, in any case of letters.
#[must_use]
pub fn lookup(name: &[u8]) -> Option<&'static Spec> {
    let _ = name;
    None
}
