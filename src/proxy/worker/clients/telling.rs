//! What clients receive that is no reply, and what happens to those who do not read it.

use bytes::Bytes;

use super::Clients;
use crate::{
    connection::output::Class,
    protocol::Version,
    proxy::{observe::Cut, outbox::LARGE, slab::Key, upstream::Reply},
    time::Millis,
};

impl Clients {
    /// What a client hears without having asked, as RESP3 has it. Who lets too much of it wait is closed.
    pub(in crate::proxy::worker) fn tell(&mut self, key: Key, message: &Reply<'_>, now: Millis) {
        let Some(client) = self.all.get_mut(key) else { return };
        if client.closing {
            return;
        }
        let out = client.replies.beside();
        // In RESP2 it is an array.
        let is_push = client.version == Version::Resp3;
        match message {
            Reply::Small(bytes) if is_push => out.tail().extend_from_slice(bytes),
            Reply::Large(bytes) if is_push => out.push(bytes.clone()),
            Reply::Small(bytes) => {
                out.tail().push(b'*');
                out.tail().extend_from_slice(&bytes[1..]);
            }
            Reply::Large(bytes) => {
                out.tail().push(b'*');
                out.push(bytes.slice(1..));
            }
        }
        self.check_lag(key, now);
    }

    /// Requests of others, to who is shown them.
    pub(in crate::proxy::worker) fn show(&mut self, key: Key, lines: &Bytes, now: Millis) {
        if let Some(client) = self.all.get_mut(key).filter(|client| !client.closing) {
            if lines.len() >= LARGE {
                client.replies.beside().push(lines.clone());
            } else {
                client.replies.beside().tail().extend_from_slice(lines);
            }
            self.check_lag(key, now);
        }
    }

    /// Whether somebody may be closed as time goes by.
    pub(in crate::proxy::worker) fn need_time(&self) -> bool {
        self.output.of(Class::Normal).soft > 0
    }

    /// Who lets too much wait of what it hears is closed.
    fn check_lag(&mut self, key: Key, now: Millis) {
        let limit = self.output.of(Class::PubSub);
        let Some(client) = self.all.get_mut(key) else { return };
        let waiting = client.replies.buffered();
        if client.hearing().lag.is_too_much(waiting, limit, now) {
            tracing::warn!(
                client = client.info.address(),
                bytes = waiting,
                "closing a client that does not read what it wants to hear"
            );
            client.aborted = Some(Cut::OutputBuffer);
        }
        self.touch(key);
    }
}
