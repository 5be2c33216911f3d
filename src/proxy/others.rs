//! The other proxies of the cluster, and what they are asked and told: sources of scripts. A script that came through one of them is
//! found by all when a node lacks it, and `SCRIPT FLUSH` makes all of them forget.
//!
//! They are asked over gRPC (`Control.Scripts`), each by the name of its registration, which only who reads the registry knows. Nothing of
//! it goes through etcd: programs that make scripts of their data would fill it.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error as _,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Endpoint};

use super::{
    shared::Shared,
    slab::Key,
    worker::{Mailbox, Message},
};
use crate::{
    cluster::{
        member::ProxyRecord,
        records::{keys, parse},
        registry::{Change, Entry, Registry, WatchEvent},
    },
    server::grpc::v1::{ScriptsRequest, ScriptsResponse, control_client::ControlClient},
};

/// For one proxy to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Questions that are asked together.
const AT_ONCE: usize = 10_000;
/// Bytes of sources in one message: what is larger is not passed on.
const SOURCES_MAX: usize = 3 << 20;

/// Who goes on when the others have answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiter {
    /// A client that is stalled.
    Client(Key),
    /// A request that nodes have answered.
    Gather(Key),
}

/// What the others are to do.
#[derive(Debug)]
pub(super) enum Errand {
    /// Say the sources with these digests; what they have is kept here.
    Find(Vec<String>),
    /// Keep a source. Nobody waits for that.
    Keep(Arc<[u8]>),
    /// Forget all.
    Forget,
}

/// The others have answered: what is wrong, code first, if not all have done it.
pub(super) type Answered = Result<(), Vec<u8>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Others {
    /// Of this proxy's registration; empty before the first.
    instance: Mutex<String>,
    errands: mpsc::UnboundedSender<Sent>,
}

/// An errand, and who waits for it.
#[derive(Debug)]
pub(super) struct Sent {
    errand: Errand,
    waiter: Waiting,
}

type Waiting = Option<(Arc<Mailbox>, Waiter)>;

/// What [`run`] takes.
pub(super) type Errands = mpsc::UnboundedReceiver<Sent>;

impl Others {
    pub(super) fn new() -> (Self, Errands) {
        let (errands, receiver) = mpsc::unbounded_channel();
        (Self { instance: Mutex::default(), errands }, receiver)
    }

    fn instance(&self) -> MutexGuard<'_, String> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another registration of this proxy.
    pub(super) fn become_instance(&self, instance: &str) {
        instance.clone_into(&mut self.instance());
    }

    /// Asks all of them; the waiter hears of it. False: the proxy ends, and nobody will.
    pub(super) fn ask(&self, errand: Errand, mailbox: &Arc<Mailbox>, waiter: Waiter) -> bool {
        self.errands.send(Sent { errand, waiter: Some((Arc::clone(mailbox), waiter)) }).is_ok()
    }

    /// Tells all of them, and waits for nobody.
    pub(super) fn tell(&self, errand: Errand) {
        // Who does it ends with the proxy.
        let _ = self.errands.send(Sent { errand, waiter: None });
    }
}

/// What another proxy asks of this one.
///
/// # Errors
/// It does not know who it asks.
pub(super) fn answer(shared: &Shared, request: &ScriptsRequest) -> Result<ScriptsResponse, Status> {
    if request.instance.is_empty() || *shared.others.instance() != request.instance {
        return Err(Status::permission_denied("instance is not that of this proxy's registration"));
    }
    if request.forget {
        shared.scripts.forget();
    }
    request.sources.iter().for_each(|source| shared.scripts.keep(source));
    let wanted = request.wanted.iter().filter_map(|digest| shared.scripts.source(digest.as_bytes()));
    Ok(ScriptsResponse { sources: one_message(wanted) })
}

/// As many of the sources as fit into a message.
fn one_message(sources: impl Iterator<Item = Arc<[u8]>>) -> Vec<Bytes> {
    let mut room = SOURCES_MAX;
    let fits = |source: &Arc<[u8]>| {
        let fits = source.len() <= room;
        room -= if fits { source.len() } else { 0 };
        fits
    };
    sources.filter(fits).map(|source| Bytes::copy_from_slice(&source)).collect()
}

