//! The registry against real servers: one contract for etcd 3.4, etcd 3.5 and the embedded registry.

mod contract;
mod embedded;
mod etcdctl;
mod servers;
