//! Will Messages. MQTT 5.0 §3.1.2.5.

use core::time::Duration;

use libmqtt_codec::{PropertiesBuf, PropertyId, Publish};

use super::Shard;
use super::session::Will;
use crate::{Instant, Message};

/// A will of CONNECT as the PUBLISH it may become, but for Will Delay Interval.
pub(super) fn publish<'a>(will: &libmqtt_codec::Will<'a>) -> Publish<'a> {
    Publish {
        dup: false,
        qos: will.qos,
        retain: will.retain, // v5 [MQTT-3.1.2-14] [MQTT-3.1.2-15] v311 [MQTT-3.1.2-16]
        topic: will.topic,
        packet_id: None,
        properties: will.properties,
        payload: will.payload,
    }
}

/// A will of CONNECT, to last as long as its session needs it.
pub(super) fn keep(will: &libmqtt_codec::Will<'_>) -> Will {
    let mut properties = PropertiesBuf::from(will.properties);
    properties.remove(PropertyId::WillDelayInterval);
    let publish = Publish { properties: properties.view(), ..publish(will) };
    Will {
        message: Message::copy(&publish), // v5 [MQTT-3.1.3-10]
        delay_s: will.properties.will_delay_interval().unwrap_or(0),
        due: None,
    }
}

impl Shard {
    /// A link ended without a goodbye: its session's will is due after its delay.
    pub(super) fn begin_will(&mut self, now: Instant, index: u32) {
        let Some(session) = self.tables.sessions.at_mut(index) else { return };
        match &mut session.will {
            None => {}
            Some(will) if will.delay_s > 0 => {
                will.due = Some(now + Duration::from_secs(will.delay_s.into()));
            }
            Some(_) => self.publish_will(now, index),
        }
    }

    /// Publishes a session's will, if it has one. v5 [MQTT-3.1.2-8] [MQTT-3.1.2-10]
    pub(super) fn publish_will(&mut self, now: Instant, index: u32) {
        let Some(session) = self.tables.sessions.at_mut(index) else { return };
        let Some(will) = session.will.take() else { return };
        if let Some(persist) = self.tables.persist.as_mut().filter(|_| session.will_stored) {
            persist.will(session);
        }
        let publish = will.message.view();
        if session.rights.as_deref().is_some_and(|rights| !rights.may_write(publish.topic)) {
            self.tables.stats.publish_dropped += 1;
            return; // the right was taken away since CONNECT
        }
        self.hooks.published(Some(&session.client), &publish);
        self.accept_message(now, &publish, None);
    }
}
