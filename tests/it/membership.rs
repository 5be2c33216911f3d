//! Who may become a node, and who is one already: other clusters' nodes, proxies, servers that cannot be fenced, keys that
//! may be the cluster's own; and commands that are given twice.

use std::{process::Stdio, time::Duration};

use cluster_fixture::{
    Server, console, etcd, node, proxy, proxy_with, redis_server, redis_server_with, within,
};
use redis_cluster::{
    client::Connection,
    cluster::{
        driver,
        id::Epoch,
        identity::{self, Identity},
        member::Address,
        peer::{Peer, mark::Claim},
        plan::{
            AddRequest, AuditRecord, Goal, MoveRecord, PlanId, PlanRecord, PlanState, Refusal, RemoveRequest,
            ServerRecord, Submitted, keys, preview_add, submit_add, submit_remove, to_json,
        },
        registry::{Registry, Txn},
        slot::SlotId,
        topology::SlotRange,
    },
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A cluster without proxies: the test drives.
struct Cluster {
    registry: Registry,
    etcd: Server,
}

impl Cluster {
    fn start() -> Option<Self> {
        let etcd = etcd()?;
        let registry = Registry::open(&[etcd.url()], "default").unwrap();
        Some(Self { registry, etcd })
    }

    async fn submit(&self, id: &str, address: &str, force: bool) -> Result<Submitted, Refusal> {
        submit_add(&self.registry, &request(id, address, force)).await
    }

    async fn see(&self, submitted: Submitted) -> PlanRecord {
        let Submitted::Plan(plan) = submitted else { panic!("{submitted:?}") };
        driver::see_through(&self.registry, plan, "test", |_| {}).await.unwrap()
    }

    async fn add(&self, id: &str, server: &Server) -> PlanRecord {
        let submitted = self.submit(id, &format!("redis://{}", server.address()), false).await.unwrap();
        self.see(submitted).await
    }

    async fn remove(&self, id: &str, force: bool) -> Result<Submitted, Refusal> {
        let request = RemoveRequest {
            id: id.parse().unwrap(),
            force,
            if_revision: None,
            by: "tester".into(),
            words: format!("remove {id}"),
        };
        submit_remove(&self.registry, &request).await
    }

    async fn identity(&self) -> Identity {
        identity::find(&self.registry).await.unwrap().unwrap()
    }

    async fn keys(&self) -> Vec<String> {
        let entries = self.registry.list("").await.unwrap().entries;
        entries
            .into_iter()
            .map(|entry| entry.key)
            .filter(|key| !["leader", "term"].contains(&&**key))
            .collect()
    }

    /// A console command: its status, and everything it said.
    fn console(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = console().arg(self.etcd.url()).args(words).stdin(Stdio::null()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }
}

fn request(id: &str, address: &str, force: bool) -> AddRequest {
    AddRequest {
        id: id.parse().unwrap(),
        address: address.parse::<Address>().unwrap(),
        force,
        if_revision: None,
        by: "tester".into(),
        words: format!("add {id} {address}"),
    }
}

async fn call(server: &Server, command: &str) -> redis_cluster::protocol::Value {
    let mut connection = Connection::connect(&server.address(), TIMEOUT).await.unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    connection.call(&words).await.unwrap()
}

async fn peer(server: &Server) -> Peer {
    Peer::open(&format!("redis://{}", server.address()).parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_proxy_is_no_node() {
    let (Some(cluster), Some(other)) = (Cluster::start(), Cluster::start()) else { return };
    let proxies =
        [proxy("1", &cluster.etcd.url()), proxy_with("2", &cluster.etcd.url(), &["--requirepass", "s3cret"])];
    let registered = async || cluster.registry.list(keys::PROXIES).await.unwrap().entries.len() == 2;
    while !registered().await {}
    for cluster in [&cluster, &other] {
        let before = cluster.keys().await;
        for scheme in ["http", "redis"] {
            let address = format!("{scheme}://{}", proxies[0].address());
            let (status, said) = cluster.console(&["add", "1", &address]);
            assert_eq!(status, Some(4), "{said}");
            assert!(said.contains("is proxy 1 of cluster default, not a node"), "{said}");
            let (status, said) = cluster.console(&["add", "1", &address, "--force"]);
            assert_eq!(status, Some(4), "{said}");
        }
        assert_eq!(cluster.keys().await, before);
    }
    let (status, said) = cluster.console(&["add", "1", &proxies[1].url()]);
    assert!(status == Some(4) && said.contains("is proxy 2 of cluster default"), "{said}");
    // It says so to a login too.
    let with_login = format!("redis://default:s3cret@{}", proxies[1].address());
    let (status, said) = other.console(&["add", "1", &with_login]);
    assert!(status == Some(4) && said.contains("is proxy 2 of cluster default"), "{said}");
}

#[tokio::test]
async fn a_node_is_of_one_cluster() {
    let (Some(one), Some(two)) = (Cluster::start(), Cluster::start()) else { return };
    let ours = node("1");
    let Some(stock) = redis_server() else { return };
    for (id, server) in [("1", &ours), ("2", &stock)] {
        assert_eq!(one.add(id, server).await.state, PlanState::Done);
    }
    let first = one.identity().await;
    for server in [&ours, &stock] {
        assert_eq!(peer(server).await.marks().await.unwrap(), std::slice::from_ref(&first));
        let address = format!("redis://{}", server.address());
        for force in [false, true] {
            let refused = two.submit("1", &address, force).await.unwrap_err();
            let text = refused.to_string();
            assert!(matches!(&refused, Refusal::OtherCluster { by, .. } if *by == [first.clone()]), "{text}");
            assert!(text.contains(&format!("ACL DELUSER {}", first.mark())), "{text}");
        }
    }
    assert_eq!(two.keys().await, [""; 0]);
    let removal = one.remove("2", false).await.unwrap();
    assert_eq!(one.see(removal).await.state, PlanState::Done);
    assert_eq!(peer(&stock).await.marks().await.unwrap(), []);
    assert_eq!(two.add("1", &stock).await.state, PlanState::Done);
    let second = two.identity().await;
    assert_ne!(first, second);
    assert_eq!(peer(&stock).await.marks().await.unwrap(), [second]);
}

#[tokio::test]
async fn two_clusters_that_claim_at_once_do_not_both_win() {
    let Some(server) = redis_server() else { return };
    let clusters: Vec<Identity> = (0..8).map(|number| Identity::random(&format!("c{number}"))).collect();
    for keep in [false, true] {
        for _ in 0..20 {
            let claims = clusters.iter().map(|cluster| {
                let server = &server;
                async move { peer(server).await.claim(cluster, keep).await.unwrap() }
            });
            let claims = futures::future::join_all(claims).await;
            let won = claims.iter().filter(|claim| matches!(claim, Claim::Ours { .. })).count();
            let marks = peer(&server).await.marks().await.unwrap();
            assert!(won <= 1 && marks.len() == won, "{claims:?} {marks:?}");
            for mark in marks {
                peer(&server).await.unmark(&mark).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_fenced_is_refused() {
    let Some(cluster) = Cluster::start() else { return };
    let options = ["--save", "", "--rename-command", "ACL", ""];
    let (Some(without_acl), Some(stock)) = (redis_server_with(&options), redis_server()) else { return };
    let (status, said) = cluster.console(&["add", "1", &format!("redis://{}", without_acl.address())]);
    assert!(status == Some(4) && said.contains("ACL SETUSER: ERR unknown command"), "{said}");
    for (user, rules) in [("noacl", "+@all -acl"), ("nokill", "+@all -client|kill")] {
        assert!(call(&stock, &format!("ACL SETUSER {user} on >pw ~* &* {rules}")).await.as_error().is_none());
        let address = format!("redis://{user}:pw@{}", stock.address());
        let (status, said) = cluster.console(&["add", "1", &address]);
        assert!(
            status == Some(4) && said.contains("could not be shut out") && said.contains("NOPERM"),
            "{said}"
        );
    }
    assert_eq!(cluster.keys().await, [""; 0]);
    // Nothing is left of trying.
    let users = format!("{:?}", call(&stock, "ACL USERS").await);
    assert!(!users.contains("rc-"), "{users}");
}

#[tokio::test]
async fn a_member_that_was_restarted_is_marked_again() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(mut stock), mut ours) = (redis_server(), node("2")) else { return };
    let _proxy = proxy("1", &cluster.etcd.url());
    for (id, server, scheme) in [("1", &stock, "redis"), ("2", &ours, "http")] {
        let (status, said) = cluster.console(&["add", id, &format!("{scheme}://{}", server.address())]);
        assert_eq!(status, Some(0), "{said}");
    }
    let identity = cluster.identity().await;
    for server in [&mut stock, &mut ours] {
        server.restart();
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        while !peer(server).await.marks().await.unwrap().contains(&identity) {
            assert!(tokio::time::Instant::now() < deadline);
        }
    }
}

#[tokio::test]
async fn a_plan_that_fails_leaves_no_member() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(one), Some(two)) = (redis_server(), redis_server()) else { return };
    cluster.add("1", &one).await;
    fill(&one).await;
    // It will not take all it is given.
    call(&two, "CONFIG SET maxmemory 2mb").await;
    let failed = cluster.add("2", &two).await;
    assert!(matches!(&failed.state, PlanState::Failed { reason } if reason.contains("OOM")), "{failed:?}");
    assert_eq!(failed.slots_moved, 0);
    assert!(cluster.registry.get("nodes/2").await.unwrap().is_none());
    assert_eq!(peer(&two).await.marks().await.unwrap(), []);
    let audit = cluster.registry.list(keys::AUDIT).await.unwrap();
    let last: AuditRecord = serde_json::from_slice(&audit.entries.last().unwrap().value).unwrap();
    assert!(last.what.contains("node 2 is no member") && last.what.contains("plan 2 failed"), "{last:?}");
    assert!(matches!(cluster.remove("2", false).await, Err(Refusal::UnknownNode { .. })));
    call(&two, "CONFIG SET maxmemory 0").await;
    assert_eq!(cluster.add("2", &two).await.state, PlanState::Done);

    // Another cluster was quicker, after the plan was accepted.
    let Some(three) = redis_server() else { return };
    let submitted = cluster.submit("3", &format!("redis://{}", three.address()), false).await.unwrap();
    let other = Identity::random("other");
    assert!(matches!(peer(&three).await.claim(&other, false).await.unwrap(), Claim::Ours { .. }));
    let failed = cluster.see(submitted).await;
    assert!(
        matches!(&failed.state, PlanState::Failed { reason } if reason.contains("other (")),
        "{failed:?}"
    );
    assert!(cluster.registry.get("nodes/3").await.unwrap().is_none());
    assert_eq!(peer(&three).await.marks().await.unwrap(), [other]);
}

#[tokio::test]
async fn what_a_failed_plan_could_not_wipe_does_not_stand_in_the_way() {
    let Some(cluster) = Cluster::start() else { return };
    let options = ["--save", "", "--rename-command", "UNLINK", ""];
    let (Some(one), Some(two)) = (redis_server(), redis_server_with(&options)) else { return };
    cluster.add("1", &one).await;
    fill(&one).await;
    call(&two, "CONFIG SET maxmemory 2mb").await;
    let failed = cluster.add("2", &two).await;
    assert!(matches!(failed.state, PlanState::Failed { .. }), "{failed:?}");
    let left = call(&two, "DBSIZE").await.as_i64().unwrap();
    assert!(left > 0);
    // Nobody has to say --force for copies.
    let again = cluster.submit("2", &format!("redis://{}", two.address()), false).await.unwrap();
    assert_eq!(again, Submitted::Plan(PlanId(failed.id.0 + 1)));
}

#[tokio::test]
async fn a_member_that_another_cluster_took_is_not_used() {
    let Some(cluster) = Cluster::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.acl");
    let users = "user default on nopass sanitize-payload ~* &* +@all\n";
    std::fs::write(&file, users).unwrap();
    let options = ["--save", "", "--aclfile", file.to_str().unwrap()];
    let Some(mut server) = redis_server_with(&options) else { return };
    let proxy = proxy("1", &cluster.etcd.url());
    let (status, said) = cluster.console(&["add", "1", &format!("redis://{}", server.address())]);
    assert_eq!(status, Some(0), "{said}");
    // It forgets us, and remembers somebody else.
    let other = Identity::random("other");
    std::fs::write(&file, format!("{users}user {} off resetchannels -@all\n", other.mark())).unwrap();
    server.restart();
    let refused = format!("it is a node of another cluster by now, {other}");
    assert!(within(TIMEOUT, || proxy.log().contains(&refused)), "{}", proxy.log());
    assert_eq!(peer(&server).await.marks().await.unwrap(), std::slice::from_ref(&other));
    // The operator decides.
    peer(&server).await.unmark(&other).await.unwrap();
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while peer(&server).await.marks().await.unwrap() != [cluster.identity().await] {
        assert!(tokio::time::Instant::now() < deadline, "{}", proxy.log());
    }
}

/// 4 MB, evenly over the slots.
async fn fill(server: &Server) {
    let mut connection = Connection::connect(&server.address(), TIMEOUT).await.unwrap();
    for number in 0..4000 {
        connection.queue(&["SET", &format!("key:{number}"), &"v".repeat(1000)]);
    }
    connection.flush().await.unwrap();
    for _ in 0..4000 {
        connection.read().await.unwrap();
    }
}

/// A plan about node 2 that ended, as the registry keeps it.
fn ended(id: u64, goal: Goal, state: PlanState, server: ServerRecord) -> PlanRecord {
    PlanRecord {
        id: PlanId(id),
        goal,
        state,
        created_at_ms: 1,
        by: "tester".into(),
        words: "test".into(),
        epoch: Epoch(1),
        slots_moved: 0,
        slots_total: 8192,
        keys_moved: 0,
        ended_at_ms: Some(2),
        server: Some(server),
    }
}

#[tokio::test]
async fn copies_that_a_failed_plan_left_are_known() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(one), Some(mut two)) = (redis_server(), redis_server()) else { return };
    cluster.add("1", &one).await;
    // In a slot that node 2 will get.
    let key = (0..).map(|number| format!("key:{number}"));
    let key = key.into_iter().find(|key| SlotId::of_key(key.as_bytes()).get() >= 8192).unwrap();
    call(&one, &format!("SET {key} v")).await;
    let run_id = run_id(&two).await;
    let server = ServerRecord { address: two.address(), run_id, foreign_keys: 0 };
    let goal = Goal::Add { node: "2".parse().unwrap() };
    let failed = ended(2, goal, PlanState::Failed { reason: "test".into() }, server);
    let slot = SlotId::of_key(key.as_bytes());
    let receipt = format!(
        r#"{{"id":1,"plan":2,"from":"1","to":"2","slots":["{slot}"],"state":"aborted","started_at_ms":1,"keys":1,"bytes":1,
            "term":1}}"#
    );
    let _: MoveRecord = serde_json::from_str(&receipt).unwrap();
    assert!(SlotRange::try_from(slot.to_string()).is_ok());
    let txn = Txn::new().put("plans/00000002", to_json(&failed)).put("moves/00000001", receipt);
    cluster.registry.commit(txn).await.unwrap();
    let address = format!("redis://{}", two.address());

    // A copy, and a key that nobody of the cluster put there.
    call(&two, &format!("SET {key} stale")).await;
    call(&two, "SET other v").await;
    let refused = cluster.submit("2", &address, false).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotEmpty { keys: 1, .. }), "{refused}");
    call(&two, "DEL other").await;
    let preview = preview_add(&cluster.registry, &request("2", &address, false)).await.unwrap();
    assert!(preview.warnings.is_empty(), "{preview:?}");
    let submitted = cluster.submit("2", &address, false).await.unwrap();
    assert_eq!(cluster.see(submitted).await.state, PlanState::Done);
    let values = [call(&one, &format!("GET {key}")).await, call(&two, &format!("GET {key}")).await];
    assert!(values.iter().any(|value| value.as_bytes() == Some(b"v")), "{values:?}");
    assert!(values.iter().all(|value| value.as_bytes() != Some(b"stale")), "{values:?}");

    // Another process at that address may be anybody.
    let removal = cluster.remove("2", false).await.unwrap();
    cluster.see(removal).await;
    two.restart();
    call(&two, &format!("SET {key} stale")).await;
    let refused = cluster.submit("2", &address, false).await.unwrap_err();
    assert!(matches!(&refused, Refusal::NotEmpty { hint, .. } if hint.contains("node 2")), "{refused}");
}

