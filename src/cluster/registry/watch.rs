//! Following a prefix: a listing, then every change after it, through all that may happen to the server meanwhile.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use etcd_client::{WatchOptions, WatchStream, proto::PbWatchResponse};
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};

use super::{
    CALL_DEADLINE, Entry, Inner, RegistryError, Revision, etcd,
    fault::Fault,
    pool::{ATTEMPT, MAX_MESSAGE, within},
    random::backoff,
    scope::{Scope, prefix_end},
};

/// An answer to a question is asked for after this much silence.
const SILENCE: Duration = Duration::from_secs(1);

/// How long to look for an endpoint that answers before the reader is told that there is none any more. Whoever has heard of
/// nothing yet is given the time of a call: a command that begins while etcd elects a leader must not fail for that.
const PATIENCE: Duration = Duration::from_secs(2);

/// Events that wait for a slow reader before the watch itself waits.
const QUEUE: usize = 64;

/// What one key became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Created, or its value changed.
    Put(Entry),
    /// Deleted, or its lease ended.
    Deleted {
        /// Relative to the cluster's prefix.
        key: String,
    },
}

impl Change {
    /// Relative to the cluster's prefix.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Deleted { key } => key,
        }
    }
}

/// What a watch tells. Applied in order they give the state of the prefix at each revision; none is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// Everything there is, in place of all that was told before: at the start, and when the changes since then are not to
    /// be had (compacted away, or the store was wiped or restored).
    Reset {
        /// Of the store when it was read.
        revision: Revision,
        /// In the order of their keys.
        entries: Vec<Entry>,
    },
    /// The changes of one transaction.
    Changed {
        /// Of the transaction.
        revision: Revision,
        /// At least one.
        changes: Vec<Change>,
    },
    /// No endpoint answers: what was told is getting old. Told once, until [`WatchEvent::Up`].
    Down {
        /// Why, for screens.
        error: RegistryError,
    },
    /// It answers again. What changed meanwhile follows.
    Up,
}

/// A watch that never gives up. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    events: mpsc::Receiver<WatchEvent>,
    task: AbortHandle,
}

impl Watch {
    /// The next event. Cancel safe. Waits forever when the runtime that the watch was made on has ended.
    pub async fn next(&mut self) -> WatchEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn start(inner: Arc<Inner>, scope: Scope) -> Watch {
    let (sender, events) = mpsc::channel(QUEUE);
    let follower = Follower { inner, scope, events: sender, position: None, down: false };
    let task = tokio::spawn(follower.run()).abort_handle();
    Watch { events, task }
}

/// Where the reader is: the revision up to which it has been told everything, and what stood there then.
struct Position {
    revision: Revision,
    /// Key to (create revision, mod revision, hash of the value): tells a store that was wiped and grew again from ours.
    state: BTreeMap<String, (Revision, Revision, u64)>,
}

impl Position {
    fn mark(entry: &Entry) -> (Revision, Revision, u64) {
        (entry.create_revision, entry.mod_revision, rapidhash::v3::rapidhash_v3(&entry.value))
    }

    fn matches(&self, entries: &[Entry]) -> bool {
        self.state.len() == entries.len()
            && entries.iter().all(|entry| self.state.get(&entry.key) == Some(&Self::mark(entry)))
    }
}

/// The reader dropped the watch.
struct Dropped;

enum Broken {
    Dropped,
    /// The changes since our position are gone.
    Compacted,
    Fault(Fault),
}

impl From<Dropped> for Broken {
    fn from(Dropped: Dropped) -> Self {
        Self::Dropped
    }
}

/// The task behind a watch.
struct Follower {
    inner: Arc<Inner>,
    scope: Scope,
    events: mpsc::Sender<WatchEvent>,
    position: Option<Position>,
    down: bool,
}

impl Follower {
    async fn run(mut self) {
        // Ends when the reader is gone.
        let _: Result<(), Dropped> = self.follow().await;
    }

    async fn follow(&mut self) -> Result<(), Dropped> {
        let mut failures = 0_u32;
        loop {
            match self.take_position().await? {
                Ok(()) => {}
                Err(error) => {
                    self.tell_down(error).await?;
                    tokio::time::sleep(backoff(failures)).await;
                    failures = failures.saturating_add(1);
                    continue;
                }
            }
            let index = self.inner.pool.preferred();
            let told = self.position.as_ref().map(|position| position.revision);
            let fault = match self.stream(index).await {
                Err(Broken::Dropped) => return Err(Dropped),
                Err(Broken::Compacted) => {
                    self.position = None;
                    continue;
                }
                Err(Broken::Fault(fault)) => fault,
                Ok(never) => match never {},
            };
            tracing::debug!(prefix = self.scope.prefix(), ?fault, "watch broke");
            self.inner.pool.discard(index);
            self.inner.pool.demote(index);
            // A stream that told something was a good one; one that breaks at once must not be tried in a tight loop.
            let moved = self.position.as_ref().map(|position| position.revision) != told;
            failures = if moved { 0 } else { failures.saturating_add(1) };
            tokio::time::sleep(backoff(failures)).await;
        }
    }

