//! One language in all faces: the same words in one-shots, scripts, the line editor and the full screen.

use std::fs;

use cluster_fixture::binary;
use portable_pty::CommandBuilder;

use crate::{
    pty::Pty,
    screen::{home, surroundings},
    support::{Cluster, Stage, stage},
};

fn screen_of(stage: &Stage, home: &tempfile::TempDir) -> Pty {
    let mut command = CommandBuilder::new(binary("redis_console"));
    command.arg(stage.etcd.url());
    surroundings(&mut command, home);
    let pty = Pty::start(command, 120, 36);
    pty.wait_text("etcd ● r");
    pty
}

#[test]
fn help_finds_groups_and_suggests_what_was_meant() {
    let Some(stage) = stage() else { return };
    let unknown = stage.run(&["help", "gte"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean get"), "{unknown:?}");
    let group = stage.run(&["help", "@string"]);
    assert_eq!(group.code, Some(0), "{group:?}");
    assert!(group.text().contains("GETRANGE key start end"), "{group:?}");
    assert_eq!(stage.run(&["help", "@nosuch"]).code, Some(1));
}

#[test]
fn leaving_is_a_word_in_every_face() {
    let Some(stage) = stage() else { return };
    for word in ["quit", "exit", "EXIT"] {
        let one_shot = stage.run(&[word]);
        assert_eq!((one_shot.text(), one_shot.code), ("", Some(0)), "{word}");
        let script = stage.script(&[], format!("set a 1\n{word}\nset a 2\n").as_bytes());
        assert_eq!((script.text(), script.code), ("OK\n", Some(0)), "{word}");
        let home = home();
        let mut screen = screen_of(&stage, &home);
        screen.send(&format!("{word}\r"));
        assert_eq!(screen.end().exit_code(), 0, "{word}");
    }
    assert_eq!(stage.script(&[], b"clear\nget a\n").text(), "1\n");
}

#[test]
fn every_line_of_json_is_a_document() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.of.nodes[1].url();
    let words: [&[&str]; 12] = [
        &["help"],
        &["help", "set"],
        &["help", "nosuch"],
        &["show", "nodes"],
        &["show", "proxies"],
        &["show", "slots"],
        &["show", "moves"],
        &["show", "audit"],
        &["show", "topology"],
        &["plan", "add", "2", &node],
        &["explain", "get", "a"],
        &["sync"],
    ];
    for words in words {
        let ran = cluster.run(&[&["--json"], words].concat());
        assert!(!ran.text().is_empty() || words == ["show", "moves"], "{words:?}: {ran:?}");
        for line in ran.text().lines() {
            let document = serde_json::from_str::<serde_json::Value>(line);
            assert!(document.is_ok(), "{words:?}: {line}");
        }
    }
    let proxies = cluster.run(&["--json", "show", "proxies"]);
    let proxy: serde_json::Value = serde_json::from_str(proxies.text().trim()).unwrap();
    assert!(proxy["driver"].is_boolean(), "{proxy}");
    assert_eq!(cluster.run(&["--json", "show", "topology"]).text().lines().count(), 1);
}

#[test]
fn times_in_a_script_are_those_of_each_command() {
    let Some(stage) = stage() else { return };
    let ran = stage.script(&[], b":timing on\nset a 1\nblpop nothing 0.3\nset a 2\n");
    let times: Vec<f64> = ran
        .stderr
        .lines()
        .map(|line| {
            let time = line.rsplit_once(": ").unwrap().1.strip_suffix(" ms").unwrap();
            time.parse().unwrap()
        })
        .collect();
    let [first, slept, last] = times.as_slice() else { panic!("{ran:?}") };
    // The one that slept is the one that took long, and took all of it.
    assert!(*slept >= 300.0 && first < slept && last < slept, "{times:?}");
}

#[test]
fn a_file_of_lines_runs_on_the_screen() {
    let Some(stage) = stage() else { return };
    let home = home();
    let (inner, outer) = (home.path().join("inner"), home.path().join("outer"));
    fs::write(&inner, "incr n\nincr n\n").unwrap();
    fs::write(&outer, format!("# counts\nset n 40\n:source {}\nset done ${{who}}\n", inner.display()))
        .unwrap();
    let mut screen = screen_of(&stage, &home);
    screen.send(":set vars on\r");
    screen.wait_text("variables are on");
    screen.send(":let who me\r");
    screen.wait_text("${who} is set");
    screen.send(&format!(":source {}\r", outer.display()));
    screen.send(":assert get done == me\rget n\r");
    screen.wait_text("\"42\"");
    screen.send(":assert get done == you\r");
    screen.wait_text("assertion failed: the reply is");
    let saved = home.path().join("saved");
    screen.send(&format!(":script save {}\r", saved.display()));
    screen.wait_text("6 lines in");
    assert!(fs::read_to_string(&saved).unwrap().starts_with(":set vars on\n:let who me\n:source "));
    screen.send("exit\r");
    assert_eq!(screen.end().exit_code(), 0);
}

#[test]
fn keys_and_options_are_completed_where_they_stand() {
    let Some(stage) = stage() else { return };
    stage.script(&[], b"set unlikely:1 a\nset unlikely:2 b\nset other c\n");
    let home = home();
    let mut screen = screen_of(&stage, &home);
    screen.send("get unlikely:\t");
    screen.wait_text("unlikely:1  unlikely:2");
    screen.send("\t\r");
    screen.wait_text("\"b\"");
    screen.send("quit\r");
    assert_eq!(screen.end().exit_code(), 0);

    let mut command = CommandBuilder::new(binary("redis_console"));
    command.args([&stage.etcd.url(), "--repl"]);
    surroundings(&mut command, &home);
    let mut repl = Pty::start(command, 100, 30);
    repl.wait_text("default> ");
    repl.send("get unlikely:\t");
    // The candidates are listed, and the line is there again below them.
    repl.wait_text("unlikely:1");
    repl.wait_text("unlikely:2");
    repl.send("1\r");
    repl.wait_text("\"a\"");
    repl.send("set k v E\t");
    repl.wait_text("EXAT");
    repl.send("\x03");
    repl.wait_text("Ctrl-C again");
    repl.send("exit\r");
    assert_eq!(repl.end().exit_code(), 0);
}

#[test]
fn a_shell_completes_words_and_what_the_cluster_has() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.run(&["set", "unlikely:1", "a"]);
    let candidates = |words: &[&str]| {
        let mut command = cluster_fixture::console();
        command.arg("--candidates").arg(cluster.of.etcd.url()).args(words);
        let ran = crate::support::run(command, b"");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        ran.text().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(candidates(&["show", "n"]), ["nodes"]);
    assert_eq!(candidates(&["remove", ""]), ["1"]);
    assert_eq!(candidates(&["remove", "1", ""]), ["--force", "--if-rev", "--no-wait", "--yes"]);
    assert_eq!(candidates(&["set", "a", "b", "kee"]), ["keepttl"]);
    assert_eq!(candidates(&["get", "unlik"]), ["unlikely:1"]);
    assert!(candidates(&[""]).contains(&"explain".to_owned()));
    let script = r#"
        eval "$(redis_console --completions bash)"
        COMP_LINE="redis_console $ETCD remove " COMP_POINT=${#COMP_LINE}
        COMP_WORDS=($COMP_LINE "") COMP_CWORD=3
        _redis_console_words redis_console "" remove
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let beside = binary("redis_console").parent().unwrap().display().to_string();
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", script])
        .env("ETCD", cluster.of.etcd.url())
        .env("PATH", format!("{beside}:/usr/bin:/bin"));
    let ran = crate::support::run(bash, b"");
    assert_eq!((ran.text(), ran.code), ("1\n", Some(0)), "{ran:?}");
}
