//! Clients of a worker: reading them, serving what was read, writing, closing. Not here: what a request means.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use mio::{Interest, Token};
use tokio::sync::oneshot;

use super::{
    READ, READS_PER_TURN, Worker,
    client::{Client, Stall},
    slots::Key,
    stream::Stream,
};
use crate::{
    connection::Replies as ReplyMode,
    protocol::{Batch, Limits, Version},
    proxy::replies::Replies,
};

impl Worker {
    pub(super) fn add_client(
        &mut self,
        mut stream: Stream,
        read: &[u8],
        peer: Option<(SocketAddr, SocketAddr)>,
        ended: Option<oneshot::Sender<()>>,
    ) {
        let key = self.clients.insert_with(|key| {
            let info = self.shared.clients.add(peer, self.index, self.wall);
            Box::new(Client {
                key,
                stream: Stream::Closed,
                info,
                input: Vec::new(),
                batch: Batch::default(),
                next: 0,
                replies: Replies::default(),
                version: Version::Resp2,
                database: 0,
                authenticated: self.shared.password.is_none(),
                replies_before: ReplyMode::On,
                replies_wanted: ReplyMode::On,
                muted: false,
                stall: None,
                counted: None,
                unread: false,
                dirty: false,
                closing: self.stopping,
                aborted: false,
                broken: None,
                _ended: ended,
            })
        });
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(key.index as usize), both) {
            tracing::warn!(%error, "cannot watch a client");
            self.close_client(key);
            return;
        }
        let Some(mut client) = self.clients.take(key) else { return };
        client.stream = stream;
        if !read.is_empty() {
            self.feed(&mut client, read);
        }
        self.clients.put_back(key, client);
        // What came before it was watched makes no event.
        self.read_client(key);
        self.dirty_client(key);
    }

    pub(super) fn client_event(&mut self, index: u32, event: &mio::event::Event) {
        let Some(key) = self.clients.current(index) else { return };
        if event.is_error() {
            self.close_client(key);
            return;
        }
        if event.is_writable() && self.clients.get_mut(key).is_some_and(|c| !c.replies.unsent().is_empty()) {
            self.dirty_client(key);
        }
        if event.is_readable() || event.is_read_closed() {
            if event.is_read_closed()
                && let Some(client) = self.clients.get_mut(key)
            {
                client.unread = true;
            }
            self.read_client(key);
        }
    }

    /// Reads once, or to the end if it was closed.
    pub(super) fn read_client(&mut self, key: Key) {
        let Some(mut client) = self.clients.take(key) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        let to_the_end = std::mem::take(&mut client.unread);
        let mut reads = 0;
        let alive = loop {
            if client.stall.is_some() || client.closing {
                client.unread = true;
                break true;
            }
            if reads == READS_PER_TURN {
                client.unread = to_the_end;
                self.again.push(Token(key.index as usize));
                break true;
            }
            reads += 1;
            match client.stream.read(&mut scratch) {
                Ok(None) => break true,
                Ok(Some(0)) => {
                    // It may still read what it has asked for.
                    client.closing = true;
                    if !client.is_done() {
                        self.mark_dirty(&mut client);
                    }
                    break !client.is_done();
                }
                Ok(Some(count)) => {
                    self.feed(&mut client, &scratch[..count]);
                    if count < scratch.len() && !to_the_end {
                        break true;
                    }
                }
                Err(_) => break false,
            }
        };
        self.scratch = scratch;
        self.clients.put_back(key, client);
        if !alive {
            self.close_client(key);
        }
    }

    /// New bytes of a client that is not stalled.
    fn feed(&mut self, client: &mut Client, bytes: &[u8]) {
        if client.input.is_empty() {
            self.parse(client, bytes);
        } else {
            let mut input = std::mem::take(&mut client.input);
            input.extend_from_slice(bytes);
            self.parse(client, &input);
            // Serving copied what is left of it.
            if client.input.is_empty() && input.capacity() <= READ {
                input.clear();
                client.input = input;
            }
        }
    }

    fn parse(&mut self, client: &mut Client, buffer: &[u8]) {
        // A caller of gRPC is no browser, whatever it calls its commands.
        let limits = Limits { refuse_http: client.info.peer.is_some(), ..Limits::default() };
        let limits = if client.authenticated { limits } else { limits.unauthenticated() };
        client.broken = client.batch.parse(buffer, &limits).err();
        if buffer.len() - client.batch.consumed() > limits.query_buffer {
            tracing::warn!(
                client = client.info.address(),
                "closing a client that sends a request without an end"
            );
            client.closing = true;
            return;
        }
        self.serve(client, buffer);
    }

    /// Serves the complete requests of a batch from where it stopped, and keeps what is not used.
    fn serve(&mut self, client: &mut Client, buffer: &[u8]) {
        let batch = std::mem::take(&mut client.batch);
        let routing = Arc::clone(&self.routing);
        let was_authenticated = client.authenticated;
        self.mark_dirty(client);
        while client.next < batch.len() && !client.closing {
            if client.stall.is_none() {
                client.begin();
            }
            let request = batch.get(client.next, buffer);
            match self.request(client, &routing, &request) {
                Ok(()) => {
                    client.stall = None;
                    client.next += 1;
                }
                Err(stall) => {
                    if stall == Stall::Held {
                        self.held.push(client.key);
                    }
                    client.stall = Some(stall);
                    break;
                }
            }
        }
        client.batch = batch;
        client.info.last_seen.store(self.wall.0, Relaxed);
        if client.stall.is_some() {
            client.input = buffer.to_vec();
            return;
        }
        client.next = 0;
        let rest = &buffer[client.batch.consumed()..];
        client.input.extend_from_slice(rest);
        client.batch.reset();
        if let Some(error) = client.broken.take() {
            if client.authenticated && !was_authenticated {
                // It was read with the limits of a stranger.
                client.batch.restart();
                let input = std::mem::take(&mut client.input);
                return self.parse(client, &input);
            }
            client.closing = true;
            match error.reply() {
                Some(text) => {
                    client.muted = false;
                    client.error(text);
                }
                None => {
                    // What was asked for before is not for who sends this.
                    client.aborted = true;
                    if let Some((remote, _)) = client.info.peer {
                        self.shared.connections.warn_of_http(remote, self.wall);
                    }
                }
            }
        }
        client.info.buffers.0.store(client.input.len() as u64, Relaxed);
    }

    /// Goes on with a client that was stalled.
    pub(super) fn resume_client(&mut self, key: Key) {
        let Some(mut client) = self.clients.take(key) else { return };
        if client.stall.is_some() {
            let input = std::mem::take(&mut client.input);
            self.serve(&mut client, &input);
        }
        let unread = client.unread && client.stall.is_none();
        self.clients.put_back(key, client);
        if unread {
            self.read_client(key);
        }
        self.dirty_client(key);
    }

    pub(super) fn dirty_client(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key)
            && !client.dirty
        {
            client.dirty = true;
            self.dirty_clients.push(key);
        }
    }

    fn mark_dirty(&mut self, client: &mut Client) {
        if !client.dirty {
            client.dirty = true;
            self.dirty_clients.push(client.key);
        }
    }

    pub(super) fn close_client(&mut self, key: Key) {
        if let Some(client) = self.clients.forget(key) {
            self.shared.clients.remove(client.info.id);
        }
    }

    pub(super) fn flush_client(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.dirty = false;
        let unsent = client.replies.unsent();
        let mut alive = !client.aborted;
        if alive && !unsent.is_empty() {
            match client.stream.write(unsent) {
                Ok(Some(count)) => client.replies.advance(count),
                Ok(None) => {}
                Err(_) => alive = false,
            }
            client.info.buffers.1.store(client.replies.buffered() as u64, Relaxed);
        }
        if !alive || client.is_done() {
            self.close_client(key);
        } else if client.may_resume() {
            self.resume.push(key);
        }
    }
}
