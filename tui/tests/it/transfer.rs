//! `import`, `export`, `backup` and `restore`, with real servers at both ends of each file.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use cluster_fixture::{Server, peer, redis_server_with, within};
use redis_cluster::{
    client::Connection,
    protocol::{Value, quote},
};

use crate::support::{Cluster, PATIENCE, Ran, run};

struct Client(Connection);

impl Client {
    async fn of(server: &Server) -> Self {
        Self(Connection::connect(&server.address(), PATIENCE).await.unwrap())
    }

    async fn text(&mut self, request: &str) -> String {
        match self.0.call(&quote::split(request.as_bytes()).unwrap()).await.unwrap() {
            Value::Integer(number) => number.to_string(),
            Value::Array(_) | Value::Null => String::new(),
            other => String::from_utf8_lossy(other.as_bytes().unwrap_or_default()).into_owned(),
        }
    }
}

/// A server whose file is what is imported, or loaded after an export.
fn single() -> Option<Server> {
    redis_server_with(&["--save", "", "--enable-debug-command", "yes"])
}

fn file_of(server: &Server) -> std::path::PathBuf {
    server.directory().unwrap().join("dump.rdb")
}

/// Every type, short and long, in two databases, with functions.
async fn fill(client: &mut Client) {
    let (long, large) = ("x".repeat(100), "a large string, ".repeat(20_000));
    let mut requests = vec![
        "SET int -70000".to_owned(),
        "SET huge 9223372036854775807".to_owned(),
        "SET \"binary \\x00\\xff\\r\\n\" \"\\x00\\xff\\r\\n\"".to_owned(),
        format!("SET large \"{large}\" PXAT 33333333333333"),
        format!("RPUSH list a 1 -1 70000 5000000000 \"\" {long}"),
        "HSET hash a 1 b 2".to_owned(),
        format!("HSET hash:long f {long}"),
        "PEXPIREAT hash 33333333333334".to_owned(),
        "SADD set:int 1 2 3 70000 5000000000".to_owned(),
        "SADD set a b 1".to_owned(),
        "ZADD zset 1 a 2.5 b -inf c inf d".to_owned(),
        "XADD stream 5-1 a 1 b 2".to_owned(),
        "XADD stream 6-1 a 1 b 2".to_owned(),
        "XDEL stream 6-1".to_owned(),
        "XGROUP CREATE stream group 0".to_owned(),
        "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >".to_owned(),
        "XGROUP CREATE empty group 0 MKSTREAM".to_owned(),
        "PFADD hll a b c d".to_owned(),
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"".to_owned(),
    ];
    for number in 0..600 {
        requests.push(format!("RPUSH list:large element:{number}"));
        requests.push(format!("HSET hash:large field:{number} {number}"));
        requests.push(format!("SADD set:large member:{number}"));
        requests.push(format!("ZADD zset:large {number}.5 member:{number}"));
        requests.push(format!("XADD stream:large {number}-1 n {number}"));
        requests.push(format!("SET key:{number} {number}"));
    }
    requests.extend(["SELECT 9", "SET int other", "SADD only here", "SELECT 0"].map(str::to_owned));
    for request in requests {
        let reply = client.text(&request).await;
        assert!(!reply.starts_with("ERR"), "{}: {reply}", &request[..request.len().min(80)]);
    }
}

