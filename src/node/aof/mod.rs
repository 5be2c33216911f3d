//! The append-only file: every change is written down before the client that caused it hears of it, and read again at the next start.
//!
//! [`log`] is the text of it, [`journal`] takes it from whoever holds the store. Which effects there are: [`super::effects`].

pub mod journal;
pub mod log;
