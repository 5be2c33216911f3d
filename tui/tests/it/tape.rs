//! Recordings of the full screen and the configuration file, with the real program.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use cluster_fixture::binary;
use portable_pty::CommandBuilder;

use crate::{
    pty::Pty,
    screen::{console, home, surroundings},
};

fn replay(home: &tempfile::TempDir, path: &Path) -> CommandBuilder {
    let mut command = CommandBuilder::new(binary("redis_console"));
    command.args(["--speed", "100", "replay", path.to_str().unwrap()]);
    surroundings(&mut command, home);
    command
}

#[test]
fn a_session_is_recorded_and_shown_again() {
    let home = home();
    let path = home.path().join("tape.cast");
    let recorded = |home: &tempfile::TempDir| {
        let mut command = console(home);
        command.args(["--record", path.to_str().unwrap()]);
        command
    };
    let mut pty = Pty::start(recorded(&home), 100, 30);
    pty.wait_text("[CMD]");
    pty.send(":echo taped\r");
    pty.wait_text("\n taped");
    pty.resize(90, 24);
    // Below 100 columns there are no boxes.
    pty.wait("the smaller screen", |screen| !screen.contents().contains('┌'));
    pty.send(":echo smaller\r");
    pty.wait_text("\n smaller");
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
    // Values stand in it.
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let tape = fs::read_to_string(&path).unwrap();
    let header: serde_json::Value = serde_json::from_str(tape.lines().next().unwrap()).unwrap();
    assert_eq!((header["version"].as_u64(), header["width"].as_u64()), (Some(2), Some(100)));
    assert!(tape.lines().any(|line| line.ends_with(r#","r","90x24"]"#)), "{tape}");

    let mut again = Pty::start(replay(&home, &path), 100, 30);
    again.wait_text("\n smaller");
    assert!(again.raw().contains("taped"));
    again.send("q");
    assert_eq!(again.end().exit_code(), 0);
    assert!(again.raw().contains("\x1b[?1049l"));

    // What is there stays as it is.
    let mut twice = Pty::start(recorded(&home), 100, 30);
    assert_eq!(twice.end().exit_code(), 1);
    twice.wait_text("tape.cast: File exists");
    assert_eq!(fs::read_to_string(&path).unwrap(), tape);
    fs::write(&path, "set a 1\n").unwrap();
    let mut other = Pty::start(replay(&home, &path), 100, 30);
    assert_eq!(other.end().exit_code(), 2);
    other.wait_text("it is no recording");
}

#[test]
fn the_file_has_profiles_and_keys_for_who_sits_at_a_terminal() {
    let home = home();
    let directory = home.path().join(".config/redis_console");
    fs::create_dir_all(&directory).unwrap();
    let write = |text: &str| fs::write(directory.join("config"), text).unwrap();
    write("ascii\nkey x ?\n[prod]\ncluster in-a-file\nread-only\n");
    let mut command = console(&home);
    command.args(["--profile", "prod"]);
    let mut pty = Pty::start(command, 100, 30);
    pty.wait_text("in-a-file>");
    pty.wait_text("[CMD]");
    // A character where text is typed, and a key where it is not.
    pty.send("x");
    pty.wait_text("in-a-file> x");
    pty.send("\x15\x1b");
    pty.wait_text("[NAV]");
    pty.send("x");
    pty.wait_text("+ Help: overview");
    pty.send("\x1bq");
    assert_eq!(pty.end().exit_code(), 0);
    // A command line says more than the file.
    let mut command = console(&home);
    command.args(["--profile", "prod", "--cluster", "typed"]);
    let mut pty = Pty::start(command, 100, 30);
    pty.wait_text("typed>");
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);

    write("nosuch 1\n");
    let mut pty = Pty::start(console(&home), 100, 30);
    assert_eq!(pty.end().exit_code(), 2);
    pty.wait_text("config: line 1: there is no option --nosuch");
    // A job is no matter of the file of whoever runs it.
    let mut job = cluster_fixture::console();
    job.args(["--embedded", "echo", "fine"]).env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
    let ran = crate::support::run(job, b"");
    assert_eq!((ran.code, ran.text()), (Some(0), "fine\n"), "{ran:?}");
}
