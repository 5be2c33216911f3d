//! KV and lease requests against the [`Core`], with etcd's own error texts: clients compare them.

use std::{cmp::Ordering, time::Duration};

use etcd_client::proto::{
    PbCompactionRequest, PbCompactionResponse, PbCompare, PbDeleteRequest, PbDeleteResponse, PbKeyValue,
    PbLeaseGrantRequest, PbLeaseGrantResponse, PbLeaseKeepAliveResponse, PbLeaseLeasesResponse,
    PbLeaseRevokeResponse, PbLeaseStatus, PbLeaseTimeToLiveRequest, PbLeaseTimeToLiveResponse, PbPutRequest,
    PbPutResponse, PbRangeRequest, PbRangeResponse, PbResponseOp, PbTargetUnion, PbTxnOpRequest,
    PbTxnOpResponse, PbTxnRequest, PbTxnRequestOp, PbTxnResponse,
};
use tonic::Status;

use super::{
    core::{Core, Writer},
    store::{KeyRange, RevisionError},
};
use crate::cluster::registry::random::random;

/// As etcd's `--max-txn-ops`.
const MAX_OPERATIONS: usize = 128;

/// Keys and history take no more memory than this; etcd's default is 2 GB.
const QUOTA: usize = 512 << 20;

/// As etcd's largest, in seconds.
const MAX_TTL: i64 = 9_000_000_000;

pub(super) fn revision_status(error: RevisionError) -> Status {
    Status::out_of_range(match error {
        RevisionError::Compacted => "etcdserver: mvcc: required revision has been compacted",
        RevisionError::Future => "etcdserver: mvcc: required revision is a future revision",
    })
}

fn no_key() -> Status {
    Status::invalid_argument("etcdserver: key is not provided")
}

fn no_lease() -> Status {
    Status::not_found("etcdserver: requested lease not found")
}

pub(super) fn range(core: &Core, request: PbRangeRequest) -> Result<PbRangeResponse, Status> {
    check_range(&request)?;
    if request.revision > 0 {
        core.store.check(request.revision).map_err(revision_status)?;
    }
    Ok(read(core, request))
}

fn check_range(request: &PbRangeRequest) -> Result<(), Status> {
    if request.key.is_empty() { Err(no_key()) } else { Ok(()) }
}

fn read(core: &Core, request: PbRangeRequest) -> PbRangeResponse {
    let range = KeyRange::new(request.key, request.range_end);
    let revision = if request.revision > 0 { request.revision } else { i64::MAX };
    let within = |value: i64, min: i64, max: i64| (min == 0 || value >= min) && (max == 0 || value <= max);
    let mut count = 0_i64;
    let mut found: Vec<&PbKeyValue> = Vec::new();
    for kv in core.store.range_at(&range, revision) {
        count += 1;
        if within(kv.mod_revision, request.min_mod_revision, request.max_mod_revision)
            && within(kv.create_revision, request.min_create_revision, request.max_create_revision)
        {
            found.push(kv);
        }
    }
    let response = PbRangeResponse { header: core.header(), count, ..PbRangeResponse::default() };
    if request.count_only {
        return response;
    }
    sort(&mut found, request.sort_order, request.sort_target);
    let limit = usize::try_from(request.limit).ok().filter(|&limit| limit > 0).unwrap_or(usize::MAX);
    let kvs = found
        .iter()
        .take(limit)
        .map(
            |&kv| {
                if request.keys_only { PbKeyValue { value: Vec::new(), ..kv.clone() } } else { kv.clone() }
            },
        )
        .collect();
    PbRangeResponse { kvs, more: found.len() > limit, ..response }
}

/// By `RangeRequest.SortOrder` (0 none, 1 ascending, 2 descending) and `SortTarget` (key, version, create revision, mod
/// revision, value).
fn sort(found: &mut [&PbKeyValue], order: i32, target: i32) {
    let by: fn(&PbKeyValue, &PbKeyValue) -> Ordering = match target {
        1 => |a, b| a.version.cmp(&b.version),
        2 => |a, b| a.create_revision.cmp(&b.create_revision),
        3 => |a, b| a.mod_revision.cmp(&b.mod_revision),
        4 => |a, b| a.value.cmp(&b.value),
        // They come sorted by key.
        _ => |_, _| Ordering::Equal,
    };
    found.sort_by(|a, b| by(a, b));
    if order == 2 {
        found.reverse();
    }
}

pub(super) fn put(core: &mut Core, request: PbPutRequest) -> Result<PbPutResponse, Status> {
    check_put(&request)?;
    check_put_against(core, &request)?;
    let mut writer = core.write();
    let mut response = write_put(&mut writer, request);
    writer.finish();
    response.header = core.header();
    Ok(response)
}

fn check_put(request: &PbPutRequest) -> Result<(), Status> {
    if request.key.is_empty() {
        return Err(no_key());
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(Status::invalid_argument("etcdserver: value is provided"));
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Status::invalid_argument("etcdserver: lease is provided"));
    }
    Ok(())
}

