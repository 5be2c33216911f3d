//! Nodes that keep their data in a directory: files that redis-server reads and writes too, snapshots of one moment, what keeps them from
//! being written, starts and ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use cluster_fixture::{Server, binary, free_port, node, node_with, peer, redis_server_with, within};
use redis_cluster::{
    client::Connection,
    protocol::{Value, info, quote},
};
use tempfile::TempDir;

use crate::own_disk::{on_own_disk, remount};

const TIMEOUT: Duration = Duration::from_secs(20);

struct Client(Connection);

impl Client {
    async fn of(server: &Server) -> Self {
        Self(Connection::connect(&server.address(), TIMEOUT).await.unwrap())
    }

    async fn ask(&mut self, request: &str) -> Value {
        self.0.call(&quote::split(request.as_bytes()).unwrap()).await.unwrap()
    }

    async fn text(&mut self, request: &str) -> String {
        match self.ask(request).await {
            Value::Error(error) => String::from_utf8_lossy(&error).into_owned(),
            Value::Integer(number) => number.to_string(),
            other => String::from_utf8_lossy(other.as_bytes().unwrap_or_default()).into_owned(),
        }
    }

    async fn figure(&mut self, name: &str) -> String {
        let text = self.text("INFO everything").await;
        info::field(&text, name).unwrap_or_default().to_owned()
    }

    /// Waits until a line of INFO is that.
    async fn until(&mut self, name: &str, value: &str) {
        for _ in 0..2000 {
            if self.figure(name).await == value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{name} is {} and not {value}", self.figure(name).await);
    }
}

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("redis-cluster-data-").tempdir().unwrap()
}

fn node_in(directory: &Path, options: &[&str]) -> Server {
    let path = directory.to_str().unwrap();
    node_with("durable", &[&["--dir", path, "--enable-debug-command", "yes"], options].concat())
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("dump.rdb")
}

fn check(file: &Path) -> Output {
    Command::new(binary("redis_node")).arg("--check").arg(file).output().unwrap()
}

/// A value of every type in every form that it has.
async fn fill(client: &mut Client) {
    let long = "x".repeat(100);
    let large = "a large string, ".repeat(6000);
    let mut requests: Vec<String> = [
        "SET int 5".to_owned(),
        "SET negative -70000".to_owned(),
        "SET huge 9223372036854775807".to_owned(),
        "SET text hello".to_owned(),
        "SET binary \"\\x00\\xff\\r\\n\"".to_owned(),
        format!("SET raw {long}"),
        format!("SET large \"{large}\""),
        "SETBIT bits 100000 1".to_owned(),
        "PFADD hll a b c d".to_owned(),
        "RPUSH list a 1 -1 300 70000 5000000000 \"\"".to_owned(),
        format!("RPUSH list:long {long} {large:?}"),
        "HSET hash a 1 b 2".to_owned(),
        format!("HSET hash:long f {long}"),
        "SADD set:int 1 2 3 70000 5000000000".to_owned(),
        "SADD set a b 1".to_owned(),
        "ZADD zset 1 a 2.5 b -inf c inf d".to_owned(),
        "GEOADD places 13.361389 38.115556 Palermo".to_owned(),
        "XADD stream 5-1 a 1 b 2".to_owned(),
        "XADD stream 6-1 a 1 b 2".to_owned(),
        "XADD stream 7-1 other fields".to_owned(),
        "XDEL stream 6-1".to_owned(),
        "XGROUP CREATE stream group 0".to_owned(),
        "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >".to_owned(),
        "XGROUP CREATE empty $ 0 MKSTREAM".replace("empty $", "empty group"),
        "PEXPIREAT text 33333333333333".to_owned(),
        "PEXPIREAT hash 33333333333334".to_owned(),
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"".to_owned(),
    ]
    .into();
    for number in 0..700 {
        requests.push(format!("RPUSH list:large element:{number}"));
        requests.push(format!("HSET hash:large field:{number} {number}"));
        requests.push(format!("SADD set:large member:{number}"));
        requests.push(format!("SADD set:ints {number}"));
        requests.push(format!("ZADD zset:large {number}.5 member:{number}"));
        requests.push(format!("XADD stream:large {number}-1 n {number}"));
    }
    // So many that they are written in pieces.
    let many = "for i = 1, 3000 do redis.call('HSET', KEYS[1], 'field:' .. i, i) redis.call('SADD', KEYS[2], 'm' .. i) \
                redis.call('ZADD', KEYS[3], i % 7, 'm' .. i) end";
    requests.push(format!("EVAL \"{many}\" 3 hash:many set:many zset:many"));
    requests.push("SELECT 9".to_owned());
    requests.push("SET other database".to_owned());
    requests.push("SELECT 0".to_owned());
    for request in requests {
        let reply = client.ask(&request).await;
        assert!(!matches!(reply, Value::Error(_)), "{}: {reply:?}", &request[..request.len().min(80)]);
    }
}

