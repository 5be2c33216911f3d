//! What lies on a server that is added: copies that moves left there, keys that were given up, keys that may be the
//! cluster's own.

use redis_cluster::cluster::records::to_json;
use redis_cluster::{
    cluster::{
        plan::{Goal, MoveRecord, ServerRecord, preview_add},
        registry::Txn,
    },
    id::Epoch,
    slot::SlotId,
};

use super::*;

#[tokio::test]
async fn what_a_failed_plan_could_not_wipe_does_not_stand_in_the_way() {
    let Some(cluster) = Cluster::start() else { return };
    let options = ["--save", "", "--rename-command", "UNLINK", ""];
    let (Some(one), Some(two)) = (redis_server(), redis_server_with(&options)) else { return };
    cluster.add("1", &one).await.unwrap();
    fill(&one).await;
    call(&two, "CONFIG SET maxmemory 2mb").await;
    let failed = cluster.add("2", &two).await.unwrap();
    assert!(matches!(failed.state, PlanState::Failed { .. }), "{failed:?}");
    let left = call(&two, "DBSIZE").await.as_i64().unwrap();
    assert!(left > 0);
    // Nobody has to say --force for copies.
    let again = submit(&cluster, "2", &format!("redis://{}", two.address()), false).await.unwrap();
    assert_eq!(again, Submitted::Plan(PlanId(failed.id.0 + 1)));
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
        keys_expected: None,
        given_up: None,
        ended_at_ms: Some(2),
        server: Some(server),
    }
}

#[tokio::test]
async fn copies_that_a_failed_plan_left_are_known() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(one), Some(mut two)) = (redis_server(), redis_server()) else { return };
    cluster.add("1", &one).await.unwrap();
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
    assert!(serde_json::from_str::<MoveRecord>(&receipt).is_ok());
    let txn = Txn::new().put("plans/00000002", to_json(&failed)).put("moves/00000001", receipt);
    cluster.registry.commit(txn).await.unwrap();
    let address = format!("redis://{}", two.address());

    // A copy, and a key that nobody of the cluster put there.
    call(&two, &format!("SET {key} stale")).await;
    call(&two, "SET other v").await;
    let refused = submit(&cluster, "2", &address, false).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotEmpty { keys: 1, .. }), "{refused}");
    call(&two, "DEL other").await;
    let preview = preview_add(&cluster.registry, &add("2", &address, false)).await.unwrap();
    assert!(preview.warnings.is_empty(), "{preview:?}");
    let submitted = submit(&cluster, "2", &address, false).await.unwrap();
    assert_eq!(cluster.see(submitted).await.state, PlanState::Done);
    let values = [call(&one, &format!("GET {key}")).await, call(&two, &format!("GET {key}")).await];
    assert!(values.iter().any(|value| value.as_bytes() == Some(b"v")), "{values:?}");
    assert!(values.iter().all(|value| value.as_bytes() != Some(b"stale")), "{values:?}");

    // Another process at that address may be anybody.
    let removal = submit_remove(&cluster.registry, &remove("2", false)).await.unwrap();
    cluster.see(removal).await;
    two.restart();
    call(&two, &format!("SET {key} stale")).await;
    let refused = submit(&cluster, "2", &address, false).await.unwrap_err();
    assert!(matches!(&refused, Refusal::NotEmpty { hint, .. } if hint.contains("node 2")), "{refused}");
}

async fn run_id(server: &Server) -> String {
    let info = peer(server).await.info("server").await.unwrap();
    redis_cluster::protocol::info::field(&info, "run_id").unwrap().to_owned()
}

#[tokio::test]
async fn keys_that_were_given_up_go_by_force_only_and_are_called_so() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(one), Some(two)) = (redis_server(), redis_server()) else { return };
    cluster.add("1", &one).await.unwrap();
    cluster.add("2", &two).await.unwrap();
    let mut connection = Connection::connect(&one.address(), TIMEOUT).await.unwrap();
    connection.call(&["SET", "key", "v"]).await.unwrap();
    // Alive, and out of reach for the console.
    connection.call(&["CONFIG", "SET", "maxclients", "1"]).await.unwrap();
    assert!(matches!(
        submit_remove(&cluster.registry, &remove("1", false)).await,
        Err(Refusal::NodeUnreachable { .. })
    ));
    let removal = submit_remove(&cluster.registry, &remove("1", true)).await.unwrap();
    let plan = cluster.see(removal).await;
    assert_eq!(plan.state, PlanState::Done);
    connection.call(&["CONFIG", "SET", "maxclients", "100"]).await.unwrap();
    let address = format!("redis://{}", one.address());
    let refused = submit(&cluster, "1", &address, false).await.unwrap_err();
    assert!(matches!(&refused, Refusal::GivenUp { plan: by, .. } if *by == plan.id), "{refused}");
    let submitted = submit(&cluster, "1", &address, true).await.unwrap();
    assert_eq!(cluster.see(submitted).await.state, PlanState::Done);
}

#[tokio::test]
async fn force_is_not_for_keys_that_may_be_the_clusters_own() {
    let Some(cluster) = Cluster::start() else { return };
    let (Some(mut one), Some(two)) = (redis_server(), redis_server()) else { return };
    cluster.add("1", &one).await.unwrap();
    call(&one, "SET key v").await;
    // A member, under another name of its machine, which does not let the console in now.
    let other_name = format!("redis://localhost:{}", one.port());
    for force in [false, true] {
        let refused = submit(&cluster, "2", &other_name, force).await.unwrap_err();
        assert!(matches!(refused, Refusal::AddressTaken { .. }), "{refused}");
    }
    // Nobody knows whether node 1 was started again elsewhere.
    one.kill();
    call(&two, "SET key v").await;
    for force in [false, true] {
        let refused = submit(&cluster, "2", &format!("redis://{}", two.address()), force).await.unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, Refusal::MaybeOurs { keys: 1, .. }), "{text}");
        assert!(text.contains("node 1") && !text.contains("--force"), "{text}");
    }
    one.restart();
    // A server that carries our mark, and nobody knows why.
    peer(&two).await.claim(&identity(&cluster).await, false).await.unwrap();
    let refused = submit(&cluster, "2", &format!("redis://{}", two.address()), true).await.unwrap_err();
    assert!(matches!(refused, Refusal::MaybeOurs { .. }), "{refused}");
    call(&two, "FLUSHALL").await;
    assert_eq!(cluster.add("2", &two).await.unwrap().state, PlanState::Done);
}