async fn run_id(server: &Server) -> String {
    let info = peer(server).await.info("server").await.unwrap();
    redis_cluster::cluster::peer::field_of(&info, "run_id").unwrap().to_owned()
}

#[tokio::test]
async fn keys_that_were_given_up_go_by_force_only_and_are_called_so() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(one), Some(two)) = (redis_server(), redis_server()) else { return };
    cluster.add("1", &one).await;
    cluster.add("2", &two).await;
    let mut connection = Connection::connect(&one.address(), TIMEOUT).await.unwrap();
    connection.call(&["SET", "key", "v"]).await.unwrap();
    // Alive, and out of reach for the console.
    connection.call(&["CONFIG", "SET", "maxclients", "1"]).await.unwrap();
    assert!(matches!(cluster.remove("1", false).await, Err(Refusal::NodeUnreachable { .. })));
    let removal = cluster.remove("1", true).await.unwrap();
    let plan = cluster.see(removal).await;
    assert_eq!(plan.state, PlanState::Done);
    connection.call(&["CONFIG", "SET", "maxclients", "100"]).await.unwrap();
    let address = format!("redis://{}", one.address());
    let refused = cluster.submit("1", &address, false).await.unwrap_err();
    assert!(matches!(&refused, Refusal::GivenUp { plan: by, .. } if *by == plan.id), "{refused}");
    let submitted = cluster.submit("1", &address, true).await.unwrap();
    assert_eq!(cluster.see(submitted).await.state, PlanState::Done);
}

