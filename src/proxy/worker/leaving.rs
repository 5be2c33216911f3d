//! How clients go when the proxy drains. RESP has no word for it, so each is told by the end of its connection, at a moment when it is
//! between two requests: everything that was read is answered, and what was not read has certainly not run.
//!
//! Not here: who decides that it is time, and for how long ([`crate::proxy::drain`]).

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{Stage, Worker, client::Client, stream::Stream};
use crate::{proxy::slab::Key, time::Millis};

/// How long what a client still sends is thrown away. If its connection were closed with something unread, the system would answer
/// with a reset, and with that some systems take away replies that have come and were not read yet.
const LINGER: Millis = Millis(500);

impl Worker {
    /// From now on each client goes when it is between two requests.
    pub(super) fn let_go(&mut self) {
        if self.stage != Stage::Serving {
            return;
        }
        self.stage = Stage::Leaving;
        for key in self.clients.keys() {
            let Some(client) = self.clients.get_mut(key) else { continue };
            if client.info.peer.is_none() {
                // Calls over gRPC end with their own connection, requests of the proxy itself when they are done.
                continue;
            }
            client.leaving = true;
            // What has come by now is served.
            client.unread = true;
            self.end_own_wait(key);
            self.read_client(key);
            self.clients.touch(key);
            self.close_if_idle(key);
        }
    }

    /// Whoever has had its last reply for a while has read it.
    fn close_if_idle(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let quiet = client.replies.in_flight() == 0 && !client.replies.has_output();
        let idle = self.turn.wall.0 - client.info.last_seen.load(Relaxed);
        if quiet && client.is_between_requests() && idle > LINGER.0 {
            self.close_client(key);
        }
    }

    /// Closes who is still here. Requests of the proxy itself are done, and elements that clients would have got go back.
    pub(super) fn close_all(&mut self) {
        self.stage = Stage::Stopping;
        for key in self.clients.keys() {
            let Some(client) = self.clients.get_mut(key) else { continue };
            if !client.is_own() {
                self.close_client(key);
            }
        }
    }

    /// As time goes by.
    pub(super) fn tick_leaving(&mut self) {
        if self.stage == Stage::Serving {
            return;
        }
        for key in self.clients.keys() {
            let until = self.clients.get_mut(key).and_then(|client| client.lingers_until);
            if until.is_some_and(|until| self.turn.now >= until) {
                self.close_client(key);
            }
        }
    }
}

impl Client {
    /// Whether it stands for the proxy itself: nobody sends to it or reads from it.
    fn is_own(&self) -> bool {
        matches!(self.stream, Stream::Closed)
    }

    /// Everything was sent to a client that goes: whether its connection is kept for a while, for it to read that.
    pub(super) fn lingers(&mut self, now: Instant) -> bool {
        if self.lingers_until.is_none() {
            if self.hung_up || self.stream.shut_down().is_err() {
                return false;
            }
            self.lingers_until = Some(now + Duration::from_millis(LINGER.0.unsigned_abs()));
        }
        true
    }
}
