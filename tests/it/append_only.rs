//! The append-only file of a node that is killed, told to write a new base, or finds its files damaged.

use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use cluster_fixture::{Server, binary, free_port, node_with, within};

use crate::own_disk::on_own_disk;

const PATIENCE: Duration = Duration::from_secs(10);

fn start(directory: &Path, options: &[&str]) -> Server {
    let directory = directory.to_str().unwrap();
    node_with("aof", &[&["--dir", directory, "--appendonly", "yes"], options].concat())
}

fn url(server: &Server) -> String {
    format!("redis://{}", server.address())
}

/// Of a node that has its data.
fn connect(server: &Server) -> redis::Connection {
    let mut connection = redis::Client::open(url(server)).unwrap().get_connection().unwrap();
    becomes(&mut connection, "loading", "0");
    connection
}

fn ask<T: redis::FromRedisValue>(connection: &mut redis::Connection, line: &str) -> T {
    let mut words = line.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    command.query(connection).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn info(connection: &mut redis::Connection, field: &str) -> String {
    let text: String = ask(connection, "INFO persistence");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {field} in {text}"))
}

fn becomes(connection: &mut redis::Connection, field: &str, value: &str) {
    assert!(within(PATIENCE, || info(connection, field) == value), "{field}:{value}");
}

/// A client that adds to two counters at once, until its node is gone. How often it was told that it had.
fn count(url: String, name: usize, acknowledged: &AtomicU64) {
    let Ok(mut connection) = redis::Client::open(url).and_then(|client| client.get_connection()) else {
        return;
    };
    loop {
        let pair = redis::pipe()
            .atomic()
            .cmd("INCR")
            .arg(format!("a{name}"))
            .cmd("INCR")
            .arg(format!("b{name}"))
            .to_owned();
        match pair.query::<(u64, u64)>(&mut connection) {
            Ok((a, _)) => acknowledged.store(a, SeqCst),
            Err(_) => return,
        }
    }
}

/// `AOF_KILLS=500` for a long run.
#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    const CLIENTS: usize = 3;
    let kills = std::env::var("AOF_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let directory = tempfile::tempdir().unwrap();
    let mut node = start(directory.path(), &["--appendfsync", "always"]);
    let acknowledged: Vec<_> = (0..CLIENTS).map(|_| Arc::new(AtomicU64::new(0))).collect();
    for round in 0..kills {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|name| {
                let (url, acknowledged) = (url(&node), Arc::clone(&acknowledged[name]));
                thread::spawn(move || count(url, name, &acknowledged))
            })
            .collect();
        let before: u64 = acknowledged.iter().map(|count| count.load(SeqCst)).sum();
        // A new base now and then, and some changes under way, before it is killed.
        if round % 3 == 1 {
            let _: String = ask(&mut connect(&node), "BGREWRITEAOF");
        }
        let wanted = fastrand::u64(1..40);
        let came = within(PATIENCE, || {
            acknowledged.iter().map(|count| count.load(SeqCst)).sum::<u64>() >= before + wanted
        });
        assert!(came, "clients are served");
        node.restart();
        clients.into_iter().for_each(|client| client.join().unwrap());
        let mut connection = connect(&node);
        for (name, acknowledged) in acknowledged.iter().enumerate() {
            let (a, b): (Option<u64>, Option<u64>) = ask(&mut connection, &format!("MGET a{name} b{name}"));
            let (a, told) = (a.unwrap_or(0), acknowledged.load(SeqCst));
            assert_eq!(a, b.unwrap_or(0), "round {round}: half of a transaction");
            assert!(a == told || a == told + 1, "round {round}: {told} acknowledged, {a} there");
            acknowledged.store(a, SeqCst);
        }
    }
}

