//! What a proxy shows of the requests that pass through it: metrics, slow requests, hot and large keys. And that everything which is
//! told about metrics is true: the tables of doc/operations.md, the dashboard and the alerts of doc/monitoring.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cluster_fixture::{proxy_with, within};

use super::*;

/// By HTTP/1.0, so that the answer comes in one piece.
fn get(server: &Server, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Samples by name and labels, as they stand there.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.filter_map(|line| line.rsplit_once(' '));
    parsed.filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect()
}

/// One sample, now.
fn metric(server: &Server, name: &str) -> Option<f64> {
    samples(&get(server, "/metrics")).get(name).copied()
}

/// Names of families.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|rest| Some(rest.split_once(' ')?.0.to_owned())).collect()
}

/// Names that a query may use.
fn queryable(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = rest.split_once(' ').unwrap();
        if kind == "histogram" {
            names.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")));
        } else {
            names.insert(name.to_owned());
        }
    }
    names
}

/// What promtool says about metrics, where it is installed (it comes with Prometheus, which nothing else here needs).
fn lint(text: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn section(connection: &mut Connection, name: &str) -> String {
    let Value::Bulk(text) = call(connection, &format!("INFO {name}")).await else { panic!("INFO is text") };
    String::from_utf8(text.to_vec()).unwrap()
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut ours = cluster.connect().await;
    let (here, there) = (key_of(1, 1), key_of(2, 1));
    for line in [
        format!("SET {here} v"),
        format!("SET {there} v"),
        format!("GET {here}"),
        format!("LPUSH {here} x"),
        format!("MGET {here} {there}"),
        format!("RENAME {here} {there}"),
        "NOSUCH".to_owned(),
        "PING".to_owned(),
    ] {
        call(&mut ours, &line).await;
    }
    let text = get(&cluster.proxy, "/metrics");
    lint(&text);
    let seen = samples(&text);
    let of = |name: &str| seen.get(name).copied();
    for (name, count) in [
        (r#"redis_proxy_command_requests_total{cmd="set"}"#, 2.0),
        (r#"redis_proxy_command_requests_total{cmd="mget"}"#, 1.0),
        (r#"redis_proxy_command_requests_total{cmd="ping"}"#, 1.0),
        (r#"redis_proxy_command_errors_total{cmd="lpush"}"#, 1.0),
        (r#"redis_proxy_node_errors_total{node="1",err="WRONGTYPE"}"#, 1.0),
        (r#"redis_proxy_node_requests_total{node="1",outcome="ok"}"#, 3.0),
        (r#"redis_proxy_node_requests_total{node="1",outcome="error"}"#, 1.0),
        (r#"redis_proxy_node_requests_total{node="2",outcome="ok"}"#, 2.0),
        (r#"redis_proxy_node_request_duration_seconds_count{node="1"}"#, 4.0),
        (r#"redis_proxy_node_request_duration_seconds_bucket{node="2",le="+Inf"}"#, 2.0),
        (r#"redis_proxy_request_duration_seconds_count{family="string"}"#, 5.0),
        (r#"redis_proxy_request_duration_seconds_count{family="list"}"#, 1.0),
        (r#"redis_proxy_refusals_total{err="CROSSSLOT"}"#, 1.0),
        (r#"redis_proxy_refusals_total{err="ERR"}"#, 1.0),
        (r#"redis_proxy_node_in_flight{node="1"}"#, 0.0),
        (r#"redis_proxy_clients_cut_total{reason="killed"}"#, 0.0),
        ("redis_proxy_connected_clients", 2.0),
        ("redis_proxy_topology_epoch", 1.0),
    ] {
        assert_eq!(of(name), Some(count), "{name}\n{text}");
    }
    for name in [
        "redis_proxy_memory_rss_bytes",
        "redis_proxy_client_input_bytes_total",
        "redis_proxy_client_output_bytes_total",
        "redis_proxy_lease_remaining_seconds",
        r#"redis_proxy_node_connections{node="1",state="ready"}"#,
        r#"redis_proxy_node_output_bytes_total{node="2"}"#,
        r#"redis_proxy_request_duration_seconds_sum{family="string"}"#,
    ] {
        assert!(of(name).is_some_and(|value| value > 0.0), "{name}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_away_shows_in_metrics() {
    let Some(mut cluster) = Cluster::of(Members::Ours).await else { return };
    let mut ours = cluster.connect().await;
    assert_eq!(call(&mut ours, &format!("SET {} v", key_of(1, 1))).await, Value::Simple("OK".into()));
    cluster.nodes[0].signal("STOP");
    // Sent, and never answered.
    let key = key_of(1, 1);
    let sent = tokio::spawn(async move { call(&mut ours, &format!("GET {key}")).await });
    assert!(
        within(TIMEOUT, || metric(&cluster.proxy, r#"redis_proxy_node_in_flight{node="1"}"#) == Some(1.0))
    );
    cluster.nodes[0].kill();
    assert!(error(&sent.await.unwrap()).contains("may or may not have run"));
    assert!(within(TIMEOUT, || metric(
        &cluster.proxy,
        r#"redis_proxy_node_requests_total{node="1",outcome="unknown"}"#
    ) == Some(1.0)));
    assert!(within(TIMEOUT, || metric(
        &cluster.proxy,
        r#"redis_proxy_node_connections{node="1",state="down"}"#
    ) > Some(0.0)));
    assert_eq!(metric(&cluster.proxy, r#"redis_proxy_node_in_flight{node="1"}"#), Some(0.0));
    assert_eq!(get(&cluster.proxy, "/readyz"), "ready\n", "the other one is there");
    cluster.nodes[1].kill();
    assert!(within(TIMEOUT, || get(&cluster.proxy, "/readyz")
        .starts_with("not ready: no node can be asked: node 1")));
    assert_eq!(get(&cluster.proxy, "/healthz"), "ok\n");
    cluster.nodes[0].restart();
    assert!(within(TIMEOUT, || get(&cluster.proxy, "/readyz") == "ready\n"));
    assert!(within(TIMEOUT, || metric(
        &cluster.proxy,
        r#"redis_proxy_node_connections{node="1",state="down"}"#
    ) == Some(0.0)));
}

#[tokio::test]
async fn slow_requests_are_named_with_where_their_time_went() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let quick = &mut cluster.connect().await;
    assert_eq!(section(quick, "slowrequests").await, "# Slowrequests\r\nslow_threshold_us:10000\r\n");
    // With this one everything is slow.
    let all =
        proxy_with("2", &cluster.etcd.url(), &["--slowlog-log-slower-than", "0", "--slowlog-max-len", "3"]);
    cluster.proxy_comes_to("2", Epoch(1)).await;
    let mut ours = Connection::connect(&all.address(), TIMEOUT).await.unwrap();
    for number in 0..4 {
        call(&mut ours, &format!("SADD {} m", key_of(1, number))).await;
    }
    let key = key_of(2, 1);
    call(&mut ours, &format!("SMEMBERS {key}")).await;
    let text = section(&mut ours, "slowrequests").await;
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("slow") && line.contains("took_us")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].ends_with(&format!("command=\"SMEMBERS\" \"{key}\"")), "{text}");
    assert!(lines[0].contains(",node=2,others=0,client=127.0.0.1:"), "{text}");
    assert!(
        lines[1].ends_with(",node=1,others=0,client=,command=\"sadd\""),
        "a quick command: its name alone\n{text}"
    );
    let number = |name: &str| {
        let (_, rest) = lines[0].split_once(&format!("{name}_us=")).unwrap();
        rest.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(number("took"), number("queue") + number("node") + number("write"));
    assert!(samples(&get(&all, "/metrics"))["redis_proxy_slow_requests_total"] >= 5.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_takes_long_for_is_counted_as_its_time() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut ours = cluster.connect().await;
    call(&mut ours, &format!("SADD {} x", key_of(1, 1))).await;
    cluster.nodes[0].signal("STOP");
    let key = key_of(1, 1);
    let slow = tokio::spawn(async move {
        call(&mut ours, &format!("SMEMBERS {key}")).await;
        section(&mut ours, "slowrequests").await
    });
    let in_flight = || samples(&get(&cluster.proxy, "/metrics"))[r#"redis_proxy_node_in_flight{node="1"}"#];
    assert!(within(TIMEOUT, || in_flight() == 1.0));
    let waits_since = Instant::now();
    assert!(within(TIMEOUT, || waits_since.elapsed() > Duration::from_millis(50)));
    cluster.nodes[0].signal("CONT");
    let text = slow.await.unwrap();
    let line = text.lines().find(|line| line.contains("SMEMBERS")).unwrap_or_else(|| panic!("{text}"));
    let (_, node) = line.split_once("node_us=").unwrap();
    let node: u64 = node.split(',').next().unwrap().parse().unwrap();
    assert!(node >= 50_000, "it was the node that took so long: {line}");
}

#[tokio::test]
async fn hot_and_large_keys_are_found() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let mut ours = cluster.connect().await;
    let (hot, big) = (key_of(1, 1), key_of(2, 1));
    let large = "x".repeat(1 << 20);
    assert_eq!(ours.call(&["SET", &big, &large]).await.unwrap(), Value::Simple("OK".into()));
    // Who gets a large reply is watched from then on.
    for _ in 0..2 {
        call(&mut ours, &format!("GET {big}")).await;
    }
    for number in 0..2000 {
        call(&mut ours, &format!("GET {hot}")).await;
        if number % 4 == 0 {
            call(&mut ours, &format!("GET other{number}")).await;
        }
    }
    let text = section(&mut ours, "hotkeys").await;
    let first = text.lines().find(|line| line.starts_with("hot0:")).unwrap_or_else(|| panic!("{text}"));
    assert!(first.ends_with(&format!("key=\"{hot}\"")), "{text}");
    assert!(text.contains(&format!("of=request,command=set,key=\"{big}\"")), "{text}");
    assert!(text.contains(&format!("bytes=1048588,of=reply,command=get,key=\"{big}\"")), "{text}");
    let slots = section(&mut ours, "hotslots").await;
    let slot = redis_cluster::slot::SlotId::of_key(hot.as_bytes()).index();
    let counts =
        slots.lines().find_map(|line| line.strip_prefix("slots:")).unwrap_or_else(|| panic!("{slots}"));
    let samples_of = |count: &str| count.strip_prefix(&format!("{slot}="))?.parse::<u64>().ok();
    assert!(counts.split(',').find_map(samples_of).is_some_and(|samples| samples > 5), "{slots}");
    let seen = get(&cluster.proxy, "/metrics");
    let seen = samples(&seen);
    assert!(seen["redis_proxy_hottest_key_requests_per_second"] > 100.0);
    assert_eq!(seen[r#"redis_proxy_largest_bytes{of="reply"}"#], 1_048_588.0);
    let nothing = section(&mut ours, "all").await;
    assert!(!nothing.contains("hot0"), "keys are shown to who asks for them");
}

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("doc")
}

/// Words of a text that look like names of metrics.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let is_metric = |word: &&str| word.starts_with("redis_") || word.starts_with("etcd_");
    // Programs, which are called so too.
    let programs = ["redis_node", "redis_console"];
    words.filter(is_metric).filter(|word| !programs.contains(word)).map(str::to_owned).collect()
}

fn expressions(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            if let Some(expression) = fields.get("expr").and_then(serde_json::Value::as_str) {
                found.push(expression.to_owned());
            }
            fields.values().for_each(|field| expressions(field, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn what_is_told_about_metrics_is_true() {
    let Some(cluster) = Cluster::of(Members::Ours).await else { return };
    let (node, proxy) = (get(&cluster.nodes[0], "/metrics"), get(&cluster.proxy, "/metrics"));
    let etcd = get(&cluster.etcd, "/metrics");
    lint(&node);
    let known: BTreeSet<String> =
        [&node, &proxy, &etcd].into_iter().flat_map(|text| queryable(text)).collect();

    let dashboard = fs::read_to_string(documents().join("monitoring/dashboard.json")).unwrap();
    let mut panels = Vec::new();
    expressions(&serde_json::from_str(&dashboard).unwrap(), &mut panels);
    assert!(panels.len() > 30, "{}", panels.len());
    let alerts = fs::read_to_string(documents().join("monitoring/alerts.yml")).unwrap();
    for name in metric_names(&panels.join("\n")).iter().chain(&metric_names(&alerts)) {
        assert!(known.contains(name), "{name} is in doc/monitoring and nowhere else");
    }

    let operations = fs::read_to_string(documents().join("operations.md")).unwrap();
    let (_, rest) = operations.split_once("\n## Alerts\n").expect("a section about alerts");
    let (told, _) = rest.split_once("\n## ").unwrap();
    let rules: Vec<&str> = alerts.split("- alert: ").skip(1).collect();
    for rule in &rules {
        let name = rule.lines().next().unwrap();
        assert!(told.contains(&format!("| `{name}` |")), "{name} is not under Alerts in doc/operations.md");
        for field in ["summary: ", "description: ", "runbook: doc/operations.md#alerts"] {
            assert!(rule.contains(field), "{name} has no {field}");
        }
    }
    assert_eq!(
        told.lines().filter(|line| line.starts_with("| `")).count(),
        rules.len(),
        "one line for each alert"
    );

    let (_, rest) = operations.split_once("\n## Metrics\n").expect("a section about metrics");
    let (told, _) = rest.split_once("\n## ").unwrap();
    let told: BTreeSet<String> =
        told.lines().filter(|line| line.starts_with("| `")).flat_map(metric_names).collect();
    let real: BTreeSet<String> = families(&node).union(&families(&proxy)).cloned().collect();
    let ours = |name: &&String| name.starts_with("redis_");
    assert_eq!(
        told.iter().collect::<Vec<_>>(),
        real.iter().filter(ours).collect::<Vec<_>>(),
        "doc/operations.md, Metrics"
    );
}

#[test]
fn rules_are_what_promtool_takes() {
    let Some(promtool) = cluster_fixture::peer("promtool", "prometheus") else { return };
    let directory = documents().join("monitoring");
    for words in [
        &["check", "rules", "alerts.yml"][..],
        &["check", "config", "prometheus.yml"],
        &["test", "rules", "alerts_test.yml"],
    ] {
        let output = Command::new(&promtool).args(words).current_dir(&directory).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
