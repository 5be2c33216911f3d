//! HTTP on the one port: gRPC, `/metrics`, `/healthz`, `/readyz`, over HTTP/1 and HTTP/2.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderMap, Response, StatusCode, header},
    response::IntoResponse as _,
    routing::get,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tonic::codegen::Service as _;

use super::{Addresses, Daemon, grpc, metrics, prefixed::Prefixed, sniff::Protocol};

/// How often a silent HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// The HTTP side of a daemon; a clone per connection.
#[derive(Clone)]
pub(super) struct Endpoints {
    router: Router,
    stop: CancellationToken,
}

impl Endpoints {
    pub(super) fn new<D: Daemon>(daemon: &Arc<D>, stop: CancellationToken) -> Self {
        let metrics = {
            let daemon = Arc::clone(daemon);
            async move || {
                let mut text = metrics::Text::default();
                daemon.metrics(&mut text);
                ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text.finish())
            }
        };
        let ready = {
            let daemon = Arc::clone(daemon);
            async move || match daemon.ready() {
                Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
            }
        };
        let router = grpc::routes(daemon, &stop)
            .into_axum_router()
            .route("/metrics", get(metrics))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .fallback(unknown);
        Self { router, stop }
    }

    /// Serves one connection to its end; after a stop, to the end of the requests under way.
    pub(super) async fn serve(
        self,
        stream: TcpStream,
        read: Vec<u8>,
        protocol: Protocol,
        addresses: Addresses,
    ) {
        let Self { router, stop } = self;
        let service =
            hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(addresses);
                router.clone().call(request)
            });
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().timer(TokioTimer::new());
        server.http2().timer(TokioTimer::new()).keep_alive_interval(PING.0).keep_alive_timeout(PING.1);
        let server = match protocol {
            Protocol::Http2 => server.http2_only(),
            Protocol::Http1 | Protocol::Resp => server.http1_only(),
        };
        let connection = server.serve_connection(TokioIo::new(Prefixed::new(read, stream)), service);
        let mut connection = std::pin::pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            // Mostly clients that went away in the middle.
            tracing::debug!(error, client = %addresses.remote, "HTTP connection ended");
        }
    }
}

/// gRPC callers want their own status; everybody else reads text.
async fn unknown(headers: HeaderMap) -> Response<axum::body::Body> {
    let grpc = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc {
        return tonic::Status::unimplemented("no such method").into_http();
    }
    (StatusCode::NOT_FOUND, "not found: /metrics, /healthz and /readyz are here\n").into_response()
}
