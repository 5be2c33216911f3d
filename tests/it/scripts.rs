//! Scripts that take long: others are told so, and can end them.

use std::time::Duration;

use cluster_fixture::{Server, node_with};
use redis_cluster::{client::Connection, protocol::Value};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn connect(server: &Server) -> Connection {
    Connection::connect(&server.address(), TIMEOUT).await.unwrap()
}

fn error(reply: &Value) -> String {
    reply.as_error().unwrap_or_else(|| panic!("{reply:?} is no error")).into_owned()
}

/// A connection that runs requests of which one has no end, and another of the same worker that was told that the node is busy.
async fn busy_with(
    server: &Server,
    requests: &'static [&'static [&'static str]],
) -> (tokio::task::JoinHandle<Vec<Value>>, Connection) {
    let (mut runs, mut other) = (connect(server).await, connect(server).await);
    runs.call(&["CONFIG", "SET", "busy-reply-threshold", "100"]).await.unwrap();
    let running = tokio::spawn(async move {
        requests.iter().for_each(|request| runs.queue(request));
        runs.flush().await.unwrap();
        let mut replies = Vec::new();
        while replies.len() < requests.len()
            && let Ok(reply) = runs.read().await
        {
            replies.push(reply);
        }
        replies
    });
    let told = async {
        loop {
            let reply = other.call(&["GET", "k"]).await.unwrap();
            if let Some(text) = reply.as_error() {
                assert_eq!(
                    text,
                    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
                );
                return;
            }
        }
    };
    tokio::time::timeout(TIMEOUT, told).await.unwrap();
    (running, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_without_an_end_is_killed_also_if_it_catches_that() {
    let server = node_with("scripts", &["--workers", "1"]);
    let requests: [&'static [&'static [&'static str]]; 4] = [
        &[&["EVAL", "while true do end", "0"], &["GET", "k"]],
        &[&["EVAL", "while true do pcall(function() while true do end end) end", "0"]],
        &[&["EVAL", "return coroutine.wrap(function() while true do end end)()", "0"]],
        &[&["MULTI"], &["SELECT", "3"], &["EVAL", "while true do end", "0"], &["EXEC"], &["CLIENT", "INFO"]],
    ];
    for requests in requests {
        let (running, mut other) = busy_with(&server, requests).await;
        // Who leaves meanwhile keeps nobody waiting either, whatever is to be forgotten with it.
        drop(connect(&server).await);
        let killed = other.call(&["SCRIPT", "KILL"]).await.unwrap();
        assert_eq!(killed, Value::Simple("OK".into()), "{requests:?}");
        let replies = tokio::time::timeout(TIMEOUT, running).await.unwrap().unwrap();
        assert_eq!(replies.len(), requests.len());
        let killed = |reply: &Value| error(reply).starts_with("ERR Script killed by user with SCRIPT KILL.");
        match &replies[..] {
            [reply] => assert!(killed(reply), "{requests:?}: {reply:?}"),
            [reply, after] => assert!(killed(reply) && *after == Value::Null, "{reply:?} {after:?}"),
            [.., Value::Array(executed), info] => {
                assert!(executed[0] == Value::Simple("OK".into()) && killed(&executed[1]), "{executed:?}");
                // What the transaction did to the connection stays.
                let info = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
                assert!(info.contains(" db=3 ") && info.contains(" multi=-1 "), "{info}");
            }
            other => panic!("{other:?}"),
        }
        let mut after = connect(&server).await;
        assert_eq!(after.call(&["EVAL", "return 1", "0"]).await.unwrap(), Value::Integer(1));
        assert!(error(&after.call(&["SCRIPT", "KILL"]).await.unwrap()).starts_with("NOTBUSY"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_has_written_ends_only_with_the_node() {
    let mut server = node_with("scripts", &["--workers", "1"]);
    let (running, mut other) =
        busy_with(&server, &[&["EVAL", "redis.call('set', 'k', 'v') while true do end", "0"]]).await;
    let refused = other.call(&["SCRIPT", "KILL"]).await.unwrap();
    assert!(error(&refused).starts_with("UNKILLABLE Sorry the script already executed write commands"));
    // The connection closes instead of an answer.
    assert!(other.call(&["SHUTDOWN", "NOSAVE"]).await.is_err());
    let status = tokio::task::block_in_place(|| server.wait(TIMEOUT));
    assert!(status.success(), "{status:?}");
    let _ = running.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_wants_all_memory_fails_alone() {
    let server = node_with("scripts", &[]);
    let mut client = connect(&server).await;
    let script = "local t = {} while true do t[#t + 1] = string.rep('x', 1048576) .. #t end";
    let reply = client.call(&["EVAL", script, "0"]).await.unwrap();
    assert!(error(&reply).contains("not enough memory"), "{reply:?}");
    client.call(&["SET", "k", "v"]).await.unwrap();
    assert_eq!(
        client.call(&["EVAL", "return redis.call('get', 'k')", "0"]).await.unwrap(),
        Value::Bulk("v".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_served_after_the_script() {
    let server = node_with("scripts", &["--workers", "1"]);
    let (mut waits, mut runs) = (connect(&server).await, connect(&server).await);
    waits.queue(&["BLPOP", "l", "0"]);
    waits.flush().await.unwrap();
    let blocked = async {
        let mut asks = connect(&server).await;
        loop {
            let info = asks.call(&["INFO", "clients"]).await.unwrap();
            if String::from_utf8_lossy(info.as_bytes().unwrap()).contains("blocked_clients:1") {
                return;
            }
        }
    };
    tokio::time::timeout(TIMEOUT, blocked).await.unwrap();
    let script = "redis.call('rpush', 'l', 'a') redis.call('rpush', 'l', 'b') return redis.call('llen', 'l')";
    assert_eq!(runs.call(&["EVAL", script, "0"]).await.unwrap(), Value::Integer(2));
    let served = waits.read().await.unwrap();
    assert_eq!(served, Value::Array(vec![Value::Bulk("l".into()), Value::Bulk("a".into())]));
}

/// Lua gives a host some thousand handles at a time; neither scripts nor what goes in and out of them may need one each.
#[tokio::test(flavor = "multi_thread")]
async fn there_may_be_many_scripts_words_and_elements() {
    const MANY: usize = 20_000;
    let server = node_with("scripts", &[]);
    let mut connection = connect(&server).await;
    for number in 0..MANY {
        let reply = connection.call(&["EVAL", &format!("return {number}"), "0"]).await.unwrap();
        assert_eq!(reply, Value::Integer(number as i64));
    }
    let first = redis_cluster::node::script::Digest::of(b"return 0");
    assert_eq!(connection.call(&["EVALSHA", first.as_str(), "0"]).await.unwrap(), Value::Integer(0));
    let returned = "local t = {} for i = 1, #ARGV do t[i] = {ARGV[i], 'x' .. i} end return t";
    let mut request = vec!["EVAL", returned, "0"];
    request.resize(3 + MANY, "a");
    let Value::Array(elements) = connection.call(&request).await.unwrap() else { panic!("no array") };
    assert_eq!(elements.len(), MANY);
    assert_eq!(elements[MANY - 1], Value::Array(vec![Value::Bulk("a".into()), Value::Bulk("x20000".into())]));
    // Nearly what Lua itself can pass at once, which is 7,999.
    let pushed =
        "local t = {} for i = 1, 7970 do t[i] = 'x' .. i end return redis.call('RPUSH', KEYS[1], unpack(t))";
    assert_eq!(connection.call(&["EVAL", pushed, "1", "list"]).await.unwrap(), Value::Integer(7970));
    let back = "return #redis.call('LRANGE', KEYS[1], 0, -1) + #cjson.decode(cjson.encode(redis.call('LRANGE', KEYS[1], 0, -1)))";
    assert_eq!(connection.call(&["EVAL", back, "1", "list"]).await.unwrap(), Value::Integer(2 * 7970));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_while_a_script_runs_may_end_it_and_nobody_else() {
    let server = node_with("scripts", &["--workers", "1", "--requirepass", "secret"]);
    let mut runs = connect(&server).await;
    for request in [
        &["AUTH", "secret"][..],
        &["CONFIG", "SET", "busy-reply-threshold", "100"],
        &["ACL", "SETUSER", "reader", "on", ">secret", "~*", "+get"],
    ] {
        assert_eq!(runs.call(request).await.unwrap(), Value::Simple("OK".into()));
    }
    let mut reader = connect(&server).await;
    reader.call(&["AUTH", "reader", "secret"]).await.unwrap();
    runs.queue(&["EVAL", "while true do end", "0"]);
    runs.flush().await.unwrap();
    let told = async { while reader.call(&["GET", "k"]).await.unwrap().as_error().is_none() {} };
    tokio::time::timeout(TIMEOUT, told).await.unwrap();
    let mut stranger = connect(&server).await;
    for request in [&["SCRIPT", "KILL"][..], &["SHUTDOWN", "NOSAVE"], &["FUNCTION", "STATS"], &["GET", "k"]] {
        assert!(error(&stranger.call(request).await.unwrap()).starts_with("NOAUTH"), "{request:?}");
    }
    assert!(error(&stranger.call(&["AUTH", "wrong"]).await.unwrap()).starts_with("WRONGPASS"));
    assert!(error(&reader.call(&["SCRIPT", "KILL"]).await.unwrap()).starts_with("NOPERM"));
    let hello = stranger.call(&["HELLO", "3", "AUTH", "default", "secret"]).await.unwrap();
    assert!(matches!(hello, Value::Map(_)), "{hello:?}");
    assert_eq!(stranger.call(&["SCRIPT", "KILL"]).await.unwrap(), Value::Simple("OK".into()));
    assert!(error(&runs.read().await.unwrap()).starts_with("ERR Script killed by user"));
}
