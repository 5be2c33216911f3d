//! What Redis computes of values, whoever holds them: a node of its own, a proxy of those that several nodes have. Pure: bytes and
//! numbers in and out. Not here: where values are, and when they may be looked at.

pub mod hyperloglog;
pub mod scores;
pub mod sorting;
pub mod subsequence;
