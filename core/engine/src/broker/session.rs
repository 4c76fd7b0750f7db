//! A session of the broker. MQTT 5.0 §4.1.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::parcel::Queued;
use super::spill::Spilled;
use crate::session::{Inbound, Outbound};
use crate::store::RowId;
use crate::{ClientInfo, Instant, Message, Rights};

/// Session Expiry Interval "never". MQTT 5.0 §3.1.2.11.2.
pub(super) const NEVER: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: ClientInfo,
    /// The link that serves it now.
    pub(super) link: Option<u32>,
    /// Session Expiry Interval in seconds.
    pub(super) expiry_s: u32,
    /// When it ends, without a link; none: never.
    pub(super) ends_at: Option<Instant>,
    /// When the shard looks at it next.
    pub(super) armed: Option<Instant>,
    /// Messages sent and not acknowledged. Nothing is kept of them where the session cannot
    /// outlive its link, for they will never be sent again.
    pub(super) outbound: Outbound<Option<Queued>>,
    /// Bytes of what is kept of them.
    pub(super) outbound_bytes: usize,
    pub(super) inbound: Inbound,
    /// Messages that wait for the window, the transport or the client.
    pub(super) queue: VecDeque<Queued>,
    pub(super) queue_bytes: usize,
    /// What waits behind them and is in the store alone.
    pub(super) spilled: Option<Box<Spilled>>,
    /// How many in `queue` are QoS 0.
    pub(super) queue_qos0: usize,
    /// Its Topic Filters. They only ever leave one by one or all together, so their order shows
    /// nowhere.
    pub(super) filters: HashSet<Box<str>, FixedState>,
    /// Bytes of their texts.
    pub(super) filter_bytes: usize,
    /// How many of them are shared.
    pub(super) shares: usize,
    pub(super) will: Option<Box<Will>>,
    /// What it may do; none: there are no such bounds.
    pub(super) rights: Option<Arc<dyn Rights>>,
    /// Its number in the store; 0: it is not stored.
    pub(super) sid: RowId,
    /// Its messages and subscriptions are, or were, stored.
    pub(super) was_durable: bool,
    pub(super) will_stored: bool,
}

/// A Will Message that may have to be published.
#[derive(Debug)]
pub(super) struct Will {
    /// With its Message Expiry Interval, which starts when it is published.
    pub(super) message: Message,
    pub(super) delay_s: u32,
    /// When the delay ends, once it has begun.
    pub(super) due: Option<Instant>,
}

impl Session {
    pub(super) fn new(client: ClientInfo, seed: u64) -> Session {
        Session {
            client,
            link: None,
            expiry_s: 0,
            ends_at: None,
            armed: None,
            outbound: Outbound::new(),
            outbound_bytes: 0,
            inbound: Inbound::default(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            spilled: None,
            queue_qos0: 0,
            filters: HashSet::with_hasher(FixedState::with_seed(seed)),
            filter_bytes: 0,
            shares: 0,
            will: None,
            rights: None,
            sid: RowId(0),
            was_durable: false,
            will_stored: false,
        }
    }

    /// Whether it may be sent messages with this Topic Name.
    #[inline]
    pub(super) fn may_read(&self, topic: &str) -> bool {
        self.rights.as_deref().is_none_or(|rights| rights.may_read(topic))
    }

    /// Bytes that wait for its client or for its acknowledgements.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting().1 + self.outbound_bytes
    }

    /// Whether a message at QoS 1 or 2 may be sent: the window is open, and not too much of what
    /// it has let through is kept.
    #[inline]
    pub(super) fn has_room(&self, bytes_max: usize) -> bool {
        self.outbound_bytes <= bytes_max && self.outbound.has_room()
    }

    /// Appends to the queue.
    pub(super) fn push(&mut self, queued: Queued) {
        self.queue_bytes += queued.size();
        self.queue_qos0 += usize::from(queued.terms.qos == libmqtt_codec::QoS::AtMostOnce);
        self.queue.push_back(queued);
    }

    /// Takes the first of the queue.
    pub(super) fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.queue_bytes -= queued.size();
        self.queue_qos0 -= usize::from(queued.terms.qos == libmqtt_codec::QoS::AtMostOnce);
        if self.queue.is_empty() && self.queue.capacity() > 64 {
            self.queue = VecDeque::new();
        }
        Some(queued)
    }
}
