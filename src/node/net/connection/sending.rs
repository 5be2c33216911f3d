//! What goes to the client: one write of what a batch answered, and the rest as the client takes it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite as _;

use super::Connection;
use crate::{
    node::net::turn::{TURN, give_way},
    protocol::Output,
};

/// A worker's reply buffer that grew larger is given back to the system after use.
const KEEP: usize = 1 << 20;

impl Connection {
    /// Sends what earlier writes did not.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.unsent.len() {
            let rest = self.unsent.piece(self.sent);
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &rest[..rest.len().min(TURN)]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
            self.moved += written;
            self.caller.client.set_unsent(self.unsent.len() - self.sent);
            if self.moved >= TURN && self.sent < self.unsent.len() {
                give_way(cx);
                return Poll::Pending;
            }
        }
        (self.unsent, self.sent) = (Output::default(), 0);
        self.handed_over();
        Poll::Ready(Ok(()))
    }

    /// The kernel has everything: what a waiting command was served with is the client's.
    fn handed_over(&mut self) {
        if std::mem::take(&mut self.handing_over) {
            self.caller.client.take_served();
        }
    }

    /// One write of what the worker's buffer holds; what the kernel does not take now is kept.
    pub(super) fn write(&mut self, output: &mut Output, cx: &mut Context<'_>) -> io::Result<()> {
        let written = self.write_once(output, cx);
        if output.capacity() > KEEP {
            *output = Output::default();
        } else {
            output.clear();
        }
        written
    }

    fn write_once(&mut self, output: &mut Output, cx: &mut Context<'_>) -> io::Result<()> {
        if output.is_empty() {
            self.handed_over();
            return Ok(());
        }
        let offered = output.piece(0);
        let written = if self.held.is_some() {
            0
        } else {
            match Pin::new(&mut self.stream).poll_write(cx, &offered[..offered.len().min(TURN)]) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            }
        };
        self.moved += written;
        if written < output.len() {
            // A large buffer would not be kept for others anyway, and what is shared is not copied.
            (self.unsent, self.sent) = if output.capacity() > KEEP || output.is_sharing() {
                (std::mem::take(output), written)
            } else {
                (Output::from(output.copy_from(written)), 0)
            };
            self.caller.client.set_unsent(self.unsent.len() - self.sent);
        } else {
            self.handed_over();
        }
        Ok(())
    }
}
