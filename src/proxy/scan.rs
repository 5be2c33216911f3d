//! One `SCAN` cursor over many nodes. Pure: what to ask whom, and where to go on. See `doc/decisions/0003-scan-cursor.md`.
//!
//! Our nodes are walked by slot, whoever owns it: their cursor is a slot and a threshold of the key's hash. Each has a hash of its
//! own, so the slot that a walk stopped in begins again if the topology changed meanwhile: it may have another owner. Stock servers
//! have cursors of their own and no index by slot; they are scanned whole, one after the other, before the walk, and where there are any, all begins
//! again then. A key may be returned twice, as `SCAN` allows; none that lives through the scan is missed.

use super::routing::{NodeIndex, Routing};
use crate::slot::{CURSOR_HASH_BITS, SLOTS, SlotId};

/// Above all cursors: a number that a double holds exactly.
const END: u64 = 1 << 53;
const WALK: u64 = 1 << 52;
const TAG_SHIFT: u32 = 42;
/// Tags are 1 to this, so that no position but the beginning is 0.
const TAGS: u64 = (1 << (52 - TAG_SHIFT)) - 1;
const STOCK_ORDINAL_SHIFT: u32 = 34;
/// Cursors of stock servers that ours have room for are below this.
pub(super) const STOCK_CURSOR_END: u64 = 1 << STOCK_ORDINAL_SHIFT;
const STOCK_CURSOR_MAX: u64 = STOCK_CURSOR_END - 1;
/// Stock servers that slots may be spread over, for `SCAN` to know them apart.
const STOCK_MAX: usize = 256;
const HASH_BITS: u32 = 28;
/// Bits of a node's hash threshold that the cursor has no room for.
const HASH_DROPPED: u32 = CURSOR_HASH_BITS - HASH_BITS;

/// Where a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// In the stock server of this place among those that own slots, at its own cursor.
    Stock { ordinal: usize, cursor: u64 },
    /// On our nodes, before the keys of this slot whose hash is at least this, by the hash of its owner in the epoch of the tag.
    Walk { slot: usize, hash: u64 },
}

/// A position, and the tag of the epoch in which it was told: 0 before any was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    tag: u64,
    position: Position,
}

/// The next question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// Whom.
    pub(super) node: NodeIndex,
    /// Its cursor.
    pub(super) cursor: u64,
    /// Keys of this slot and later ones come another time.
    pub(super) before: usize,
    from: Cursor,
}

/// What a node's answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Tell the client this cursor; 0: the scan is complete.
    Cursor(u64),
    /// The rounded cursor is where it was: ask for more at once.
    AskMore,
    /// The server's cursor has no place in ours.
    TooLarge,
}

impl Cursor {
    /// What a client sent.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let number: u64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        if number >= END {
            return None;
        }
        let tag = (number >> TAG_SHIFT) & TAGS;
        let position = if number & WALK == 0 {
            Position::Stock {
                ordinal: (number >> STOCK_ORDINAL_SHIFT) as usize % STOCK_MAX,
                cursor: number & STOCK_CURSOR_MAX,
            }
        } else {
            Position::Walk {
                slot: (number >> HASH_BITS) as usize % SLOTS,
                hash: number & ((1 << HASH_BITS) - 1),
            }
        };
        Some(Self { tag, position })
    }

    fn to_number(self) -> u64 {
        let position = match self.position {
            Position::Stock { ordinal, cursor } => (ordinal as u64) << STOCK_ORDINAL_SHIFT | cursor,
            Position::Walk { slot, hash } => WALK | (slot as u64) << HASH_BITS | hash,
        };
        self.tag << TAG_SHIFT | position
    }

    /// Whom to ask from here; `None` when there is nothing left.
    pub(super) fn ask(self, routing: &Routing) -> Option<Ask> {
        let stock: Vec<NodeIndex> = routing
            .owning()
            .iter()
            .copied()
            .filter(|&node| is_stock(routing, node))
            .take(STOCK_MAX)
            .collect();
        let tag = tag(routing);
        let start = Position::Stock { ordinal: 0, cursor: 0 };
        let mut position = match self.position {
            Position::Stock { .. } if self.tag != tag => start,
            // A slot that was walked past on a stock server may have come from one of ours meanwhile.
            Position::Walk { .. } if self.tag != tag && !stock.is_empty() => start,
            // Whoever owns the slot now may have another hash than who gave the threshold.
            Position::Walk { slot, .. } if self.tag != tag => Position::Walk { slot, hash: 0 },
            position => position,
        };
        if let Position::Stock { ordinal, cursor } = position {
            if let Some(&node) = stock.get(ordinal) {
                return Some(Ask { node, cursor, before: SLOTS, from: Self { tag, position } });
            }
            position = Position::Walk { slot: 0, hash: 0 };
        }
        let Position::Walk { slot: from, hash } = position else { return None };
        let walked = |slot: usize| owner(routing, slot).filter(|&node| !is_stock(routing, node));
        let slot = (from..SLOTS).find(|&slot| walked(slot).is_some())?;
        let node = walked(slot)?;
        let hash = if slot == from { hash } else { 0 };
        let before = (slot..SLOTS).find(|&slot| walked(slot) != Some(node)).unwrap_or(SLOTS);
        let cursor = (slot as u64) << CURSOR_HASH_BITS | hash << HASH_DROPPED;
        Some(Ask { node, cursor, before, from: Self { tag, position: Position::Walk { slot, hash } } })
    }
}

