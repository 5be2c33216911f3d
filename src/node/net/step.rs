//! What a connection does next. Pure: it is told what there is, and says what to do with it.

use crate::node::clients::Signal;

/// What there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// What others ask of it.
    pub(super) signal: Signal,
    /// Nothing more is to run.
    pub(super) closing: bool,
    /// Replies wait until what they speak of lasts.
    pub(super) unsynced: bool,
    /// Replies that the kernel has not taken yet.
    pub(super) unsent: bool,
    /// Messages that others have for the client.
    pub(super) outbox: bool,
    /// The last command waits for somebody else.
    pub(super) blocked: bool,
    /// The next command needs room for its reply that is not there yet.
    pub(super) cramped: bool,
    /// Input that can be worked on without reading.
    pub(super) runnable: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Close, whatever is left.
    End,
    /// Wait until the journal lasts.
    Sync,
    /// Hand more of the replies to the kernel.
    Send,
    /// Fetch the messages.
    Collect,
    /// Find more memory for the next reply.
    MakeRoom,
    /// Parse and run.
    Work,
    /// Wait for whoever ends the waiting of the last command, or for the client to go.
    Wait,
    /// Wait for the client.
    Read,
}

impl Situation {
    /// The next step.
    pub(super) fn step(self) -> Step {
        if self.signal == Signal::Kill {
            return Step::End;
        }
        if self.unsynced {
            return Step::Sync;
        }
        if self.unsent {
            return Step::Send;
        }
        if self.outbox {
            return Step::Collect;
        }
        if self.closing || self.signal == Signal::Drain {
            return Step::End;
        }
        if self.blocked {
            Step::Wait
        } else if self.cramped {
            Step::MakeRoom
        } else if self.runnable {
            Step::Work
        } else {
            Step::Read
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Situation = Situation {
        signal: Signal::None,
        closing: false,
        unsynced: false,
        unsent: false,
        outbox: false,
        blocked: false,
        cramped: false,
        runnable: false,
    };

    #[test]
    fn what_is_answered_is_sent_before_anything_else_is_read_or_run() {
        assert_eq!(QUIET.step(), Step::Read);
        assert_eq!(Situation { runnable: true, ..QUIET }.step(), Step::Work);
        assert_eq!(Situation { outbox: true, runnable: true, ..QUIET }.step(), Step::Collect);
        assert_eq!(Situation { cramped: true, runnable: true, ..QUIET }.step(), Step::MakeRoom);
        assert_eq!(Situation { unsent: true, outbox: true, runnable: true, ..QUIET }.step(), Step::Send);
        let unsynced = Situation { unsynced: true, unsent: true, outbox: true, closing: true, ..QUIET };
        assert_eq!(unsynced.step(), Step::Sync);
        assert_eq!(Situation { signal: Signal::Kill, ..unsynced }.step(), Step::End);
    }

    #[test]
    fn a_connection_that_ends_says_what_it_has_to_say() {
        for ending in [
            Situation { closing: true, runnable: true, ..QUIET },
            Situation { signal: Signal::Drain, runnable: true, ..QUIET },
        ] {
            assert_eq!(ending.step(), Step::End);
            assert_eq!(Situation { outbox: true, ..ending }.step(), Step::Collect);
            assert_eq!(Situation { unsent: true, ..ending }.step(), Step::Send);
        }
    }

    #[test]
    fn what_follows_a_command_that_waits_waits_too() {
        let blocked = Situation { blocked: true, runnable: true, ..QUIET };
        assert_eq!(blocked.step(), Step::Wait);
        assert_eq!(Situation { outbox: true, ..blocked }.step(), Step::Collect);
        assert_eq!(Situation { unsent: true, ..blocked }.step(), Step::Send);
        assert_eq!(Situation { signal: Signal::Drain, ..blocked }.step(), Step::End);
    }

    #[test]
    fn a_killed_connection_says_nothing() {
        let killed = Situation { signal: Signal::Kill, unsent: true, outbox: true, runnable: true, ..QUIET };
        assert_eq!(killed.step(), Step::End);
    }
}
