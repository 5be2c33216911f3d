//! Why a file cannot be read on: what was being read, where it begins, and where it broke.

use std::{fmt, io};

use crate::node::rdb::{Fault, NEWEST, value::Unreadable};

/// A file that cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("at byte {at}, in {what}: {why}")]
pub struct ReadError {
    /// Bytes that were read by then.
    pub at: u64,
    /// What was being read.
    pub what: What,
    /// What is wrong with it.
    #[source]
    pub why: Why,
}

/// What was being read, and at which byte that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The first nine bytes.
    Header,
    /// What stands in front of keys, databases and the end.
    Mark(u64),
    /// A name and its value about the file itself.
    Aux(u64),
    /// A library of functions.
    Function(u64),
    /// The so many-th key of a database.
    Key {
        /// Counted from 1.
        number: u64,
        /// Its database.
        database: usize,
        /// Where its type stands.
        begins: u64,
    },
    /// The last eight bytes.
    Checksum,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::Mark(begins) => write!(f, "the mark that begins at byte {begins}"),
            Self::Aux(begins) => write!(f, "the field about the file that begins at byte {begins}"),
            Self::Function(begins) => write!(f, "the library of functions that begins at byte {begins}"),
            Self::Key { number, database, begins } => {
                write!(f, "key number {number} of database {database}, which begins at byte {begins}")
            }
            Self::Checksum => f.write_str("the checksum"),
        }
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The bytes.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The system.
    #[error("cannot read: {0}")]
    Io(#[source] io::Error),
    /// It does not begin as one.
    #[error("this is no RDB file: it does not begin with REDIS and four digits")]
    Magic,
    /// A version that came after this program.
    #[error("this is a file of RDB version {0}; versions 1 to {NEWEST} are read")]
    Version(u16),
    /// A byte that begins nothing.
    #[error("nothing begins with byte {0}")]
    Unknown(u8),
    /// A type that this node does not have.
    #[error("this node has no {0}")]
    Type(&'static str),
    /// Something of a module.
    #[error(
        "it belongs to the module type '{0}', and this node has no modules: delete such keys where they come from, and save again"
    )]
    Module(String),
    /// The format of a release candidate.
    #[error("it is in the form of a release candidate of Redis 7.0, which no release reads")]
    FunctionBefore7,
    /// Bytes have changed since the file was written.
    #[error("the file has {stored:016x}, its content {computed:016x}: bytes of it have changed")]
    Checksum {
        /// What stands there.
        stored: u64,
        /// What it would have to be.
        computed: u64,
    },
}

impl From<Unreadable> for Why {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Type(name) => Self::Type(name),
            Unreadable::Unknown(kind) => Self::Unknown(kind),
            Unreadable::Fault(fault) => Self::Fault(fault),
        }
    }
}
