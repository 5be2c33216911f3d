//! What clients of a proxy see while slots move.

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
};

use cluster_fixture::console;
use redis_cluster::cluster::topology::{Phase, SlotMove};
use redis_cluster::slot::SlotRange;

use super::*;

#[tokio::test]
async fn writes_to_slots_on_the_move_wait_and_go_to_the_new_owner() {
    let Some(cluster) = Cluster::start().await else { return };
    let (mut ours, mut reader) = (cluster.connect().await, cluster.connect().await);
    let (moving, staying) = (key_of(1, 1), key_of(1, 2));
    let slot = SlotId::of_key(moving.as_bytes());
    assert_ne!(slot, SlotId::of_key(staying.as_bytes()));
    call(&mut ours, &format!("SET {moving} old")).await;
    let mut topology = cluster.topology().await;
    let step = |topology: &mut Topology, phase| step(topology, slots(slot.get(), slot.get()), phase);
    step(&mut topology, Phase::Frozen);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    // The write waits, and what its client sends behind it; others and reads go on.
    ours.queue(&["SET", &moving, "new"]);
    ours.queue(&["GET", &moving]);
    ours.flush().await.unwrap();
    assert_eq!(call(&mut reader, &format!("GET {moving}")).await, Value::Bulk("old".into()));
    assert_eq!(call(&mut reader, &format!("SET {staying} x")).await, Value::Simple("OK".into()));
    let early = tokio::time::timeout(Duration::from_millis(300), ours.read()).await;
    assert!(early.is_err(), "answered while frozen: {early:?}");
    // The key is copied, the owner changes.
    let mut target = Connection::connect(&cluster.nodes[1].address(), TIMEOUT).await.unwrap();
    call(&mut target, &format!("SET {moving} copied")).await;
    topology.assign(&[slots(slot.get(), slot.get())], &id("2"));
    step(&mut topology, Phase::Switched);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    assert_eq!(call(&mut reader, &format!("GET {moving}")).await, Value::Bulk("copied".into()));
    step(&mut topology, Phase::Open);
    put(&cluster.registry, "topology", &topology).await;
    assert_eq!(
        tokio::time::timeout(TIMEOUT, ours.read()).await.unwrap().unwrap(),
        Value::Simple("OK".into())
    );
    assert_eq!(ours.read().await.unwrap(), Value::Bulk("new".into()));
    assert_eq!(call(&mut target, &format!("GET {moving}")).await, Value::Bulk("new".into()));
}

#[tokio::test]
async fn without_etcd_traffic_goes_on_and_held_writes_are_told() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let mut ours = cluster.connect().await;
    let (moving, staying) = (key_of(1, 1), key_of(2, 2));
    let slot = SlotId::of_key(moving.as_bytes());
    let mut topology = cluster.topology().await;
    step(&mut topology, slots(slot.get(), slot.get()), Phase::Frozen);
    put(&cluster.registry, "topology", &topology).await;
    cluster.comes_to(topology.epoch).await;
    cluster.etcd.kill();
    ours.queue(&["SET", &moving, "x"]);
    ours.flush().await.unwrap();
    let mut other = cluster.connect().await;
    assert_eq!(call(&mut other, &format!("SET {staying} x")).await, Value::Simple("OK".into()));
    let reply = tokio::time::timeout(Duration::from_secs(60), ours.read()).await.unwrap().unwrap();
    assert_eq!(
        error(&reply),
        format!(
            "TRYAGAIN slot {slot} is being moved and etcd does not answer; nothing was written, try again later"
        )
    );
    assert_eq!(call(&mut other, &format!("GET {staying}")).await, Value::Bulk("x".into()));
}

/// The next epoch, with this move in this phase.
pub(super) fn step(topology: &mut Topology, moving: SlotRange, phase: Phase) {
    topology.epoch = topology.epoch.next();
    topology.moves = vec![SlotMove {
        id: 1,
        plan: 1,
        from: id("1"),
        to: id("2"),
        slots: vec![moving],
        phase,
        since: topology.epoch,
        hold_ms: None,
    }];
}

/// `(keys, expires)` of databases 0 and 3, as INFO has them.
async fn keyspace(connection: &mut Connection) -> [Option<(u64, u64)>; 2] {
    let info = call(connection, "INFO keyspace").await;
    let info = String::from_utf8(info.as_bytes().unwrap().to_vec()).unwrap();
    ["db0:", "db3:"].map(|database| {
        let figures = info.lines().find_map(|line| line.strip_prefix(database))?;
        let figure = |name: &str| {
            figures.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        Some((figure("keys").unwrap(), figure("expires").unwrap()))
    })
}

const KEYS: u64 = 300;
const IN_DATABASE_3: u64 = 40;

/// Keys by database; every third has an expiry.
fn all_keys() -> Vec<(u64, String, bool)> {
    let of = |database, count| (0..count).map(move |n| (database, format!("{database}:{n}"), n % 3 == 0));
    of(0, KEYS).chain(of(3, IN_DATABASE_3)).collect()
}

async fn write_all<'a>(
    connection: &mut Connection,
    keys: impl Iterator<Item = &'a (u64, String, bool)>,
    delete: bool,
) {
    for (database, key, expires) in keys {
        call(connection, &format!("SELECT {database}")).await;
        let line = match (delete, expires) {
            (true, _) => format!("DEL {key}"),
            (false, true) => format!("SET {key} x EX 10000"),
            (false, false) => format!("SET {key} x"),
        };
        assert!(call(connection, &line).await.as_error().is_none(), "{line}");
    }
    call(connection, "SELECT 0").await;
}

