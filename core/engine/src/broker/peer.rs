//! What travels between the shards of a broker.
//!
//! Small messages are copied into the batch one behind the other, so that what crosses from one
//! thread to another is a few buffers and not an allocation per message. Emptied batches keep
//! their buffers and go back to a pool that the shards share: where messages mostly go one way,
//! one thread would otherwise allocate all that another frees.

use std::collections::VecDeque;
use std::sync::Arc;

use libmqtt_codec::{Properties, Publish, QoS};

use super::outbox::SHARE_MIN;
use super::parcel::{Parcel, Stored, Target};
use super::persist::Persist;
use super::{Shard, ShardId, Shared};
use crate::Instant;
use crate::topic::SessionKey;

/// Targets that are copied rather than shared: counting references costs both threads.
const COPIED_TARGETS_MAX: usize = 4;
/// Bytes of copied messages, and messages, after which the next one begins another batch. On top
/// of what an outbox may hold before it is written, they fit into it.
const BATCH_BYTES: usize = 48 * 1024;
const BATCH_MESSAGES: usize = 1024;
/// Buffers above this many bytes are not kept.
const KEEP_MAX: usize = 256 * 1024;

/// Messages from one shard to another: hand it to that shard's `handle_peer`, batches of the same
/// pair of shards in order.
#[derive(Debug, Default)]
pub struct PeerBatch {
    deliveries: Vec<Delivery>,
    /// Topics of copied messages.
    topics: String,
    /// Properties and payloads of copied messages.
    bytes: Vec<u8>,
    targets: Vec<Target>,
    /// Topics whose retained message the receiver is to store.
    pub(super) topics_retained: Vec<Box<str>>,
    /// A number that what both shards store on its account has in common; 0: none.
    pub(super) join: u64,
}

/// A message and the sessions of one shard that get it.
#[derive(Debug)]
struct Delivery {
    what: What,
    to: To,
    /// Who published it.
    origin: Option<SessionKey>,
}

#[derive(Debug)]
enum What {
    /// The next in the batch's buffers, with these lengths.
    Copied {
        topic: u32,
        properties: u32,
        payload: u32,
        qos: QoS,
        retain: bool,
        expires_at: Option<Instant>,
    },
    Stored(Arc<Stored>),
}

#[derive(Debug)]
enum To {
    /// So many of the batch's targets, the next ones.
    Next(usize),
    Shared(Arc<[Target]>),
}

impl PeerBatch {
    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.topics_retained.is_empty()
    }

    /// Adds a message for these targets.
    pub(super) fn push(
        &mut self,
        parcel: &mut Parcel<'_>,
        to: &Arc<[Target]>,
        origin: Option<SessionKey>,
    ) {
        let what = self.copy(parcel);
        let to = if to.len() <= COPIED_TARGETS_MAX {
            self.targets.extend_from_slice(to);
            To::Next(to.len())
        } else {
            To::Shared(Arc::clone(to))
        };
        self.deliveries.push(Delivery { what, to, origin });
    }

    /// Adds a message for one target.
    pub(super) fn push_one(
        &mut self,
        parcel: &mut Parcel<'_>,
        to: &Target,
        origin: Option<SessionKey>,
    ) {
        let what = self.copy(parcel);
        self.targets.push(to.clone());
        self.deliveries.push(Delivery { what, to: To::Next(1), origin });
    }

    fn copy(&mut self, parcel: &mut Parcel<'_>) -> What {
        let publish = parcel.publish;
        if parcel.is_stored() || publish.payload.len() >= SHARE_MIN {
            return What::Stored(Arc::clone(parcel.stored()));
        }
        let properties = publish.properties.as_bytes();
        self.topics.push_str(publish.topic);
        self.bytes.extend_from_slice(properties);
        self.bytes.extend_from_slice(publish.payload);
        What::Copied {
            topic: publish.topic.len() as u32,
            properties: properties.len() as u32,
            payload: publish.payload.len() as u32,
            qos: publish.qos,
            retain: publish.retain,
            expires_at: parcel.expires_at,
        }
    }

    fn is_full(&self) -> bool {
        self.bytes.len() + self.topics.len() >= BATCH_BYTES
            || self.deliveries.len() >= BATCH_MESSAGES
    }

    /// Empties it for another use; none if it has become too large for that.
    fn recycle(mut self) -> Option<PeerBatch> {
        self.deliveries.clear();
        self.topics.clear();
        self.bytes.clear();
        self.targets.clear();
        self.topics_retained.clear();
        self.join = 0;
        (self.bytes.capacity() + self.topics.capacity() <= KEEP_MAX).then_some(self)
    }
}

