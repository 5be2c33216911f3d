//! What the full screen costs: from a key to its sign on the screen, and processor time while nobody does anything.
//!
//! Short and with generous limits in the gate, on debug binaries and beside other tests. `BARS=1` with `--release --nocapture` for
//! the figures of doc/console.md: 1,000 keys, a cluster of five nodes, 30 seconds.

use std::time::{Duration, Instant};

use cluster_fixture::{Cluster, node, peer, within};

use crate::{pty::Pty, screen::home, screen_cluster::screen_of};

/// Seconds of processor time that the threads of a process took until now.
fn processor_seconds(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end while this looks.
    let of = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    let nanoseconds: u64 =
        of.map(|text| text.split_whitespace().next().unwrap().parse::<u64>().unwrap()).sum();
    nanoseconds as f64 / 1e9
}

/// Part of one processor that it takes in this time.
fn share(pid: u32, over: Duration) -> f64 {
    let (began, before) = (Instant::now(), processor_seconds(pid));
    within(over, || false);
    (processor_seconds(pid) - before) / began.elapsed().as_secs_f64()
}

/// Types so many letters, each once the one before is on the screen; how long each took, the shortest first.
fn paints(pty: &mut Pty, keys: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 0..keys {
        let column = pty.cursor().1;
        let began = Instant::now();
        // To the beginning again before the line is full.
        let key = if number % 40 == 39 { "\x15" } else { "x" };
        pty.send(key);
        pty.wait("the key", |screen| screen.cursor_position().1 != column);
        took.push(began.elapsed());
    }
    took.sort();
    took
}

#[test]
fn a_key_is_on_the_screen_at_once_and_looking_costs_next_to_nothing() {
    let long = std::env::var_os("BARS").is_some();
    let nodes = if long { vec!["1", "2", "3", "4", "5"] } else { vec!["1"] };
    let Some(of) = Cluster::with_members(nodes.into_iter().map(node).collect(), "http", 1) else { return };
    let home = home();
    let mut pty = screen_of(&of.etcd, &home, 120, 36);
    pty.wait_text("LIVE");
    let (keys, over) = if long { (1_000, Duration::from_secs(30)) } else { (40, Duration::from_secs(1)) };
    let tell = |what: &str, took: &[Duration]| {
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        eprintln!(
            "key to screen, {what}: p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
            at(0.5),
            at(0.99),
            at(1.0)
        );
        at(0.5)
    };
    let idle = tell("idle", &paints(&mut pty, keys));
    assert!(idle < 100.0, "{idle} ms");
    let share_idle = share(pty.pid(), over);
    eprintln!("processor, live: {:.2} %", share_idle * 100.0);
    assert!(share_idle < 0.3, "{share_idle}");
    if long && let Some(benchmark) = peer("redis-benchmark", "redis-tools") {
        let port = of.proxies[0].port().to_string();
        let mut load = std::process::Command::new(benchmark)
            .args(["-p", &port, "-t", "set", "-c", "20", "-n", "100000000", "-r", "100000", "-q"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        tell("under load", &paints(&mut pty, keys));
        eprintln!("processor, under load: {:.2} %", share(pty.pid(), over) * 100.0);
        load.kill().unwrap();
        load.wait().unwrap();
    }
    pty.send("\x15\x04");
    assert_eq!(pty.end().exit_code(), 0);
}
