//! Which settings are a proxy's own, which are each node's alone, and which are the cluster's: those are the same at all nodes, shown
//! and changed at all of them at once ([`super::servers`]).

use super::{Worker, upstreams::DATABASES};
use crate::{
    protocol::{
        Limits, Request,
        glob::{Case, Glob},
    },
    proxy::daemon::TCP_KEEPALIVE,
};

/// Not for clients of a cluster.
pub(super) const HIDDEN: &[&str] = &["masterauth", "masteruser", "requirepass", "tls-key-file-pass"];

/// Where a proxy is told.
const OWN: &str = "it is the proxy's own: give it to proxy_node when it starts";
/// Users of a cluster are in its registry.
const USERS: &str = "users are the whole cluster's: use ACL SETUSER";
/// What two nodes with the same value would quarrel about.
const NODES: &str = "it is each node's own: connect to the node";

/// Settings that are not changed through a proxy, and why.
const REFUSED: &[(&str, &str)] = &[
    ("acl-pubsub-default", USERS),
    ("aclfile", USERS),
    ("acllog-max-len", USERS),
    ("appenddirname", NODES),
    ("appendfilename", NODES),
    ("bind", NODES),
    ("bind-source-addr", NODES),
    ("client-output-buffer-limit", OWN),
    ("client-query-buffer-limit", OWN),
    ("cluster-enabled", OWN),
    ("databases", OWN),
    ("dbfilename", NODES),
    ("dir", NODES),
    ("io-threads", OWN),
    ("logfile", NODES),
    ("masterauth", NODES),
    ("masteruser", NODES),
    ("maxclients", OWN),
    ("maxmemory-clients", OWN),
    ("pidfile", NODES),
    ("port", OWN),
    ("protected-mode", OWN),
    ("proto-max-bulk-len", OWN),
    ("replicaof", NODES),
    ("requirepass", USERS),
    ("slaveof", NODES),
    ("tcp-keepalive", OWN),
    ("timeout", OWN),
    ("unixsocket", NODES),
];

/// Why `CONFIG SET` is refused, in the form of Redis's own refusals.
pub(super) fn refusal(request: &Request<'_>) -> Option<String> {
    request.args_from(2).step_by(2).find_map(|name| {
        let (name, why) =
            REFUSED.iter().find(|(refused, _)| name.eq_ignore_ascii_case(refused.as_bytes()))?;
        Some(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
    })
}

/// Whether a proxy leaves `CONFIG SET` of this to its nodes.
#[must_use]
pub fn is_of_the_cluster(name: &[u8]) -> bool {
    REFUSED.iter().all(|(refused, _)| !name.eq_ignore_ascii_case(refused.as_bytes()))
}

/// The name as Redis answers it: an exact one as it was asked for.
fn shown(request: &Request<'_>, name: &str) -> String {
    let exact = request.args_from(2).find(|asked| asked.eq_ignore_ascii_case(name.as_bytes()));
    exact.map_or_else(|| name.to_owned(), |asked| String::from_utf8_lossy(asked).into_owned())
}

impl Worker {
    /// Those asked for.
    pub(super) fn own_settings(&self, request: &Request<'_>) -> Vec<(String, String)> {
        let (limits, clients) = (Limits::default(), &self.shared.limits);
        let settings = [
            ("client-output-buffer-limit", clients.output.to_string()),
            ("client-query-buffer-limit", clients.query_buffer.to_string()),
            ("cluster-enabled", "no".to_owned()),
            ("databases", DATABASES.to_string()),
            ("io-threads", self.shared.workers.len().to_string()),
            ("maxclients", self.shared.max_clients.to_string()),
            ("maxmemory-clients", clients.memory.to_string()),
            ("port", self.shared.port.to_string()),
            ("protected-mode", "no".to_owned()),
            ("proto-max-bulk-len", limits.bulk.to_string()),
            ("tcp-keepalive", TCP_KEEPALIVE.as_secs().to_string()),
            ("timeout", "0".to_owned()),
        ];
        let globs: Vec<_> = request.args_from(2).map(|pattern| Glob::new(pattern, Case::Ignored)).collect();
        let asked = |name: &str| globs.iter().any(|glob| glob.matches(name.as_bytes()));
        let found = settings.into_iter().filter(|(name, _)| asked(name));
        found.map(|(name, value)| (shown(request, name), value)).collect()
    }
}
