//! Any bytes are read as a file, or refused; what is read takes no more memory than there are bytes for, times what compression may be
//! worth.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_cluster::node::rdb::{Forms, file::Reader};

fuzz_target!(|bytes: &[u8]| {
    // Without the checksum, which nothing that is made by chance has.
    for checks in [false, true] {
        let Ok(mut reader) = Reader::new(bytes, Forms::default(), checks) else { continue };
        while let Ok(Some(_)) = reader.next() {}
        assert!(reader.offset() <= bytes.len() as u64);
    }
});
