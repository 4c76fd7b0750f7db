//! What survives: rows, cells, and the trait of what keeps them.
//!
//! State is a set of small records, and storing is a stream of puts and deletes. A machine of this
//! crate gathers them in a [`Batch`] and hands that out as an output; its driver makes the batch
//! durable with a [`Store`] and reports back. Loading reads the records and applies them.
//!
//! - A **row** has a [`RowId`], a number that only rises, so that new rows always land at the
//!   right edge of a tree. Queue order is the order of these numbers.
//! - A **cell** has a short key and a value that may change.
//!
//! | kind | key | value |
//! |---|---|---|
//! | row `Q` | RowId | a message that a session is owed: whose, how, itself or where it is |
//! | row `M` | RowId | a message that several `Q` share |
//! | row `O` | RowId | a client's: a message that it publishes |
//! | cell `s` | sid | Client Identifier, version, expiry: a session |
//! | cell `f` | sid, filter | a subscription |
//! | cell `p` | sid, packet id | an outgoing flow: which row, whether released |
//! | cell `i` | sid, packet id | an incoming QoS 2 message that awaits PUBREL |
//! | cell `w` | sid | a will, its delay, its deadline |
//! | cell `r` | topic | a retained message |
//! | cell `m` | name | what the store knows of itself |
//!
//! `sid` is the `RowId` of a session's beginning. Numbers in keys are big-endian. A client's store
//! has rows `O` and cells `s`, `p`, `i`, and is that of one Client Identifier.
//!
//! **Shards.** Each shard has its own handle of one store. What two shards do for one message must
//! not come apart, so the batches of both carry the same number in [`Batch::joins`], and a store
//! makes batches with a number in common durable in one step ([`complete`] says how far it may
//! go). So a shard that waits for its own batch waits for those that belong to it.

mod memory;
mod record;

use bytes::Bytes;
use core::ops::Range;

pub use memory::{MemoryDisk, MemoryStore};
pub(crate) use record::{
    Body, Ends, FlightCell, Identifiers, Key, MessageRow, OutgoingRow, OwedRow, SessionCell,
    SubscriptionCell, WillCell,
};

/// Names a row. Never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub u64);

/// Counts the batches of one shard, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

/// A change of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Makes a row; its number is new.
    PutRow(RowId, &'a [u8]),
    /// Removes a row, if it is there.
    DeleteRow(RowId),
    /// Makes or replaces a cell: key, value.
    PutCell(&'a [u8], &'a [u8]),
    /// Removes a cell, if it is there.
    DeleteCell(&'a [u8]),
}

#[derive(Clone, Debug)]
enum Entry {
    PutRow(RowId, Range<usize>),
    DeleteRow(RowId),
    PutCell(Range<usize>, Range<usize>),
    DeleteCell(Range<usize>),
}

/// Changes that become durable together or not at all, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    joins: Vec<u64>,
    position: Position,
}

impl Batch {
    /// Which of its shard's batches it is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Numbers that it has in common with one batch of another shard each.
    pub fn joins(&self) -> &[u64] {
        &self.joins
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no change in it. It may still have joins.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of its keys and values, and a little for each change.
    pub fn size(&self) -> usize {
        self.bytes.len() + 16 * self.entries.len()
    }

    /// Its changes, in order.
    pub fn ops(&self) -> impl Iterator<Item = Op<'_>> {
        self.entries.iter().map(|entry| match entry {
            Entry::PutRow(row, value) => Op::PutRow(*row, &self.bytes[value.clone()]),
            Entry::DeleteRow(row) => Op::DeleteRow(*row),
            Entry::PutCell(key, value) => {
                Op::PutCell(&self.bytes[key.clone()], &self.bytes[value.clone()])
            }
            Entry::DeleteCell(key) => Op::DeleteCell(&self.bytes[key.clone()]),
        })
    }

    /// With this position instead.
    pub fn at(mut self, position: Position) -> Batch {
        self.position = position;
        self
    }

    /// Gives it a number in common with a batch of another shard.
    pub fn join(&mut self, number: u64) {
        self.joins.push(number);
    }

    /// Adds a row.
    pub fn put_row(&mut self, row: RowId, value: &[u8]) {
        self.write_row(row, |out| out.extend_from_slice(value));
    }

    /// Adds a row whose value is written in place.
    pub(crate) fn write_row(&mut self, row: RowId, write: impl FnOnce(&mut Vec<u8>)) {
        let value = self.written(write);
        self.entries.push(Entry::PutRow(row, value));
    }

    /// Removes a row.
    pub fn delete_row(&mut self, row: RowId) {
        self.entries.push(Entry::DeleteRow(row));
    }

    /// Sets a cell.
    pub fn put_cell(&mut self, key: &[u8], value: &[u8]) {
        let key = self.written(|out| out.extend_from_slice(key));
        let value = self.written(|out| out.extend_from_slice(value));
        self.entries.push(Entry::PutCell(key, value));
    }