#[test]
fn a_new_base_takes_the_place_of_what_led_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = start(directory.path(), &["--auto-aof-rewrite-percentage", "0"]);
    let mut connection = connect(&node);
    for round in 0..50 {
        let _: () = ask(&mut connection, &format!("SET key {round}"));
    }
    let _: () = ask(
        &mut connection,
        "FUNCTION LOAD #!lua\u{a0}name=l\nredis.register_function('f',function()return(7)end)"
            .replace('\u{a0}', "\t")
            .as_str(),
    );
    let said = redis::pipe().atomic().cmd("BGREWRITEAOF").query::<Vec<String>>(&mut connection).unwrap();
    assert_eq!(said, ["Background append only file rewriting scheduled"]);
    let _: () = ask(&mut connection, "APPEND key !");
    assert!(within(PATIENCE, || info(&mut connection, "aof_rewrites") == "1"));
    let mut names: Vec<String> = fs::read_dir(directory.path().join("appendonlydir"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"]);
    node.restart();
    let mut connection = connect(&node);
    assert_eq!(ask::<String>(&mut connection, "GET key"), "49!");
    assert_eq!(ask::<u64>(&mut connection, "FCALL f 0"), 7);
    assert_eq!(info(&mut connection, "aof_enabled"), "1");
    // Off, and on again: what was changed meanwhile is kept.
    let _: () = ask(&mut connection, "CONFIG SET appendonly no");
    let _: () = ask(&mut connection, "SET key other");
    let _: () = ask(&mut connection, "CONFIG SET appendonly yes");
    let _: () = ask(&mut connection, "APPEND key .");
    assert_eq!(info(&mut connection, "aof_enabled"), "1");
    becomes(&mut connection, "aof_rewrites", "1");
    node.restart();
    assert_eq!(ask::<String>(&mut connect(&node), "GET key"), "other.");
}

/// Requests that a node runs without a pause between them: nothing else happens meanwhile.
fn at_once(connection: &mut redis::Connection, lines: &[&str]) -> Vec<Result<String, String>> {
    let mut pipeline = redis::pipe();
    for line in lines {
        let mut words = line.split(' ');
        pipeline.cmd(words.next().unwrap());
        words.for_each(|word| {
            pipeline.arg(word);
        });
    }
    let packed = pipeline.get_packed_pipeline();
    let replies = redis::ConnectionLike::req_packed_commands(connection, &packed, 0, lines.len()).unwrap();
    let text = |reply| match reply {
        redis::Value::ServerError(error) => Err(error.details().unwrap_or_default().to_owned()),
        reply => Ok(redis::from_redis_value::<String>(reply).unwrap()),
    };
    replies.into_iter().map(text).collect()
}

#[test]
fn a_new_base_is_written_while_clients_are_served_and_no_other_snapshot_is() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--auto-aof-rewrite-percentage", "0", "--save", "", "--enable-debug-command", "yes"];
    let mut node = start(directory.path(), &options);
    let mut connection = connect(&node);
    let _: String = ask(&mut connection, "DEBUG POPULATE 100000");
    let said = at_once(
        &mut connection,
        &["BGREWRITEAOF", "SET key:7 later", "BGSAVE", "BGSAVE SCHEDULE", "BGREWRITEAOF", "INFO persistence"],
    );
    assert_eq!(said[0].as_deref(), Ok("Background append only file rewriting started"));
    assert!(said[2].as_ref().is_err_and(|error| error.contains("can't BGSAVE right now")), "{said:?}");
    assert_eq!(said[3].as_deref(), Ok("Background saving scheduled"));
    assert!(said[4].as_ref().is_err_and(|error| error.contains("already in progress")), "{said:?}");
    let info_then = said[5].as_ref().unwrap();
    let says = |line: &str| assert!(info_then.lines().any(|other| other == line), "{line}: {info_then}");
    says("aof_rewrite_in_progress:1");
    says("rdb_bgsave_in_progress:0");
    says("current_save_keys_total:100000");
    becomes(&mut connection, "aof_rewrites", "1");
    becomes(&mut connection, "rdb_saves", "1");
    becomes(&mut connection, "rdb_bgsave_in_progress", "0");
    // What is wanted at once goes before, and the base is begun again. The other way round it waits.
    let said = at_once(&mut connection, &["BGREWRITEAOF", "SAVE", "SET key:8 later"]);
    assert_eq!(said[1].as_deref(), Ok("OK"), "{said:?}");
    becomes(&mut connection, "aof_rewrites", "2");
    becomes(&mut connection, "aof_last_bgrewrite_status", "ok");
    let said = at_once(&mut connection, &["BGSAVE", "BGREWRITEAOF"]);
    assert_eq!(said[1].as_deref(), Ok("Background append only file rewriting scheduled"), "{said:?}");
    becomes(&mut connection, "aof_rewrites", "3");
    becomes(&mut connection, "rdb_saves", "3");
    node.restart();
    let mut connection = connect(&node);
    assert_eq!(ask::<usize>(&mut connection, "DBSIZE"), 100_000);
    let (seven, eight): (String, String) = ask(&mut connection, "MGET key:7 key:8");
    assert_eq!((seven.as_str(), eight.as_str()), ("later", "later"));
}