fn document(ran: &Ran) -> serde_json::Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(ran.text().trim()).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_of_redis_goes_into_a_cluster_whose_slots_move_and_comes_out_the_same() {
    let Some(redis) = single() else { return };
    let Some(cluster) = Cluster::start() else { return };
    let mut theirs = Client::of(&redis).await;
    fill(&mut theirs).await;
    let expected = theirs.text("DEBUG DIGEST").await;
    assert_eq!(theirs.text("SAVE").await, "OK");
    let (file, home) = (file_of(&redis), tempfile::tempdir().unwrap());
    let file = file.to_str().unwrap();

    let moving = cluster.run(&["add", "2", &cluster.of.nodes[1].url(), "--no-wait"]);
    assert_eq!(moving.code, Some(0), "{moving:?}");
    let imported = document(&cluster.run(&["import", file, "--json"]));
    assert_eq!(imported["imported"], imported["keys_in_file"], "{imported}");
    assert_eq!((&imported["keys_before"], &imported["functions"]), (&0.into(), &1.into()), "{imported}");
    assert_eq!(imported["keys_after"], imported["keys_in_file"], "{imported}");
    assert_eq!(cluster.run(&["fcall", "f", "0"]).text(), "1\n");
    assert_eq!(cluster.run(&["pexpiretime", "hash"]).text(), "33333333333334\n");

    // Out while slots may move still, and into a server.
    let out = home.path().join("out.rdb");
    let exported = document(&cluster.run(&["export", out.to_str().unwrap(), "--json"]));
    assert_eq!(exported["keys"], imported["keys_in_file"], "{exported}");
    assert_eq!((&exported["expiring"], &exported["functions"]), (&2.into(), &1.into()), "{exported}");
    if let Some(program) = peer("redis-check-rdb", "redis-server") {
        let checked = Command::new(program).arg(&out).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
    fs::copy(&out, file).unwrap();
    assert_eq!(theirs.text("DEBUG RELOAD NOSAVE").await, "OK", "{}", redis.log());
    assert_eq!(theirs.text("DEBUG DIGEST").await, expected);
    assert_eq!(theirs.text("PEXPIRETIME large").await, "33333333333333");
    assert_eq!(theirs.text("FCALL f 0").await, "1");

    // What is there already.
    let again = cluster.run(&["export", out.to_str().unwrap()]);
    assert!(again.code == Some(4) && again.stderr.contains("it exists, and is not overwritten"), "{again:?}");
    let stopped = cluster.run(&["import", file]);
    assert!(stopped.code == Some(1) && stopped.stderr.contains("already exists"), "{stopped:?}");
    let changed = cluster.run(&["set", "int", "changed"]);
    assert_eq!(changed.code, Some(0), "{changed:?}");
    let skipped = document(&cluster.run(&["import", file, "--skip", "--json"]));
    assert_eq!((&skipped["skipped"], &skipped["functions_skipped"]), (&imported["keys_in_file"], &1.into()));
    assert_eq!(cluster.run(&["get", "int"]).text(), "changed\n");
    let replaced = document(&cluster.run(&["--json", "import", "--replace", file]));
    assert_eq!(replaced["imported"], imported["keys_in_file"], "{replaced}");
    assert_eq!(cluster.run(&["get", "int"]).text(), "-70000\n");
    assert_eq!(cluster.run(&["function", "flush"]).code, Some(0));
    let busy = cluster.run(&["import", file]);
    assert!(busy.code == Some(4) && busy.stderr.contains("is in the cluster already"), "{busy:?}");

    let refused = cluster.run(&["--read-only", "import", file]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
}

#[tokio::test]
async fn what_is_damaged_expired_or_cannot_be_written_is_said() {
    let Some(redis) = single() else { return };
    let Some(cluster) = Cluster::start() else { return };
    let mut theirs = Client::of(&redis).await;
    assert_eq!(theirs.text("DEBUG POPULATE 2000 key 300").await, "OK");
    for request in ["DEBUG SET-ACTIVE-EXPIRE 0", "SET gone x PX 1", "SAVE"] {
        assert_eq!(theirs.text(request).await, "OK");
    }
    let (file, home) = (file_of(&redis), tempfile::tempdir().unwrap());
    let whole = fs::read(&file).unwrap();
    for (name, bytes) in [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("changed", {
            let mut bytes = whole.clone();
            bytes[whole.len() / 2] ^= 1;
            bytes
        }),
    ] {
        let path = home.path().join(name);
        fs::write(&path, bytes).unwrap();
        let ran = cluster.run(&["import", path.to_str().unwrap()]);
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(ran.stderr.contains(name) && ran.stderr.contains("at byte"), "{ran:?}");
        assert!(ran.stderr.contains("nothing was written"), "{ran:?}");
        assert_eq!(cluster.run(&["dbsize"]).text(), "0\n");
        fs::remove_file(path).unwrap();
    }
    let imported = document(&cluster.run(&["import", file.to_str().unwrap(), "--json"]));
    assert_eq!((&imported["imported"], &imported["expired"]), (&2000.into(), &1.into()), "{imported}");

    // A disk that takes no more than 64 KiB.
    let mut full = Command::new("sh");
    let of_console = cluster.of.command(&["export", home.path().join("full.rdb").to_str().unwrap()]);
    full.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]).arg(of_console.get_program());
    full.args(of_console.get_args());
    let ran = run(full, b"");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("nothing was left there"), "{ran:?}");
    assert!(names(home.path()).is_empty(), "{:?}", names(home.path()));
}

