//! Plans carried out between real servers, with the driver in this process and no proxy: what is moved, what is refused,
//! what is written down.

use redis_cluster::cluster::records::keys;
use std::time::Duration;

use cluster_fixture::{Server, redis_server};
use redis_cluster::{
    client::Connection,
    cluster::plan::{
        AddRequest, Goal, MoveRecord, PlanState, Refusal, RemoveRequest, Submitted, preview_remove,
        submit_add, submit_remove,
    },
    protocol::Value,
    slot::{SLOTS, SlotId},
};

use crate::driving::{self, Cluster, remove};

fn add(id: &str, address: &str) -> AddRequest {
    driving::add(id, &format!("redis://{address}"), false)
}

async fn connect(server: &Server) -> Connection {
    Connection::connect(&server.address(), Duration::from_secs(5)).await.unwrap()
}

async fn integer(connection: &mut Connection, command: &[&str]) -> i64 {
    connection.call(command).await.unwrap().as_i64().unwrap()
}

#[tokio::test]
async fn keys_of_all_types_and_databases_follow_their_slots_and_come_back() {
    let (Some(cluster), Some(one), Some(two)) = (Cluster::start(), redis_server(), redis_server()) else {
        return;
    };
    let mut first = connect(&one).await;
    for number in 0..3000 {
        first.queue(&["SET", &format!("key:{number}"), &format!("value:{number}")]);
    }
    first.flush().await.unwrap();
    for _ in 0..3000 {
        first.read().await.unwrap();
    }
    for command in [
        "RPUSH list a b c",
        "HSET hash f v",
        "SADD set a",
        "ZADD zset 1.5 a",
        "XADD stream 1-1 f v",
        "SET ttl x",
    ] {
        let command: Vec<&str> = command.split(' ').collect();
        assert!(first.call(&command).await.unwrap().as_error().is_none());
    }
    assert_eq!(integer(&mut first, &["PEXPIREAT", "ttl", "4102444800123"]).await, 1);
    first.call(&["SELECT", "5"]).await.unwrap();
    first.call(&["SET", "key:1", "of database 5"]).await.unwrap();
    first.call(&["SELECT", "0"]).await.unwrap();
    let all = integer(&mut first, &["DBSIZE"]).await;

    assert_eq!(cluster.add("1", &one).await.unwrap().state, PlanState::Done);
    let plan = cluster.add("2", &two).await.unwrap();
    assert_eq!(plan.state, PlanState::Done);
    assert_eq!(plan.slots_moved, 8192);
    let topology = cluster.topology().await;
    assert!(topology.moves.is_empty());
    let owners = topology.owners();
    assert!(owners.iter().all(Option::is_some));
    let mut second = connect(&two).await;
    let (here, there) = (integer(&mut first, &["DBSIZE"]).await, integer(&mut second, &["DBSIZE"]).await);
    assert_eq!(here + there, all);
    assert!(here > all / 3 && there > all / 3, "{here} + {there}");
    for number in 0..3000 {
        let key = format!("key:{number}");
        let owner = owners[SlotId::of_key(key.as_bytes()).index()].unwrap().as_str();
        let (has, lacks) = if owner == "1" { (&mut first, &mut second) } else { (&mut second, &mut first) };
        assert_eq!(
            has.call(&["GET", &key]).await.unwrap().as_bytes(),
            Some(format!("value:{number}").as_bytes())
        );
        assert_eq!(lacks.call(&["GET", &key]).await.unwrap(), Value::Null);
    }

    let receipts = cluster.registry.list(keys::MOVES).await.unwrap();
    let receipt: MoveRecord = serde_json::from_slice(&receipts.entries[0].value).unwrap();
    assert_eq!((receipt.state.as_str(), receipt.verified_keys), ("done", Some(receipt.keys)));
    assert!(receipt.freeze_ms.is_some() && receipt.verified_values > 0);

    assert_eq!(cluster.remove("1", false).await.unwrap().state, PlanState::Done);
    assert_eq!((integer(&mut first, &["DBSIZE"]).await, integer(&mut second, &["DBSIZE"]).await), (0, all));
    assert_eq!(integer(&mut second, &["PEXPIRETIME", "ttl"]).await, 4_102_444_800_123);
    for (command, reply) in
        [("LLEN list", 3), ("HLEN hash", 1), ("SCARD set", 1), ("ZCARD zset", 1), ("XLEN stream", 1)]
    {
        let command: Vec<&str> = command.split(' ').collect();
        assert_eq!(integer(&mut second, &command).await, reply);
    }
    second.call(&["SELECT", "5"]).await.unwrap();
    assert_eq!(second.call(&["GET", "key:1"]).await.unwrap().as_bytes(), Some(&b"of database 5"[..]));
    assert_eq!(cluster.registry.list(keys::NODES).await.unwrap().entries.len(), 1);
    assert_eq!(
        cluster.topology().await.slots_of(&"2".parse().unwrap()).iter().map(|r| r.count()).sum::<usize>(),
        SLOTS
    );
    let audit = cluster.registry.list(keys::AUDIT).await.unwrap();
    assert!(audit.entries.len() >= 10);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let (Some(cluster), Some(one), Some(two)) = (Cluster::start(), redis_server(), redis_server()) else {
        return;
    };
    let nobody = format!("127.0.0.1:{}", cluster_fixture::free_port());
    assert!(matches!(
        submit_add(&cluster.registry, &add("1", &nobody)).await,
        Err(Refusal::Unreachable { .. })
    ));
    assert!(matches!(cluster.remove("1", false).await, Err(Refusal::UnknownNode { .. })));
    assert_eq!(cluster.everything().await, []);

    connect(&one).await.call(&["SET", "k", "v"]).await.unwrap();
    connect(&two).await.call(&["SET", "hidden", "v"]).await.unwrap();
    cluster.add("1", &one).await.unwrap();
    let before = cluster.everything().await;
    let same_server = format!("localhost:{}", one.port());
    assert!(matches!(cluster.add("1", &two).await, Err(Refusal::IdTaken { .. })));
    assert!(matches!(
        submit_add(&cluster.registry, &add("1", &one.address())).await,
        Ok(Submitted::NothingToDo(words)) if words.starts_with("node 1 is a member already")
    ));
    assert!(matches!(cluster.add("2", &one).await, Err(Refusal::AddressTaken { .. })));
    assert!(matches!(
        submit_add(&cluster.registry, &add("2", &same_server)).await,
        Err(Refusal::AddressTaken { .. })
    ));
    assert!(matches!(cluster.add("2", &two).await, Err(Refusal::NotEmpty { keys: 1, .. })));
    assert!(matches!(cluster.remove("2", true).await, Err(Refusal::UnknownNode { .. })));
    assert!(matches!(cluster.remove("1", false).await, Err(Refusal::LastNode { keys: 1, .. })));
    assert_eq!(cluster.everything().await, before);

    let revision = preview_remove(&cluster.registry, &remove("1", true)).await.unwrap().revision;
    connect(&two).await.call(&["FLUSHALL"]).await.unwrap();
    cluster.add("2", &two).await.unwrap();
    let outdated = RemoveRequest { if_revision: Some(revision), ..remove("1", false) };
    assert!(matches!(submit_remove(&cluster.registry, &outdated).await, Err(Refusal::Changed { .. })));
}

