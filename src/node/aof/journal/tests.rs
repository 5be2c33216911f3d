use std::{
    io,
    task::{Context, Poll, Waker},
};

use super::*;

/// `ENOSPC`.
const NO_SPACE: i32 = 28;

/// A file on a disk that fails when it is told to.
#[derive(Debug, Default)]
struct Disk {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// What is left after a power cut.
    lasting: Vec<u8>,
    /// So many bytes more are taken.
    room: Option<usize>,
    /// The next sync fails, and what it should have made last is lost.
    loses: bool,
}

impl Target for Disk {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state.lock();
        let taken = state.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if taken == 0 {
            return Err(io::Error::from_raw_os_error(NO_SPACE));
        }
        if let Some(room) = &mut state.room {
            *room -= taken;
        }
        state.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.loses) {
            return Err(io::Error::other("input/output error"));
        }
        state.lasting = state.bytes.clone();
        Ok(())
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.state.lock().bytes.truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}

fn journal(policy: Policy) -> (Arc<Shared>, Arc<Disk>, Journal) {
    let (shared, disk) = (Arc::new(Shared::default()), Arc::new(Disk::default()));
    shared.set_policy(policy);
    let journal = Journal::open(Arc::clone(&shared), Arc::clone(&disk) as _, 0);
    (shared, disk, journal)
}

fn add(journal: &mut Journal, key: &str) -> u64 {
    let mut effects = Effects::default();
    effects.hear(true);
    effects.tell(0, &["DEL", key]);
    journal.append(&effects, Wrap::Together, None);
    journal.position()
}

fn keys(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split("DEL\r\n$1\r\n").skip(1).map(|rest| &rest[..1]).collect()
}

fn is_synced(shared: &Shared, position: u64) -> bool {
    shared.poll_synced(position, &mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

#[test]
fn what_does_not_fit_is_refused_whole_and_written_when_there_is_room() {
    let (shared, disk, mut journal) = journal(Policy::EverySecond);
    let first = add(&mut journal, "a");
    assert_eq!(shared.after_batch(0, first), None);
    disk.state.lock().room = Some(5);
    let second = add(&mut journal, "b");
    assert_eq!(shared.after_batch(first, second), None);
    assert!(shared.is_failed() && shared.failure() == "No space left on device", "{}", shared.failure());
    assert_eq!(keys(&disk.state.lock().bytes), "a");
    assert_eq!(disk.state.lock().bytes.len() as u64, first, "no half of a request is left");
    disk.state.lock().room = None;
    let third = add(&mut journal, "c");
    // Whoever is about to tell a client does not try again and again: the thread does.
    assert_eq!(shared.after_batch(second, third), None);
    assert!(shared.is_failed());
    shared.write();
    assert!(!shared.is_failed());
    assert_eq!(keys(&disk.state.lock().bytes), "abc");
}

#[test]
fn with_always_nobody_is_told_of_what_a_failed_sync_lost() {
    let (shared, disk, mut journal) = journal(Policy::Always);
    let first = add(&mut journal, "a");
    assert_eq!(shared.after_batch(0, first), Some(first));
    assert!(!is_synced(&shared, first));
    disk.state.lock().loses = true;
    shared.write();
    assert!(!shared.sync() && shared.is_failed() && !is_synced(&shared, first));
    assert_eq!(keys(&disk.state.lock().bytes), "", "it is taken back, to be written again");
    // Who only reads is answered, who wrote is not.
    assert_eq!(shared.after_batch(first, first), None);
    let second = add(&mut journal, "b");
    assert_eq!(shared.after_batch(first, second), Some(second));
    shared.write();
    assert!(shared.sync() && is_synced(&shared, second));
    assert_eq!(keys(&disk.state.lock().lasting), "ab");
    assert!(!shared.take_hole(), "nothing is missing");
}

#[test]
fn without_always_a_failed_sync_leaves_a_hole_that_only_a_new_base_fills() {
    let (shared, disk, mut journal) = journal(Policy::EverySecond);
    add(&mut journal, "a");
    shared.write();
    disk.state.lock().loses = true;
    assert!(!shared.sync());
    assert!(shared.take_hole() && !shared.take_hole());
}

#[test]
fn what_follows_in_another_file_begins_when_the_one_before_lasts() {
    let (shared, disk, mut journal) = journal(Policy::EverySecond);
    add(&mut journal, "a");
    let next = Arc::new(Disk::default());
    journal.go_on_in(Arc::clone(&next) as _);
    let position = add(&mut journal, "b");
    disk.state.lock().loses = true;
    shared.write();
    assert!(shared.is_failed());
    assert_eq!((keys(&disk.state.lock().bytes), keys(&next.state.lock().bytes)), ("a".into(), String::new()));
    shared.write();
    assert_eq!(keys(&disk.state.lock().lasting), "a");
    assert!(next.state.lock().bytes.starts_with(b"*2\r\n$6\r\nSELECT"), "it is read without the one before");
    assert!(shared.sync() && is_synced(&shared, position));
    journal.append(&Effects::default(), Wrap::Together, None);
    shared.close();
    assert!(!shared.is_on() && is_synced(&shared, u64::MAX), "nobody waits for what is no more");
}
