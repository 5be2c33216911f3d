//! The full screen: the cluster live, a command line, dialogs that ask before they change anything.
//!
//! Events go in, effects come out: [`event`] names both, [`model`] is all that is remembered, [`update`] is the only
//! code that changes it and does no I/O, `view` draws it. `run` connects them to a terminal and a session.

pub mod alarms;
pub mod aliases;
mod answer;
pub mod dialog;
pub mod event;
mod hangup;
mod history;
pub mod keymap;
pub mod model;
pub mod nodes;
pub mod pages;
pub mod palette;
mod recent;
pub mod run;
#[cfg(test)]
pub(crate) mod sample;
pub mod settings;
mod tape;
mod terminal;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;

pub use run::{Options, run};