#[tokio::test]
async fn redis_server_and_a_node_start_from_each_others_files() {
    let options = ["--save", "", "--enable-debug-command", "yes"];
    let Some(redis) = redis_server_with(&options) else { return };
    let mut theirs = Client::of(&redis).await;
    fill(&mut theirs).await;
    let expected = theirs.text("DEBUG DIGEST").await;
    assert_eq!(theirs.text("SAVE").await, "OK");
    let their_file = redis.directory().unwrap().join("dump.rdb");

    let data = directory();
    fs::copy(&their_file, file(&data)).unwrap();
    let server = node_in(data.path(), &[]);
    let mut ours = Client::of(&server).await;
    ours.until("loading", "0").await;
    assert_eq!(ours.text("DEBUG DIGEST").await, expected);
    assert_eq!(ours.text("FCALL f 0").await, "1");
    assert_eq!(ours.text("PEXPIRETIME hash").await, "33333333333334");
    assert_eq!(
        ours.figure("rdb_last_load_keys_loaded").await,
        theirs
            .figure("db0")
            .await
            .split(['=', ','])
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .map(|keys| keys + 1)
            .unwrap()
            .to_string()
    );

    // Ours is loaded by redis-server, whichever way it was written, and is as large as its own.
    for (save, compression) in [("SAVE", "yes"), ("BGSAVE", "yes"), ("DEBUG RELOAD", "no")] {
        ours.ask(&format!("CONFIG SET rdbcompression {compression}")).await;
        let reply = ours.text(save).await;
        assert!(reply == "OK" || reply == "Background saving started", "{reply}");
        ours.until("rdb_bgsave_in_progress", "0").await;
        assert_eq!(ours.text("DEBUG DIGEST").await, expected, "{save}");
        let (our_size, their_size) =
            (fs::metadata(file(&data)).unwrap().len(), fs::metadata(&their_file).unwrap().len());
        if compression == "yes" {
            assert!(our_size.abs_diff(their_size) * 50 <= their_size, "{our_size} and {their_size} bytes");
        }
        fs::copy(file(&data), &their_file).unwrap();
        assert_eq!(theirs.text("DEBUG RELOAD NOSAVE").await, "OK", "{save}: {}", redis.log());
        assert_eq!(theirs.text("DEBUG DIGEST").await, expected, "{save}");
        assert_eq!(theirs.text("FCALL f 0").await, "1");
        if let Some(program) = peer("redis-check-rdb", "redis-server") {
            let checked = Command::new(program).arg(file(&data)).output().unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
        }
    }
    let summary = check(&file(&data));
    assert!(summary.status.success());
    let text = String::from_utf8(summary.stdout).unwrap();
    assert!(text.contains("RDB version 10") && text.contains("database 9: 1 keys (1 string)"), "{text}");
    assert!(text.contains("libraries of functions: 1") && text.contains("is whole"), "{text}");

    // A kill leaves what was saved last, and nothing half written.
    let mut server = server;
    assert_eq!(ours.text("DEBUG POPULATE 50000 key 200").await, "OK");
    assert_eq!(ours.text("BGSAVE").await, "Background saving started");
    server.restart();
    let mut ours = Client::of(&server).await;
    ours.until("loading", "0").await;
    assert_eq!(ours.text("DEBUG DIGEST").await, expected);
    let left: Vec<_> = fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["dump.rdb"]);
}

