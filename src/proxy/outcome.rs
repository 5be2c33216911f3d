//! What is known of a request: the difference between "it did not run" and "nobody can tell" decides whether it may be sent again,
//! and which error a client may be told.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The node answered.
    Answered,
    /// It was never sent, so it did not run.
    NotRun,
    /// It was sent, at least in part, and the connection was lost: it may have run, or may still.
    Unknown,
}
