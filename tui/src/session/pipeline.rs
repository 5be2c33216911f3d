//! Many Redis commands at once, for scripts: queued, sent together, answered in order.

use std::time::Instant;

use redis_cluster::protocol::Value;

use super::{
    Session,
    data::{DataError, Open},
    execute,
    outcome::{Outcome, Status},
};
use crate::{format, language::Command};

/// Commands that are sent together at most.
const COMMANDS_MAX: usize = 512;
/// Bytes that are queued before they are sent: few enough to fit into the buffers of both ends, so that neither waits
/// for the other to read.
const BYTES_MAX: usize = 32 << 10;

/// Redis commands that wait to be sent together. Each has a tag (the line of the script) that comes back with its reply.
#[derive(Debug)]
pub struct Pipeline {
    session: Session,
    waiting: Vec<(u64, Vec<Vec<u8>>)>,
    bytes: usize,
}

impl Pipeline {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session, waiting: Vec::new(), bytes: 0 }
    }

    /// No command waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// No further command should be added before [`Pipeline::run`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= COMMANDS_MAX || self.bytes >= BYTES_MAX
    }

    /// Adds a command. `Err`: it is refused, and nothing is added.
    ///
    /// # Errors
    /// What [`Session::execute`] would say without sending anything.
    pub fn add(&mut self, tag: u64, arguments: Vec<Vec<u8>>) -> Result<(), Box<Outcome>> {
        let command = Command::Redis(arguments);
        if let Some(refused) = execute::refuse(&self.session, &command) {
            return Err(Box::new(refused));
        }
        if let Command::Redis(arguments) = command {
            self.bytes += arguments.iter().map(Vec::len).sum::<usize>();
            self.waiting.push((tag, arguments));
        }
        Ok(())
    }

    /// Sends everything that waits and hands each reply to `each`, in order; stops when `each` says `false`.
    ///
    /// # Errors
    /// When replies are missing: the outcome says which commands may have run, and comes with the tag of the first.
    pub async fn run(
        &mut self,
        mut each: impl FnMut(u64, &[Vec<u8>], Outcome) -> bool,
    ) -> Result<(), (u64, Outcome)> {
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let (Some((first, _)), Some((last, _))) = (waiting.first(), waiting.last()) else { return Ok(()) };
        let (first, last) = (*first, *last);
        let view = self.session.first_look().await.map_err(|error| (first, error.into()))?;
        let options = self.session.options();
        let mut link = self.session.inner.data.lock().await;
        let mut open: Open = match link.take(&view, options).await {
            Ok(open) => open,
            Err(error @ DataError::Answered { .. }) => {
                // To each of them, so that replies and lines stay together.
                let outcome = Outcome::from(error);
                for (at, (tag, arguments)) in waiting.iter().enumerate() {
                    let notes = if at == 0 { outcome.notes.clone() } else { Vec::new() };
                    if !each(*tag, arguments, Outcome { notes, ..outcome.clone() }) {
                        break;
                    }
                }
                return Ok(());
            }
            Err(error) => return Err((first, error.into())),
        };
        for (_, arguments) in &waiting {
            open.connection.queue(arguments);
        }
        let proxy = open.proxy.clone();
        let lost = |tag: u64, error: &dyn std::fmt::Display| {
            let text = format!(
                "the connection to proxy {proxy} broke; lines {tag} to {last} may or may not have run ({error})"
            );
            (tag, Outcome::failure(Status::Unreachable, text))
        };
        let sent = Instant::now();
        if let Err(error) = open.flush().await {
            return Err(lost(first, &error));
        }
        for (tag, arguments) in &waiting {
            let reply: Value = match open.read().await {
                Ok(reply) => reply,
                Err(error) => return Err(lost(*tag, &error)),
            };
            link.note(arguments, &reply);
            let outcome = Outcome {
                via: Some(open.proxy.clone()),
                verbatim: format::is_verbatim(arguments),
                took: sent.elapsed(),
                ..Outcome::reply(reply)
            };
            if !each(*tag, arguments, outcome) {
                return Ok(());
            }
        }
        link.give_back(open);
        Ok(())
    }
}
