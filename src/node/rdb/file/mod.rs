//! Whole RDB files: what stands in front of, between and behind the values.
//!
//! ```text
//! | REDIS0010 | (250 | name | value) … | (245 | source of a library) … |
//! | 254 | database | 251 | keys | of them expiring | key … | … | 255 | CRC64, 8 bytes |
//! key: | 252 | milliseconds since 1970, 8 bytes | (248 | seconds not used) or (249 | frequency) | type | name | value |
//! ```
//!
//! [`Writer`] and [`Reader`] go over any `io::Write` and `io::Read`, a bit at a time: neither keeps more than one value. They know
//! nothing of directories, of the keyspace's lock, or of what becomes of what is read.

mod error;
mod read;
#[cfg(test)]
mod tests;
mod window;
mod write;

pub use error::{ReadError, Why};
pub use read::{Entry, Item, Reader};
pub use write::{Settings, Used, Writer, write_element, write_entry, write_entry_in_parts};

/// What every file begins with, before four digits of its version.
const MAGIC: &[u8; 5] = b"REDIS";
/// Since this version files end with a checksum.
const VERSION_OF_CHECKSUM: u16 = 5;

const SLOT_INFO: u8 = 244;
const FUNCTION_BEFORE_7: u8 = 246;
const MODULE_AUX: u8 = 247;
const IDLE: u8 = 248;
const FREQUENCY: u8 = 249;
const AUX: u8 = 250;
const RESIZE: u8 = 251;
const EXPIRY: u8 = 252;
const EXPIRY_SECONDS: u8 = 253;
const SELECT: u8 = 254;
const END: u8 = 255;
