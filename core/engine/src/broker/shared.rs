//! What the shards of one broker have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use libmqtt_locks::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::BrokerConfig;
use super::limits::Addresses;
use super::parcel::Stored;
use super::peer::PeerBatch;
use crate::Rights;
use crate::store::RowId;
use crate::topic::{Index, Retained, SessionKey};

/// Number of slots. A session's home is the shard that has its slot.
pub(super) const SLOTS: usize = 128;

/// Emptied batches kept per shard.
const BATCHES_KEPT: usize = 8;

/// The slot of a Client Identifier: FNV-1a, 64 bits. Fixed for ever, since stored state is found
/// by it.
pub(super) fn slot(client_id: &str) -> usize {
    let hash = client_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The low bits of FNV are weak for short ids; fold the high ones in.
    ((hash ^ (hash >> 32)) % SLOTS as u64) as usize
}

macro_rules! stats {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Counters of a broker since its start, and its state now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats { $($(#[doc = $doc])* pub $name: u64,)* }

        #[derive(Debug, Default)]
        #[repr(align(128))] // each shard writes its own all the time
        struct SharedStats { $($name: AtomicU64,)* }

        impl SharedStats {
            fn store(&self, stats: &Stats) {
                $(self.$name.store(stats.$name, Ordering::Relaxed);)*
            }

            fn add_to(&self, stats: &mut Stats) {
                $(stats.$name += self.$name.load(Ordering::Relaxed);)*
            }
        }
    };
}

stats! {
    /// Clients connected now.
    connections,
    /// Clients accepted since the start.
    connections_total,
    /// Connections closed for a limit before their clients were let in.
    connections_refused,
    /// Logins that failed, or were not tried because too many before had failed.
    logins_failed,
    /// Times that a client was not read for a while because it sent more than it may.
    throttled,
    /// Sessions, connected or not.
    sessions,
    /// Subscriptions of all sessions.
    subscriptions,
    /// Retained messages.
    retained,
    /// Bytes of retained messages.
    retained_bytes,
    /// Packets received.
    packets_received,
    /// Packets written.
    packets_sent,
    /// Bytes received.
    bytes_received,
    /// Bytes that transports took.
    bytes_sent,
    /// PUBLISH packets received.
    publish_received,
    /// PUBLISH packets written.
    publish_sent,
    /// Messages dropped for one receiver: queue full, expired, too large for it.
    publish_dropped,
    /// Messages that wait for sessions.
    queued_messages,
    /// Bytes of these, counted once per session.
    queued_bytes,
}

/// The rights of the sessions of all shards, of those that may not be sent everything.
pub(super) type AllRights = HashMap<SessionKey, Arc<dyn Rights>, FixedState>;

/// What the shards of one broker share: configuration, subscriptions, retained messages, counters.
#[derive(Debug)]
pub struct Shared {
    pub(super) config: BrokerConfig,
    pub(super) seed: u64,
    shards: u16,
    index: RwLock<Index>,
    /// Rises with every change of `index`.
    generation: AtomicU64,
    rights: RwLock<AllRights>,
    pub(super) addresses: Addresses,
    retained: RwLock<Retained<Arc<Stored>>>,
    stats: Box<[SharedStats]>,
    /// Emptied batches, for whoever needs one.
    batches: Mutex<Vec<PeerBatch>>,
    /// The next row of a store.
    rows: AtomicU64,
    /// How many rows share the row of a message.
    bodies: Mutex<HashMap<RowId, u32, FixedState>>,
    pub(super) totals: Totals,
}

/// Sums over all shards. Apart in memory from what every message reads and few change.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Totals {
    /// Clients connected.
    pub(super) connections: AtomicUsize,
    pub(super) sessions: AtomicUsize,
    /// Bytes that wait.
    pub(super) backlog: AtomicUsize,
    /// The part of it that waits for sessions with a client.
    pub(super) awaited: AtomicUsize,
    /// The part of the bytes that wait which is in the store alone.
    pub(super) spilled: AtomicUsize,
}

impl Shared {
    /// For a broker of `shards` shards (1 to 128; others are brought into this range). `seed`
    /// keeps hash collisions and assigned Client Identifiers from being foreseen.
    pub fn new(config: BrokerConfig, shards: u16, seed: u64) -> Arc<Shared> {
        let shards = shards.clamp(1, SLOTS as u16);
        Arc::new(Shared {
            config,
            seed,
            shards,
            index: RwLock::new(Index::new(seed)),
            generation: AtomicU64::new(1),
            rights: RwLock::new(HashMap::with_hasher(FixedState::with_seed(seed))),
            addresses: Addresses::new(seed),
            retained: RwLock::new(Retained::new(seed)),
            stats: (0..shards).map(|_| SharedStats::default()).collect(),
            batches: Mutex::new(Vec::new()),
            rows: AtomicU64::new(1),
            bodies: Mutex::new(HashMap::with_hasher(FixedState::with_seed(seed))),
            totals: Totals::default(),
        })
    }

    /// Number of shards.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The configuration.
    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// Counters of the whole broker, as of the last time each shard had nothing left to do.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for shard in &self.stats {
            shard.add_to(&mut stats);
        }
        stats.subscriptions = self.index().len() as u64;
        let retained = self.retained();
        stats.retained = retained.len() as u64;
        stats.retained_bytes = retained.bytes() as u64;
        stats
    }

    /// Counters of one shard.
    pub(super) fn shard_stats(&self, shard: u16) -> Stats {
        let mut stats = Stats::default();
        self.stats[usize::from(shard)].add_to(&mut stats);
        stats
    }

    /// Bytes that wait in memory.
    pub(super) fn resident(&self) -> usize {
        let spilled = self.totals.spilled.load(Ordering::Relaxed);
        self.totals.backlog.load(Ordering::Relaxed).saturating_sub(spilled)
    }

    /// So many bytes more wait for a session, which has a client or not.
    pub(super) fn take_on(&self, size: usize, awaited: bool) {
        self.totals.backlog.fetch_add(size, Ordering::Relaxed);
        if awaited {
            self.totals.awaited.fetch_add(size, Ordering::Relaxed);
        }
    }

    /// So many bytes wait no more.
    pub(super) fn let_go(&self, size: usize, awaited: bool) {
        self.totals.backlog.fetch_sub(size, Ordering::Relaxed);
        if awaited {
            self.totals.awaited.fetch_sub(size, Ordering::Relaxed);
        }
    }

    /// Takes so many numbers of rows; returns the first.
    pub(super) fn take_rows(&self, count: u64) -> u64 {
        self.rows.fetch_add(count, Ordering::Relaxed)
    }

    /// One row more shares the row of a message.
    pub(super) fn share_body(&self, body: RowId) {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        *bodies.entry(body).or_default() += 1;
    }

    /// One less does; whether it was the last.
    pub(super) fn release_body(&self, body: RowId) -> bool {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = bodies.get_mut(&body) else { return false };
        *count -= 1;
        let last = *count == 0;
        if last {
            bodies.remove(&body);
        }
        last
    }

    /// Numbers of rows begin behind this one.
    pub(super) fn rows_after(&self, last: u64) {
        self.rows.fetch_max(last + 1, Ordering::Relaxed);
    }

    /// The home of a session.
    pub(super) fn home(&self, client_id: &str) -> u16 {
        (slot(client_id) % usize::from(self.shards)) as u16
    }

    pub(super) fn publish_stats(&self, shard: u16, stats: &Stats) {
        self.stats[usize::from(shard)].store(stats);
    }

    /// The index of subscriptions, for reading. A lock is poisoned only by a panic of another
    /// shard while it changed the index, whose functions leave it whole at every step.
    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index, for changing; who changed it calls `index_changed` while still holding it.
    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    #[inline]
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn rights(&self) -> RwLockReadGuard<'_, AllRights> {
        self.rights.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the rights of a session. Where it has subscriptions, `index_changed` follows.
    pub(super) fn set_rights(&self, session: SessionKey, rights: Option<Arc<dyn Rights>>) {
        let mut all = self.rights.write().unwrap_or_else(PoisonError::into_inner);
        match rights {
            Some(rights) => drop(all.insert(session, rights)),
            None => drop(all.remove(&session)),
        }
    }

    /// An empty batch, with buffers if one has come back.
    pub(super) fn spare_batch(&self) -> PeerBatch {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes an empty batch back, unless there are enough.
    pub(super) fn keep_batch(&self, batch: PeerBatch) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if batches.len() < BATCHES_KEPT * usize::from(self.shards) {
            batches.push(batch);
        }
    }

    pub(super) fn retained(&self) -> RwLockReadGuard<'_, Retained<Arc<Stored>>> {
        self.retained.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn retained_mut(&self) -> RwLockWriteGuard<'_, Retained<Arc<Stored>>> {
        self.retained.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_client_ids_never_change() {
        for (client_id, wanted) in [("", 65), ("a", 64), ("sensor-1", 47), ("mqttjs_12345678", 34)]
        {
            assert_eq!(slot(client_id), wanted, "{client_id}");
        }
    }
}
