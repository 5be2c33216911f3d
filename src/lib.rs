//! A Redis cluster of plain Redis nodes: what nodes, proxies and the console are made of.
//!
//! In reading order, each layer knowing only those above it (node and proxy do not know each other):
//!
//! - [`time`]: points in time.
//! - [`id`]: names of members, numbers of topologies.
//! - [`slot`]: the slot of a key.
//! - [`protocol`]: bytes to values and back; no I/O.
//! - [`values`]: what is computed of values, by whoever has them.
//! - [`command`]: the one table of commands, key extraction, reply merging rules.
//! - [`acl`]: users and what each may do.
//! - [`connection`]: the commands about a connection, for those who serve.
//! - [`client`]: one RESP connection to one server, for those who ask rather than serve.
//! - [`cluster`]: topology, registry (etcd, embedded), plans, the mover.
//! - [`server`]: one listener for all protocols, limits, metrics, the gRPC services.
//! - [`node`]: keyspace, data types, expiry.
//! - [`proxy`]: client sessions, routing, node connections, split and merge.
//!
//! The console is the workspace member `tui` and uses this library like any other program.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "numbers of tests are small"))]

pub mod acl;
pub mod client;
pub mod cluster;
pub mod command;
pub mod connection;
pub mod id;
pub mod node;
pub mod protocol;
pub mod proxy;
pub mod server;
pub mod slot;
pub mod time;
pub mod values;