#[test]
fn a_log_begins_while_clients_are_served_and_waits_for_a_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = start(directory.path(), &["--save", "", "--enable-debug-command", "yes"]);
    let mut connection = connect(&node);
    let _: String = ask(&mut connection, "DEBUG POPULATE 50000");
    let lines = [
        "CONFIG SET appendonly no",
        "BGSAVE",
        "CONFIG SET appendonly yes",
        "SET key:7 x",
        "INFO persistence",
    ];
    let said = at_once(&mut connection, &lines);
    assert!(said.iter().all(Result::is_ok), "{said:?}");
    let says = |said: &Result<String, String>, line: &str| {
        let info = said.as_ref().unwrap();
        assert!(info.lines().any(|other| other == line), "{line}: {info}");
    };
    says(&said[4], "aof_enabled:1");
    says(&said[4], "aof_rewrite_scheduled:1");
    becomes(&mut connection, "rdb_saves", "1");
    assert_eq!(info(&mut connection, "rdb_last_bgsave_status"), "ok");
    becomes(&mut connection, "aof_rewrites", "1");
    // Nothing runs: its base is begun at once, and what comes meanwhile is behind it. `SAVE` goes before.
    let lines = [
        "CONFIG SET appendonly no",
        "CONFIG SET appendonly yes",
        "SET key:7 y",
        "INFO persistence",
        "SAVE",
        "SET key:7 later",
    ];
    let said = at_once(&mut connection, &lines);
    assert!(said.iter().all(Result::is_ok), "{said:?}");
    says(&said[3], "aof_rewrite_in_progress:1");
    becomes(&mut connection, "aof_rewrites", "2");
    // Turned off before its base is whole, it leaves nothing, and can begin again.
    let lines = ["CONFIG SET appendonly no", "CONFIG SET appendonly yes", "CONFIG SET appendonly no"];
    assert!(at_once(&mut connection, &lines).iter().all(Result::is_ok));
    becomes(&mut connection, "aof_rewrite_in_progress", "0");
    assert_eq!(info(&mut connection, "aof_enabled"), "0");
    let _: String = ask(&mut connection, "CONFIG SET appendonly yes");
    becomes(&mut connection, "aof_rewrites", "3");
    node.restart();
    let mut connection = connect(&node);
    assert_eq!(ask::<usize>(&mut connection, "DBSIZE"), 50_000);
    assert_eq!(ask::<String>(&mut connection, "GET key:7"), "later");
    assert_eq!(parts(directory.path()).len(), 3, "{:?}", parts(directory.path()));
}

