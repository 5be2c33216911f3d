//! One leader at a time, and a deposed one changes nothing.

use std::time::Duration;

use redis_cluster::cluster::{
    election::{Election, ElectionError, Term},
    registry::{LeaseId, Txn},
};

use super::{done, soon, value};
use crate::registry::servers::{Peer, open};

pub(super) async fn one_leader(peer: Peer) {
    const CANDIDATES: usize = 5;
    let registry = peer.registry();
    assert_eq!(Election::leader(&registry).await.unwrap(), None);
    let (sender, mut winners) = tokio::sync::mpsc::unbounded_channel();
    let tasks: Vec<_> = (0..CANDIDATES)
        .map(|number| {
            let (registry, sender) = (open(&[peer.server.url()]), sender.clone());
            tokio::spawn(async move {
                let lease = registry.grant(Duration::from_secs(10)).await.unwrap();
                let identity = format!("proxy {number}");
                let leadership = Election::campaign(&registry, &identity, &lease).await.unwrap();
                // Whoever leads is alone: it finds the seat empty, and leaves it empty.
                let sit = Txn::new().if_absent("seat").put("seat", identity.as_str());
                done(&registry, leadership.guard(sit)).await;
                sender.send((leadership.term(), identity.clone())).unwrap();
                let leader = Election::leader(&registry).await.unwrap().unwrap();
                assert_eq!((leader.identity, leader.term), (identity, leadership.term()));
                done(&registry, leadership.guard(Txn::new().if_present("seat").delete("seat"))).await;
                // Half of them resign, half of them just go.
                if number % 2 == 0 {
                    leadership.resign().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        soon(task).await.unwrap();
    }
    drop(sender);
    let mut terms = Vec::new();
    let mut identities = std::collections::BTreeSet::new();
    while let Some((term, identity)) = winners.recv().await {
        terms.push(term);
        identities.insert(identity);
    }
    assert_eq!(terms, (1..=CANDIDATES as u64).map(Term).collect::<Vec<_>>());
    assert_eq!(identities.len(), CANDIDATES);
}

pub(super) async fn a_deposed_leader_is_refused(peer: Peer) {
    let registry = peer.registry();
    let (first_lease, second_lease) = (
        registry.grant(Duration::from_secs(10)).await.unwrap(),
        registry.grant(Duration::from_secs(10)).await.unwrap(),
    );
    let first = Election::campaign(&registry, "first", &first_lease).await.unwrap();
    done(&registry, first.guard(Txn::new().put("topology", "1"))).await;
    let second = tokio::spawn({
        let registry = registry.clone();
        async move {
            let leadership = Election::campaign(&registry, "second", &second_lease).await.unwrap();
            (leadership, second_lease)
        }
    });
    let lost = first.lost();
    assert!(first.holds());
    // Somebody ends the first one's lease without its knowing.
    let wire = i64::from_str_radix(&first_lease.id().to_string(), 16).unwrap();
    peer.client().await.lease_client().revoke(wire).await.unwrap();
    let (second, second_lease) = soon(second).await.unwrap();
    assert_eq!(second.term(), Term(2));
    let refused = registry.commit(first.guard(Txn::new().put("topology", "stale"))).await.unwrap();
    assert!(!refused.is_done());
    done(&registry, second.guard(Txn::new().put("topology", "2"))).await;
    assert_eq!(value(&registry, "topology").await.as_deref(), Some("2"));
    soon(lost).await;
    // A candidate whose lease ends does not wait for ever.
    let lease = registry.grant(Duration::from_secs(10)).await.unwrap();
    let id: LeaseId = lease.id();
    let wire = i64::from_str_radix(&id.to_string(), 16).unwrap();
    let campaign = Election::campaign(&registry, "third", &lease);
    let end = async {
        peer.client().await.lease_client().revoke(wire).await.unwrap();
    };
    let (won, ()) = soon(async { tokio::join!(campaign, end) }).await;
    assert!(matches!(won, Err(ElectionError::LeaseLost { lease, .. }) if lease == id));
    second_lease.revoke().await.unwrap();
}
