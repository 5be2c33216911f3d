//! Replies beside the real redis-cli: the same bytes in every form that is meant to be the same.

use std::process::Command;

use crate::support::{Stage, stage};

/// Commands whose replies have every shape of RESP2; also run with RESP3.
const COMMANDS: &[&[&str]] = &[
    &["ping"],
    &["get", "none"],
    &["get", "text"],
    &["get", "binary"],
    &["get", "empty"],
    &["incr", "text"],
    &["incr", "number"],
    &["lrange", "list", "0", "-1"],
    &["lrange", "none", "0", "-1"],
    &["hgetall", "hash"],
    &["hgetall", "none"],
    &["smembers", "set"],
    &["smembers", "none"],
    &["zscore", "zset", "b"],
    &["zrange", "zset", "0", "-1", "withscores"],
    &["mget", "text", "none", "binary"],
    &["eval", "return {1,{2,{3,{}},'x'},{4,false,{ok='fine'}}}", "0"],
    &["eval", "return {{1},{2},{3},{4},{5},{6},{7},{8},{9},{{10,11}}}", "0"],
    &["eval", "return {err='MY failure'}", "0"],
    &["eval", "redis.setresp(3); return {map={a={1}}}", "0"],
    &["eval", "redis.setresp(3); return {map={a={1,2}}}", "0"],
    &["eval", "redis.setresp(3); return {map={a={map={b=1}}}}", "0"],
    &["eval", "redis.setresp(3); return {1,{map={a={set={x=true}}}}}", "0"],
    &["eval", "redis.setresp(3); return {1,{map={a={{map={c={5,6}}}}}}}", "0"],
    &["eval", "redis.setresp(3); return {1,{double=1.5},true,{map={}},{set={}},{}}", "0"],
    &["nosuch", "a"],
    &["command", "info", "get", "nosuch"],
    &["object", "help"],
];

fn fill(stage: &Stage) {
    let script = concat!(
        "set text value1\nset binary \"\\x00\\xff\\n\\t\\\"q\\\" \\\\ \\xe4\\xbd\\xa0\\a\\b\"\nset empty \"\"\n",
        "rpush list a \"b c\" \"\" 1 2 3 4 5 6 7 8\nhset hash f1 v1 f2 \"v 2\"\nsadd set one\nzadd zset 1.5 a 2 b\n",
    );
    let ran = stage.script(&[], script.as_bytes());
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

fn redis_cli(stage: &Stage, options: &[&str], command: &[&str]) -> Vec<u8> {
    let mut cli = Command::new("redis-cli");
    cli.args(["-p", &stage.redis.port().to_string()]).args(options).args(command);
    cli.output().expect("redis-cli is installed with redis-server").stdout
}

#[test]
fn the_same_bytes_as_redis_cli() {
    let Some(stage) = stage() else { return };
    fill(&stage);
    for form in ["--no-raw", "--raw", "--csv"] {
        for options in [&[form][..], &[form, "-3"]] {
            for command in COMMANDS {
                // INCR gives the next number: once each, in turn.
                stage.run(&["set", "number", "41"]);
                let mut theirs = redis_cli(&stage, options, command);
                stage.run(&["set", "number", "41"]);
                let ours = stage.run(&[options, command].concat());
                let is_error = ours.code == Some(1);
                if form == "--raw" && is_error {
                    // redis-cli adds an empty line behind an error; this console does not.
                    assert_eq!(theirs.pop(), Some(b'\n'), "{command:?}");
                }
                assert_eq!(
                    String::from_utf8_lossy(&ours.stdout),
                    String::from_utf8_lossy(&theirs),
                    "{options:?} {command:?}"
                );
            }
        }
    }
}

#[test]
fn random_strings_look_as_in_redis_cli_and_json_is_valid() {
    let Some(stage) = stage() else { return };
    // A fixed sequence (xorshift64), so that a failure can be seen again.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20 {
        let value: Vec<u8> = (0..next() % 40).map(|_| (next() >> 32) as u8).collect();
        stage.script(&["-x", "set", "random"], &value);
        assert_eq!(stage.run(&["get", "random"]).stdout, [&value[..], b"\n"].concat());
        assert_eq!(
            stage.run(&["--no-raw", "get", "random"]).stdout,
            redis_cli(&stage, &["--no-raw"], &["get", "random"])
        );
        let json = stage.run(&["--json", "get", "random"]).stdout;
        assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok(), "{value:?}");
    }
}

#[test]
fn text_with_lines_of_its_own_is_not_quoted() {
    let Some(stage) = stage() else { return };
    let info = stage.run(&["--no-raw", "info", "server"]);
    assert!(info.text().starts_with("# Server\r\nredis_version:"), "{info:?}");
    let clients = stage.run(&["--no-raw", "client", "list"]);
    assert!(clients.text().starts_with("id="), "{clients:?}");
}
