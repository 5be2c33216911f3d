//! Who may become a node, and who is one already: other clusters' nodes, proxies, servers that cannot be fenced.

mod commands;
mod elsewhere;
mod leftovers;

use redis_cluster::cluster::records::keys;
use std::{process::Stdio, time::Duration};

use cluster_fixture::{Server, console, node, proxy, proxy_with, redis_server, redis_server_with, within};
use redis_cluster::{
    client::Connection,
    cluster::{
        driver,
        identity::{self, Identity},
        peer::{Peer, mark::Claim},
        plan::{AuditRecord, PlanId, PlanRecord, PlanState, Refusal, Submitted, submit_add, submit_remove},
    },
};

use crate::driving::{Cluster, add, remove};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn submit(cluster: &Cluster, id: &str, address: &str, force: bool) -> Result<Submitted, Refusal> {
    submit_add(&cluster.registry, &add(id, address, force)).await
}

async fn identity(cluster: &Cluster) -> Identity {
    identity::find(&cluster.registry).await.unwrap().unwrap()
}

async fn keys_of(cluster: &Cluster) -> Vec<String> {
    cluster.everything().await.into_iter().map(|(key, _)| key).collect()
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
    let proxies = [
        proxy("1", &cluster.of.etcd.url()),
        proxy_with("2", &cluster.of.etcd.url(), &["--requirepass", "s3cret"]),
    ];
    let registered = async || cluster.registry.list(keys::PROXIES).await.unwrap().entries.len() == 2;
    while !registered().await {}
    for cluster in [&cluster, &other] {
        let before = keys_of(cluster).await;
        for scheme in ["http", "redis"] {
            let address = format!("{scheme}://{}", proxies[0].address());
            let (status, said) = cluster.of.status(&["add", "1", &address]);
            assert_eq!(status, Some(4), "{said}");
            assert!(said.contains("is proxy 1 of cluster default, not a node"), "{said}");
            let (status, said) = cluster.of.status(&["add", "1", &address, "--force"]);
            assert_eq!(status, Some(4), "{said}");
        }
        assert_eq!(keys_of(cluster).await, before);
    }
    let (status, said) = cluster.of.status(&["add", "1", &proxies[1].url()]);
    assert!(status == Some(4) && said.contains("is proxy 2 of cluster default"), "{said}");
    // It says so to a login too.
    let with_login = format!("redis://default:s3cret@{}", proxies[1].address());
    let (status, said) = other.of.status(&["add", "1", &with_login]);
    assert!(status == Some(4) && said.contains("is proxy 2 of cluster default"), "{said}");
}

#[tokio::test]
async fn a_node_is_of_one_cluster() {
    let (Some(one), Some(two)) = (Cluster::start(), Cluster::start()) else { return };
    let ours = node("1");
    let Some(stock) = redis_server() else { return };
    for (id, server) in [("1", &ours), ("2", &stock)] {
        assert_eq!(one.add(id, server).await.unwrap().state, PlanState::Done);
    }
    let first = identity(&one).await;
    for server in [&ours, &stock] {
        assert_eq!(peer(server).await.marks().await.unwrap(), std::slice::from_ref(&first));
        let address = format!("redis://{}", server.address());
        for force in [false, true] {
            let refused = submit(&two, "1", &address, force).await.unwrap_err();
            let text = refused.to_string();
            assert!(matches!(&refused, Refusal::OtherCluster { by, .. } if *by == [first.clone()]), "{text}");
            assert!(text.contains(&format!("ACL DELUSER {}", first.mark())), "{text}");
        }
    }
    assert_eq!(keys_of(&two).await, [""; 0]);
    let removal = submit_remove(&one.registry, &remove("2", false)).await.unwrap();
    assert_eq!(one.see(removal).await.state, PlanState::Done);
    assert_eq!(peer(&stock).await.marks().await.unwrap(), []);
    assert_eq!(two.add("1", &stock).await.unwrap().state, PlanState::Done);
    let second = identity(&two).await;
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
    let (status, said) = cluster.of.status(&["add", "1", &format!("redis://{}", without_acl.address())]);
    assert!(status == Some(4) && said.contains("ACL SETUSER: ERR unknown command"), "{said}");
    for (user, rules) in [("noacl", "+@all -acl"), ("nokill", "+@all -client|kill")] {
        assert!(call(&stock, &format!("ACL SETUSER {user} on >pw ~* &* {rules}")).await.as_error().is_none());
        let address = format!("redis://{user}:pw@{}", stock.address());
        let (status, said) = cluster.of.status(&["add", "1", &address]);
        assert!(
            status == Some(4) && said.contains("could not be shut out") && said.contains("NOPERM"),
            "{said}"
        );
    }
    assert_eq!(keys_of(&cluster).await, [""; 0]);
    // Nothing is left of trying.
    let users = format!("{:?}", call(&stock, "ACL USERS").await);
    assert!(!users.contains("rc-"), "{users}");
}

#[tokio::test]
async fn a_member_that_was_restarted_is_marked_again() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(mut stock), mut ours) = (redis_server(), node("2")) else { return };
    let _proxy = proxy("1", &cluster.of.etcd.url());
    for (id, server, scheme) in [("1", &stock, "redis"), ("2", &ours, "http")] {
        let (status, said) = cluster.of.status(&["add", id, &format!("{scheme}://{}", server.address())]);
        assert_eq!(status, Some(0), "{said}");
    }
    let identity = identity(&cluster).await;
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
    cluster.add("1", &one).await.unwrap();
    fill(&one).await;
    // It will not take all it is given.
    call(&two, "CONFIG SET maxmemory 2mb").await;
    let failed = cluster.add("2", &two).await.unwrap();
    assert!(matches!(&failed.state, PlanState::Failed { reason } if reason.contains("OOM")), "{failed:?}");
    assert_eq!(failed.slots_moved, 0);
    assert!(cluster.registry.get("nodes/2").await.unwrap().is_none());
    assert_eq!(peer(&two).await.marks().await.unwrap(), []);
    let audit = cluster.registry.list(keys::AUDIT).await.unwrap();
    let last: AuditRecord = serde_json::from_slice(&audit.entries.last().unwrap().value).unwrap();
    assert!(last.what.contains("node 2 is no member") && last.what.contains("plan 2 failed"), "{last:?}");
    assert!(matches!(
        submit_remove(&cluster.registry, &remove("2", false)).await,
        Err(Refusal::UnknownNode { .. })
    ));
    call(&two, "CONFIG SET maxmemory 0").await;
    assert_eq!(cluster.add("2", &two).await.unwrap().state, PlanState::Done);

    // Another cluster was quicker, after the plan was accepted.
    let Some(three) = redis_server() else { return };
    let submitted = submit(&cluster, "3", &format!("redis://{}", three.address()), false).await.unwrap();
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
async fn a_member_that_another_cluster_took_is_not_used() {
    let Some(cluster) = Cluster::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.acl");
    let users = "user default on nopass sanitize-payload ~* &* +@all\n";
    std::fs::write(&file, users).unwrap();
    let options = ["--save", "", "--aclfile", file.to_str().unwrap()];
    let Some(mut server) = redis_server_with(&options) else { return };
    let proxy = proxy("1", &cluster.of.etcd.url());
    let (status, said) = cluster.of.status(&["add", "1", &format!("redis://{}", server.address())]);
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
    while peer(&server).await.marks().await.unwrap() != [identity(&cluster).await] {
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