/// Puts copies on the target and takes them from the source as a move does, phase by phase; two proxies count.
async fn copies_are_not_counted(members: Members) {
    let Some(cluster) = Cluster::of(members).await else { return };
    let other = proxy("2", &cluster.etcd.url());
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let mut clients = Vec::new();
    for address in [cluster.proxy.address(), other.address()] {
        clients.push(Connection::connect(&address, TIMEOUT).await.unwrap());
    }
    let mut source = Connection::connect(&cluster.nodes[0].address(), TIMEOUT).await.unwrap();
    let mut target = Connection::connect(&cluster.nodes[1].address(), TIMEOUT).await.unwrap();
    let keys = all_keys();
    write_all(&mut clients[0], keys.iter(), false).await;
    let range = slots(0, 4000);
    let moving: Vec<_> =
        keys.iter().filter(|(_, key, _)| SlotId::of_key(key.as_bytes()) <= range.last()).cloned().collect();
    assert!(moving.len() > 20);
    let mut topology = cluster.topology().await;
    for phase in [Phase::Planned, Phase::Frozen, Phase::Aborting, Phase::Frozen, Phase::Switched, Phase::Open]
    {
        if phase == Phase::Switched {
            topology.assign(&[range], &id("2"));
        }
        step(&mut topology, range, phase);
        put(&cluster.registry, "topology", &topology).await;
        for proxy in ["1", "2"] {
            cluster.proxy_comes_to(proxy, topology.epoch).await;
        }
        for some in [0, moving.len() / 2, moving.len()] {
            match phase {
                Phase::Frozen => write_all(&mut target, moving[..some].iter(), false).await,
                Phase::Aborting => write_all(&mut target, moving[..some].iter(), true).await,
                Phase::Open => write_all(&mut source, moving[..some].iter(), true).await,
                Phase::Planned | Phase::Switched => {}
            }
            for client in &mut clients {
                let what = format!("{members:?} {phase:?} {some}");
                assert_eq!(call(client, "DBSIZE").await, Value::Integer(KEYS as i64), "{what}");
                let expected = [KEYS, IN_DATABASE_3].map(|count| Some((count, count.div_ceil(3))));
                assert_eq!(keyspace(client).await, expected, "{what}");
            }
        }
        // In its place among a client's other requests.
        let key = key_of(2, 5);
        let client = &mut clients[1];
        for line in ["SELECT 3", "DBSIZE", &format!("SET {key} x"), "DBSIZE", &format!("DEL {key}"), "DBSIZE"]
        {
            client.queue(&line.split(' ').collect::<Vec<_>>());
        }
        client.flush().await.unwrap();
        let mut sizes = Vec::new();
        for _ in 0..6 {
            sizes.extend(client.read().await.unwrap().as_i64());
        }
        let count = IN_DATABASE_3 as i64;
        assert_eq!(sizes, [count, count + 1, 1, count], "{phase:?}");
        call(client, "SELECT 0").await;
    }
}

#[tokio::test]
async fn copies_are_not_counted_on_our_nodes() {
    copies_are_not_counted(Members::Ours).await;
}

#[tokio::test]
async fn copies_are_not_counted_on_stock_servers() {
    copies_are_not_counted(Members::Stock).await;
}

