//! The most frequent of very many keys, in little memory: Space-Saving, after A. Metwally, D. Agrawal and A. El Abbadi, "Efficient
//! Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005. Pure.
//!
//! So many keys are counted. A key that is not among them takes the place of the one with the smallest count, and that count with
//! it: as much may be too much in its own, and is kept as its error. What was seen more often than the sum of all divided by the
//! number of places is surely among them.

use std::collections::HashMap;

/// A key and how often it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) key: Box<[u8]>,
    /// At most so often.
    pub(super) count: u64,
    /// `count` is too much by no more than this.
    pub(super) error: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct SpaceSaving {
    counted: Vec<Counted>,
    places: HashMap<Box<[u8]>, usize>,
    capacity: usize,
}

impl SpaceSaving {
    pub(super) fn new(capacity: usize) -> Self {
        Self { counted: Vec::new(), places: HashMap::new(), capacity: capacity.max(1) }
    }

    /// Seen once more.
    pub(super) fn add(&mut self, key: &[u8]) {
        if let Some(&place) = self.places.get(key) {
            self.counted[place].count += 1;
            return;
        }
        let key: Box<[u8]> = key.into();
        if self.counted.len() < self.capacity {
            self.places.insert(key.clone(), self.counted.len());
            self.counted.push(Counted { key, count: 1, error: 0 });
            return;
        }
        let place =
            (0..self.counted.len()).min_by_key(|&place| self.counted[place].count).unwrap_or_default();
        let least = &mut self.counted[place];
        self.places.remove(&least.key);
        self.places.insert(key.clone(), place);
        *least = Counted { key, count: least.count + 1, error: least.count };
    }

    /// In no order.
    pub(super) fn counted(&self) -> &[Counted] {
        &self.counted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_in_the_paper() {
        let mut sketch = SpaceSaving::new(2);
        for key in ["x", "y", "y", "z"] {
            sketch.add(key.as_bytes());
        }
        let of = |key: &str| sketch.counted().iter().find(|counted| *counted.key == *key.as_bytes());
        assert_eq!(of("y").map(|counted| (counted.count, counted.error)), Some((2, 0)));
        assert_eq!(of("z").map(|counted| (counted.count, counted.error)), Some((2, 1)), "in the place of x");
        assert!(of("x").is_none());
    }

    proptest! {
        /// Counts are never too small, too large by no more than their error, and no frequent key is missing.
        #[test]
        fn what_is_promised(stream in proptest::collection::vec(0u8..40, 1..600), capacity in 1usize..20) {
            let mut sketch = SpaceSaving::new(capacity);
            let mut true_counts: HashMap<u8, u64> = HashMap::new();
            for &key in &stream {
                sketch.add(&[key]);
                *true_counts.entry(key).or_default() += 1;
            }
            prop_assert!(sketch.counted().len() <= capacity);
            prop_assert_eq!(sketch.counted().iter().map(|counted| counted.count).sum::<u64>(), stream.len() as u64);
            for counted in sketch.counted() {
                let seen = true_counts[&counted.key[0]];
                prop_assert!(counted.count >= seen && counted.count - counted.error <= seen);
            }
            for (key, seen) in true_counts {
                let is_there = sketch.counted().iter().any(|counted| *counted.key == [key]);
                prop_assert!(is_there || seen <= stream.len() as u64 / capacity as u64);
            }
        }
    }
}