impl Ask {
    /// The same question by the table of now.
    pub(super) fn again(&self, routing: &Routing) -> Option<Self> {
        self.from.ask(routing)
    }

    /// Where to go on after the node answered with its cursor `answered`.
    pub(super) fn next(&self, answered: u64, routing: &Routing) -> Next {
        let tag = self.from.tag;
        let position = match self.from.position {
            Position::Stock { ordinal, .. } if answered == 0 => {
                Position::Stock { ordinal: ordinal + 1, cursor: 0 }
            }
            Position::Stock { .. } if answered > STOCK_CURSOR_MAX => return Next::TooLarge,
            Position::Stock { ordinal, .. } => Position::Stock { ordinal, cursor: answered },
            Position::Walk { .. } => {
                let slot = (answered >> CURSOR_HASH_BITS) as usize;
                if answered == 0 || slot >= self.before {
                    Position::Walk { slot: self.before, hash: 0 }
                } else {
                    Position::Walk { slot, hash: (answered & ((1 << CURSOR_HASH_BITS) - 1)) >> HASH_DROPPED }
                }
            }
        };
        if position == self.from.position {
            return Next::AskMore;
        }
        // Whether anything is left is seen with the table of now; a later one may differ and is asked then.
        match (Self::settle(Cursor { tag, position }, routing), position) {
            (None, _) => Next::Cursor(0),
            (Some(cursor), _) => Next::Cursor(cursor.to_number()),
        }
    }

    /// The first position from here on that somebody has to be asked about.
    fn settle(cursor: Cursor, routing: &Routing) -> Option<Cursor> {
        if cursor.tag != tag(routing) {
            // The table changed under way; the next call begins with the new one.
            return match cursor.position {
                Position::Walk { slot, .. } if slot >= SLOTS => cursor.ask(routing).map(|ask| ask.from),
                _ => Some(cursor),
            };
        }
        cursor.ask(routing).map(|ask| ask.from)
    }
}

/// What tells epochs apart, as far as there is room.
fn tag(routing: &Routing) -> u64 {
    1 + routing.epoch().0 % TAGS
}

fn owner(routing: &Routing, slot: usize) -> Option<NodeIndex> {
    routing.owner(SlotId::new(u16::try_from(slot).ok()?)?)
}

