//! The console's real binary, on pipes and in a pseudo-terminal: a module per topic.

mod pty;
mod screen;
