//! An etcd of three members: what one of them does, be it the leader, is nobody's trouble.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use cluster_fixture::{Server, etcd_binary, etcd_cluster};
use redis_cluster::cluster::registry::{Registry, Txn};

use super::{PATIENCE, Seen, done, put, soon, value};
use crate::registry::servers::{freeze, open};

/// Writes one number after the other, and reads each back, until told to stop. No call may fail.
async fn count(registry: Registry, written: &AtomicUsize, stop: &AtomicBool) {
    let mut revision = put(&registry, "n", "0").await;
    while !stop.load(Relaxed) {
        let number = written.load(Relaxed) + 1;
        revision = done(&registry, Txn::new().if_revision("n", revision).put("n", number.to_string())).await;
        assert_eq!(value(&registry, "n").await, Some(number.to_string()));
        written.store(number, Relaxed);
    }
}

/// The member that leads.
async fn leader(members: &[Server]) -> usize {
    loop {
        for (index, member) in members.iter().enumerate() {
            let mut client = etcd_client::Client::connect([member.url()], None).await.unwrap();
            let status = client.status().await.unwrap();
            let id = status.header().map(etcd_client::ResponseHeader::member_id);
            if id == Some(status.leader()) {
                return index;
            }
        }
    }
}

async fn outlasts_its_members(version: &str) {
    let Some(program) = etcd_binary(version) else { return };
    let mut members = tokio::task::spawn_blocking(move || etcd_cluster(&program, 3)).await.unwrap();
    let urls: Vec<String> = members.iter().map(Server::url).collect();
    let registry = open(&urls);
    // Three members need a moment to choose their leader.
    let mut watch = registry.watch("n");
    let mut seen = Seen::default();
    seen.until(&mut watch, |seen| seen.resets == 1).await;
    let lease = registry.grant(Duration::from_secs(15)).await.unwrap();
    let (written, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let some_more = async |what: &str| {
        let start = written.load(Relaxed);
        let more = async {
            while written.load(Relaxed) < start + 20 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, more).await.unwrap_or_else(|_| panic!("{what}: nothing is written"));
    };
    let faults = async {
        some_more("all members").await;
        // The one that calls go to first.
        members[0].kill();
        some_more("one dead").await;
        members[0].restart();
        some_more("one back").await;
        let leader = leader(&members).await;
        freeze(&members[leader]);
        some_more("the leader frozen").await;
        members[leader].signal("CONT");
        some_more("the leader thawed").await;
        stop.store(true, Relaxed);
    };
    tokio::join!(count(registry.clone(), &written, &stop), faults);
    let last = format!("n={}", written.load(Relaxed));
    seen.until(&mut watch, |seen| seen.changes.last() == Some(&last)).await;
    let expected: Vec<String> = (0..=written.load(Relaxed)).map(|number| format!("n={number}")).collect();
    assert_eq!(seen.changes, expected, "each number once, in order");
    assert_eq!(seen.resets, 1);
    assert!(lease.remaining() > Duration::ZERO, "the lease was lost");
    soon(lease.revoke()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn etcd_3_4_outlasts_its_members() {
    outlasts_its_members("3.4").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn etcd_3_5_outlasts_its_members() {
    outlasts_its_members("3.5").await;
}
