//! The console's real binary, on pipes and in a pseudo-terminal: a module per topic.

mod cluster;
mod forms;
mod oneshot;
mod pty;
mod screen;
mod script;
mod support;
