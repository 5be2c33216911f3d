//! Reads and transactions.

use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, GetOptions, PutOptions, SortOrder, SortTarget, TxnOp,
    proto::{PbKeyValue, PbRangeResponse, PbResponseHeader, PbTxnOpResponse, PbTxnResponse},
};
use tokio::time::Instant;
use tonic::Code;

use super::{
    CALL_DEADLINE, Commit, Entry, Inner, LeaseId, Listing, ONCE, Part, RegistryError, Revision, Txn,
    fault::Fault,
    pool::{Failure, kv},
    scope::{Scope, prefix_end},
    txn::{Change, Condition},
};

/// A listing is read in pages of this many keys.
const PAGE: i64 = 500;

/// Conditions and changes together, so that what they name can be read in one transaction: etcd takes 128 operations.
const MAX_OPERATIONS: usize = 120;

pub(super) async fn get(inner: &Inner, key: &str) -> Result<Option<Entry>, RegistryError> {
    let mut page = range(inner, CALL_DEADLINE, inner.absolute(key), None).await?;
    Ok(page.kvs.pop().and_then(|kv| inner.entry(kv)))
}

/// The first page is linearizable; the others are read at its revision.
pub(super) async fn list(inner: &Inner, limit: Duration, scope: &Scope) -> Result<Listing, RegistryError> {
    'from_the_start: loop {
        let mut read_at = None;
        let mut entries = Vec::new();
        for (start, end) in scope.spans(inner) {
            let mut next = Some(start);
            while let Some(start) = next {
                let mut options = GetOptions::new()
                    .with_range(end.clone())
                    .with_sort(SortTarget::Key, SortOrder::Ascend)
                    .with_limit(PAGE);
                if let Some(Revision(revision)) = read_at {
                    options = options.with_revision(revision);
                }
                let page = match range(inner, limit, start, Some(options)).await {
                    Ok(page) => page,
                    // Compacted away between two pages, or the store began anew.
                    Err(RegistryError::Refused { reason, .. })
                        if read_at.is_some() && reason.contains("revision") =>
                    {
                        continue 'from_the_start;
                    }
                    Err(error) => return Err(error),
                };
                read_at.get_or_insert(header_revision(page.header.as_ref()));
                let last = page.kvs.last().filter(|_| page.more);
                next = last.map(|kv| [kv.key.as_slice(), &[0]].concat());
                entries.extend(page.kvs.into_iter().filter_map(|kv| inner.entry(kv)));
            }
        }
        return Ok(Listing { revision: read_at.unwrap_or_default(), entries });
    }
}

/// What stood there at a revision; `None` if the store no longer knows, or never came there.
pub(super) async fn list_at(
    inner: &Inner,
    limit: Duration,
    scope: &Scope,
    revision: Revision,
) -> Result<Option<Vec<Entry>>, RegistryError> {
    let mut entries = Vec::new();
    for (start, end) in scope.spans(inner) {
        let options = GetOptions::new().with_range(end).with_revision(revision.0);
        match range(inner, limit, start, Some(options)).await {
            Ok(page) => entries.extend(page.kvs.into_iter().filter_map(|kv| inner.entry(kv))),
            Err(RegistryError::Refused { reason, .. }) if reason.contains("revision") => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(entries))
}

/// The first or the last keys of all that begin with `prefix`.
pub(super) async fn part(
    inner: &Inner,
    prefix: &str,
    order: SortOrder,
    at_most: u32,
) -> Result<Part, RegistryError> {
    let start = inner.absolute(prefix);
    let options = GetOptions::new()
        .with_range(prefix_end(&start))
        .with_sort(SortTarget::Key, order)
        .with_limit(i64::from(at_most.max(1)));
    let page = range(inner, CALL_DEADLINE, start, Some(options)).await?;
    let total = u64::try_from(page.count).unwrap_or(0);
    Ok(Part { entries: page.kvs.into_iter().filter_map(|kv| inner.entry(kv)).collect(), total })
}

/// See [`Registry::answers`](super::Registry::answers).
pub(super) async fn answers(inner: &Inner, limit: Duration) -> Result<(), RegistryError> {
    let key = inner.absolute(ONCE);
    let request = |client| {
        let (key, options) = (key.clone(), GetOptions::new().with_count_only());
        async move { kv(&client).get(key, Some(options)).await }
    };
    inner.pool.any_answers(limit, request).await.map_err(|detail| RegistryError::Unavailable { detail })
}

async fn range(
    inner: &Inner,
    limit: Duration,
    key: Vec<u8>,
    options: Option<GetOptions>,
) -> Result<PbRangeResponse, RegistryError> {
    let answer = inner
        .pool
        .call_for(limit, |client| {
            let (key, options) = (key.clone(), options.clone());
            async move { kv(&client).get(key, options).await }
        })
        .await
        .map_err(Failure::into_error)?;
    Ok(answer.value.0)
}

/// Sends a transaction so that it can be sent again: unless its own conditions are spent for ever once it has run, it gets a
/// [`Guard`] that is.
pub(super) async fn commit(inner: &Inner, txn: &Txn) -> Result<Commit, RegistryError> {
    check_size(inner, txn)?;
    if txn.changes.is_empty() || txn.runs_once() {
        return match send(inner, txn, None).await? {
            Sent::Done(revision) => Ok(Commit::Done { revision }),
            Sent::Conflict { revision, .. } => Ok(Commit::Conflict { revision }),
        };
    }
    let key = txn.changes[0].key();
    let started = Instant::now();
    loop {
        let guard = Guard::read(inner, key).await?;
        match send(inner, txn, Some(&guard)).await? {
            Sent::Done(revision) => return Ok(Commit::Done { revision }),
            // Only our own condition failed: somebody else changed the key in between.
            Sent::Conflict { ours: true, .. } if started.elapsed() < CALL_DEADLINE => {}
            Sent::Conflict { ours: true, .. } => {
                let key = guard.key;
                let detail = format!("{key} is changed by others again and again; nothing was changed");
                return Err(RegistryError::Unavailable { detail });
            }
            Sent::Conflict { ours: false, revision } => return Ok(Commit::Conflict { revision }),
        }
    }
}

/// A condition that a transaction makes false for ever by running: a key still is as it was when it was read, and the
/// transaction changes it. No key comes back to a revision it once had, but one that is deleted comes back to having none;
/// so a transaction that creates its keys is guarded by [`ONCE`], which is never deleted.
struct Guard<'a> {
    key: &'a str,
    revision: Revision,
}

