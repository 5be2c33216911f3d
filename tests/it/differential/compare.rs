//! How replies are compared: byte for byte, but for the few listed here.

use redis_cluster::{
    command::{Spec, lookup},
    protocol::Value,
};

use super::peer::decode;

/// What must be the same.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// The elements of the array; the order is nobody's promise.
    Unordered,
    /// Integers this far apart at most: time goes by between the two servers.
    Near(i64),
    /// The name of an encoding; small sets of strings are listpacks since 7.2 only.
    Encoding,
    /// Only whether it is an error, nothing, or something.
    Kind,
}

/// A command with another rule than "the same bytes", and why.
pub(super) type Exception = (&'static str, Rule, &'static str);

/// Those of all our daemons.
const RULES: &[Exception] = &[
    ("acl|genpass", Rule::Kind, "chance"),
    ("acl|help", Rule::Kind, "texts are our own"),
    ("hgetall", Rule::Unordered, "order of a hash table"),
    ("hkeys", Rule::Unordered, "order of a hash table"),
    ("hrandfield", Rule::Kind, "any field"),
    ("hscan", Rule::Kind, "order of a hash table; a test of its own"),
    ("hvals", Rule::Unordered, "order of a hash table"),
    ("keys", Rule::Unordered, "order of a hash table"),
    ("object|encoding", Rule::Encoding, "small sets of strings are listpacks since 7.2 only"),
    ("sdiff", Rule::Unordered, "order of a hash table"),
    ("sinter", Rule::Unordered, "order of a hash table"),
    ("smembers", Rule::Unordered, "order of a hash table"),
    ("spop", Rule::Kind, "any member"),
    ("srandmember", Rule::Kind, "any member"),
    ("sscan", Rule::Kind, "order of a hash table; a test of its own"),
    ("sunion", Rule::Unordered, "order of a hash table"),
    ("xgroup|help", Rule::Kind, "texts are our own"),
    ("xinfo|consumers", Rule::Kind, "times, and one figure more since 7.2"),
    ("xinfo|help", Rule::Kind, "texts are our own"),
    ("xinfo|stream", Rule::Kind, "nodes of a tree, and times"),
    ("zrandmember", Rule::Kind, "any member"),
    ("zscan", Rule::Kind, "order of a hash table; a test of its own"),
    ("ttl", Rule::Near(1), "time left"),
    ("pttl", Rule::Near(1500), "time left"),
    ("expiretime", Rule::Near(1), "now plus a time"),
    ("pexpiretime", Rule::Near(1500), "now plus a time"),
    (
        "object|idletime",
        Rule::Kind,
        "Redis shares small integers, and so the time they were last used at, between keys",
    ),
    ("object|freq", Rule::Near(1), "counts by chance and decays with time"),
    (
        "object|refcount",
        Rule::Kind,
        "in Redis it depends on how a small integer came there whether it is shared",
    ),
    ("randomkey", Rule::Kind, "any key"),
    ("dump", Rule::Kind, "compression is free to choose; payloads have a test of their own"),
    ("memory|usage", Rule::Kind, "memory is laid out differently"),
    ("time", Rule::Kind, "the time"),
    ("client|id", Rule::Kind, "numbers of connections"),
    ("client|info", Rule::Kind, "figures of a connection"),
    ("client|list", Rule::Kind, "figures of connections"),
    ("client|help", Rule::Kind, "texts are our own"),
    ("command|count", Rule::Kind, "not all commands are there"),
    ("command|help", Rule::Kind, "texts are our own"),
    ("config|help", Rule::Kind, "texts are our own"),
    ("memory|help", Rule::Kind, "texts are our own"),
    ("object|help", Rule::Kind, "texts are our own"),
    ("hello", Rule::Kind, "number of the connection and version"),
    ("info", Rule::Kind, "figures of the server"),
];

/// The row a request is for.
pub(super) fn spec(request: &[Vec<u8>]) -> Option<&'static Spec> {
    let spec = lookup(request.first()?)?;
    Some(request.get(1).and_then(|word| spec.subcommand(word)).unwrap_or(spec))
}

/// Whether the replies to `request` are the same, as far as they have to be. `more` are the exceptions of one daemon.
pub(super) fn agree(request: &[Vec<u8>], ours: &[u8], theirs: &[u8], more: &[Exception]) -> bool {
    if ours == theirs {
        return true;
    }
    let rule = spec(request).and_then(|spec| RULES.iter().chain(more).find(|(name, ..)| *name == spec.name));
    let Some((_, rule, _)) = rule else { return false };
    if ours.is_empty() || theirs.is_empty() {
        return false;
    }
    match (*rule, decode(ours), decode(theirs)) {
        (_, Value::Error(_), _) | (_, _, Value::Error(_)) => false,
        (Rule::Unordered, Value::Array(ours), Value::Array(theirs))
        | (Rule::Unordered, Value::Set(ours), Value::Set(theirs)) => sorted(&ours) == sorted(&theirs),
        (Rule::Unordered, Value::Map(ours), Value::Map(theirs)) => sorted(&ours) == sorted(&theirs),
        (Rule::Near(distance), Value::Integer(ours), Value::Integer(theirs)) => {
            ours >= 0 && theirs >= 0 && ours.abs_diff(theirs) <= distance.unsigned_abs()
        }
        (Rule::Encoding, ours, theirs) => {
            ours.as_bytes() == Some(b"listpack") && theirs.as_bytes() == Some(b"hashtable")
        }
        (Rule::Kind, ours, theirs) => std::mem::discriminant(&ours) == std::mem::discriminant(&theirs),
        _ => false,
    }
}

/// Whether a command's reply inside of that of `EXEC` is the same, byte for byte.
pub(super) fn is_exact(spec: &Spec) -> bool {
    // The number of keys includes expired ones that nobody has looked at.
    spec.name != "dbsize" && RULES.iter().all(|(name, ..)| *name != spec.name)
}

fn sorted<T: std::fmt::Debug>(elements: &[T]) -> Vec<String> {
    let mut shown: Vec<_> = elements.iter().map(|element| format!("{element:?}")).collect();
    shown.sort_unstable();
    shown
}
