//! Clients that take up more than they may are cut off. What they may: [`crate::proxy::limits`].

use std::time::Duration;

use super::{Worker, client::Client};
use crate::{
    connection::output::{Class, Limit},
    proxy::{limits, observe::Cut},
    time::Millis,
};

/// How often all clients are looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Client {
    /// Whether it has not read for too long, or too much: then it is to be closed. What clients hear without asking has a
    /// limit of its own.
    pub(super) fn is_behind(&mut self, limit: Limit, now: Millis) -> bool {
        if limit == Limit::default() || self.is_subscribed() {
            return false;
        }
        let waiting = self.replies.buffered();
        if !self.lag.is_too_much(waiting, limit, now) {
            return false;
        }
        let client = self.info.address();
        tracing::warn!(client, bytes = waiting, "closing a client that does not read its replies");
        true
    }
}

impl Worker {
    /// As time goes by.
    pub(super) fn tick_limits(&mut self) {
        if self.turn.now < self.next_look {
            return;
        }
        self.next_look = self.turn.now + LOOK;
        let limit = self.shared.limits.output.of(Class::Normal);
        if limit.soft > 0 {
            for key in self.clients.keys() {
                let now = self.turn.wall;
                if self.clients.get_mut(key).is_some_and(|client| client.is_behind(limit, now)) {
                    self.figures.traffic.cut(Cut::OutputBuffer);
                    self.close_client(key);
                }
            }
        }
        // One worker looks for all.
        if self.index == 0 && self.shared.limits.memory > 0 {
            for client in limits::beyond(&self.shared.clients.list(), self.shared.limits.memory) {
                tracing::warn!(
                    client = client.address(),
                    bytes = client.memory(),
                    "closing a client: the buffers of all are above maxmemory-clients"
                );
                self.figures.traffic.cut(Cut::Memory);
                self.shared.kill(&client);
            }
        }
    }
}
