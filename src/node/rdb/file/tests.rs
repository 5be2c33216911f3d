//! Files against what was put into them, and against damage.

use std::io::{self, Read};

use super::*;
use crate::{
    node::{
        keyspace::{Aging, Content, Record, Value},
        object::{Hash, List, Object, Set, SortedSet, Stream, hash, list, set, stream::StreamId, zset},
        rdb::{self, Draft, Fault, Forms, Restored},
    },
    time::Millis,
};

const PLAIN: Settings = Settings { has_expiring_fields: false, compresses: true, sums: true };

/// One value of each form.
fn records() -> Vec<Record> {
    let mut objects = Vec::new();
    for count in [3_u32, 140] {
        let numbers = 0..count;
        let (mut list, mut hash) = (List::default(), Hash::default());
        let (mut integers, mut set, mut zset) = (Set::default(), Set::default(), SortedSet::default());
        let mut stream = Stream::default();
        for number in numbers {
            let name = format!("the element of number {number}");
            let name = name.as_bytes();
            list.push(list::End::Right, name, list::Fill::default());
            hash.set(name, name, hash::Limits { fields: 128, ..Default::default() });
            integers.insert(number.to_string().as_bytes(), set::Limits::default());
            set.insert(name, set::Limits::default());
            zset.put(name, f64::from(number) / 2.0, zset::Limits::default());
            let id = StreamId { ms: number.into(), seq: 1 };
            stream.add(id, [(name, name)].into_iter(), Default::default()).expect("small");
        }
        objects.extend([Object::List(list), Object::Hash(hash), Object::Set(integers), Object::Set(set)]);
        objects.extend([Object::SortedSet(zset), Object::Stream(Box::new(stream))]);
    }
    let large = bytes::Bytes::from(vec![b'x'; 100_000]);
    let strings = [Value::Int(7), Value::Bytes(b"text"), Value::Bytes(&[b'y'; 500]), Value::Shared(&large)];
    let strings = strings.into_iter().enumerate().map(|(number, value)| {
        Record::new(format!("string {number}").as_bytes(), value, Some(Millis(1_900_000_000_123)), 77)
    });
    let objects = objects
        .into_iter()
        .enumerate()
        .map(|(number, object)| Record::of_object(format!("object {number}").as_bytes(), object, None, 99));
    strings.chain(objects).collect()
}

fn file(settings: Settings, used: Used) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), settings).expect("memory takes all");
    writer.aux("redis-ver", "7.0.15").expect("as above");
    writer.function(b"#!lua name=lib\nredis.register_function('f', function() end)").expect("as above");
    let mut whole = Draft::default();
    for (database, records) in [(0, records()), (9, records())] {
        writer.select(database).expect("as above");
        writer.sizes(records.len(), 4).expect("as above");
        // Drafts that others are appended to are what they would have been in one piece.
        for record in &records {
            let mut draft = Draft::default();
            write_entry(&mut draft, record.as_ref(), used);
            whole.append(&mut draft);
            assert!(draft.is_empty());
        }
        writer.draft(&whole).expect("as above");
        whole.clear();
    }
    writer.finish().expect("as above")
}

/// What a file holds, in a line for each thing.
fn describe(input: impl Read) -> Result<Vec<String>, ReadError> {
    let mut reader = Reader::new(input, Forms::default(), true)?;
    let mut lines = Vec::new();
    while let Some(item) = reader.next()? {
        lines.push(match item {
            Item::Entry(Entry { database, key, value, expiry, idle, frequency }) => {
                let value = match &value {
                    Restored::String(string) => rdb::dump(Content::String(Value::of_string(string))),
                    Restored::Object(object) => {
                        rdb::dump(Record::of_object(b"", object.clone(), None, 0).as_ref().content())
                    }
                };
                let key = key.escape_ascii();
                format!("{database} {key} {expiry:?} {idle:?} {frequency:?} {:x}", rdb::crc64::crc64(&value))
            }
            other => format!("{other:?}"),
        });
    }
    Ok(lines)
}

fn expected(idle: Option<i64>, frequency: Option<u8>) -> Vec<String> {
    let mut lines = vec![
        format!("{:?}", Item::Aux { name: b"redis-ver".to_vec(), value: b"7.0.15".to_vec() }),
        format!(
            "{:?}",
            Item::Function(b"#!lua name=lib\nredis.register_function('f', function() end)".to_vec())
        ),
    ];
    for database in [0, 9] {
        let records = records();
        lines.push(format!("{:?}", Item::Sizes { database, keys: records.len(), expiring: 4 }));
        lines.extend(records.iter().map(|record| {
            let record = record.as_ref();
            let (key, expiry) = (record.key().escape_ascii(), record.expiry());
            let value = rdb::crc64::crc64(&rdb::dump(record.content()));
            format!("{database} {key} {expiry:?} {idle:?} {frequency:?} {value:x}")
        }));
    }
    lines
}

