//! Clients of a worker: reading them, serving what was read, writing, closing. Not here: what a request means.

mod telling;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use mio::{Interest, Token};
use tokio::sync::oneshot;

use super::{
    READ, Stage, Worker,
    client::{Client, Share, Stall},
    stream::Stream,
};
use crate::{
    connection::{
        Replies as ReplyMode,
        output::{self, Class, Lag},
    },
    protocol::{Batch, Limits, Version},
    proxy::{
        clients::PAUSED,
        large::LargeSlots,
        observe::Cut,
        outbox::{LARGE, Outbox, Sent},
        replies::Replies,
        routing::Routing,
        slab::{Key, Slab},
        upstream::Reply,
    },
};

/// The clients of a worker, and who of them has something to do.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// What may wait for those that do not read.
    output: output::Limits,
    all: Slab<Box<Client>>,
    /// Something is to be written to them.
    dirty: Vec<Key>,
    /// To go on with in this turn.
    resume: Vec<Key>,
    /// Their writes wait for a slot move.
    held: Vec<Key>,
    /// They wait until clients are no longer paused.
    paused: Vec<Key>,
}

impl Clients {
    pub(super) fn new(output: output::Limits) -> Self {
        Self { output, ..Self::default() }
    }

    /// Takes a client out while it is served; it is put back, or closed.
    pub(super) fn take(&mut self, key: Key) -> Option<Box<Client>> {
        self.all.take(key)
    }

    pub(super) fn put_back(&mut self, client: Box<Client>) {
        self.all.put_back(client.key, client);
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Client> {
        self.all.get_mut(key).map(|client| &mut **client)
    }

    /// The client of this place now.
    pub(super) fn current(&self, index: usize) -> Option<Key> {
        self.all.current(u32::try_from(index).ok()?)
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.all.keys()
    }

    pub(super) fn are_gone(&self) -> bool {
        self.all.keys().is_empty()
    }

    /// These go on in this turn.
    pub(super) fn resume(&mut self, keys: &mut Vec<Key>) {
        self.resume.append(keys);
    }

    /// So does this one.
    pub(super) fn resume_one(&mut self, key: Key) {
        self.resume.push(key);
    }

    /// Who waits for slots to move goes on in this turn.
    pub(super) fn resume_held(&mut self) {
        self.resume.append(&mut self.held);
    }

    /// Who is paused goes on in this turn.
    pub(super) fn resume_paused(&mut self) {
        for &key in &self.paused {
            if let Some(client) = self.all.get_mut(key) {
                client.info.mark(PAUSED, false);
            }
        }
        self.resume.append(&mut self.paused);
    }

    /// How many are paused.
    pub(super) fn paused(&self) -> usize {
        self.paused.len()
    }

    /// How many wait for slots to move.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn take_dirty(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.dirty)
    }

    pub(super) fn take_resumed(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.resume)
    }

    pub(super) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// One that is here has something to be written.
    #[inline]
    pub(super) fn touch(&mut self, key: Key) {
        if let Some(client) = self.all.get_mut(key)
            && !client.dirty
        {
            client.dirty = true;
            self.dirty.push(key);
        }
    }

    /// The same for one that was taken out.
    fn mark_dirty(&mut self, client: &mut Client) {
        if !client.dirty {
            client.dirty = true;
            self.dirty.push(client.key);
        }
    }

    /// One reply to who waits for it, if it is still there.
    #[inline]
    pub(super) fn complete(&mut self, key: Key, sequence: u32, reply: Reply<'_>, large: &LargeSlots) {
        let Some(client) = self.all.get_mut(key) else { return };
        match reply {
            Reply::Small(reply) => client.replies.complete(sequence, reply),
            Reply::Large(reply) => client.complete_large(sequence, reply, large),
        }
        if !client.dirty {
            client.dirty = true;
            self.dirty.push(key);
        }
    }

    /// The same for one that was merged of large ones.
    pub(super) fn complete_merged(&mut self, key: Key, sequence: u32, reply: Outbox) {
        if let Some(client) = self.all.get_mut(key) {
            client.replies.complete_large(sequence, reply);
        }
        self.touch(key);
    }
}

