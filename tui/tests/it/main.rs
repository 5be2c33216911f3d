//! The console's real binary, on pipes and in a pseudo-terminal: a module per topic.

#![allow(clippy::cast_possible_truncation, reason = "numbers of tests are small")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod alarming;
mod bars;
mod bytes;
mod cluster;
mod embedded;
mod forms;
mod harmless;
mod interrupt;
mod language;
mod lines;
mod oneshot;
mod oracle;
mod pty;
mod real;
mod repl;
mod screen;
mod screen_cluster;
mod screen_ends;
mod screen_pages;
mod script;
mod support;
mod surroundings;
mod tape;
mod transfer;
mod truth;
