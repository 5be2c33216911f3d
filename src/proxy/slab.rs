//! Things by small numbers that are used again, with a generation so that an old number does not mean a new thing.

/// A place and which of its tenants is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The place: a small number, which nobody else has as long as its tenant is there.
    pub(super) fn index(self) -> usize {
        self.index as usize
    }
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    tenant: Option<T>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, tenant: T) -> Key {
        self.insert_with(|_| tenant)
    }

    /// Like [`Slab::insert`], to go on with it.
    pub(super) fn insert_and_get(&mut self, tenant: T) -> (Key, &mut T) {
        let key = self.insert_with(|_| tenant);
        let tenant = self.places[key.index as usize].tenant.as_mut();
        (key, tenant.expect("it was put there"))
    }

    /// Like [`Slab::insert`], for things that know their key.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let (index, generation) = match self.free.pop() {
            Some(index) => (index, self.places[index as usize].generation),
            None => {
                let index = u32::try_from(self.places.len()).expect("fewer than there are file descriptors");
                self.places.push(Place { generation: 0, tenant: None });
                (index, 0)
            }
        };
        let key = Key { index, generation };
        self.places[index as usize].tenant = Some(make(key));
        key
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation == key.generation { place.tenant.as_mut() } else { None }
    }

    /// Takes a thing out for a while; its number stays its own until [`Slab::put_back`] or [`Slab::forget`].
    #[inline]
    pub(super) fn take(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation == key.generation { place.tenant.take() } else { None }
    }

    #[inline]
    pub(super) fn put_back(&mut self, key: Key, tenant: T) {
        self.places[key.index as usize].tenant = Some(tenant);
    }

    /// Ends a number; what was there, unless it was taken out.
    pub(super) fn forget(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        place.tenant.take()
    }

    /// The thing with this number now, whichever it is.
    #[inline]
    pub(super) fn current(&self, index: u32) -> Option<Key> {
        let place = self.places.get(index as usize)?;
        place.tenant.as_ref().map(|_| Key { index, generation: place.generation })
    }

    /// All things that are here.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.tenant.as_ref())
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        (0..).take(self.places.len()).filter_map(|index| self.current(index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_means_nothing() {
        let mut slab = Slab::default();
        let a = slab.insert('a');
        assert_eq!(slab.take(a), Some('a'));
        slab.put_back(a, 'A');
        assert_eq!(slab.forget(a), Some('A'));
        let b = slab.insert('b');
        assert_eq!(b.index, a.index);
        assert_eq!(slab.get_mut(a), None);
        assert_eq!(slab.take(a), None);
        assert_eq!(slab.forget(a), None);
        assert_eq!((slab.get_mut(b).copied(), slab.current(0)), (Some('b'), Some(b)));
    }
}
