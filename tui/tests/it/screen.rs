//! The full screen in a pseudo-terminal: it starts, takes input, keeps its promises to the terminal, and ends.

use std::{fs, path::PathBuf};

use cluster_fixture::{binary, free_port};
use portable_pty::CommandBuilder;

use crate::pty::Pty;

/// The console on a registry that is not there: everything that needs no cluster must work, and say so.
fn console(home: &tempfile::TempDir) -> CommandBuilder {
    let mut command = CommandBuilder::new(binary("redis_console"));
    command.arg(format!("http://127.0.0.1:{}", free_port()));
    surroundings(&mut command, home);
    command
}

fn surroundings(command: &mut CommandBuilder, home: &tempfile::TempDir) {
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.env("HOME", home.path());
    command.env_remove("XDG_STATE_HOME");
    command.env_remove("NO_COLOR");
}

/// The console from a shell that prints the terminal's settings before and after it.
fn in_shell(home: &tempfile::TempDir) -> CommandBuilder {
    let port = free_port();
    let mut command = CommandBuilder::new("sh");
    let program = binary("redis_console").display().to_string();
    let script = "stty -a >before; \"$1\" \"$2\"; echo status $?; stty -a >after; echo compared";
    command.args(["-c", script, "sh", &program, &format!("http://127.0.0.1:{port}")]);
    command.cwd(home.path());
    surroundings(&mut command, home);
    command
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The pid of the console below the shell.
fn console_pid(shell: u32) -> String {
    let path = PathBuf::from(format!("/proc/{shell}/task/{shell}/children"));
    fs::read_to_string(path).unwrap().trim().to_owned()
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
    for _ in 0..100 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        pty.resize(2 + (seed >> 8) as u16 % 200, 2 + (seed >> 20) as u16 % 60);
    }
    pty.send("cd");
    pty.resize(80, 24);
    pty.wait("a whole screen of 80×24", |screen| {
        let lines: Vec<String> = screen.rows(0, 80).collect();
        lines[0].contains("default")
            && lines[20].starts_with("default> abcd")
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

/// However it ends, the terminal is as it was.
fn ends_in_order(end: impl FnOnce(&mut Pty, &str), status: &str) {
    let home = home();
    let mut pty = Pty::start(in_shell(&home), 80, 24);
    pty.wait_text("[CMD]");
    let pid = console_pid(pty.pid());
    end(&mut pty, &pid);
    pty.wait_text(&format!("status {status}"));
    let shown = pty.wait("the shell's screen", |screen| {
        screen.contents().contains("compared")
            && !screen.alternate_screen()
            && !screen.bracketed_paste()
            && !screen.hide_cursor()
    });
    assert!(!shown.contains("Nodes ("), "{shown}");
    pty.end();
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(read("before"), read("after"));
    let raw = pty.raw();
    assert_eq!(raw.matches("\x1b[?1049h").count(), raw.matches("\x1b[?1049l").count());
    // Never left in the middle of a frame.
    assert!(raw.rfind("\x1b[?2026l") > raw.rfind("\x1b[?2026h"));
}

#[test]
fn the_terminal_is_given_back_on_every_way_out() {
    ends_in_order(|pty, _| pty.send("\x04"), "0");
    let leave = |pty: &mut Pty, _: &str| {
        pty.send("\x1b");
        pty.wait_text("[NAV]");
        pty.send("q");
    };
    ends_in_order(leave, "0");
    for (signal, status) in [("TERM", "143"), ("HUP", "129"), ("INT", "130"), ("QUIT", "131")] {
        ends_in_order(
            |pty, pid| {
                let mut kill = std::process::Command::new("kill");
                assert!(kill.args(["-s", signal, pid]).status().unwrap().success());
                if signal == "INT" {
                    pty.wait_text("again");
                    pty.send("\x03");
                }
            },
            status,
        );
    }
}

/// The process is there and not just waiting to be buried.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn a_terminal_that_is_killed_takes_the_console_with_it() {
    let home = home();
    // `script` is a terminal of its own between this test's and the console.
    let mut command = CommandBuilder::new("script");
    let console = format!("exec {} http://127.0.0.1:{}", binary("redis_console").display(), free_port());
    command.args(["-q", "-c", &console, "/dev/null"]);
    command.env("SHELL", "/bin/sh");
    surroundings(&mut command, &home);
    let mut pty = Pty::start(command, 80, 24);
    pty.wait_text("[CMD]");
    let pid = console_pid(pty.pid());
    assert!(lives(&pid));
    pty.signal("KILL");
    pty.end();
    assert!(cluster_fixture::within(std::time::Duration::from_secs(10), || !lives(&pid)), "{pid} still runs");
}