fn is_stock(routing: &Routing, node: NodeIndex) -> bool {
    routing.member(node).is_some_and(|member| member.is_stock())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::Arc,
    };

    use proptest::prelude::*;

    use super::*;
    use crate::{
        cluster::topology::Topology,
        id::Epoch,
        proxy::{
            routing::{Access, Member},
            tenure::Tenure,
        },
        slot::SlotRange,
    };

    /// Members 0 and 1 are ours, 2 and 3 are stock servers; `owners` cuts the slots into equal ranges.
    fn routing(epoch: u64, owners: &[usize]) -> Routing {
        let members = (0..4)
            .map(|index| {
                let scheme = if index < 2 { "http" } else { "redis" };
                Some(Arc::new(Member {
                    id: index.to_string().parse().unwrap(),
                    address: format!("{scheme}://127.0.0.1:{}", 7000 + index).parse().unwrap(),
                    access: Access::Closed(String::new()),
                }))
            })
            .collect();
        let mut topology = Topology { epoch: Epoch(epoch), ..Topology::default() };
        let width = SLOTS / owners.len();
        for (place, owner) in owners.iter().enumerate() {
            let slot = |number: usize| SlotId::new(number as u16).unwrap();
            let range = SlotRange::new(slot(place * width), slot((place + 1) * width - 1)).unwrap();
            topology.slots.push((range, owner.to_string().parse().unwrap()));
        }
        Routing::new(topology, members, Tenure::default())
    }

    /// Keys by slot and number.
    type Keys = BTreeSet<(usize, u64)>;

    const HASHES: u64 = 1 << CURSOR_HASH_BITS;

    /// The hash that a node of ours gives to a key: the first its number, the other something else in another order.
    fn hash(node: NodeIndex, number: u64) -> u64 {
        if node == 0 { number } else { number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % HASHES }
    }

    /// A node of ours in small.
    fn node_scan(
        node: NodeIndex,
        keys: &Keys,
        owned: impl Fn(usize) -> bool,
        cursor: u64,
        count: usize,
    ) -> (u64, Vec<(usize, u64)>) {
        let from = ((cursor >> CURSOR_HASH_BITS) as usize, cursor % HASHES);
        let mine: BTreeMap<(usize, u64), u64> = keys
            .iter()
            .filter(|&&(slot, _)| owned(slot))
            .map(|&(slot, number)| ((slot, hash(node, number)), number))
            .collect();
        let mut rest = mine.range(from..);
        let found = rest.by_ref().take(count).map(|(&(slot, _), &number)| (slot, number)).collect();
        (rest.next().map_or(0, |(&(slot, hash), _)| (slot as u64) << CURSOR_HASH_BITS | hash), found)
    }

    /// A stock server in small: keys in one order, the cursor is a place.
    fn stock_scan(
        keys: &Keys,
        owned: impl Fn(usize) -> bool,
        cursor: u64,
        count: usize,
    ) -> (u64, Vec<(usize, u64)>) {
        let mine: Vec<_> = keys.iter().copied().filter(|&(slot, _)| owned(slot)).collect();
        let end = (cursor as usize + count).min(mine.len());
        let found = mine.get(cursor as usize..end).unwrap_or_default().to_vec();
        (if end >= mine.len() { 0 } else { end as u64 }, found)
    }

    #[test]
    fn numbers_come_back_and_fit_a_double() {
        for position in [
            Position::Stock { ordinal: 255, cursor: STOCK_CURSOR_MAX },
            Position::Stock { ordinal: 0, cursor: 1 },
            Position::Walk { slot: 0, hash: 0 },
            Position::Walk { slot: SLOTS - 1, hash: (1 << HASH_BITS) - 1 },
        ] {
            for tag in [1, TAGS] {
                let cursor = Cursor { tag, position };
                let number = cursor.to_number();
                assert!(number > 0 && number < 1 << 53);
                assert_eq!(number as f64 as u64, number);
                assert_eq!(Cursor::parse(number.to_string().as_bytes()), Some(cursor));
            }
        }
        for bad in ["", "-1", "x", "9007199254740992", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(Cursor::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_cursor_too_large_for_ours_is_said_so() {
        let routing = routing(1, &[2]);
        let ask = Cursor::parse(b"0").unwrap().ask(&routing).unwrap();
        assert_eq!(ask.next(STOCK_CURSOR_MAX + 1, &routing), Next::TooLarge);
        assert_eq!(ask.next(0, &routing), Next::Cursor(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        /// No key that lives through a scan is missed, while slots move between all kinds of members.
        #[test]
        fn complete_across_moves(
            keys in proptest::collection::btree_set((0usize..SLOTS, 0u64..1 << CURSOR_HASH_BITS), 0..120),
            clumped in proptest::collection::btree_set((0usize..3, 0u64..40), 0..60),
            // Without stock servers a walk is never begun again as a whole: half of the tables have none.
            tables in proptest::collection::vec(
                prop_oneof![proptest::collection::vec(0usize..4, 8), proptest::collection::vec(0usize..2, 8)],
                1..6,
            ),
            changes in proptest::collection::vec(1usize..8, 6),
            first_epoch in proptest::sample::select(vec![1, TAGS - 1, TAGS, 1023, 1024, 5 * TAGS - 2]),
            count in 1usize..9,
        ) {
            let keys: Keys = keys.into_iter().chain(clumped).collect();
            let routings: Vec<Routing> =
                (first_epoch..).zip(&tables).map(|(epoch, owners)| routing(epoch, owners)).collect();
            let mut seen = BTreeMap::new();
            let (mut number, mut asked, mut table) = (0u64, 0usize, 0usize);
            loop {
                let change_at: usize = changes.iter().take(table + 1).sum();
                if asked >= change_at && table + 1 < tables.len() {
                    table += 1;
                }
                let routing = &routings[table];
                let Some(ask) = Cursor::parse(number.to_string().as_bytes()).unwrap().ask(routing) else { break };
                let mut size = count;
                let next = loop {
                    let owned = |slot| owner(routing, slot) == Some(ask.node);
                    let (answered, found) = if is_stock(routing, ask.node) {
                        stock_scan(&keys, owned, ask.cursor, size)
                    } else {
                        node_scan(ask.node, &keys, owned, ask.cursor, size)
                    };
                    for key in found.into_iter().filter(|key| key.0 < ask.before) {
                        *seen.entry(key).or_insert(0) += 1;
                    }
                    match ask.next(answered, routing) {
                        Next::Cursor(next) => break next,
                        Next::AskMore => size *= 2,
                        Next::TooLarge => unreachable!("places are small"),
                    }
                };
                asked += 1;
                prop_assert!(asked < 10_000, "it does not end");
                if next == 0 {
                    break;
                }
                // As a client keeps it that has no integers.
                number = next as f64 as u64;
                prop_assert_eq!(number, next);
            }
            for key in &keys {
                prop_assert!(seen.contains_key(key), "{key:?} was missed");
            }
        }
    }
}
