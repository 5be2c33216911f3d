//! The generated services of `proto/redis/v1`.

/// Package `redis.v1`.
#[expect(missing_docs, clippy::all, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("redis.v1");
    /// For server reflection.
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("redis.v1");
}