fn check_put_against(core: &Core, request: &PbPutRequest) -> Result<(), Status> {
    if core.store.size() + request.value.len() > QUOTA {
        return Err(Status::resource_exhausted("etcdserver: mvcc: database space exceeded"));
    }
    if request.lease != 0 && !core.leases.contains_key(&request.lease) {
        return Err(no_lease());
    }
    if (request.ignore_value || request.ignore_lease) && core.store.current(&request.key).is_none() {
        return Err(Status::invalid_argument("etcdserver: key not found"));
    }
    Ok(())
}

fn write_put(writer: &mut Writer<'_>, request: PbPutRequest) -> PbPutResponse {
    let before = writer.core.store.current(&request.key).cloned();
    let kept = |keep: bool| before.as_ref().filter(|_| keep);
    let value = kept(request.ignore_value).map_or(request.value, |kv| kv.value.clone());
    let lease = kept(request.ignore_lease).map_or(request.lease, |kv| kv.lease);
    writer.put(request.key, value, lease);
    PbPutResponse { prev_kv: before.filter(|_| request.prev_kv), ..PbPutResponse::default() }
}

pub(super) fn delete(core: &mut Core, request: PbDeleteRequest) -> Result<PbDeleteResponse, Status> {
    check_delete(&request)?;
    let mut writer = core.write();
    let mut response = write_delete(&mut writer, request);
    writer.finish();
    response.header = core.header();
    Ok(response)
}

fn check_delete(request: &PbDeleteRequest) -> Result<(), Status> {
    if request.key.is_empty() { Err(no_key()) } else { Ok(()) }
}

fn write_delete(writer: &mut Writer<'_>, request: PbDeleteRequest) -> PbDeleteResponse {
    let range = KeyRange::new(request.key, request.range_end);
    let found: Vec<PbKeyValue> = writer.core.store.range(&range).cloned().collect();
    for kv in &found {
        writer.delete(kv.key.clone());
    }
    let deleted = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let prev_kvs = if request.prev_kv { found } else { Vec::new() };
    PbDeleteResponse { header: None, deleted, prev_kvs }
}

pub(super) fn txn(core: &mut Core, request: PbTxnRequest) -> Result<PbTxnResponse, Status> {
    if [request.compare.len(), request.success.len(), request.failure.len()]
        .iter()
        .any(|&n| n > MAX_OPERATIONS)
    {
        return Err(Status::invalid_argument("etcdserver: too many operations in txn request"));
    }
    if request.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(no_key());
    }
    check_operations(&request.success)?;
    check_operations(&request.failure)?;
    let succeeded = request.compare.iter().all(|compare| holds(core, compare));
    let operations = if succeeded { request.success } else { request.failure };
    for operation in &operations {
        match &operation.request {
            Some(PbTxnOpRequest::RequestPut(put)) => check_put_against(core, put)?,
            Some(PbTxnOpRequest::RequestRange(range)) if range.revision > 0 => {
                core.store.check(range.revision).map_err(revision_status)?;
            }
            _ => {}
        }
    }
    let mut writer = core.write();
    let mut responses = Vec::with_capacity(operations.len());
    for operation in operations {
        let response = match operation.request {
            Some(PbTxnOpRequest::RequestRange(request)) => {
                PbTxnOpResponse::ResponseRange(read(writer.core, request))
            }
            Some(PbTxnOpRequest::RequestPut(request)) => {
                PbTxnOpResponse::ResponsePut(write_put(&mut writer, request))
            }
            Some(PbTxnOpRequest::RequestDeleteRange(request)) => {
                PbTxnOpResponse::ResponseDeleteRange(write_delete(&mut writer, request))
            }
            // Checked above.
            Some(PbTxnOpRequest::RequestTxn(_)) | None => continue,
        };
        responses.push(PbResponseOp { response: Some(response) });
    }
    writer.finish();
    let header = core.header();
    for response in &mut responses {
        match &mut response.response {
            Some(PbTxnOpResponse::ResponseRange(response)) => response.header = header,
            Some(PbTxnOpResponse::ResponsePut(response)) => response.header = header,
            Some(PbTxnOpResponse::ResponseDeleteRange(response)) => response.header = header,
            Some(PbTxnOpResponse::ResponseTxn(_)) | None => {}
        }
    }
    Ok(PbTxnResponse { header, succeeded, responses })
}

/// What can be said of one branch without looking at the store.
fn check_operations(operations: &[PbTxnRequestOp]) -> Result<(), Status> {
    let mut puts: Vec<&[u8]> = Vec::new();
    for operation in operations {
        match &operation.request {
            Some(PbTxnOpRequest::RequestRange(request)) => check_range(request)?,
            Some(PbTxnOpRequest::RequestPut(request)) => {
                check_put(request)?;
                puts.push(&request.key);
            }
            Some(PbTxnOpRequest::RequestDeleteRange(request)) => check_delete(request)?,
            Some(PbTxnOpRequest::RequestTxn(_)) => {
                return Err(Status::unimplemented(
                    "a transaction within a transaction is not supported by the embedded registry: use etcd",
                ));
            }
            None => return Err(no_key()),
        }
    }
    puts.sort_unstable();
    let deleted = |key: &[u8]| {
        operations.iter().any(|operation| match &operation.request {
            Some(PbTxnOpRequest::RequestDeleteRange(request)) => {
                KeyRange::new(request.key.clone(), request.range_end.clone()).contains(key)
            }
            _ => false,
        })
    };
    if puts.windows(2).any(|pair| pair[0] == pair[1]) || puts.iter().any(|key| deleted(key)) {
        return Err(Status::invalid_argument("etcdserver: duplicate key given in txn request"));
    }
    Ok(())
}