/// The files of a log.
fn parts(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory.join("appendonlydir"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_log_that_cannot_begin_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    let node = node_with("aof", &["--dir", directory.path().to_str().unwrap(), "--save", ""]);
    let mut connection = connect(&node);
    let _: () = ask(&mut connection, "SET a 1");
    // A file is in the place of its directory.
    fs::write(directory.path().join("appendonlydir"), "").unwrap();
    let refused = &at_once(&mut connection, &["CONFIG SET appendonly yes"])[0];
    assert!(refused.as_ref().is_err_and(|error| error.contains("appendonlydir")), "{refused:?}");
    assert_eq!(ask::<(String, String)>(&mut connection, "CONFIG GET appendonly").1, "no");
    assert_eq!(info(&mut connection, "aof_enabled"), "0");
    fs::remove_file(directory.path().join("appendonlydir")).unwrap();
    // What is to be its base cannot be named so.
    fs::create_dir_all(directory.path().join("appendonlydir/appendonly.aof.1.base.rdb/x")).unwrap();
    let _: String = ask(&mut connection, "CONFIG SET appendonly yes");
    becomes(&mut connection, "aof_last_bgrewrite_status", "err");
    assert_eq!(info(&mut connection, "aof_enabled"), "1");
    assert!(node.log().contains("the append-only file has no new base"), "{}", node.log());
    let _: () = ask(&mut connection, "SET a 2");
    fs::remove_dir_all(directory.path().join("appendonlydir/appendonly.aof.1.base.rdb")).unwrap();
    let _: String = ask(&mut connection, "BGREWRITEAOF");
    becomes(&mut connection, "aof_last_bgrewrite_status", "ok");
    assert_eq!(parts(directory.path()).len(), 3, "{:?}", parts(directory.path()));
}

#[test]
fn clients_are_told_to_wait_while_the_log_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut node =
        start(directory.path(), &["--key-load-delay", "1000", "--auto-aof-rewrite-percentage", "0"]);
    let mut connection = connect(&node);
    let set = |connection: &mut redis::Connection, keys: std::ops::Range<u32>| {
        let mut pipeline = redis::pipe();
        keys.for_each(|key| {
            pipeline.cmd("SET").arg(key).arg("v").ignore();
        });
        pipeline.query::<()>(connection).unwrap();
    };
    set(&mut connection, 0..600);
    let _: String = ask(&mut connection, "BGREWRITEAOF");
    becomes(&mut connection, "aof_rewrites", "1");
    set(&mut connection, 600..1000);
    node.kill();
    let log = directory.path().join("appendonlydir/appendonly.aof.2.incr.aof");
    fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(b"*2\r\n$3\r\nDEL").unwrap();
    node.restart();
    let mut connection = redis::Client::open(url(&node)).unwrap().get_connection().unwrap();
    let lines = ["GET 1", "SET a b", "BGREWRITEAOF", "CONFIG SET appendonly no", "INFO persistence"];
    let said = at_once(&mut connection, &lines);
    for refused in &said[..3] {
        assert!(refused.as_ref().is_err_and(|error| error.contains("loading the dataset")), "{said:?}");
    }
    assert!(said[3].as_ref().is_err_and(|error| error.contains("still being loaded")), "{said:?}");
    assert_eq!(info(&mut connection, "loading"), "1");
    assert_eq!(info(&mut connection, "aof_enabled"), "1");
    let total: u64 = info(&mut connection, "loading_total_bytes").parse().unwrap();
    let sizes = parts(directory.path())
        .iter()
        .filter(|name| !name.ends_with("manifest"))
        .map(|name| fs::metadata(directory.path().join("appendonlydir").join(name)).unwrap().len())
        .sum::<u64>();
    assert_eq!(total, sizes);
    assert!(http_get(&node, "/readyz").starts_with("HTTP/1.1 503"));
    let metrics = http_get(&node, "/metrics");
    assert!(
        metrics.contains("redis_loading 1")
            && metrics.contains(&format!("redis_loading_total_bytes {total}")),
        "{metrics}"
    );
    assert!(within(PATIENCE, || {
        info(&mut connection, "loading") == "0" || info(&mut connection, "loading_loaded_bytes") != "0"
    }));
    let mut connection = connect(&node);
    assert_eq!(ask::<usize>(&mut connection, "DBSIZE"), 1000);
    assert_eq!(info(&mut connection, "aof_load_cut_bytes"), "11");
    assert!(http_get(&node, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(http_get(&node, "/metrics").contains("redis_loading 0"));
}

fn http_get(server: &Server, path: &str) -> String {
    use std::io::Read as _;
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_log_grows_until_a_new_base_is_due() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(
        directory.path(),
        &["--auto-aof-rewrite-percentage", "100", "--auto-aof-rewrite-min-size", "2000"],
    );
    let mut connection = connect(&node);
    for _ in 0..200 {
        let _: u64 = ask(&mut connection, "INCR n");
    }
    assert!(within(PATIENCE, || info(&mut connection, "aof_rewrites") != "0"));
    assert!(info(&mut connection, "aof_current_size").parse::<u64>().unwrap() < 2000);
}

#[test]
fn waitaof_waits_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(directory.path(), &[]);
    let mut connection = connect(&node);
    let _: () = ask(&mut connection, "SET a 1");
    assert_eq!(ask::<(u64, u64)>(&mut connection, "WAITAOF 1 0 0"), (1, 0));
    let _: () = ask(&mut connection, "CONFIG SET appendfsync no");
    let _: () = ask(&mut connection, "SET a 2");
    assert_eq!(ask::<(u64, u64)>(&mut connection, "WAITAOF 1 0 20"), (0, 0), "nobody syncs");
    let _: () = ask(&mut connection, "CONFIG SET appendfsync always");
    let _: () = ask(&mut connection, "SET a 3");
    assert_eq!(ask::<(u64, u64)>(&mut connection, "WAITAOF 1 0 1"), (1, 0), "it lasted before the reply");
}

#[test]
fn a_log_is_checked_without_a_node() {
    let data = tempfile::tempdir().unwrap();
    let mut node = start(data.path(), &[]);
    let mut connection = connect(&node);
    for line in ["SET a 1", "RPUSH l x y", "BGREWRITEAOF", "SET b 1", "SET c 1", "SPOP none"] {
        let _: redis::Value = ask(&mut connection, line);
    }
    becomes(&mut connection, "aof_rewrites", "1");
    node.kill();
    let log = data.path().join("appendonlydir");
    let check = |name: &str| {
        let mut command = std::process::Command::new(binary("redis_node"));
        let output = command.arg("--check").arg(log.join(name)).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = check("appendonly.aof.manifest");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("database 0: 2 keys (1 list, 1 string)"), "{text}");
    assert!(text.contains("requests: 3 (1 select, 2 set)"), "{text}");

    let last = log.join("appendonly.aof.2.incr.aof");
    let whole = fs::read(&last).unwrap();
    fs::write(&last, &whole[..whole.len() - 1]).unwrap();
    let (code, text) = check("appendonly.aof.2.incr.aof");
    let torn = whole.len() - "*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n1\r\n".len();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("BROKEN at byte {torn}")) && text.contains("(1 select, 1 set)"), "{text}");
    fs::write(&last, [&whole[..torn], b"nonsense\r\n"].concat()).unwrap();
    let (code, text) = check("appendonly.aof.manifest");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("is damaged at byte {torn}")), "{text}");
    fs::write(log.join("appendonly.aof.manifest"), "nothing\n").unwrap();
    assert!(check("appendonly.aof.manifest").1.contains("line 1 of the manifest"));
    assert!(check("none").1.contains("cannot be read"));
}