/// Real moves, there and back, while both proxies are asked again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_keys_never_changes_during_moves() {
    const COUNT: i64 = 8000;
    let Some(etcd) = etcd() else { return };
    let proxies = [proxy("1", &etcd.url()), proxy("2", &etcd.url())];
    let members = [("1", node("1"), "http"), ("2", node("2"), "http")];
    let stock = [redis_server(), redis_server()];
    let [Some(third), Some(fourth)] = stock else { return };
    let stock = [("3", third, "redis"), ("4", fourth, "redis")];
    let console = async |words: Vec<String>| {
        let mut command = tokio::process::Command::from(console());
        let output = command.arg(etcd.url()).args(&words).stdin(Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let add = |(id, server, scheme): &(&str, Server, &str)| {
        vec!["add".to_owned(), (*id).to_owned(), format!("{scheme}://{}", server.address())]
    };
    let remove = |id: &str| vec!["remove".to_owned(), id.to_owned()];
    console(add(&members[0])).await;
    let mut writer = Connection::connect(&proxies[0].address(), TIMEOUT).await.unwrap();
    for number in 0..COUNT {
        writer.queue(&["SET", &format!("key:{number}"), "v"]);
    }
    writer.flush().await.unwrap();
    for _ in 0..COUNT {
        assert_eq!(writer.read().await.unwrap(), Value::Simple("OK".into()));
    }
    // Ours to ours, ours to stock, stock to stock, stock to ours.
    let plans = [
        add(&members[1]),
        remove("1"),
        add(&stock[0]),
        remove("2"),
        add(&stock[1]),
        remove("3"),
        add(&members[0]),
    ];
    let done = AtomicBool::new(false);
    let ask = async |address: String| {
        let mut connection = Connection::connect(&address, TIMEOUT).await.unwrap();
        let (mut asked, mut during_moves) = (0, 0);
        while !done.load(Ordering::Relaxed) {
            assert_eq!(call(&mut connection, "DBSIZE").await, Value::Integer(COUNT), "after {asked}");
            let info = call(&mut connection, "INFO keyspace cluster").await;
            let info = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
            assert!(info.contains(&format!("db0:keys={COUNT},expires=0")), "after {asked}: {info}");
            asked += 1;
            during_moves += usize::from(!info.contains("proxy_slot_moves:0"));
        }
        assert!(during_moves >= 10, "{during_moves} of {asked}");
        eprintln!("{address}: asked {asked} times, {during_moves} of them while slots moved");
    };
    let change = async {
        for plan in plans {
            console(plan).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(change, ask(proxies[0].address()), ask(proxies[1].address()));
}

/// Real moves, there and back, while everything is deleted and written again: nothing comes back from a copy, nothing new is lost, and
/// whoever lists keys sees each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_flushed_stays_away_and_what_came_later_stays_during_moves() {
    const KEYS_EACH: usize = 400;
    let Some(etcd) = etcd() else { return };
    let proxies = [proxy("1", &etcd.url()), proxy("2", &etcd.url())];
    let Some(stock) = redis_server() else { return };
    let members = [("1", node("1"), "http"), ("2", node("2"), "http"), ("3", stock, "redis")];
    let console = async |words: &[&str]| {
        let mut command = tokio::process::Command::from(console());
        let output = command.arg(etcd.url()).args(words).stdin(Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let addresses = members.each_ref().map(|(_, server, scheme)| format!("{scheme}://{}", server.address()));
    console(&["add", "1", &addresses[0]]).await;
    let done = AtomicBool::new(false);
    let mut one = Connection::connect(&proxies[0].address(), TIMEOUT).await.unwrap();
    let mut two = Connection::connect(&proxies[1].address(), TIMEOUT).await.unwrap();
    let write = async {
        let mut rounds = 0;
        loop {
            let is_last = done.load(Ordering::Relaxed);
            rounds += 1;
            let keys: BTreeSet<String> = (0..KEYS_EACH).map(|number| format!("{rounds}:{number}")).collect();
            for key in &keys {
                one.queue(&["SET", key, "v"]);
            }
            one.flush().await.unwrap();
            for _ in &keys {
                assert_eq!(one.read().await.unwrap(), Value::Simple("OK".into()));
            }
            assert_eq!(call(&mut two, "DBSIZE").await, Value::Integer(KEYS_EACH as i64), "round {rounds}");
            assert_eq!(names(&call(&mut two, "KEYS *").await), keys, "round {rounds}");
            let (mut seen, mut cursor) = (Vec::new(), "0".to_owned());
            loop {
                let Value::Array(parts) = call(&mut two, &format!("SCAN {cursor} COUNT 100")).await else {
                    panic!("SCAN gives two")
                };
                seen.extend(names(&parts[1]));
                cursor = String::from_utf8_lossy(parts[0].as_bytes().unwrap()).into_owned();
                if cursor == "0" {
                    break;
                }
            }
            assert_eq!(BTreeSet::from_iter(seen), keys, "round {rounds}");
            let random = call(&mut two, "RANDOMKEY").await;
            assert!(keys.contains(&*String::from_utf8_lossy(random.as_bytes().unwrap())), "{random:?}");
            assert_eq!(call(&mut two, "FLUSHALL").await, Value::Simple("OK".into()));
            assert_eq!(call(&mut one, "DBSIZE").await, Value::Integer(0), "round {rounds}");
            if is_last {
                return rounds;
            }
        }
    };
    let change = async {
        console(&["add", "2", &addresses[1]]).await;
        console(&["add", "3", &addresses[2]]).await;
        console(&["remove", "1"]).await;
        console(&["remove", "2"]).await;
        done.store(true, Ordering::Relaxed);
    };
    let (rounds, ()) = tokio::join!(write, change);
    assert!(rounds >= 5, "{rounds} rounds");
}

fn names(keys: &Value) -> BTreeSet<String> {
    let Value::Array(keys) = keys else { panic!("{keys:?} are no keys") };
    keys.iter().map(|key| String::from_utf8_lossy(key.as_bytes().unwrap()).into_owned()).collect()
}
