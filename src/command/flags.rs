//! Sets of properties that `COMMAND INFO` lists, in the order and with the names of Redis 7.0.

/// A set of named bits. Listing it gives the names in the order of declaration.
macro_rules! bit_set {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $bit:ident $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(u32);

        bit_set!(@consts $name 0, $($(#[$doc])* $bit)*);

        impl $name {
            const NAMES: &'static [&'static str] = &[$($text),*];

            /// The empty set.
            pub const NONE: Self = Self(0);

            /// Every element of `sets`.
            #[must_use]
            pub const fn of(sets: &[Self]) -> Self {
                let (mut all, mut at) = (0, 0);
                while at < sets.len() {
                    all |= sets[at].0;
                    at += 1;
                }
                Self(all)
            }

            /// Both sets together.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether every element of `other` is in this set.
            #[must_use]
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any element of `other` is in this set.
            #[must_use]
            pub const fn has_any(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Elements.
            #[must_use]
            pub const fn len(self) -> usize {
                self.0.count_ones() as usize
            }

            /// Whether there is no element.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Names of the elements, as Redis prints them.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| *name)
            }

            /// The one element of this name, in any case of letters.
            #[must_use]
            pub fn named(name: &[u8]) -> Option<Self> {
                let bit = Self::NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
                Some(Self(1 << bit))
            }

            /// Names of all elements there are.
            #[must_use]
            pub const fn all_names() -> &'static [&'static str] {
                Self::NAMES
            }
        }
    };
    (@consts $name:ident $at:expr,) => {};
    (@consts $name:ident $at:expr, $(#[$doc:meta])* $bit:ident $($rest:tt)*) => {
        impl $name {
            $(#[$doc])*
            pub const $bit: Self = Self(1 << ($at));
        }
        bit_set!(@consts $name $at + 1, $($rest)*);
    };
}

bit_set! {
    /// What a command is like, to those who admit or schedule it.
    Flags {
        /// May change keys.
        WRITE "write",
        /// Reads keys and changes none.
        READONLY "readonly",
        /// Refused when memory is short.
        DENYOOM "denyoom",
        /// For operators.
        ADMIN "admin",
        /// About channels.
        PUBSUB "pubsub",
        /// Not from scripts.
        NOSCRIPT "noscript",
        /// May wait for others to act.
        BLOCKING "blocking",
        /// Also while data is being loaded.
        LOADING "loading",
        /// Also on a replica that lost its master.
        STALE "stale",
        /// Not shown to `MONITOR`.
        SKIP_MONITOR "skip_monitor",
        /// Not kept in the slow log.
        SKIP_SLOWLOG "skip_slowlog",
        /// Acts as if `ASKING` came before it.
        ASKING "asking",
        /// O(1) or O(log N).
        FAST "fast",
        /// Before authentication.
        NO_AUTH "no_auth",
        /// Has key arguments, but may come without any.
        NO_MANDATORY_KEYS "no_mandatory_keys",
        /// Not while a replica loads data in the background.
        NO_ASYNC_LOADING "no_async_loading",
        /// Not inside a transaction.
        NO_MULTI "no_multi",
        /// First, last and step do not tell where the keys are.
        MOVABLEKEYS "movablekeys",
        /// Also while a script hogs the server.
        ALLOW_BUSY "allow_busy",
    }
}

bit_set! {
    /// Categories of access control lists, without their `@`.
    Acl {
        /// Keys of any type.
        KEYSPACE "keyspace",
        /// Reads keys.
        READ "read",
        /// Changes keys.
        WRITE "write",
        /// Sets.
        SET "set",
        /// Sorted sets.
        SORTEDSET "sortedset",
        /// Lists.
        LIST "list",
        /// Hashes.
        HASH "hash",
        /// Strings.
        STRING "string",
        /// Bits of strings.
        BITMAP "bitmap",
        /// Cardinality estimates.
        HYPERLOGLOG "hyperloglog",
        /// Places on earth.
        GEO "geo",
        /// Streams.
        STREAM "stream",
        /// Channels.
        PUBSUB "pubsub",
        /// For operators.
        ADMIN "admin",
        /// O(1) or O(log N).
        FAST "fast",
        /// Everything that is not fast.
        SLOW "slow",
        /// May wait.
        BLOCKING "blocking",
        /// Can harm: slow on big data, or not for applications.
        DANGEROUS "dangerous",
        /// The connection itself.
        CONNECTION "connection",
        /// Transactions.
        TRANSACTION "transaction",
        /// Scripts and functions.
        SCRIPTING "scripting",
    }
}

bit_set! {
    /// What a command does to keys at one place of its arguments. The first four: whether the *value* is touched.
    KeyFlags {
        /// Reads, changes nothing.
        RO "RO",
        /// Reads and changes.
        RW "RW",
        /// Overwrites whatever is there.
        OW "OW",
        /// Removes.
        RM "RM",
        /// Content, or things derived from it, are returned or copied.
        ACCESS "access",
        /// Data is changed, depending on what was there.
        UPDATE "update",
        /// Data is added, whatever was there.
        INSERT "insert",
        /// Data is removed.
        DELETE "delete",
        /// Not a key, but it goes where a key of this name would.
        NOT_KEY "not_key",
        /// There are keys that the specification does not find.
        INCOMPLETE "incomplete",
        /// The other flags depend on arguments.
        VARIABLE_FLAGS "variable_flags",
    }
}

/// The family of a command, as `COMMAND DOCS` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Group {
    Generic,
    String,
    Hash,
    List,
    Set,
    SortedSet,
    Stream,
    Geo,
    Hyperloglog,
    Bitmap,
    Pubsub,
    Transactions,
    Scripting,
    Connection,
    Server,
    Cluster,
}

impl Group {
    /// `sorted-set`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::Hash => "hash",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Stream => "stream",
            Self::Geo => "geo",
            Self::Hyperloglog => "hyperloglog",
            Self::Bitmap => "bitmap",
            Self::Pubsub => "pubsub",
            Self::Transactions => "transactions",
            Self::Scripting => "scripting",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Cluster => "cluster",
        }
    }
}