#[test]
fn a_torn_end_is_cut_and_damage_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = start(directory.path(), &[]);
    let _: () = ask(&mut connect(&node), "SET a 1");
    node.kill();
    let log = directory.path().join("appendonlydir/appendonly.aof.1.incr.aof");
    let whole = fs::read(&log).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2").unwrap();
    node.restart();
    let mut connection = connect(&node);
    assert_eq!(ask::<String>(&mut connection, "GET a"), "1");
    assert_ne!(info(&mut connection, "aof_load_cut_bytes"), "0");
    assert!(node.log().contains("ended in the middle of a request"), "{}", node.log());
    let _: () = ask(&mut connection, "SET b 2");
    node.restart();
    assert_eq!(ask::<String>(&mut connect(&node), "GET b"), "2", "what follows a cut is read");
    node.kill();
    let mut damaged = whole.clone();
    damaged[whole.len() - 5] = b'x';
    damaged[0] = b'?';
    fs::write(&log, &damaged).unwrap();
    let refused = std::process::Command::new(binary("redis_node"))
        .args(["aof", &format!("127.0.0.1:{}", free_port()), "--appendonly", "yes", "--dir"])
        .arg(directory.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("damaged at byte 0") && said.contains("incr.aof"),
        "{said}"
    );
    assert_eq!(fs::read(&log).unwrap(), damaged, "what is damaged is left as it is");
}

#[test]
fn a_full_disk_refuses_what_writes_and_is_forgotten_when_it_has_room_again() {
    for policy in ["everysec", "always"] {
        let Some((node, disk)) =
            on_own_disk(256, &["--appendonly", "yes", "--save", "", "--appendfsync", policy])
        else {
            return;
        };
        let mut connection = connect(&node);
        let _: () = ask(&mut connection, "SET a 1");
        // Somebody else has the rest, nearly.
        fs::write(disk.join("other"), vec![b'x'; 150 << 10]).unwrap();
        // What is too much for the disk is in memory. With `always` nobody is told that it is kept.
        let mut writer = redis::Client::open(url(&node)).unwrap().get_connection().unwrap();
        let writing = thread::spawn(move || {
            redis::cmd("SET").arg("big").arg(vec![b'y'; 200 << 10]).query::<String>(&mut writer)
        });
        becomes(&mut connection, "aof_last_write_status", "err");
        for line in ["SET a 2", "PING", "EVAL return(redis.call('incr','a')) 1 a"] {
            let refused = &at_once(&mut connection, &[line])[0];
            let is_misconf = refused.as_ref().is_err_and(|error| {
                error.contains("Errors writing to the AOF file: No space left on device")
            });
            assert!(is_misconf, "{policy}: {line}: {refused:?}");
        }
        assert_eq!(ask::<String>(&mut connection, "GET a"), "1");
        assert!(node.log().contains("cannot write the append-only file"), "{}", node.log());
        assert_eq!(writing.is_finished(), policy != "always", "{policy}");
        fs::remove_file(disk.join("other")).unwrap();
        becomes(&mut connection, "aof_last_write_status", "ok");
        assert_eq!(writing.join().unwrap().unwrap(), "OK");
        let _: () = ask(&mut connection, "SET a 3");
        let text = fs::read(disk.join("appendonlydir/appendonly.aof.1.incr.aof")).unwrap();
        let log = String::from_utf8_lossy(&text);
        assert!(log.ends_with("$1\r\na\r\n$1\r\n3\r\n") && !log.contains("$1\r\n2\r\n"), "{policy}");
        assert_eq!(log.matches("big").count(), 1, "{policy}: it is there once, and whole");
        assert_eq!(info(&mut connection, "aof_delayed_fsync"), "0");
    }
}
