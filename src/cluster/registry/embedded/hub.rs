//! Watchers: who is told what. Messages are collected here and sent once what they tell is on the disk.

use std::collections::BTreeMap;

use etcd_client::proto::{PbEvent, PbResponseHeader, PbWatchRequestUnion, PbWatchResponse};
use tokio::sync::mpsc;
use tonic::Status;

use super::{
    core::Core,
    store::{Committed, KeyRange, Store},
};

/// What one stream is sent.
pub(super) type Outgoing = mpsc::Sender<Result<PbWatchResponse, Status>>;

/// Messages that wait for a slow reader; one that is slower is cut off, and may come back for what it missed.
pub(super) const QUEUE: usize = 1024;

/// What was missed is sent in messages of about this size.
const CHUNK: usize = 512 << 10;

/// `WatchCreateRequest.FilterType`
const NO_PUT: i32 = 0;
const NO_DELETE: i32 = 1;

#[derive(Debug)]
struct Watcher {
    range: KeyRange,
    /// Nothing older is told.
    from: i64,
    filters: Vec<i32>,
    prev_kv: bool,
}

impl Watcher {
    /// The events of one revision that it wants.
    fn select(&self, store: &Store, committed: &Committed) -> Vec<PbEvent> {
        if committed.revision < self.from {
            return Vec::new();
        }
        let wanted = |event: &&PbEvent| {
            let filter = if event.r#type == 0 { NO_PUT } else { NO_DELETE };
            !self.filters.contains(&filter)
                && event.kv.as_ref().is_some_and(|kv| self.range.contains(&kv.key))
        };
        committed
            .events
            .iter()
            .filter(wanted)
            .map(|event| {
                let prev_kv = if self.prev_kv { store.before(event) } else { None };
                PbEvent { prev_kv, ..event.clone() }
            })
            .collect()
    }
}

#[derive(Debug)]
struct Stream {
    outgoing: Outgoing,
    watchers: BTreeMap<i64, Watcher>,
    next: i64,
}

/// All streams and their watchers.
#[derive(Debug, Default)]
pub(super) struct Hub {
    streams: BTreeMap<u64, Stream>,
    next: u64,
    outbox: Vec<(u64, PbWatchResponse)>,
}

impl Hub {
    pub(super) fn open(&mut self, outgoing: Outgoing) -> u64 {
        self.next += 1;
        self.streams.insert(self.next, Stream { outgoing, watchers: BTreeMap::new(), next: 0 });
        self.next
    }

    pub(super) fn close(&mut self, stream: u64) {
        self.streams.remove(&stream);
    }

    /// Tells everybody of the newest revision.
    pub(super) fn notify(&mut self, store: &Store, revision: i64, header: Option<PbResponseHeader>) {
        let Some(committed) = store.history(revision).next() else { return };
        for (id, stream) in &self.streams {
            for (watch_id, watcher) in &stream.watchers {
                let events = watcher.select(store, committed);
                if !events.is_empty() {
                    let message =
                        PbWatchResponse { header, watch_id: *watch_id, events, ..PbWatchResponse::default() };
                    self.outbox.push((*id, message));
                }
            }
        }
    }

    /// Sends what was collected. A stream that does not take it ends.
    pub(super) fn flush(&mut self) {
        for (id, message) in self.outbox.drain(..) {
            let Some(stream) = self.streams.get(&id) else { continue };
            if let Err(error) = stream.outgoing.try_send(Ok(message)) {
                if matches!(error, mpsc::error::TrySendError::Full(_)) {
                    tracing::warn!(stream = id, "a watcher does not keep up and is cut off");
                }
                self.streams.remove(&id);
            }
        }
    }

    /// Ends all streams with an error, and sends nothing of what was collected.
    pub(super) fn fail(&mut self) {
        self.outbox.clear();
        self.streams.clear();
    }
}

/// One message of a client to its stream.
pub(super) fn request(core: &mut Core, stream_id: u64, request: PbWatchRequestUnion) {
    let header = core.header();
    let revision = core.store.revision();
    let hub = &mut core.hub;
    let Some(stream) = hub.streams.get_mut(&stream_id) else { return };
    let mut tell = |message: PbWatchResponse| hub.outbox.push((stream_id, message));
    match request {
        PbWatchRequestUnion::ProgressRequest(_) => {
            tell(PbWatchResponse { header, watch_id: -1, ..PbWatchResponse::default() });
        }
        PbWatchRequestUnion::CancelRequest(cancel) => {
            if stream.watchers.remove(&cancel.watch_id).is_some() {
                let watch_id = cancel.watch_id;
                tell(PbWatchResponse { header, watch_id, canceled: true, ..PbWatchResponse::default() });
            }
        }
        PbWatchRequestUnion::CreateRequest(create) => {
            let mut watch_id = create.watch_id;
            if watch_id == 0 {
                while stream.watchers.contains_key(&stream.next) {
                    stream.next += 1;
                }
                watch_id = stream.next;
                stream.next += 1;
            }
            let reply = PbWatchResponse { header, watch_id, created: true, ..PbWatchResponse::default() };
            let refuse = |cancel_reason: &str| PbWatchResponse {
                canceled: true,
                cancel_reason: cancel_reason.to_owned(),
                ..reply.clone()
            };
            if create.key.is_empty() && create.range_end.is_empty() {
                return tell(refuse("etcdserver: key is not provided"));
            }
            if stream.watchers.contains_key(&watch_id) {
                return tell(refuse("mvcc: duplicate watch ID provided on the WatchStream"));
            }
            let from = if create.start_revision > 0 { create.start_revision } else { revision + 1 };
            tell(reply.clone());
            if from < core.store.compacted() {
                return tell(PbWatchResponse {
                    created: false,
                    compact_revision: core.store.compacted(),
                    ..refuse("etcdserver: mvcc: required revision has been compacted")
                });
            }
            let watcher = Watcher {
                range: KeyRange::new(create.key, create.range_end),
                from,
                filters: create.filters,
                prev_kv: create.prev_kv,
            };
            let mut events = Vec::new();
            let mut size = 0;
            for committed in core.store.history(from) {
                let selected = watcher.select(&core.store, committed);
                size += selected.iter().map(prost::Message::encoded_len).sum::<usize>();
                events.extend(selected);
                if size > CHUNK {
                    let events = std::mem::take(&mut events);
                    tell(PbWatchResponse { header, watch_id, events, ..PbWatchResponse::default() });
                    size = 0;
                }
            }
            if !events.is_empty() {
                tell(PbWatchResponse { header, watch_id, events, ..PbWatchResponse::default() });
            }
            stream.watchers.insert(watch_id, watcher);
        }
    }
}
