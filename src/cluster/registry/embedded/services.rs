//! etcd's gRPC services over the [`Engine`].

use std::pin::Pin;

use etcd_client::proto::{
    PbAlarmRequest, PbAlarmResponse, PbClusterService, PbCompactionRequest, PbCompactionResponse,
    PbDefragmentRequest, PbDefragmentResponse, PbDeleteRequest, PbDeleteResponse, PbDowngradeRequest,
    PbDowngradeResponse, PbHashKvRequest, PbHashKvResponse, PbHashRequest, PbHashResponse, PbKvService,
    PbLeaseGrantRequest, PbLeaseGrantResponse, PbLeaseKeepAliveRequest, PbLeaseKeepAliveResponse,
    PbLeaseLeasesRequest, PbLeaseLeasesResponse, PbLeaseRevokeRequest, PbLeaseRevokeResponse, PbLeaseService,
    PbLeaseTimeToLiveRequest, PbLeaseTimeToLiveResponse, PbMaintenanceService, PbMember, PbMemberAddRequest,
    PbMemberAddResponse, PbMemberListRequest, PbMemberListResponse, PbMemberPromoteRequest,
    PbMemberPromoteResponse, PbMemberRemoveRequest, PbMemberRemoveResponse, PbMemberUpdateRequest,
    PbMemberUpdateResponse, PbMoveLeaderRequest, PbMoveLeaderResponse, PbPutRequest, PbPutResponse,
    PbRangeRequest, PbRangeResponse, PbRangeStreamResponse, PbSnapshotRequest, PbSnapshotResponse,
    PbStatusRequest, PbStatusResponse, PbTxnRequest, PbTxnResponse, PbWatchRequest, PbWatchResponse,
    PbWatchService,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{engine::Engine, hub, requests};

type Reply<T> = Result<Response<T>, Status>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// All services in one; cloned for each.
#[derive(Clone, Debug)]
pub(super) struct Services {
    pub(super) engine: Engine,
    pub(super) stop: CancellationToken,
    /// `http://HOST:PORT`, for those who ask for the members.
    pub(super) url: String,
}

fn unsupported<T>(what: &str) -> Reply<T> {
    Err(Status::unimplemented(format!("{what} is not supported by the embedded registry: use etcd")))
}

#[tonic::async_trait]
impl PbKvService for Services {
    type RangeStreamStream = Messages<PbRangeStreamResponse>;

    async fn range(&self, request: Request<PbRangeRequest>) -> Reply<PbRangeResponse> {
        let request = request.into_inner();
        self.engine.run(move |core| requests::range(core, request)).await.map(Response::new)
    }

    async fn range_stream(&self, _: Request<PbRangeRequest>) -> Reply<Self::RangeStreamStream> {
        unsupported("RangeStream")
    }

    async fn put(&self, request: Request<PbPutRequest>) -> Reply<PbPutResponse> {
        let request = request.into_inner();
        self.engine.run(move |core| requests::put(core, request)).await.map(Response::new)
    }

    async fn delete_range(&self, request: Request<PbDeleteRequest>) -> Reply<PbDeleteResponse> {
        let request = request.into_inner();
        self.engine.run(move |core| requests::delete(core, request)).await.map(Response::new)
    }

    async fn txn(&self, request: Request<PbTxnRequest>) -> Reply<PbTxnResponse> {
        let request = request.into_inner();
        self.engine.run(move |core| requests::txn(core, request)).await.map(Response::new)
    }

    async fn compact(&self, request: Request<PbCompactionRequest>) -> Reply<PbCompactionResponse> {
        let request = request.into_inner();
        self.engine.run(move |core| requests::compact(core, request)).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl PbWatchService for Services {
    type WatchStream = ReceiverStream<Result<PbWatchResponse, Status>>;

    async fn watch(&self, request: Request<Streaming<PbWatchRequest>>) -> Reply<Self::WatchStream> {
        let mut incoming = request.into_inner();
        let (outgoing, messages) = mpsc::channel(hub::QUEUE);
        let stream = self.engine.run(move |core| Ok(core.hub.open(outgoing))).await?;
        let (engine, stop) = (self.engine.clone(), self.stop.clone());
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    message = incoming.message() => message,
                    () = stop.cancelled() => break,
                };
                let Ok(Some(message)) = message else { break };
                let Some(request) = message.request_union else { continue };
                let told = engine.run(move |core| {
                    hub::request(core, stream, request);
                    Ok(())
                });
                if told.await.is_err() {
                    break;
                }
            }
            // Fails only when the engine, and with it the stream, is gone.
            let _ = engine
                .run(move |core| {
                    core.hub.close(stream);
                    Ok(())
                })
                .await;
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

#[tonic::async_trait]
impl PbLeaseService for Services {
    type LeaseKeepAliveStream = ReceiverStream<Result<PbLeaseKeepAliveResponse, Status>>;

    async fn lease_grant(&self, request: Request<PbLeaseGrantRequest>) -> Reply<PbLeaseGrantResponse> {
        let request = request.into_inner();
        self.engine.run(move |core| requests::lease_grant(core, request)).await.map(Response::new)
    }

    async fn lease_revoke(&self, request: Request<PbLeaseRevokeRequest>) -> Reply<PbLeaseRevokeResponse> {
        let id = request.into_inner().id;
        self.engine.run(move |core| requests::lease_revoke(core, id)).await.map(Response::new)
    }

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<PbLeaseKeepAliveRequest>>,
    ) -> Reply<Self::LeaseKeepAliveStream> {
        let mut incoming = request.into_inner();
        let (outgoing, messages) = mpsc::channel(16);
        let (engine, stop) = (self.engine.clone(), self.stop.clone());
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    message = incoming.message() => message,
                    () = outgoing.closed() => return,
                    () = stop.cancelled() => return,
                };
                let Ok(Some(PbLeaseKeepAliveRequest { id })) = message else { return };
                let answer = engine.run(move |core| Ok(requests::lease_keep_alive(core, id))).await;
                let failed = answer.is_err();
                if outgoing.send(answer).await.is_err() || failed {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<PbLeaseTimeToLiveRequest>,
    ) -> Reply<PbLeaseTimeToLiveResponse> {
        let request = request.into_inner();
        self.engine.run(move |core| Ok(requests::lease_time_to_live(core, request))).await.map(Response::new)
    }

    async fn lease_leases(&self, _: Request<PbLeaseLeasesRequest>) -> Reply<PbLeaseLeasesResponse> {
        self.engine.run(move |core| Ok(requests::lease_leases(core))).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl PbClusterService for Services {
    async fn member_list(&self, _: Request<PbMemberListRequest>) -> Reply<PbMemberListResponse> {
        let url = self.url.clone();
        self.engine
            .run(move |core| {
                let member = PbMember {
                    id: core.cluster_id,
                    name: "embedded".to_owned(),
                    peer_ur_ls: Vec::new(),
                    client_ur_ls: vec![url],
                    is_learner: false,
                };
                Ok(PbMemberListResponse { header: core.header(), members: vec![member] })
            })
            .await
            .map(Response::new)
    }

    async fn member_add(&self, _: Request<PbMemberAddRequest>) -> Reply<PbMemberAddResponse> {
        unsupported("a second member")
    }

    async fn member_remove(&self, _: Request<PbMemberRemoveRequest>) -> Reply<PbMemberRemoveResponse> {
        unsupported("removing the only member")
    }

    async fn member_update(&self, _: Request<PbMemberUpdateRequest>) -> Reply<PbMemberUpdateResponse> {
        unsupported("MemberUpdate")
    }

    async fn member_promote(&self, _: Request<PbMemberPromoteRequest>) -> Reply<PbMemberPromoteResponse> {
        unsupported("MemberPromote")
    }
}

#[tonic::async_trait]
impl PbMaintenanceService for Services {
    type SnapshotStream = Messages<PbSnapshotResponse>;

    async fn status(&self, _: Request<PbStatusRequest>) -> Reply<PbStatusResponse> {
        self.engine
            .run(|core| {
                let size = i64::try_from(core.store.size()).unwrap_or(i64::MAX);
                Ok(PbStatusResponse {
                    header: core.header(),
                    version: concat!("3.5.0+embedded.", env!("CARGO_PKG_VERSION")).to_owned(),
                    db_size: size,
                    db_size_in_use: size,
                    leader: core.cluster_id,
                    raft_term: 1,
                    ..PbStatusResponse::default()
                })
            })
            .await
            .map(Response::new)
    }

    /// There are none: what would raise one fails the request instead.
    async fn alarm(&self, _: Request<PbAlarmRequest>) -> Reply<PbAlarmResponse> {
        self.engine
            .run(|core| Ok(PbAlarmResponse { header: core.header(), alarms: Vec::new() }))
            .await
            .map(Response::new)
    }

    async fn defragment(&self, _: Request<PbDefragmentRequest>) -> Reply<PbDefragmentResponse> {
        unsupported("Defragment")
    }

    async fn hash(&self, _: Request<PbHashRequest>) -> Reply<PbHashResponse> {
        unsupported("Hash")
    }

    async fn hash_kv(&self, _: Request<PbHashKvRequest>) -> Reply<PbHashKvResponse> {
        unsupported("HashKV")
    }

    async fn snapshot(&self, _: Request<PbSnapshotRequest>) -> Reply<Self::SnapshotStream> {
        unsupported("Snapshot")
    }

    async fn move_leader(&self, _: Request<PbMoveLeaderRequest>) -> Reply<PbMoveLeaderResponse> {
        unsupported("MoveLeader")
    }

    async fn downgrade(&self, _: Request<PbDowngradeRequest>) -> Reply<PbDowngradeResponse> {
        unsupported("Downgrade")
    }
}
