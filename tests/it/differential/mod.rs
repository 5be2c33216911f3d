//! The same requests to a real redis-server and to us: replies must be the same bytes.

mod acl_file;
mod acl_rules;
mod changes;
mod compare;
mod connections;
mod conversations;
mod logs;
mod node;
mod patterns;
mod peer;
mod proxy;
mod random;
mod shrink;
mod suite;
mod table;

pub(crate) use peer::with_their_version;

/// Whether redis-server 7.0, to which everything is compared, has what came with this version.
fn is_in_redis_7_0(since: &str) -> bool {
    let mut numbers = since.split('.').map(|number| number.parse::<u32>().expect("a version"));
    (numbers.next(), numbers.next()) <= (Some(7), Some(0))
}