#[tokio::test]
async fn whoever_gives_up_is_told_how_far_it_came_and_finishes_later() {
    const KEYS: u32 = 100_000;
    let Some(redis) = single() else { return };
    let Some(cluster) = Cluster::start() else { return };
    let mut theirs = Client::of(&redis).await;
    assert_eq!(theirs.text(&format!("DEBUG POPULATE {KEYS} key 100")).await, "OK");
    assert_eq!(theirs.text("SAVE").await, "OK");
    let (file, home) = (file_of(&redis), tempfile::tempdir().unwrap());
    let file = file.to_str().unwrap();
    let keys = || cluster.run(&["dbsize"]).text().trim().parse::<u32>().unwrap();
    let start = |words: &[&str]| {
        let mut command = cluster.of.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let send = |child: &std::process::Child, signal: &str| {
        assert!(
            Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success()
        );
    };

    let import = start(&["import", file]);
    assert!(within(PATIENCE, || keys() > 0));
    send(&import, "INT");
    let output = import.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted: import ") && said.contains("of 100000 keys"), "{said}");
    assert!(said.contains("the same with --skip completes it"), "{said}");
    let there = keys();
    assert!(there < KEYS, "it was given up in the middle");
    let rest = document(&cluster.run(&["import", file, "--skip", "--json"]));
    assert_eq!(keys(), KEYS, "{rest}");
    assert_eq!(rest["imported"].as_u64().unwrap() + rest["skipped"].as_u64().unwrap(), u64::from(KEYS));
    assert_eq!(rest["skipped"].as_u64().unwrap(), rest["keys_before"].as_u64().unwrap(), "{rest}");

    for signal in ["INT", "KILL"] {
        let out = home.path().join("out.rdb");
        let mut export = start(&["export", out.to_str().unwrap()]);
        assert!(within(PATIENCE, || !names(home.path()).is_empty()));
        send(&export, signal);
        export.wait().unwrap();
        assert!(!out.exists(), "{signal}");
        let left = names(home.path());
        if signal == "INT" {
            assert!(left.is_empty(), "{left:?}");
        } else {
            assert!(left.iter().all(|name| name.ends_with(".unfinished")), "{left:?}");
        }
    }
}

#[tokio::test]
async fn a_backup_is_restored_into_an_empty_cluster() {
    let Some(redis) = single() else { return };
    let Some(cluster) = Cluster::start() else { return };
    let mut theirs = Client::of(&redis).await;
    fill(&mut theirs).await;
    assert_eq!(theirs.text("SAVE").await, "OK");
    let expected = theirs.text("DEBUG DIGEST").await;
    let file = file_of(&redis);
    document(&cluster.run(&["import", file.to_str().unwrap(), "--json"]));

    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("backup");
    let backup = directory.to_str().unwrap();
    let made = document(&cluster.run(&["backup", backup, "--json"]));
    assert_eq!(names(home.path()), ["backup"]);
    assert_eq!(names(&directory), ["cluster.rdb", "manifest.json"]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(directory.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["nodes"][0]["slots"][0], "0-16383", "{manifest}");
    assert_eq!(manifest["keys"][1]["database"], 9, "{manifest}");
    let again = cluster.run(&["backup", backup]);
    assert!(again.code == Some(4) && again.stderr.contains("it exists"), "{again:?}");

    let full = cluster.run(&["restore", backup]);
    assert!(full.code == Some(4) && full.stderr.contains("the cluster has "), "{full:?}");
    for words in [&["flushall"][..], &["function", "flush"]] {
        assert_eq!(cluster.run(words).code, Some(0));
    }
    let restored = document(&cluster.run(&["restore", backup, "--json"]));
    assert_eq!((&restored["imported"], &restored["keys_after"]), (&made["keys"], &made["keys"]));
    let out = home.path().join("out.rdb");
    document(&cluster.run(&["export", out.to_str().unwrap(), "--json"]));
    fs::copy(&out, &file).unwrap();
    assert_eq!(theirs.text("DEBUG RELOAD NOSAVE").await, "OK", "{}", redis.log());
    assert_eq!(theirs.text("DEBUG DIGEST").await, expected);

    // RESTORE of Redis is still that.
    let payload = cluster.run(&["restore", "k", "0", "nonsense"]);
    assert!(
        payload.stderr.contains("DUMP payload") || payload.text().contains("DUMP payload"),
        "{payload:?}"
    );

    // Another file under the same name is not what was kept.
    fs::copy(&file, directory.join("cluster.rdb")).unwrap();
    let mut bytes = fs::read(directory.join("cluster.rdb")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(directory.join("cluster.rdb"), bytes).unwrap();
    let changed = cluster.run(&["restore", backup, "--replace"]);
    assert!(changed.code == Some(4) && changed.stderr.contains("checksum"), "{changed:?}");
}
