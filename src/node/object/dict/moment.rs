//! A table as it was at a moment: its segments, by their index then. A segment that is about to change and was not shown yet is put
//! by as it is.

use std::collections::HashMap;

use super::{Dict, Entry, segment::Segment};

/// See the module.
#[derive(Debug)]
pub(super) struct Moment<E> {
    /// Segments there were.
    segments: usize,
    /// Those before it were shown.
    next: usize,
    put_by: HashMap<usize, Segment<E>>,
    /// Bytes of what was put by.
    bytes: usize,
}

fn bytes<E: Entry>(segment: &Segment<E>) -> usize {
    segment.bytes() + segment.iter().map(Entry::heap).sum::<usize>()
}

impl<E: Entry> Dict<E> {
    /// Begins a moment.
    pub fn begin_moment(&mut self) {
        let (segments, next) = (self.segments.len(), 0);
        self.moment.0 = Some(Box::new(Moment { segments, next, put_by: HashMap::new(), bytes: 0 }));
    }

    /// Whether one has begun and is not at its end.
    #[must_use]
    pub fn has_moment(&self) -> bool {
        self.moment.0.is_some()
    }

    /// Ends a moment whose rest nobody needs.
    pub fn forget_moment(&mut self) {
        self.moment.0 = None;
    }

    /// Bytes of what was put by.
    #[must_use]
    pub fn moment_bytes(&self) -> usize {
        self.moment.0.as_ref().map_or(0, |moment| moment.bytes)
    }

    /// The segment with this index is about to change, to be emptied, or to get another index.
    #[inline]
    pub(super) fn put_by(&mut self, at: usize) {
        if self.moment.0.is_some() {
            self.put_by_now(at);
        }
    }

    #[cold]
    fn put_by_now(&mut self, at: usize) {
        let Some(moment) = self.moment.0.as_deref_mut() else { return };
        if (moment.next..moment.segments).contains(&at) && !moment.put_by.contains_key(&at) {
            let segment = self.segments[at].clone();
            moment.bytes += bytes(&segment);
            moment.put_by.insert(at, segment);
        }
    }

    /// Shows entries of the moment that were not shown yet, at least so many, whole segments of them. True: that was its end.
    pub fn show_moment(&mut self, entries: usize, mut show: impl FnMut(&E)) -> bool {
        let Some(moment) = self.moment.0.as_deref_mut() else { return true };
        let mut left = entries.max(1);
        while moment.next < moment.segments && left > 0 {
            let at = moment.next;
            moment.next += 1;
            let put_by = moment.put_by.remove(&at);
            moment.bytes -= put_by.as_ref().map_or(0, bytes);
            // What has another index now, or is no more, was put by.
            let segment = put_by.as_ref().unwrap_or_else(|| &self.segments[at]);
            segment.iter().for_each(&mut show);
            left = left.saturating_sub(segment.len());
        }
        let is_over = moment.next == moment.segments;
        if is_over {
            self.moment.0 = None;
        }
        is_over
    }
}
