//! Reading, listing, and transactions with their conditions.

use std::time::Duration;

use redis_cluster::cluster::registry::{Entry, Part, Registry, RegistryError, Revision, Txn};

use super::{Seen, done, put, soon, value};
use crate::registry::servers::Peer;

pub(super) async fn reads_and_transactions(peer: Peer) {
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

pub(super) async fn conditions(peer: Peer) {
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

pub(super) async fn a_large_listing_is_whole(peer: Peer) {
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
    let names = |part: &Part| part.entries.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
    let first = registry.first("n/", 2).await.unwrap();
    assert_eq!((names(&first), first.total), (vec!["n/0000".to_owned(), "n/0001".to_owned()], 1100));
    let last = registry.last("n/", 2).await.unwrap();
    assert_eq!((names(&last), last.total), (vec!["n/1099".to_owned(), "n/1098".to_owned()], 1100));
    assert_eq!(registry.last("nobody/", 2).await.unwrap(), Part { entries: Vec::new(), total: 0 });
}

pub(super) async fn a_registry_serves_many_runtimes(peer: Peer) {
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
