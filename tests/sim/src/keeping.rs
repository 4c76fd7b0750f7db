//! The disk of a client that keeps its messages.

use libmqtt_engine::client::Client;
use libmqtt_engine::store::{Completion, MemoryDisk, MemoryStore, Store};
use libmqtt_engine::{Instant, UnixTime};

use crate::obs::{MS, Time};
use crate::rng::Rng;

/// A disk and the store on it.
#[derive(Debug)]
pub(crate) struct Keeping {
    disk: MemoryDisk,
    store: MemoryStore,
    /// When it has done what it was given.
    sync_at: Option<Time>,
    full: bool,
}

impl Keeping {
    /// An empty disk.
    pub(crate) fn new() -> Keeping {
        let disk = MemoryDisk::new();
        let store = disk.open(1).remove(0);
        Keeping { disk, store, sync_at: None, full: false }
    }

    /// Has a client go on with what is on the disk.
    pub(crate) fn restore(&mut self, client: &mut Client, now: Time) -> Result<(), String> {
        let unix = UnixTime(1_700_000_000_000 + now / MS);
        let result = client.restore(&mut self.store, Instant::from_nanos(now), unix, true);
        result.map_err(|error| format!("store: {error}"))
    }

    /// Takes what the client has to be stored.
    pub(crate) fn submit(&mut self, client: &mut Client, now: Time, rng: &mut Rng) {
        while let Some(batch) = client.poll_batch() {
            self.store.submit(batch);
            self.sync_later(now, rng);
        }
    }

    fn sync_later(&mut self, now: Time, rng: &mut Rng) {
        if self.sync_at.is_none() {
            let wait = match rng.range(0..20) {
                0 => rng.micros(100_000, 1_500_000),
                _ => rng.micros(50, 20_000),
            };
            self.sync_at = Some(now + wait);
        }
    }

    /// When [`Keeping::sync`] is due.
    pub(crate) fn timeout(&self) -> Option<Time> {
        self.sync_at
    }

    /// The disk is done, or full now and then if it may be.
    pub(crate) fn sync(&mut self, client: &mut Client, now: Time, rng: &mut Rng, may_fail: bool) {
        if self.sync_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        self.full = may_fail && rng.chance(if self.full { 80 } else { 2 });
        self.disk.set_full(self.full);
        self.disk.sync();
        let mut done = Vec::new();
        self.store.poll(&mut done);
        let at = Instant::from_nanos(now);
        for completion in done {
            match completion {
                Completion::Durable(position) => client.handle_persisted(at, position),
                Completion::Failed(_) => client.handle_store_failed(at),
                Completion::Rows(_) => {}
            }
        }
        if self.disk.is_dirty() {
            self.sync_later(now, rng);
        }
    }

    /// Power is lost and back: what was not synced is there or not.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        self.disk.crash(|count| rng.below(count + 1));
        self.store = self.disk.open(1).remove(0);
        (self.sync_at, self.full) = (None, false);
    }
}