    /// Sets a cell whose key and value are written in place.
    pub(crate) fn write_cell(&mut self, key: Key<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        let key = self.written(|out| key.put(out));
        let value = self.written(write);
        self.entries.push(Entry::PutCell(key, value));
    }

    /// Removes a cell.
    pub fn delete_cell(&mut self, key: &[u8]) {
        let key = self.written(|out| out.extend_from_slice(key));
        self.entries.push(Entry::DeleteCell(key));
    }

    /// The same.
    pub(crate) fn remove_cell(&mut self, key: Key<'_>) {
        let key = self.written(|out| key.put(out));
        self.entries.push(Entry::DeleteCell(key));
    }

    fn written(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        start..self.bytes.len()
    }
}

/// A record as it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded<'a> {
    /// Key and value.
    Cell(&'a [u8], &'a [u8]),
    /// Number and value.
    Row(RowId, &'a [u8]),
}

/// Why a store cannot be loaded, or does not store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The medium fails, is full or is gone; with what it says.
    #[error("{0}")]
    Medium(String),
    /// A record makes no sense; with what it is.
    #[error("stored {0} cannot be read")]
    Record(&'static str),
}

/// What a store has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// All batches of this handle up to this one are durable.
    Durable(Position),
    /// The rows that were asked for, in the order asked; those that are not there left out.
    Rows(Vec<(RowId, Bytes)>),
    /// Nothing can be stored at present. All that was submitted is kept and tried again; when that
    /// has worked, `Durable` follows at every handle, though it may say nothing new.
    Failed(StoreError),
}

/// Makes records durable. A machine of this crate never calls it, its driver does.
///
/// Only `load` blocks. Answers come in the order of what was asked through one handle.
pub trait Store: Send {
    /// Hands over every cell in the order of keys, then every row in the order of numbers. Called
    /// once for all handles of a store, before any `submit`.
    fn load(&mut self, each: &mut dyn FnMut(Loaded<'_>)) -> Result<(), StoreError>;
    /// Takes a batch. Positions of one handle rise.
    fn submit(&mut self, batch: Batch);
    /// Asks for rows that memory has let go, as they are after all that was submitted before.
    fn fetch(&mut self, rows: &[RowId]);
    /// Appends what has happened since the last call.
    fn poll(&mut self, done: &mut Vec<Completion>);
}

/// How many batches of each queue (one per handle, oldest first) may become durable now: as many
/// as possible, but none without those that have a number in common with it, and none before an
/// older one of its queue.
pub fn complete<'a, Q>(queues: &'a [Q]) -> Vec<usize>
where
    &'a Q: IntoIterator<Item = &'a Batch>,
{
    let mut counts: Vec<usize> = queues.iter().map(|queue| queue.into_iter().count()).collect();
    let mut held = hashbrown::HashMap::<u64, u8, foldhash::fast::FixedState>::default();
    loop {
        held.clear();
        for (queue, count) in queues.iter().zip(&counts) {
            for number in queue.into_iter().take(*count).flat_map(|batch| &batch.joins) {
                *held.entry(*number).or_default() += 1;
            }
        }
        let mut cut = false;
        for (queue, count) in queues.iter().zip(&mut counts) {
            let whole = |batch: &&Batch| batch.joins.iter().all(|number| held[number] > 1);
            let good = queue.into_iter().take(*count).take_while(whole).count();
            cut |= good < *count;
            *count = good;
        }
        if !cut {
            return counts;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(joins: &[u64]) -> Batch {
        Batch { joins: joins.to_vec(), ..Batch::default() }
    }

    #[track_caller]
    fn check(queues: &[&[&[u64]]], wanted: &[usize]) {
        let queues: Vec<Vec<Batch>> =
            queues.iter().map(|queue| queue.iter().map(|joins| batch(joins)).collect()).collect();
        assert_eq!(complete(&queues), wanted);
    }

    #[test]
    fn batches_go_with_those_that_belong_to_them() {
        check(&[&[&[], &[]], &[&[]]], &[2, 1]);
        check(&[&[&[], &[1], &[]], &[&[]]], &[1, 1]);
        check(&[&[&[], &[1], &[]], &[&[], &[1]]], &[3, 2]);
        // The second of the one waits for the first of the other, which waits for more.
        check(&[&[&[1]], &[&[2], &[1]], &[&[]]], &[0, 0, 1]);
        // They cross.
        check(&[&[&[1], &[2]], &[&[2], &[1]]], &[2, 2]);
        check(&[&[&[1], &[2]], &[&[2]]], &[0, 0]);
    }

    #[test]
    fn a_batch_gives_back_what_was_put_into_it() {
        let mut batch = Batch::default();
        batch.put_row(RowId(1), b"one");
        batch.put_cell(b"key", b"value");
        batch.delete_cell(b"other");
        batch.delete_row(RowId(1));
        let wanted = [
            Op::PutRow(RowId(1), b"one"),
            Op::PutCell(b"key", b"value"),
            Op::DeleteCell(b"other"),
            Op::DeleteRow(RowId(1)),
        ];
        assert!(batch.ops().eq(wanted));
    }
}
