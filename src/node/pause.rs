//! `CLIENT PAUSE` at a node, and who waits for its end. What a pause is stands in [`crate::connection::pause`].

use std::sync::Arc;

use super::clients::Client;
use crate::{command::Spec, connection::pause::Span, time::Millis};

/// See the module.
#[derive(Debug, Default)]
pub struct Pause {
    span: Option<Span>,
    waiting: Vec<Arc<Client>>,
}

impl Pause {
    /// Pauses.
    pub fn begin(&mut self, span: Span) {
        self.span = Some(span.beside(self.span));
    }

    /// `CLIENT UNPAUSE`, or the time has come: gives those who waited, to be woken.
    pub fn end(&mut self) -> Vec<Arc<Client>> {
        self.span = None;
        std::mem::take(&mut self.waiting)
    }

    /// Until when this command has to wait; `writes` says whether it runs others that may change something.
    #[must_use]
    pub fn holds(&self, spec: &Spec, writes: bool, now: Millis) -> Option<Millis> {
        self.span?.holds(spec, writes, now)
    }

    /// Whether keys stay although their time has come.
    #[must_use]
    pub fn is_on(&self, now: Millis) -> bool {
        self.span.is_some_and(|span| !span.is_over(now))
    }

    /// A pause was begun and not ended, although its time may have come.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.span.is_some()
    }

    /// Its time has come.
    #[must_use]
    pub fn is_over(&self, now: Millis) -> bool {
        self.span.is_some_and(|span| span.is_over(now))
    }

    /// How many clients wait for the end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A client waits for the end.
    pub fn wait(&mut self, client: &Arc<Client>) {
        self.waiting.retain(|waiting| waiting.id != client.id);
        self.waiting.push(Arc::clone(client));
    }

    /// A client is gone.
    pub fn forget(&mut self, client: &Client) {
        self.waiting.retain(|waiting| waiting.id != client.id);
    }
}
