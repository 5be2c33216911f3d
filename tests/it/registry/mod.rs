//! The registry against real servers: one contract for etcd 3.4, etcd 3.5 and the embedded registry.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod access;
mod contract;
mod embedded;
mod etcdctl;
mod servers;
