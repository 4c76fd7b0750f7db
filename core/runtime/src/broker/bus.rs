//! What the threads of a broker have in common.

use core::time::Duration;
use std::sync::Arc;

use libmqtt_engine::broker::{Moved, PeerBatch, ShardId, Shared};
use libmqtt_engine::codec::Reason;
use libmqtt_engine::{Instant, Message, Ticket, Verdict};
use libmqtt_locks::atomic::{AtomicBool, AtomicUsize, Ordering};
use libmqtt_locks::{Condvar, Mutex, PoisonError};
use libmqtt_net::Link;

use super::BrokerError;
use crate::client::Core;
use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::log::Log;

/// Bytes of the host program's messages that may wait for a shard.
const PUBLISH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Batches for one shard that may wait before the others read no more from their links.
const BATCHES_MAX: usize = 64;

/// Something for a shard to do.
pub(super) enum Note {
    /// A link comes from another shard.
    Moved(Link, Moved),
    /// A client within the process comes from another shard, with its link.
    MovedLocal(Arc<Core>, Moved),
    /// A client within the process begins its life.
    Join(Arc<Core>),
    /// The client within the process that has this key has something to do.
    Serve(usize),
    /// Messages come from another shard.
    Peer(ShardId, PeerBatch),
    /// The host program publishes.
    Publish(Message),
    /// The host program ends a client's connection.
    Disconnect(Arc<str>, Reason),
    /// The store has done something for this shard.
    Stored,
    /// The answer to a hook's question.
    Verdict(Ticket, Verdict),
    /// What clients may do has changed.
    RightsChanged,
    /// Read no more; the broker stops, at the latest then.
    Quiesce(Instant),
    /// All shards have read their last: send what waits and close.
    Finish,
    /// Another thread has a shard to give to this one's.
    Offered(ShardId),
}

impl Note {
    /// Nobody will read it.
    pub(super) fn give_up(self) {
        if let Note::Join(core) | Note::MovedLocal(core, _) = self {
            core.abandon();
        }
    }
}

/// The way to one shard.
pub(super) struct Lane {
    inbox: Inbox<Note>,
    /// `Note::Peer`s in it.
    batches: AtomicUsize,
    /// Bytes of `Note::Publish`es in it.
    publish_bytes: AtomicUsize,
    /// The shard has read its last.
    quiesced: AtomicBool,
}

/// What the threads of a broker have in common.
pub(super) struct Bus {
    pub(super) clock: Clock,
    pub(super) log: Log,
    pub(super) shared: Arc<Shared>,
    lanes: Box<[Lane]>,
    /// Counts the clients within the process.
    joined: AtomicUsize,
    stopping: AtomicBool,
    /// Shards that have read their last.
    quiesced: AtomicUsize,
    /// Threads that run.
    running: Mutex<usize>,
    ended: Condvar,
}

impl Bus {
    pub(super) fn new(
        shared: Arc<Shared>,
        clock: Clock,
        log: Log,
        inboxes: Vec<Inbox<Note>>,
    ) -> Bus {
        let lane = |inbox| Lane {
            inbox,
            batches: AtomicUsize::new(0),
            publish_bytes: AtomicUsize::new(0),
            quiesced: AtomicBool::new(false),
        };
        Bus {
            clock,
            log,
            shared,
            lanes: inboxes.into_iter().map(lane).collect(),
            joined: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            quiesced: AtomicUsize::new(0),
            running: Mutex::new(0),
            ended: Condvar::new(),
        }
    }

    fn lane(&self, shard: ShardId) -> &Lane {
        &self.lanes[usize::from(shard.0)]
    }

    pub(super) fn inbox(&self, shard: ShardId) -> &Inbox<Note> {
        &self.lane(shard).inbox
    }

    /// Whether there is more than one shard.
    pub(super) fn has_several(&self) -> bool {
        self.lanes.len() > 1
    }

    /// Leaves something for a shard. What is for a shard that has ended is dropped.
    pub(super) fn send(&self, shard: ShardId, note: Note) {
        if let Err(note) = self.lane(shard).inbox.push_quietly(note) {
            note.give_up();
        }
    }

    /// Has a client within the process begin its life, on one shard after the other.
    pub(super) fn join(&self, core: Arc<Core>) -> Result<(), BrokerError> {
        let next = self.joined.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        self.lanes[next].inbox.push_quietly(Note::Join(core)).map_err(|_| BrokerError::Stopped)
    }

    pub(super) fn send_batch(&self, from: ShardId, to: ShardId, batch: PeerBatch) {
        self.lane(to).batches.fetch_add(1, Ordering::Relaxed);
        self.send(to, Note::Peer(from, batch));
    }

    /// A batch was taken from a shard's inbox.
    pub(super) fn batch_taken(&self, by: ShardId) {
        self.lane(by).batches.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether any shard has so many batches waiting that no more should be made.
    pub(super) fn is_congested(&self) -> bool {
        self.lanes.iter().any(|lane| lane.batches.load(Ordering::Relaxed) > BATCHES_MAX)
    }

    pub(super) fn publish(&self, message: &Message) -> Result<(), BrokerError> {
        // One shard for all of them, so that they keep their order.
        let lane = &self.lanes[0];
        let size = message.size();
        let before = lane.publish_bytes.fetch_add(size, Ordering::Relaxed);
        let result = if before >= PUBLISH_BYTES_MAX {
            Err(BrokerError::Busy)
        } else {
            lane.inbox
                .push_quietly(Note::Publish(message.clone()))
                .map_err(|_| BrokerError::Stopped)
        };
        if result.is_err() {
            lane.publish_bytes.fetch_sub(size, Ordering::Relaxed);
        }
        result
    }

    /// A message of the host program was taken from a shard's inbox.
    pub(super) fn publish_taken(&self, by: ShardId, message: &Message) {
        self.lane(by).publish_bytes.fetch_sub(message.size(), Ordering::Relaxed);
    }

    /// Has all shards ask anew what clients may do.
    pub(super) fn rights_changed(&self) {
        for lane in &self.lanes {
            drop(lane.inbox.push_quietly(Note::RightsChanged));
        }
    }

    pub(super) fn disconnect(&self, client_id: &str, reason: Reason) {
        let client_id: Arc<str> = client_id.into();
        for lane in &self.lanes {
            drop(lane.inbox.push_quietly(Note::Disconnect(client_id.clone(), reason)));
        }
    }

    /// Has all shards stop, at the latest after `deadline`; the first call counts.
    pub(super) fn stop(&self, deadline: Duration) {
        if self.stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        let until = self.clock.now() + deadline;
        for lane in &self.lanes {
            drop(lane.inbox.push_quietly(Note::Quiesce(until)));
        }
    }

    /// Whether it was told to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A shard has read its last, and what it had for other shards is in their inboxes; or its
    /// thread has ended.
    pub(super) fn quiesced(&self, shard: ShardId) {
        if self.lane(shard).quiesced.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.quiesced.fetch_add(1, Ordering::AcqRel) + 1 == self.lanes.len() {
            for lane in &self.lanes {
                drop(lane.inbox.push_quietly(Note::Finish));
            }
        }
    }

    pub(super) fn thread_begins(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    pub(super) fn thread_ends(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.ended.notify_all();
    }

    /// Waits until all threads have ended; whether they have.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.ended.wait_timeout_while(running, timeout, |running| *running > 0);
        *ended.unwrap_or_else(PoisonError::into_inner).0 == 0
    }
}
