//! What others say is shown and not obeyed: replies of every type, errors, words that are echoed, on every face.

use std::process::Stdio;

use cluster_fixture::binary;
use portable_pty::CommandBuilder;

use crate::{
    pty::Pty,
    support::{Stage, stage},
};

/// Sets the title of a terminal, clears it by an 8-bit control, and turns the rest of the line around.
const STEERS: &str = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\u{7f}";
/// The same as people see it.
const SHOWN: &str = r"\x1b]0;owned\a\xc2\x9b2J\xe2\x80\xae\x7f";
/// The same in Lua.
const LUA: &str = r"\27]0;owned\7\194\1552J\226\128\174\127";

fn script(kind: &str) -> String {
    match kind {
        "error" => format!("return redis.error_reply('ERR {LUA}')"),
        "status" => format!("return redis.status_reply('{LUA}')"),
        "nested" => format!("return {{redis.status_reply('{LUA}'), '{LUA}'}}"),
        _ => format!("return '{LUA}'"),
    }
}

/// Nothing in it steers a terminal.
#[track_caller]
fn assert_harmless(text: &str) {
    let steers =
        |c: char| c.is_control() && !matches!(c, '\n' | '\r') || matches!(c, '\u{202a}'..='\u{202e}');
    assert!(!text.chars().any(steers), "{text:?}");
}

#[test]
fn replies_errors_and_echoed_words_for_people() {
    let Some(stage) = stage() else { return };
    for (kind, wanted) in [
        ("error", format!("(error) ERR {SHOWN}\n")),
        ("status", format!("{SHOWN}\n")),
        ("bulk", format!("\"{SHOWN}\"\n")),
        ("nested", format!("1) {SHOWN}\n2) \"{SHOWN}\"\n")),
    ] {
        let ran = stage.run(&["--no-raw", "eval", &script(kind), "0"]);
        assert_eq!(ran.text(), wanted, "{kind}");
        let line = format!("eval \"{}\" 0\n", script(kind).replace('\\', r"\\"));
        let ran = stage.script(&["--no-raw"], line.as_bytes());
        assert_eq!(ran.text(), wanted, "{kind}");
        assert_harmless(&ran.stderr);
        // A pipe gets the bytes, as from redis-cli.
        let ran = stage.run(&["--raw", "eval", &script(kind), "0"]);
        assert!(ran.text().contains(STEERS), "{kind}: {ran:?}");
        for json in ["--json", "--quoted-json"] {
            assert_harmless(stage.run(&[json, "eval", &script(kind), "0"]).text());
        }
    }
    let echoed = stage.script(&["--no-raw"], format!(":echo \"{STEERS}\"\n").as_bytes());
    assert_eq!(echoed.text(), format!("{SHOWN}\n"));
    stage.run(&["client", "setname", "x"]);
    let list = stage.run(&["--no-raw", "client", "list"]);
    assert!(list.text().starts_with("id="), "{list:?}");
}

#[test]
fn words_of_the_command_line_and_of_a_script_in_messages() {
    let Some(stage) = stage() else { return };
    let nosuch = format!("--{STEERS}");
    for words in
        [&[nosuch.as_str()][..], &["show", STEERS], &["add", STEERS, STEERS], &["node", STEERS, "ping"]]
    {
        let ran = stage.run(words);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert_harmless(&ran.stderr);
        assert_harmless(ran.text());
    }
    let ran = stage.script(&[], format!(":{STEERS}\nadd \"{STEERS}\" x\n:source \"{STEERS}\"\n").as_bytes());
    assert_harmless(&ran.stderr);
    assert!(ran.stderr.contains(r"\x1b]0;owned"), "{ran:?}");
}

#[test]
fn what_proxies_say_of_themselves() {
    let Some(stage) = stage() else { return };
    stage.register("2", &format!("127.0.0.1:1{STEERS}"));
    for words in [&["show", "proxies"][..], &["--csv", "show", "proxies"], &["--json", "show", "proxies"]] {
        let ran = stage.run(&[&["--no-raw"], words].concat());
        assert!(ran.text().contains("owned"), "{ran:?}");
        assert_harmless(ran.text());
        assert_harmless(&ran.stderr);
    }
}

fn on_terminal(stage: &Stage, options: &[&str]) -> Pty {
    let mut command = CommandBuilder::new(binary("redis_console"));
    command.arg(stage.etcd.url());
    command.args(options);
    command.env("TERM", "xterm-256color");
    command.cwd(std::env::temp_dir());
    command.env("HOME", std::env::temp_dir().join("redis-cluster-no-home"));
    command.env_remove("XDG_STATE_HOME");
    Pty::start(command, 120, 30)
}

#[test]
fn terminals_get_no_title_from_a_reply() {
    let Some(stage) = stage() else { return };
    for options in [&["--repl"][..], &["--plain"], &[]] {
        let mut pty = on_terminal(&stage, options);
        pty.wait_text("default> ");
        for kind in ["error", "status", "bulk"] {
            pty.send(&format!("eval \"{}\" 0\r", script(kind).replace('\\', r"\\")));
            let shown = if kind == "error" { format!("(error) ERR {SHOWN}") } else { SHOWN.to_owned() };
            pty.wait_text(&shown);
        }
        // Pasted, so that it is no key.
        if options == ["--repl"] {
            // Behind the last reply, not behind the one before, which looks alike: while a command runs the terminal itself echoes
            // what is pasted, as it came.
            pty.wait("the prompt behind the last reply", |screen| {
                let text = screen.contents();
                let behind = text.rsplit_once("return '").map(|(_, behind)| behind);
                behind.is_some_and(|behind| {
                    behind.contains(SHOWN)
                        && behind.lines().rfind(|line| !line.trim().is_empty()).map(str::trim_end)
                            == Some("default>")
                })
            });
            pty.paste("get a\u{9b}2J\u{202e}b");
            pty.send("\r");
            pty.wait_text("(nil)");
            // The emulator does not show the sign.
            assert!(pty.raw().contains("get a\u{fffd}\u{fffd}2J"), "{:?}", pty.raw());
        }
        let raw = pty.raw();
        for bad in ["\u{1b}]0;", "\u{9b}", "\u{202e}"] {
            assert!(!raw.contains(bad), "{options:?}: {raw:?}");
        }
    }
}

#[test]
fn completions_for_shells_are_plain_text() {
    let output =
        cluster_fixture::console().args(["--completions", "bash"]).stdin(Stdio::null()).output().unwrap();
    assert!(!output.stdout.contains(&0x1b));
}