/// Gives a few bytes at a time.
struct Slowly<'a>(&'a [u8]);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(7).min(self.0.len());
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

#[test]
fn what_is_written_is_read() {
    let now = Millis(1_800_000_000_000);
    let idle = Aging::idle_seconds(77, now);
    assert_ne!(idle, 0);
    for (compresses, sums) in [(true, true), (false, true), (true, false), (false, false)] {
        let settings = Settings { compresses, sums, ..PLAIN };
        let bytes = file(settings, Used::Unsaid);
        assert_eq!(describe(bytes.as_slice()).expect("whole"), expected(None, None));
        assert_eq!(describe(Slowly(&bytes)).expect("whole"), expected(None, None));
        assert_eq!(bytes[bytes.len() - 8..] != [0; 8], sums);
    }
    let idle_of = file(PLAIN, Used::Idle(now));
    let lines = describe(idle_of.as_slice()).expect("whole");
    assert!(
        lines
            .iter()
            .filter(|line| line.contains(" string "))
            .all(|line| line.contains(&format!("Some({idle})")))
    );
    let often = file(PLAIN, Used::Often(Aging::Lfu { log_factor: 10, decay_minutes: 0 }, now));
    let lines = describe(often.as_slice()).expect("whole");
    assert!(lines.iter().filter(|line| line.contains(" string ")).all(|line| line.contains("Some(77)")));
}

#[test]
fn compression_makes_it_smaller_and_the_same_for_all() {
    let small = file(PLAIN, Used::Unsaid);
    let large = file(Settings { compresses: false, ..PLAIN }, Used::Unsaid);
    assert!(small.len() < large.len() / 3, "{} of {}", small.len(), large.len());
}

#[test]
fn a_file_that_is_cut_is_told_from_a_whole_one() {
    let bytes = file(PLAIN, Used::Unsaid);
    for cut in (0..bytes.len()).step_by(399).chain(bytes.len() - 20..bytes.len()) {
        let error = describe(&bytes[..cut]).expect_err("cut");
        assert!(matches!(error.why, Why::Fault(Fault::Ended)), "{cut}: {error}");
        assert!(error.at <= cut as u64);
    }
}

#[test]
fn a_changed_byte_is_noticed_and_does_no_harm() {
    let bytes = file(PLAIN, Used::Unsaid);
    for at in (0..bytes.len()).step_by(499) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1_u8 << (at % 8);
        assert!(describe(damaged.as_slice()).is_err(), "{at}");
    }
}

