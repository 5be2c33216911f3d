//! Pages of the full screen on a real cluster: what they show of nodes, and that a change is what its dialog said.

use crate::{pty::Pty, screen_cluster::screen_of, support::Cluster};

fn leave(mut pty: Pty) {
    pty.send("i\x04");
    assert_eq!(pty.end().exit_code(), 0);
}

#[test]
fn a_node_is_opened_and_a_parameter_changed_by_the_command_in_the_dialog() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = screen_of(&cluster.of.etcd, &cluster.home, 120, 36);
    pty.wait_text("Nodes (1)");
    pty.send("\x1b");
    pty.wait_text("[NAV]");
    pty.send("\r");
    pty.wait_text("reads that hit");
    pty.wait_text("fragmentation");
    pty.send("\t\t\t\t");
    pty.wait_text("PARAMETER");
    pty.wait_text("appendonlydir");
    pty.send("/slowlog-log");
    pty.wait_text("filter: slowlog-log");
    pty.send("\rE");
    pty.wait_text("node 1 config set slowlog-log-slower-than 10000");
    // To the command, the last digits away; enter goes to the button, enter again runs it.
    pty.send("\x1b[Z\x7f\x7f\x7f\x7f\x7f0\r\r");
    pty.wait_text("slower-than 0");
    pty.wait("the new value in the table", |screen| {
        screen.contents().lines().any(|line| {
            line.contains("slowlog-log-slower-than") && line.contains(" 0 ") && !line.contains("config")
        })
    });
    // Slots have the keys of its commands, and a monitor hears them.
    let set = cluster.run(&["set", "key1", "1"]);
    assert_eq!(set.code, Some(0), "{set:?}");
    pty.send("4");
    pty.wait_text("1 keys, 128 of 128 counted");
    pty.send("S");
    pty.send("7");
    pty.wait_text("listening");
    assert_eq!(cluster.run(&["get", "key1"]).text(), "1\n");
    pty.wait_text("get key1");
    pty.send("8");
    pty.wait_text("looked at 1 of 1, all");
    pty.wait_text("key1");
    // Everything is slow now.
    pty.send("6");
    pty.wait_text("1 of 1 nodes and 1 of 1 proxies told theirs");
    pty.wait_text("config set slowlog-log-slower-than 0");
    pty.send("9");
    pty.wait_text("transcript");
    pty.wait_text("node 1 config set");
    leave(pty);
}

#[test]
fn keys_are_browsed_and_a_value_changed_by_the_command_in_the_dialog() {
    let Some(cluster) = Cluster::start() else { return };
    let lines = "mset user:1:name ada user:2:name grace plain x\nhset user:1:profile age 36 town london\n\
                 rpush list a b c\nsadd set m\nzadd zset 1.5 m\nxadd stream 1-1 f v\n";
    let made = cluster.script(&["-f", "-"], lines.as_bytes());
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut pty = screen_of(&cluster.of.etcd, &cluster.home, 120, 36);
    pty.wait_text("Nodes (1)");
    pty.send("\x1b");
    pty.wait_text("[NAV]");
    pty.send("3");
    pty.wait_text("8 found, all looked at");
    pty.wait_text("+ user:");
    pty.wait_text("listpack");
    pty.send("/profile\r");
    pty.wait_text("match *profile*");
    pty.wait_text("1 found, all looked at");
    pty.send("\r");
    pty.wait_text("london");
    pty.send("E");
    pty.wait_text("hset user:1:profile age 36");
    pty.send("\x7f\x7f37\r\r");
    pty.wait("the new value", |screen| {
        screen.contents().lines().any(|line| line.contains(" age ") && line.contains(" 37 "))
    });
    pty.send("T");
    pty.wait_text("expire user:1:profile 3600");
    pty.send("\r\r");
    pty.wait_text("ttl 59m");
    // Back to the keys, and this one away: the button that gives up comes first.
    pty.send("\x1b");
    pty.wait_text("match *profile*");
    pty.send("D");
    pty.wait_text("unlink user:1:profile");
    pty.send("\t\r");
    pty.wait_text("(integer) 1");
    pty.wait_text("0 found");
    assert_eq!(cluster.run(&["exists", "user:1:profile"]).text(), "0\n");
    leave(pty);
}

#[test]
fn slots_are_hot_by_their_keys_and_by_what_they_are_asked_for() {
    let Some(cluster) = Cluster::start() else { return };
    assert_eq!(cluster.script(&[], b"set cold:1 x\n3000 get key1\n").code, Some(0));
    let mut pty = screen_of(&cluster.of.etcd, &cluster.home, 120, 36);
    pty.wait_text("Nodes (1)");
    pty.send("\x1b");
    pty.wait_text("[NAV]");
    pty.send("4");
    pty.wait_text("heat by keys");
    pty.wait_text(" op/s  heat");
    // By the requests one stretch has nearly all, that of slot 9189.
    pty.send("v");
    pty.wait_text("heat by op/s");
    pty.send("/9088\r");
    pty.wait("the stretch of key1", |screen| {
        let text = screen.contents();
        let row = text.lines().find(|line| line.contains("9088-9215"));
        row.is_some_and(|row| row.contains(&"#".repeat(20)))
    });
    leave(pty);
}

