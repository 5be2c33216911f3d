//! What a proxy does with a command.

use super::{Flags, Spec};
use crate::protocol::Request;

/// What a proxy does with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// All keys in one slot: forwarded as it is to the slot's owner.
    OneSlot,
    /// One request per node, replies merged in the order of the keys.
    Split(Merge),
    /// To every node; replies merged.
    AllNodes(Merge),
    /// Answered by the proxy.
    Local,
    /// Not possible through a proxy, and why (a clause that begins in lower case).
    Refused(&'static str),
}

/// How replies of several nodes become one. Names follow Redis's response policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Arrays whose elements belong to the keys, in their order.
    ByKey,
    /// Integers are added.
    Sum,
    /// OK if all are OK, otherwise the first error.
    AllSucceeded,
    /// The command has a rule of its own in the proxy.
    Special,
}

/// Why blocking commands are refused.
pub const BLOCKING: &str =
    "a command that waits needs a connection of its own to the node, which proxies do not make yet";
/// Why a command that could name keys but names none is refused.
pub const NO_KEY: &str = "it names no key, so there is no telling which node should run it";
/// Why `SORT` with a pattern is refused.
pub const SORT_PATTERN: &str = "BY and GET read keys that may be on other nodes";

impl Spec {
    /// What a proxy does with this request of the command: [`Spec::route`], except where options make it impossible.
    #[must_use]
    pub fn route_for(&self, request: &Request<'_>) -> Route {
        if self.route == Route::OneSlot && self.flags.has_any(Flags::BLOCKING.with(Flags::MOVABLEKEYS)) {
            if self.flags.has(Flags::BLOCKING) && self.waits(request) {
                return Route::Refused(BLOCKING);
            }
            if matches!(self.name, "sort" | "sort_ro") && sorts_by_pattern(request) {
                return Route::Refused(SORT_PATTERN);
            }
        }
        self.route
    }

    /// Whether this request may wait for others to act: `XREAD` only with `BLOCK`, others always.
    #[must_use]
    pub fn waits(&self, request: &Request<'_>) -> bool {
        if !self.flags.has(Flags::BLOCKING) {
            return false;
        }
        if !matches!(self.name, "xread" | "xreadgroup") {
            return true;
        }
        request
            .args_from(1)
            .take_while(|word| !word.eq_ignore_ascii_case(b"streams"))
            .any(|word| word.eq_ignore_ascii_case(b"block"))
    }
}

/// Whether `SORT` looks at keys other than the ones it names.
fn sorts_by_pattern(request: &Request<'_>) -> bool {
    let mut at = 2;
    while let Some(word) = request.get(at) {
        let value = request.get(at + 1);
        if word.eq_ignore_ascii_case(b"limit") {
            at += 3;
        } else if word.eq_ignore_ascii_case(b"by") {
            if value.is_some_and(|pattern| pattern.contains(&b'*')) {
                return true;
            }
            at += 2;
        } else if word.eq_ignore_ascii_case(b"get") {
            if value.is_some_and(|pattern| pattern != b"#") {
                return true;
            }
            at += 2;
        } else if word.eq_ignore_ascii_case(b"store") {
            at += 2;
        } else {
            at += 1;
        }
    }
    false
}
