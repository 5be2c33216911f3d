//! What the registry promises, whichever server is behind it.

use std::{collections::BTreeMap, future::Future, time::Duration};

use redis_cluster::cluster::{
    election::{Election, ElectionError, Term},
    registry::{Change, Commit, Entry, LeaseId, Registry, RegistryError, Revision, Txn, Watch, WatchEvent},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::servers::{Kind, Peer, open};

/// Each as a test that runs on every kind of server at the same time: most of it is waiting.
macro_rules! on_every_server {
    ($($test:ident),* $(,)?) => {
        mod on_every_server {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 5)]
                async fn $test() {
                    let kinds = [Kind::Etcd34, Kind::Etcd35, Kind::EmbeddedFile, Kind::EmbeddedMemory];
                    let runs = kinds.map(|kind| (kind, tokio::spawn(async move {
                        let started = tokio::task::spawn_blocking(move || Peer::start(kind)).await;
                        if let Some(peer) = started.unwrap() {
                            super::$test(peer).await;
                            println!("{} passes on {kind:?}", stringify!($test));
                        }
                    })));
                    let mut failed = Vec::new();
                    for (kind, run) in runs {
                        failed.extend(run.await.err().map(|error| format!("{kind:?}: {error}")));
                    }
                    assert!(failed.is_empty(), "{failed:#?}");
                }
            )*
        }
    };
}

on_every_server!(
    reads_and_transactions,
    conditions,
    a_large_listing_is_whole,
    leases_end_with_their_keys,
    a_lease_outlives_its_ttl,
    a_registry_serves_many_runtimes,
    watches_miss_nothing,
    changes_and_compaction_while_away,
    kill_and_restart,
    frozen_and_thawed,
    wiped_and_grown_again,
    one_of_two_endpoints_is_dead,
    one_of_two_endpoints_is_frozen,
    a_lost_answer_is_found_out,
    one_leader,
    a_deposed_leader_is_refused,
);

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

async fn reads_and_transactions(peer: Peer) {
    let registry = peer.registry();
    assert_eq!(registry.get("a").await.unwrap(), None);
    let first = put(&registry, "a", "1").await;
    let entry = registry.get("a").await.unwrap().unwrap();
    let expected = Entry {
        key: "a".to_owned(),
        value: b"1".to_vec(),
        create_revision: first,
        mod_revision: first,
        lease: None,
    };
    assert_eq!(entry, expected);
    let second = done(&registry, Txn::new().put("a", "2").put("b/1", "x").put("b/2", "y")).await;
    assert!(second > first);
    let entry = registry.get("a").await.unwrap().unwrap();
    assert_eq!((entry.create_revision, entry.mod_revision), (first, second));
    let listing = registry.list("b/").await.unwrap();
    assert_eq!(listing.revision, second);
    assert_eq!(listing.entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["b/1", "b/2"]);
    assert!(listing.entries.iter().all(|entry| entry.mod_revision == second));
    assert_eq!(registry.list("").await.unwrap().entries.len(), 3);
    done(&registry, Txn::new().delete("b/1").put("b/3", "z")).await;
    let listing = registry.list("b/").await.unwrap();
    assert_eq!(listing.entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["b/2", "b/3"]);
    // Deleting what is not there is no conflict.
    assert!(registry.commit(Txn::new().delete("nothing")).await.unwrap().is_done());
    // Another cluster sees none of it.
    let other = Registry::open(&[peer.server.url()], "tes").unwrap();
    assert_eq!(other.list("").await.unwrap().entries, []);
}

