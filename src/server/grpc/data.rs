//! `redis.v1.Redis`: using the data.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::Instrument as _;

use super::{
    convert::{status, unexpected},
    trace,
    v1::{self, redis_server::Redis, set_request::Condition},
};
use crate::{
    protocol::Value,
    server::{Addresses, Daemon},
};

/// Commands of a stream that are run as one pipeline.
const PIPELINE_MAX: usize = 256;

pub(super) struct Data<D> {
    daemon: Arc<D>,
    stop: CancellationToken,
}

impl<D: Daemon> Data<D> {
    pub(super) fn new(daemon: Arc<D>, stop: CancellationToken) -> Self {
        Self { daemon, stop }
    }

    /// A session for one call: logged in if the caller says who it is, in `database`.
    async fn session<T>(&self, request: &Request<T>, database: u32) -> Result<D::Session, Status> {
        let peer = request
            .extensions()
            .get::<Addresses>()
            .copied()
            .ok_or_else(|| Status::internal("the connection has no peer"))?;
        let mut session = self.daemon.open_session(peer);
        if let Some((user, password)) = credentials(request.metadata())? {
            let login = vec![Bytes::from_static(b"AUTH"), user, password];
            expect_ok("AUTH", self.daemon.execute(&mut session, login).await)?;
        }
        if database != 0 {
            let select = vec![Bytes::from_static(b"SELECT"), database.to_string().into()];
            expect_ok("SELECT", self.daemon.execute(&mut session, select).await)?;
        }
        Ok(session)
    }
}

/// Metadata `username` (default `default`) and `password`.
fn credentials(metadata: &MetadataMap) -> Result<Option<(Bytes, Bytes)>, Status> {
    let text = |name: &'static str| {
        metadata
            .get(name)
            .map(|value| value.to_str().map(|text| Bytes::copy_from_slice(text.as_bytes())))
            .transpose()
            .map_err(|_| Status::invalid_argument(format!("metadata {name} is not ASCII text")))
    };
    let user = text("username")?.unwrap_or(Bytes::from_static(b"default"));
    Ok(text("password")?.map(|password| (user, password)))
}

fn expect_ok(command: &str, reply: Value) -> Result<(), Status> {
    match reply {
        Value::Simple(_) => Ok(()),
        Value::Error(error) => Err(status(&error)),
        other => Err(unexpected(command, &other)),
    }
}

#[tonic::async_trait]
impl<D: Daemon> Redis for Data<D> {
    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        trace::traced(trace::span(&request, "Get"), async {
            let mut session = self.session(&request, request.get_ref().database).await?;
            let arguments = vec![Bytes::from_static(b"GET"), request.into_inner().key];
            match self.daemon.execute(&mut session, arguments).await {
                Value::Bulk(value) => Ok(Response::new(v1::GetResponse { value: Some(value) })),
                Value::Null => Ok(Response::new(v1::GetResponse { value: None })),
                Value::Error(error) => Err(status(&error)),
                other => Err(unexpected("GET", &other)),
            }
        })
        .await
    }

    async fn set(&self, request: Request<v1::SetRequest>) -> Result<Response<v1::SetResponse>, Status> {
        trace::traced(trace::span(&request, "Set"), async {
            let mut session = self.session(&request, request.get_ref().database).await?;
            let request = request.into_inner();
            let condition = request.condition();
            let mut arguments = vec![Bytes::from_static(b"SET"), request.key, request.value];
            if request.ttl_ms != 0 {
                arguments.extend([Bytes::from_static(b"PX"), request.ttl_ms.to_string().into()]);
            }
            match condition {
                Condition::Always => {}
                Condition::Nx => arguments.push(Bytes::from_static(b"NX")),
                Condition::Xx => arguments.push(Bytes::from_static(b"XX")),
            }
            match self.daemon.execute(&mut session, arguments).await {
                Value::Simple(_) => Ok(Response::new(v1::SetResponse { done: true })),
                Value::Null => Ok(Response::new(v1::SetResponse { done: false })),
                Value::Error(error) => Err(status(&error)),
                other => Err(unexpected("SET", &other)),
            }
        })
        .await
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::DeleteResponse>, Status> {
        trace::traced(trace::span(&request, "Delete"), async {
            let mut session = self.session(&request, request.get_ref().database).await?;
            let v1::DeleteRequest { key, if_value, .. } = request.into_inner();
            let reply = match if_value {
                None => self.daemon.execute(&mut session, vec![Bytes::from_static(b"DEL"), key]).await,
                Some(value) => self.daemon.delete_if_value(&mut session, key, value).await,
            };
            match reply {
                Value::Integer(count) => Ok(Response::new(v1::DeleteResponse { deleted: count > 0 })),
                Value::Error(error) => Err(status(&error)),
                other => Err(unexpected("DEL", &other)),
            }
        })
        .await
    }

    async fn execute(&self, request: Request<v1::Command>) -> Result<Response<v1::Reply>, Status> {
        trace::traced(trace::span(&request, "Execute"), async {
            let mut session = self.session(&request, request.get_ref().database).await?;
            let arguments = request.into_inner().arguments;
            if arguments.is_empty() {
                return Err(Status::invalid_argument("a command has at least its name"));
            }
            Ok(Response::new(self.daemon.execute(&mut session, arguments).await.into()))
        })
        .await
    }

    type ExecuteStreamStream = Pin<Box<dyn Stream<Item = Result<v1::Reply, Status>> + Send>>;

    async fn execute_stream(
        &self,
        request: Request<Streaming<v1::Command>>,
    ) -> Result<Response<Self::ExecuteStreamStream>, Status> {
        let span = trace::span(&request, "ExecuteStream");
        let session = trace::traced(span.clone(), self.session(&request, 0)).await?;
        let commands = request.into_inner().ready_chunks(PIPELINE_MAX);
        let state = Some((Arc::clone(&self.daemon), self.stop.clone(), span, session, commands));
        let replies = stream::unfold(state, async |state| {
            let (daemon, stop, span, mut session, mut commands) = state?;
            let arrived = tokio::select! {
                biased;
                arrived = commands.next() => arrived?,
                () = stop.cancelled() => Vec::new(),
            };
            let mut replies = run(&*daemon, &mut session, arrived).instrument(span.clone()).await;
            if !stop.is_cancelled() {
                return Some((stream::iter(replies), Some((daemon, stop, span, session, commands))));
            }
            // It may go on for ever, and the server may not.
            replies.push(Err(Status::unavailable("the server ends: what follows here was not run")));
            Some((stream::iter(replies), None))
        });
        Ok(Response::new(replies.flatten().boxed()))
    }
}

/// What arrived together, run as one pipeline; the first that is no command ends the stream.
async fn run<D: Daemon>(
    daemon: &D,
    session: &mut D::Session,
    arrived: Vec<Result<v1::Command, Status>>,
) -> Vec<Result<v1::Reply, Status>> {
    let mut commands = Vec::with_capacity(arrived.len());
    let mut broken = None;
    for command in arrived {
        match command {
            Ok(command) if command.arguments.is_empty() => {
                broken = Some(Status::invalid_argument("a command has at least its name"));
                break;
            }
            Ok(command) => commands.push(command.arguments),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    let replies = daemon.execute_all(session, commands).await;
    replies.into_iter().map(|reply| Ok(reply.into())).chain(broken.map(Err)).collect()
}
