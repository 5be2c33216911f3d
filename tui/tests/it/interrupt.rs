//! Ctrl-C and its relatives in the faces that nobody sits before: what is said, and that nothing holds the program up.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Command, Stdio},
};

use cluster_fixture::within;

use crate::support::{PATIENCE, Stage, stage};

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn start(stage: &Stage, arguments: &[&str]) -> Child {
    let mut command = stage.console(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A client waits in BLPOP.
fn is_blocked(stage: &Stage) -> bool {
    let mut cli = Command::new("redis-cli");
    let clients = cli.args(["-p", &stage.redis.port().to_string(), "client", "list"]).output().unwrap();
    String::from_utf8_lossy(&clients.stdout).contains("cmd=blpop")
}

#[test]
fn a_command_is_given_up_and_that_is_said() {
    let Some(stage) = stage() else { return };
    let child = start(&stage, &["blpop", "none", "0"]);
    assert!(within(PATIENCE, || is_blocked(&stage)));
    send(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "redis_console: interrupted; what was sent may still run, and accepted plans go on in the cluster\n"
    );
}

#[test]
fn a_script_says_how_far_it_came_and_shows_what_was_answered() {
    let Some(stage) = stage() else { return };
    let mut child = start(&stage, &[]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"set a x\nincr a\nblpop none 0\nset b 1\n").unwrap();
    assert!(within(PATIENCE, || is_blocked(&stage)));
    send(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "OK\nERR value is not an integer or out of range\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("interrupted; stdin is answered up to line 2; what was sent after that"), "{said}");
    assert!(said.contains("stdin:2: ERR value is not") && said.contains("1 of 2 commands failed"), "{said}");
}

#[test]
fn it_is_heard_while_an_argument_is_read() {
    let Some(stage) = stage() else { return };
    let mut child = start(&stage, &["-x", "set", "a"]);
    let mut stdin = child.stdin.take().unwrap();
    // It has read this, and waits for the end of the rest.
    stdin.write_all(b"begun").unwrap();
    let read_it = || {
        let path = format!("/proc/{}/fdinfo/0", child.id());
        std::fs::read_to_string(path).is_ok() && is_waiting_for_signals(child.id())
    };
    assert!(within(PATIENCE, read_it));
    send(&child, "INT");
    assert!(within(PATIENCE, || child.try_wait().unwrap().is_some()), "it ends although stdin is open");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// SIGINT has a handler, so that it does not just end the process.
fn is_waiting_for_signals(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
    u64::from_str_radix(caught, 16).is_ok_and(|mask| mask & 0b10 != 0)
}

#[test]
fn the_second_one_ends_it_even_while_nobody_reads() {
    let Some(stage) = stage() else { return };
    let big = vec![b'v'; 4 << 20];
    stage.script(&["-x", "set", "big"], &big);
    let mut child = start(&stage, &["-r", "-1", "get", "big"]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    // More than the first buffer was written: it waits for this reader from now on.
    assert_eq!(stdout.fill_buf().unwrap()[0], b'v');
    let is_stuck = || {
        let wait = std::fs::read_to_string(format!("/proc/{}/wchan", child.id())).unwrap_or_default();
        wait.contains("pipe") || wait.is_empty() || wait == "0"
    };
    assert!(within(PATIENCE, is_stuck));
    let ended = within(PATIENCE, || {
        send_if_alive(&child);
        child.try_wait().unwrap().is_some()
    });
    assert!(ended);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

fn send_if_alive(child: &Child) {
    // Between the last look and now it may have ended.
    let _ = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).stderr(Stdio::null()).status();
}

#[test]
fn sigterm_ends_it_while_nobody_reads() {
    let Some(stage) = stage() else { return };
    stage.script(&["-x", "set", "big"], &vec![b'v'; 4 << 20]);
    let mut child = start(&stage, &["-r", "-1", "get", "big"]);
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100]).unwrap();
    send(&child, "TERM");
    assert!(within(PATIENCE, || child.try_wait().unwrap().is_some()));
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
