//! `CONFIG GET` at a proxy: what is true of the data as a client sees it through this proxy, so that tools which ask before
//! they begin get an answer. What belongs to one node is asked of that node.

use super::{Worker, client::Client, upstreams::DATABASES};
use crate::{
    protocol::{
        Limits, Request,
        glob::{Case, Glob},
    },
    proxy::daemon::TCP_KEEPALIVE,
};

/// The name as Redis answers it: an exact one as it was asked for.
fn shown<'a>(request: &Request<'a>, name: &'a str) -> &'a [u8] {
    request.args_from(2).find(|asked| asked.eq_ignore_ascii_case(name.as_bytes())).unwrap_or(name.as_bytes())
}

impl Worker {
    pub(super) fn config_get(&mut self, client: &mut Client, request: &Request<'_>) {
        let (limits, clients) = (Limits::default(), &self.shared.limits);
        let settings = [
            // Nothing is kept at a proxy, so nothing is saved, replicated or evicted there.
            ("appendonly", "no".to_owned()),
            ("client-output-buffer-limit", clients.output.to_string()),
            ("client-query-buffer-limit", clients.query_buffer.to_string()),
            ("cluster-enabled", "no".to_owned()),
            ("databases", DATABASES.to_string()),
            ("io-threads", self.shared.workers.len().to_string()),
            ("maxclients", self.shared.max_clients.to_string()),
            ("maxmemory", "0".to_owned()),
            ("maxmemory-clients", clients.memory.to_string()),
            ("maxmemory-policy", "noeviction".to_owned()),
            ("notify-keyspace-events", String::new()),
            ("port", self.shared.port.to_string()),
            ("protected-mode", "no".to_owned()),
            ("proto-max-bulk-len", limits.bulk.to_string()),
            ("replicaof", String::new()),
            ("save", String::new()),
            ("slaveof", String::new()),
            ("tcp-keepalive", TCP_KEEPALIVE.as_secs().to_string()),
            ("timeout", "0".to_owned()),
        ];
        let globs: Vec<_> = request.args_from(2).map(|pattern| Glob::new(pattern, Case::Ignored)).collect();
        let asked = |name: &str| globs.iter().any(|glob| glob.matches(name.as_bytes()));
        let found: Vec<_> = settings.iter().filter(|(name, _)| asked(name)).collect();
        client.reply(|reply| {
            reply.map(found.len());
            for (name, value) in found {
                reply.bulk(shown(request, name));
                reply.bulk(value);
            }
        });
    }
}
