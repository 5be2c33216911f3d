//! `CLIENT PAUSE` through a proxy: what it promises to who asks for it, on all threads. What each client sees stands in the conversations of the
//! differential tests.

use super::*;

const KEYS: usize = 8;

async fn blocked(connection: &mut Connection) -> usize {
    let info = call(connection, "INFO clients").await;
    let info = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
    let field = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).expect("a figure");
    field.parse().unwrap()
}

async fn comes_to(connection: &mut Connection, expected: usize) {
    let deadline = Instant::now() + TIMEOUT;
    while blocked(connection).await != expected {
        assert!(Instant::now() < deadline, "{} are held, not {expected}", blocked(connection).await);
        tokio::task::yield_now().await;
    }
}

/// Who is told that clients are paused sees all that they had begun, and nothing after it.
#[tokio::test]
async fn nothing_runs_that_is_held() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut admin = cluster.connect().await;
    let key = key_of(1, 100);
    let mut slow = cluster.connect().await;
    slow.queue(&["EVAL", "for i=1,3e7 do end return redis.call('SET',KEYS[1],'done')", "1", &key]);
    slow.flush().await.unwrap();
    // It changes nothing, and has no end.
    let mut waiting = cluster.connect().await;
    waiting.queue(&["WAIT", "5", "0"]);
    waiting.flush().await.unwrap();
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let list = call(&mut admin, "CLIENT LIST").await;
        let list = String::from_utf8_lossy(list.as_bytes().unwrap()).into_owned();
        if ["cmd=eval ", "cmd=wait "].iter().all(|begun| list.contains(begun)) {
            break;
        }
        assert!(Instant::now() < deadline, "they do not begin: {list:?}");
    }
    assert_eq!(call(&mut admin, "CLIENT PAUSE 600000 WRITE").await, Value::Simple("OK".into()));
    // While it waits at nodes, they count it as blocked; nothing is waited for when it is gone.
    drop(waiting);
    let mut node = Connection::connect(&cluster.nodes[0].address(), TIMEOUT).await.unwrap();
    assert_eq!(call(&mut node, &format!("GET {key}")).await, Value::Bulk("done".into()));
    let mut clients = Vec::new();
    for number in 0..KEYS {
        let mut client = cluster.connect().await;
        client.queue(&["SET", &key_of(1, number), "v"]);
        client.flush().await.unwrap();
        clients.push(client);
    }
    comes_to(&mut admin, KEYS).await;
    assert_eq!(call(&mut node, "DBSIZE").await, Value::Integer(1));
    // Who goes away has done nothing.
    clients.truncate(KEYS / 2);
    comes_to(&mut admin, KEYS / 2).await;
    assert_eq!(call(&mut admin, "CLIENT UNPAUSE").await, Value::Simple("OK".into()));
    for client in &mut clients {
        assert_eq!(client.read().await.unwrap(), Value::Simple("OK".into()));
    }
    assert_eq!(call(&mut node, "DBSIZE").await, Value::Integer(1 + KEYS as i64 / 2));
    comes_to(&mut admin, 0).await;
}
