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
    // Everything is slow now.
    pty.send("\x1b6");
    pty.wait_text("1 of 1 nodes told theirs");
    pty.wait_text("config set slowlog-log-slower-than 0");
    pty.send("9");
    pty.wait_text("transcript");
    pty.wait_text("node 1 config set");
    leave(pty);
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
