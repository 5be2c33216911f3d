//! Any body with a right footer is restored or refused, and what is restored comes back from a dump.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_cluster::node::{
    keyspace::{Content, Value},
    rdb::{self, Restored, crc64::crc64},
};

fn dump(value: &Restored<'_>) -> Vec<u8> {
    rdb::dump(match value {
        Restored::String(string) => Content::String(Value::of_string(string)),
        Restored::Object(object) => Content::from(object),
    })
}

fuzz_target!(|body: &[u8]| {
    let mut payload = body.to_vec();
    payload.extend_from_slice(&10_u16.to_le_bytes());
    let checksum = crc64(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    if let Ok(value) = rdb::restore(&payload, rdb::Forms::default()) {
        let again = dump(&value);
        assert_eq!(rdb::restore(&again, rdb::Forms::default()).expect("its own dump"), value);
    }
    // Without the footer it is as good as never right; it must only not panic.
    let _ = rdb::restore(body, rdb::Forms::default());
});