/// Runs errands until the proxy stops; those that come together go together.
pub(super) async fn run(
    shared: Arc<Shared>,
    registry: Registry,
    mut errands: Errands,
    stop: CancellationToken,
) {
    let mut watch = registry.watch(keys::PROXIES);
    let mut others: Option<BTreeMap<String, ProxyRecord>> = None;
    let mut under_way = JoinSet::new();
    let mut waiting = Vec::new();
    loop {
        let may_ask = others.is_some() && under_way.is_empty();
        tokio::select! {
            () = stop.cancelled() => break,
            event = watch.next() => follow(&mut others, event),
            Some(_) = under_way.join_next() => {}
            count = errands.recv_many(&mut waiting, AT_ONCE), if may_ask => {
                if count == 0 {
                    break;
                }
                let there = others.iter().flat_map(BTreeMap::values).filter(|other| other.id != shared.id);
                let round = Round::new(there.cloned().collect(), std::mem::take(&mut waiting));
                under_way.spawn(round.run(Arc::clone(&shared)));
            }
        }
    }
    errands.close();
    while let Some(Sent { waiter, .. }) = errands.recv().await {
        tell(waiter, Err(b"ERR this proxy ends; nothing was done".to_vec()));
    }
    while under_way.join_next().await.is_some() {}
}

fn follow(others: &mut Option<BTreeMap<String, ProxyRecord>>, event: WatchEvent) {
    let record = |entry: &Entry| Some((entry.key.clone(), parse::<ProxyRecord>(entry).ok()?));
    match event {
        WatchEvent::Reset { entries, .. } => *others = Some(entries.iter().filter_map(record).collect()),
        WatchEvent::Changed { changes, .. } => {
            let others = others.get_or_insert_default();
            for change in changes {
                match change {
                    Change::Put(entry) => others.extend(record(&entry)),
                    Change::Deleted { key } => drop(others.remove(&key)),
                }
            }
        }
        // Those that were there last are asked.
        WatchEvent::Down { .. } | WatchEvent::Up => {}
    }
}

fn tell(waiter: Waiting, answered: Answered) {
    if let Some((mailbox, waiter)) = waiter {
        mailbox.send(Message::OthersAnswered { waiter, answered });
    }
}

/// Errands that are run together.
struct Round {
    others: Vec<ProxyRecord>,
    request: ScriptsRequest,
    waiters: Vec<Waiting>,
}

impl Round {
    fn new(others: Vec<ProxyRecord>, errands: Vec<Sent>) -> Self {
        let (mut forget, mut wanted, mut sources) = (false, BTreeSet::new(), BTreeSet::new());
        let mut waiters = Vec::new();
        for Sent { errand, waiter } in errands {
            match errand {
                Errand::Find(digests) => wanted.extend(digests),
                Errand::Keep(source) => drop(sources.insert(source)),
                // What was to be kept before is forgotten, too.
                Errand::Forget => {
                    forget = true;
                    sources.clear();
                }
            }
            waiters.push(waiter);
        }
        let request = ScriptsRequest {
            instance: String::new(),
            forget,
            sources: one_message(sources.into_iter()),
            wanted: wanted.into_iter().collect(),
        };
        Self { others, request, waiters }
    }

    async fn run(self, shared: Arc<Shared>) {
        let mut answers: FuturesUnordered<_> =
            self.others.iter().map(|other| ask(other, &self.request)).collect();
        let mut failed = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(sources) => sources.iter().for_each(|source| shared.scripts.keep(source)),
                Err(reason) => failed = Some(reason),
            }
            let is_known = |digest: &String| shared.scripts.source(digest.as_bytes()).is_some();
            let only_asked = !self.request.forget && self.request.sources.is_empty();
            if only_asked && self.request.wanted.iter().all(is_known) {
                break;
            }
        }
        let answered = match failed {
            Some(reason) if self.request.forget => Err(format!(
                "ERR the scripts of the nodes were not flushed, because {reason} and would bring scripts back; try again"
            )
            .into_bytes()),
            Some(reason) => {
                tracing::warn!(reason, "scripts of another proxy are not known here");
                Ok(())
            }
            None => Ok(()),
        };
        drop(answers);
        self.waiters.into_iter().for_each(|waiter| tell(waiter, answered.clone()));
    }
}

/// One other proxy; where nobody listens any more nothing is known, which is no failure.
async fn ask(other: &ProxyRecord, request: &ScriptsRequest) -> Result<Vec<Bytes>, String> {
    let label = format!("proxy {} ({})", other.id, other.address);
    let endpoint = Endpoint::from_shared(format!("http://{}", other.address))
        .map_err(|error| format!("{label} has no address: {error}"))?;
    let channel = match endpoint.connect_timeout(PATIENCE).timeout(PATIENCE).connect().await {
        Ok(channel) => channel,
        Err(error) if is_refused(&error) => return Ok(Vec::new()),
        Err(error) => return Err(format!("{label} cannot be reached: {error}")),
    };
    let request = ScriptsRequest { instance: other.instance.clone(), ..request.clone() };
    match ControlClient::new(channel).scripts(request).await {
        Ok(response) => Ok(response.into_inner().sources),
        Err(status) => Err(format!("{label} does not answer: {}", status.message())),
    }
}

fn is_refused(error: &tonic::transport::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::ConnectionRefused;
        }
        cause = error.source();
    }
    false
}
