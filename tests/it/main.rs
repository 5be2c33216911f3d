//! Real binaries, real etcd, real Redis: a module per topic.

mod compat;
mod differential;
mod driver;
mod node_admin;
mod node_connection;
mod node_http;
mod peers;
mod registry;
