//! Plans to their end: by a driver in the process of the test, or by whoever drives.

use redis_cluster::cluster::records::keys;
use redis_cluster::cluster::{
    driver,
    plan::{PlanId, PlanRecord},
    registry::Registry,
};
use tokio_util::sync::CancellationToken;

/// Drives until the plan has ended, and returns its record.
pub(crate) async fn see_through(registry: &Registry, plan: PlanId) -> PlanRecord {
    let stop = CancellationToken::new();
    let driving = tokio::spawn(driver::run_until(registry.clone(), "test".to_owned(), stop.clone()));
    let record = ended(registry, plan).await;
    stop.cancel();
    driving.await.unwrap();
    record
}

/// Waits until the plan has ended, whoever drives, and returns its record.
pub(crate) async fn ended(registry: &Registry, plan: PlanId) -> PlanRecord {
    let mut records = registry.watch(&keys::plan(plan));
    loop {
        // Every event is a reason to look, and the first one comes at once.
        records.next().await;
        let entry = registry.get(&keys::plan(plan)).await.unwrap().expect("a plan stays");
        let record: PlanRecord = serde_json::from_slice(&entry.value).unwrap();
        if record.ended() {
            return record;
        }
    }
}
