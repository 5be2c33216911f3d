//! One-shot and script on a real cluster: nodes, a proxy, etcd. What passes through a proxy, and words about the cluster.

use crate::support::Cluster;

#[test]
fn commands_of_every_kind_through_a_proxy() {
    let Some(cluster) = Cluster::start() else { return };
    let second = cluster.run(&["add", "2", &cluster.of.nodes[1].url()]);
    assert_eq!((second.code, second.text()), (Some(0), "OK\n"), "{second:?}");
    assert!(second.stderr.contains("node 2 added: 8192 slots and 0 keys moved"), "{second:?}");
    for (words, stdout) in [
        (&["mset", "a", "1", "b", "2", "c", "3"][..], "OK\n"),
        (&["mget", "a", "b", "c", "d"], "1\n2\n3\n\n"),
        (&["--no-raw", "mget", "a", "d"], "1) \"1\"\n2) (nil)\n"),
        (&["--json", "mget", "a", "d"], "[\"1\",null]\n"),
        (&["-r", "3", "-i", "0.01", "incr", "n"], "1\n2\n3\n"),
        (&["-n", "3", "exists", "a"], "0\n"),
        (&["-3", "--csv", "mget", "a", "d"], "\"1\",NULL\n"),
        (&["delete", "a", "2"], "0\n"),
        (&["delete", "a", "1"], "1\n"),
        (&["dbsize"], "3\n"),
        (&["-r", "2", "-i", "0.01", "watch", "get", "b"], "2\n2\n"),
    ] {
        let ran = cluster.run(words);
        assert_eq!((ran.code, ran.text()), (Some(0), stdout), "{words:?}: {ran:?}");
    }
    cluster.script(&["-x", "set", "bytes"], b"\x00\xff\n");
    assert_eq!(cluster.run(&["get", "bytes"]).stdout, b"\x00\xff\n\n");
    let explained = cluster.run(&["explain", "get", "key1"]);
    assert!(explained.text().lines().any(|row| row.starts_with("key1\t9189\t")), "{explained:?}");
    for (words, code, said) in [
        (&["incr", "bytes"][..], 1, "not an integer"),
        (&["nosuch"], 1, "ERR unknown command"),
        (&["add", "2", &cluster.of.nodes[1].url()], 0, "node 2 is a member already"),
        (&["add", "2", &cluster.of.nodes[0].url()], 4, "already a member"),
        (&["ack", "7"], 4, "no node 7"),
        (&["ack", "1", "--json"], 0, "\"OK\""),
        (&["--read-only", "incr", "n"], 4, "read-only"),
        (&["node", "7", "ping"], 4, "no node 7; there are 1, 2"),
        (&["add", "3", "nowhere"], 2, "address"),
    ] {
        let ran = cluster.run(words);
        assert_eq!(ran.code, Some(code), "{words:?}: {ran:?}");
        assert!(ran.text().contains(said) || ran.stderr.contains(said), "{words:?}: {ran:?}");
    }
}

#[test]
fn a_script_changes_the_cluster_waits_and_checks() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.of.nodes[1].url();
    let lines: String = (0..500).map(|key| format!("set key:{key} {key}\n")).collect();
    assert_eq!(cluster.script(&[], lines.as_bytes()).code, Some(0));
    let script = format!(
        ":on-error stop\n:let id 2\n:set vars on\nadd ${{id}} {url} --no-wait\n:wait moves 20\n:wait sync 20\n\
         :assert dbsize == 500\n:assert get key:7 == 7\n2 watch exists key:1\nremove ${{id}}\n:assert dbsize == 500\n\
         :echo left: ${{id}}\n"
    );
    let ran = cluster.script(&[], script.as_bytes());
    assert_eq!((ran.code, ran.text()), (Some(0), "OK\n1\n1\nOK\nleft: 2\n"), "{ran:?}");
    assert!(
        ran.stderr.contains("plan 2 accepted") && ran.stderr.contains("the only proxy has epoch"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("node 2 removed: 8192 slots and "), "{ran:?}");
    let nodes = cluster.run(&["show", "nodes", "--json"]);
    assert_eq!(nodes.text().lines().count(), 1, "{nodes:?}");
    let failed = cluster.script(&[], b":assert dbsize == 1\n");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.stderr.contains("stdin:1: assertion failed: the reply is \"500\", not \"1\""),
        "{failed:?}"
    );
}

#[test]
fn waiting_too_long_is_a_status_of_its_own() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.of.proxies[0].signal("STOP");
    let url = cluster.of.nodes[1].url();
    // The only proxy is frozen, so nobody carries the plan out.
    let script = format!("add 2 {url} --no-wait\n:wait moves 0.3\nset a 1\n");
    let ran = cluster.script(&[], script.as_bytes());
    cluster.of.proxies[0].signal("CONT");
    assert_eq!(ran.code, Some(124), "{ran:?}");
    assert!(ran.stderr.contains("stdin:2: not yet after 0.3 s"), "{ran:?}");
    let after = cluster.script(&["--timeout", "60"], b":wait moves 30\nexists a\n");
    assert_eq!((after.code, after.text()), (Some(0), "0\n"), "nothing ran after it: {after:?}");
}

#[test]
fn a_lua_script_is_sent_and_the_answer_of_the_server_shown() {
    let Some(cluster) = Cluster::start() else { return };
    let file = cluster.home.path().join("script.lua");
    std::fs::write(&file, "return {KEYS[1], ARGV[1]}").unwrap();
    let ran = cluster.run(&["--eval", file.to_str().unwrap(), "key", ",", "value"]);
    // Whatever the cluster has for EVAL, it is its answer.
    let is_answer = ran.text() == "key\nvalue\n" || ran.text().starts_with("ERR ");
    assert!(is_answer && ran.code == Some(i32::from(ran.text().starts_with("ERR "))), "{ran:?}");
}
