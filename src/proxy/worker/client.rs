//! One client connection on its worker.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{channels::Hearing, stream::Stream, tracking::Tracks, upstreams::UpstreamId, waits::Patience};
use crate::{
    acl::User,
    command::{Flags, Spec, TABLE},
    connection::{Replies as ReplyMode, channels, output::Lag},
    protocol::{Batch, Encoder, ProtocolError, Version, quote},
    proxy::{
        clients::ClientInfo,
        count::Counted,
        gather::{Asker, Purpose},
        large::LargeSlots,
        learned::Lesson,
        observe::{Cut, SlowLog, SlowRequest},
        others::Answered,
        outbox::{LARGE, Outbox},
        remains::Remains,
        replies::{Replies, Sequence},
        slab::Key,
        transaction::{Transaction, Watching},
        upstream::Receiver,
        users::Changed,
    },
    slot::SlotId,
    time::Millis,
};

/// Requests of one client that may be under way at once: as many lie before the next one of somebody else at a node.
pub(super) const IN_FLIGHT_MAX: usize = 4 << 10;
/// Bytes of replies that one client may leave unread; then its requests wait.
pub(super) const OUTPUT_MAX: usize = 32 << 20;

/// Who got a reply of this size is likely to get another.
const HEAVY_REPLY: usize = 512 << 10;
/// For so many requests.
const HEAVY_REQUESTS: u8 = 16;

/// What one client may cost in one turn. The unit is about what an argument of a small request takes, 100 ns.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    turn: u64,
    used: usize,
}

impl Share {
    /// Of one turn; about as long as it takes to read half a megabyte.
    const PER_TURN: usize = 4096;
    /// Bytes of a unit, where bytes are copied.
    const BYTES: usize = 128;

    /// Another turn is another share.
    #[inline]
    pub(super) fn renew(&mut self, turn: u64) {
        if self.turn != turn {
            *self = Self { turn, used: 0 };
        }
    }

    /// Whether nothing is left of it.
    #[inline]
    pub(super) fn is_used_up(&self) -> bool {
        self.used >= Self::PER_TURN
    }

    /// Takes what so many arguments and bytes cost.
    #[inline]
    pub(super) fn take(&mut self, arguments: usize, bytes: usize) {
        self.used += arguments + bytes / Self::BYTES;
    }
}

