//! Lines and commands: pastes of several, the database in the prompt, byte order marks.

use std::fs;

use cluster_fixture::binary;
use portable_pty::CommandBuilder;

use crate::{
    pty::Pty,
    support::{Cluster, stage},
};

fn on_terminal(etcd: &str, options: &[&str]) -> Pty {
    let mut command = CommandBuilder::new(binary("redis_console"));
    command.arg(etcd);
    command.args(options);
    command.env("TERM", "xterm-256color");
    command.cwd(std::env::temp_dir());
    command.env("HOME", std::env::temp_dir().join("redis-cluster-no-home"));
    command.env_remove("XDG_STATE_HOME");
    Pty::start(command, 100, 30)
}

/// The screen without what happens in the cluster meanwhile.
fn without_news(screen: &vt100::Screen) -> String {
    let contents = screen.contents();
    let lines: Vec<&str> = contents.lines().filter(|line| !line.starts_with("-- ")).collect();
    lines.join("\n")
}

#[test]
fn a_paste_of_several_lines_is_several_commands() {
    let Some(stage) = stage() else { return };
    for end in ["\r", "\n", "\r\n"] {
        stage.run(&["mset", "x1", "1", "x2", "2"]);
        let mut pty = on_terminal(&stage.etcd.url(), &["--repl"]);
        pty.wait_prompt();
        pty.paste(&format!("del x1{end}get x2{end}set q 'two{end}lines'{end}get q"));
        pty.wait_text("get q");
        pty.send("\r");
        let ran =
            "default> get x2\n\"2\"\ndefault> set q \"two\\nlines\"\nOK\ndefault> get q\n\"two\\nlines\"";
        pty.wait("the commands and their replies", |screen| without_news(screen).contains(ran));
        pty.wait_prompt();
        pty.send("\x04");
        assert_eq!(pty.end().exit_code(), 0, "{end:?}");
        assert_eq!(stage.run(&["exists", "x1", "x2"]).text(), "1\n", "{end:?}");
        // A terminal that marks no pastes types them.
        let mut typed = on_terminal(&stage.etcd.url(), &["--repl"]);
        typed.wait_prompt();
        typed.send(&format!("set x1 3{end}get x1{end}"));
        typed.wait_text("\"3\"");
        // In words: where a line ends in two characters, the second one is an empty line that may still run, and while one
        // runs the terminal takes Ctrl-D for itself.
        typed.send("quit\r");
        assert_eq!(typed.end().exit_code(), 0, "{end:?}");
    }
}

