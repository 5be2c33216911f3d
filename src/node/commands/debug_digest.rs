//! What `DEBUG DIGEST` and `DEBUG DIGEST-VALUE` make of data: the same as Redis makes of the same data, however it is kept.

use sha1::{Digest as _, Sha1};

use crate::node::{
    keyspace::{Content, Db, RecordRef, Value},
    object::{list::End, stream::StreamId},
};

/// 20 bytes that stand for data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest([u8; 20]);

/// The types, as Redis numbers them.
const STRING: u32 = 0;
const LIST: u32 = 1;
const SET: u32 = 2;
const ZSET: u32 = 3;
const HASH: u32 = 4;
const STREAM: u32 = 6;

impl Digest {
    /// Adds what has no order.
    fn add(&mut self, bytes: &[u8]) {
        for (mine, theirs) in self.0.iter_mut().zip(Sha1::digest(bytes)) {
            *mine ^= theirs;
        }
    }

    /// Adds what comes next.
    fn then(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Of all databases.
    pub(super) fn of_all<'d>(databases: impl Iterator<Item = &'d Db>) -> Self {
        let mut digest = Self::default();
        for (number, db) in (0_u32..).zip(databases) {
            if db.is_empty() {
                continue;
            }
            digest.then(&number.to_be_bytes());
            db.for_each(&mut |record| {
                let mut of_key = Self::default();
                of_key.then(record.key());
                of_key.add_value(record);
                digest.add(&of_key.0);
            });
        }
        digest
    }

    /// Of a value.
    pub(super) fn of_value(record: RecordRef<'_>) -> Self {
        let mut digest = Self::default();
        digest.add_value(record);
        digest
    }

    fn add_value(&mut self, record: RecordRef<'_>) {
        let element = |parts: &[&[u8]]| {
            let mut of_element = Self::default();
            parts.iter().for_each(|part| of_element.then(part));
            of_element.0
        };
        match record.content() {
            Content::String(value) => {
                self.then(&STRING.to_be_bytes());
                match value {
                    Value::Int(number) => self.then(itoa::Buffer::new().format(number).as_bytes()),
                    Value::Bytes(bytes) => self.then(bytes),
                    Value::Shared(bytes) => self.then(bytes),
                }
            }
            Content::List(list) => {
                self.then(&LIST.to_be_bytes());
                list.iter(0, End::Right).for_each(|element| element.with(|bytes| self.then(bytes)));
            }
            Content::Set(set) => {
                self.then(&SET.to_be_bytes());
                set.iter().for_each(|member| member.with(|bytes| self.add(bytes)));
            }
            Content::SortedSet(set) => {
                self.then(&ZSET.to_be_bytes());
                for (member, score) in set.range(0..set.len(), false) {
                    let of_member =
                        member.with(|bytes| element(&[bytes, seventeen_digits(score).as_bytes()]));
                    self.add(&of_member);
                }
            }
            Content::Hash(hash) => {
                self.then(&HASH.to_be_bytes());
                for (field, value) in hash.iter() {
                    let of_field = field.with(|field| value.with(|value| element(&[field, value])));
                    self.add(&of_field);
                }
            }
            Content::Stream(stream) => {
                self.then(&STREAM.to_be_bytes());
                for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                    self.then(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    entry.each(|field, value| {
                        field.with(|bytes| self.then(bytes));
                        value.with(|bytes| self.then(bytes));
                    });
                }
            }
        }
        if record.expiry().is_some() {
            self.add(b"!!expire!!");
        }
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// `%.17g` of C.
fn seventeen_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{}", if value == 0.0 { "0" } else { "inf" });
    }
    let scientific = format!("{value:.16e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if !(-4..17).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(digits), exponent.abs());
    }
    let decimals = usize::try_from(16 - exponent).unwrap_or(0);
    trimmed(&format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::seventeen_digits;

    #[test]
    fn doubles_as_c_prints_them() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (1e21, "1e+21"),
            (123_456_789.125, "123456789.125"),
            (1e-7, "9.9999999999999995e-08"),
            (0.0001, "0.0001"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.0, "-0"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
        ] {
            assert_eq!(seventeen_digits(value), text);
        }
    }
}