/// Why the next request of a client must wait. While it does, the client is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stall {
    /// Its slot is being moved.
    Held,
    /// Clients are paused.
    Paused,
    /// It pauses clients: what had begun before is to be answered first.
    Pausing,
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
    /// Nodes are being told what it wants to hear.
    Listening,
    /// Users are being changed.
    Changing,
    /// Other proxies are asked.
    Asking,
    /// Members are asked for a command that the table does not have.
    Learning,
    /// It waits for others to act.
    Waiting,
    /// Its share of this turn is used up; the request has not been looked at.
    Turn,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) key: Key,
    pub(super) stream: Stream,
    pub(super) info: Arc<ClientInfo>,
    /// The beginning of a request that is not complete.
    pub(super) input: Vec<u8>,
    /// While it is stalled: what `batch` was parsed from.
    pub(super) stalled: Bytes,
    pub(super) batch: Batch,
    /// The next request of the batch.
    pub(super) next: usize,
    pub(super) replies: Replies,
    pub(super) share: Share,
    /// When the requests of `batch` were read.
    pub(super) read_at: Instant,
    /// Since when it has not taken all that was sent to it.
    pub(super) unsent_since: Option<Instant>,
    /// The number of its connections, at every node.
    pub(super) upstream: usize,
    /// So many requests more take the connections for large ones.
    pub(super) heavy: u8,
    /// Of its latest request, if that had keys of one slot.
    pub(super) slot: Option<SlotId>,
    pub(super) version: Version,
    pub(super) database: u8,
    /// Authenticated, or no password was required.
    pub(super) authenticated: bool,
    /// Whose rights it has.
    pub(super) user: Arc<User>,
    /// `CLIENT REPLY`, as it was before the request under way.
    pub(super) replies_before: ReplyMode,
    /// The same for the next request.
    pub(super) replies_wanted: ReplyMode,
    /// Whether the request under way wants no reply.
    pub(super) muted: bool,
    /// Between `MULTI` and `EXEC`.
    pub(super) transaction: Option<Box<Transaction>>,
    pub(super) watching: Option<Watching<UpstreamId>>,
    /// What is under way went over a connection of its own: what follows waits for its reply.
    pub(super) fenced: bool,
    /// Since when too much waits for it to read.
    pub(super) lag: Lag,
    /// If it hears what it does not ask for.
    pub(super) hearing: Option<Box<Hearing>>,
    pub(super) stall: Option<Stall>,
    /// What its next request waits for.
    pub(super) patience: Option<Box<Patience>>,
    /// It sends no more.
    pub(super) hung_up: bool,
    /// What it waited for.
    pub(super) counted: Option<Arc<Counted>>,
    /// The same, of users.
    pub(super) changed: Option<Box<Changed>>,
    /// The same, of other proxies.
    pub(super) asked: Option<Answered>,
    /// The same, of members.
    pub(super) lesson: Option<Lesson>,
    /// Bytes may be waiting in the kernel.
    pub(super) unread: bool,
    /// On the list of those to be flushed.
    pub(super) dirty: bool,
    /// On the list of those to go on with in the next turn.
    pub(super) again: bool,
    /// To be closed when everything under way is answered and sent.
    pub(super) closing: bool,
    /// To be closing when what was read has been served.
    pub(super) ending: bool,
    /// The proxy drains: to be closing as soon as it is between two requests.
    pub(super) leaving: bool,
    /// Everything was sent, and that it was the last; so long, what it still sends is thrown away, so that it reads the rest.
    pub(super) lingers_until: Option<Instant>,
    /// To be closed at once, with what is unsent, and why.
    pub(super) aborted: Option<Cut>,
    /// Told after the requests before it were served.
    pub(super) broken: Option<ProtocolError>,
    /// Dropped with the client: tells the listener that the connection ended.
    pub(super) _ended: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Client {
    /// Answers the request under way.
    pub(super) fn reply(&mut self, write: impl FnOnce(&mut Encoder<'_>)) {
        let version = self.version;
        let bytes = self.replies.answer(self.muted, |out| {
            let before = out.len();
            write(&mut Encoder::new(out, version));
            out.len() - before
        });
        self.share.take(0, bytes);
    }

    /// Answers the request under way with OK.
    pub(super) fn ok(&mut self) {
        self.reply(|reply| reply.simple("OK"));
    }

    /// Answers the request under way with an error, code first.
    pub(super) fn error(&mut self, text: impl AsRef<[u8]>) {
        self.reply(|reply| reply.error(text));
    }

    /// Answers the request under way with bytes of it.
    pub(super) fn echo(&mut self, whole: Option<&Bytes>, argument: &[u8]) {
        let Some(whole) = whole.filter(|_| argument.len() >= LARGE) else {
            return self.reply(|reply| reply.bulk(argument));
        };
        let mut out = Outbox::default();
        out.tail().extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.push(whole.slice_ref(argument));
        out.tail().extend_from_slice(b"\r\n");
        self.replies.answer_large(self.muted, out);
    }

    /// A node's reply to a request of this client.
    pub(super) fn complete_large(&mut self, sequence: Sequence, reply: Bytes, slots: &LargeSlots) {
        if reply.len() >= HEAVY_REPLY {
            self.heavy = HEAVY_REQUESTS;
            if let (Some(slot), 1) = (self.slot, self.replies.in_flight()) {
                slots.note(slot);
            }
        }
        let mut out = Outbox::default();
        out.push(reply);
        self.replies.complete_large(sequence, out);
    }

    /// Whether the next request is one of those that take the connections for large ones.
    #[inline]
    pub(super) fn is_heavy(&mut self) -> bool {
        let heavy = self.heavy > 0;
        self.heavy = self.heavy.saturating_sub(1);
        heavy
    }

    /// Who is to get the reply to the request under way.
    #[inline]
    pub(super) fn expect(&mut self) -> Receiver {
        Receiver::Client { client: self.key, sequence: self.replies.expect(self.muted) }
    }

    /// The same for a request that goes to several nodes.
    pub(super) fn ask(&mut self) -> Asker {
        let purpose = Purpose::Reply(self.replies.expect(self.muted));
        Asker { client: self.key, purpose, version: self.version }
    }

    /// It has somebody's rights from now on.
    pub(super) fn log_in(&mut self, user: Arc<User>, authenticated: bool) {
        self.info.set_user(&user);
        (self.user, self.authenticated) = (user, authenticated);
    }

    /// What it hears without asking.
    pub(super) fn hearing(&mut self) -> &mut Hearing {
        self.hearing.get_or_insert_default()
    }

    /// What it is told of, if it tracks keys.
    pub(super) fn tracks(&self) -> Option<&Tracks> {
        self.hearing.as_ref()?.tracks.as_deref()
    }

    /// The same, to change it.
    pub(super) fn tracks_mut(&mut self) -> Option<&mut Tracks> {
        self.hearing.as_mut()?.tracks.as_deref_mut()
    }

    /// Tells it something behind the replies to what it has asked, unless that waits for others.
    pub(super) fn tell_behind(&mut self, message: &[u8]) {
        let waits = self.hearing.as_ref().is_some_and(|hearing| hearing.waits);
        if self.replies.in_flight() == 0 || waits {
            self.replies.beside().tail().extend_from_slice(message);
        } else {
            self.replies.answer(false, |out| out.extend_from_slice(message));
        }
    }

    /// Why it may not run a command while it hears what it does, if it may not.
    pub(super) fn refusal(&self, spec: &Spec) -> Option<String> {
        if self.is_subscribed()
            && self.version == Version::Resp2
            && let Some(refusal) = channels::refusal(spec)
        {
            return Some(refusal);
        }
        let touches = spec.flags.has_any(Flags::of(&[Flags::WRITE, Flags::READONLY]))
            || matches!(spec.name, "publish" | "spublish");
        self.refusal_of_monitor(touches)
    }

    /// The same for what touches keys, or does not, while it is shown all requests.
    pub(super) fn refusal_of_monitor(&self, touches: bool) -> Option<String> {
        let monitoring = self.hearing.as_ref().is_some_and(|hearing| hearing.monitoring);
        (monitoring && touches).then(|| "ERR Replica can't interact with the keyspace".to_owned())
    }

    /// Whether it has subscriptions.
    #[inline]
    pub(super) fn is_subscribed(&self) -> bool {
        self.hearing.as_ref().is_some_and(|hearing| hearing.subscribed)
    }

    /// How much is queued, for those who list clients.
    pub(super) fn note_queue(&self) {
        let queued = self.transaction.as_ref().map(|transaction| transaction.queued());
        self.info.set_queued(queued);
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
            Some(
                Stall::Held
                | Stall::Paused
                | Stall::Pausing
                | Stall::Backlog
                | Stall::Counting
                | Stall::Listening
                | Stall::Changing
                | Stall::Asking
                | Stall::Learning
                | Stall::Waiting
                | Stall::Turn,
            )
            | None => false,
        }
    }

    /// No more is read; what was read is served first, if that needs nothing but time.
    pub(super) fn end(&mut self) {
        match self.stall {
            Some(Stall::Turn | Stall::InFlight) => self.ending = true,
            _ => self.closing = true,
        }
    }

    /// Whether it has begun no transaction, nor watches a key for one.
    pub(super) fn is_free(&self) -> bool {
        self.transaction.is_none() && self.watching.is_none()
    }

    /// Whether nothing is under way that it has begun.
    pub(super) fn is_between_requests(&self) -> bool {
        self.stall.is_none() && self.input.is_empty() && self.is_free()
    }

    /// After something was sent: keeps in mind since when the rest waits. True: what waited is sent, and waited long.
    pub(super) fn time_writing(&mut self, now: Instant, wall: Millis, slow: &SlowLog) -> bool {
        if self.replies.has_output() {
            self.unsent_since.get_or_insert(now);
            return false;
        }
        let Some(since) = self.unsent_since.take() else { return false };
        let write = now.saturating_duration_since(since);
        let is_slow = slow.is_slow(write);
        if is_slow {
            let last = TABLE.get(usize::from(self.info.last_command.load(Relaxed)));
            slow.add(SlowRequest {
                at: wall,
                queue: Duration::ZERO,
                node: Duration::ZERO,
                write,
                member: None,
                others: 0,
                client: self.info.address(),
                command: last.map(|spec| quote::repr(spec.name.as_bytes())).unwrap_or_default(),
            });
        }
        is_slow
    }

    /// Its memory, when it is gone.
    pub(super) fn abandon(self, remains: &mut Remains) {
        self.replies.abandon(remains);
        remains.take_vec(self.input);
        remains.take(self.stalled);
    }

    /// Whether it can be closed without losing a reply.
    pub(super) fn is_done(&self) -> bool {
        self.closing && self.replies.in_flight() == 0 && !self.replies.has_output()
    }
}
