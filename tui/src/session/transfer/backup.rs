//! `backup DIR` and `restore DIR`: an export, and beside it a manifest with what the cluster was.
//!
//! A restore puts keys and functions into a cluster that runs, whatever its members are; whose slot was whose is for people to read. Users
//! and settings are not in a backup: they have secrets in them, and belong to members.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use redis_cluster::{id::NodeId, slot::SlotRange, time::Millis};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Line, export,
    import::{self, survey},
    meter::Meter,
    unfinished::Unfinished,
};
use crate::{
    language::Conflict,
    session::{
        Session,
        outcome::{Body, Outcome, Status},
    },
};

const MANIFEST: &str = "manifest.json";
const DATA: &str = "cluster.rdb";
/// Of manifests: a program that reads them knows others by it.
const FORMAT: u32 = 1;
/// At the end of every RDB file.
const CHECKSUM_LEN: u64 = 8;

/// What stands beside the keys.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    version: String,
    cluster: String,
    began_ms: i64,
    epoch: u64,
    nodes: Vec<Member>,
    keys: Vec<Keys>,
    functions: usize,
    rdb_version: u16,
    bytes: u64,
    /// CRC64 of the file, as it stands at its end.
    crc64: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Member {
    id: NodeId,
    /// Without its login.
    address: String,
    slots: Vec<SlotRange>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Keys {
    database: usize,
    keys: u64,
}

/// Runs `backup`.
pub(in crate::session) async fn backup(session: &Session, directory: &Path, newer: bool) -> Outcome {
    let words = format!("backup {}", directory.display());
    let meter = Meter::new(words, "no directory was left", session);
    match meter.follow(to_directory(session, directory, newer, &meter)).await {
        Ok(manifest) => Outcome::done(Body::Document(json!({
            "directory": directory.display().to_string(),
            "keys": manifest.keys.iter().map(|keys| keys.keys).sum::<u64>(),
            "functions": manifest.functions,
            "nodes": manifest.nodes.len(),
            "bytes": manifest.bytes,
            "crc64": manifest.crc64,
            "milliseconds": meter.took(),
        }))),
        Err(failure) => failure,
    }
}

async fn to_directory(
    session: &Session,
    directory: &Path,
    newer: bool,
    meter: &Meter,
) -> Result<Manifest, Outcome> {
    let cannot = |error: io::Error| {
        Outcome::failure(Status::Refused, format!("cannot write {}: {error}", directory.display()))
    };
    let unfinished = Unfinished::directory(directory).map_err(cannot)?;
    let (view, began) = (session.now(), Millis::now());
    let data = unfinished.path().join(DATA);
    let exported = export::to_file(session, &data, newer, meter).await?;
    let topology = view.topology.as_ref().map(|view| &view.topology);
    let slots_of = |id: &NodeId| {
        let all = topology.iter().flat_map(|topology| &topology.slots);
        all.filter(|(_, owner)| owner == id).map(|(range, _)| *range).collect()
    };
    let member = |(id, node): (&NodeId, &crate::session::view::NodeView)| Member {
        id: id.clone(),
        address: node.record.address.to_string(),
        slots: slots_of(id),
    };
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: view.cluster.clone(),
        began_ms: began.0,
        epoch: topology.map_or(0, |topology| topology.epoch.0),
        nodes: view.nodes.iter().map(member).collect(),
        keys: exported.keys.iter().map(|&(database, keys)| Keys { database, keys }).collect(),
        functions: exported.functions,
        rdb_version: exported.version,
        bytes: exported.bytes,
        crc64: checksum_of(&data).map_err(cannot)?,
    };
    write_manifest(&unfinished, &manifest).map_err(cannot)?;
    unfinished.finish().map_err(cannot)?;
    Ok(manifest)
}

fn write_manifest(unfinished: &Unfinished, manifest: &Manifest) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(manifest)?;
    text.push(b'\n');
    let path = unfinished.path().join(MANIFEST);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&text)?;
    file.sync_all()?;
    File::open(unfinished.path())?.sync_all()
}

fn checksum_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let begins = file.metadata()?.len().saturating_sub(CHECKSUM_LEN);
    file.seek(SeekFrom::Start(begins))?;
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// Runs `restore`. Without a word about keys that are there the cluster has to be empty.
pub(in crate::session) async fn restore(
    session: &Session,
    directory: &Path,
    conflict: Option<Conflict>,
) -> Outcome {
    let words = format!("restore {}", directory.display());
    let remains = "what was written stays; the same with --skip completes it";
    let meter = Meter::new(words, remains, session);
    match meter.follow(from_directory(session, directory, conflict, &meter)).await {
        Ok(document) => Outcome::done(Body::Document(document)),
        Err(failure) => failure,
    }
}

async fn from_directory(
    session: &Session,
    directory: &Path,
    conflict: Option<Conflict>,
    meter: &Meter,
) -> Result<serde_json::Value, Outcome> {
    let refused = |text: String| {
        Outcome::failure(Status::Refused, format!("{}: {text}; nothing was written", directory.display()))
    };
    let manifest = read_manifest(&directory.join(MANIFEST)).map_err(refused)?;
    let data = directory.join(DATA);
    let found = checksum_of(&data).map_err(|error| refused(format!("{DATA}: {error}")))?;
    if found != manifest.crc64 {
        return Err(refused(format!("{DATA} has the checksum {found}, and {MANIFEST} {}", manifest.crc64)));
    }
    // The file's own checksum is over all of it.
    let survey = survey(&data).await?;
    let of_file: Vec<Keys> = survey.keys.iter().map(|(&database, &keys)| Keys { database, keys }).collect();
    let mut of_manifest = manifest.keys;
    of_manifest.retain(|keys| keys.keys > 0);
    if of_file != of_manifest
        || survey.bytes != manifest.bytes
        || survey.functions.len() != manifest.functions
    {
        return Err(refused(format!("{DATA} is not the file that {MANIFEST} describes")));
    }
    if conflict.is_none() {
        let there: u64 = Line::open(session).await?.databases().await?.iter().map(|(_, keys, _)| keys).sum();
        if there > 0 {
            return Err(refused(format!("the cluster has {there} keys (--skip or --replace?)")));
        }
    }
    import::from_file(session, &data, &survey, conflict.unwrap_or(Conflict::Stop), meter).await
}

fn read_manifest(path: &Path) -> Result<Manifest, String> {
    let text = fs::read(path).map_err(|error| format!("{MANIFEST}: {error}"))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| format!("{MANIFEST} cannot be read: {error}"))?;
    if manifest.format != FORMAT {
        return Err(format!("{MANIFEST} is of format {}, and this program reads {FORMAT}", manifest.format));
    }
    Ok(manifest)
}
