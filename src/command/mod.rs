//! The one table of commands: what a command is, where its keys are, what a proxy does with it, how it is documented.
//!
//! The node dispatches by it, the proxy routes by it, the console completes, hints and guards by it, `COMMAND` and
//! COMPAT.md answer from it. Nothing keeps a second list. Not here: executing anything.
//!
//! Rows stand in [`table`], one file per group; [`Spec`] is one row; [`resolve()`] finds the row of a request;
//! [`keys::positions`] finds its keys; [`Spec::route`] says what a proxy does with it. What a server tells of a command that has no row is a
//! [`learned::Learned`].

pub mod arg;
pub mod by_pattern;
pub mod compat;
pub mod flags;
pub mod introspect;
pub mod keys;
pub mod learned;
mod lookup;
mod resolve;
pub mod route;
pub mod shebang;
pub mod spec;
pub mod table;
pub mod waiting;

pub use arg::{Arg, ArgKind};
pub use flags::{Acl, Flags, Group, KeyFlags};
pub use keys::{Find, KeyPositions, KeySpec, Search};
pub use lookup::lookup;
pub use resolve::{ResolveError, misused_subcommand, resolve};
pub use route::{Combine, Merge, Route, Scripted, Servers, Take};
pub use spec::{Spec, Work};
pub use table::TABLE;
