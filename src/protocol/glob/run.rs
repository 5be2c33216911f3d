//! A part of a pattern without stars: as many elements as it matches bytes, at one place or searched for.

use std::cell::Cell;

use memchr::memmem;

use super::class::Classes;

/// Comparisons for each byte of a text that its match may take place by place; then it goes on 64 elements at a time.
pub(super) const PATIENCE: usize = 8;
/// A run as short as this is always compared place by place.
const SHORT: usize = 16;
/// Places that are looked at together, at least.
const WINDOW: usize = 1024;
/// Elements that are compared at once.
const BLOCK: usize = u64::BITS as usize;

/// See the module.
#[derive(Debug)]
pub(super) enum Run {
    Literal(Box<memmem::Finder<'static>>),
    /// The same, prepared anew for each search: a prepared one takes some hundred bytes.
    PlainLiteral(Box<[u8]>),
    Mixed(Vec<u32>),
}

impl Default for Run {
    fn default() -> Self {
        Self::PlainLiteral(Box::default())
    }
}

impl Run {
    /// A run of these elements; `many`: of a pattern with so many runs that each has to be small.
    pub(super) fn new(elements: Vec<u32>, many: bool) -> Self {
        let literal: Result<Vec<u8>, _> = elements.iter().map(|&element| u8::try_from(element)).collect();
        match literal {
            Ok(bytes) if many => Self::PlainLiteral(bytes.into()),
            Ok(bytes) => Self::Literal(Box::new(memmem::Finder::new(&bytes).into_owned())),
            Err(_) => Self::Mixed(elements),
        }
    }

    /// Bytes of what it matches.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Literal(finder) => finder.needle().len(),
            Self::PlainLiteral(bytes) => bytes.len(),
            Self::Mixed(elements) => elements.len(),
        }
    }

    /// Whether it matches the beginning of `text`, which is long enough.
    pub(super) fn is_at(&self, text: &[u8], classes: &Classes) -> bool {
        match self {
            Self::Literal(finder) => text.starts_with(finder.needle()),
            Self::PlainLiteral(bytes) => text.starts_with(bytes),
            Self::Mixed(elements) => agreeing(elements, text, classes) == elements.len(),
        }
    }

    /// Where it matches first. `patience` is what is left of it for this text.
    pub(super) fn find(
        &self,
        text: &[u8],
        classes: &Classes,
        patience: &mut usize,
        spent: &Cell<u64>,
    ) -> Option<usize> {
        let elements = match self {
            Self::Literal(finder) => return finder.find(text),
            Self::PlainLiteral(bytes) => return memmem::find(text, bytes),
            Self::Mixed(elements) => elements,
        };
        let last = text.len().checked_sub(elements.len())?;
        let mut place = 0;
        while place <= last && (*patience > 0 || elements.len() <= SHORT) {
            let agreeing = agreeing(elements, &text[place..], classes);
            if agreeing == elements.len() {
                return Some(place);
            }
            if elements.len() > SHORT {
                *patience = patience.saturating_sub(agreeing + 1);
            }
            place += 1;
        }
        // Window by window, so that a place that is near costs little.
        let width = elements.len().max(WINDOW);
        (place..=last).step_by(width).find_map(|place| {
            let end = text.len().min(place + width + elements.len() - 1);
            find_by_blocks(elements, &text[place..end], classes, spent).map(|found| place + found)
        })
    }
}

/// How many elements match, from the first on.
fn agreeing(elements: &[u32], text: &[u8], classes: &Classes) -> usize {
    elements.iter().zip(text).take_while(|&(&element, &byte)| classes.has(element, byte)).count()
}

/// The same search in `text.len() * elements.len() / 64` steps: each block of the run crosses out the places where it does not
/// match (shift-and, a bit per element of the block).
pub(super) fn find_by_blocks(
    elements: &[u32],
    text: &[u8],
    classes: &Classes,
    spent: &Cell<u64>,
) -> Option<usize> {
    let places = (text.len() + 1).checked_sub(elements.len())?;
    let mut open = vec![u64::MAX; places.div_ceil(BLOCK)];
    for (number, block) in elements.chunks(BLOCK).enumerate() {
        let mut masks = [0u64; 256];
        for (mask, byte) in masks.iter_mut().zip(u8::MIN..=u8::MAX) {
            for (bit, &element) in block.iter().enumerate() {
                *mask |= u64::from(classes.has(element, byte)) << bit;
            }
        }
        let text = &text[number * BLOCK..][..places + block.len() - 1];
        let mut state = 0;
        for (end, &byte) in text.iter().enumerate() {
            state = (state << 1 | 1) & masks[usize::from(byte)];
            if let Some(place) = (end + 1).checked_sub(block.len()) {
                let matched = state >> (block.len() - 1) & 1;
                open[place / BLOCK] &= !((matched ^ 1) << (place % BLOCK));
            }
        }
        spent.set(spent.get() + (text.len() + masks.len() * block.len()) as u64);
        if open.iter().all(|&word| word == 0) {
            return None;
        }
    }
    let first = open.iter().enumerate().find(|&(_, &word)| word != 0);
    first.map(|(word, bits)| word * BLOCK + bits.trailing_zeros() as usize).filter(|&place| place < places)
}
