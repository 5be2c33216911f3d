//! What the registry promises, whichever server is behind it: the tests by topic, and what they share.

mod answers;
mod data;
mod election;
mod gate;
mod leases;
mod members;
mod outages;
mod watches;

use std::{collections::BTreeMap, future::Future, time::Duration};

use redis_cluster::cluster::registry::{Change, Commit, Entry, Registry, Revision, Txn, Watch, WatchEvent};
use tokio::time::timeout;

use super::servers::{Kind, Peer};

/// Each as a test that runs on every kind of server at the same time: most of it is waiting.
macro_rules! on_every_server {
    ($($topic:ident: $($test:ident),+;)*) => {
        mod on_every_server {
            use super::*;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 5)]
                async fn $test() {
                    let kinds = [Kind::Etcd34, Kind::Etcd35, Kind::EmbeddedFile, Kind::EmbeddedMemory];
                    let runs = kinds.map(|kind| (kind, tokio::spawn(async move {
                        let started = tokio::task::spawn_blocking(move || Peer::start(kind)).await;
                        if let Some(peer) = started.unwrap() {
                            super::$topic::$test(peer).await;
                            println!("{} passes on {kind:?}", stringify!($test));
                        }
                    })));
                    let mut failed = Vec::new();
                    for (kind, run) in runs {
                        failed.extend(run.await.err().map(|error| format!("{kind:?}: {error}")));
                    }
                    assert!(failed.is_empty(), "{failed:#?}");
                }
            )+)*
        }
    };
}

on_every_server! {
    data:
        reads_and_transactions,
        conditions,
        a_large_listing_is_whole,
        a_registry_serves_many_runtimes;
    leases:
        leases_end_with_their_keys,
        a_lease_outlives_its_ttl;
    watches:
        watches_miss_nothing,
        changes_and_compaction_while_away,
        wiped_and_grown_again;
    outages:
        kill_and_restart,
        frozen_and_thawed,
        one_of_two_endpoints_is_dead,
        one_of_two_endpoints_is_frozen;
    answers:
        a_lost_answer_is_found_out,
        nothing_runs_twice;
    election:
        one_leader,
        a_deposed_leader_is_refused;
}

/// Long enough for a loaded machine, short enough to see a hang as one.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it takes too long")
}

async fn done(registry: &Registry, txn: Txn) -> Revision {
    match registry.commit(txn).await.unwrap() {
        Commit::Done { revision } => revision,
        Commit::Conflict { revision } => panic!("conflict at {revision}"),
    }
}

async fn put(registry: &Registry, key: &str, value: &str) -> Revision {
    done(registry, Txn::new().put(key, value)).await
}

async fn value(registry: &Registry, key: &str) -> Option<String> {
    registry.get(key).await.unwrap().map(|entry| String::from_utf8(entry.value).unwrap())
}

/// What a watch has told so far, and whether a reset was among it.
#[derive(Default)]
struct Seen {
    state: BTreeMap<String, String>,
    resets: usize,
    downs: usize,
    ups: usize,
    /// One line per change since the last reset.
    changes: Vec<String>,
}

impl Seen {
    async fn next(&mut self, watch: &mut Watch) {
        let text = |entry: &Entry| String::from_utf8(entry.value.clone()).unwrap();
        match soon(watch.next()).await {
            WatchEvent::Reset { entries, .. } => {
                self.resets += 1;
                self.changes.clear();
                self.state = entries.iter().map(|entry| (entry.key.clone(), text(entry))).collect();
            }
            WatchEvent::Changed { changes, .. } => {
                for change in &changes {
                    match change {
                        Change::Put(entry) => {
                            self.changes.push(format!("{}={}", entry.key, text(entry)));
                            self.state.insert(entry.key.clone(), text(entry));
                        }
                        Change::Deleted { key } => {
                            self.changes.push(format!("-{key}"));
                            self.state.remove(key);
                        }
                    }
                }
            }
            WatchEvent::Down { error } => {
                assert!(error.to_string().contains("http://127.0.0.1:"), "{error}");
                self.downs += 1;
            }
            WatchEvent::Up => self.ups += 1,
        }
        assert!(self.ups == self.downs || self.ups + 1 == self.downs, "an Up without a Down");
    }

    async fn until(&mut self, watch: &mut Watch, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            self.next(watch).await;
        }
    }
}
