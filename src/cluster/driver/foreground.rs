//! Driving for as long as somebody waits: a console, where no proxy is alive to do it.

use tokio_util::sync::CancellationToken;

use super::{DriverError, LEASE, PAUSE, lead, relief};
use crate::cluster::{
    plan::questions,
    registry::{Lease, Registry},
};

type Ended = Box<dyn std::error::Error + Send + Sync>;

/// As [`run`](super::run), until it is told to stop; then somebody else may lead at once. A move under way stays as it is,
/// for the next driver to go on with.
pub async fn run_until(registry: Registry, identity: String, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let error = match stop.run_until_cancelled(registry.grant(LEASE)).await {
            None => return,
            Some(Err(error)) => error.into(),
            Some(Ok(lease)) => {
                let ended = stop.run_until_cancelled(term(&registry, &identity, &lease)).await;
                if let Err(error) = lease.revoke().await {
                    tracing::warn!(identity, %error, "the leadership stays until its lease ends");
                }
                let Some(error) = ended else { return };
                error
            }
        };
        tracing::warn!(identity, %error, "not driving");
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// From the candidacy to the end of the leadership.
async fn term(registry: &Registry, identity: &str, lease: &Lease) -> Ended {
    let leadership = match relief::campaign(registry, identity, lease).await {
        Ok(leadership) => leadership,
        Err(error) => return error.into(),
    };
    tracing::info!(identity, term = %leadership.term(), "driving");
    let lost = leadership.lost();
    tokio::select! {
        () = lost => DriverError::Deposed.into(),
        error = lead(registry, &leadership, identity) => error.into(),
        never = questions::answer_all(registry) => match never {},
    }
}
