//! Leases: kept alive, ended, lost.

use std::time::Duration;

use redis_cluster::cluster::registry::Txn;
use tokio::time::{Instant, timeout};

use super::{Seen, done, soon, value};
use crate::registry::servers::Peer;

pub(super) async fn leases_end_with_their_keys(peer: Peer) {
    let registry = peer.registry();
    let mut watch = registry.watch("proxies/");
    let mut seen = Seen::default();
    seen.until(&mut watch, |seen| seen.resets == 1).await;
    let lease = registry.grant(Duration::from_secs(5)).await.unwrap();
    assert!(lease.remaining() > Duration::ZERO && lease.remaining() <= lease.ttl());
    done(&registry, Txn::new().put_leased("proxies/1", "a", lease.id()).put("proxies/2", "b")).await;
    assert_eq!(registry.get("proxies/1").await.unwrap().unwrap().lease, Some(lease.id()));
    let lost = lease.lost();
    lease.revoke().await.unwrap();
    soon(lost).await;
    seen.until(&mut watch, |seen| seen.changes.last().is_some_and(|change| change == "-proxies/1")).await;
    assert_eq!(seen.changes, ["proxies/1=a", "proxies/2=b", "-proxies/1"]);
    // Dropping does the same.
    let lease = registry.grant(Duration::from_secs(60)).await.unwrap();
    done(&registry, Txn::new().put_leased("proxies/3", "c", lease.id())).await;
    drop(lease);
    seen.until(&mut watch, |seen| seen.changes.last().is_some_and(|change| change == "-proxies/3")).await;
    // A lease that nobody keeps alive runs out, and somebody else's end of it is noticed.
    let mut client = peer.client().await;
    let id = client.lease_client().grant(2, None).await.unwrap().id();
    let options = etcd_client::PutOptions::new().with_lease(id);
    client.put("/redis-cluster/test/proxies/4", "d", Some(options)).await.unwrap();
    let lease = registry.grant(Duration::from_secs(3)).await.unwrap();
    let wire = i64::from_str_radix(&lease.id().to_string(), 16).unwrap();
    seen.until(&mut watch, |seen| seen.changes.last().is_some_and(|change| change == "-proxies/4")).await;
    client.lease_client().revoke(wire).await.unwrap();
    soon(lease.lost()).await;
    assert_eq!(lease.remaining(), Duration::ZERO);
}

pub(super) async fn a_lease_outlives_its_ttl(peer: Peer) {
    let registry = peer.registry();
    let lease = registry.grant(Duration::from_secs(2)).await.unwrap();
    done(&registry, Txn::new().put_leased("a", "1", lease.id())).await;
    let ttl = lease.ttl();
    assert!(timeout(ttl * 2, lease.lost()).await.is_err(), "lost though kept alive");
    assert_eq!(value(&registry, "a").await.as_deref(), Some("1"));
    // Nobody answers any more: lost when the time since the last answer is over, and not before it may be.
    peer.freeze();
    let stopped = Instant::now();
    soon(lease.lost()).await;
    let waited = stopped.elapsed();
    peer.thaw();
    assert!(waited <= ttl + Duration::from_millis(500), "told after {waited:?} of a lease of {ttl:?}");
    assert!(waited + Duration::from_secs(2) >= ttl / 3, "told after {waited:?} of a lease of {ttl:?}");
}
