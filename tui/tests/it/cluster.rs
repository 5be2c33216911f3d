//! Words about the cluster, against the registry alone: what needs no proxy to carry it out.

use crate::support::stage;

#[test]
fn what_there_is_to_show_before_anything_was_added() {
    let Some(stage) = stage() else { return };
    let nodes = stage.run(&["show", "nodes"]);
    assert_eq!(nodes.text().lines().count(), 1, "{nodes:?}");
    assert!(nodes.text().starts_with("ID\tADDRESS\tSTATE\tSLOTS\tKEYS"), "{nodes:?}");
    let proxies = stage.run(&["show", "proxies", "--json"]);
    let row: serde_json::Value = serde_json::from_str(proxies.text().trim()).unwrap();
    assert_eq!((row["id"].as_str(), row["address"].as_str()), (Some("1"), Some(&*stage.redis.address())));
    for what in ["slots", "moves", "audit", "topology"] {
        assert_eq!(stage.run(&["show", what]).code, Some(0), "{what}");
    }
    assert_eq!(stage.run(&["show", "nonsense"]).code, Some(2));
}

#[test]
fn a_plan_is_accepted_recorded_and_told_twice_apart() {
    let Some(stage) = stage() else { return };
    let address = format!("redis://{}", stage.redis.address());
    let dry = stage.run(&["plan", "add", "1", &address]);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.stderr.contains("nothing was changed"), "{dry:?}");
    assert_eq!(stage.run(&["show", "nodes"]).text().lines().count(), 1);

    let added = stage.run(&["add", "1", &address, "--no-wait"]);
    assert_eq!((added.code, added.text()), (Some(0), "OK\n"), "{added:?}");
    let nodes = stage.run(&["show", "nodes", "--json"]);
    let row: serde_json::Value = serde_json::from_str(nodes.text().trim()).unwrap();
    assert_eq!((row["id"].as_str(), row["address"].as_str()), (Some("1"), Some(&*address)));
    let audit = stage.run(&["show", "audit"]);
    assert!(audit.text().contains(&format!("add 1 {address}")), "{audit:?}");

    let twice = stage.run(&["add", "2", &address, "--no-wait"]);
    assert_eq!(twice.code, Some(4), "{twice:?}");
    assert!(twice.stderr.contains("already a member, as node 1"), "{twice:?}");
    let other = stage.run(&["add", "1", "http://127.0.0.1:1", "--no-wait"]);
    assert_eq!(other.code, Some(4), "{other:?}");
    let aged = stage.run(&["remove", "1", "--if-rev", "1"]);
    assert_eq!(aged.code, Some(4), "{aged:?}");
}

#[test]
fn a_node_is_asked_directly() {
    let Some(stage) = stage() else { return };
    stage.run(&["add", "1", &format!("redis://{}", stage.redis.address()), "--no-wait"]);
    assert_eq!(stage.run(&["node", "1", "echo", "here"]).text(), "here\n");
    assert_eq!(stage.run(&["node", "9", "ping"]).code, Some(4));
    let explained = stage.run(&["explain", "mset", "a", "1", "b", "2"]);
    assert_eq!(
        explained.text().lines().nth(1).map(|row| row.starts_with("a\t15495\t")),
        Some(true),
        "{explained:?}"
    );
}
