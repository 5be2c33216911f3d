//! What parsing a request and writing a reply cost: `cargo bench --bench protocol`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use redis_cluster::protocol::{Batch, Encoder, Limits, Value, Version};

fn pipeline(request: &[&[u8]], depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..depth {
        redis_cluster::protocol::encode_command(&mut bytes, request);
    }
    bytes
}

fn protocol(criterion: &mut Criterion) {
    let limits = Limits::default();
    let value = vec![b'v'; 64];
    let mut group = criterion.benchmark_group("protocol");
    for (name, request) in [
        ("GET", vec![&b"GET"[..], b"key:000000123456"]),
        ("SET 64 B", vec![&b"SET"[..], b"key:000000123456", &value]),
    ] {
        for depth in [1, 16, 64] {
            let stream = pipeline(&request, depth);
            group.throughput(Throughput::Elements(depth as u64));
            group.bench_function(format!("parse {name}, pipeline {depth}"), |bencher| {
                let mut batch = Batch::default();
                bencher.iter(|| {
                    batch.parse(black_box(&stream), &limits).expect("valid");
                    let bytes: usize = batch.requests(&stream).map(|request| request.arg(1).len()).sum();
                    batch.restart();
                    bytes
                });
            });
        }
    }
    group.throughput(Throughput::Elements(64));
    group.bench_function("encode 64 bulk replies of 64 B", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            let mut encoder = Encoder::new(&mut out, Version::Resp2);
            for _ in 0..64 {
                encoder.bulk(black_box(&value));
            }
            out.len()
        });
    });
    group.throughput(Throughput::Elements(1));
    let reply = b"*3\r\n$3\r\nabc\r\n:12\r\n*1\r\n+OK\r\n";
    group.bench_function("decode a nested reply", |bencher| bencher.iter(|| Value::decode(black_box(reply))));
    group.finish();
}

criterion_group!(benches, protocol);
criterion_main!(benches);
