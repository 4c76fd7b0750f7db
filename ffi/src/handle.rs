//! What a C program holds instead of a pointer to a client, a loop, a broker or an engine.
//!
//! A handle is a number in the shape of a pointer: the place of the thing in a table, and how
//! often that place was given away before. Nobody ever follows it. So a handle may be freed at any
//! time, from any thread, also while other threads are inside calls with it: those keep the thing
//! alive until they return, and later calls are told that it is closed. A stale handle, one freed
//! twice, and one that was never given are refused likewise.
//!
//! The tables are the library's only globals. They hold a few words for each handle that was open
//! at the same time, and they are what it costs that no pointer of C is trusted.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use libmqtt_locks::{PoisonError, RwLock};
use libmqtt_runtime::Status;

use crate::boundary::Failure;

/// Low bits tell the kinds of handles apart, then come the place and the generation.
const KIND_BITS: u32 = 4;
const PLACE_BITS: u32 = if usize::BITS >= 64 { 32 } else { 16 };
const GENERATION_MAX: usize = (1 << (usize::BITS - PLACE_BITS - KIND_BITS)) - 1;
/// Not 0, lest small numbers be handles.
const GENERATION_FIRST: usize = GENERATION_MAX / 3;

/// The things of one kind.
pub(crate) struct Table<T> {
    kind: usize,
    slots: RwLock<Slots<T>>,
}

struct Slots<T> {
    list: Vec<Slot<T>>,
    /// Places without a thing.
    free: Vec<usize>,
}

struct Slot<T> {
    generation: usize,
    entry: Option<Arc<Entry<T>>>,
}

struct Entry<T> {
    value: T,
    /// A call with it has panicked, so that nobody knows in which state it is.
    poisoned: AtomicBool,
}

/// Poisons an entry if a panic passes.
struct Guard<'a>(&'a AtomicBool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl<T> Table<T> {
    /// An empty table. `kind` is between 1 and 15, and different for every table.
    pub(crate) const fn new(kind: usize) -> Table<T> {
        let slots = Slots { list: Vec::new(), free: Vec::new() };
        Table { kind, slots: RwLock::new(slots) }
    }

    /// Keeps a thing, and gives the handle.
    pub(crate) fn insert<H>(&self, value: T) -> Result<*mut H, Failure> {
        let entry = Some(Arc::new(Entry { value, poisoned: AtomicBool::new(false) }));
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let place = match slots.free.pop() {
            Some(place) => place,
            None if slots.list.len() >> PLACE_BITS == 0 => {
                slots.list.push(Slot { generation: GENERATION_FIRST, entry: None });
                slots.list.len() - 1
            }
            None => return Err(Failure::new(Status::LimitReached, "too many handles are open")),
        };
        let slot = &mut slots.list[place];
        slot.entry = entry;
        let number = (slot.generation << PLACE_BITS | place) << KIND_BITS | self.kind;
        Ok(core::ptr::without_provenance_mut(number))
    }

    /// Calls `body` with the thing, which lives as long as that takes.
    pub(crate) fn with<H, R>(
        &self,
        handle: *const H,
        body: impl FnOnce(&T) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let (place, generation) = self.read(handle)?;
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.list.get(place).ok_or(Status::BadArgument)?;
        let entry = match &slot.entry {
            Some(entry) if slot.generation == generation => entry.clone(),
            _ if (GENERATION_FIRST..=slot.generation).contains(&generation) => {
                return Err(Status::Closed.into());
            }
            _ => return Err(Status::BadArgument.into()),
        };
        drop(slots);
        if entry.poisoned.load(Ordering::Relaxed) {
            return Err(Status::Panicked.into());
        }
        let _guard = Guard(&entry.poisoned);
        body(&entry.value)
    }

    /// Takes the handle back. Calls `last` with the thing, which is dropped when every call with
    /// it has returned. Nothing happens for a handle that is not open.
    pub(crate) fn remove<H>(&self, handle: *const H, last: impl FnOnce(&T)) {
        let Ok((place, generation)) = self.read(handle) else { return };
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.list.get_mut(place) else { return };
        if slot.generation != generation {
            return;
        }
        let Some(entry) = slot.entry.take() else { return };
        slot.generation += 1;
        if slot.generation < GENERATION_MAX {
            slots.free.push(place);
        }
        drop(slots);
        last(&entry.value);
    }

    fn read<H>(&self, handle: *const H) -> Result<(usize, usize), Failure> {
        let number = handle.addr();
        if number == 0 {
            return Err(Status::NullArgument.into());
        }
        if number & ((1 << KIND_BITS) - 1) != self.kind {
            return Err(Failure::new(Status::BadArgument, "handle is not of this kind"));
        }
        let rest = number >> KIND_BITS;
        Ok((rest & ((1 << PLACE_BITS) - 1), rest >> PLACE_BITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Handle {}

    fn status(table: &Table<u8>, handle: *const Handle) -> Status {
        match table.with(handle, |value| Ok(*value)) {
            Ok(_) => Status::Ok,
            Err(failure) => failure.status,
        }
    }

    #[test]
    fn a_handle_is_good_from_insert_to_remove_and_never_again() {
        let table = Table::new(3);
        let first: *mut Handle = table.insert(1).unwrap();
        let second: *mut Handle = table.insert(2).unwrap();
        assert_eq!(table.with(first, |value| Ok(*value)).unwrap(), 1);
        assert_eq!(table.with(second, |value| Ok(*value)).unwrap(), 2);
        table.remove(first, |value| assert_eq!(*value, 1));
        table.remove(first, |_| panic!("removed twice"));
        assert_eq!(status(&table, first), Status::Closed);
        let third: *mut Handle = table.insert(3).unwrap();
        assert_ne!(first, third);
        assert_eq!(status(&table, first), Status::Closed);
        assert_eq!(table.with(third, |value| Ok(*value)).unwrap(), 3);
    }

    #[test]
    fn what_was_never_given_is_refused() {
        let (table, other) = (Table::new(3), Table::new(4));
        let handle: *mut Handle = table.insert(1).unwrap();
        assert_eq!(status(&table, core::ptr::null()), Status::NullArgument);
        assert_eq!(status(&other, handle), Status::BadArgument);
        for number in [1, 3, 8, 0x13, 0x1003, usize::MAX, usize::MAX & !0xF | 3] {
            let status = status(&table, core::ptr::without_provenance(number));
            assert!(matches!(status, Status::BadArgument), "{number:#x}: {status:?}");
        }
    }

    #[test]
    fn after_a_panic_the_handle_can_only_be_freed() {
        let table = Table::new(3);
        let handle: *mut Handle = table.insert(1).unwrap();
        let call = || table.with(handle, |_| -> Result<(), Failure> { panic!("on purpose") });
        let panicked = std::panic::catch_unwind(core::panic::AssertUnwindSafe(call));
        assert!(panicked.is_err());
        assert_eq!(status(&table, handle), Status::Panicked);
        let mut freed = false;
        table.remove(handle, |_| freed = true);
        assert!(freed);
    }

    #[test]
    fn a_thing_outlives_its_handle_while_a_call_has_it() {
        let table = Table::new(3);
        let handle: *mut Handle = table.insert(Arc::new(7)).unwrap();
        let kept = table
            .with(handle, |value| {
                table.remove(handle, |_| {});
                assert_eq!(Arc::strong_count(value), 1);
                Ok(value.clone())
            })
            .unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}