    /// Makes sure that the changes after our position are to be had, or begins anew with a listing.
    async fn take_position(&mut self) -> Result<Result<(), RegistryError>, Dropped> {
        if let Some(position) = &self.position {
            match etcd::list_at(&self.inner, PATIENCE, &self.scope, position.revision).await {
                Ok(Some(entries)) if position.matches(&entries) => {
                    self.tell_up().await?;
                    return Ok(Ok(()));
                }
                Ok(_) => self.position = None,
                Err(error) => return Ok(Err(error)),
            }
        }
        let patience = if self.down { PATIENCE } else { CALL_DEADLINE };
        match etcd::list(&self.inner, patience, &self.scope).await {
            Ok(listing) => {
                self.tell_up().await?;
                let state =
                    listing.entries.iter().map(|entry| (entry.key.clone(), Position::mark(entry))).collect();
                self.position = Some(Position { revision: listing.revision, state });
                self.tell(WatchEvent::Reset { revision: listing.revision, entries: listing.entries }).await?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn stream(&mut self, index: usize) -> Result<std::convert::Infallible, Broken> {
        let mut stream = self.open(index).await.map_err(Broken::Fault)?;
        loop {
            let message = match timeout(SILENCE, stream.message()).await {
                Ok(message) => message,
                // Silence may be peace or death: ask.
                Err(_) => within(ATTEMPT, async {
                    stream.request_progress().await?;
                    stream.message().await
                })
                .await
                .map(Ok)
                .map_err(Broken::Fault)?,
            };
            let message = message.map_err(|error| Broken::Fault(error.into()))?;
            let Some(message) = message else {
                return Err(Broken::Fault(Fault::Uncertain("the stream ended".to_owned())));
            };
            self.apply(message.0).await?;
        }
    }

    async fn open(&self, index: usize) -> Result<WatchStream, Fault> {
        let client = self.inner.pool.client(index).await?;
        let start = self.inner.absolute(self.scope.prefix());
        let after = self.position.as_ref().map_or(0, |position| position.revision.0);
        let options = WatchOptions::new().with_range(prefix_end(&start)).with_start_revision(after + 1);
        let mut watch = client.watch_client().max_decoding_message_size(MAX_MESSAGE);
        within(ATTEMPT, watch.watch(start, Some(options))).await
    }

    async fn apply(&mut self, message: PbWatchResponse) -> Result<(), Broken> {
        if message.compact_revision > 0 {
            return Err(Broken::Compacted);
        }
        if message.canceled {
            return Err(Broken::Fault(Fault::Uncertain(format!(
                "watch cancelled: {}",
                message.cancel_reason
            ))));
        }
        let events = message.events.into_iter().filter_map(|event| event.kv.map(|kv| (event.r#type, kv)));
        let mut events = events.peekable();
        while let Some((_, first)) = events.peek() {
            let revision = Revision(first.mod_revision);
            let mut changes = Vec::new();
            while let Some((kind, kv)) = events.next_if(|(_, kv)| kv.mod_revision == revision.0) {
                let change = if kind == etcd_client::EventType::Put as i32 {
                    self.inner.entry(kv).map(Change::Put)
                } else {
                    self.inner.relative(&kv.key).map(|key| Change::Deleted { key })
                };
                changes.extend(change.filter(|change| self.scope.holds(change.key())));
            }
            self.changed(revision, changes).await?;
        }
        Ok(())
    }

    async fn changed(&mut self, revision: Revision, changes: Vec<Change>) -> Result<(), Dropped> {
        let Some(position) = &mut self.position else { return Ok(()) };
        position.revision = position.revision.max(revision);
        for change in &changes {
            match change {
                Change::Put(entry) => position.state.insert(entry.key.clone(), Position::mark(entry)),
                Change::Deleted { key } => position.state.remove(key),
            };
        }
        if changes.is_empty() { Ok(()) } else { self.tell(WatchEvent::Changed { revision, changes }).await }
    }

    async fn tell_down(&mut self, error: RegistryError) -> Result<(), Dropped> {
        if self.down {
            return Ok(());
        }
        self.down = true;
        self.tell(WatchEvent::Down { error }).await
    }

    async fn tell_up(&mut self) -> Result<(), Dropped> {
        if !self.down {
            return Ok(());
        }
        self.down = false;
        self.tell(WatchEvent::Up).await
    }

    async fn tell(&mut self, event: WatchEvent) -> Result<(), Dropped> {
        self.events.send(event).await.map_err(|_| Dropped)
    }
}
