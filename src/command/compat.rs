//! COMPAT.md: every command, and where it works.

use std::fmt::Write as _;

use super::{Group, Merge, Route, Scripted, Servers, Spec, TABLE, introspect::Supported};

/// Which daemon has what.
#[derive(Clone, Copy)]
pub struct Daemons<'a> {
    /// Commands that `redis_node` has.
    pub node: Supported<'a>,
    /// Why it does not have another.
    pub absence: &'a dyn Fn(&Spec) -> &'static str,
    /// Commands with [`Route::Local`] that `proxy_node` answers.
    pub proxy: Supported<'a>,
}

const GROUPS: [(Group, &str); 16] = [
    (Group::String, "Strings"),
    (Group::Generic, "Keys of any type"),
    (Group::Hash, "Hashes"),
    (Group::List, "Lists"),
    (Group::Set, "Sets"),
    (Group::SortedSet, "Sorted sets"),
    (Group::Stream, "Streams"),
    (Group::Geo, "Geo"),
    (Group::Hyperloglog, "HyperLogLog"),
    (Group::Bitmap, "Bitmaps"),
    (Group::Pubsub, "Publish and subscribe"),
    (Group::Transactions, "Transactions"),
    (Group::Scripting, "Scripts and functions"),
    (Group::Connection, "Connection"),
    (Group::Server, "Server"),
    (Group::Cluster, "Cluster"),
];

const INTRODUCTION: &str = "\
# Compatibility with Redis 7.2

Every command and subcommand of Redis 7.2 (and those of later versions that we have), and where it works:

- **node**: `redis_node`, asked directly. A stock Redis as a member of the cluster has what its version has.
- **proxy**: through `proxy_node`. *one node*: sent to the node that owns its keys; if several nodes do, it is refused with
  `CROSSSLOT`, which names two keys and their nodes, and nothing is done: keys with a common `{tag}` are always together.
  *combined*: as *one node*; of several nodes the values are fetched, each at its own instant, and the proxy computes the reply.
  *first of*: as *one node*; of several nodes the first key in order that has something gives it, and who waits, waits for all.
  *split*: shared out by key, replies put together; `MSET` is atomic at each node, not over all of them. *all*: sent to all
  nodes. *members*: to all members, whether they own slots or not; what one server would say is made of the replies. *any*: to one of them, because all say the same. *itself*: the proxy answers. *transaction*: kept by the proxy until `EXEC`, when all keys must be on one node.
  *channels*: published at one node, heard at all.
- **console**: typed into `redis_console`, which sends it to a proxy.

Data commands that our node does not have yet go through the proxy nevertheless, for members that are stock servers. So do commands that are not
listed here, those of modules and of newer servers: a proxy asks the members for them (`COMMAND INFO`), and goes by what they say of keys, flags and tips.
";

/// What the differential tests do not hold a node to, without what no client relies on: orders of hash tables, chance, times.
const DIFFERENCES: &str = "\
## Where a node differs on purpose

A node is compared with redis-server 7.0 byte for byte, with chosen requests and with hundreds of thousands by chance. Not the same are:

- `HELP` of each command, `MEMORY DOCTOR` and `LATENCY DOCTOR` have texts of their own, `LOLWUT` a picture of its own.
- Small sets of strings are listpacks, and `XINFO CONSUMERS` has `inactive`, as in Redis 7.2. `INFO` and `HELLO` say 7.2.
- `RESTORE` with a TTL beyond what 64 bits of milliseconds hold keeps the key for ever; Redis drops it.
- `WAIT` and `WAITAOF` answer at once: no replica can come meanwhile.
- Rights are asked for at the target of `PFMERGE` and at a second `STORE` of `GEORADIUS`, which Redis 7.0 forgets; `%~pattern` is refused.
- Parameters about what is not there (replicas, TLS) take only the value that says so.
- Fields of hashes expire during `CLIENT PAUSE` too.
";

/// What a client may notice of there being several nodes.
const PROXY_DIFFERENCES: &str = "
## Where a proxy differs on purpose

- `PUBLISH`, `SPUBLISH` and `PUBSUB NUMSUB` count clients of this proxy, and of nodes where the message is published, one by one; of other proxies, each thread
  with subscribers counts as one, because to ask them for each message would cost it a trip more. In a transaction or script the number is that of the node. `PUBSUB NUMPAT` leaves out what clients of other nodes than the one with most are
  subscribed to.
- `CONFIG SET` changes all members or none (what one refuses is set back at the others, and the error names it); a node that joins later, or starts again, needs it in its own
  configuration, but for `notify-keyspace-events`, which it gets from another. `CONFIG GET` shows what is the same at all members. Ports, files and limits of clients are the proxy's or each node's own and not changed so, users neither.
- `SLOWLOG GET` shows entries of all members by time, with numbers that are unique in this proxy and the proxy as their client; `LATENCY` and `MEMORY STATS` are of all members together
  (proportions are means), texts for people have one part for each; `LASTSAVE` is the oldest; `BGSAVE`, `SAVE`, `BGREWRITEAOF` and `CONFIG REWRITE` are done at all members, and an error says where not.