#[tokio::test]
async fn a_dead_node_leaves_only_by_force() {
    let (Some(cluster), Some(mut one), Some(two)) = (Cluster::start(), redis_server(), redis_server()) else {
        return;
    };
    cluster.add("1", &one).await.unwrap();
    cluster.add("2", &two).await.unwrap();
    one.kill();
    assert!(matches!(cluster.remove("1", false).await, Err(Refusal::NodeUnreachable { slots: 8192, .. })));
    let plan = cluster.remove("1", true).await.unwrap();
    assert_eq!(plan.goal, Goal::Remove { node: "1".parse().unwrap(), abandon: true });
    assert_eq!(plan.state, PlanState::Done);
    let topology = cluster.topology().await;
    assert_eq!(
        topology.slots_of(&"2".parse().unwrap()).iter().map(|range| range.count()).sum::<usize>(),
        SLOTS
    );
}

/// What an earlier move left on a node comes back with the slots, unless it is wiped: keys that were deleted meanwhile.
#[tokio::test]
async fn copies_on_a_survivor_do_not_come_back_when_a_node_is_given_up() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(one), Some(mut two)) = (redis_server(), redis_server()) else { return };
    cluster.add("1", &one).await.unwrap();
    cluster.add("2", &two).await.unwrap();
    let given_up = cluster.topology().await.slots_of(&"2".parse().unwrap());
    let of_two = |key: &str| {
        let slot = SlotId::of_key(key.as_bytes());
        given_up.iter().any(|range| range.first() <= slot && slot <= range.last())
    };
    let mut survivor = connect(&one).await;
    let (mut copies, mut own) = (0, 0);
    for number in 0..3000 {
        let key = format!("k{number}");
        let database = (number % 2 * 3).to_string();
        survivor.call(&["SELECT", &database]).await.unwrap();
        survivor.call(&["SET", &key, "x"]).await.unwrap();
        if of_two(&key) { copies += 1 } else { own += 1 }
    }
    assert!(copies > 1000 && own > 1000);
    two.kill();
    let plan = cluster.remove("2", true).await.unwrap();
    assert_eq!(plan.state, PlanState::Done, "{plan:?}");
    let topology = cluster.topology().await;
    assert_eq!(
        topology.slots_of(&"1".parse().unwrap()).iter().map(|range| range.count()).sum::<usize>(),
        SLOTS
    );
    let mut left = 0;
    for database in ["0", "3"] {
        survivor.call(&["SELECT", database]).await.unwrap();
        left += survivor.call(&["DBSIZE"]).await.unwrap().as_i64().unwrap();
    }
    assert_eq!(left, own, "{copies} copies were not its own");
}
