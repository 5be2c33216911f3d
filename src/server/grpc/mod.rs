//! The services of `proto/redis/v1`, for any [`Daemon`]: data, control, health and reflection.

mod control;
mod convert;
mod data;
mod detail;
mod health;
mod trace;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::Daemon;
use v1::{control_server::ControlServer, redis_server::RedisServer};

/// Package `redis.v1`.
#[expect(missing_docs, clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("redis.v1");
    /// For server reflection.
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("redis.v1");
}

/// How an error ends whose command may have run: nobody can tell. By these words a typed call says so too.
pub const UNCERTAIN: &str = "it may or may not have run";

/// Largest message: a bulk string of Redis's limit (512 MiB) and what stands around it.
const MESSAGE_MAX: usize = (512 << 20) + (1 << 20);

/// All services. `stop` ends the streams that would go on for ever.
pub(super) fn routes<D: Daemon>(daemon: &Arc<D>, stop: &CancellationToken) -> Routes {
    let data = RedisServer::new(data::Data::new(Arc::clone(daemon), stop.clone()))
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX);
    let control = ControlServer::new(control::Control::new(Arc::clone(daemon), stop.clone()));
    let health = health::service(Arc::clone(daemon), stop.clone());
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    const VALID: &str = "descriptors come from the compiler of the protos";
    Routes::new(data)
        .add_service(control)
        .add_service(health)
        .add_service(reflection().build_v1().expect(VALID))
        .add_service(reflection().build_v1alpha().expect(VALID))
}
