//! Servers that die, freeze, and come back.

use std::time::Duration;

use redis_cluster::cluster::registry::{Commit, RegistryError, Txn};
use tokio::time::{Instant, timeout};

use super::{Seen, done, put, value};
use crate::registry::servers::{Peer, open};

pub(super) async fn kill_and_restart(mut peer: Peer) {
    let registry = peer.registry();
    put(&registry, "a", "1").await;
    let mut watch = registry.watch("");
    let mut seen = Seen::default();
    seen.until(&mut watch, |seen| seen.resets == 1).await;
    put(&registry, "a", "2").await;
    seen.until(&mut watch, |seen| seen.changes == ["a=2"]).await;
    peer.server.kill();
    let error = registry.get("a").await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&peer.server.url()) && text.contains("refused") && text.contains("running?"),
        "{text}"
    );
    let error = registry.commit(Txn::new().put("a", "3")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "nothing was sent: {error}");
    seen.until(&mut watch, |seen| seen.downs == 1).await;
    peer.server.restart();
    let kept = peer.kind.keeps_data();
    assert_eq!(value(&registry, "a").await.as_deref(), kept.then_some("2"));
    put(&registry, "a", "4").await;
    seen.until(&mut watch, |seen| seen.state.get("a").is_some_and(|value| value == "4")).await;
    assert_eq!((seen.downs, seen.ups), (1, 1));
    if kept {
        assert_eq!(
            (seen.resets, seen.changes.as_slice()),
            (1, ["a=2".to_owned(), "a=4".to_owned()].as_slice())
        );
    }
}

pub(super) async fn frozen_and_thawed(peer: Peer) {
    let registry = peer.registry();
    let first = put(&registry, "a", "1").await;
    let mut watch = registry.watch("");
    let mut seen = Seen::default();
    seen.until(&mut watch, |seen| seen.resets == 1).await;
    peer.freeze();
    let frozen = Instant::now();
    let error = registry.commit(Txn::new().if_revision("a", first).put("a", "2")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
    let error = registry.commit(Txn::new().if_absent("b").put("b", "1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "only read so far: {error}");
    seen.until(&mut watch, |seen| seen.downs == 1).await;
    tokio::time::sleep_until(frozen + Duration::from_secs(6)).await;
    peer.thaw();
    // Whatever became of the commit, another one can be told from it.
    let commit = registry.commit(Txn::new().if_revision("a", first).put("a", "3")).await;
    let there = value(&registry, "a").await;
    match commit {
        Ok(Commit::Done { .. }) => assert_eq!(there.as_deref(), Some("3")),
        Ok(Commit::Conflict { .. }) => assert_eq!(there.as_deref(), Some("2")),
        Err(error) => assert!(matches!(error, RegistryError::Unknown { .. }), "{error}"),
    }
    put(&registry, "a", "4").await;
    seen.until(&mut watch, |seen| seen.state.get("a").is_some_and(|value| value == "4")).await;
    assert_eq!((seen.resets, seen.ups), (1, 1));
    assert_eq!(value(&registry, "b").await, None, "it was never sent");
}

pub(super) async fn one_of_two_endpoints_is_dead(peer: Peer) {
    let dead = format!("http://127.0.0.1:{}", cluster_fixture::free_port());
    for urls in [[dead.clone(), peer.server.url()], [peer.server.url(), dead]] {
        let registry = open(&urls);
        let mut watch = registry.watch("");
        let began = Instant::now();
        let lease = registry.grant(Duration::from_secs(2)).await.unwrap();
        done(&registry, Txn::new().put_leased("a", "1", lease.id())).await;
        assert_eq!(value(&registry, "a").await.as_deref(), Some("1"));
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "slow beside a dead endpoint: {:?}",
            began.elapsed()
        );
        let mut seen = Seen::default();
        seen.until(&mut watch, |seen| seen.state.contains_key("a")).await;
        assert_eq!(seen.downs, 0);
        assert!(timeout(lease.ttl() * 2, lease.lost()).await.is_err());
        lease.revoke().await.unwrap();
    }
}

pub(super) async fn one_of_two_endpoints_is_frozen(peer: Peer) {
    // It accepts connections and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let registry = open(&[url, peer.server.url()]);
    let mut watch = registry.watch("");
    let began = Instant::now();
    done(&registry, Txn::new().if_absent("a").put("a", "1")).await;
    done(&registry, Txn::new().put("a", "2")).await;
    assert_eq!(value(&registry, "a").await.as_deref(), Some("2"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut seen = Seen::default();
    seen.until(&mut watch, |seen| seen.state.get("a").is_some_and(|value| value == "2")).await;
}
