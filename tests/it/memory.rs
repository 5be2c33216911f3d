//! `maxmemory` of a node: keys go for what is written, and only those that may.

use std::time::Duration;

use cluster_fixture::{Server, node_with, redis_server};
use redis_cluster::{client::Connection, protocol::Value};

const TIMEOUT: Duration = Duration::from_secs(20);
/// Keys that are written, of some hundred bytes each.
const KEYS: usize = 50_000;
/// Bytes that there may be beyond what an empty node has.
const ROOM: u64 = 2 << 20;

async fn connect(server: &Server) -> Connection {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap()
}

async fn field(connection: &mut Connection, name: &str) -> u64 {
    let info = connection.call(&["INFO", "all"]).await.unwrap();
    let text = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
    let value =
        redis_cluster::protocol::info::field(&text, name).unwrap_or_else(|| panic!("{name} in {text}"));
    value.parse().unwrap()
}

/// A node with a limit, filled with keys of which every second one expires; what the last one of them was answered.
async fn filled(policy: &str) -> (Server, Connection, u64, Value) {
    let server = node_with("memory", &[]);
    let mut connection = connect(&server).await;
    // The tables of an empty database are not there yet.
    connection.call(&["SET", "first", "x"]).await.unwrap();
    let most = field(&mut connection, "used_memory").await + ROOM;
    let set = ["CONFIG", "SET", "maxmemory", &most.to_string(), "maxmemory-policy", policy];
    assert_eq!(connection.call(&set).await.unwrap(), Value::Simple("OK".into()));
    let value = "v".repeat(100);
    let mut last = Value::Null;
    for number in 0..KEYS {
        let key = format!("key:{number}");
        let mut request = vec!["SET", &key, &value];
        if number % 2 == 0 {
            request.extend(["EX", "10000"]);
        }
        last = connection.call(&request).await.unwrap();
        if last.as_error().is_some() {
            break;
        }
    }
    (server, connection, most, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_last_is_there_and_what_was_before_has_gone() {
    let (_server, mut connection, most, last) = filled("allkeys-lru").await;
    assert_eq!(last, Value::Simple("OK".into()));
    assert!(field(&mut connection, "evicted_keys").await > 1000);
    // On a busy machine a command does not get to the end of it, and housekeeping does the rest.
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    let mut used = field(&mut connection, "used_memory").await;
    while used > most + most / 50 {
        assert!(tokio::time::Instant::now() < deadline, "{used} of {most}");
        used = field(&mut connection, "used_memory").await;
    }
    assert!(used > most / 2, "{used} of {most}");
    let newest = format!("key:{}", KEYS - 1);
    assert_eq!(connection.call(&["EXISTS", &newest]).await.unwrap(), Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_go_stays_until_nothing_more_is_taken() {
    let (_server, mut connection, _, last) = filled("volatile-ttl").await;
    let error = last.as_error().map(std::borrow::Cow::into_owned);
    assert_eq!(error.as_deref(), Some("OOM command not allowed when used memory > 'maxmemory'."));
    let keys = connection.call(&["DBSIZE"]).await.unwrap();
    let Value::Integer(keys) = keys else { panic!("{keys:?}") };
    let evicted = i64::try_from(field(&mut connection, "evicted_keys").await).unwrap();
    assert!(keys > 1000 && evicted > 1000, "{keys} {evicted}");
    // All that is left does not expire, and can be read and deleted.
    assert_eq!(connection.call(&["EXISTS", "key:1"]).await.unwrap(), Value::Integer(1));
    assert_eq!(connection.call(&["EXISTS", "key:0"]).await.unwrap(), Value::Integer(0));
    assert_eq!(connection.call(&["DEL", "key:1"]).await.unwrap(), Value::Integer(1));
    // With another policy there is room again.
    connection.call(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).await.unwrap();
    assert_eq!(connection.call(&["SET", "more", "x"]).await.unwrap(), Value::Simple("OK".into()));
}

/// `maxmemory-clients`: who takes most is closed first, and not who asked to stay.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_take_most_are_closed() {
    let server = node_with("clients", &[]);
    let mut admin = connect(&server).await;
    let mut protected = connect(&server).await;
    assert_eq!(protected.call(&["CLIENT", "NO-EVICT", "on"]).await.unwrap(), Value::Simple("OK".into()));
    let large = "x".repeat(3 << 20);
    for client in [&mut admin, &mut protected] {
        assert_eq!(client.call(&["SET", "large", &large]).await.unwrap(), Value::Simple("OK".into()));
    }
    let limit = ["CONFIG", "SET", "maxmemory-clients", "8mb"];
    assert_eq!(admin.call(&limit).await.unwrap(), Value::Simple("OK".into()));
    // Commands that wait for EXEC: 6 MiB of the one that may stay, then more and more of another.
    protected.call(&["MULTI"]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(protected.call(&["SET", "a", &large]).await.unwrap(), Value::Simple("QUEUED".into()));
    }
    let (mut greedy, mut modest) = (connect(&server).await, connect(&server).await);
    greedy.call(&["MULTI"]).await.unwrap();
    modest.call(&["MULTI"]).await.unwrap();
    let some = "x".repeat(100 << 10);
    assert_eq!(modest.call(&["SET", "b", &some]).await.unwrap(), Value::Simple("QUEUED".into()));
    let mut queued = 0;
    while greedy.call(&["SET", "c", &some]).await.is_ok() {
        queued += 1;
        assert!(queued < 100, "{queued} times 100 KiB");
    }
    assert!(queued > 5, "{queued}");
    assert_eq!(field(&mut admin, "evicted_clients").await, 1);
    // The others go on.
    assert!(modest.call(&["EXEC"]).await.unwrap().as_error().is_none());
    assert!(protected.call(&["EXEC"]).await.unwrap().as_error().is_none());
}

/// What the node holds for a client counts: names of watched keys, of channels, and prefixes.
#[tokio::test(flavor = "multi_thread")]
async fn clients_for_which_much_is_held_are_closed() {
    let server = node_with("clients", &["--maxmemory-clients", "1mb"]);
    let mut admin = connect(&server).await;
    for (evicted, command) in
        [&["WATCH"][..], &["SUBSCRIBE"], &["PSUBSCRIBE"], &["CLIENT", "TRACKING", "on", "BCAST", "PREFIX"]]
            .into_iter()
            .enumerate()
    {
        let mut greedy = connect(&server).await;
        let mut names = 0;
        loop {
            let name = format!("{names:0100}");
            let request = [command, &[name.as_str()]].concat();
            match greedy.call(&request).await {
                Ok(reply) => assert!(reply.as_error().is_none(), "{command:?}: {reply:?}"),
                Err(_) => break,
            }
            names += 1;
            assert!(names < 10_000, "{command:?}");
        }
        assert!(names > 1000, "{command:?}: {names}");
        assert_eq!(field(&mut admin, "evicted_clients").await, evicted as u64 + 1, "{command:?}");
        // It leaves, and what was held is given up.
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        while field(&mut admin, "connected_clients").await > 1 {
            assert!(tokio::time::Instant::now() < deadline, "{command:?}");
        }
    }
    // Somebody who lets go is as small as before.
    let mut modest = connect(&server).await;
    for _ in 0..20 {
        for name in 0..500 {
            modest.call(&["WATCH", &format!("{name:0100}")]).await.unwrap();
        }
        assert_eq!(modest.call(&["UNWATCH"]).await.unwrap(), Value::Simple("OK".into()));
    }
}

/// INFO and MEMORY STATS have what those of redis-server have, and the memory in use is what the data needs.
#[tokio::test(flavor = "multi_thread")]
async fn figures_are_those_of_redis_and_true() {
    /// What is about how redis-server was built or works inside.
    const OF_REDIS: &[&str] = &[
        "atomicvar_api",
        "current_eviction_exceeded_time",
        "expire_cycle_cpu_milliseconds",
        "gcc_version",
        "reply_buffer_expands",
        "reply_buffer_shrinks",
        "total_eviction_exceeded_time",
        "used_cpu_sys_main_thread",
        "used_cpu_user_main_thread",
    ];
    let Some(redis) = redis_server() else { return };
    let server = node_with("figures", &[]);
    let (mut ours, mut theirs) = (connect(&server).await, connect(&redis).await);
    let before = field(&mut ours, "used_memory").await;
    for client in [&mut ours, &mut theirs] {
        for at in 0..20_000 {
            client.queue(&["SET", &format!("key:{at:08}"), &"v".repeat(at % 300)]);
            client.queue(&["HSET", &format!("hash:{}", at % 1000), &format!("field:{at}"), "value"]);
        }
        client.flush().await.unwrap();
        for _ in 0..40_000 {
            assert!(client.read().await.unwrap().as_error().is_none());
        }
    }
    let names = |info: &Value| -> Vec<String> {
        let text = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
        let lines = text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned()));
        lines
            .filter(|name| !name.starts_with("cmdstat_") && !name.starts_with("latency_percentiles_"))
            .collect()
    };
    let mine = names(&ours.call(&["INFO", "everything"]).await.unwrap());
    let wanted = names(&theirs.call(&["INFO", "everything"]).await.unwrap());
    let missing = wanted.iter().filter(|name| !mine.contains(name) && !OF_REDIS.contains(&name.as_str()));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);

    let keys = |stats: &Value| -> Vec<String> {
        let Value::Array(words) = stats else { panic!("{stats:?}") };
        words
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair[0].as_bytes().unwrap()).into_owned())
            .collect()
    };
    let stats = ours.call(&["MEMORY", "STATS"]).await.unwrap();
    assert_eq!(keys(&stats), keys(&theirs.call(&["MEMORY", "STATS"]).await.unwrap()));
    // What the keys are said to take is what the allocator gave out for them.
    let mut said = 0;
    for at in 0..20_000 {
        ours.queue(&["MEMORY", "USAGE", &format!("key:{at:08}")]);
    }
    for at in 0..1000 {
        ours.queue(&["MEMORY", "USAGE", &format!("hash:{at}")]);
    }
    ours.flush().await.unwrap();
    for _ in 0..21_000 {
        said += ours.read().await.unwrap().as_i64().unwrap();
    }
    let used = field(&mut ours, "used_memory").await - before;
    let (said, used) = (said as f64, used as f64);
    assert!((said / used - 1.0).abs() < 0.05, "{said} of {used}");
    assert!(used < field(&mut theirs, "used_memory").await as f64);
    assert_eq!(ours.call(&["MEMORY", "PURGE"]).await.unwrap(), Value::Simple("OK".into()));
}
