//! `MONITOR` at a proxy: the requests of its clients, on all threads, as Redis shows them. What a turn has to show is sent before
//! its replies are, so who has a reply knows that the request was shown.

use bytes::Bytes;

use super::{Message, Worker, client::Client};
use crate::{
    command::{Flags, resolve},
    connection::monitor,
    protocol::{Batch, Limits, Request},
    proxy::transaction::Transaction,
};

/// What is not shown.
const HIDDEN: Flags = Flags::of(&[Flags::ADMIN, Flags::SKIP_MONITOR]);

impl Worker {
    /// A client is shown everything from now on.
    pub(super) fn monitor(&mut self, client: &mut Client) {
        if client.info.peer.is_none() {
            self.refuse(client, "ERR a gRPC caller receives no messages: monitor over RESP");
            return;
        }
        if !std::mem::replace(&mut client.hearing().monitoring, true) {
            self.monitors.push(client.key);
            self.shared.monitors.add(self.index);
            client.info.mark(crate::proxy::clients::MONITORS, true);
        }
        client.ok();
    }

    /// A client is shown nothing any more.
    pub(super) fn end_monitoring(&mut self, client: &Client) {
        let before = self.monitors.len();
        self.monitors.retain(|&monitor| monitor != client.key);
        if self.monitors.len() < before {
            self.shared.monitors.remove(self.index);
            client.info.mark(crate::proxy::clients::MONITORS, false);
        }
    }

    /// Shows a request that was served, or sent on.
    #[cold]
    pub(super) fn show(&mut self, client: &Client, flags: Flags, request: &Request<'_>) {
        if flags.has_any(HIDDEN) {
            return;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let line = monitor::line(now, usize::from(client.database), &client.info.address(), request);
        self.shown.extend_from_slice(&line);
    }

    /// Shows the requests of a transaction that runs.
    #[cold]
    pub(super) fn show_queued(&mut self, client: &Client, transaction: &Transaction) {
        let mut batch = Batch::default();
        if batch.parse(transaction.commands(), &Limits::default()).is_err() {
            return;
        }
        for index in 0..batch.len() {
            let request = batch.get(index, transaction.commands());
            // What the table does not have is nothing for operators: such commands are not queued.
            let flags = resolve(&request).map_or(Flags::NONE, |spec| spec.flags);
            self.show(client, flags, &request);
        }
    }

    /// Sends what is to be shown to the monitors of all threads.
    pub(super) fn send_shown(&mut self) {
        if self.shown.is_empty() {
            return;
        }
        let lines = Bytes::from(std::mem::take(&mut self.shown));
        for (worker, mailbox) in self.shared.mailboxes().iter().enumerate() {
            if worker != self.index && self.shared.monitors.has(worker) {
                mailbox.send(Message::Shown(lines.clone()));
            }
        }
        self.take_shown(&lines);
    }

    /// For the monitors of this thread.
    pub(super) fn take_shown(&mut self, lines: &Bytes) {
        for &monitor in &self.monitors {
            self.clients.show(monitor, lines, self.turn.wall);
        }
    }
}
