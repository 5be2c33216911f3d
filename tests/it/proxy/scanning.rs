//! `SCAN` by clients that keep a cursor as a double, as JavaScript does: through a proxy before members of both kinds, while a
//! slot changes hands, and at a node.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use super::*;

const KEYS: usize = 3000;

/// A whole scan; between the calls the cursor is a double.
async fn scan(connection: &mut Connection, count: usize, after: impl AsyncFn(usize)) -> BTreeSet<String> {
    let (mut seen, mut cursor) = (BTreeSet::new(), 0.0_f64);
    for calls in 1..20 * KEYS {
        let line = format!("SCAN {cursor:.0} COUNT {count}");
        let Value::Array(parts) = call(connection, &line).await else { panic!("{line}") };
        let [next, Value::Array(keys)] = &parts[..] else { panic!("{line}: {parts:?}") };
        seen.extend(keys.iter().map(|key| String::from_utf8_lossy(key.as_bytes().unwrap()).into_owned()));
        let next: u64 = std::str::from_utf8(next.as_bytes().unwrap()).unwrap().parse().unwrap();
        assert!(next < 1 << 53, "{line} gave {next}");
        if next == 0 {
            return seen;
        }
        cursor = next as f64;
        after(calls).await;
    }
    panic!("the scan does not end: {} keys", seen.len());
}

async fn fill(connection: &mut Connection) -> BTreeSet<String> {
    let keys: BTreeSet<String> = (0..KEYS).map(|number| format!("key:{number}")).collect();
    for key in &keys {
        assert_eq!(call(connection, &format!("SET {key} 1")).await, Value::Simple("OK".into()));
    }
    keys
}

#[tokio::test]
async fn a_cursor_survives_being_a_double() {
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        let mut ours = cluster.connect().await;
        let keys = fill(&mut ours).await;
        for count in [1, 10, 1000] {
            assert_eq!(scan(&mut ours, count, async |_| {}).await, keys, "{members:?} {count}");
        }
        // A new epoch in the middle, and one whose number is a multiple of all that tags could be cut by.
        for epoch in [2, 1023 * 1024] {
            let seen = scan(&mut ours, 100, async |calls| {
                if calls == 10 {
                    let topology = Topology { epoch: Epoch(epoch), ..cluster.topology().await };
                    put(&cluster.registry, "topology", &topology).await;
                    cluster.comes_to(Epoch(epoch)).await;
                }
            });
            assert_eq!(seen.await, keys, "{members:?} {epoch}");
        }
        for node in &cluster.nodes {
            let mut node = Connection::connect(&node.address(), TIMEOUT).await.unwrap();
            let size = call(&mut node, "DBSIZE").await.as_i64().unwrap();
            assert_eq!(scan(&mut node, 7, async |_| {}).await.len(), size as usize, "{members:?}");
        }
    }
}

/// What a JavaScript client does that is written in the most natural way, by hand: no client library is needed for it.
const SCRIPT: &str = r"
const socket = require('net').connect(Number(process.argv[1]), '127.0.0.1');
let text = '', cursor = 0, seen = new Set(), calls = 0;
const ask = () => socket.write(`SCAN ${cursor} COUNT 50\r\n`);
socket.on('data', (data) => {
  text += data;
  const lines = text.split('\r\n');
  if (lines.length < 4 || !lines[3].startsWith('*')) return;
  const count = Number(lines[3].slice(1));
  if (lines.length < 4 + 2 * count + 1) return;
  if (String(Number(lines[2])) !== lines[2]) throw new Error(`cursor ${lines[2]} is not ${Number(lines[2])}`);
  cursor = Number(lines[2]);
  for (let at = 0; at < count; at++) seen.add(lines[5 + 2 * at]);
  text = '';
  if (++calls > 10000) throw new Error('no end');
  if (cursor === 0) { console.log(seen.size); socket.end(); } else ask();
});
ask();
";

#[tokio::test]
async fn node_js_scans_to_the_end() {
    let Some(javascript) = cluster_fixture::peer("node", "nodejs") else { return };
    for members in [Members::Stock, Members::Ours] {
        let Some(cluster) = Cluster::of(members).await else { return };
        fill(&mut cluster.connect().await).await;
        let port = cluster.proxy.port().to_string();
        let output =
            Command::new(&javascript).args(["-e", SCRIPT, &port]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{members:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), KEYS.to_string(), "{members:?}");
    }
}