async fn conditions(peer: Peer) {
    let registry = peer.registry();
    let created = put(&registry, "a", "1").await;
    let modified = put(&registry, "a", "2").await;
    let cases = [
        (Txn::new().if_absent("b"), true),
        (Txn::new().if_absent("a"), false),
        (Txn::new().if_present("a"), true),
        (Txn::new().if_present("b"), false),
        (Txn::new().if_revision("a", modified), true),
        (Txn::new().if_revision("a", created), false),
        (Txn::new().if_revision("b", Revision(0)), true),
        (Txn::new().if_created("a", created), true),
        (Txn::new().if_created("a", modified), false),
        (Txn::new().if_present("a").if_absent("b").if_created("a", created), true),
        (Txn::new().if_present("a").if_absent("a"), false),
    ];
    for (number, (txn, holds)) in cases.into_iter().enumerate() {
        let key = format!("out/{number}");
        let commit = registry.commit(txn.clone().put(&key, "done").put("last", key.as_str())).await.unwrap();
        assert_eq!(commit.is_done(), holds, "{txn:?}");
        assert_eq!(value(&registry, &key).await.is_some(), holds, "{txn:?}");
    }
    // Of many who want the same key, one gets it; of many who add to a number, each does.
    let mut tasks = Vec::new();
    for number in 0..8 {
        let registry = registry.clone();
        tasks.push(tokio::spawn(async move {
            let txn = Txn::new().if_absent("seat").put("seat", number.to_string());
            let seated = registry.commit(txn).await.unwrap().is_done();
            loop {
                let before = registry.get("sum").await.unwrap();
                let revision = before.as_ref().map_or(Revision(0), |entry| entry.mod_revision);
                let sum: u32 =
                    before.map_or(0, |entry| String::from_utf8(entry.value).unwrap().parse().unwrap());
                let txn = Txn::new().if_revision("sum", revision).put("sum", (sum + 1).to_string());
                if registry.commit(txn).await.unwrap().is_done() {
                    return seated;
                }
            }
        }));
    }
    let mut seated = 0;
    for task in tasks {
        seated += usize::from(soon(task).await.unwrap());
    }
    assert_eq!((seated, value(&registry, "sum").await.as_deref()), (1, Some("8")));
    let no_lease: RegistryError = {
        let lease = registry.grant(Duration::from_secs(5)).await.unwrap();
        let id = lease.id();
        lease.revoke().await.unwrap();
        registry.commit(Txn::new().put_leased("leased", "x", id)).await.unwrap_err()
    };
    assert!(matches!(no_lease, RegistryError::LeaseGone { .. }), "{no_lease}");
    let too_many = (0..121).fold(Txn::new(), |txn, number| txn.put(format!("k{number}"), ""));
    assert!(matches!(registry.commit(too_many).await, Err(RegistryError::Refused { .. })));
}

async fn a_large_listing_is_whole(peer: Peer) {
    let registry = peer.registry();
    let mut revision = Revision(0);
    for chunk in 0..11 {
        let txn =
            (0..100).fold(Txn::new(), |txn, number| txn.put(format!("n/{:04}", chunk * 100 + number), "v"));
        revision = done(&registry, txn).await;
    }
    let listing = registry.list("n/").await.unwrap();
    assert_eq!(listing.revision, revision);
    let keys: Vec<String> = listing.entries.into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, (0..1100).map(|number| format!("n/{number:04}")).collect::<Vec<_>>());
}

async fn leases_end_with_their_keys(peer: Peer) {
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

async fn a_lease_outlives_its_ttl(peer: Peer) {
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

async fn a_registry_serves_many_runtimes(peer: Peer) {
    let registry = peer.registry();
    put(&registry, "shared", "0").await;
    let threads: Vec<_> = (0..3)
        .map(|number| {
            let registry = registry.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                // The lease leaves its runtime, and nobody keeps it alive any more.
                runtime.block_on(async {
                    put(&registry, &format!("by/{number}"), "x").await;
                    let mut watch = registry.watch("by/");
                    let mut seen = Seen::default();
                    seen.until(&mut watch, |seen| seen.state.len() == 3).await;
                    registry.grant(Duration::from_secs(60)).await.unwrap()
                })
            })
        })
        .collect();
    for thread in threads {
        let lease = tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
        soon(lease.lost()).await;
    }
    assert_eq!(value(&registry, "shared").await.as_deref(), Some("0"));
}

