//! The words that rows are written with.

pub(super) use crate::command::{
    Acl, Group, Merge, Route,
    arg::{block, double, integer, key, one_of, pattern, string, token, unix_time},
    keys::{ByCode, after, all_after, at, counted, half_after, range, unknown},
    route::reason,
    route::{Algebra, Combine, Scripted, Servers, Take},
    spec::{Row, command},
};
use crate::command::{Flags, KeyFlags};

/// The names of flags without their type; those of commands and of keys do not overlap.
macro_rules! short {
    ($type:ident: $($name:ident)*) => {
        $(pub(super) const $name: $type = $type::$name;)*
    };
}

short!(Flags: WRITE READONLY DENYOOM ADMIN PUBSUB NOSCRIPT BLOCKING LOADING STALE SKIP_MONITOR SKIP_SLOWLOG ASKING
    FAST NO_AUTH NO_MANDATORY_KEYS NO_ASYNC_LOADING NO_MULTI ALLOW_BUSY);
short!(KeyFlags: RO RW OW RM ACCESS UPDATE INSERT DELETE NOT_KEY INCOMPLETE VARIABLE_FLAGS);