#[tokio::test]
async fn a_snapshot_is_of_one_moment_while_clients_write() {
    const PAIRS: u32 = 20_000;
    let data = directory();
    let server = node_in(data.path(), &["--save", ""]);
    let mut client = Client::of(&server).await;
    // Of each pair of keys both are changed at once, by all writers in turn.
    for first in (0..PAIRS).step_by(1000) {
        let words: Vec<String> = (first..first + 1000).map(|n| format!("a:{n} 0 b:{n} 0")).collect();
        assert_eq!(client.text(&format!("MSET {}", words.join(" "))).await, "OK");
    }
    let writers = 3;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (stop, address) = (stop.clone(), server.address());
            tokio::spawn(async move {
                let mut client = Client(Connection::connect(&address, TIMEOUT).await.unwrap());
                let mut random = fastrand::Rng::with_seed(writer);
                let mut done = 0_u64;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let pair = random.u32(..PAIRS);
                    done += 1;
                    client
                        .ask(&format!(
                            "MSET a:{pair} {done}:{writer} b:{pair} {done}:{writer} c:{pair} {done}:{writer}"
                        ))
                        .await;
                    client.ask(&format!("DEL c:{}", random.u32(..PAIRS))).await;
                    client.ask(&format!("INCRBY sum:{} 1", done % 50)).await;
                }
                done
            })
        })
        .collect();
    let mut changed = 0;
    for _ in 0..3 {
        assert_eq!(client.text("BGSAVE").await, "Background saving started");
        client.until("rdb_bgsave_in_progress", "0").await;
        assert_eq!(client.figure("rdb_last_bgsave_status").await, "ok");
        let copy = directory();
        fs::copy(file(&data), file(&copy)).unwrap();
        let other = node_in(copy.path(), &[]);
        let mut other = Client::of(&other).await;
        other.until("loading", "0").await;
        for first in (0..PAIRS).step_by(1000) {
            let words: Vec<String> = (first..first + 1000).map(|n| format!("a:{n} b:{n}")).collect();
            let Value::Array(values) = other.ask(&format!("MGET {}", words.join(" "))).await else {
                panic!("no array")
            };
            for pair in values.chunks(2) {
                assert_eq!(pair[0], pair[1]);
                changed += u32::from(pair[0].as_bytes() != Some(b"0"));
            }
        }
    }
    assert!(changed > 0, "nobody wrote");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for task in tasks {
        assert!(task.await.unwrap() > 100);
    }
}

#[tokio::test]
async fn while_files_cannot_be_written_nothing_else_can() {
    let data = directory();
    let server = node_in(data.path(), &["--save", "3600 1"]);
    let mut client = Client::of(&server).await;
    assert_eq!(client.text("SET k 1").await, "OK");
    // A directory is in the place of the file, and cannot be replaced by one.
    fs::create_dir(file(&data)).unwrap();
    fs::write(file(&data).join("x"), b"").unwrap();
    let refused = client.text("SAVE").await;
    assert!(refused.starts_with("ERR cannot write") && refused.contains("dump.rdb"), "{refused}");
    assert_eq!(client.text("BGSAVE").await, "Background saving started");
    client.until("rdb_last_bgsave_status", "err").await;
    for request in [
        "SET k 2",
        "PING",
        "EVAL \"#!lua\\nreturn redis.call('incr', 'k')\" 1 k",
        "EVAL \"return redis.call('incr', 'k')\" 1 k",
    ] {
        let refused = client.text(request).await;
        assert!(
            refused.contains("MISCONF Redis is configured to save RDB snapshots"),
            "{request}: {refused}"
        );
    }
    assert_eq!(client.text("GET k").await, "1");
    assert_eq!(client.text("CONFIG SET stop-writes-on-bgsave-error no").await, "OK");
    assert_eq!(client.text("SET k 3").await, "OK");
    assert_eq!(client.text("CONFIG SET stop-writes-on-bgsave-error yes").await, "OK");
    assert!(client.text("SET k 4").await.starts_with("MISCONF"));
    // Nor does it end, but when nobody wants the data.
    assert_eq!(client.text("SHUTDOWN").await, "ERR Errors trying to SHUTDOWN. Check logs.");
    server.signal("TERM");
    assert!(within(TIMEOUT, || server.log().contains("the data cannot be saved, so this node goes on")));
    // Once the file can be written all is as before.
    fs::remove_dir_all(file(&data)).unwrap();
    assert_eq!(client.text("BGSAVE").await, "Background saving started");
    client.until("rdb_last_bgsave_status", "ok").await;
    assert_eq!(client.text("SET k 5").await, "OK");
    assert_eq!(client.text("PING").await, "PONG");
    let left: Vec<_> = fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["dump.rdb"]);
}

