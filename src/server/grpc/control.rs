//! `redis.v1.Control`: watching the cluster.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::v1;
use crate::{server::Daemon, slot::SlotRange};

/// Turns closer together than this are told at once: when many members go or come, each would else send the figures of all.
const TURNS_APART: Duration = Duration::from_millis(100);

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
        let turns = self.daemon.turns();
        let start = (Arc::clone(&self.daemon), ticks, turns, Instant::now());
        let figures = stream::unfold(start, async |(daemon, mut ticks, mut turns, last)| {
            let turn = async {
                let turned = match turns.as_mut() {
                    Some(turns) => turns.changed().await.is_ok(),
                    None => false,
                };
                if turned {
                    tokio::time::sleep_until(last + TURNS_APART).await;
                } else {
                    // Nothing will turn any more.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                _ = ticks.tick() => {}
                () = turn => {}
            }
            let figures = daemon.figures().await;
            Some((Ok(figures), (daemon, ticks, turns, Instant::now())))
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

    async fn scripts(
        &self,
        request: Request<v1::ScriptsRequest>,
    ) -> Result<Response<v1::ScriptsResponse>, Status> {
        self.daemon.scripts(&request.into_inner()).map(Response::new)
    }
}
