//! A proxy with a thousand members. They are two servers by many addresses, since all of 127.0.0.0/8 is this machine. What it costs is
//! measured by `benches/crowd`; here it has to work within the time that a login may take.

use cluster_fixture::redis_server_with;

use super::*;

const NODES: u16 = 1000;
/// A machine that is busy with other tests logs in to a thousand nodes in this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of a thousand nodes in one transaction; etcd takes 128.
const RECORDS: usize = 100;

/// The slots of a node, and a key there.
fn part(node: u16) -> (SlotRange, String) {
    let bound = |node: u16| (u32::from(node) * SLOTS as u32 / u32::from(NODES)) as u16;
    let range = slots(bound(node), bound(node + 1) - 1);
    let has_key = |key: &String| range.iter().any(|slot| slot == SlotId::of_key(key.as_bytes()));
    (range, (0..).map(|number| format!("k{number}")).find(has_key).unwrap())
}

#[tokio::test]
async fn a_thousand_members_are_served_and_changes_among_them_are_followed() {
    let server = || redis_server_with(&["--bind", "0.0.0.0", "--save", ""]);
    let (Some(even), Some(odd), Some(etcd)) = (server(), server(), etcd()) else { return };
    let registry = Registry::open(&[etcd.url()], "default").unwrap();
    let member = |node: u16| {
        let port = if node.is_multiple_of(2) { even.port() } else { odd.port() };
        NodeRecord {
            id: node.to_string().parse().unwrap(),
            address: format!("redis://127.0.{}.{}:{port}", node / 250, node % 250 + 1).parse().unwrap(),
            added_at_ms: 0,
            added_by: "test".to_owned(),
            run_id: String::new(),
            version: String::new(),
        }
    };
    let members: Vec<NodeRecord> = (0..NODES).map(member).collect();
    for some in members.chunks(RECORDS) {
        let put = |txn: Txn, node: &NodeRecord| {
            txn.put(format!("nodes/{}", node.id), serde_json::to_vec(node).unwrap())
        };
        assert!(registry.commit(some.iter().fold(Txn::new(), put)).await.unwrap().is_done());
    }
    let parts: Vec<(SlotRange, String)> = (0..NODES).map(part).collect();
    let owned = parts.iter().zip(&members).map(|((range, _), member)| (*range, member.id.clone()));
    let mut topology = Topology { epoch: Epoch(1), slots: owned.collect(), moves: Vec::new() };
    put(&registry, "topology", &topology).await;

    let began = Instant::now();
    let proxy = proxy("1", &etcd.url());
    let mut client = Connection::connect(&proxy.address(), TIMEOUT).await.unwrap();
    loop {
        for (_, key) in &parts {
            client.queue(&["GET", key]);
        }
        client.flush().await.unwrap();
        let mut unserved = 0;
        for _ in &parts {
            unserved += usize::from(client.read().await.unwrap() != Value::Null);
        }
        if unserved == 0 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{unserved} of {NODES} are not served\n{}", proxy.log());
    }
    eprintln!("{NODES} members are served {:?} after the start", began.elapsed());

    // What the first node has goes to the second, which has something else there.
    let key = &parts[0].1;
    for (server, value) in [(&even, "even"), (&odd, "odd")] {
        let mut at_server = Connection::connect(&server.address(), TIMEOUT).await.unwrap();
        assert_eq!(at_server.call(&["SET", key, value]).await.unwrap(), Value::Simple("OK".into()));
    }
    assert_eq!(client.call(&["GET", key]).await.unwrap(), Value::Bulk("even".into()));
    topology.epoch = Epoch(2);
    topology.assign(&[parts[0].0], &members[1].id);
    let began = Instant::now();
    put(&registry, "topology", &topology).await;
    while client.call(&["GET", key]).await.unwrap() != Value::Bulk("odd".into()) {
        assert!(began.elapsed() < PATIENCE, "the change is not followed\n{}", proxy.log());
    }
    eprintln!("a change is followed after {:?}", began.elapsed());
}