/// What a shard has for the others.
pub(super) struct Peers {
    shared: Arc<Shared>,
    /// Batches that take no more, in order.
    full: VecDeque<(u16, PeerBatch)>,
    /// Those that do, by shard.
    open: Vec<PeerBatch>,
}

impl Peers {
    pub(super) fn new(shared: Arc<Shared>) -> Peers {
        let open = (0..shared.shards()).map(|_| PeerBatch::default()).collect();
        Peers { shared, full: VecDeque::new(), open }
    }

    /// Adds a message for these sessions of the shard `to`; with `persist`, what that one stores
    /// for it belongs to what is stored here.
    pub(super) fn push(
        &mut self,
        to: u16,
        parcel: &mut Parcel<'_>,
        targets: &Arc<[Target]>,
        origin: Option<SessionKey>,
        persist: Option<&mut Persist>,
    ) {
        let batch = &mut self.open[usize::from(to)];
        batch.push(parcel, targets, origin);
        if let Some(persist) = persist {
            persist.join(batch);
        }
        self.close_if_full(to);
    }

    /// Adds a message for one session.
    pub(super) fn push_one(
        &mut self,
        parcel: &mut Parcel<'_>,
        target: &Target,
        origin: Option<SessionKey>,
        persist: Option<&mut Persist>,
    ) {
        let to = target.session.shard;
        let batch = &mut self.open[usize::from(to)];
        batch.push_one(parcel, target, origin);
        if let Some(persist) = persist {
            persist.join(batch);
        }
        self.close_if_full(to);
    }

    /// Has the shard `to` store the retained message of a topic.
    pub(super) fn push_retained(&mut self, to: u16, topic: &str, persist: Option<&mut Persist>) {
        let batch = &mut self.open[usize::from(to)];
        batch.topics_retained.push(topic.into());
        if let Some(persist) = persist {
            persist.join(batch);
        }
    }

    #[inline]
    fn close_if_full(&mut self, to: u16) {
        if self.open[usize::from(to)].is_full() {
            let batch = self.take(to);
            self.full.push_back((to, batch));
        }
    }

    fn take(&mut self, to: u16) -> PeerBatch {
        let next = self.shared.spare_batch();
        core::mem::replace(&mut self.open[usize::from(to)], next)
    }

    /// The next batch to hand over; batches for one shard in order.
    pub(super) fn poll(&mut self) -> Option<(ShardId, PeerBatch)> {
        if let Some((to, batch)) = self.full.pop_front() {
            return Some((ShardId(to), batch));
        }
        let to = self.open.iter().position(|batch| !batch.is_empty())? as u16;
        Some((ShardId(to), self.take(to)))
    }
}

impl Shard {
    /// Input: messages from another shard.
    pub fn handle_peer(&mut self, now: Instant, from: ShardId, batch: PeerBatch) {
        let _ = from;
        self.reap();
        self.deliver_batch(now, &batch);
        if let Some(emptied) = batch.recycle() {
            self.shared.keep_batch(emptied);
        }
    }

    /// Delivers the messages of a batch to sessions of this shard.
    fn deliver_batch(&mut self, now: Instant, batch: &PeerBatch) {
        if let Some(persist) = &mut self.tables.persist {
            if batch.join != 0 {
                persist.joined(batch.join);
            }
            batch.topics_retained.iter().for_each(|topic| persist.retain(topic));
        }
        let (mut topics, mut bytes) = (&batch.topics[..], &batch.bytes[..]);
        let mut targets = &batch.targets[..];
        for delivery in &batch.deliveries {
            let mut parcel = match &delivery.what {
                What::Stored(stored) => Parcel::from_stored(stored),
                &What::Copied { topic, properties, payload, qos, retain, expires_at } => {
                    let (topic, more_topics) = topics.split_at(topic as usize);
                    let (properties, more) = bytes.split_at(properties as usize);
                    let (payload, more) = more.split_at(payload as usize);
                    (topics, bytes) = (more_topics, more);
                    let properties = Properties::assume_checked(properties);
                    let publish = Publish {
                        dup: false,
                        qos,
                        retain,
                        topic,
                        packet_id: None,
                        properties,
                        payload,
                    };
                    Parcel::forwarded(publish, expires_at)
                }
            };
            let to = match &delivery.to {
                To::Shared(to) => to,
                To::Next(count) => {
                    let (to, more) = targets.split_at(*count);
                    targets = more;
                    to
                }
            };
            self.tables.begin();
            parcel.many = to.len() > 1;
            for target in to {
                if target.group != 0 && !self.tables.is_alive(target.session) {
                    self.reroute(now, &Arc::clone(parcel.stored()), target.group);
                } else {
                    self.tables.deliver(now, &mut parcel, target, delivery.origin);
                }
            }
        }
    }
}