async fn watches_miss_nothing(peer: Peer) {
    const WRITERS: usize = 4;
    const WRITES: usize = 50;
    let registry = peer.registry();
    put(&registry, "w/old", "0").await;
    let mut early = registry.watch("w/");
    let mut early_seen = Seen::default();
    early_seen.until(&mut early, |seen| seen.resets == 1).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let registry = registry.clone();
            tokio::spawn(async move {
                for number in 0..WRITES {
                    let other = format!("x/{writer}");
                    done(
                        &registry,
                        Txn::new().put(format!("w/{writer}"), number.to_string()).put(other, "-"),
                    )
                    .await;
                }
            })
        })
        .collect();
    // One that begins in the middle of it sees the rest of each writer's numbers without a gap.
    early_seen.until(&mut early, |seen| seen.changes.len() > WRITERS * WRITES / 4).await;
    let mut late = registry.watch("w/");
    let mut late_seen = Seen::default();
    late_seen.until(&mut late, |seen| seen.resets == 1).await;
    let began = late_seen.state.clone();
    for writer in writers {
        soon(writer).await.unwrap();
    }
    put(&registry, "w/end", "1").await;
    early_seen.until(&mut early, |seen| seen.state.contains_key("w/end")).await;
    late_seen.until(&mut late, |seen| seen.state.contains_key("w/end")).await;
    for writer in 0..WRITERS {
        let told = |seen: &Seen| -> Vec<usize> {
            let prefix = format!("w/{writer}=");
            seen.changes.iter().filter_map(|change| change.strip_prefix(&prefix)?.parse().ok()).collect()
        };
        assert_eq!(told(&early_seen), (0..WRITES).collect::<Vec<_>>());
        let first =
            began.get(&format!("w/{writer}")).map_or(0, |number| number.parse::<usize>().unwrap() + 1);
        assert_eq!(told(&late_seen), (first..WRITES).collect::<Vec<_>>());
    }
    assert_eq!((early_seen.resets, late_seen.resets, early_seen.state), (1, 1, late_seen.state));
}

/// A way to a server that can be closed and opened.
struct Gate {
    url: String,
    open: tokio::sync::watch::Sender<bool>,
}

impl Gate {
    async fn to(server: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (open, is_open) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (server, mut is_open) = (server.clone(), is_open.clone());
                tokio::spawn(async move {
                    let forward = async {
                        let Ok(mut upstream) = tokio::net::TcpStream::connect(server).await else { return };
                        // However it ends, both are closed.
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
                    };
                    tokio::select! {
                        biased;
                        _ = is_open.wait_for(|open| !open) => {}
                        () = forward => {}
                    }
                });
            }
        });
        Self { url, open }
    }

    fn set_open(&self, open: bool) {
        self.open.send(open).unwrap();
    }
}