- `CLUSTER`: the proxy that is asked is the master of all slots, and the other proxies are its replicas; what changes a cluster is done in the console. `ROLE` is that of a master without replicas.
- `CLIENT PAUSE` is about the clients of this proxy, and answers when what they had begun is answered. With `WRITE` every `FCALL` waits, and `EVALSHA` of a script
  whose source the proxy has not seen; keys expire meanwhile.
- `WAIT` and `WAITAOF` tell of the node that has the fewest, which may be too few while replicas are behind, and never too many.
- Commands that are not in the table: keys on several nodes are refused; so is what may wait, subscribe, or be about the connection or one server, with the reason. ACL rules
  cannot name them: who began with `+@all` may run one unless all of one of its categories is forbidden, anybody else if all of one of them is allowed. Inside `MULTI` a node cannot be asked for keys.
- `SORT` and `SORT_RO` read keys of other nodes by patterns, each at its own instant, but not with `STORE`, nor inside `MULTI`.
- `INFO node:ID [section …]` is what one member says of itself.
- `CLIENT TRACKING` with `BCAST` and `NOLOOP` tells a client of its own changes too.
- Messages of two channels, published one behind the other without waiting for the reply, may come in another order.
";

const GENERATED: &str = "\
This file is made from the command table. After a change: `UPDATE_COMPAT=1 cargo test --test it compat`.
";

/// The whole file.
#[must_use]
pub fn markdown(daemons: Daemons<'_>) -> String {
    let mut page = format!("{INTRODUCTION}\n{GENERATED}\n");
    let rows = || TABLE.iter().filter(|spec| is_callable(spec));
    let on_node = rows().filter(|spec| (daemons.node)(spec)).count();
    let on_proxy = rows().filter(|spec| through_proxy(spec, daemons).is_ok()).count();
    let _ = writeln!(
        page,
        "Of {} rows, {on_node} work on a node and {on_proxy} through a proxy.",
        rows().count()
    );
    for (group, title) in GROUPS {
        let mut specs: Vec<_> = rows().filter(|spec| spec.group == group).collect();
        specs.sort_by_key(|spec| spec.name);
        let _ = writeln!(
            page,
            "\n## {title}\n\n| command | node | proxy | console | note |\n|---|---|---|---|---|"
        );
        for spec in specs {
            row(&mut page, spec, daemons);
        }
    }
    page.push('\n');
    page.push_str(DIFFERENCES);
    page.push_str(PROXY_DIFFERENCES);
    page
}

/// Not a mere container of subcommands.
fn is_callable(spec: &Spec) -> bool {
    spec.subcommands().is_empty() || spec.accepts(1)
}

fn row(page: &mut String, spec: &Spec, daemons: Daemons<'_>) {
    let node = (daemons.node)(spec);
    let proxy = through_proxy(spec, daemons);
    let mut notes = Vec::new();
    if !node {
        notes.push(format!("node: {}", (daemons.absence)(spec)));
    }
    if let Err(reason) = proxy {
        notes.push(format!("proxy: {reason}"));
    }
    if let Some(deprecated) = spec.deprecated {
        notes.push(format!("since {} better {}", deprecated.since, deprecated.instead));
    }
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {} |",
        spec.name.replace('|', " ").to_ascii_uppercase(),
        if node { "yes" } else { "–" },
        proxy.unwrap_or("–"),
        if proxy.is_ok() { "yes" } else { "–" },
        notes.join("; ")
    );
}

/// How it works through a proxy, or why it does not.
fn through_proxy(spec: &Spec, daemons: Daemons<'_>) -> Result<&'static str, &'static str> {
    match spec.route {
        Route::OneNode if spec.reads_by_pattern() && !spec.writes() => Ok("combined"),
        Route::OneNode => Ok("one node"),
        Route::Combined(_) => Ok("combined"),
        Route::Taken(_) => Ok("first of"),
        Route::Split(_) => Ok("split"),
        Route::AllNodes(Merge::Sum | Merge::KeyCount) => Ok("all, added up"),
        Route::Scripted(Scripted::Source | Scripted::Digest | Scripted::Function) => Ok("one node"),
        Route::Scripted(Scripted::Show) => Ok("any"),
        Route::AllNodes(_) | Route::Scripted(_) => Ok("all"),
        Route::Servers(Servers::Sum) => Ok("members, added up"),
        Route::Servers(_) => Ok("members"),
        Route::Transaction => Ok("transaction"),
        Route::Channels => Ok("channels"),
        Route::Local if (daemons.proxy)(spec) => Ok("itself"),
        Route::Local => Err("not yet"),
        Route::Refused(reason) => Err(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_on_the_page() {
        let page =
            markdown(Daemons { node: &|spec| spec.name == "get", absence: &|_| "not yet", proxy: &|_| true });
        for spec in TABLE.iter().filter(|spec| is_callable(spec)) {
            let cell = format!("\n| {} |", spec.name.replace('|', " ").to_ascii_uppercase());
            assert_eq!(page.matches(&cell).count(), 1, "{}", spec.name);
        }
        assert!(page.contains("| GET | yes | one node | yes |  |"));
        assert!(page.contains("| BLPOP | – | first of | yes | node: not yet |"));
    }
}
