//! A list of things that each have a key.

use core::hash::{BuildHasher, Hash};
use core::ops::Deref;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// What has a key of its own in a [`Roster`].
pub(super) trait Keyed {
    type Key: Hash + Eq + ?Sized;

    fn key(&self) -> &Self::Key;
}

/// A list in which each key occurs once. Finding, adding and removing take the same time
/// however long it is; what is removed leaves its place to the last.
pub struct Roster<T> {
    items: Vec<T>,
    /// Where in `items` each key is, once there are many.
    places: Option<Box<HashTable<u32>>>,
}

impl<T> Roster<T> {
    /// Lists up to this long are searched from end to end.
    const SHORT: usize = 16;
}

impl<T> Default for Roster<T> {
    fn default() -> Roster<T> {
        Roster { items: Vec::new(), places: None }
    }
}

impl<T> Deref for Roster<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<'a, T> IntoIterator for &'a Roster<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T: core::fmt::Debug> core::fmt::Debug for Roster<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}

#[allow(private_bounds)] // what is public of a roster is the slice it derefs to
impl<T: Keyed> Roster<T> {
    pub(super) fn find(&self, key: &T::Key, hasher: &FixedState) -> Option<usize> {
        match &self.places {
            None => self.items.iter().position(|item| item.key() == key),
            Some(places) => places
                .find(hasher.hash_one(key), |at| self.items[*at as usize].key() == key)
                .map(|at| *at as usize),
        }
    }

    /// An item, whose key must stay the same.
    pub(super) fn item_mut(&mut self, at: usize) -> &mut T {
        &mut self.items[at]
    }

    /// Adds an item, whose key must be new, at the end.
    pub(super) fn push(&mut self, item: T, hasher: &FixedState) {
        if self.items.len() == self.items.capacity() {
            // Most lists stay tiny: grow by halves.
            self.items.reserve_exact((self.items.len() / 2).max(1));
        }
        self.items.push(item);
        let items = &self.items;
        let hash = |at: &u32| hasher.hash_one(items[*at as usize].key());
        if let Some(places) = &mut self.places {
            let at = (items.len() - 1) as u32;
            places.insert_unique(hash(&at), at, hash);
        } else if items.len() > Self::SHORT {
            let mut places = Box::new(HashTable::with_capacity(items.len()));
            for at in 0..items.len() as u32 {
                places.insert_unique(hash(&at), at, hash);
            }
            self.places = Some(places);
        }
    }

    /// Removes the item at `at`; the last takes its place.
    pub(super) fn swap_remove(&mut self, at: usize, hasher: &FixedState) -> T {
        self.swap(at, self.items.len() - 1, hasher);
        let last = (self.items.len() - 1) as u32;
        if let Some(places) = &mut self.places {
            let hash = hasher.hash_one(self.items[last as usize].key());
            if let Ok(entry) = places.find_entry(hash, |at| *at == last) {
                entry.remove();
            }
        }
        let item = self.items.swap_remove(last as usize);
        self.shrink(hasher);
        item
    }

    /// Exchanges two items.
    pub(super) fn swap(&mut self, a: usize, b: usize, hasher: &FixedState) {
        if a == b {
            return;
        }
        self.items.swap(a, b);
        let Some(places) = &mut self.places else { return };
        // The item now at `a` is still noted at `b`, and the other way round.
        let (a, b) = (a as u32, b as u32);
        for (now, noted, mark) in [(a, b, u32::MAX), (b, a, b), (a, u32::MAX, a)] {
            let hash = hasher.hash_one(self.items[now as usize].key());
            if let Some(place) = places.find_mut(hash, |at| *at == noted) {
                *place = mark;
            }
        }
    }

    /// Gives back memory after most items have gone.
    fn shrink(&mut self, hasher: &FixedState) {
        let len = self.items.len();
        if self.items.capacity() > 64 && len < self.items.capacity() / 4 {
            self.items.shrink_to(len * 2);
        }
        let items = &self.items;
        match &mut self.places {
            Some(_) if len < Self::SHORT / 2 => self.places = None,
            Some(places) if len < places.capacity() / 8 => {
                places.shrink_to(len * 2, |at| hasher.hash_one(items[*at as usize].key()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for u64 {
        type Key = u64;

        fn key(&self) -> &u64 {
            self
        }
    }

    #[test]
    fn every_item_is_found_while_a_roster_grows_and_shrinks() {
        let hasher = FixedState::with_seed(1);
        let mut roster = Roster::default();
        let check = |roster: &Roster<u64>| {
            for (at, item) in roster.iter().enumerate() {
                assert_eq!(roster.find(item, &hasher), Some(at));
            }
            assert_eq!(roster.find(&u64::MAX, &hasher), None);
        };
        for item in 0..200 {
            roster.push(item, &hasher);
            roster.swap((item / 2) as usize, (item / 3) as usize, &hasher);
            check(&roster);
        }
        while !roster.is_empty() {
            let at = (roster.len() * 7) % roster.len().min(13);
            let item = roster[at];
            assert_eq!(roster.swap_remove(at, &hasher), item);
            assert_eq!(roster.find(&item, &hasher), None);
            check(&roster);
        }
        assert!(roster.places.is_none() && roster.items.capacity() <= 64);
    }
}
