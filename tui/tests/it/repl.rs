//! The line editor in a pseudo-terminal, on a real cluster: typing, hints, completion, history, questions, news.

use std::{fs, os::unix::fs::PermissionsExt as _};

use cluster_fixture::binary;
use portable_pty::CommandBuilder;

use crate::{pty::Pty, support::Cluster};

impl Cluster {
    fn repl(&self, options: &[&str]) -> Pty {
        self.repl_on("xterm-256color", options)
    }

    fn repl_on(&self, terminal: &str, options: &[&str]) -> Pty {
        let mut command = CommandBuilder::new(binary("redis_console"));
        command.arg(self.of.etcd.url());
        command.args(options);
        command.env("TERM", terminal);
        command.env("HOME", self.home.path());
        command.env_remove("XDG_STATE_HOME");
        command.env_remove("NO_COLOR");
        Pty::start(command, 100, 30)
    }
}

#[test]
fn typing_hints_completion_and_an_open_quote() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = cluster.repl(&["--repl"]);
    pty.wait_text("default> ");
    pty.send("set key1 ");
    pty.wait_text("value [NX | XX | IFEQ");
    pty.send("value1");
    pty.wait_text("slot 9189");
    pty.send("\r");
    pty.wait_text("OK");
    pty.send("EXPIRET\t");
    pty.wait_text("EXPIRETIME");
    pty.send(" key1\r");
    pty.wait_text("(integer) -1");
    pty.send("set key2 \"two\r");
    pty.wait_text("...> ");
    pty.send("lines\"\r");
    pty.send("get key2\r");
    pty.wait_text("\"two\\nlines\"");
    // What was typed in two lines comes back in one.
    pty.send("\x1b[A\x1b[A");
    pty.wait_text("default> set key2 \"two\\nlines\"");
    pty.send("\x03");
    pty.wait_text("Ctrl-C again");
    pty.send("nosuch\r");
    pty.wait_text("(error) ERR unknown command");
    pty.send("3 incr n\r");
    pty.wait_text("(integer) 3");
    pty.wait_prompt();
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn history_across_runs_is_for_the_owner_and_without_secrets() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = cluster.repl(&["--repl"]);
    pty.wait_text("default> ");
    for line in [
        "set visible 1",
        "AUTH hidden1",
        "auth user hidden2",
        "\"AUTH\" hidden3",
        "2 auth hidden4",
        "acl setuser u on >hidden5 +@all",
        "config set requirepass hidden6",
        "hello 3 auth u hidden7",
        " get hidden8",
        "node 1 auth hidden9",
        "add 5 redis://u:hidden10@127.0.0.1:1",
        ":let password hidden11",
    ] {
        pty.send(line);
        pty.send("\r");
        // The next prompt is there when the line was taken; a question of `add` is answered with no.
        if line.starts_with("add") {
            pty.wait_text("nothing was changed");
        }
    }
    pty.send("echo the-end\r");
    pty.wait_text("\"the-end\"");
    pty.wait_prompt();
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
    let file = cluster.home.path().join(".local/state/redis_console/history");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("set visible 1"), "{text}");
    assert!(!text.contains("hidden"), "{text}");

    let mut again = cluster.repl(&["--repl"]);
    again.wait_text("default> ");
    again.send("\x12visi");
    again.wait_text("set visible 1");
    again.send("\r");
    again.wait_text("OK");
    again.wait_prompt();
    again.send("\x04");
    assert_eq!(again.end().exit_code(), 0);
}

