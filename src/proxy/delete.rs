//! Deleting a key only if it holds a certain string, atomically, on any member.
//!
//! A stock server runs a script, which a worker sends like any other write. Our nodes have an operation of their own for it
//! in gRPC. That one goes past the workers, so it keeps to their rules here: it waits while its slot's writes are held, it is
//! counted as under way (a freeze waits for it), and it goes as the proxy's user, so that a fence stops it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tonic::{Request, metadata::MetadataValue, transport::Endpoint};

use super::{
    daemon::Proxy,
    local::LocalClient,
    routing::{Access, Login},
};
use crate::{
    protocol::Value,
    server::grpc::v1::{self, redis_client::RedisClient},
    slot::SlotId,
};

const SCRIPT: &[u8] =
    b"if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

/// 1 if it was deleted, 0 if it does not exist or holds another string; or an error.
pub(super) async fn if_value(proxy: &Proxy, session: &mut LocalClient, key: Bytes, value: Bytes) -> Value {
    // Also asks whether this caller may do anything at all.
    let get = vec![Bytes::from_static(b"GET"), key.clone()];
    match session.call(&[get]).await.pop() {
        Some(Value::Bulk(held)) if held == value => {}
        Some(Value::Bulk(_) | Value::Null) | None => return Value::Integer(0),
        Some(other) => return other,
    }
    let slot = SlotId::of_key(&key);
    let mut changes = proxy.routing_changes();
    loop {
        let direct = proxy.direct.begin();
        let routing = Arc::clone(&changes.borrow_and_update());
        let Some(member) = routing.owner(slot).and_then(|owner| routing.member(owner)) else {
            return Value::Error(routing.no_owner(slot).into());
        };
        if member.is_stock() {
            drop(direct);
            let script = [Bytes::from_static(b"EVAL"), SCRIPT.into(), Bytes::from_static(b"1"), key, value];
            return session.call(&[script.to_vec()]).await.pop().unwrap_or(Value::Null);
        }
        if routing.holds(slot) {
            drop(direct);
            let bound = proxy.shared.config.node_timeout;
            if tokio::time::timeout(bound, changes.changed()).await.is_err() {
                let text = format!("ERR slot {slot} is being moved; nothing was deleted, try again later");
                return Value::Error(text.into());
            }
            continue;
        }
        let login = match &member.access {
            Access::Ready(login) => login.clone(),
            Access::Closed(reason) => {
                let text =
                    format!("CLUSTERDOWN {} is unreachable: {reason}; nothing was done", member.label());
                return Value::Error(text.into());
            }
        };
        let request = v1::DeleteRequest { key, if_value: Some(value), database: session.database() };
        return match at_node(&login, request, proxy.shared.config.node_timeout).await {
            Ok(deleted) => Value::Integer(i64::from(deleted)),
            Err(Failure::Unsent(reason)) => Value::Error(
                format!("CLUSTERDOWN {} is unreachable: {reason}; nothing was done", member.label()).into(),
            ),
            Err(Failure::Sent(status)) => {
                Value::Error(format!("ERR {}: {}", member.label(), status.message()).into())
            }
        };
    }
}

enum Failure {
    Unsent(String),
    Sent(tonic::Status),
}

async fn at_node(login: &Login, request: v1::DeleteRequest, timeout: Duration) -> Result<bool, Failure> {
    let endpoint = Endpoint::from_shared(format!("http://{}", login.socket))
        .map_err(|error| Failure::Unsent(error.to_string()))?
        .connect_timeout(timeout)
        .timeout(timeout);
    let channel = endpoint.connect().await.map_err(|error| Failure::Unsent(error.to_string()))?;
    let mut request = Request::new(request);
    for (name, text) in [("username", &login.user), ("password", &login.secret)] {
        let value = MetadataValue::try_from(text).map_err(|error| Failure::Unsent(error.to_string()))?;
        request.metadata_mut().insert(name, value);
    }
    let response = RedisClient::new(channel).delete(request).await.map_err(Failure::Sent)?;
    Ok(response.into_inner().deleted)
}
