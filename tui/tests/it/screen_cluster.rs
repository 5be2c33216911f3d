//! The full screen on a cluster: what it shows of values and outages, and that nothing changes unless somebody said so.

use cluster_fixture::{Server, etcd, node, proxy, within};
use portable_pty::CommandBuilder;

use crate::{
    pty::Pty,
    screen::{home, surroundings},
    support::{PATIENCE, run, stage},
};

pub(crate) fn screen_of(etcd: &Server, home: &tempfile::TempDir, columns: u16, rows: u16) -> Pty {
    let mut command = CommandBuilder::new(cluster_fixture::binary("redis_console"));
    command.arg(etcd.url());
    surroundings(&mut command, home);
    let pty = Pty::start(command, columns, rows);
    // Not `LIVE`: a redis-server that stands where a proxy would gives no figures, and that is an alarm.
    pty.wait_text("etcd ● r");
    pty
}

#[test]
fn values_are_shown_and_not_obeyed() {
    let Some(stage) = stage() else { return };
    let home = home();
    let mut pty = screen_of(&stage.etcd, &home, 120, 36);
    pty.send("set bin \"\\x1b[31mred\\x00\\x07\\r\\n \\xe4\\xbd\\xa0\\xff\"\r");
    pty.wait_text(" OK");
    pty.send("get bin\r");
    pty.wait_text(r#""\x1b[31mred\x00\a\r\n \xe4\xbd\xa0\xff""#);
    pty.send("set cjk \"\\xe4\\xbd\\xa0\"\rget cjk\r");
    pty.wait_text("你");
    assert!(!pty.raw().contains("\x1b[31mred"));
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn pasted_lines_run_only_after_a_question() {
    let Some(stage) = stage() else { return };
    let home = home();
    let mut pty = screen_of(&stage.etcd, &home, 80, 24);
    let pasted = "\x1b[200~set a 1\nincr a\nincr a\n\x1b[201~";
    pty.send(pasted);
    pty.wait_text("Run 3 lines?");
    // The button that gives up has the focus.
    pty.send("\r");
    pty.wait_text("3 pasted lines dropped");
    pty.send("exists a\r");
    pty.wait_text("(integer) 0");
    pty.send(pasted);
    pty.wait_text("Run 3 lines?");
    pty.send("\t\r");
    pty.wait_text("(integer) 3");
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn a_registry_that_goes_away_is_shown_with_its_age_until_it_is_back() {
    let Some(mut stage) = stage() else { return };
    let home = home();
    let mut pty = screen_of(&stage.etcd, &home, 80, 24);
    stage.etcd.kill();
    let mut seen = None;
    pty.wait("an age that grows", |screen| {
        let first = screen.rows(0, 80).next().unwrap_or_default();
        let age =
            first.split_once("STALE ").and_then(|(_, age)| age.trim().strip_suffix('s')?.parse::<u32>().ok());
        let grows = age.zip(seen).is_some_and(|(age, seen)| age > seen);
        seen = seen.or(age);
        grows && first.contains("down")
    });
    pty.wait("the age of what is known of members", |screen| {
        let text = screen.contents();
        let age = text.split_once("membership as of ").and_then(|(_, age)| age.split_once("s ago"));
        age.is_some_and(|(seconds, _)| seconds.parse::<u32>().is_ok())
    });
    // Data goes through the proxy that is known.
    pty.send("set a 1\r");
    pty.wait_text(" OK");
    stage.etcd.restart();
    pty.wait_text("etcd ● r");
    pty.wait_text("registry answers again");
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn a_command_that_does_not_end_is_given_up_and_the_next_one_runs() {
    let Some(stage) = stage() else { return };
    let home = home();
    let mut pty = screen_of(&stage.etcd, &home, 80, 24);
    pty.send("blpop nothing 0\r");
    pty.wait_text("running blpop nothing 0");
    pty.send("\x03");
    pty.wait_text("gave up `blpop nothing 0`");
    pty.send("echo alive\r");
    pty.wait_text("\"alive\"");
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn a_removal_wants_the_id_and_the_plan_that_was_shown() {
    let Some(etcd) = etcd() else { return };
    let (first, second, third) = (node("1"), node("2"), node("3"));
    let _proxy = proxy("1", &etcd.url());
    let console = |words: &[&str]| {
        let mut command = cluster_fixture::console();
        command.arg(etcd.url()).args(words).env_remove("TERM");
        run(command, b"")
    };
    for (id, node) in [("1", &first), ("2", &second)] {
        let added = console(&["add", id, &node.url()]);
        assert_eq!(added.code, Some(0), "{added:?}");
    }
    assert_eq!(console(&["mset", "a", "1", "b", "2", "c", "3"]).code, Some(0));
    let home = home();
    let mut pty = screen_of(&etcd, &home, 120, 36);
    pty.wait_text("Nodes (2)");
    pty.send("remove 1\r");
    pty.wait_text("refused if the cluster changes first");
    pty.send("\r2\r");
    pty.wait_text("[ 2            ]");
    assert_eq!(console(&["show", "nodes"]).text().lines().count(), 3);

    // Somebody else is faster; the plan that was shown is not the one that would be carried out.
    let added = console(&["add", "3", &third.url()]);
    assert_eq!(added.code, Some(0), "{added:?}");
    pty.wait_text("the cluster has changed since");
    pty.send("\x7f1\r");
    pty.wait("a new plan, and nothing typed", |screen| {
        screen.contents().contains("[              ]")
            && screen.contents().contains("refused if the cluster changes first")
    });
    assert_eq!(console(&["show", "nodes"]).text().lines().count(), 4);
    pty.send("1\r");
    pty.wait_text("node 1 removed");
    assert!(within(PATIENCE, || console(&["show", "nodes"]).text().lines().count() == 3));
    let audit = console(&["show", "audit"]);
    assert!(audit.text().contains("remove 1 --if-rev "), "{audit:?}");
    assert_eq!(console(&["mget", "a", "b", "c"]).text(), "1\n2\n3\n");
    pty.send("\x04");
    assert_eq!(pty.end().exit_code(), 0);
}