impl<'a> Guard<'a> {
    async fn read(inner: &Inner, changed: &'a str) -> Result<Self, RegistryError> {
        if let Some(entry) = get(inner, changed).await? {
            return Ok(Self { key: changed, revision: entry.mod_revision });
        }
        let mut page = range(inner, CALL_DEADLINE, inner.absolute(ONCE), None).await?;
        let revision = page.kvs.pop().map_or(Revision(0), |kv| Revision(kv.mod_revision));
        Ok(Self { key: ONCE, revision })
    }

    fn compare(&self, inner: &Inner) -> Compare {
        Compare::mod_revision(inner.absolute(self.key), CompareOp::Equal, self.revision.0)
    }

    /// What a transaction does besides its own changes, to spend the guard.
    fn change(&self, inner: &Inner, txn: &Txn) -> Option<TxnOp> {
        let value = || serde_json::json!({ "last": txn.describe() }).to_string();
        (self.key == ONCE).then(|| TxnOp::put(inner.absolute(ONCE), value(), None))
    }
}

enum Sent {
    Done(Revision),
    Conflict {
        revision: Revision,
        /// All conditions of the caller held when the added one failed.
        ours: bool,
    },
}

async fn send(inner: &Inner, txn: &Txn, guard: Option<&Guard<'_>>) -> Result<Sent, RegistryError> {
    let request = encode(inner, txn, guard);
    let result = inner
        .pool
        .call(|client| {
            let request = request.clone();
            async move { kv(&client).txn(request).await }
        })
        .await;
    match result {
        Ok(answer) => {
            let response = answer.value.0;
            let revision = header_revision(response.header.as_ref());
            if response.succeeded {
                return Ok(Sent::Done(revision));
            }
            let state = State::read(response);
            if !answer.uncertain {
                let ours =
                    guard.is_some() && txn.conditions.iter().all(|condition| state.holds(inner, condition));
                return Ok(Sent::Conflict { revision, ours });
            }
            // An earlier sending may be the reason for the conflict.
            state.written_by(inner, txn).map(Sent::Done).ok_or_else(|| RegistryError::Unknown {
                what: txn.describe(),
                detail: "etcd did not answer at first, and something else was there when it did".to_owned(),
            })
        }
        Err(failure) => Err(commit_error(txn, failure)),
    }
}

fn commit_error(txn: &Txn, failure: Failure) -> RegistryError {
    let what = txn.describe();
    match failure.fault {
        Fault::Refused(code, reason) => {
            if failure.uncertain {
                RegistryError::Unknown { what, detail: format!("etcd at {}: {reason}", failure.endpoint) }
            } else if code == Code::NotFound && reason.contains("lease") {
                let lease = txn.changes.iter().find_map(|change| match change {
                    Change::Put { lease, .. } => *lease,
                    Change::Delete { .. } => None,
                });
                match lease {
                    Some(lease) => RegistryError::LeaseGone { lease, what },
                    None => RegistryError::Refused { endpoint: failure.endpoint, reason },
                }
            } else {
                RegistryError::Refused { endpoint: failure.endpoint, reason }
            }
        }
        Fault::Untrusted(reason) if !failure.uncertain => {
            RegistryError::Refused { endpoint: failure.endpoint, reason }
        }
        Fault::Absent(_) | Fault::NotRun(_) | Fault::Uncertain(_) | Fault::Untrusted(_) => {
            let detail = failure.detail;
            if failure.uncertain {
                RegistryError::Unknown { what, detail }
            } else {
                RegistryError::Unavailable { detail }
            }
        }
    }
}

