//! The one file that keeps a registry: a log of frames, made small again by writing it anew.
//!
//! A frame is a marker, a length, a checksum and a [`Batch`]; one write and one sync per frame, so a crash can only damage
//! the last one, which nobody was told of. Damage anywhere else is not repaired but reported. Locks the directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use etcd_client::proto::{PbEvent, PbKeyValue};
use prost::Message;

use super::EmbeddedError;

const NAME: &str = "registry";
const NAME_NEW: &str = "registry.new";

/// Begins each frame; found by searching when it must be decided whether anything follows a damaged one.
const MARKER: [u8; 4] = *b"\xF5rc1";
const HEAD: usize = 4 + 4 + 8;

/// The file is written anew when it is this large and more than twice what it has to hold.
const REWRITE: u64 = 1 << 20;

/// What is written at once.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Batch {
    #[prost(message, repeated, tag = "1")]
    pub(super) records: Vec<Record>,
}

/// One thing that happened. Exactly one field is set.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    /// The first record of a file, and nowhere else.
    #[prost(message, tag = "1")]
    pub(super) base: Option<Base>,
    #[prost(message, tag = "2")]
    pub(super) commit: Option<Commit>,
    #[prost(message, tag = "3")]
    pub(super) grant: Option<Grant>,
    /// The id of a lease that ended; its keys are deleted by a commit of their own.
    #[prost(int64, optional, tag = "4")]
    pub(super) revoke: Option<i64>,
    /// The revision below which history is forgotten.
    #[prost(int64, optional, tag = "5")]
    pub(super) compact: Option<i64>,
}

/// The state from which the records after it go on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Base {
    #[prost(uint64, tag = "1")]
    pub(super) cluster_id: u64,
    #[prost(int64, tag = "2")]
    pub(super) revision: i64,
    #[prost(message, repeated, tag = "3")]
    pub(super) kvs: Vec<PbKeyValue>,
    #[prost(message, repeated, tag = "4")]
    pub(super) leases: Vec<Grant>,
}

/// The events of one revision.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Commit {
    #[prost(int64, tag = "1")]
    pub(super) revision: i64,
    #[prost(message, repeated, tag = "2")]
    pub(super) events: Vec<PbEvent>,
}

/// A lease.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Grant {
    #[prost(int64, tag = "1")]
    pub(super) id: i64,
    /// Seconds.
    #[prost(int64, tag = "2")]
    pub(super) ttl: i64,
}

/// The open file, locked.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    /// After the last rewrite.
    floor: u64,
    /// Held for its lock, which ends with it.
    directory: File,
}

impl LogFile {
    /// Opens or creates the file in `directory`, which is created too, and reads what it holds.
    pub(super) fn open(directory: &Path) -> Result<(Self, Vec<Record>), EmbeddedError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| EmbeddedError::File { path, source }
        };
        fs::create_dir_all(directory).map_err(failed(directory))?;
        let lock = File::open(directory).map_err(failed(directory))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(EmbeddedError::Locked { directory: directory.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(directory)(source)),
        }
        let path = directory.join(NAME);
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed(&path))?;
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let (records, good) =
            read_frames(&bytes).map_err(|offset| EmbeddedError::Corrupt { path: path.clone(), offset })?;
        if good < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - good, "an unfinished write is dropped");
            file.set_len(good as u64).and_then(|()| file.sync_all()).map_err(failed(&path))?;
        }
        // What a rewrite left that did not come to its rename.
        match fs::remove_file(directory.join(NAME_NEW)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&directory.join(NAME_NEW))(error));
            }
            _ => {}
        }
        file.flush().and_then(|()| lock.sync_all()).map_err(failed(directory))?;
        let size = good as u64;
        Ok((Self { path, file, size, floor: size, directory: lock }, records))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns when the batch is on the disk.
    pub(super) fn append(&mut self, records: Vec<Record>) -> Result<(), EmbeddedError> {
        let frame = encode_frame(records);
        self.file
            .write_all(&frame)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| EmbeddedError::File { path: self.path.clone(), source })?;
        self.size += frame.len() as u64;
        Ok(())
    }

    /// True when most of it is of no more use; `needed` is what it has to hold.
    pub(super) fn wants_rewrite(&self, needed: usize) -> bool {
        self.size > REWRITE && self.size > 2 * self.floor.max(needed as u64)
    }

    /// Replaces the contents, or leaves them as they are.
    pub(super) fn rewrite(&mut self, records: Vec<Record>) -> Result<(), EmbeddedError> {
        let new = self.path.with_file_name(NAME_NEW);
        let frame = encode_frame(records);
        let written = || -> io::Result<File> {
            let mut file = OpenOptions::new().read(true).append(true).create_new(true).open(&new)?;
            file.write_all(&frame)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            self.directory.sync_all()?;
            Ok(file)
        };
        match written() {
            Ok(file) => self.file = file,
            Err(source) => {
                // Not again before the file has doubled.
                self.floor = self.size;
                return Err(EmbeddedError::File { path: new, source });
            }
        }
        self.size = frame.len() as u64;
        self.floor = self.size;
        Ok(())
    }
}

