//! One client connection on its worker.

use std::sync::Arc;

use super::{lane::Receiver, slots::Key, stream::Stream};
use crate::{
    connection::Replies as ReplyMode,
    protocol::{Batch, Encoder, ProtocolError, Version},
    proxy::{clients::ClientInfo, count::Counted, replies::Replies},
};

/// Requests of one client that may be under way at once.
pub(super) const IN_FLIGHT_MAX: usize = 16 << 10;
/// Bytes of replies that one client may leave unread; then its requests wait.
pub(super) const OUTPUT_MAX: usize = 32 << 20;

/// Why the next request of a client must wait. While it does, the client is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stall {
    /// Its slot is being moved.
    Held,
    /// The node it goes to has not read what others sent.
    Backlog,
    /// It changes what replies look like or where requests go: those before it must be answered first.
    Drain,
    /// Too many requests under way.
    InFlight,
    /// Too many replies unread.
    Output,
    /// All keys are being counted, while slots move.
    Counting,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) key: Key,
    pub(super) stream: Stream,
    pub(super) info: Arc<ClientInfo>,
    /// What was read and not used: the beginning of a request, or all requests from a stalled one on.
    pub(super) input: Vec<u8>,
    pub(super) batch: Batch,
    /// The next request of the batch.
    pub(super) next: usize,
    pub(super) replies: Replies,
    pub(super) version: Version,
    pub(super) database: u8,
    pub(super) authenticated: bool,
    /// `CLIENT REPLY`, as it was before the request under way.
    pub(super) replies_before: ReplyMode,
    /// The same for the next request.
    pub(super) replies_wanted: ReplyMode,
    /// Whether the request under way wants no reply.
    pub(super) muted: bool,
    pub(super) stall: Option<Stall>,
    /// What it waited for.
    pub(super) counted: Option<Arc<Counted>>,
    /// Bytes may be waiting in the kernel.
    pub(super) unread: bool,
    /// On the list of those to be flushed.
    pub(super) dirty: bool,
    /// To be closed when everything under way is answered and sent.
    pub(super) closing: bool,
    /// To be closed at once, with what is unsent.
    pub(super) aborted: bool,
    /// Told after the requests before it were served.
    pub(super) broken: Option<ProtocolError>,
    /// Dropped with the client: tells the listener that the connection ended.
    pub(super) _ended: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Client {
    /// Answers the request under way.
    pub(super) fn reply(&mut self, write: impl FnOnce(&mut Encoder<'_>)) {
        let version = self.version;
        self.replies.answer(self.muted, |out| write(&mut Encoder::new(out, version)));
    }

    /// Answers the request under way with an error, code first.
    pub(super) fn error(&mut self, text: impl AsRef<[u8]>) {
        self.reply(|reply| reply.error(text));
    }

    /// Who is to get the reply to the request under way.
    #[inline]
    pub(super) fn expect(&mut self) -> Receiver {
        Receiver::Client { client: self.key, sequence: self.replies.expect(self.muted) }
    }

    /// Begins a request: decides whether its reply is wanted.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.replies_before = self.replies_wanted;
        self.want_replies(self.replies_wanted);
    }

    /// `CLIENT REPLY` as of the request under way.
    #[inline]
    pub(super) fn want_replies(&mut self, mode: ReplyMode) {
        (self.muted, self.replies_wanted) = mode.after();
    }

    /// Whether a stalled client can go on.
    pub(super) fn may_resume(&self) -> bool {
        match self.stall {
            Some(Stall::Drain) => self.replies.in_flight() == 0,
            Some(Stall::InFlight) => self.replies.in_flight() < IN_FLIGHT_MAX / 2,
            Some(Stall::Output) => self.replies.buffered() < OUTPUT_MAX / 2,
            // Others tell when.
            Some(Stall::Held | Stall::Backlog | Stall::Counting) | None => false,
        }
    }

    /// Whether it can be closed without losing a reply.
    pub(super) fn is_done(&self) -> bool {
        self.closing && self.replies.in_flight() == 0 && self.replies.unsent().is_empty()
    }
}