#[test]
fn changes_ask_first_and_news_stand_above_the_prompt() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = cluster.repl(&["--repl"]);
    pty.wait_text("default> ");
    let add = format!("add 2 {}\r", cluster.of.nodes[1].url());
    pty.send(&add);
    pty.wait_text("8192 slots would move");
    pty.wait_text("add node 2? [y/N]");
    pty.send("n\r");
    pty.wait_text("nothing was changed\n");
    assert_eq!(cluster.run(&["--json", "show", "nodes"]).text().lines().count(), 1);
    pty.send(&add);
    pty.wait("the question again", |screen| screen.contents().matches("add node 2? [y/N]").count() == 2);
    pty.send("y\r");
    pty.wait_text("node 2 added: 8192 slots");
    pty.send("half a line");
    pty.wait_text("default> half a line");
    // Somebody else removes it: told without disturbing what is typed.
    assert_eq!(cluster.run(&["remove", "2"]).code, Some(0));
    pty.wait("the news, and the line below it", |screen| {
        let text = screen.contents();
        let told = text.find("node 2 removed by").or_else(|| text.rfind("-- member"));
        let line = text.rfind("default> half a line");
        told.zip(line).is_some_and(|(told, line)| told < line) && text.matches("-- ").count() > 1
    });
    pty.send("\x15\x04");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn a_removal_wants_the_id() {
    let Some(cluster) = Cluster::start() else { return };
    assert_eq!(cluster.run(&["add", "2", &cluster.of.nodes[1].url()]).code, Some(0));
    let mut pty = cluster.repl(&["--repl"]);
    pty.wait_text("default> ");
    pty.send("remove 2\r");
    pty.wait_text("type the id to remove node 2:");
    pty.send("y\r");
    pty.wait_text("nothing was changed\n");
    assert_eq!(cluster.run(&["--json", "show", "nodes"]).text().lines().count(), 2);
    pty.send("remove 2\r");
    pty.wait("the question again", |screen| screen.contents().matches("type the id").count() == 2);
    pty.send("2\r");
    pty.wait_text("node 2 removed: 8192 slots");
    assert_eq!(cluster.run(&["--json", "show", "nodes"]).text().lines().count(), 1);
    pty.send(":exit 7\r");
    assert_eq!(pty.end().exit_code(), 7);
}

#[test]
fn ctrl_c_clears_the_line_gives_up_what_runs_and_leaves_the_second_time() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = cluster.repl(&["--repl"]);
    pty.wait_text("default> ");
    pty.send("set gone 1\x03");
    pty.wait_text("Ctrl-C again");
    pty.send("exists gone\r");
    pty.wait_text("(integer) 0");
    pty.send("watch ping\r");
    pty.wait_text("PONG");
    pty.send("\x03");
    pty.wait_text("given up; what was sent may still run");
    pty.send("echo here\r");
    pty.wait_text("\"here\"");
    pty.send("2 watch incr counter\r");
    pty.wait_text("(integer) 2");
    pty.wait_prompt();
    pty.send("\x03");
    pty.wait("the hint of Ctrl-C again", |screen| screen.contents().matches("Ctrl-C again").count() == 2);
    pty.send("\x03");
    assert_eq!(pty.end().exit_code(), 130);
    drop(cluster);
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let Some(cluster) = Cluster::start() else { return };
    for (signal, status) in [("TERM", 143), ("HUP", 129)] {
        let mut command = CommandBuilder::new("sh");
        let program = binary("redis_console").display().to_string();
        let script = "stty -a >before; \"$1\" \"$2\" --repl; echo status $?; stty -a >after; echo compared";
        command.args(["-c", script, "sh", &program, &cluster.of.etcd.url()]);
        command.cwd(cluster.home.path());
        command.env("TERM", "xterm-256color");
        command.env("HOME", cluster.home.path());
        command.env_remove("XDG_STATE_HOME");
        let mut pty = Pty::start(command, 100, 30);
        pty.wait_text("default> ");
        pty.send("half a li");
        pty.wait_text("half a li");
        let children = format!("/proc/{0}/task/{0}/children", pty.pid());
        let console = fs::read_to_string(children).unwrap().trim().to_owned();
        let sent = std::process::Command::new("kill").args(["-s", signal, &console]).status().unwrap();
        assert!(sent.success());
        pty.wait_text(&format!("status {status}"));
        pty.wait_text("compared");
        pty.end();
        let read = |name: &str| fs::read_to_string(cluster.home.path().join(name)).unwrap();
        assert_eq!(read("before"), read("after"), "{signal}");
        let raw = pty.raw();
        assert!(raw.rfind("\x1b[?2004l") > raw.rfind("\x1b[?2004h"), "{raw:?}");
    }
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_the_line_is_there_again() {
    let Some(cluster) = Cluster::start() else { return };
    let mut command = CommandBuilder::new("bash");
    let program = binary("redis_console").display().to_string();
    let script = "set -m; stty -a >before; \"$1\" \"$2\" --repl; stty -a >stopped; echo stopped; read -r _; fg; \
                  echo status $?; stty -a >after; echo compared";
    command.args(["-c", script, "bash", &program, &cluster.of.etcd.url()]);
    command.cwd(cluster.home.path());
    command.env("TERM", "xterm-256color");
    command.env("HOME", cluster.home.path());
    command.env_remove("XDG_STATE_HOME");
    let mut pty = Pty::start(command, 100, 30);
    pty.wait_text("default> ");
    pty.send("echo half-");
    pty.wait_text("default> echo half-");
    pty.send("\x1a");
    pty.wait("the end of the shell's line", |screen| screen.contents().lines().any(|line| line == "stopped"));
    pty.send("\r");
    pty.wait("the line again", |screen| screen.contents().matches("default> echo half-").count() == 2);
    pty.send("whole\r");
    pty.wait_text("\"half-whole\"");
    pty.wait_prompt();
    pty.send("\x04");
    pty.wait_text("status 0");
    pty.wait_text("compared");
    let read = |name: &str| fs::read_to_string(cluster.home.path().join(name)).unwrap();
    assert_eq!((read("stopped"), read("after")), (read("before"), read("before")));
}

