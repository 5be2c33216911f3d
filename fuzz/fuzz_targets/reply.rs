//! Decoding a reply never panics, never reads past what it says it used, and does not change with what follows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_cluster::protocol::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some((value, used))) = Value::decode(bytes) else { return };
    assert!(0 < used && used <= bytes.len());
    // NaN is not equal to itself: compare what is shown.
    let again = Value::decode(&bytes[..used]).map(|decoded| decoded.map(|(value, _)| format!("{value:?}")));
    assert_eq!(again, Ok(Some(format!("{value:?}"))));
});