async fn changes_and_compaction_while_away(peer: Peer) {
    let direct = peer.registry();
    put(&direct, "a", "1").await;
    put(&direct, "b", "1").await;
    let gate = Gate::to(peer.server.address()).await;
    let registry = open(std::slice::from_ref(&gate.url));
    let mut watch = registry.watch("");
    let mut seen = Seen::default();
    seen.until(&mut watch, |seen| seen.resets == 1).await;
    // Everything that happened meanwhile is told, in order.
    gate.set_open(false);
    seen.until(&mut watch, |seen| seen.downs == 1).await;
    put(&direct, "a", "2").await;
    done(&direct, Txn::new().delete("b")).await;
    put(&direct, "a", "3").await;
    gate.set_open(true);
    seen.until(&mut watch, |seen| seen.changes.len() == 3).await;
    assert_eq!(seen.changes, ["a=2", "-b", "a=3"]);
    assert_eq!((seen.resets, seen.downs, seen.ups), (1, 1, 1));
    // Unless the server has forgotten it: then everything is told anew.
    gate.set_open(false);
    seen.until(&mut watch, |seen| seen.downs == 2).await;
    put(&direct, "c", "1").await;
    done(&direct, Txn::new().delete("a")).await;
    let last = put(&direct, "c", "2").await;
    let mut client = peer.client().await;
    client.compact(last.0, None).await.unwrap();
    gate.set_open(true);
    seen.until(&mut watch, |seen| seen.resets == 2).await;
    assert_eq!(seen.state, BTreeMap::from([("c".to_owned(), "2".to_owned())]));
    assert_eq!((seen.downs, seen.ups), (2, 2));
    put(&direct, "c", "3").await;
    seen.until(&mut watch, |seen| seen.changes == ["c=3"]).await;
    // The servers agree on how they say so.
    let options = etcd_client::GetOptions::new().with_revision(last.0 - 1);
    let error = client.get("a", Some(options)).await.unwrap_err();
    assert!(error.to_string().contains("required revision has been compacted"), "{error}");
    let options = etcd_client::WatchOptions::new().with_start_revision(last.0 - 1);
    let mut stream = client.watch("a", Some(options)).await.unwrap();
    let cancelled = soon(async {
        loop {
            let message = stream.message().await.unwrap().unwrap();
            if message.canceled() {
                return message;
            }
        }
    });
    assert_eq!(cancelled.await.compact_revision(), last.0);
}

