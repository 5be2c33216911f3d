//! Real binaries, real etcd, real Redis: a module per topic.

#![allow(clippy::cast_possible_truncation, reason = "numbers of tests are small")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod append_only;
mod blocking;
mod chaos;
mod clients;
mod cluster;
mod compat;
mod configuration;
mod crashes;
mod cross_protocol;
mod differential;
mod driver;
mod driving;
mod hash_fields;
mod layers;
mod losses;
mod membership;
mod memory;
mod node_admin;
mod node_connection;
mod node_http;
mod own_disk;
mod peers;
mod proxy;
mod readmission;
mod registry;
mod scripts;
mod snapshots;
mod tracking;
