//! The console of redis-cluster: one operator language, four faces.
//!
//! In reading order, each module knowing only those above it:
//!
//! - [`format`]: replies and tables to bytes.
//! - [`language`]: a line to a [`language::Command`]; the table of our words.
//! - [`session`]: the connection to a cluster: [`session::ClusterView`], and running commands.
//!
//! The faces call the session and never each other.

pub mod format;
pub mod language;
pub mod session;
