//! How the replies of several nodes become one: a file for each way, behind [`Merge`]. Bytes in, bytes out; whom to ask and when all
//! have answered is in [`super::gather`].

mod acknowledged;
mod agreement;
mod all_succeeded;
mod by_key;
mod called;
pub(super) mod elements;
pub(super) mod failures;
mod first;
mod folded;
mod groups;
pub(super) mod in_turns;
pub(super) mod info;
mod key_count;
mod keys;
mod located;
pub(super) mod moved;
mod random_key;
mod scan;
pub(super) mod servers;
mod sets;
mod slot_keys;
mod sorted;
mod sorted_sets;
mod streams;
mod strings;
mod subscribers;
pub(super) mod sum;

use std::{fmt::Debug, sync::Arc};

pub(super) use self::{
    acknowledged::Acknowledged,
    agreement::{AnySucceeded, Exists, Running, Same},
    all_succeeded::AllSucceeded,
    by_key::ByKey,
    called::{Called, Help},
    first::{First, How, Wanted},
    folded::Folded,
    groups::{Groups, Part},
    info::Info,
    key_count::KeyCount,
    keys::Keys,
    located::Located,
    random_key::RandomKey,
    scan::Scan,
    sets::Sets,
    slot_keys::SlotKeys,
    sorted::Sorted,
    sorted_sets::SortedSets,
    streams::{LastIds, Streams, last_id, last_ids},
    strings::{HyperLogLogs, Subsequence},
    subscribers::{Counts, Names, Patterns},
    sum::Sum,
};
use self::{elements::Elements, in_turns::Selection};
use super::{
    gather::{Gather, PartReply},
    routing::{NodeIndex, Routing},
    shared::Shared,
};
use crate::time::Millis;

/// A way to merge. A value of it belongs to one request.
pub(super) trait Merge: Debug + Send + Sync {
    /// Whether replies may be errors. Otherwise, if some are, one error is made of them without asking this.
    fn takes_errors(&self) -> bool {
        false
    }

    /// Whether the request waits for others to act, for ever perhaps.
    fn waits(&self) -> bool {
        false
    }

    /// Makes one reply of all in the empty `out`.
    fn merge(&self, gather: &Gather, around: &mut Around<'_>, out: &mut Vec<u8>) -> Merged;

    /// What the client is told if parts failed. `first` is what the first of them says.
    fn error(&self, _: &Gather, first: Vec<u8>) -> Vec<u8> {
        first
    }
}

/// What there is beside the replies.
#[derive(Debug)]
pub(super) struct Around<'a> {
    /// The table of now; the nodes were asked by an older one, perhaps.
    pub(super) current: &'a Arc<Routing>,
    pub(super) shared: &'a Shared,
    pub(super) wall: Millis,
    pub(super) random: &'a mut fastrand::Rng,
}

/// What has become of the replies.
#[derive(Debug)]
pub(super) enum Merged {
    /// One reply.
    Done,
    /// They do not have the form they should have.
    Misfit,
    /// They are large: to be done in many turns.
    InTurns(InTurns),
    /// Something else is to be asked first.
    Ask(Question),
    /// The sources of these digests may be known to other proxies: to be merged in this way when those have answered.
    Elsewhere(Vec<String>, Box<dyn Merge>),
}

impl Merged {
    /// Done, if there is something.
    fn when(done: Option<()>) -> Self {
        done.map_or(Self::Misfit, |()| Self::Done)
    }
}

/// Large replies to be merged.
#[derive(Debug)]
pub(super) struct InTurns {
    pub(super) selection: Selection,
    /// Keys count if their slots are before this one.
    pub(super) before: usize,
    /// Where in a reply the elements are.
    pub(super) elements: for<'a> fn(&'a [u8]) -> Option<Elements<'a>>,
}

/// What nodes are asked, and how their replies are merged.
#[derive(Debug)]
pub(super) struct Question {
    /// One part of the replies each.
    pub(super) asks: Vec<Ask>,
    pub(super) merge: Box<dyn Merge>,
}

/// What one node is asked.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) node: NodeIndex,
    pub(super) arguments: Arc<[Vec<u8>]>,
}

impl Ask {
    pub(super) fn new<'a>(node: NodeIndex, arguments: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self { node, arguments: arguments.into_iter().map(<[u8]>::to_vec).collect() }
    }
}

impl Question {
    /// The same arguments for some nodes.
    pub(super) fn new<'a>(
        nodes: &[NodeIndex],
        arguments: impl IntoIterator<Item = &'a [u8]>,
        merge: impl Merge + 'static,
    ) -> Self {
        let arguments: Arc<[Vec<u8>]> = arguments.into_iter().map(<[u8]>::to_vec).collect();
        let asks = nodes.iter().map(|&node| Ask { node, arguments: Arc::clone(&arguments) }).collect();
        Self { asks, merge: Box::new(merge) }
    }
}
