//! RESP2, RESP3 and inline commands: bytes to values and back, over the caller's buffers.
//!
//! Here: parsing requests without copying ([`request`]), writing replies ([`Encoder`]) and requests, finding where a reply ends
//! ([`frame`]), whole values ([`Value`]), numbers as Redis reads and prints them ([`number`]), quoting ([`quote`]), globs
//! ([`glob`]), the text of `INFO` ([`info`]).
//! Not here: sockets, clocks, what a command means.

mod args;
mod bignum;
pub mod encode;
pub mod extended;
mod foreign;
pub mod frame;
pub mod glob;
pub mod info;
pub mod number;
mod output;
pub mod quote;
pub mod request;
pub mod value;

pub use args::{Args, TooLarge};
pub use encode::{Encoder, Mark, Version, encode_command};
pub use output::Output;
pub use request::{BUFFER_MAX, Batch, Limits, ProtocolError, Request};
pub use value::Value;