impl Worker {
    pub(super) fn add_client(
        &mut self,
        mut stream: Stream,
        read: &[u8],
        peer: Option<(SocketAddr, SocketAddr)>,
        ended: Option<oneshot::Sender<()>>,
    ) {
        // Requests of the proxy itself.
        let is_own = matches!(stream, Stream::Closed);
        // Callers of gRPC have chosen their protocol.
        let version = if matches!(stream, Stream::Local(_)) { Version::Resp3 } else { Version::Resp2 };
        let users = &self.shared.users;
        let user = Arc::clone(if is_own { users.own() } else { users.acl.default_user() });
        let key = self.clients.all.insert_with(|key| {
            let info = self.shared.clients.add(peer, (self.index, key), &user, self.turn.wall);
            info.protocol.store(if version == Version::Resp3 { 3 } else { 2 }, Relaxed);
            Box::new(Client {
                key,
                stream: Stream::Closed,
                info,
                input: Vec::new(),
                stalled: Bytes::new(),
                batch: Batch::default(),
                next: 0,
                replies: Replies::default(),
                share: Share::default(),
                read_at: self.turn.now,
                unsent_since: None,
                upstream: 0,
                heavy: 0,
                slot: None,
                version,
                database: 0,
                authenticated: is_own || !users.must_log_in(),
                user,
                replies_before: ReplyMode::On,
                replies_wanted: ReplyMode::On,
                muted: false,
                transaction: None,
                watching: None,
                fenced: false,
                hearing: None,
                lag: Lag::default(),
                stall: None,
                patience: None,
                hung_up: false,
                counted: None,
                changed: None,
                asked: None,
                lesson: None,
                unread: false,
                dirty: false,
                again: false,
                closing: false,
                ending: false,
                leaving: self.stage != Stage::Serving && peer.is_some(),
                lingers_until: None,
                aborted: None,
                broken: None,
                _ended: ended,
            })
        });
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(key.index()), both) {
            tracing::warn!(%error, "cannot watch a client");
            self.close_client(key);
            return;
        }
        let Some(mut client) = self.clients.take(key) else { return };
        client.stream = stream;
        if !read.is_empty() {
            self.feed(&mut client, read);
        }
        self.clients.put_back(client);
        // What came before it was watched makes no event.
        self.read_client(key);
        self.clients.touch(key);
    }

    pub(super) fn client_event(&mut self, index: usize, event: &mio::event::Event) {
        let Some(key) = self.clients.current(index) else { return };
        if event.is_error() {
            self.close_client(key);
            return;
        }
        if event.is_writable() && self.clients.get_mut(key).is_some_and(|c| c.replies.has_output()) {
            self.clients.touch(key);
        }
        if event.is_readable() || event.is_read_closed() {
            if event.is_read_closed()
                && let Some(client) = self.clients.get_mut(key)
            {
                client.unread = true;
                client.hung_up = true;
                if client.patience.is_some() || client.stall == Some(Stall::Paused) {
                    // As in Redis, nothing is done for who is gone.
                    self.close_client(key);
                    return;
                }
            }
            self.read_client(key);
        }
    }

    /// Reads once, or to the end if it was closed.
    pub(super) fn read_client(&mut self, key: Key) {
        let Some(mut client) = self.clients.take(key) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        let to_the_end = std::mem::take(&mut client.unread);
        client.share.renew(self.turn.number);
        let alive = loop {
            if client.lingers_until.is_some() {
                break client.stream.discard(&mut scratch);
            }
            if client.stall.is_some() || client.closing {
                client.unread = true;
                break true;
            }
            if client.share.is_used_up() {
                client.unread = true;
                self.go_on_with(&mut client);
                break true;
            }
            match client.stream.read(&mut scratch) {
                Ok(None) => break true,
                Ok(Some(0)) => {
                    // It may still read what it has asked for.
                    client.closing = true;
                    break !client.is_done();
                }
                Ok(Some(count)) => {
                    client.share.take(0, count);
                    self.feed(&mut client, &scratch[..count]);
                    if count < scratch.len() && !to_the_end {
                        break true;
                    }
                }
                Err(_) => break false,
            }
        };
        self.scratch = scratch;
        if client.closing {
            // Nothing else may ever come that would end it.
            self.clients.mark_dirty(&mut client);
        }
        self.clients.put_back(client);
        if !alive {
            self.close_client(key);
        }
    }

    /// New bytes of a client that is not stalled.
    fn feed(&mut self, client: &mut Client, bytes: &[u8]) {
        client.read_at = self.turn.now;
        self.figures.traffic.input.add(bytes.len() as u64);
        if client.input.is_empty() {
            self.parse(client, Source::Read(bytes));
        } else {
            let mut input = std::mem::take(&mut client.input);
            input.extend_from_slice(bytes);
            self.parse(client, Source::Kept(input));
        }
    }

    fn parse(&mut self, client: &mut Client, source: Source<'_>) {
        // A caller of gRPC is no browser, whatever it calls its commands.
        let limits = Limits {
            refuse_http: client.info.peer.is_some(),
            query_buffer: self.shared.limits.query_buffer,
            ..Limits::default()
        };
        let limits = if client.authenticated { limits } else { limits.unauthenticated() };
        let buffer = source.bytes();
        client.broken = client.batch.parse(buffer, &limits).err();
        if buffer.len() - client.batch.consumed() > limits.query_buffer {
            tracing::warn!(
                client = client.info.address(),
                "closing a client that sends a request without an end"
            );
            self.figures.traffic.cut(Cut::QueryBuffer);
            client.closing = true;
            return;
        }
        self.serve(client, source);
    }

    /// Serves the complete requests of a batch from where it stopped, and keeps what is not used.
    fn serve(&mut self, client: &mut Client, source: Source<'_>) {
        let batch = std::mem::take(&mut client.batch);
        let source = if batch.is_empty() { source } else { source.shared_if_large() };
        let was_authenticated = client.authenticated;
        if !batch.is_empty() || client.broken.is_some() {
            let routing = Arc::clone(&self.epochs.routing);
            client.share.renew(self.turn.number);
            self.clients.mark_dirty(client);
            self.whole = source.whole();
            self.serve_batch(client, &routing, &batch, source.bytes());
            self.whole = None;
        }
        client.batch = batch;
        client.info.last_seen.store(self.turn.wall.0, Relaxed);
        if client.stall.is_some() {
            client.stalled = source.into_shared();
            client.info.buffers.0.store(client.stalled.len() as u64, Relaxed);
            return;
        }
        client.next = 0;
        if client.leaving && !client.batch.is_empty() && client.is_free() {
            // It had its turn; what it has sent only in part does not run.
            client.closing = true;
        }
        let reused = self.remains.reuse(client.batch.missing(source.bytes().len()));
        if reused.capacity() > 0 {
            client.input = reused;
        }
        source.keep_from(client.batch.consumed(), &mut client.input);
        client.batch.reset();
        if let Some(error) = client.broken.take() {
            if client.authenticated && !was_authenticated {
                // It was read with the limits of a stranger.
                client.batch.restart();
                let input = std::mem::take(&mut client.input);
                return self.parse(client, Source::Kept(input));
            }
            client.closing = true;
            match error.reply() {
                Some(text) => {
                    client.muted = false;
                    client.error(text);
                }
                None => {
                    // What was asked for before is not for who sends this.
                    client.aborted = Some(Cut::Http);
                    if let Some((remote, _)) = client.info.peer {
                        self.shared.connections.warn_of_http(remote, self.turn.wall);
                    }
                }
            }
        }
        client.closing |= client.ending;
        client.info.buffers.0.store(client.input.len() as u64, Relaxed);
    }

    fn serve_batch(&mut self, client: &mut Client, routing: &Arc<Routing>, batch: &Batch, buffer: &[u8]) {
        self.looked_at = None;
        while client.next < batch.len() && !client.closing {
            // A request that has begun is not stopped by anything but itself.
            if matches!(client.stall, None | Some(Stall::Turn)) {
                if client.share.is_used_up() {
                    client.stall = Some(Stall::Turn);
                    self.go_on_with(client);
                    return;
                }
                client.begin();
            }
            let request = batch.get(client.next, buffer);
            match self.request(client, routing, &request) {
                Ok(()) => {
                    client.stall = None;
                    client.next += 1;
                    client.share.take(request.len(), 0);
                }
                Err(stall) => {
                    if stall == Stall::Held {
                        self.clients.held.push(client.key);
                    } else if stall == Stall::Paused {
                        self.clients.paused.push(client.key);
                    }
                    client.stall = Some(stall);
                    if client.ending {
                        client.end();
                    }
                    return;
                }
            }
        }
    }

    /// Goes on with a client that was stalled.
    pub(super) fn resume_client(&mut self, key: Key) {
        let Some(mut client) = self.clients.take(key) else { return };
        if client.stall.is_some() {
            let source = Source::Shared(std::mem::take(&mut client.stalled));
            self.serve(&mut client, source);
        }
        let unread = client.unread && client.stall.is_none();
        self.clients.put_back(client);
        if unread {
            self.read_client(key);
        }
        self.clients.touch(key);
    }

    /// In the next turn.
    fn go_on_with(&mut self, client: &mut Client) {
        if !client.again {
            client.again = true;
            self.turn.again.push(Token(client.key.index()));
        }
    }

    /// Goes on where the turn before ended.
    pub(super) fn continue_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.again = false;
        if client.stall == Some(Stall::Turn) {
            self.resume_client(key);
        } else if client.unread {
            self.read_client(key);
        }
        self.clients.touch(key);
    }

    pub(super) fn close_client(&mut self, key: Key) {
        if let Some(mut client) = self.clients.all.forget(key) {
            if client.stall == Some(Stall::Paused) {
                self.clients.paused.retain(|&paused| paused != key);
            }
            self.unwatch(&mut client);
            self.end_all_hearing(&mut client);
            self.abandon_wait(&mut client);
            self.shared.clients.remove(client.info.id);
            client.abandon(&mut self.remains);
        }
    }

    pub(super) fn flush_client(&mut self, key: Key) {
        let limit = self.clients.output.of(Class::Normal);
        let Some(client) = self.clients.get_mut(key) else { return };
        client.dirty = false;
        let mut alive = client.aborted.is_none();
        if let Some(cut) = client.aborted {
            self.figures.traffic.cut(cut);
        }
        if alive && client.replies.has_output() {
            let before = client.replies.unsent();
            let sent = client.replies.send(&mut client.stream);
            self.figures.traffic.output.add((before - client.replies.unsent()) as u64);
            match sent {
                Ok(Sent::All | Sent::Blocked) => {}
                Ok(Sent::More) if client.again => {}
                Ok(Sent::More) => {
                    client.again = true;
                    self.turn.again.push(Token(key.index()));
                }
                Err(_) => alive = false,
            }
            client.replies.leave(&mut self.remains);
            client.info.buffers.1.store(client.replies.buffered() as u64, Relaxed);
            if client.replies.has_output() || client.unsent_since.is_some() {
                let slow = client.time_writing(self.turn.now, self.turn.wall, &self.shared.slow);
                self.figures.traffic.slow.add(u64::from(slow));
            }
            if client.is_behind(limit, self.turn.wall) {
                self.figures.traffic.cut(Cut::OutputBuffer);
                alive = false;
            }
        }
        if client.leaving && client.is_between_requests() {
            client.closing = true;
        }
        if !alive || client.is_done() {
            if alive && client.leaving && client.lingers(self.turn.now) {
                return;
            }
            self.close_client(key);
        } else if client.may_resume() {
            self.clients.resume_one(key);
        }
    }
}

