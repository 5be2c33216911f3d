//! What the console finds itself on: terminals, pipes, cron, dumb terminals. The table of `doc/console.md`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use cluster_fixture::binary;
use portable_pty::CommandBuilder;

use crate::{
    pty::Pty,
    support::{Stage, run, stage},
};

/// A shell line on a terminal; `$C` is the console with ETCD.
fn on_terminal(stage: &Stage, line: &str, variables: &[(&str, &str)]) -> Pty {
    let home = std::env::temp_dir().join("redis-cluster-no-home");
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", &format!("{line}; echo status=$?")]);
    command.cwd(std::env::temp_dir());
    command.env("C", format!("{} {}", binary("redis_console").display(), stage.etcd.url()));
    command.env("TERM", "xterm-256color");
    command.env("HOME", &home);
    command.env("XDG_STATE_HOME", &home);
    command.env_remove("NO_COLOR");
    for (name, value) in variables {
        command.env(name, value);
    }
    Pty::start(command, 100, 30)
}

#[test]
fn the_form_goes_by_stdout_and_the_face_by_stdin_and_stdout() {
    let Some(stage) = stage() else { return };
    stage.run(&["set", "k", "v"]);
    for (line, shown) in [
        ("$C get k", "\"v\"\n"),
        ("$C get k </dev/null", "\"v\"\n"),
        ("$C get k | cat", "v\n"),
        ("$C get k </dev/null 2>/dev/null | cat", "v\n"),
        ("echo get k | $C", "\"v\"\n"),
        ("echo get k | $C | cat", "v\n"),
        ("echo get k | $C --no-raw | cat", "\"v\"\n"),
        ("$C </dev/null", "status=0"),
        ("$C get k 2>&-", "\"v\"\n"),
    ] {
        let mut pty = on_terminal(&stage, line, &[]);
        let screen = pty.wait_text("status=");
        assert!(screen.starts_with(shown), "{line}: {screen:?}");
        pty.end();
    }
}

#[test]
fn a_person_at_a_pipe_gets_a_prompt_and_the_pipe_the_data() {
    let Some(stage) = stage() else { return };
    let mut pty = on_terminal(&stage, "$C | sed s/^/piped:/", &[]);
    pty.wait_text("default> ");
    pty.send("echo hello\r");
    pty.wait_text("piped:hello");
    pty.send("\x04");
    let screen = pty.wait_text("status=0");
    assert!(!screen.contains("piped:default"), "{screen}");
    assert!(!pty.raw().contains('\x1b'), "{:?}", pty.raw());
    pty.end();
}

#[test]
fn the_full_screen_wants_both_ends_and_a_terminal_that_can() {
    let Some(stage) = stage() else { return };
    let mut full = on_terminal(&stage, "$C", &[]);
    full.wait_text("[CMD]");
    full.send("\x04");
    full.wait_text("status=0");
    for (line, variables) in [
        ("$C", &[("TERM", "dumb")][..]),
        ("$C --plain", &[]),
        ("$C", &[("TERM", "")]),
        ("$C --plain", &[("NO_COLOR", "1")]),
    ] {
        let mut plain = on_terminal(&stage, line, variables);
        plain.wait_text("default> ");
        plain.send("ping\r");
        plain.wait_text("PONG");
        plain.wait_prompt();
        plain.send("\x04");
        plain.wait_text("status=0");
        assert!(!plain.raw().contains('\x1b'), "{line} {variables:?}: {:?}", plain.raw());
        plain.end();
    }
}

#[test]
fn no_color_takes_colours_and_nothing_else() {
    let Some(stage) = stage() else { return };
    for (line, variables, has_style) in [
        ("$C --repl", &[][..], true),
        ("$C --repl --no-color", &[], false),
        ("$C --repl", &[("NO_COLOR", "1")], false),
        ("$C --repl", &[("NO_COLOR", "")], true),
    ] {
        let mut pty = on_terminal(&stage, line, variables);
        pty.wait_text("default> ");
        pty.send("get ");
        // The hint.
        pty.wait_text("get key ");
        pty.send("k\r");
        pty.wait_text("(nil)");
        assert_eq!(pty.raw().contains("\x1b[2m"), has_style, "{line} {variables:?}");
        pty.wait_prompt();
        pty.send("\x04");
        pty.wait_text("status=0");
        pty.end();
    }
}

#[test]
fn cron_has_no_home_no_terminal_and_nothing_on_stdin() {
    let Some(stage) = stage() else { return };
    let mut command = stage.console(&["set", "from", "cron"]);
    command.env_clear().stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(0), &b"OK\n"[..], &b""[..]));
    let mut script = stage.console(&[]);
    script.env_clear().stdin(Stdio::null());
    let output = script.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(0), true), "{output:?}");
}

#[test]
fn what_names_no_cluster_runs_nowhere() {
    let console_says = |words: &[&str], etcd: &str, lines: &str| {
        let mut command = cluster_fixture::console();
        command.args(words).env("REDIS_CLUSTER_ETCD", etcd).env_remove("REDISCLI_AUTH");
        let ran = run(command, lines.as_bytes());
        (ran.code, ran.text().to_owned(), ran.stderr)
    };
    for (words, lines) in [(&["set", "k", "v"][..], ""), (&[], "set k v\n")] {
        let (status, said, why) = console_says(words, "", lines);
        assert_eq!((status, said.as_str()), (Some(2), ""), "{why}");
        for way in ["http://localhost:2379", "REDIS_CLUSTER_ETCD", "--embedded", "--dir"] {
            assert!(why.contains(way), "{way}: {why}");
        }
    }
    // What is asked for runs, whatever the environment says.
    let (status, said, why) = console_says(&["--embedded", "set", "k", "v"], "http://127.0.0.1:1", "");
    assert_eq!((status, said.as_str()), (Some(0), "OK\n"), "{why}");
    let Some(stage) = stage() else { return };
    let (status, said, why) = console_says(&["ping"], &stage.etcd.url(), "");
    assert_eq!((status, said.as_str()), (Some(0), "PONG\n"), "{why}");
}

#[test]
fn memory_does_not_grow_with_the_lines() {
    let Some(stage) = stage() else { return };
    let mut child = stage
        .console(&[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut peak_after = |lines: usize| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let block = "set key value\n".repeat(1000);
                for _ in 0..lines / 1000 {
                    (&stdin).write_all(block.as_bytes()).unwrap();
                }
            });
            let mut reply = String::new();
            for _ in 0..lines {
                reply.clear();
                stdout.read_line(&mut reply).unwrap();
                assert_eq!(reply, "OK\n");
            }
        });
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    };
    let few = peak_after(20_000);
    let many = peak_after(200_000);
    assert!(many < few + 4096, "{few} kB after 20,000 lines, {many} kB after 220,000");
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn completions_and_the_manual_need_no_cluster() {
    let print = |words: &[&str]| {
        let output = cluster_fixture::console().args(words).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let bash = print(&["--completions", "bash"]);
    assert!(bash.contains("--read-only") && bash.contains("redis_console --candidates"), "{bash}");
    assert!(print(&["--completions", "zsh"]).starts_with("#compdef redis_console"));
    assert!(print(&["--completions", "fish"]).contains("complete -c redis_console"));
    let manual = print(&["--man"]);
    assert!(manual.contains(".SH EXIT STATUS") || manual.contains(".SH \"EXIT STATUS\""), "{manual}");
    let output = cluster_fixture::console().args(["--completions", "nosuch"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
