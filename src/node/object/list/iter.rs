//! Walking a list, either way.

use super::{Chunk, End, View, chunk::ChunkRef, groups::Place};
use crate::node::object::Element;

/// Elements one after the other.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    view: View<'a>,
    to: End,
    chunk: Option<ChunkRef<'a>>,
    /// Of the element that comes next.
    place: Place,
    /// The same, as a position in the chunk's pack.
    at: usize,
}

impl<'a> Iter<'a> {
    pub(super) fn new(view: View<'a>, index: usize, to: End) -> Self {
        let place = match view {
            View::Packed(chunk) => (index < chunk.len).then_some(Place { group: 0, chunk: 0, index }),
            View::Large(groups) => groups.locate(index),
        };
        let mut iter = Self { view, to, chunk: None, place: Place { group: 0, chunk: 0, index: 0 }, at: 0 };
        if let Some(place) = place {
            iter.enter(place);
        }
        iter
    }

    fn enter(&mut self, place: Place) {
        let chunk = match self.view {
            View::Packed(chunk) => Some(chunk),
            View::Large(groups) => groups.chunk(place).map(Chunk::view),
        };
        (self.chunk, self.place) = (chunk, place);
        if let Some(chunk) = chunk {
            self.at = chunk.pack.position(place.index, chunk.len);
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let chunk = self.chunk?;
        let (pack, at) = (chunk.pack, self.at);
        let element = pack.get(at);
        let leaves = match self.to {
            End::Right => {
                self.at = pack.next(at);
                self.at == pack.end()
            }
            End::Left => {
                let first = at == pack.first();
                if !first {
                    self.at = pack.previous(at);
                }
                first
            }
        };
        if leaves {
            self.chunk = None;
            if let View::Large(groups) = self.view {
                let next = match self.to {
                    End::Right => groups.next_chunk(self.place),
                    End::Left => groups.previous_chunk(self.place),
                };
                if let Some(next) = next {
                    self.enter(next);
                }
            }
        }
        Some(element)
    }
}