#[tokio::test]
async fn the_end_of_a_node_saves_what_is_to_be_saved() {
    let data = directory();
    let mut server = node_in(data.path(), &["--save", "3600 1"]);
    let mut value = 0;
    for (end, saved) in [
        ("SHUTDOWN", true),
        ("TERM", true),
        ("SHUTDOWN NOSAVE", false),
        ("SHUTDOWN SAVE", true),
        ("INT", true),
    ] {
        let mut client = Client::of(&server).await;
        client.until("loading", "0").await;
        let before = client.text("GET k").await;
        value += 1;
        assert_eq!(client.text(&format!("SET k {value}")).await, "OK");
        if end.starts_with("SHUTDOWN") {
            // Nobody answers.
            assert!(client.0.call(&quote::split(end.as_bytes()).unwrap()).await.is_err());
        } else {
            server.signal(end);
        }
        assert!(server.wait(TIMEOUT).success(), "{end}");
        server.restart();
        let mut client = Client::of(&server).await;
        client.until("loading", "0").await;
        let expected = if saved { value.to_string() } else { before };
        assert_eq!(client.text("GET k").await, expected, "{end}");
    }
}

#[tokio::test]
async fn save_points_save() {
    let data = directory();
    let server = node_in(data.path(), &[]);
    let mut client = Client::of(&server).await;
    let Value::Array(save) = client.ask("CONFIG GET save").await else { panic!("no array") };
    assert_eq!(save[1].as_bytes(), Some(&b"3600 1 300 100 60 10000"[..]));
    assert_eq!(client.text("CONFIG SET save \"1 2\"").await, "OK");
    assert_eq!(client.text("SET a 1").await, "OK");
    assert_eq!(client.figure("rdb_changes_since_last_save").await, "1");
    assert_eq!(client.text("SET b 1").await, "OK");
    client.until("rdb_saves", "1").await;
    assert_eq!(client.figure("rdb_changes_since_last_save").await, "0");
    assert!(file(&data).exists());
    assert!(client.text("LASTSAVE").await.parse::<u64>().is_ok_and(|at| at > 1_700_000_000));
}

#[tokio::test]
async fn on_a_disk_that_became_read_only_reading_goes_on_and_writing_when_it_is_mended() {
    let Some((server, disk)) = on_own_disk(1024, &["--save", "3600 1"]) else { return };
    let mut client = Client::of(&server).await;
    assert_eq!(client.text("SET k 1").await, "OK");
    let remounted = remount(&server, "ro");
    assert!(remounted.status.success(), "{remounted:?}");
    let refused = client.text("SAVE").await;
    assert!(refused.contains("Read-only file system"), "{refused}");
    assert_eq!(client.text("BGSAVE").await, "Background saving started");
    client.until("rdb_last_bgsave_status", "err").await;
    assert!(client.text("SET k 2").await.starts_with("MISCONF"));
    assert_eq!(client.text("GET k").await, "1");
    // No log can begin there either, and nothing is taken for one.
    let refused = client.text("CONFIG SET appendonly yes").await;
    assert!(refused.starts_with("ERR CONFIG SET failed"), "{refused}");
    assert_eq!(client.figure("aof_enabled").await, "0");
    assert!(remount(&server, "rw").status.success());
    assert_eq!(client.text("BGSAVE").await, "Background saving started");
    client.until("rdb_last_bgsave_status", "ok").await;
    assert_eq!(client.text("SET k 2").await, "OK");
    assert_eq!(client.text("CONFIG SET appendonly yes").await, "OK");
    client.until("aof_rewrites", "1").await;
    let left: Vec<_> = fs::read_dir(&disk).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the file and the log: {left:?}");
}

