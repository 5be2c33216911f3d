//! What a proxy tells clients that expect a Redis Cluster: it is the one master of all slots, and the other proxies are its
//! replicas. Pure: who they are and what is asked is the worker's.
//!
//! Any proxy serves any key, so the division is free to choose, and this one gives each client a single server to talk to. What a
//! client sends to all masters (`DBSIZE`, `SCAN`, `FLUSHALL`) is sent once, no proxy's death takes a part of the slots away until
//! the registry has noticed it, and a client that loses its proxy goes to one of the "replicas", which says the same of itself.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

use crate::{
    id::{Epoch, ProxyId},
    protocol::Encoder,
    slot::SLOTS,
};

/// Somebody to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// 40 hexadecimal digits.
    id: String,
    host: String,
    port: u16,
}

impl Endpoint {
    /// `None` for an address that says nothing to others: no port, or any interface of a machine.
    pub(super) fn new(cluster: &str, id: &ProxyId, address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let anywhere = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if host.is_empty() || anywhere {
            return None;
        }
        let id = digest(&format!("proxy {id} of cluster {cluster}"));
        Some(Self { id, host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// Servers are known by names of this form.
fn digest(text: &str) -> String {
    Sha1::digest(text).iter().fold(String::with_capacity(40), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// See the module.
#[derive(Debug)]
pub(super) struct View {
    pub(super) cluster: String,
    /// The proxy that is asked, as its client reaches it.
    pub(super) own: Endpoint,
    pub(super) others: Vec<Endpoint>,
    pub(super) epoch: Epoch,
    /// Slots that a node owns.
    pub(super) assigned: usize,
}

impl View {
    fn all(&self) -> impl Iterator<Item = (&Endpoint, bool)> {
        std::iter::once((&self.own, true)).chain(self.others.iter().map(|other| (other, false)))
    }

    /// `CLUSTER SLOTS`.
    pub(super) fn slots(&self, reply: &mut Encoder<'_>) {
        reply.array(1);
        reply.array(3 + self.others.len());
        reply.integer(0);
        reply.integer(SLOTS as i64 - 1);
        for (endpoint, _) in self.all() {
            reply.array(4);
            reply.bulk(&endpoint.host);
            reply.integer(i64::from(endpoint.port));
            reply.bulk(&endpoint.id);
            reply.map(0);
        }
    }

    /// `CLUSTER SHARDS`.
    pub(super) fn shards(&self, reply: &mut Encoder<'_>) {
        reply.array(1);
        reply.map(2);
        reply.bulk("slots");
        reply.array(2);
        reply.integer(0);
        reply.integer(SLOTS as i64 - 1);
        reply.bulk("nodes");
        reply.array(1 + self.others.len());
        for (endpoint, is_own) in self.all() {
            reply.map(7);
            reply.bulk("id");
            reply.bulk(&endpoint.id);
            reply.bulk("port");
            reply.integer(i64::from(endpoint.port));
            reply.bulk("ip");
            reply.bulk(&endpoint.host);
            reply.bulk("endpoint");
            reply.bulk(&endpoint.host);
            reply.bulk("role");
            reply.bulk(if is_own { "master" } else { "replica" });
            reply.bulk("replication-offset");
            reply.integer(0);
            reply.bulk("health");
            reply.bulk("online");
        }
    }

    /// A line of `CLUSTER NODES`. Port 0: proxies have no bus of their own.
    fn line(&self, endpoint: &Endpoint) -> String {
        let Endpoint { id, host, port } = endpoint;
        let epoch = self.epoch;
        if *endpoint == self.own {
            format!("{id} {host}:{port}@0 myself,master - 0 0 {epoch} connected 0-{}", SLOTS - 1)
        } else {
            format!("{id} {host}:{port}@0 slave {} 0 0 {epoch} connected", self.own.id)
        }
    }

    /// `CLUSTER NODES`.
    pub(super) fn nodes(&self, reply: &mut Encoder<'_>) {
        let text: String = self.all().map(|(endpoint, _)| self.line(endpoint) + "\n").collect();
        reply.verbatim("txt", text);
    }

    /// `CLUSTER INFO`.
    pub(super) fn info(&self, reply: &mut Encoder<'_>) {
        let assigned = self.assigned;
        let state = if assigned == SLOTS { "ok" } else { "fail" };
        let (nodes, epoch) = (1 + self.others.len(), self.epoch);
        reply.verbatim(
            "txt",
            format!(
                "cluster_state:{state}\r\ncluster_slots_assigned:{assigned}\r\ncluster_slots_ok:{assigned}\r\n\
                 cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:{nodes}\r\n\
                 cluster_size:1\r\ncluster_current_epoch:{epoch}\r\ncluster_my_epoch:{epoch}\r\n\
                 cluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n\
                 total_cluster_links_buffer_limit_exceeded:0\r\n"
            ),
        );
    }

    /// `CLUSTER MYID`.
    pub(super) fn id(&self, reply: &mut Encoder<'_>) {
        reply.bulk(&self.own.id);
    }

    /// `CLUSTER MYSHARDID`: the same at all proxies.
    pub(super) fn shard_id(&self, reply: &mut Encoder<'_>) {
        reply.bulk(digest(&format!("cluster {}", self.cluster)));
    }

    fn find(&self, id: &[u8]) -> Result<&Endpoint, String> {
        let found = self.all().find(|(endpoint, _)| endpoint.id.as_bytes().eq_ignore_ascii_case(id));
        let unknown = || format!("ERR Unknown node {}", String::from_utf8_lossy(id));
        found.map(|(endpoint, _)| endpoint).ok_or_else(unknown)
    }

    /// `CLUSTER REPLICAS`.
    pub(super) fn replicas(&self, id: &[u8], reply: &mut Encoder<'_>) {
        match self.find(id) {
            Ok(found) if *found == self.own => {
                reply.array(self.others.len());
                self.others.iter().for_each(|other| reply.bulk(self.line(other)));
            }
            Ok(_) => reply.error("ERR The specified node is not a master"),
            Err(error) => reply.error(error),
        }
    }

    /// `CLUSTER COUNT-FAILURE-REPORTS`: proxies do not watch one another.
    pub(super) fn failure_reports(&self, id: &[u8], reply: &mut Encoder<'_>) {
        match self.find(id) {
            Ok(_) => reply.integer(0),
            Err(error) => reply.error(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Version;

    fn endpoint(id: &str, address: &str) -> Option<Endpoint> {
        Endpoint::new("default", &id.parse().unwrap(), address)
    }

    fn said(ask: impl Fn(&View, &mut Encoder<'_>), others: &[&str]) -> String {
        let view = View {
            cluster: "default".to_owned(),
            own: endpoint("1", "10.0.0.1:7001").unwrap(),
            others: others.iter().filter_map(|address| endpoint("2", address)).collect(),
            epoch: Epoch(7),
            assigned: 100,
        };
        let mut out = Vec::new();
        ask(&view, &mut Encoder::new(&mut out, Version::Resp2));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_address_that_nobody_else_reaches_is_not_told() {
        assert_eq!(endpoint("2", "0.0.0.0:7001"), None);
        assert_eq!(endpoint("2", "[::]:7001"), None);
        assert_eq!(endpoint("2", ":7001"), None);
        let six = endpoint("2", "[fe80::1]:7001").unwrap();
        assert_eq!((&*six.host, six.port), ("fe80::1", 7001));
        let named = endpoint("2", "proxy-2.example:7001").unwrap();
        assert_eq!(&*named.host, "proxy-2.example");
        assert_ne!(named.id, endpoint("1", "proxy-2.example:7001").unwrap().id);
    }

    #[test]
    fn the_proxy_that_is_asked_is_the_master_of_all_slots() {
        let (one, two) =
            (endpoint("1", "10.0.0.1:7001").unwrap().id, endpoint("2", "10.0.0.2:7001").unwrap().id);
        let nodes = said(View::nodes, &["10.0.0.2:7001"]);
        let lines: Vec<&str> = nodes.lines().skip(1).collect();
        assert_eq!(
            lines[..2],
            [
                &*format!("{one} 10.0.0.1:7001@0 myself,master - 0 0 7 connected 0-16383"),
                &*format!("{two} 10.0.0.2:7001@0 slave {one} 0 0 7 connected"),
            ]
        );
        let alone = said(View::slots, &[]);
        assert_eq!(
            alone,
            format!("*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$8\r\n10.0.0.1\r\n:7001\r\n$40\r\n{one}\r\n*0\r\n")
        );
        assert!(said(View::slots, &["10.0.0.2:7001"]).starts_with("*1\r\n*4\r\n:0\r\n:16383\r\n*4\r\n"));
        assert!(said(View::info, &[]).contains("cluster_state:fail\r\ncluster_slots_assigned:100\r\n"));
    }

    #[test]
    fn replicas_are_of_the_master_only() {
        let two = endpoint("2", "10.0.0.2:7001").unwrap().id;
        let own = endpoint("1", "10.0.0.1:7001").unwrap().id;
        let of = |id: &str| said(|view, reply| view.replicas(id.as_bytes(), reply), &["10.0.0.2:7001"]);
        assert!(of(&own).contains(&two));
        assert_eq!(of(&two), "-ERR The specified node is not a master\r\n");
        assert_eq!(of("none"), "-ERR Unknown node none\r\n");
    }
}