/// All keys in the range must pass; a key that is not there counts as all zeros, but has no value to compare.
fn holds(core: &Core, compare: &PbCompare) -> bool {
    let range = KeyRange::new(compare.key.clone(), compare.range_end.clone());
    let mut found = core.store.range(&range).peekable();
    if found.peek().is_none() {
        return !matches!(compare.target_union, Some(PbTargetUnion::Value(_)))
            && passes(&PbKeyValue::default(), compare);
    }
    found.all(|kv| passes(kv, compare))
}

fn passes(kv: &PbKeyValue, compare: &PbCompare) -> bool {
    // A target without its value stands for zero, as in etcd.
    let ordering = match (&compare.target_union, compare.target) {
        (Some(PbTargetUnion::Version(wanted)), _) => kv.version.cmp(wanted),
        (Some(PbTargetUnion::CreateRevision(wanted)), _) => kv.create_revision.cmp(wanted),
        (Some(PbTargetUnion::ModRevision(wanted)), _) => kv.mod_revision.cmp(wanted),
        (Some(PbTargetUnion::Value(wanted)), _) => kv.value.cmp(wanted),
        (Some(PbTargetUnion::Lease(wanted)), _) => kv.lease.cmp(wanted),
        (None, 0) => kv.version.cmp(&0),
        (None, 1) => kv.create_revision.cmp(&0),
        (None, 2) => kv.mod_revision.cmp(&0),
        (None, 3) => kv.value.as_slice().cmp(&[]),
        (None, _) => kv.lease.cmp(&0),
    };
    match compare.result {
        0 => ordering.is_eq(),
        1 => ordering.is_gt(),
        2 => ordering.is_lt(),
        _ => ordering.is_ne(),
    }
}

pub(super) fn compact(core: &mut Core, request: PbCompactionRequest) -> Result<PbCompactionResponse, Status> {
    core.compact(request.revision)?;
    Ok(PbCompactionResponse { header: core.header() })
}

pub(super) fn lease_grant(
    core: &mut Core,
    request: PbLeaseGrantRequest,
) -> Result<PbLeaseGrantResponse, Status> {
    if request.ttl > MAX_TTL {
        return Err(Status::out_of_range("etcdserver: too large lease TTL"));
    }
    let mut id = request.id;
    while id == 0 || (request.id == 0 && core.leases.contains_key(&id)) {
        id = i64::from_ne_bytes((random() >> 1).to_ne_bytes());
    }
    if core.leases.contains_key(&id) {
        return Err(Status::failed_precondition("etcdserver: lease already exists"));
    }
    let ttl = request.ttl.max(1);
    core.grant(id, Duration::from_secs(ttl.unsigned_abs()));
    Ok(PbLeaseGrantResponse { header: core.header(), id, ttl, error: String::new() })
}

pub(super) fn lease_revoke(core: &mut Core, id: i64) -> Result<PbLeaseRevokeResponse, Status> {
    if core.revoke(id) { Ok(PbLeaseRevokeResponse { header: core.header() }) } else { Err(no_lease()) }
}

/// A lease that is not there has a time to live of 0.
pub(super) fn lease_keep_alive(core: &mut Core, id: i64) -> PbLeaseKeepAliveResponse {
    let now = core.now;
    let ttl = core.leases.get_mut(&id).map_or(0, |lease| {
        lease.expires = now + lease.ttl;
        whole_seconds(lease.ttl)
    });
    PbLeaseKeepAliveResponse { header: core.header(), id, ttl }
}

pub(super) fn lease_time_to_live(
    core: &Core,
    request: PbLeaseTimeToLiveRequest,
) -> PbLeaseTimeToLiveResponse {
    let response =
        PbLeaseTimeToLiveResponse { header: core.header(), id: request.id, ttl: -1, ..Default::default() };
    let Some(lease) = core.leases.get(&request.id) else { return response };
    PbLeaseTimeToLiveResponse {
        ttl: whole_seconds(lease.expires.saturating_duration_since(core.now)),
        granted_ttl: whole_seconds(lease.ttl),
        keys: if request.keys { lease.keys.iter().cloned().collect() } else { Vec::new() },
        ..response
    }
}

pub(super) fn lease_leases(core: &Core) -> PbLeaseLeasesResponse {
    let leases = core.leases.keys().map(|&id| PbLeaseStatus { id }).collect();
    PbLeaseLeasesResponse { header: core.header(), leases }
}

fn whole_seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
