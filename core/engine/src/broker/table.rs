//! Places with generations: a key of something that has gone finds nothing.

/// A table whose entries keep their place.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Table<T> {
    pub(super) fn new() -> Table<T> {
        Table { entries: Vec::new(), free: Vec::new() }
    }

    /// Takes a place; returns its index and generation.
    pub(super) fn insert(&mut self, value: T) -> (u32, u32) {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index as usize];
            entry.value = Some(value);
            return (index, entry.generation);
        }
        self.entries.push(Entry { generation: 0, value: Some(value) });
        (self.entries.len() as u32 - 1, 0)
    }

    pub(super) fn get(&self, index: u32, generation: u32) -> Option<&T> {
        let entry = self.entries.get(index as usize)?;
        if entry.generation == generation { entry.value.as_ref() } else { None }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        let entry = self.entries.get_mut(index as usize)?;
        if entry.generation == generation { entry.value.as_mut() } else { None }
    }

    /// What is at this place now, whatever its generation.
    #[inline]
    pub(super) fn at(&self, index: u32) -> Option<&T> {
        self.entries.get(index as usize)?.value.as_ref()
    }

    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries.get_mut(index as usize)?.value.as_mut()
    }

    pub(super) fn generation(&self, index: u32) -> u32 {
        self.entries.get(index as usize).map_or(0, |entry| entry.generation)
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let entry = self.entries.get_mut(index as usize)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    /// Indices of all that is there, in order of place.
    pub(super) fn indices(&self) -> Vec<u32> {
        (0..self.entries.len() as u32)
            .filter(|&index| self.entries[index as usize].value.is_some())
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_something_gone_finds_nothing() {
        let mut table = Table::new();
        let (index, old) = table.insert('a');
        assert_eq!(table.remove(index), Some('a'));
        let (again, new) = table.insert('b');
        assert_eq!(again, index);
        assert_eq!(table.get(index, old), None);
        assert_eq!(table.get(index, new), Some(&'b'));
        assert_eq!(table.len(), 1);
    }
}
