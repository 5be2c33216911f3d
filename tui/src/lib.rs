//! The console of redis-cluster: one operator language, four faces.
//!
//! In reading order, each module knowing only those above it:
//!
//! - [`mod@format`]: replies and tables to bytes. [`typed`]: typed text that may be any bytes.
//! - [`language`]: a line to a [`language::Command`]; the table of our words.
//! - [`session`]: the connection to a cluster: [`session::ClusterView`], and running commands.
//! - [`assist`]: completion and hints while a line is typed.
//! - [`arguments`]: what was typed behind the program's name, and what it means; [`manual`]: the same on paper.
//! - [`output`], [`progress`], [`runner`]: one command run, shown and counted, without a screen.
//! - [`embedded`]: a whole cluster in this process. [`keyboard`]: what is typed, byte for byte.
//! - [`oneshot`], [`script`], [`repl`], [`screen`]: faces.
//! - [`askpass`], [`app`]: which face, and with what.
//!
//! The faces call the session and never each other.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "numbers of tests are small"))]

pub mod app;
pub mod arguments;
pub mod askpass;
pub mod assist;
pub mod config;
pub mod embedded;
pub mod files;
pub mod format;
pub mod keyboard;
pub mod language;
pub mod manual;
pub mod oneshot;
pub mod output;
pub mod paths;
pub mod progress;
pub mod repl;
pub mod replay;
pub mod runner;
pub mod screen;
pub mod script;
pub mod session;
pub mod signals;
pub mod typed;
