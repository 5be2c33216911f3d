//! Bytes are typed and sent as they are, on every face: Latin-1 from an old terminal, and what is no text at all.

use cluster_fixture::binary;
use portable_pty::CommandBuilder;

use crate::{
    pty::Pty,
    support::{Stage, run, stage},
};

/// `café` in Latin-1, then what looks like the beginning of a character.
const TYPED: &[u8] = b"caf\xe9-\xff\xc3x";

fn value(stage: &Stage, key: &str) -> Vec<u8> {
    stage.run(&["--raw", "get", key]).stdout
}

#[test]
fn arguments_and_scripts() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let Some(stage) = stage() else { return };
    let mut command = stage.console(&["set", "k"]);
    command.arg(OsStr::from_bytes(TYPED));
    assert_eq!(run(command, b"").text(), "OK\n");
    assert_eq!(value(&stage, "k"), [TYPED, b"\n"].concat());
    let ran = stage.script(&[], &[b"set s ", TYPED, b"\n"].concat());
    assert_eq!(ran.text(), "OK\n");
    assert_eq!(value(&stage, "s"), [TYPED, b"\n"].concat());
}

#[test]
fn a_password() {
    let Some(stage) = stage() else { return };
    stage.run(&["config", "set", "requirepass", "caf\\xe9"]);
    let secret = [b"config set requirepass \"caf\\xe9a\"\n".as_slice()].concat();
    let mut command = stage.console(&[]);
    command.env("REDISCLI_AUTH", "caf\\xe9");
    assert_eq!(run(command, &secret).text(), "OK\n");
    let mut command = CommandBuilder::new(binary("redis_console"));
    command.args([&stage.etcd.url(), "--askpass", "ping"]);
    command.cwd(std::env::temp_dir());
    let mut pty = Pty::start(command, 100, 30);
    pty.wait_text("Password of default: ");
    pty.send_bytes(b"caf\xe9ab\x7f\r");
    pty.wait_text("PONG");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn on_terminals() {
    let Some(stage) = stage() else { return };
    let home = tempfile::tempdir().unwrap();
    for (face, option) in [("repl", "--repl"), ("plain", "--plain"), ("screen", "--no-color")] {
        let mut command = CommandBuilder::new(binary("redis_console"));
        command.args([&stage.etcd.url(), option]);
        command.env("TERM", "xterm-256color");
        command.env("HOME", home.path());
        command.env_remove("XDG_STATE_HOME");
        let mut pty = Pty::start(command, 100, 30);
        pty.wait_text("default> ");
        // The rest of the line is not taken for the rest of a character.
        pty.send_bytes(&[format!("set {face}-").as_bytes(), TYPED, b" ", TYPED, b"\r"].concat());
        pty.wait_text("OK");
        pty.send_bytes(&[format!("get {face}-").as_bytes(), TYPED].concat());
        match face {
            // The emulator does not show the signs for bytes.
            "repl" => pty.wait_text("get repl-caf"),
            "screen" => pty.wait_text(r"get screen-caf\xe9-\xff\xc3x"),
            _ => String::new(),
        };
        pty.send("\r");
        pty.wait_text(r#""caf\xe9-\xff\xc3x""#);
        // UTF-8 is text, also one byte after the other.
        pty.send_bytes(b"echo n\xc3");
        pty.send_bytes(b"\xa9e\r");
        pty.wait_text(r#""n\xc3\xa9e"  (née)"#);
        if face != "plain" {
            // The history has it as it can be typed.
            pty.send("\x1b[A\x1b[A");
            pty.wait_text(&format!(r#"get "{face}-caf\xe9-\xff\xc3x""#));
            pty.send("\r");
            pty.wait("the value again", |screen| {
                let text = screen.contents();
                let values = text.matches(r#""caf\xe9-\xff\xc3x""#).count();
                // The full screen shows one result at a time.
                if face == "screen" { values == 1 && !text.contains("née") } else { values == 2 }
            });
        }
        if face != "screen" {
            pty.wait_prompt();
        }
        pty.send("\x04");
        assert_eq!(pty.end().exit_code(), 0, "{face}");
    }
    let shown = stage.run(&["--raw", "keys", "*"]);
    assert_eq!(shown.stdout.iter().filter(|&&byte| byte == 0xe9).count(), 3, "{shown:?}");
}

#[test]
fn a_paste_larger_than_every_buffer() {
    let Some(stage) = stage() else { return };
    let home = tempfile::tempdir().unwrap();
    for option in ["--repl", "--no-color"] {
        let mut command = CommandBuilder::new(binary("redis_console"));
        command.args([&stage.etcd.url(), option]);
        command.env("TERM", "xterm-256color");
        command.env("HOME", home.path());
        command.env_remove("XDG_STATE_HOME");
        let mut pty = Pty::start(command, 100, 30);
        match option {
            "--repl" => pty.wait_prompt(),
            _ => drop(pty.wait_text("[CMD]")),
        }
        pty.paste(&format!("set big{option} {}", "x".repeat(200_000)));
        pty.send("\r");
        pty.wait_text("OK");
        assert_eq!(stage.run(&["strlen", &format!("big{option}")]).text(), "200000\n");
    }
}
