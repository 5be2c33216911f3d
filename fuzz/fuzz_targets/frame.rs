//! The scanner that a proxy forwards replies by agrees with the decoder about where each reply ends, wherever the bytes
//! are cut. The first byte says where.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_cluster::protocol::{Value, frame::FrameScanner};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let whole = FrameScanner::default().scan(bytes);
    let mut scanner = FrameScanner::default();
    let early = scanner.scan(&bytes[..usize::from(cut).min(bytes.len())]);
    let late = match early {
        Ok(None) => scanner.scan(bytes),
        done => done,
    };
    assert_eq!(whole, late);
    if let Ok(Some((_, used))) = Value::decode(bytes) {
        assert_eq!(whole.map(|frame| frame.map(|frame| frame.len)), Ok(Some(used)));
    }
});
