//! The longest pauses while a keyspace grows from nothing to ten million keys of 16 bytes with values of 64.
//!
//! `cargo bench --bench growth [-- KEYS]`. Every insertion is timed by itself; what the operating system takes away from the
//! thread meanwhile counts too, so run it on a quiet machine. Needs some 1.3 GB of memory.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{Duration, Instant};

use redis_cluster::{
    node::keyspace::{Key, Keyspace, Ttl, Value},
    time::Millis,
};

/// The longest that are printed.
const LONGEST: usize = 10;

fn main() {
    let keys = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10_000_000_u64);
    let mut keyspace = Keyspace::new(1);
    let access = keyspace.access(Millis(0), true);
    let mut longest: Vec<(Duration, u64)> = Vec::with_capacity(LONGEST + 1);
    let mut over = [0_u64; 4];
    let bounds = [10, 100, 1_000, 5_000].map(Duration::from_micros);
    let started = Instant::now();
    let mut before = started;
    for number in 0..keys {
        let name = format!("key:{number:012}");
        keyspace.db_mut(0).set(Key::new(name.as_bytes()), Value::Bytes(&[b'v'; 64]), Ttl::None, access);
        let now = Instant::now();
        let took = now - before;
        before = now;
        for (count, bound) in over.iter_mut().zip(bounds) {
            *count += u64::from(took > bound);
        }
        if longest.len() < LONGEST || took > longest[LONGEST - 1].0 {
            longest.insert(longest.partition_point(|(other, _)| *other > took), (took, number));
            longest.truncate(LONGEST);
        }
    }
    println!("{keys} keys in {:.1} s", started.elapsed().as_secs_f64());
    for (count, bound) in over.iter().zip(bounds) {
        println!("  over {:>5} µs: {count} insertions", bound.as_micros());
    }
    println!("  longest, with how many keys there were:");
    for (took, number) in longest {
        println!("  {:>9.1} µs at {number}", took.as_secs_f64() * 1e6);
    }
}