#[test]
fn a_value_of_ten_megabytes_is_opened_in_a_window() {
    let Some(cluster) = Cluster::start() else { return };
    let made = cluster.run(&["setrange", "big", "10485759", "x"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made = cluster.script(
        &["-f", "-"],
        b"eval \"redis.call('hset', KEYS[1], 'f', string.rep('x', 10485760))\" 1 bighash\n",
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut pty = screen_of(&cluster.of.etcd, &cluster.home, 120, 36);
    pty.wait_text("Nodes (1)");
    pty.send("\x1b");
    pty.wait_text("[NAV]");
    pty.send("3");
    pty.wait_text("hashtable");
    let before = resident(pty.pid());
    pty.send("\r");
    pty.wait_text("bytes 0-4096 of 10,485,760");
    pty.send("]");
    pty.wait_text("bytes 4096-8192 of 10,485,760");
    pty.send("\x1bj\r");
    pty.wait_text("1 of 1 elements");
    pty.wait_text("10.0M xxx");
    let grown = resident(pty.pid()).saturating_sub(before);
    assert!(grown < 30 << 20, "{grown} bytes more for a value of 10 MB");
    leave(pty);
}

/// Bytes of memory of a process, at its highest.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn a_stopped_node_is_said_so_on_its_page_and_comes_back() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = screen_of(&cluster.of.etcd, &cluster.home, 100, 30);
    pty.wait_text("Nodes (1)");
    pty.send("\x1b");
    pty.wait_text("[NAV]");
    pty.send("2");
    pty.wait_text("fragmentation");
    cluster.of.nodes[0].signal("STOP");
    pty.wait_text("no answer within 2 s");
    // The rest of the screen goes on.
    pty.send("5");
    pty.wait_text("WHAT");
    pty.send("2");
    cluster.of.nodes[0].signal("CONT");
    pty.wait_text("fragmentation");
    leave(pty);
}

#[test]
fn the_mouse_opens_what_it_hits_and_the_terminal_keeps_it_if_told_so() {
    let Some(cluster) = Cluster::start() else { return };
    let mut pty = screen_of(&cluster.of.etcd, &cluster.home, 120, 36);
    let address = cluster.of.nodes[0].address();
    let drawn = pty.wait_text(&address);
    let row = drawn.lines().position(|line| line.contains(&address)).unwrap() + 1;
    let click = format!("\x1b[<0;20;{row}M\x1b[<0;20;{row}m");
    pty.send(&format!("{click}{click}"));
    pty.wait_text("reads that hit");
    pty.send("y");
    pty.wait_text("nothing to copy");
    pty.send("\t");
    pty.wait_text("# Server");
    pty.send("y");
    pty.wait_text("clipboard");
    assert!(pty.raw().contains("\x1b]52;c;") && pty.raw().contains("\x1b[?1006h"));
    leave(pty);
}

#[test]
fn what_was_before_is_there_by_revision_with_whose_command_led_to_it() {
    let Some(cluster) = Cluster::start() else { return };
    let added = cluster.run(&["add", "2", &cluster.of.nodes[1].url()]);
    assert_eq!(added.code, Some(0), "{added:?}");
    let mut pty = screen_of(&cluster.of.etcd, &cluster.home, 120, 36);
    // The audit log stands for the events that this console has not seen.
    pty.wait_text("audit     add 2 http://");
    pty.send("\x1b");
    pty.wait_text("[NAV]");
    pty.send("t");
    pty.wait_text("node 2 has its share (plan 2)");
    pty.wait_text("driver ");
    // From the command on, one change after the other, until slots belong to the new node.
    pty.send("/add 2\r\r");
    pty.wait("the cluster of then beside the one of now", |screen| {
        let text = screen.contents();
        let row = text.lines().find(|line| line.contains(&cluster.of.nodes[0].address()));
        text.contains("history › as of revision ")
            && row.is_some_and(|row| row.contains(" 16384 ") && row.contains(" 8192 "))
    });
    pty.send("]]]]]]");
    pty.wait("slots of both", |screen| {
        let text = screen.contents();
        let row = text.lines().find(|line| line.contains(&cluster.of.nodes[1].address()));
        row.is_some_and(|row| row.matches(" 8192 ").count() == 2) && text.contains("AAABBB")
    });
    pty.send("\x1b");
    pty.wait_text("changes, enter: the cluster after one");
    leave(pty);
}
