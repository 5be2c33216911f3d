//! Real binaries, real etcd, real Redis: a module per topic.

mod driver;
mod peers;
