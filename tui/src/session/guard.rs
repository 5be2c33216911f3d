//! What a command may do, from the command table: for read-only sessions and for sending a command again.

use redis_cluster::{
    command::{self, Flags, Spec, keys},
    protocol::Args,
};

/// Commands for administrators that change nothing.
const LOOKING: &[&str] = &[
    "acl|cat",
    "acl|getuser",
    "acl|list",
    "acl|users",
    "acl|whoami",
    "client|getname",
    "client|id",
    "client|info",
    "client|list",
    "config|get",
    "latency|doctor",
    "latency|graph",
    "latency|histogram",
    "latency|history",
    "latency|latest",
    "slowlog|get",
    "slowlog|len",
];

/// The row of a command or, if its first word is a container, of its subcommand.
pub(crate) fn spec_of<A: AsRef<[u8]>>(arguments: &[A]) -> Option<&'static Spec> {
    let spec = command::lookup(arguments.first()?.as_ref())?;
    match arguments.get(1).and_then(|word| spec.subcommand(word.as_ref())) {
        Some(sub) => Some(sub),
        None => Some(spec),
    }
}

/// The command changes nothing, neither data nor settings. Unknown commands may.
pub(crate) fn only_reads<A: AsRef<[u8]>>(arguments: &[A]) -> bool {
    let Some(spec) = spec_of(arguments) else { return false };
    if LOOKING.contains(&spec.name) {
        return true;
    }
    // Of a container with an unknown word nobody knows what it does.
    let is_known = spec.subcommands().is_empty() || arguments.len() == 1;
    is_known
        && !spec.writes()
        && !spec.flags.has(Flags::ADMIN)
        && !matches!(spec.name, "publish" | "spublish")
}

/// The keys of a command, in order; none where the table cannot tell.
pub(crate) fn keys_of<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<Vec<u8>> {
    let Some(spec) = spec_of(arguments).filter(|spec| spec.accepts(arguments.len())) else {
        return Vec::new();
    };
    let Ok(args) = Args::of(arguments) else { return Vec::new() };
    let Some(request) = args.request() else { return Vec::new() };
    match keys::positions(spec, &request) {
        Ok(positions) => positions.indices().map(|index| request.arg(index).to_vec()).collect(),
        Err(keys::InvalidArguments) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_reads_and_what_may_not() {
        for line in ["get a", "MGET a b", "info", "client list", "scan 0", "config get *", "dbsize", "ping"] {
            assert!(only_reads(&words(line)), "{line}");
        }
        for line in [
            "set a 1",
            "flushall",
            "nosuch a",
            "eval x 0",
            "config set a b",
            "client kill x",
            "shutdown",
            "del a",
            "getdel a",
            "debug sleep 1",
            "publish a b",
            "function load x",
            "restore a 0 x",
        ] {
            assert!(!only_reads(&words(line)), "{line}");
        }
    }

    #[test]
    fn keys() {
        assert_eq!(keys_of(&words("mset a 1 b 2")), [b"a", b"b"]);
        assert_eq!(keys_of(&words("get")), Vec::<Vec<u8>>::new());
    }
}