fn check_size(inner: &Inner, txn: &Txn) -> Result<(), RegistryError> {
    if txn.conditions.len() + txn.changes.len() <= MAX_OPERATIONS {
        return Ok(());
    }
    Err(RegistryError::Refused {
        endpoint: inner.pool.endpoints()[inner.pool.preferred()].url().to_owned(),
        reason: format!("more than {MAX_OPERATIONS} conditions and changes in one transaction"),
    })
}

/// The keys that the conditions and the changes name, each once.
fn keys_of<'a>(txn: &'a Txn) -> impl Iterator<Item = &'a str> {
    let conditions = txn.conditions.iter().map(|condition| match condition {
        Condition::Absent(key) | Condition::Present(key) => key.as_str(),
        Condition::Modified(key, _) | Condition::Created(key, _) => key.as_str(),
    });
    let mut keys: Vec<&'a str> = conditions.chain(txn.changes.iter().map(Change::key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
}

fn encode(inner: &Inner, txn: &Txn, guard: Option<&Guard<'_>>) -> etcd_client::Txn {
    let mut compares: Vec<Compare> = txn
        .conditions
        .iter()
        .map(|condition| match condition {
            Condition::Absent(key) => Compare::create_revision(inner.absolute(key), CompareOp::Equal, 0),
            Condition::Present(key) => Compare::create_revision(inner.absolute(key), CompareOp::Greater, 0),
            Condition::Modified(key, revision) => {
                Compare::mod_revision(inner.absolute(key), CompareOp::Equal, revision.0)
            }
            Condition::Created(key, revision) => {
                Compare::create_revision(inner.absolute(key), CompareOp::Equal, revision.0)
            }
        })
        .collect();
    compares.extend(guard.map(|guard| guard.compare(inner)));
    let mut changes: Vec<TxnOp> = txn
        .changes
        .iter()
        .map(|change| match change {
            Change::Put { key, value, lease } => {
                let options = lease.map(|lease| PutOptions::new().with_lease(lease.to_wire()));
                TxnOp::put(inner.absolute(key), value.clone(), options)
            }
            Change::Delete { key } => TxnOp::delete(inner.absolute(key), None),
        })
        .collect();
    changes.extend(guard.and_then(|guard| guard.change(inner, txn)));
    // What stands there instead, read in the same instant: it tells whether an earlier sending did it.
    let otherwise: Vec<TxnOp> = keys_of(txn).map(|key| TxnOp::get(inner.absolute(key), None)).collect();
    etcd_client::Txn::new().when(compares).and_then(changes).or_else(otherwise)
}

/// What a transaction found in place of what it asked for.
struct State(Vec<PbKeyValue>);

impl State {
    fn read(response: PbTxnResponse) -> Self {
        let ranges = response.responses.into_iter().filter_map(|response| match response.response {
            Some(PbTxnOpResponse::ResponseRange(range)) => Some(range.kvs),
            _ => None,
        });
        Self(ranges.flatten().collect())
    }

    fn find(&self, inner: &Inner, key: &str) -> Option<&PbKeyValue> {
        let key = inner.absolute(key);
        self.0.iter().find(|kv| kv.key == key)
    }

    fn holds(&self, inner: &Inner, condition: &Condition) -> bool {
        match condition {
            Condition::Absent(key) => self.find(inner, key).is_none(),
            Condition::Present(key) => self.find(inner, key).is_some(),
            Condition::Modified(key, revision) => {
                self.find(inner, key).map_or(0, |kv| kv.mod_revision) == revision.0
            }
            Condition::Created(key, revision) => {
                self.find(inner, key).map_or(0, |kv| kv.create_revision) == revision.0
            }
        }
    }

    /// The revision at which this transaction ran, if everything it puts stands there, put at one revision, and everything
    /// it deletes is gone. One that only deletes leaves nothing that would show who did it.
    fn written_by(&self, inner: &Inner, txn: &Txn) -> Option<Revision> {
        let mut at = None;
        for change in &txn.changes {
            match change {
                Change::Put { key, value, lease } => {
                    let kv = self.find(inner, key)?;
                    let ours = kv.value == *value && LeaseId::from_wire(kv.lease) == *lease;
                    if !ours || at.is_some_and(|at| at != kv.mod_revision) {
                        return None;
                    }
                    at = Some(kv.mod_revision);
                }
                Change::Delete { key } if self.find(inner, key).is_some() => return None,
                Change::Delete { .. } => {}
            }
        }
        at.map(Revision)
    }
}

pub(super) fn header_revision(header: Option<&PbResponseHeader>) -> Revision {
    Revision(header.map_or(0, |header| header.revision))
}
