//! Watches: nothing is missed, whatever happens to the way to the server or to its memory.

use std::collections::BTreeMap;

use redis_cluster::cluster::registry::Txn;

use super::{Seen, done, gate::Gate, put, soon};
use crate::registry::servers::{Peer, open};

pub(super) async fn watches_miss_nothing(peer: Peer) {
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

    // All but some: these are neither listed nor told of, and what stands on both sides of them is.
    put(&registry, "a", "1").await;
    let mut others = registry.watch_all_but("w/");
    let mut others_seen = Seen::default();
    others_seen.until(&mut others, |seen| seen.resets == 1).await;
    let listed: Vec<&str> = others_seen.state.keys().map(String::as_str).collect();
    assert_eq!(listed, ["a", "x/0", "x/1", "x/2", "x/3"]);
    done(&registry, Txn::new().put("w/more", "1").put("w0", "1")).await;
    done(&registry, Txn::new().put("w/end", "2")).await;
    put(&registry, "y", "1").await;
    others_seen.until(&mut others, |seen| seen.state.contains_key("y")).await;
    assert_eq!(others_seen.changes, ["w0=1", "y=1"]);
}

pub(super) async fn changes_and_compaction_while_away(peer: Peer) {
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

pub(super) async fn wiped_and_grown_again(mut peer: Peer) {
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