#[tokio::test]
async fn force_is_not_for_keys_that_may_be_the_clusters_own() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(mut one), Some(two)) = (redis_server(), redis_server()) else { return };
    cluster.add("1", &one).await;
    call(&one, "SET key v").await;
    // A member, under another name of its machine, which does not let the console in now.
    let other_name = format!("redis://localhost:{}", one.port());
    for force in [false, true] {
        let refused = cluster.submit("2", &other_name, force).await.unwrap_err();
        assert!(matches!(refused, Refusal::AddressTaken { .. }), "{refused}");
    }
    // Nobody knows whether node 1 was started again elsewhere.
    one.kill();
    call(&two, "SET key v").await;
    for force in [false, true] {
        let refused = cluster.submit("2", &format!("redis://{}", two.address()), force).await.unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, Refusal::MaybeOurs { keys: 1, .. }), "{text}");
        assert!(text.contains("node 1") && !text.contains("--force"), "{text}");
    }
    one.restart();
    // A server that carries our mark, and nobody knows why.
    peer(&two).await.claim(&cluster.identity().await, false).await.unwrap();
    let refused = cluster.submit("2", &format!("redis://{}", two.address()), true).await.unwrap_err();
    assert!(matches!(refused, Refusal::MaybeOurs { .. }), "{refused}");
    call(&two, "FLUSHALL").await;
    assert_eq!(cluster.add("2", &two).await.state, PlanState::Done);
}

