//! Who is a member, who owns which slot, and how that changes.
//!
//! Here: topology, the registry (etcd and embedded) and its [`records`], plans, the driver and its moves.
//! Not here: client sessions and routing (proxy), keys and values (node).

pub mod drain;
pub mod driver;
pub mod election;
pub mod identity;
pub mod loss;
pub mod member;
pub mod peer;
pub mod plan;
pub mod records;
pub mod registry;
pub mod topology;
mod userinfo;
pub mod users;

pub use topology::Topology;
