//! Ways out of the full screen: whatever ends or stops it, the terminal is as it was and nothing is left running.

use std::{fs, path::PathBuf, time::Duration};

use cluster_fixture::{binary, free_port, within};
use portable_pty::CommandBuilder;

use crate::{
    pty::Pty,
    screen::{home, surroundings},
};

/// A second, and what a machine that is busy with other tests adds.
const SOON: Duration = Duration::from_secs(3);

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

/// The pid of the console below the shell.
fn console_pid(shell: u32) -> String {
    let path = PathBuf::from(format!("/proc/{shell}/task/{shell}/children"));
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// However it ends, the terminal is as it was.
fn ends_in_order(end: impl FnOnce(&mut Pty, &str), status: &str) {
    let home = home();
    let mut pty = Pty::start(in_shell(&home), 80, 24);
    pty.wait_text("[CMD]");
    let pid = console_pid(pty.pid());
    end(&mut pty, &pid);
    assert!(within(SOON, || !lives(&pid)), "{pid} still runs");
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
    // Alternate screen, bracketed paste, reports of the focus.
    for mode in ["1049", "2004", "1004"] {
        let on = raw.matches(&format!("\x1b[?{mode}h")).count();
        assert_eq!((on, raw.matches(&format!("\x1b[?{mode}l")).count()), (1, 1), "mode {mode}");
    }
    // Never left in the middle of a frame.
    assert!(raw.rfind("\x1b[?2026l") > raw.rfind("\x1b[?2026h"));
}

#[test]
fn the_terminal_is_given_back_on_every_way_out() {
    ends_in_order(|pty, _| pty.send("\x04"), "0");
    let interrupt_twice = |pty: &mut Pty, _: &str| {
        pty.send("\x03");
        pty.wait_text("again");
        pty.send("\x03");
    };
    ends_in_order(interrupt_twice, "130");
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

/// The console in a terminal of its own, which `script` holds between this test's and the console.
fn in_a_terminal_of_its_own(home: &tempfile::TempDir, before: &str) -> Pty {
    let mut command = CommandBuilder::new("script");
    let console =
        format!("exec {before} {} http://127.0.0.1:{}", binary("redis_console").display(), free_port());
    command.args(["-q", "-c", &console, "/dev/null"]);
    command.env("SHELL", "/bin/sh");
    surroundings(&mut command, home);
    let pty = Pty::start(command, 80, 24);
    pty.wait_text("[CMD]");
    pty
}

#[test]
fn a_terminal_that_is_killed_takes_the_console_with_it() {
    let home = home();
    let mut pty = in_a_terminal_of_its_own(&home, "");
    let pid = console_pid(pty.pid());
    assert!(lives(&pid));
    pty.signal("KILL");
    pty.end();
    assert!(within(SOON, || !lives(&pid)), "{pid} still runs");
}

#[test]
fn a_terminal_that_goes_away_without_a_signal_ends_the_console_too() {
    let home = home();
    // In a session of its own nobody sends it SIGHUP.
    let mut pty = in_a_terminal_of_its_own(&home, "setsid -w");
    let pid = console_pid(console_pid(pty.pid()).parse().unwrap());
    assert!(lives(&pid));
    pty.signal("KILL");
    pty.end();
    assert!(within(SOON, || !lives(&pid)), "{pid} still runs");
}

#[test]
fn suspended_the_shell_has_the_terminal_and_fg_draws_everything_again() {
    let home = home();
    let mut command = CommandBuilder::new("bash");
    command.args(["--norc", "--noprofile", "-i"]);
    command.cwd(home.path());
    surroundings(&mut command, &home);
    command.env("PS1", "shell> ");
    let mut pty = Pty::start(command, 80, 24);
    pty.wait_text("shell>");
    pty.send("stty -g >before\r");
    let console = format!("{} http://127.0.0.1:{}", binary("redis_console").display(), free_port());
    pty.send(&format!("{console}\r"));
    pty.wait_text("[CMD]");
    pty.send(":echo typed");
    pty.wait_text("default> :echo typed");
    pty.send("\x1a");
    pty.wait("the shell's screen", |screen| {
        !screen.alternate_screen() && !screen.hide_cursor() && screen.contents().contains("Stopped")
    });
    pty.send("stty -g >during; echo looked\r");
    pty.wait("the shell's answer", |screen| screen.contents().lines().any(|line| line == "looked"));
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(read("before"), read("during"));
    pty.resize(100, 30);
    pty.send("fg\r");
    pty.wait("a whole screen of 100×30", |screen| {
        let lines: Vec<String> = screen.rows(0, 100).collect();
        screen.alternate_screen()
            && lines[0].contains("default")
            && lines[1].starts_with("┌ Nodes (0)")
            && lines[26].starts_with("default> :echo typed")
            && lines[29].contains("[CMD]")
    });
    pty.send("\r");
    pty.wait("what was typed before", |screen| screen.rows(0, 100).any(|line| line.trim() == "typed"));
    pty.send("\x04");
    pty.wait("the shell's screen", |screen| !screen.alternate_screen());
    pty.send("exit\r");
    assert_eq!(pty.end().exit_code(), 0);
}
