//! redis_node: keyspace, data types, expiry, and the server around them. Knows nothing of other nodes.

pub mod commands;
pub mod context;
pub mod keyspace;
pub mod rdb;
pub mod session;
pub mod state;
