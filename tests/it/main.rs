//! Real binaries, real etcd, real Redis: a module per topic.

mod chaos;
mod cluster;
mod compat;
mod differential;
mod driver;
mod node_admin;
mod node_connection;
mod node_http;
mod peers;
mod proxy;
mod registry;