#[tokio::test]
async fn a_command_that_is_done_says_so() {
    let Some(cluster) = Cluster::start() else { return };
    let (nodes, _proxy) = ([node("1"), node("2")], proxy("1", &cluster.etcd.url()));
    for id in ["1", "2"] {
        let url = nodes[usize::from(id == "2")].url();
        assert_eq!(cluster.console(&["add", id, &url]).0, Some(0));
        let epoch = cluster.registry.get(keys::TOPOLOGY).await.unwrap();
        for words in
            [&["add", id, &url][..], &["add", id, &url, "--json"], &["add", id, &url, "--if-rev", "1"]]
        {
            let (status, said) = cluster.console(words);
            assert!(status == Some(0) && said.contains("is a member already"), "{words:?}: {said}");
        }
        let (status, said) = cluster.console(&["plan", "add", id, &url]);
        assert!(status == Some(0) && said.contains("nothing to do"), "{said}");
        assert_eq!(cluster.registry.get(keys::TOPOLOGY).await.unwrap(), epoch);
    }
    assert_eq!(cluster.console(&["add", "1", &nodes[1].url()]).0, Some(4));
    assert_eq!(cluster.console(&["remove", "2"]).0, Some(0));
    for words in [&["remove", "2"][..], &["remove", "2", "--json"], &["remove", "2", "--force"]] {
        let (status, said) = cluster.console(words);
        assert!(
            status == Some(0) && said.contains("was removed by plan 3; nothing to do"),
            "{words:?}: {said}"
        );
    }
    let (status, said) = cluster.console(&["remove", "9"]);
    assert!(status == Some(4) && said.contains("there is no node 9"), "{said}");
}

