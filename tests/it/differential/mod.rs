//! The same requests to a real redis-server and to us: replies must be the same bytes.

mod compare;
mod node;
mod peer;
mod random;
mod table;
