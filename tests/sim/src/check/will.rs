//! Wills: when they must be published, and when not.

use libmqtt_codec::QoS;

use super::Checker;
use super::deliver::Origin;
use crate::obs::{SEC, Time, key_of};

/// A Will Message.
#[derive(Clone, Debug)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) key: u64,
    /// Bytes of its payload.
    pub(crate) len: usize,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Whether it must be published is open.
    pub(crate) doubtful: bool,
    /// Will Delay Interval in seconds.
    pub(crate) delay: u32,
    /// Message Expiry Interval in seconds.
    pub(crate) expiry: Option<u32>,
}

impl Will {
    pub(crate) fn of(will: &libmqtt_codec::Will<'_>) -> Will {
        Will {
            topic: will.topic.into(),
            key: key_of(will.payload).unwrap_or(u64::MAX),
            len: will.payload.len(),
            qos: will.qos,
            retain: will.retain,
            doubtful: false,
            delay: will.properties.will_delay_interval().unwrap_or(0),
            expiry: will.properties.message_expiry_interval(),
        }
    }
}

impl Checker<'_> {
    /// The connection ended without a goodbye: the will is published now or later.
    pub(super) fn will_due(&mut self, session: usize, will: Will) {
        let expiry = self.sessions[session].expiry;
        let wait = Time::from(will.delay.min(expiry)) * SEC;
        if wait == 0 {
            self.fire(session, &will, self.now);
        } else {
            self.count("wills delayed");
            self.sessions[session].will = Some((self.now + wait, will));
        }
    }

    /// The client is back in its session before the delay was over.
    pub(super) fn resume_will(&mut self, session: usize) {
        if self.sessions[session].will.take().is_some() {
            self.count("wills cancelled"); // v5 [MQTT-3.1.3-9]
        }
        // It came in the moment in which the delay was over: published or not, both are right.
        for instance in self.open_wills.iter().map(|(instance, _)| *instance).collect::<Vec<_>>() {
            if self.instances[instance].origin.publisher == session {
                self.doubt(instance);
            }
        }
    }

    /// Publishes a will that was due at `at`; it may take the broker a little longer.
    pub(super) fn fire(&mut self, session: usize, will: &Will, at: Time) {
        self.count("wills fired");
        let instance = self.take(Origin {
            publisher: session,
            client_id: self.sessions[session].client_id.clone(),
            topic: will.topic.clone(),
            key: will.key,
            len: will.len,
            qos: will.qos,
            retain: will.retain,
            expiry: will.expiry,
            will: true,
            at,
        });
        if will.doubtful {
            self.doubt(instance);
        }
        // When nothing had to be waited for, it is published before the broker hears anything else.
        if will.delay > 0 {
            self.open_wills.push((instance, at + self.plan.slack));
        }
    }
}