/// Where the requests of a batch are.
enum Source<'a> {
    /// As they were read just now.
    Read(&'a [u8]),
    /// What was kept of earlier reads, and the rest of it.
    Kept(Vec<u8>),
    /// In memory that others may keep parts of.
    Shared(Bytes),
}

impl Source<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Kept(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    fn shared_if_large(self) -> Self {
        match self {
            Self::Kept(bytes) if bytes.len() >= LARGE => Self::Shared(bytes.into()),
            other => other,
        }
    }

    /// What may be passed on without being copied.
    fn whole(&self) -> Option<Bytes> {
        match self {
            Self::Shared(bytes) if bytes.len() >= LARGE => Some(bytes.clone()),
            Self::Shared(_) | Self::Read(_) | Self::Kept(_) => None,
        }
    }

    fn into_shared(self) -> Bytes {
        match self {
            Self::Read(bytes) => Bytes::copy_from_slice(bytes),
            Self::Kept(bytes) => bytes.into(),
            Self::Shared(bytes) => bytes,
        }
    }

    /// Keeps what is behind the complete requests in `input`, which is empty. Beyond a request that is large there is less than
    /// one read, because each read is looked at before the next.
    fn keep_from(self, used: usize, input: &mut Vec<u8>) {
        match self {
            Self::Read(bytes) => input.extend_from_slice(&bytes[used..]),
            Self::Shared(bytes) => input.extend_from_slice(&bytes[used..]),
            Self::Kept(mut bytes) => {
                bytes.drain(..used);
                if !bytes.is_empty() || bytes.capacity() <= READ {
                    *input = bytes;
                }
            }
        }
    }
}
