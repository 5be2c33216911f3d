//! Any bytes, cut anywhere, give the same requests as uncut, and every argument lies inside what was consumed.
//! The first byte says where to cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_cluster::protocol::{Batch, Limits};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let limits = Limits { bulk: 1 << 16, arguments: 1 << 10, inline: 1 << 10, query_buffer: 1 << 20, refuse_http: true };
    let mut whole = Batch::default();
    let end = whole.parse(bytes, &limits);
    let mut parts = Batch::default();
    let cut = usize::from(cut).min(bytes.len());
    let parts_end = parts.parse(&bytes[..cut], &limits).and_then(|()| parts.parse(bytes, &limits));
    assert_eq!(end, parts_end);
    assert_eq!(whole.consumed(), parts.consumed());
    assert!(whole.consumed() <= bytes.len());
    let requests = whole.requests(bytes).zip(parts.requests(bytes));
    for (one, other) in requests {
        assert!(!one.is_empty());
        assert!(one.args().eq(other.args()));
        assert!(one.args().map(<[u8]>::len).sum::<usize>() <= bytes.len());
    }
    assert_eq!(whole.len(), parts.len());
});
