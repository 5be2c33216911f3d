//! The full screen in a pseudo-terminal: it starts, takes input, keeps its promises to the terminal, and ends.

use cluster_fixture::{binary, free_port};
use portable_pty::CommandBuilder;

use crate::pty::Pty;

/// The console on a registry that is not there: everything that needs no cluster must work, and say so.
pub(crate) fn console(home: &tempfile::TempDir) -> CommandBuilder {
    let mut command = CommandBuilder::new(binary("redis_console"));
    command.arg(format!("http://127.0.0.1:{}", free_port()));
    surroundings(&mut command, home);
    command
}

pub(crate) fn surroundings(command: &mut CommandBuilder, home: &tempfile::TempDir) {
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.env("HOME", home.path());
    command.env_remove("XDG_STATE_HOME");
    command.env_remove("XDG_CONFIG_HOME");
    command.env_remove("NO_COLOR");
}

pub(crate) fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn it_starts_takes_a_line_and_quits() {
    let home = home();
    let mut pty = Pty::start(console(&home), 120, 36);
    pty.wait_text("[CMD]");
    pty.send("set key1 val");
    pty.wait_text("default> set key1 val");
    pty.wait_text("SET key value");
    pty.send("ue1\r");
    pty.wait_text("is it running?");
    pty.send("\x1b");
    pty.wait_text("[NAV]");
    pty.send("q");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn an_earlier_line_is_found_again() {
    let home = home();
    let mut pty = Pty::start(console(&home), 80, 24);
    pty.wait_text("[CMD]");
    for word in ["alpha", "beta"] {
        pty.send(&format!(":echo {word}\r"));
        pty.wait_text(&format!(" {word}"));
    }
    pty.send("\x12alp");
    pty.wait_text("search> alp  → :echo alpha");
    pty.send("\r");
    pty.wait("the result of the earlier line", |screen| screen.contents().contains("\n alpha"));
    pty.send("\x12nowhere");
    pty.wait_text("no line of the history contains that");
    pty.send("\x1b");
    pty.wait_text("[CMD]");
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn what_an_escape_in_a_line_would_do_is_not_done() {
    let home = home();
    let mut pty = Pty::start(console(&home), 80, 24);
    pty.wait_text("[CMD]");
    pty.send("\x1b[200~:echo \u{202e}evil\x1b[201~");
    pty.wait_text("\\xe2\\x80\\xaeevil");
    pty.send("\x03");
    pty.wait_text("again");
    pty.send("\x03");
    assert_eq!(pty.end().exit_code(), 130);
}

#[test]
fn every_size_in_a_row_ends_like_a_fresh_start() {
    let home = home();
    let mut pty = Pty::start(console(&home), 120, 36);
    pty.wait_text("[CMD]");
    pty.send("ab");
    let mut seed = 7u32;
    let mut typed = "ab".to_owned();
    for storm in 0..200 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match storm % 10 {
            0 => pty.resize(1, 1),
            _ => pty.resize(1 + (seed >> 8) as u16 % 200, 1 + (seed >> 20) as u16 % 60),
        }
        if storm % 20 == 0 {
            pty.send("x");
            typed.push('x');
        }
    }
    pty.send("cd");
    typed.push_str("cd");
    pty.resize(80, 24);
    pty.wait("a whole screen of 80×24", |screen| {
        let lines: Vec<String> = screen.rows(0, 80).collect();
        lines[0].contains("default")
            && lines[20].starts_with(&format!("default> {typed}"))
            && lines[23].contains("[CMD]")
            && lines[1].starts_with("─ Nodes (0)")
    });
    pty.send("\x1b");
    pty.wait_text("[NAV]");
    pty.send("q");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn a_tiny_window_still_takes_commands() {
    let home = home();
    let mut pty = Pty::start(console(&home), 18, 4);
    pty.wait_text("window too small");
    pty.send(":exit 7\r");
    assert_eq!(pty.end().exit_code(), 7);
}