#[test]
fn a_paste_on_the_full_screen_asks_once_and_runs_in_order() {
    let Some(stage) = stage() else { return };
    stage.run(&["mset", "x1", "1", "x2", "2"]);
    let mut pty = on_terminal(&stage.etcd.url(), &[]);
    pty.wait_text("[CMD]");
    pty.paste("del x1\r\nset q 'two\r\nlines'\rappend q !\n");
    let asked = pty.wait_text("Run 3 lines?");
    assert!(asked.contains(r#"set q "two\nlines""#), "{asked}");
    pty.send("\t\r");
    pty.wait_text("(integer) 10");
    assert_eq!(stage.run(&["exists", "x1", "x2"]).text(), "1\n");
    assert_eq!(stage.run(&["--raw", "get", "q"]).text(), "two\nlines!\n");
    // A terminal that marks no pastes types them.
    for (end, value) in [("\r", "one"), ("\n", "two"), ("\r\n", "three")] {
        pty.send(&format!("set typed {value}{end}get typed{end}"));
        pty.wait_text(&format!("\"{value}\""));
    }
}

#[test]
fn pasted_changes_ask_and_nothing_pasted_answers() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = on_terminal(&cluster.of.etcd.url(), &["--repl"]);
    pty.wait_prompt();
    pty.paste(&format!("add 2 {}\ny\nset a 1\n", cluster.of.nodes[1].url()));
    pty.wait_text("set a 1");
    pty.send("\r");
    pty.wait_text("add node 2? [y/N]");
    pty.send("n\r");
    pty.wait_text("nothing was changed");
    // The line `y` is a command like the others.
    pty.wait_text("ERR unknown command 'y'");
    pty.wait("the last command", |screen| without_news(screen).contains("default> set a 1\nOK"));
    assert_eq!(cluster.run(&["--json", "show", "nodes"]).text().lines().count(), 1);
}

#[test]
fn what_waits_behind_a_command_that_is_given_up_is_shown_and_asked_about() {
    let Some(stage) = stage() else { return };
    let mut pty = on_terminal(&stage.etcd.url(), &["--repl"]);
    pty.wait_prompt();
    pty.paste("watch ping\nset never 1\nset never 2");
    pty.wait_text("never 2");
    pty.send("\r");
    pty.wait_text("PONG");
    pty.send("\x03");
    pty.wait_text("waits: set never 2");
    pty.wait_text("run the 2 waiting lines? [y/N]");
    pty.send("n\r");
    pty.wait_prompt();
    assert_eq!(stage.run(&["exists", "never"]).text(), "0\n");
    pty.paste("watch ping\nset sometimes 1");
    pty.wait_text("set sometimes 1");
    pty.send("\r");
    pty.wait("another reply", |screen| screen.contents().matches("PONG").count() > 1);
    pty.send("\x03");
    pty.wait_text("run the 1 waiting line? [y/N]");
    pty.send("y\r");
    pty.wait_text("OK");
    pty.wait_prompt();
    assert_eq!(stage.run(&["get", "sometimes"]).text(), "1\n");
}

#[test]
fn the_prompt_has_the_database() {
    let Some(stage) = stage() else { return };
    for options in [&["--repl"][..], &["--plain"], &[]] {
        let mut pty = on_terminal(&stage.etcd.url(), options);
        pty.wait_text("default> ");
        pty.send("select 3\r");
        pty.wait_text("default[3]> ");
        pty.send("select 99\r");
        pty.wait_text("ERR DB index is out of range");
        pty.wait_text("default[3]> ");
        pty.send("select 0\r");
        pty.wait("database 0 again", |screen| {
            let text = screen.contents();
            text.rfind("default> ") > text.rfind("default[3]> select 0")
                || options.is_empty() && text.contains("default> ")
        });
        drop(pty);
        let mut chosen = on_terminal(&stage.etcd.url(), &[options, &["-n", "5"]].concat());
        chosen.wait_text("default[5]> ");
        chosen.send("reset\r");
        chosen.wait_text("RESET");
        chosen.wait_text("default> ");
    }
}

#[test]
fn a_database_that_is_not_there_is_the_error_it_is() {
    let Some(stage) = stage() else { return };
    let ran = stage.run(&["-n", "99", "get", "a"]);
    assert_eq!((ran.code, ran.text()), (Some(1), "ERR DB index is out of range\n"), "{ran:?}");
    assert!(ran.stderr.contains("proxy 1 answered that to SELECT 99"), "{ran:?}");
    let ran = stage.script(&["-n", "99"], b"get a\nget b\n");
    assert_eq!((ran.code, ran.text().lines().count()), (Some(1), 2), "{ran:?}");
    let mut pty = on_terminal(&stage.etcd.url(), &["-n", "99", "--repl"]);
    pty.wait_text("default[99]> ");
    pty.send("get a\r");
    pty.wait_text("(error) ERR DB index is out of range");
    // It can be left.
    pty.send("select 1\r");
    pty.wait_text("default[1]> ");
    pty.send("get a\r");
    pty.wait_text("(nil)");
}

#[test]
fn a_wrong_password_is_the_error_it_is() {
    let Some(stage) = stage() else { return };
    stage.run(&["config", "set", "requirepass", "right"]);
    let mut command = stage.console(&["get", "a"]);
    command.env("REDISCLI_AUTH", "wrong");
    let ran = crate::support::run(command, b"");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.text().starts_with("WRONGPASS "), "{ran:?}");
    assert!(!ran.stderr.contains("wrong") && ran.stderr.contains("AUTH as default"), "{ran:?}");
}

#[test]
fn a_script_may_begin_with_a_byte_order_mark() {
    let Some(stage) = stage() else { return };
    let script = b"\xef\xbb\xbfset bom 1\r\nget bom\r\n";
    assert_eq!(stage.script(&[], script).text(), "OK\n1\n");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("script");
    fs::write(&file, script).unwrap();
    assert_eq!(stage.run(&["-f", file.to_str().unwrap()]).text(), "OK\n1\n");
    assert_eq!(stage.script(&[], format!(":source {}\n", file.display()).as_bytes()).text(), "OK\n1\n");
}
