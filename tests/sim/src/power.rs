//! The broker's disk, and its power.

use std::sync::Arc;

use libmqtt_engine::UnixTime;
use libmqtt_engine::broker::{Shared, restore};
use libmqtt_engine::store::{Batch, Completion, RowId, Store};

use crate::obs::{MS, SEC, What};
use crate::world::{Event, Home, World, hosts};

impl World<'_> {
    /// A shard has something to be stored.
    pub(crate) fn submit(&mut self, shard: usize, batch: Batch) {
        self.stores[shard].submit(batch);
        self.sync_later();
    }

    /// A shard wants something that is stored.
    pub(crate) fn fetch(&mut self, shard: usize, rows: &[RowId]) {
        self.stores[shard].fetch(rows);
        self.sync_later();
    }

    fn sync_later(&mut self) {
        if !std::mem::replace(&mut self.sync_due, true) {
            let wait = match self.rng.range(0..20) {
                0 => self.rng.micros(100_000, 1_500_000),
                _ => self.rng.micros(50, 20_000),
            };
            self.at(wait, Event::Synced);
        }
    }

    /// The disk is done.
    pub(crate) fn synced(&mut self) {
        self.sync_due = false;
        if self.hosts.is_empty() {
            return;
        }
        self.disk.sync();
        for shard in 0..self.stores.len() {
            let mut done = Vec::new();
            self.stores[shard].poll(&mut done);
            let now = self.time();
            for completion in done {
                match completion {
                    Completion::Durable(position) => {
                        self.hosts[shard].shard.handle_persisted(now, position);
                    }
                    Completion::Failed(_) => self.hosts[shard].shard.handle_store_failed(now),
                    Completion::Rows(rows) => self.hosts[shard].shard.handle_rows(now, &rows),
                }
            }
            self.drain(shard);
        }
        if self.disk.is_dirty() {
            self.sync_later();
        }
    }

    /// The disk is full, or has room again.
    pub(crate) fn set_full(&mut self, full: bool) {
        let full = full && !self.settled;
        self.disk.set_full(full);
        if !self.settled {
            let wait = self.rng.range(1..4) * SEC;
            self.at(wait, Event::Full(!full));
        }
    }

    /// Power is lost, unless it has been often enough.
    pub(crate) fn crash(&mut self) {
        if !self.loses_power() {
            return;
        }
        self.note(What::PowerLost);
        self.hosts.clear();
        self.stores.clear();
        self.batches.clear();
        let rng = &mut self.rng;
        self.disk.crash(|count| rng.below(count + 1));
        for conn in 0..self.conns.len() {
            if !matches!(self.conns[conn].home, Home::Closed) {
                self.conns[conn].home = Home::Closed;
                self.conns[conn].up.break_off();
                self.conns[conn].down.break_off();
                let wait = self.rng.micros(0, 2_000_000);
                self.at(wait, Event::Told(conn, crate::net::Way::Down));
            }
        }
        let wait = self.rng.pick(&[MS, 500 * MS, 4 * SEC]);
        self.at(wait, Event::PowerUp);
        let wait = wait + self.rng.micros(1_000, 10_000_000);
        self.at(wait, Event::Crash);
    }

    /// A broker starts with what is on the disk, perhaps with another number of shards.
    pub(crate) fn power_up(&mut self) {
        let shards = self.rng.range(1..5) as u16;
        self.shared = Shared::new(self.plan.config.clone(), shards, self.rng.next());
        self.hosts = hosts(self.plan, &Arc::clone(&self.shared), &mut self.rng, self.now);
        self.stores = self.disk.open(usize::from(shards));
        let (now, unix) = (self.time(), UnixTime(1_700_000_000_000 + self.now / MS));
        let mut machines = Vec::new();
        for host in self.hosts.drain(..) {
            let mut shard = host.shard;
            shard.persist(now, unix, true);
            machines.push((shard, host.tickets));
        }
        let (mut shards, tickets): (Vec<_>, Vec<_>) = machines.into_iter().unzip();
        if let Err(error) = restore(&mut shards, &mut self.stores[0], now) {
            self.complain(format!("store: {error}"));
        }
        for (shard, tickets) in shards.into_iter().zip(tickets) {
            let links = std::collections::BTreeMap::new();
            self.hosts.push(crate::world::Host { shard, timer: None, links, tickets });
        }
        self.note(What::PowerBack);
        for shard in 0..self.hosts.len() {
            self.drain(shard);
        }
    }
}