async fn kill_and_restart(mut peer: Peer) {
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

async fn frozen_and_thawed(peer: Peer) {
    let registry = peer.registry();
    put(&registry, "a", "1").await;
    let mut watch = registry.watch("");
    let mut seen = Seen::default();
    seen.until(&mut watch, |seen| seen.resets == 1).await;
    peer.freeze();
    let frozen = Instant::now();
    let error = registry.commit(Txn::new().if_absent("b").put("b", "1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unknown { .. }), "{error}");
    seen.until(&mut watch, |seen| seen.downs == 1).await;
    tokio::time::sleep_until(frozen + Duration::from_secs(6)).await;
    peer.thaw();
    // Whatever became of the commit, another one can be told from it.
    let commit = registry.commit(Txn::new().if_absent("b").put("b", "2")).await;
    let there = value(&registry, "b").await;
    match commit {
        Ok(Commit::Done { .. }) => assert_eq!(there.as_deref(), Some("2")),
        Ok(Commit::Conflict { .. }) => assert_eq!(there.as_deref(), Some("1")),
        Err(error) => assert!(matches!(error, RegistryError::Unknown { .. }), "{error}"),
    }
    put(&registry, "a", "2").await;
    seen.until(&mut watch, |seen| seen.state.get("a").is_some_and(|value| value == "2")).await;
    assert_eq!((seen.resets, seen.ups), (1, 1));
    assert_eq!(seen.state.get("b"), there.as_ref());
}

async fn wiped_and_grown_again(mut peer: Peer) {
    let direct = peer.registry();
    let first = put(&direct, "a", "0").await;
    put(&direct, "gone", "x").await;
    let gate = Gate::to(peer.server.address()).await;
    let registry = open(std::slice::from_ref(&gate.url));
    let mut watch = registry.watch("");
    let mut seen = Seen::default();
    seen.until(&mut watch, |seen| seen.resets == 1).await;
    // Seen again at a smaller revision: the past that the watch knows is not the past of this store.
    gate.set_open(false);
    seen.until(&mut watch, |seen| seen.downs == 1).await;
    peer.wipe();
    gate.set_open(true);
    seen.until(&mut watch, |seen| seen.resets == 2).await;
    assert!(seen.state.is_empty());
    // The same revisions as before, and more, but not the same keys.
    for number in 0..5 {
        put(&direct, "a", &number.to_string()).await;
    }
    seen.until(&mut watch, |seen| seen.state.get("a").is_some_and(|value| value == "4")).await;
    gate.set_open(false);
    seen.until(&mut watch, |seen| seen.downs == 2).await;
    peer.wipe();
    assert_eq!(put(&direct, "b", "0").await, first);
    for number in 1..10 {
        put(&direct, "b", &number.to_string()).await;
    }
    gate.set_open(true);
    seen.until(&mut watch, |seen| seen.resets == 3).await;
    assert_eq!(seen.state, BTreeMap::from([("b".to_owned(), "9".to_owned())]));
    assert_eq!((seen.downs, seen.ups), (2, 2));
}

async fn one_of_two_endpoints_is_dead(peer: Peer) {
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

async fn one_of_two_endpoints_is_frozen(peer: Peer) {
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

/// Forwards one connection to `server`, until the client has sent `word` and `ran` has seen to it that the server acted on
/// it; then both sides are cut, and whoever comes next is refused.
async fn cut_after(
    listener: tokio::net::TcpListener,
    server: String,
    word: &'static str,
    ran: impl Future<Output = ()>,
) {
    let (client, _) = listener.accept().await.unwrap();
    drop(listener);
    let upstream = tokio::net::TcpStream::connect(server).await.unwrap();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), upstream.into_split());
    let (sent, was_sent) = tokio::sync::oneshot::channel::<()>();
    let mut sent = Some(sent);
    let requests = async move {
        let (mut buffer, mut seen) = (vec![0; 16 << 10], Vec::new());
        loop {
            let count = from_client.read(&mut buffer).await.unwrap();
            to_server.write_all(&buffer[..count]).await.unwrap();
            seen.extend_from_slice(&buffer[..count]);
            if count == 0 || seen.windows(word.len()).any(|window| window == word.as_bytes()) {
                sent.take().unwrap().send(()).unwrap();
                // Held open: the end of this side would cancel the request.
                return std::future::pending::<()>().await;
            }
        }
    };
    // Answers pass until the word was sent.
    let answers = async move {
        let mut buffer = vec![0; 16 << 10];
        tokio::select! {
            biased;
            _ = was_sent => {}
            () = async {
                loop {
                    let count = from_server.read(&mut buffer).await.unwrap();
                    to_client.write_all(&buffer[..count]).await.unwrap();
                }
            } => {}
        }
        ran.await;
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

async fn a_lost_answer_is_found_out(peer: Peer) {
    let direct = peer.registry();
    put(&direct, "deleted", "x").await;
    let cases = [
        ("created", Txn::new().if_absent("created").put("created", "word: created"), true),
        ("blind", Txn::new().put("blind", "word: blind"), true),
        // Nothing that stands there afterwards tells who did it.
        ("deleted", Txn::new().if_present("deleted").delete("deleted"), false),
    ];
    for (key, txn, found_out) in cases {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let word = match key {
            "created" => "word: created",
            "blind" => "word: blind",
            _ => "test/deleted",
        };
        let ran = {
            let (direct, there) = (direct.clone(), found_out);
            async move { while direct.get(key).await.unwrap().is_some() != there {} }
        };
        let cut = tokio::spawn(cut_after(listener, peer.server.address(), word, ran));
        let registry = open(&[url, peer.server.url()]);
        let commit = soon(registry.commit(txn)).await;
        soon(cut).await.unwrap();
        if found_out {
            let entry = direct.get(key).await.unwrap().unwrap();
            assert_eq!(commit.unwrap(), Commit::Done { revision: entry.mod_revision });
            assert_eq!(entry.create_revision, entry.mod_revision, "made twice");
        } else {
            assert!(matches!(commit, Err(RegistryError::Unknown { .. })), "{commit:?}");
        }
    }
}

async fn one_leader(peer: Peer) {
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

async fn a_deposed_leader_is_refused(peer: Peer) {
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
