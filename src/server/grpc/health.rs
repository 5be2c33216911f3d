//! `grpc.health.v1.Health`, answered from [`Daemon::ready`] at the moment of asking.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};

use crate::server::Daemon;

/// How often a watcher's daemon is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Names that can be asked for; the empty one is the whole daemon.
const SERVICES: [&str; 3] = ["", "redis.v1.Redis", "redis.v1.Control"];

struct DaemonHealth<D> {
    daemon: Arc<D>,
    stop: CancellationToken,
}

pub(super) fn service<D: Daemon>(daemon: Arc<D>, stop: CancellationToken) -> HealthServer<impl Health> {
    HealthServer::new(DaemonHealth { daemon, stop })
}

fn status<D: Daemon>(daemon: &D) -> ServingStatus {
    if daemon.ready().is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl<D: Daemon> Health for DaemonHealth<D> {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !SERVICES.contains(&service.as_str()) {
            return Err(Status::not_found(format!("unknown service {service:?}")));
        }
        Ok(Response::new(response(status(&*self.daemon))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = SERVICES.contains(&request.into_inner().service.as_str());
        let ticks = tokio::time::interval(WATCH_INTERVAL);
        let state = (Arc::clone(&self.daemon), self.stop.clone(), ticks, known, None);
        let changes = stream::unfold(state, async |(daemon, stop, mut ticks, known, last)| {
            loop {
                let ends = stop.run_until_cancelled(ticks.tick()).await.is_none();
                let now = match (known, ends) {
                    (false, _) => ServingStatus::ServiceUnknown,
                    (true, true) => ServingStatus::NotServing,
                    (true, false) => status(&*daemon),
                };
                if last != Some(now) {
                    return Some((Ok(response(now)), (daemon, stop, ticks, known, Some(now))));
                }
                if ends {
                    return None;
                }
            }
        });
        Ok(Response::new(changes.boxed()))
    }
}
