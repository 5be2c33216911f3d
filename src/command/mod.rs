//! The one table of commands: what a command is, where its keys are, what a proxy does with it, how it is documented.
//!
//! The node dispatches by it, the proxy routes by it, the console completes, hints and guards by it, `COMMAND` and
//! COMPAT.md answer from it. Nothing keeps a second list. Not here: executing anything.

pub mod spec;

pub use spec::{Spec, lookup};
