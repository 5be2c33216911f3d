//! Following the users in the registry, and carrying out what clients want changed. Only what the watch tells is put in force, so that
//! changes of several proxies come in one order; who has asked for a change is answered when this proxy has heard of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Users, Wanted,
    change::{Author, Done},
};
use crate::{
    acl::{DEFAULT, User},
    cluster::{
        records::{Unreadable, keys, parse},
        registry::{Change, Entry, Registry, Revision, WatchEvent},
        users::{UserRecord, name_of},
    },
    proxy::{
        membership::until,
        shared::Shared,
        slab::Key,
        worker::{Mailbox, Message},
    },
};

/// A change that was made is heard of within this, or the client is told so.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// Who waits for an answer.
type Asker = (Arc<Mailbox>, Key);

/// A change that was made, and has not been heard of.
struct Unheard {
    asker: Asker,
    revision: Revision,
    removed: Option<i64>,
    until: Instant,
}

/// Until the proxy stops.
pub(in crate::proxy) async fn run(
    shared: Arc<Shared>,
    registry: Registry,
    mut wanted: mpsc::UnboundedReceiver<Wanted>,
    stop: CancellationToken,
) {
    let mut watch = registry.watch(keys::ACL);
    let mut changing: JoinSet<(Asker, Result<Done, Vec<u8>>)> = JoinSet::new();
    let mut follower = Follower { shared, heard: Revision::default(), unheard: Vec::new() };
    loop {
        let due = follower.unheard.iter().map(|unheard| unheard.until).min();
        tokio::select! {
            () = stop.cancelled() => return,
            event = watch.next() => follower.event(event),
            Some(Wanted { mailbox, client, change }) = wanted.recv() => {
                let author = Author {
                    registry: registry.clone(),
                    by: format!("proxy {}", follower.shared.id),
                    default: follower.users().acl.default_user().describe(),
                };
                changing.spawn(async move { ((mailbox, client), author.make(change).await) });
            }
            Some(Ok((asker, outcome))) = changing.join_next() => follower.changed(asker, outcome),
            () = until(due) => follower.give_up(),
        }
    }
}

struct Follower {
    shared: Arc<Shared>,
    /// Everything up to this is in force.
    heard: Revision,
    unheard: Vec<Unheard>,
}

impl Follower {
    fn users(&self) -> &Users {
        &self.shared.users
    }

    fn event(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Reset { revision, entries } => {
                self.replace(&entries);
                self.users().have_been_read();
                self.heard = revision;
            }
            WatchEvent::Changed { revision, changes } => {
                for change in changes {
                    match change {
                        Change::Put(entry) => self.put(&entry),
                        Change::Deleted { key } => {
                            if let Some(name) = name_of(&key) {
                                self.remove(&name);
                            }
                        }
                    }
                }
                self.heard = revision;
            }
            WatchEvent::Down { error } => {
                tracing::warn!(%error, "etcd does not answer; the last known users stay in force");
            }
            WatchEvent::Up => {}
        }
        let (heard, unheard): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unheard).into_iter().partition(|unheard| unheard.revision <= self.heard);
        self.unheard = unheard;
        for done in heard {
            answer(done.asker, Ok(done.removed));
        }
    }

    /// All users there are.
    fn replace(&self, entries: &[Entry]) {
        let named: BTreeMap<Vec<u8>, &Entry> =
            entries.iter().filter_map(|entry| Some((name_of(&entry.key)?, entry))).collect();
        let before: BTreeSet<Vec<u8>> =
            self.users().acl.users().iter().map(|user| user.name().to_vec()).collect();
        for gone in before.iter().filter(|name| !named.contains_key(*name)) {
            self.remove(gone);
        }
        named.values().for_each(|entry| self.put(entry));
    }

    fn put(&self, entry: &Entry) {
        let line = parse::<UserRecord>(entry).and_then(|record| record.line(&entry.key));
        let put = line.and_then(|line| {
            let unreadable = |reason: Vec<u8>| Unreadable {
                key: entry.key.clone(),
                reason: String::from_utf8_lossy(&reason).into_owned(),
            };
            self.users().acl.put_line(&line, &entry.key).map_err(unreadable)
        });
        match put {
            Ok(Some(user)) => self.tell(|| Message::ChannelsLost(Arc::clone(&user))),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "a user stays what it was"),
        }
    }

    fn remove(&self, name: &[u8]) {
        if name == DEFAULT {
            if self.users().forget_default() {
                let user: &Arc<User> = self.users().acl.default_user();
                self.tell(|| Message::ChannelsLost(Arc::clone(user)));
            }
        } else if let Some(user) = self.users().acl.remove(name) {
            // Until a worker has closed them, its connections may do nothing.
            user.forbid_everything();
            self.tell(|| Message::UserGone(Arc::clone(&user)));
        }
    }

    fn tell(&self, message: impl Fn() -> Message) {
        for mailbox in self.shared.mailboxes() {
            mailbox.send(message());
        }
    }

    fn changed(&mut self, asker: Asker, outcome: Result<Done, Vec<u8>>) {
        match outcome {
            Err(error) => answer(asker, Err(error)),
            Ok(Done { revision: Some(revision), removed }) if revision > self.heard => {
                self.unheard.push(Unheard { asker, revision, removed, until: Instant::now() + HEARD_WITHIN });
            }
            Ok(Done { removed, .. }) => answer(asker, Ok(removed)),
        }
    }

    fn give_up(&mut self) {
        let now = Instant::now();
        let (late, unheard): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unheard).into_iter().partition(|unheard| unheard.until <= now);
        self.unheard = unheard;
        for late in late {
            let text = "ERR the change is in etcd, but this proxy has not heard of it yet: it is in force here when it has";
            answer(late.asker, Err(text.into()));
        }
    }
}

fn answer((mailbox, client): Asker, changed: super::Changed) {
    mailbox.send(Message::UsersChanged { client, changed });
}