/// `RDB_MUTATIONS=1000000` for a long run.
#[test]
fn what_is_changed_by_chance_is_read_or_refused_and_does_no_harm() {
    /// Bytes that mean something: lengths of all forms, special ones, ends.
    const MARKS: [u8; 11] = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xfe, 0xff];
    let rounds = std::env::var("RDB_MUTATIONS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(300);
    // Nothing notices by a sum.
    let files = [true, false].map(|compresses| {
        let bytes = file(Settings { compresses, sums: false, ..PLAIN }, Used::Unsaid);
        assert_eq!(bytes[bytes.len() - 8..], [0; 8]);
        bytes
    });
    let (mut refused, mut random) = (0, fastrand::Rng::with_seed(rounds));
    for _ in 0..rounds {
        let mut bytes = files[random.usize(..2)].clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(9..bytes.len() - 8);
            match random.u8(..5) {
                0 => bytes[at] = random.u8(..),
                1 => bytes[at] ^= 1_u8 << random.u8(..8),
                2 => bytes[at] = MARKS[random.usize(..MARKS.len())],
                3 => drop(bytes.drain(at..(at + random.usize(1..20)).min(bytes.len() - 8))),
                _ => {
                    let from = random.usize(9..bytes.len() - 8);
                    let piece = bytes[from..(from + random.usize(1..20)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        refused += u64::from(describe(bytes.as_slice()).is_err());
    }
    assert!(refused > rounds / 10 && refused < rounds, "{refused} of {rounds} were refused");
}

#[test]
fn what_promises_much_takes_little() {
    // A string of an exabyte.
    let bytes = [&b"REDIS0010\x00\x01k\x81\x0f\0\0\0\0\0\0\0"[..], &[b'x'; 1000]].concat();
    let error = describe(bytes.as_slice()).expect_err("less");
    assert_eq!(
        error.to_string(),
        "at byte 21, in key number 1 of database 0, which begins at byte 9: it ends in the middle"
    );
}

#[test]
fn what_nobody_reads_is_named() {
    let tail =
        |tail: &[u8]| describe([b"REDIS0010", tail].concat().as_slice()).expect_err("wrong").to_string();
    assert_eq!(
        describe(&b"*1\r\n$4\r\nPING\r\n"[..]).expect_err("no file").to_string(),
        "at byte 9, in the header: this is no RDB file: it does not begin with REDIS and four digits"
    );
    assert!(
        describe(&b"REDIS0099"[..])
            .expect_err("newer")
            .to_string()
            .contains("RDB version 99; versions 1 to 12")
    );
    // A type of version 3, in both forms and as a field.
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let id = "ReJSON-RL".bytes().fold(0_u64, |id, byte| {
        id << 6 | letters.bytes().position(|letter| letter == byte).expect("a letter") as u64
    });
    let id = [&b"\x81"[..], &(id << 10 | 3).to_be_bytes()].concat();
    for mark in [&b"\x06\x01k"[..], b"\x07\x01k", b"\xf7"] {
        let error = tail(&[mark, &id].concat());
        assert!(error.contains("module type 'ReJSON-RL'"), "{error}");
    }
    assert!(tail(b"\xf6").contains("release candidate of Redis 7.0"));
    assert!(tail(b"\x16\x01k").contains("from before Redis 7.4"));
    assert!(tail(b"\x40").ends_with("nothing begins with byte 64"));
    assert!(tail(b"\xff12345678").contains("bytes of it have changed"));
}

#[test]
fn marks_of_all_versions_are_read() {
    // Seconds instead of milliseconds, no checksum, an empty list, slots.
    let old = b"REDIS0004\xfe\x02\xfd\x01\0\0\0\x00\x01k\x01v\xfe\x03\x01\x01e\x00\x00\x01m\x01w\xff";
    let lines = describe(&old[..]).expect("whole");
    assert!(lines[0].starts_with("2 k Some(Millis(1000))") && lines[1].starts_with("3 m None"), "{lines:?}");
    let mut reader = Reader::new(&old[..], Forms::default(), true).expect("a header");
    while reader.next().expect("whole").is_some() {}
    assert_eq!((reader.empty(), reader.version(), reader.offset()), (1, 4, old.len() as u64));
    let slots = b"REDIS0012\xfe\x00\xf4\x05\x01\x00\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0*1\r\n";
    let mut reader = Reader::new(&slots[..], Forms::default(), true).expect("a header");
    while reader.next().expect("whole").is_some() {}
    let mut rest = String::new();
    reader.into_rest().read_to_string(&mut rest).expect("memory");
    assert_eq!(rest, "*1\r\n");
}

#[test]
fn what_the_system_says_is_passed_on() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    let error = describe(b"REDIS0010\x00".chain(Broken)).expect_err("broken");
    assert!(error.to_string().ends_with("cannot read: the disk is on fire"), "{error}");
}

/// What servers dump goes into a file, and from a file to servers, without a change.
#[test]
fn payloads_go_in_and_come_out() {
    let mut writer = Writer::new(Vec::new(), PLAIN).expect("memory takes all");
    writer.select(0).expect("as above");
    let records = records();
    let payloads: Vec<_> = records.iter().map(|record| rdb::dump(record.as_ref().content())).collect();
    for (record, payload) in records.iter().zip(&payloads) {
        let dumped = rdb::Dumped::of(payload).expect("it was just made");
        assert!(dumped.version() <= PLAIN.version());
        let record = record.as_ref();
        writer.dumped(record.key(), record.expiry(), dumped).expect("as above");
    }
    let bytes = writer.finish().expect("as above");
    let mut reader = Reader::new(bytes.as_slice(), Forms::default(), true).expect("it was just made");
    let mut found = Vec::new();
    while let Some(item) = reader.next().expect("it is whole") {
        let Item::Entry(entry) = item else { continue };
        let (key, expiry) = (entry.key.to_vec(), entry.expiry);
        found.push((key, expiry, rdb::restore(&entry.into_payload(), Forms::default())));
    }
    // Of large collections the order may differ, which is not compared.
    let value = |payload: &Vec<u8>| rdb::restore(payload, Forms::default());
    let expected = records.iter().map(|record| record.as_ref()).zip(&payloads);
    let expected: Vec<_> =
        expected.map(|(record, payload)| (record.key().to_vec(), record.expiry(), value(payload))).collect();
    assert!(found == expected, "{} keys", found.len());
}

#[test]
fn payloads_of_later_forms_say_so_and_those_of_modules_are_refused() {
    let payload = |kind: u8| {
        let mut payload = vec![kind, 0];
        payload.extend_from_slice(&rdb::NEWEST.to_le_bytes());
        payload.extend_from_slice(&rdb::crc64::crc64(&payload).to_le_bytes());
        payload
    };
    let version = |kind| rdb::Dumped::of(&payload(kind)).map(|dumped| dumped.version());
    assert_eq!(
        [version(0), version(19), version(20), version(21), version(25)],
        [10, 10, 11, 11, 12].map(Ok)
    );
    assert_eq!(version(7), Err(rdb::PayloadError::Type("module value")));
    assert_eq!(version(26), Err(rdb::PayloadError::Format));
    let mut damaged = payload(0);
    damaged[1] ^= 1;
    assert_eq!(rdb::Dumped::of(&damaged), Err(rdb::PayloadError::Footer));
}
