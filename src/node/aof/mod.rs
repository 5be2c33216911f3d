//! The append-only file: every change is written down before the client that caused it hears of it, and read again at the next start.
//!
//! [`log`] is the text of it and [`reader`] its way back, [`manifest`] says which files there are and [`directory`] keeps them; both of
//! text are pure. [`journal`] takes effects from whoever holds the store, `output` writes them, [`syncer`] makes them last. Which
//! effects there are: [`super::effects`]. Not here: what a snapshot looks like.

pub mod directory;
pub mod journal;
pub mod log;
pub mod manifest;
pub mod output;
pub mod reader;
pub mod syncer;
