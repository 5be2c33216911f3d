use super::*;
use crate::{
    node::{
        aof::log::{Log, Wrap},
        effects::Effects,
        exclusive::Exclusive,
        keyspace::{Key, Value},
        object::{Hash, HashRef, List, ListRef},
        state::NodeState,
    },
    time::Millis,
};

/// A log of units, each of which leaves the store in another state that can be told from all others.
fn log() -> (Vec<u8>, Vec<usize>) {
    let units: &[&[&[&str]]] = &[
        &[&["SET", "n", "1"]],
        &[&["INCR", "n"], &["RPUSH", "list", "a"]],
        &[&["INCR", "n"]],
        &[&["INCR", "n"], &["RPUSH", "list", "b\r\n*1"], &["HSET", "hash", "f", "v"]],
        &[&["SET", "n", "5", "PXAT", "1"]],
    ];
    let (mut log, mut bytes, mut ends) = (Log::default(), Vec::new(), vec![0]);
    for unit in units {
        let mut effects = Effects::default();
        effects.hear(true);
        unit.iter().for_each(|words| effects.tell(0, words));
        log.write(&effects, Wrap::Together, Some(Millis(1_000)), &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

struct Loading(Node);

impl Loading {
    fn new() -> Self {
        Self(Node { state: NodeState::default(), store: Exclusive::new(Store::new(16)) })
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Option<u64>, LoadError> {
        read_requests(Path::new("a log"), bytes, 0, &mut Filler::new(&self.0))
    }

    /// Number, elements of the list, fields of the hash.
    fn state(&mut self) -> (i64, usize, usize) {
        let mut store = self.0.store();
        let access = store.keyspace.access(Millis(10), false);
        let db = store.keyspace.db_mut(0);
        let number = match db.read_string(Key::new(b"n"), access).unwrap() {
            Some(Value::Int(number)) => number,
            _ => 0,
        };
        let list = db.read_collection::<List>(Key::new(b"list"), access).unwrap();
        let list = list.map_or(0, ListRef::len);
        let hash = db.read_collection::<Hash>(Key::new(b"hash"), access).unwrap();
        (number, list, hash.map_or(0, HashRef::len))
    }
}

#[test]
fn a_log_cut_at_any_byte_is_what_was_whole() {
    const STATES: [(i64, usize, usize); 6] =
        [(0, 0, 0), (1, 0, 0), (2, 1, 0), (3, 1, 0), (4, 2, 1), (5, 2, 1)];
    let (bytes, ends) = log();
    for length in 0..=bytes.len() {
        let mut loading = Loading::new();
        let torn = loading.read(&bytes[..length]).unwrap_or_else(|error| panic!("{length}: {error}"));
        let whole = ends.iter().rposition(|&end| end <= length).unwrap();
        assert_eq!(loading.state(), STATES[whole], "cut at {length}");
        // What is left after the cut is a log again, and says the same.
        let kept = torn.map_or(length, |at| usize::try_from(at).unwrap());
        assert!(kept >= ends[whole] && kept <= length, "cut at {length}, kept {kept}");
        let mut again = Loading::new();
        assert_eq!(again.read(&bytes[..kept]).unwrap(), None);
        assert_eq!(again.state(), STATES[whole]);
    }
}

#[test]
fn damage_says_where_it_is_and_changes_nothing_behind_it() {
    let (bytes, ends) = log();
    for (at, byte) in [(ends[1], b'x'), (ends[2] + 1, b'x'), (ends[4], b'+')] {
        let mut damaged = bytes.clone();
        damaged[at] = byte;
        let error = Loading::new().read(&damaged).unwrap_err();
        let LoadError::Damaged { at: found, .. } = &error else { panic!("{error}") };
        assert!(found.abs_diff(at as u64) <= 1, "{error}");
    }
    let unknown = b"*1\r\n$7\r\nNOSUCH!\r\n";
    let error = Loading::new().read(&[&bytes[..ends[1]], unknown].concat()).unwrap_err().to_string();
    assert!(error.contains("NOSUCH!") && error.contains(&format!("byte {}", ends[1])), "{error}");
    for stray in [&b"*1\r\n$4\r\nEXEC\r\n"[..], b"*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n"] {
        assert!(Loading::new().read(stray).is_err());
    }
}

#[test]
fn keys_whose_time_has_come_are_there_until_all_is_read() {
    let mut loading = Loading::new();
    let words: &[&[&str]] = &[
        &["SET", "n", "1", "PXAT", "5"],
        &["INCR", "n"],
        &["PEXPIREAT", "n", "6"],
        &["INCR", "n"],
        &["PERSIST", "n"],
    ];
    let mut bytes = Vec::new();
    words.iter().for_each(|words| crate::protocol::encode_command(&mut bytes, words));
    assert_eq!(loading.read(&bytes).unwrap(), None);
    assert_eq!(loading.state().0, 3);
}
