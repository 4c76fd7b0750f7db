//! A store in memory, for tests: it loses what was not synced, fails and stalls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use libmqtt_locks::{Mutex, MutexGuard, PoisonError};

use super::{Batch, Completion, Loaded, Op, Position, RowId, Store, StoreError, complete};

/// What has been made durable, and what is on its way there.
#[derive(Debug, Default)]
struct Disk {
    rows: BTreeMap<RowId, Box<[u8]>>,
    cells: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// What each handle has submitted, oldest first.
    queues: Vec<VecDeque<Batch>>,
    done: Vec<VecDeque<Completion>>,
    /// What each handle was told last to be durable.
    durable: Vec<Position>,
    /// The handles were told of a failure.
    failing: bool,
    /// Rows asked for, behind so many batches.
    fetches: Vec<VecDeque<(u64, Vec<RowId>)>>,
    full: bool,
    /// Which power cycle this is: handles of an earlier one reach nothing.
    life: u64,
}

/// A disk that its owner moves on step by step: nothing is durable until [`MemoryDisk::sync`].
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

/// One handle of a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    handle: usize,
    life: u64,
}

impl MemoryDisk {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty disk.
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// Powers up with so many handles. What earlier ones had under way is lost.
    pub fn open(&self, handles: usize) -> Vec<MemoryStore> {
        let mut disk = self.lock();
        disk.life += 1;
        disk.queues = (0..handles).map(|_| VecDeque::new()).collect();
        disk.done = (0..handles).map(|_| VecDeque::new()).collect();
        disk.fetches = (0..handles).map(|_| VecDeque::new()).collect();
        disk.durable = vec![Position(0); handles];
        (disk.full, disk.failing) = (false, false);
        let life = disk.life;
        (0..handles).map(|handle| MemoryStore { disk: self.clone(), handle, life }).collect()
    }

    /// Makes durable all that may be, and says so. If the disk is full it says that instead.
    pub fn sync(&self) {
        let mut disk = self.lock();
        let counts = complete(&disk.queues);
        if disk.full {
            if counts.iter().any(|&count| count > 0) {
                let full = StoreError::Medium("no space left".into());
                disk.failing = true;
                disk.done.iter_mut().for_each(|done| {
                    done.push_back(Completion::Failed(full.clone()));
                });
            }
            return;
        }
        disk.apply(&counts);
        // After a failure everybody has to hear that it is over.
        let recovered = counts.iter().any(|&count| count > 0) && core::mem::take(&mut disk.failing);
        for (handle, count) in counts.into_iter().enumerate() {
            let last = disk.queues[handle].drain(..count).next_back();
            if let Some(last) = &last {
                disk.durable[handle] = last.position();
            }
            if last.is_some() || recovered {
                let durable = disk.durable[handle];
                disk.done[handle].push_back(Completion::Durable(durable));
            }
            disk.answer(handle);
        }
    }

    /// Power is lost. Of what was not synced, the beginning that `keep` chooses has reached the
    /// disk all the same, though nobody was told: it is asked how many batches of so many, for
    /// each handle. A batch that was torn counts as not written.
    pub fn crash(&self, mut keep: impl FnMut(usize) -> usize) {
        let mut disk = self.lock();
        if !disk.full {
            for queue in &mut disk.queues {
                let kept = keep(queue.len()).min(queue.len());
                queue.truncate(kept);
            }
            let counts = complete(&disk.queues);
            disk.apply(&counts);
        }
        disk.life += 1;
        disk.queues.clear();
    }

    /// Whether the disk takes nothing more.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// Whether anything waits to be synced.
    pub fn is_dirty(&self) -> bool {
        let disk = self.lock();
        disk.queues.iter().any(|queue| !queue.is_empty())
            || disk.fetches.iter().any(|fetches| !fetches.is_empty())
    }

    /// Rows and cells that are durable.
    pub fn len(&self) -> (usize, usize) {
        let disk = self.lock();
        (disk.rows.len(), disk.cells.len())
    }

    /// Whether nothing is durable.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }
}

impl Disk {
    fn apply(&mut self, counts: &[usize]) {
        for (queue, count) in self.queues.iter().zip(counts) {
            for op in queue.iter().take(*count).flat_map(Batch::ops) {
                match op {
                    Op::PutRow(row, value) => drop(self.rows.insert(row, value.into())),
                    Op::DeleteRow(row) => drop(self.rows.remove(&row)),
                    Op::PutCell(key, value) => drop(self.cells.insert(key.into(), value.into())),
                    Op::DeleteCell(key) => drop(self.cells.remove(key)),
                }
            }
        }
    }

    /// Answers the fetches of a handle that no batch is before any more.
    fn answer(&mut self, handle: usize) {
        let oldest = self.queues[handle].front().map_or(u64::MAX, |batch| batch.position().0);
        while let Some((_, rows)) =
            self.fetches[handle].pop_front_if(|(behind, _)| *behind < oldest)
        {
            let found = rows
                .into_iter()
                .filter_map(|row| Some((row, Bytes::copy_from_slice(self.rows.get(&row)?))))
                .collect();
            self.done[handle].push_back(Completion::Rows(found));
        }
    }
}

impl Store for MemoryStore {
    fn load(&mut self, each: &mut dyn FnMut(Loaded<'_>)) -> Result<(), StoreError> {
        let disk = self.disk.lock();
        disk.cells.iter().for_each(|(key, value)| each(Loaded::Cell(key, value)));
        disk.rows.iter().for_each(|(row, value)| each(Loaded::Row(*row, value)));
        Ok(())
    }

    fn submit(&mut self, batch: Batch) {
        let mut disk = self.disk.lock();
        if disk.life == self.life {
            disk.queues[self.handle].push_back(batch);
        }
    }

    fn fetch(&mut self, rows: &[RowId]) {
        let mut disk = self.disk.lock();
        if disk.life == self.life {
            let behind = disk.queues[self.handle].back().map_or(0, |batch| batch.position().0);
            disk.fetches[self.handle].push_back((behind, rows.to_vec()));
        }
    }

    fn poll(&mut self, done: &mut Vec<Completion>) {
        let mut disk = self.disk.lock();
        if disk.life == self.life {
            done.extend(disk.done[self.handle].drain(..));
        }
    }
}
