//! Clusters that a test drives, and plans to their end: by a driver in the process of the test, or by whoever drives.

use cluster_fixture::Server;
use redis_cluster::cluster::{
    driver,
    member::Address,
    plan::{AddRequest, PlanId, PlanRecord, Refusal, RemoveRequest, Submitted, submit_add, submit_remove},
    records::keys,
    registry::Registry,
    topology::Topology,
};
use tokio_util::sync::CancellationToken;

/// A cluster without proxies.
pub(crate) struct Cluster {
    pub(crate) registry: Registry,
    pub(crate) of: cluster_fixture::Cluster,
}

impl Cluster {
    pub(crate) fn start() -> Option<Self> {
        let of = cluster_fixture::Cluster::of(Vec::new(), 0)?;
        let registry = Registry::open(&[of.etcd.url()], "default").unwrap();
        Some(Self { registry, of })
    }

    /// Asks for a stock server to be added, and drives until it is.
    pub(crate) async fn add(&self, id: &str, server: &Server) -> Result<PlanRecord, Refusal> {
        let address = format!("redis://{}", server.address());
        let submitted = submit_add(&self.registry, &add(id, &address, false)).await?;
        Ok(self.see(submitted).await)
    }

    /// Asks for a node to be removed, and drives until it is.
    pub(crate) async fn remove(&self, id: &str, force: bool) -> Result<PlanRecord, Refusal> {
        let submitted = submit_remove(&self.registry, &remove(id, force)).await?;
        Ok(self.see(submitted).await)
    }

    /// Drives until a plan has ended.
    pub(crate) async fn see(&self, submitted: Submitted) -> PlanRecord {
        let Submitted::Plan(plan) = submitted else { panic!("{submitted:?}") };
        see_through(&self.registry, plan).await
    }

    pub(crate) async fn topology(&self) -> Topology {
        let entry = self.registry.get(keys::TOPOLOGY).await.unwrap();
        entry.map_or_else(Topology::default, |entry| serde_json::from_slice(&entry.value).unwrap())
    }

    /// What is in the registry, but for who drives.
    pub(crate) async fn everything(&self) -> Vec<(String, Vec<u8>)> {
        let listing = self.registry.list("").await.unwrap();
        let cluster =
            listing.entries.into_iter().filter(|entry| !["leader", "term"].contains(&entry.key.as_str()));
        cluster.map(|entry| (entry.key, entry.value)).collect()
    }
}

/// What an operator asks for.
pub(crate) fn add(id: &str, address: &str, force: bool) -> AddRequest {
    AddRequest {
        id: id.parse().unwrap(),
        address: address.parse::<Address>().unwrap(),
        force,
        if_revision: None,
        by: "tester".into(),
        words: format!("add {id} {address}"),
    }
}

/// The same for a removal.
pub(crate) fn remove(id: &str, force: bool) -> RemoveRequest {
    RemoveRequest {
        id: id.parse().unwrap(),
        force,
        if_revision: None,
        by: "tester".into(),
        words: format!("remove {id}"),
    }
}

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
