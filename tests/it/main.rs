//! Real binaries, real etcd, real Redis: a module per topic.

mod compat;
mod differential;
mod driver;
mod peers;
mod registry;