fn encode_frame(records: Vec<Record>) -> Vec<u8> {
    let payload = Batch { records }.encode_to_vec();
    let mut frame = Vec::with_capacity(HEAD + payload.len());
    frame.extend_from_slice(&MARKER);
    let length = u32::try_from(payload.len()).expect("a batch is far smaller than 4 GB");
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&checksum(&payload).to_le_bytes());
    frame.extend_from_slice(&payload);
    frame
}

fn checksum(payload: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(payload)
}

/// The records, and how many bytes they take; what follows is one unfinished frame. `Err`: where a damaged frame begins
/// that others follow.
fn read_frames(bytes: &[u8]) -> Result<(Vec<Record>, usize), usize> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some((batch, size)) = read_frame(&bytes[at..]) else {
            return if frame_follows(&bytes[at + 1..]) { Err(at) } else { Ok((records, at)) };
        };
        records.extend(batch.records);
        at += size;
    }
    Ok((records, at))
}

fn read_frame(bytes: &[u8]) -> Option<(Batch, usize)> {
    let rest = bytes.strip_prefix(&MARKER)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let payload = rest.get(..length)?;
    if checksum(payload) != u64::from_le_bytes(*sum) {
        return None;
    }
    Some((Batch::decode(payload).ok()?, HEAD + length))
}

fn frame_follows(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, &MARKER).any(|at| read_frame(&bytes[at..]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: i64) -> Record {
        Record { compact: Some(number), ..Record::default() }
    }

    fn write(directory: &Path, numbers: &[i64]) -> Vec<u8> {
        let (mut log, _) = LogFile::open(directory).unwrap();
        for number in numbers {
            log.append(vec![record(*number)]).unwrap();
        }
        drop(log);
        fs::read(directory.join(NAME)).unwrap()
    }

    #[test]
    fn a_torn_tail_of_any_length_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = write(directory.path(), &[1, 2, 300]);
        let two = write(tempfile::tempdir().unwrap().path(), &[1, 2]).len();
        for cut in two + 1..bytes.len() {
            fs::write(directory.path().join(NAME), &bytes[..cut]).unwrap();
            let (mut log, records) = LogFile::open(directory.path()).unwrap();
            assert_eq!(records, [record(1), record(2)], "cut at {cut}");
            log.append(vec![record(4)]).unwrap();
            drop(log);
            let (_, records) = LogFile::open(directory.path()).unwrap();
            assert_eq!(records, [record(1), record(2), record(4)], "cut at {cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_reported_wherever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = write(directory.path(), &[1, 2, 3]);
        let one = write(tempfile::tempdir().unwrap().path(), &[1]).len();
        for at in 0..2 * one {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            fs::write(directory.path().join(NAME), &damaged).unwrap();
            let error = LogFile::open(directory.path()).unwrap_err().to_string();
            assert!(error.contains(directory.path().to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_second_owner_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let first = LogFile::open(directory.path()).unwrap();
        let error = LogFile::open(directory.path()).unwrap_err();
        assert!(matches!(error, EmbeddedError::Locked { .. }), "{error}");
        drop(first);
        LogFile::open(directory.path()).unwrap();
    }

    #[test]
    fn rewriting_replaces_everything() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &[1, 2, 3]);
        let (mut log, _) = LogFile::open(directory.path()).unwrap();
        log.rewrite(vec![record(9)]).unwrap();
        log.append(vec![record(10)]).unwrap();
        drop(log);
        let (_, records) = LogFile::open(directory.path()).unwrap();
        assert_eq!(records, [record(9), record(10)]);
        assert!(!directory.path().join(NAME_NEW).exists());
    }
}
