//! The same requests to a real redis-server and to us: replies must be the same bytes.

mod compare;
mod connections;
mod conversations;
mod node;
mod patterns;
mod peer;
mod proxy;
mod random;
mod suite;
mod table;