#[tokio::test]
async fn a_base_of_commands_says_the_same_to_both() {
    let data = directory();
    let options = ["--appendonly", "yes", "--save", "", "--aof-use-rdb-preamble", "no"];
    let mut server = node_in(data.path(), &options);
    let mut ours = Client::of(&server).await;
    fill(&mut ours).await;
    let expected = ours.text("DEBUG DIGEST").await;
    assert!(ours.text("BGREWRITEAOF").await.starts_with("Background"));
    ours.until("aof_rewrites", "1").await;
    assert_eq!(ours.text("SET last 1").await, "OK");
    assert_eq!(ours.text("DEL last").await, "1");
    let log = data.path().join("appendonlydir");
    let base = log.join("appendonly.aof.2.base.aof");
    assert!(fs::read(&base).unwrap().starts_with(b"*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n"));
    let names = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), 3, "the base, what follows it, and the manifest");
    let checked = check(&log.join("appendonly.aof.manifest"));
    assert!(checked.status.success(), "{checked:?}");

    server.restart();
    let mut ours = Client::of(&server).await;
    ours.until("loading", "0").await;
    assert_eq!(ours.figure("aof_load_refused").await, "0");
    assert_eq!(ours.text("DEBUG DIGEST").await, expected);
    assert_eq!(ours.text("FCALL f 0").await, "1");
    server.kill();

    let options = ["--appendonly", "yes", "--save", "", "--enable-debug-command", "yes"];
    let Some(mut redis) = redis_server_with(&options) else { return };
    Client::of(&redis).await.until("loading", "0").await;
    redis.kill();
    let theirs = redis.directory().unwrap().join("appendonlydir");
    fs::remove_dir_all(&theirs).unwrap();
    fs::create_dir(&theirs).unwrap();
    for entry in fs::read_dir(&log).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), theirs.join(entry.file_name())).unwrap();
    }
    redis.restart();
    let mut theirs = Client::of(&redis).await;
    theirs.until("loading", "0").await;
    assert_eq!(theirs.text("DEBUG DIGEST").await, expected);
    assert_eq!(theirs.text("FCALL f 0").await, "1");
}

#[tokio::test]
async fn clients_are_told_to_wait_while_the_data_is_read() {
    let data = directory();
    let mut server = node_in(data.path(), &["--key-load-delay", "1000"]);
    let mut client = Client::of(&server).await;
    assert_eq!(client.text("DEBUG POPULATE 2000 key 300").await, "OK");
    assert_eq!(client.text("SAVE").await, "OK");
    server.restart();
    let mut client = Client::of(&server).await;
    for request in ["GET key:1", "SET a b", "SAVE", "EVAL \"return 1\" 0", "DBSIZE"] {
        assert_eq!(client.text(request).await, "LOADING Redis is loading the dataset in memory", "{request}");
    }
    assert_eq!(client.figure("loading").await, "1");
    client.until("loading_loaded_bytes", "0").await;
    let ready = http_status(&server, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    client.until("loading", "0").await;
    assert_eq!(client.text("DBSIZE").await, "2000");
    assert_eq!(client.figure("rdb_last_load_keys_loaded").await, "2000");
    assert!(http_status(&server, "/readyz").starts_with("HTTP/1.1 200"));
}

fn http_status(server: &Server, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn what_cannot_be_kept_is_said() {
    let data = directory();
    let server = node_in(data.path(), &[]);
    let start = |options: &[&str]| {
        let address = format!("127.0.0.1:{}", free_port());
        let output =
            Command::new(binary("redis_node")).args(["second", &address]).args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
    };
    let path = data.path().to_str().unwrap();
    let said = start(&["--dir", path]);
    assert!(said.contains("is in use by another process"), "{said}");
    drop(server);
    assert!(start(&["--save", "60 1"]).contains("started without --dir"));
    assert!(start(&["--dir", path, "--dbfilename", "a/b"]).contains("dbfilename can't be a path"));

    // A file that is cut is not taken for less than it was.
    let server = node_in(data.path(), &[]);
    let mut client = Client::of(&server).await;
    fill(&mut client).await;
    assert_eq!(client.text("SAVE").await, "OK");
    drop(server);
    let whole = fs::read(file(&data)).unwrap();
    for cut in [0, 5, 9, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(file(&data), &whole[..cut]).unwrap();
        let checked = check(&file(&data));
        let text = String::from_utf8(checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(1), "{text}");
        assert!(text.contains("BROKEN at byte"), "{text}");
    }
    let said = start(&["--dir", path]);
    assert!(said.contains("the data cannot be loaded") && said.contains("it ends in the middle"), "{said}");

    // Without a directory nothing is written.
    let server = node("memory");
    let mut client = Client::of(&server).await;
    for request in ["SAVE", "BGSAVE", "SHUTDOWN SAVE"] {
        assert_eq!(client.text(request).await, "ERR this node was started without --dir: it writes no files");
    }
    let refused = client.text("CONFIG SET save \"60 1\"").await;
    assert!(
        refused.ends_with("this server was started without --dir and writes no files: only '' is possible"),
        "{refused}"
    );
}
