//! What a proxy does with a command.

use super::Spec;
pub use crate::values::scores::Combine as Algebra;

/// What a proxy does with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// All keys on one node: forwarded to it as it is. On several nodes: refused, and nothing is done.
    OneNode,
    /// The same; of several nodes the values are fetched and the proxy computes what one node would.
    Combined(Combine),
    /// The same; of several nodes the first key that has something gives it.
    Taken(Take),
    /// One request per node, replies merged in the order of the keys.
    Split(Merge),
    /// To every node; replies merged.
    AllNodes(Merge),
    /// To every member, whether it owns slots or not, because it is about servers and not about keys; replies merged.
    Servers(Servers),
    /// Answered by the proxy.
    Local,
    /// Begins or ends a transaction, which the proxy keeps for its client and sends to one node.
    Transaction,
    /// Scripts and functions: called at one node, known to all.
    Scripted(Scripted),
    /// About channels: published at one node, heard at all.
    Channels,
    /// Not possible through a proxy, and why (a clause that begins in lower case).
    Refused(&'static str),
}

/// What is computed of the values of several nodes, for a command that only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Members of sets.
    Sets(Algebra),
    /// The number of members that all sets have.
    SetsSize,
    /// Members of sorted sets, with their scores.
    SortedSets(Algebra),
    /// The number of members that all sorted sets have.
    SortedSetsSize,
    /// The estimate of all HyperLogLogs.
    HyperLogLogs,
    /// The longest common subsequence of two strings.
    Subsequence,
    /// Entries of streams, stream by stream.
    Streams,
}

/// What a command takes from one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Take {
    /// Elements of a list.
    Elements,
    /// Members of a sorted set, with their scores.
    Members,
    /// Entries of streams, for a group; from all of them that have some.
    Entries,
}

/// What a command has to do with scripts and functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripted {
    /// Runs its own text, at the node of its keys.
    Source,
    /// Runs a script by its digest, at the node of its keys.
    Digest,
    /// Runs a function, at the node of its keys.
    Function,
    /// Stores a script at all nodes.
    Load,
    /// Which scripts are known.
    Exists,
    /// Forgets all scripts at all nodes.
    Flush,
    /// Stops what runs, wherever that is.
    Kill,
    /// Changes the functions of all nodes.
    Libraries,
    /// What runs, wherever that is.
    Stats,
    /// Shows functions, which are the same at all nodes.
    Show,
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
    /// Arrays of keys become one.
    Keys,
    /// One node after the other, with a cursor of the proxy's own.
    Scan,
    /// A key of one of them.
    RandomKey,
    /// Numbers of keys are added, copies left out.
    KeyCount,
    /// Texts of figures are added up, field by field.
    Info,
    /// Numbers of those that have what was written; the smallest, once it is enough or time is up.
    Acknowledged,
}

/// How the replies of all members become what one server would say of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// OK if all are OK; otherwise an error that says where it was refused.
    Succeeded,
    /// What the first of them says, if none refused.
    Same,
    /// Integers are added.
    Sum,
    /// The smallest of integers.
    Oldest,
    /// Texts for people, each below the name of its node.
    Texts,
    /// Entries of slow logs, newest first.
    SlowLog,
    /// The last spikes of latency.
    Latest,
    /// All spikes of an event.
    History,
    /// Numbers of calls that took so long.
    Histograms,
    /// Bytes by purpose.
    Memory,
    /// Settings that are the same everywhere.
    Settings,
    /// Changes settings everywhere or nowhere.
    Set,
    /// `DEBUG`: by what it asks for one server, or all.
    Debug,
}

impl Servers {
    /// Whether it matters which of them have done it, if some have not.
    #[must_use]
    pub fn changes(self) -> bool {
        matches!(self, Self::Succeeded | Self::Same | Self::Debug)
    }
}

/// Why a request is refused: clauses that follow the command's name.
pub mod reason {
    /// `SWAPDB`.
    pub const ALL_AT_ONCE: &str = "it would have to happen on all nodes at the same instant";
    /// Most of `DEBUG`.
    pub const DEBUGGING: &str = "this is about one server, or stops it: connect to the node";
    /// `SHUTDOWN` and its like.
    pub const STOPPING: &str =
        "others rely on the nodes: use `remove` in the console, or connect to the node";
    /// `REPLICAOF` and its like.
    pub const REPLICATION: &str = "replication is between servers: connect to the node";
    /// `SCRIPT DEBUG`.
    pub const STEPS: &str = "a script is followed step by step at one node: connect to it";
    /// `MIGRATE` and its like.
    pub const MOVING: &str = "the cluster moves keys itself: use `add` and `remove` in the console";
    /// What changes a Redis Cluster.
    pub const MEMBERSHIP: &str = "slots and members are changed in the console: use `add` and `remove`";
    /// `MODULE`.
    pub const MODULES: &str = "modules are loaded into one node: connect to it";
}

impl Spec {
    /// Whether it is run at once also between `MULTI` and `EXEC`.
    #[must_use]
    pub fn is_never_queued(&self) -> bool {
        matches!(self.name, "discard" | "exec" | "multi" | "quit" | "reset" | "watch")
    }
}