#[test]
fn what_was_typed_can_be_kept_as_a_script() {
    let Some(cluster) = Cluster::start() else { return };
    let script = cluster.home.path().join("session");
    let mut pty = cluster.repl(&["--repl"]);
    pty.wait_text("default> ");
    pty.send("incr kept\rset secret 1\rauth hidden\r");
    pty.send(&format!(":script save {}\r", script.display()));
    pty.wait_text("2 lines in ");
    pty.send(&format!(":script save {}\r", script.display()));
    pty.wait_text("File exists");
    pty.wait_prompt();
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
    assert_eq!(fs::read_to_string(&script).unwrap(), "incr kept\nset secret 1\n");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(cluster.run(&["-f", script.to_str().unwrap()]).text(), "2\nOK\n");
}

#[test]
fn plain_and_dumb_terminals_get_lines_and_nothing_else() {
    let Some(cluster) = Cluster::start() else { return };
    for (terminal, options) in [("xterm-256color", &["--plain"][..]), ("dumb", &[]), ("dumb", &["--repl"])] {
        let mut pty = cluster.repl_on(terminal, options);
        pty.wait_text("default> ");
        pty.send("set plain 'a\r");
        pty.wait_text("...> ");
        pty.send("b'\rget plain\r");
        pty.wait_text("\"a\\nb\"");
        pty.send("show nodes\r");
        pty.wait_text(if options == ["--plain"] { "id 1, address http://" } else { "1   http://" });
        pty.send(&format!("add 2 {}\r", cluster.of.nodes[1].url()));
        pty.wait_text("add node 2? [y/N]");
        pty.send("y\r");
        pty.wait_text("node 2 added");
        pty.send("remove 2\r2\r");
        pty.wait_text("node 2 removed");
        pty.send("never run\x03");
        pty.wait_text("Ctrl-C again");
        pty.send("watch ping\r");
        pty.wait_text("PONG");
        pty.send("\x03");
        pty.wait_text("given up");
        pty.send("echo here\r");
        pty.wait_text("\"here\"");
        pty.wait_prompt();
        pty.send("\x04");
        assert_eq!(pty.end().exit_code(), 0);
        let raw = pty.raw();
        let is_plain = |character: char| !matches!(character, '\u{1b}' | '\u{2500}'..='\u{259f}');
        assert!(raw.chars().all(is_plain), "{terminal} {options:?}: {raw:?}");
    }
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = cluster.repl(&["--askpass", "ping"]);
    pty.wait_text("Password of default: ");
    pty.send("se\u{7f}sam\r");
    // The user `default` of a proxy takes any.
    pty.wait_text("PONG");
    assert!(!pty.raw().contains("sam"), "{}", pty.raw());
    assert_eq!(pty.end().exit_code(), 0);
    let mut again = cluster.repl(&["--askpass", "ping"]);
    again.wait_text("Password of default: ");
    again.send("x\x03");
    assert_eq!(again.end().exit_code(), 130);
}
