//! Get, set and delete over a million keys of 16 bytes with values of 64, in batches as a pipeline brings them.
//!
//! `cargo bench --bench keyspace`. Batches are 16 commands; "fetched" asks for the memory of a batch before it runs.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use redis_cluster::{
    node::keyspace::{Key, Keyspace, Place, Ttl, Value},
    time::Millis,
};

const KEYS: u64 = 1_000_000;
const BATCH: usize = 16;

fn name(number: u64) -> [u8; 16] {
    let mut name = *b"key:000000000000";
    let mut rest = number;
    for byte in name[4..].iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    name
}

/// Numbers that look random, all different within 2^64.
fn scattered(index: u64) -> u64 {
    let mixed = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((u128::from(mixed) * u128::from(KEYS)) >> 64) as u64
}

fn filled() -> Keyspace {
    let mut keyspace = Keyspace::new(1);
    let access = keyspace.access(Millis(0), true);
    for number in 0..KEYS {
        let key = name(number);
        keyspace.db_mut(0).set(Key::new(&key), Value::Bytes(&[b'v'; 64]), Ttl::None, access);
    }
    keyspace
}

fn batch(next: &mut u64) -> [[u8; 16]; BATCH] {
    std::array::from_fn(|_| {
        *next += 1;
        name(scattered(*next))
    })
}

fn bench(criterion: &mut Criterion) {
    let mut keyspace = filled();
    let access = keyspace.access(Millis(1000), true);
    let mut group = criterion.benchmark_group("keyspace");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut next = 0;
    for fetched in [false, true] {
        let label = if fetched { "fetched" } else { "plain" };
        let places = |keyspace: &Keyspace, keys: &[[u8; 16]; BATCH]| -> [Place; BATCH] {
            let places = std::array::from_fn(|at| Place::of(&keys[at]));
            if fetched {
                keyspace.prefetch(0, &places, false);
            }
            places
        };
        group.bench_function(BenchmarkId::new("get", label), |bencher| {
            bencher.iter_batched(
                || batch(&mut next),
                |keys| {
                    let places = places(&keyspace, &keys);
                    for (key, place) in keys.iter().zip(places) {
                        match keyspace
                            .db_mut(0)
                            .read_string(Key::with_place(key, place), access)
                            .expect("all are strings")
                        {
                            Some(Value::Bytes(bytes)) => {
                                black_box(bytes.iter().fold(0, |sum, byte| sum ^ byte))
                            }
                            other => panic!("{other:?} was set as bytes"),
                        };
                    }
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("set", label), |bencher| {
            bencher.iter_batched(
                || batch(&mut next),
                |keys| {
                    let places = places(&keyspace, &keys);
                    for (key, place) in keys.iter().zip(places) {
                        let key = Key::with_place(key, place);
                        keyspace.db_mut(0).set(key, Value::Bytes(&[b'w'; 64]), Ttl::None, access);
                    }
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("delete and set", label), |bencher| {
            bencher.iter_batched(
                || batch(&mut next),
                |keys| {
                    let places = places(&keyspace, &keys);
                    for (key, place) in keys.iter().zip(places) {
                        let key = Key::with_place(key, place);
                        black_box(keyspace.db_mut(0).remove(key, access.now));
                        keyspace.db_mut(0).set(key, Value::Bytes(&[b'w'; 64]), Ttl::None, access);
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
