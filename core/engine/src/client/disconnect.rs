//! Ending the connection on purpose. MQTT 5.0 §3.14.

use core::time::Duration;

use libmqtt_codec::{
    Carrier, EncodeError, Packet, PacketType, Properties, PropertiesBuf, Property, PropertyId,
    Reason, Side,
};

use super::{Cause, CleanStart, Client, Outcome, State, Token};
use crate::Instant;

/// How to say goodbye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// The Reason Code. Success makes the server forget the will, all others (0x04 is meant for
    /// that) make it publish the will. 3.x knows only the first; for another reason the
    /// connection is closed there without DISCONNECT.
    pub reason: Reason,
    /// Another Session Expiry Interval than the connection had. 5.0 alone; not if that was 0.
    pub session_expiry_s: Option<u32>,
    /// Reason String and User Properties; 3.x drops them.
    pub properties: PropertiesBuf,
    /// How long to wait first for messages and requests to be sent and answered. Meanwhile nothing
    /// new is taken.
    pub wait: Duration,
    /// How long to wait for the transport to take what is to be written.
    pub linger: Duration,
}

impl Default for Disconnect {
    fn default() -> Disconnect {
        Disconnect {
            reason: Reason::Success,
            session_expiry_s: None,
            properties: PropertiesBuf::new(),
            wait: Duration::ZERO,
            linger: Duration::from_secs(2),
        }
    }
}

/// Why the client cannot say goodbye like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectError {
    /// The Session Expiry Interval was 0 and must stay so.
    #[error("session expiry interval was 0 and must stay so")]
    SessionExpiry,
    /// No client says this in a DISCONNECT. v5 [MQTT-3.14.2-1]
    #[error("reason code is not one that a client gives")]
    Reason,
    /// The properties are not those of a DISCONNECT.
    #[error("disconnect cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
}

/// A goodbye that waits until all is done.
#[derive(Debug)]
pub(super) struct Goodbye {
    pub(super) deadline: Instant,
    how: Disconnect,
}

impl Client {
    /// Command: ends the connection, or the attempts to make one, for good: until `connect`.
    ///
    /// What waits in `outgoing` is written, then DISCONNECT, then the driver is told to close.
    /// Every token that is left is abandoned. Messages in flight stay in the Session, if that
    /// outlives the connection, and go on after another `connect`.
    pub fn disconnect(&mut self, now: Instant, how: Disconnect) -> Result<(), DisconnectError> {
        let goodbye = self.goodbye_properties(&how)?;
        match &mut self.state {
            State::Idle => self.abandon(now),
            State::Waiting { .. } => self.end(now, Cause::Requested, false),
            State::Dialling { .. } | State::Connecting { .. } => {
                self.end(now, Cause::Requested, true);
            }
            State::Online { goodbye: waiting, .. } => {
                if how.wait.is_zero() {
                    self.leave(now, &how, &goodbye);
                } else {
                    let deadline = now + how.wait;
                    *waiting = Some(Box::new(Goodbye { deadline, how }));
                    self.say_goodbye_if_done(now);
                }
            }
            State::Leaving { .. } => {}
        }
        Ok(())
    }

    /// Command: ends everything at once, without DISCONNECT: the server publishes the will.
    /// Every token that is left is abandoned, and the program is handed what it would have been
    /// when that is stored.
    pub fn close(&mut self, now: Instant) {
        self.hand_over();
        match self.state {
            State::Idle => self.abandon(now),
            State::Waiting { .. } => self.end(now, Cause::Requested, false),
            _ => self.end(now, Cause::Requested, true),
        }
    }

    /// The properties of DISCONNECT, and whether they can be sent.
    fn goodbye_properties(&self, how: &Disconnect) -> Result<PropertiesBuf, DisconnectError> {
        if !is_ours(how.reason) {
            return Err(DisconnectError::Reason);
        }
        let mut properties = how.properties.clone();
        if let Some(seconds) = how.session_expiry_s {
            let online = self.is_connected() && self.wire.version.has_properties();
            if online && seconds > 0 && self.wire.limits.session_expiry_s == 0 {
                return Err(DisconnectError::SessionExpiry);
            }
            properties.remove(PropertyId::SessionExpiryInterval);
            properties.push(Property::SessionExpiryInterval(seconds))?;
        }
        let carrier = Carrier::Packet(PacketType::Disconnect);
        Properties::decode(properties.view().as_bytes(), carrier, Side::Client)
            .map_err(EncodeError::Invalid)?;
        Ok(properties)
    }

