//! `redis.v1.Control`: watching the cluster.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::v1;
use crate::{server::Daemon, slot::SlotRange};

pub(super) struct Control<D> {
    daemon: Arc<D>,
    stop: CancellationToken,
}

impl<D: Daemon> Control<D> {
    pub(super) fn new(daemon: Arc<D>, stop: CancellationToken) -> Self {
        Self { daemon, stop }
    }
}

#[tonic::async_trait]
impl<D: Daemon> v1::control_server::Control for Control<D> {
    type LiveStream = Pin<Box<dyn Stream<Item = Result<v1::LiveFigures, Status>> + Send>>;

    async fn live(&self, request: Request<v1::LiveRequest>) -> Result<Response<Self::LiveStream>, Status> {
        let interval = match request.into_inner().interval_ms {
            0 => 1000,
            given @ 100..=60_000 => given,
            other => {
                return Err(Status::invalid_argument(format!("interval_ms {other}: 100 to 60000, or 0")));
            }
        };
        let mut ticks = tokio::time::interval(Duration::from_millis(interval.into()));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let figures = stream::unfold((Arc::clone(&self.daemon), ticks), async |(daemon, mut ticks)| {
            ticks.tick().await;
            let figures = daemon.figures().await;
            Some((Ok(figures), (daemon, ticks)))
        });
        Ok(Response::new(figures.take_until(self.stop.clone().cancelled_owned()).boxed()))
    }

    async fn topology(
        &self,
        _: Request<v1::TopologyRequest>,
    ) -> Result<Response<v1::TopologyResponse>, Status> {
        Ok(Response::new(self.daemon.topology()))
    }

    async fn count_keys(
        &self,
        request: Request<v1::CountKeysRequest>,
    ) -> Result<Response<v1::CountKeysResponse>, Status> {
        let slots = request.into_inner().slots.into_iter().map(SlotRange::try_from);
        let slots = slots
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        match self.daemon.count_keys(&slots) {
            Some(databases) => Ok(Response::new(v1::CountKeysResponse { databases })),
            None => Err(Status::unimplemented("a proxy has no keys of its own; use DBSIZE")),
        }
    }
}
