//! What a proxy keeps of a client's connection, for the commands that are about it: see [`crate::connection`].

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    Worker,
    client::{Client, Stall},
    upstreams::DATABASES,
    users,
};
use crate::{
    acl::log::{Place, Reason},
    command::Spec,
    connection::{self, Command, Endpoint, Entrance, Label, Listed, Replies, Wish},
    protocol::{Encoder, Request, Version},
    proxy::shared::Shared,
    time::Millis,
};

impl Worker {
    /// Runs a command about the connection, when nothing it changes is needed for replies that are still to come.
    pub(super) fn about_connection(
        &mut self,
        client: &mut Client,
        command: Command,
        spec: &Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        if client.replies.in_flight() > 0 && changes_requests(client, spec, request) {
            return Err(Stall::Drain);
        }
        if client.watching.is_some() && changes_requests(client, spec, request) && spec.name != "reset" {
            let name = spec.name.to_ascii_uppercase();
            self.refuse(
                client,
                format!("ERR {name} is not possible through a proxy while keys are watched: UNWATCH first"),
            );
            return Ok(());
        }
        if client.hearing.is_some() && matches!(spec.name, "quit" | "reset") {
            self.leave_all(client)?;
        }
        if spec.name == "reset" {
            self.end_transaction(client);
        }
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, client.version);
        let mut here = Here { client, shared: &self.shared, now: self.turn.wall, word: request.name() };
        match command(&mut here, request, &mut encoder) {
            Ok(()) => {
                client.replies.answer(client.muted, |replies| replies.extend_from_slice(&out));
            }
            Err(refusal) => self.refuse(client, refusal.0.as_bytes()),
        }
        Ok(())
    }
}

/// Whether requests after it go elsewhere, or are answered in another way, than those before.
fn changes_requests(client: &Client, spec: &Spec, request: &Request<'_>) -> bool {
    match spec.name {
        "reset" => true,
        // Another database is another connection: requests before must not be overtaken.
        "select" => request.arg(1) != client.database.to_string().as_bytes(),
        "hello" => {
            matches!(connection::version_asked(request), Ok(Some(version)) if version != client.version)
        }
        _ => false,
    }
}

struct Here<'a> {
    client: &'a mut Client,
    shared: &'a Arc<Shared>,
    now: Millis,
    /// The command, as the client wrote it.
    word: &'a [u8],
}

impl Entrance for Here<'_> {
    fn id(&self) -> u64 {
        self.client.info.id
    }

    fn is_authenticated(&self) -> bool {
        self.client.authenticated || !self.shared.users.must_log_in()
    }

    fn needs_password(&self) -> bool {
        !self.shared.users.acl.default_user().needs_no_password()
    }

    fn log_in(&mut self, user: &[u8], password: &[u8]) -> bool {
        // Who they are is not known yet.
        let users = self.shared.users.are_known().then_some(&self.shared.users);
        let Some(user) = users.and_then(|users| users.acl.log_in(user, password)) else {
            let reason = (Reason::Auth, self.word);
            users::note(&self.shared.users.acl, self.client, reason, Place::Toplevel, user, self.now);
            return false;
        };
        self.client.log_in(user, true);
        true
    }

    fn version(&self) -> Version {
        self.client.version
    }

    fn set_version(&mut self, version: Version) {
        self.client.version = version;
        self.client.info.protocol.store(if version == Version::Resp3 { 3 } else { 2 }, Relaxed);
    }

    fn set_label(&mut self, label: Label, value: &[u8]) {
        let mut names = self.client.info.names();
        let place = match label {
            Label::Name => &mut names.name,
            Label::Library => &mut names.library,
            Label::LibraryVersion => &mut names.library_version,
        };
        *place = String::from_utf8_lossy(value).into_owned();
    }
}

impl Endpoint for Here<'_> {
    fn log_out(&mut self) {
        let users = &self.shared.users;
        self.client.log_in(Arc::clone(users.acl.default_user()), !users.must_log_in());
    }

    fn knows_user(&self, name: &[u8]) -> bool {
        self.shared.users.acl.user(name).is_some()
    }

    fn tracking(&self) -> Option<connection::Tracking> {
        let tracks = self.client.tracks()?;
        Some(tracks.options.shown(tracks.caching, tracks.broken_redirect))
    }

    fn is_subscribed(&self) -> bool {
        self.client.is_subscribed()
    }

    fn databases(&self) -> usize {
        usize::from(DATABASES)
    }

    fn select(&mut self, database: usize) {
        // It is below `databases`.
        let database = u8::try_from(database).unwrap_or_default();
        self.client.database = database;
        self.client.info.database.store(database, Relaxed);
    }

    fn replies(&self) -> Replies {
        self.client.replies_before
    }

    fn set_replies(&mut self, replies: Replies) {
        self.client.want_replies(replies);
    }

    fn answers_all(&self) -> bool {
        self.client.info.peer.is_none()
    }

    fn name(&self) -> Vec<u8> {
        self.client.info.names().name.clone().into_bytes()
    }

    fn set_wish(&mut self, wish: Wish, on: bool) {
        let mut names = self.client.info.names();
        match wish {
            Wish::NoEvict => names.no_evict = on,
            Wish::NoTouch => names.no_touch = on,
        }
    }

    fn close(&mut self) {
        self.client.closing = true;
    }

    fn listed(&self) -> Vec<Listed> {
        let clients = self.shared.clients.list();
        clients
            .iter()
            .map(|info| Listed {
                id: info.id,
                remote: info.address(),
                local: info.local_address(),
                user: info.user().name().to_vec(),
                subscribed: info.is_subscribed(),
            })
            .collect()
    }

    fn line(&self, id: u64) -> Option<Vec<u8>> {
        if id == self.client.info.id {
            // Also of a gRPC caller, which is not in the list.
            return Some(self.client.info.line(self.now).into_bytes());
        }
        self.shared.clients.get(id).map(|info| info.line(self.now).into_bytes())
    }

    fn kill(&mut self, id: u64) {
        if let Some(victim) = self.shared.clients.get(id) {
            self.shared.kill(&victim);
        }
    }
}