    /// Says goodbye if that is wanted and nothing is left to do, or the time is up.
    pub(super) fn say_goodbye_if_done(&mut self, now: Instant) {
        let State::Online { goodbye: Some(goodbye), .. } = &self.state else { return };
        let done = self.queue.is_empty()
            && self.session.outbound.is_empty()
            && self.requests.is_empty()
            && !self.has_pings()
            && self.wire.outgoing().is_empty();
        if !done && goodbye.deadline > now {
            return;
        }
        let how = goodbye.how.clone();
        let properties = self.goodbye_properties(&how).unwrap_or_default();
        self.leave(now, &how, &properties);
    }

    fn leave(&mut self, now: Instant, how: &Disconnect, properties: &PropertiesBuf) {
        if let Some(seconds) = how.session_expiry_s.filter(|_| self.wire.version.has_properties()) {
            self.session.expiry_s = seconds;
        }
        if how.reason != Reason::Success && !self.wire.version.has_properties() {
            return self.end(now, Cause::Requested, true);
        }
        let reason = how.reason;
        let full = libmqtt_codec::Disconnect { reason, properties: properties.view() };
        if self.wire.packet(&Packet::Disconnect(full)).is_err() {
            // v5 [MQTT-3.14.2-3] [MQTT-3.14.2-4]
            let bare = libmqtt_codec::Disconnect { reason, properties: Default::default() };
            self.send(&Packet::Disconnect(bare));
        }
        if let Some(persist) = &mut self.persist {
            persist.connection_lost(); // nothing comes after DISCONNECT
        }
        self.state = State::Leaving { deadline: now + how.linger };
    }

    /// DISCONNECT was written, or will not be.
    pub(super) fn left(&mut self, now: Instant) {
        self.end(now, Cause::Requested, true); // v5 [MQTT-3.14.4-2] v311 [MQTT-3.14.4-1]
    }

    /// Nothing more will be tried: abandons every operation, and the Session unless it outlives
    /// the connection. What is stored stays so, for the next connection.
    pub(super) fn abandon(&mut self, now: Instant) {
        for token in self.queue.abandon() {
            self.finish(token, Outcome::Abandoned);
        }
        let lasting = self.session.expiry_s > 0 && self.config.clean_start != CleanStart::Always;
        if lasting || self.persist.is_some() {
            let flows = self.session.outbound.values_mut();
            let tokens: Vec<Token> =
                flows.map(|kept| core::mem::replace(&mut kept.token, Token::NONE)).collect();
            for token in tokens {
                self.finish(token, Outcome::Abandoned);
            }
        }
        self.abandon_requests();
        if !lasting {
            if self.persist.is_some() {
                self.lose_flows(now); // what is stored stays stored
            }
            self.end_session();
            self.store_session();
        }
        self.abandon_replies();
    }

    /// Forgets the Session.
    pub(super) fn end_session(&mut self) {
        for kept in self.session.outbound.drain() {
            self.finish(kept.token, Outcome::Abandoned);
        }
        self.session.known = false;
        self.session.inbound.clear();
        self.session.subscribed.clear();
        self.acks.clear();
    }
}

/// Whether a client gives this reason in DISCONNECT. §3.14.2.1
fn is_ours(reason: Reason) -> bool {
    use Reason::*;
    matches!(
        reason,
        Success
            | DisconnectWithWill
            | UnspecifiedError
            | MalformedPacket
            | ProtocolError
            | ImplementationSpecificError
            | TopicNameInvalid
            | ReceiveMaximumExceeded
            | TopicAliasInvalid
            | PacketTooLarge
            | MessageRateTooHigh
            | QuotaExceeded
            | AdministrativeAction
            | PayloadFormatInvalid
    )
}