#[tokio::test]
async fn a_waiting_console_drives_where_no_proxy_is() {
    let Some(cluster) = Cluster::start() else { return };
    let nodes = [node("1"), node("2")];
    for (id, server) in ["1", "2"].iter().zip(&nodes) {
        let (status, said) = cluster.console(&["add", id, &server.url()]);
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains("no proxy is alive: this console carries the plan out itself"), "{said}");
        // Somebody else may lead at once.
        assert_eq!(driver::leader(&cluster.registry).await.unwrap(), None);
        if *id == "1" {
            for number in 0..200 {
                call(server, &format!("SET key:{number} v")).await;
            }
        }
    }
    let (status, said) = cluster.console(&["remove", "1"]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(call(&nodes[1], "DBSIZE").await.as_i64(), Some(200));

    // Given up half-way, the plan waits, and a proxy goes on with it.
    let mut interrupted = console();
    nodes[1].signal("STOP");
    let plan = Txn::new().put(
        "nodes/1",
        to_json(&serde_json::json!({
            "id": "1", "address": nodes[0].url(), "added_at_ms": 1, "added_by": "test"
        })),
    );
    cluster.registry.commit(plan).await.unwrap();
    let record = serde_json::json!({
        "id": 4, "do": "add", "node": "1", "state": "accepted", "created_at_ms": 1, "by": "test", "words": "add 1",
        "epoch": 1, "slots_moved": 0, "slots_total": 8192, "keys_moved": 0
    });
    cluster.registry.commit(Txn::new().put("plans/00000004", to_json(&record))).await.unwrap();
    let mut child = interrupted
        .arg(cluster.etcd.url())
        .args(["add", "1", &nodes[0].url()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut leader = cluster.registry.watch("leader");
    while driver::leader(&cluster.registry)
        .await
        .unwrap()
        .is_none_or(|leader| !leader.identity.starts_with("console "))
    {
        tokio::time::timeout(TIMEOUT, leader.next()).await.expect("the console drives");
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut status = None;
    assert!(within(TIMEOUT, || {
        status = child.try_wait().unwrap();
        status.is_some()
    }));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(status.unwrap().code(), Some(130), "{said}");
    assert!(said.contains("goes on when a proxy is alive"), "{said}");
    nodes[1].signal("CONT");
    let _proxy = proxy("1", &cluster.etcd.url());
    let done =
        tokio::time::timeout(TIMEOUT * 2, driver::see_through(&cluster.registry, PlanId(4), "test", |_| {}));
    assert_eq!(done.await.unwrap().unwrap().state, PlanState::Done);
}
