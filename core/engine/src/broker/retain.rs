//! Retained messages. MQTT 5.0 §3.3.1.3.

use core::time::Duration;
use std::sync::Arc;

use libmqtt_codec::{QoS, TopicFilter};

use super::Shard;
use super::parcel::{Identifiers, Parcel, Queued, Terms};
use super::shard::Timer;
use crate::Instant;

/// How often to look for expired messages, and at how many.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const SWEEP_MAX: usize = 4096;

impl Shard {
    /// Keeps a message for its topic, or forgets the one kept if the payload is empty.
    pub(super) fn retain(&mut self, parcel: &mut Parcel<'_>) {
        let topic = parcel.publish.topic;
        if parcel.publish.payload.is_empty() {
            // v5 [MQTT-3.3.1-6] [MQTT-3.3.1-7] v311 [MQTT-3.3.1-10] [MQTT-3.3.1-11]
            let known = self.shared.retained_mut().remove(topic).is_some();
            if known {
                self.store_retained(topic, parcel.publish.qos > QoS::AtMostOnce);
            }
            return;
        }
        let stored = Arc::clone(parcel.stored());
        let bytes = stored.size();
        let config = &self.shared.config;
        let mut retained = self.shared.retained_mut();
        // A message that replaces a larger one always fits.
        let before = retained.get(topic).map(|before| before.size());
        let more = bytes.saturating_sub(before.unwrap_or(0));
        let full = (before.is_none() && retained.len() >= config.retained_max)
            || (more > 0 && retained.bytes() + more > config.retained_bytes_max);
        if full {
            drop(retained);
            self.tables.stats.publish_dropped += 1;
            return;
        }
        retained.set(topic, stored, bytes); // v5 [MQTT-3.3.1-5] v311 [MQTT-3.3.1-5]
        drop(retained);
        self.store_retained(topic, parcel.publish.qos > QoS::AtMostOnce);
    }

    /// Sends a session the retained messages that a filter matches, marked as such.
    pub(super) fn send_retained(
        &mut self,
        now: Instant,
        index: u32,
        filter: TopicFilter<'_>,
        qos: QoS,
        identifier: u32,
    ) {
        let Some(session) = self.tables.sessions.at(index) else { return };
        let config = &self.shared.config;
        let (messages, bytes) = session.waiting();
        if messages >= config.queue_messages_max || bytes >= config.queue_bytes_max {
            // Without counting what is dropped: a SUBSCRIBE may have millions of filters, each of
            // which matches all there is.
            self.tables.stats.publish_dropped += 1;
            return;
        }
        let identifiers = Identifiers::one(identifier);
        let shared = Arc::clone(&self.shared);
        let rights = session.rights.clone();
        let may = |topic: &str| rights.as_deref().is_none_or(|rights| rights.may_read(topic));
        let tables = &mut self.tables;
        shared.retained().matches(filter, &mut |stored| {
            if stored.expired(now) || !may(stored.message.topic()) {
                return;
            }
            let terms = Terms {
                qos: qos.min(stored.message.qos()),
                retain: true, // v311 [MQTT-3.3.1-8]
                group: 0,
                identifiers: identifiers.clone(),
            };
            let mut parcel = Parcel::from_stored(stored);
            let queued = Queued { retained: true, ..Queued::new(&mut parcel, terms) };
            tables.keep(index, &mut parcel, queued);
        });
    }

    /// Forgets some of the retained messages that have expired.
    pub(super) fn sweep_retained(&mut self, now: Instant) {
        let mut gone = Vec::new();
        let stores = self.tables.persist.is_some();
        self.shared.retained_mut().sweep(SWEEP_MAX, &mut |stored| {
            let expired = stored.expired(now);
            if expired && stores {
                gone.push(Arc::clone(stored));
            }
            !expired
        });
        gone.iter().for_each(|stored| self.store_retained(stored.message.topic(), false));
        self.timers.arm(now + SWEEP_INTERVAL, Timer::Sweep);
    }
}
