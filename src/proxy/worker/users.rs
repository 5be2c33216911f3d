//! Who may do what: requests are checked before anything is done about them, by the rules of the cluster's users, with the words of
//! Redis; and the `ACL` commands. Not here: where users come from ([`crate::proxy::users`]).
//!
//! What a script does at a node is done by the proxy's own user there: nobody can check keys that it was not told. So a user that may
//! not do everything has to have all of `@scripting` to call one.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    Worker,
    client::{Client, Stall},
    listeners::KINDS,
    local::is_available,
};
use crate::{
    acl::{
        DEFAULT, Denied, User, answers,
        log::{Entry, Place, Reason},
    },
    command::{Acl as Categories, Route, Scripted, Spec, resolve},
    connection::channels::Kind,
    protocol::{Batch, Encoder, Limits, Request, quote::c_string},
    proxy::{
        transaction::Transaction,
        users::{Change, Changed, Wanted},
    },
};

/// Entries of `ACL LOG`, as many as Redis keeps.
const LOG_MAX: usize = 128;

impl Worker {
    /// Why somebody who has not logged in may do nothing, if so.
    #[cold]
    pub(super) fn refusal_of_stranger(&self) -> Option<&'static str> {
        if !self.shared.users.are_known() {
            return Some("CLUSTERDOWN This proxy has not read the users from etcd yet");
        }
        self.shared.users.acl.login_required().then_some("NOAUTH Authentication required.")
    }

    /// Why a user that may not do everything may not do this, if so.
    #[cold]
    pub(super) fn denied(
        &self,
        client: &Client,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Option<String> {
        if client.patience.is_some() || client.changed.is_some() {
            // It was checked before it waited.
            return None;
        }
        let user = &client.user;
        if let Err(denied) = user.check(spec, request) {
            let place = if client.transaction.is_some() { Place::Multi } else { Place::Toplevel };
            client.info.last_command.store(spec.index, Relaxed);
            self.note_denied(client, denied.blamed(spec.name, request), place, user.name());
            return Some(denied.text(spec.name));
        }
        if let Route::Scripted(Scripted::Source | Scripted::Digest | Scripted::Function) = spec.route
            && !user.may_use_category(spec, request, Categories::SCRIPTING)
        {
            self.note_denied(
                client,
                Denied::Command.blamed(spec.name, request),
                Place::Toplevel,
                user.name(),
            );
            return Some(format!(
                "NOPERM this user has no permissions to run the '{}' command through a proxy: what a script does cannot be \
                 checked there, so it takes all of +@scripting",
                spec.name
            ));
        }
        if spec.reads_by_pattern() && !user.may_read_all_keys(spec, request) {
            return answers::sort_refusal(request).map(str::to_owned);
        }
        None
    }

    pub(super) fn note_denied(
        &self,
        client: &Client,
        (reason, object): (Reason, &[u8]),
        place: Place,
        user: &[u8],
    ) {
        note(&self.shared.users.acl, client, (reason, object), place, user, self.turn.wall);
    }

    /// Why a transaction may not run any more, if rights were taken away since its commands were queued.
    #[cold]
    pub(super) fn denied_at_exec(&self, client: &Client, transaction: &Transaction) -> Option<String> {
        let mut batch = Batch::default();
        if batch.parse(transaction.commands(), &Limits::default()).is_err() {
            return None;
        }
        for index in 0..batch.len() {
            let request = batch.get(index, transaction.commands());
            let (name, checked) = match resolve(&request) {
                Ok(spec) => (spec.name, client.user.check(spec, &request)),
                Err(_) => ("", self.check_taught(client, &request)),
            };
            if let Err(denied) = checked {
                self.note_denied(client, denied.blamed(name, &request), Place::Multi, client.user.name());
                return Some(format!(
                    "EXECABORT Transaction discarded because of: {}",
                    denied.text_at_exec()
                ));
            }
        }
        None
    }

    /// `ACL …`.
    pub(super) fn users(
        &mut self,
        client: &mut Client,
        spec: &'static Spec,
        request: &Request<'_>,
    ) -> Result<(), Stall> {
        let acl = &self.shared.users.acl;
        let mut out = Vec::new();
        let mut reply = Encoder::new(&mut out, client.version);
        let answered = match spec.name {
            "acl|setuser" => return self.set_user(client, request),
            "acl|deluser" => return self.remove_users(client, request),
            "acl|list" => {
                answers::list(acl, &mut reply);
                Ok(())
            }
            "acl|users" => {
                answers::users(acl, &mut reply);
                Ok(())
            }
            "acl|getuser" => {
                answers::getuser(acl, request, &mut reply);
                Ok(())
            }
            "acl|whoami" => {
                reply.bulk(client.user.name());
                Ok(())
            }
            "acl|cat" => answers::cat(request, &mut reply, &is_available),
            "acl|genpass" => answers::genpass(request, &mut reply),
            "acl|log" => answers::log(acl, request, self.turn.wall, &mut reply),
            "acl|dryrun" => answers::dryrun(acl, request, &mut reply),
            // Users are in the registry, not in a file.
            _ => Err(answers::NO_FILE.into()),
        };
        match answered {
            Ok(()) => client.replies.answer(client.muted, |replies| replies.extend_from_slice(&out)),
            Err(error) => self.refuse(client, error),
        }
        Ok(())
    }

    fn set_user(&mut self, client: &mut Client, request: &Request<'_>) -> Result<(), Stall> {
        let change = || Change::Set {
            name: request.arg(2).to_vec(),
            words: request.args_from(3).map(<[u8]>::to_vec).collect(),
        };
        match self.change_users(client, change)? {
            Ok(_) => client.ok(),
            Err(error) => self.refuse(client, error),
        }
        Ok(())
    }

    fn remove_users(&mut self, client: &mut Client, request: &Request<'_>) -> Result<(), Stall> {
        if request.args_from(2).any(|name| c_string(name) == DEFAULT) {
            self.refuse(client, answers::DEFAULT_STAYS);
            return Ok(());
        }
        let change = || Change::Remove { names: request.args_from(2).map(<[u8]>::to_vec).collect() };
        match self.change_users(client, change)? {
            Ok(removed) => client.reply(|reply| reply.integer(removed.unwrap_or_default())),
            Err(error) => self.refuse(client, error),
        }
        Ok(())
    }

    /// Asks for a change, or goes on when it has been made.
    fn change_users(&self, client: &mut Client, change: impl FnOnce() -> Change) -> Result<Changed, Stall> {
        if let Some(changed) = client.changed.take() {
            // It was its own user: it gets the reply, and nothing more.
            client.closing |= !self.shared.users.is_current(&client.user);
            return Ok(*changed);
        }
        if client.replies.in_flight() > 0 {
            return Err(Stall::Drain);
        }
        self.shared.users.want(Wanted {
            mailbox: Arc::clone(&self.mailbox),
            client: client.key,
            change: change(),
        });
        Err(Stall::Changing)
    }

    /// What a client wanted to change is changed, or cannot be.
    pub(super) fn users_changed(&mut self, key: crate::proxy::slab::Key, changed: Changed) {
        if let Some(client) = self.clients.get_mut(key)
            && client.stall == Some(Stall::Changing)
        {
            client.changed = Some(Box::new(changed));
            self.clients.resume_one(key);
        }
    }

    /// A user was removed, and so are its connections; who did that itself goes when it has its reply.
    pub(super) fn user_gone(&mut self, user: &Arc<User>) {
        for key in self.clients.keys() {
            let of_user = self.clients.get_mut(key).filter(|client| Arc::ptr_eq(&client.user, user));
            if of_user.is_some_and(|client| client.stall != Some(Stall::Changing)) {
                self.close_client(key);
            }
        }
    }

    /// A user may have lost channels: its connections that are subscribed to such are closed.
    pub(super) fn channels_lost(&mut self, user: &Arc<User>) {
        for key in self.clients.keys() {
            if self.clients.get_mut(key).is_none_or(|client| !Arc::ptr_eq(&client.user, user)) {
                continue;
            }
            let may_keep = |kind| {
                let names = self.listeners.channels.names(kind, key);
                names.iter().all(|name| user.may_use_channel(name, kind == Kind::Pattern))
            };
            if KINDS.into_iter().all(may_keep) {
                continue;
            }
            match self.clients.get_mut(key) {
                Some(client) if client.stall == Some(Stall::Changing) => client.ending = true,
                _ => self.close_client(key),
            }
        }
    }
}

/// For `ACL LOG`.
#[cold]
pub(super) fn note(
    acl: &crate::acl::Acl,
    client: &Client,
    (reason, object): (Reason, &[u8]),
    place: Place,
    user: &[u8],
    at: crate::time::Millis,
) {
    let entry = Entry {
        count: 1,
        reason,
        place,
        object: object.to_vec(),
        user: user.to_vec(),
        at,
        client: client.info.line(at).into_bytes(),
    };
    acl.log().add(entry, LOG_MAX);
}
