//! One command from the arguments: output, and the exit status of each way to end.

use std::process::{Command, Stdio};

use cluster_fixture::{free_port, within};

use crate::support::{PATIENCE, run, stage};

#[test]
fn replies_in_a_pipe_and_in_the_form_for_people() {
    let Some(stage) = stage() else { return };
    assert_eq!(stage.run(&["set", "key1", "value1"]).text(), "OK\n");
    assert_eq!(stage.run(&["get", "key1"]).text(), "value1\n");
    assert_eq!(stage.run(&["--no-raw", "get", "key1"]).text(), "\"value1\"\n");
    assert_eq!(stage.run(&["get", "none"]).text(), "\n");
    assert_eq!(stage.run(&["--no-raw", "get", "none"]).text(), "(nil)\n");
    assert_eq!(stage.run(&["--json", "mget", "key1", "none"]).text(), "[\"value1\",null]\n");
    assert_eq!(stage.run(&["--csv", "mget", "key1", "none"]).text(), "\"value1\",NULL\n");
    assert_eq!(stage.run(&["-d", "|", "-D", ";", "mget", "key1", "key1"]).text(), "value1|value1;");
    assert_eq!(stage.run(&["-r", "3", "incr", "n"]).text(), "1\n2\n3\n");
    assert_eq!(stage.run(&["incrby", "n", "-5"]).text(), "-2\n");
    assert_eq!(stage.run(&["-n", "3", "get", "n"]).text(), "\n");
    assert_eq!(stage.run(&["--quoted-input", "set", "\"\\x41\"", "1"]).text(), "OK\n");
    assert_eq!(stage.run(&["get", "A"]).text(), "1\n");
}

#[test]
fn arguments_from_stdin() {
    let Some(stage) = stage() else { return };
    stage.script(&["-x", "set", "a"], b"one\xff\0\n");
    assert_eq!(stage.run(&["get", "a"]).stdout, b"one\xff\0\n\n");
    stage.script(&["-x", "--chomp", "set", "a"], b"two\n");
    assert_eq!(stage.run(&["get", "a"]).text(), "two\n");
    stage.script(&["-X", "TAG", "set", "TAG", "three"], b"b");
    assert_eq!(stage.run(&["get", "b"]).text(), "three\n");
    let missing = stage.script(&["-X", "TAG", "set", "a", "b"], b"");
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

#[test]
fn a_command_wins_over_stdin() {
    let Some(stage) = stage() else { return };
    let mut command = stage.console(&["ping"]);
    command.stdin(Stdio::null());
    assert_eq!(command.output().unwrap().stdout, b"PONG\n");
    assert_eq!(stage.script(&["ping"], b"set a 1\n").text(), "PONG\n");
    assert_eq!(stage.run(&["exists", "a"]).text(), "0\n");
}

#[test]
fn exit_statuses() {
    let Some(stage) = stage() else { return };
    stage.run(&["set", "text", "x"]);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (arguments, code, stdout, stderr) in [
        (&["get", "none"][..], 0, "\n", ""),
        (&["incr", "text"], 1, "ERR value is not an integer or out of range\n", ""),
        (&["--nosuch"], 2, "", "--nosuch"),
        (&["add"], 2, "", "usage: add ID"),
        (&["rebalance"], 2, "", "not available in this version"),
        (&[":nosuch"], 2, "", "unknown word"),
        (&["add", "1", &nobody], 4, "", "cannot reach"),
        (&["remove", "7"], 4, "", "there is no node 7"),
        (&["--read-only", "set", "a", "1"], 4, "", "read-only"),
        (&["--read-only", "nosuch"], 4, "", "read-only"),
        (&["--read-only", "get", "none"], 0, "\n", ""),
        (&["-t", "0.3", "blpop", "none", "0"], 124, "", "gave up after 0.3 s"),
        (&[":exit", "77"], 77, "", ""),
        (&["help", "add"], 0, "add ID", ""),
    ] {
        let ran = stage.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.text().starts_with(stdout), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(stderr), "{arguments:?}: {ran:?}");
    }
    assert_eq!(stage.run(&["exists", "a"]).text(), "0\n", "nothing was changed read-only");
}

#[test]
fn nobody_there() {
    let Some(stage) = stage() else { return };
    let mut command = cluster_fixture::console();
    command.args([&format!("http://127.0.0.1:{}", free_port()), "--connect-timeout", "0.5", "get", "a"]);
    let ran = run(command, b"");
    assert_eq!((ran.code, ran.stdout.as_slice()), (Some(3), &b""[..]), "{ran:?}");
    // etcd is there, its only proxy is not.
    let elsewhere = stage.run(&["--cluster", "other", "get", "a"]);
    assert_eq!(elsewhere.code, Some(3), "{elsewhere:?}");
    assert!(elsewhere.stderr.contains("proxy_node ID ADDRESS"), "{elsewhere:?}");
    // The first one in the list is not there, the second is.
    stage.register("0", &format!("127.0.0.1:{}", free_port()));
    assert_eq!(stage.run(&["ping"]).text(), "PONG\n");
}

#[test]
fn signals_end_it_with_their_status() {
    let Some(stage) = stage() else { return };
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut child = stage
            .console(&["blpop", "none", "0"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let blocked = || {
            let clients = Command::new("redis-cli")
                .args(["-p", &stage.redis.port().to_string(), "client", "list"])
                .output()
                .unwrap();
            String::from_utf8_lossy(&clients.stdout).contains("cmd=blpop")
        };
        assert!(within(PATIENCE, blocked), "the command runs");
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert!(within(PATIENCE, || !blocked()), "its connection is closed");
    }
}
