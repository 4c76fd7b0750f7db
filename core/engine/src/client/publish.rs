//! Publishing, and what comes back for it.
//!
//! A message goes straight into the output when the client is online, the output has room and,
//! at QoS 1 and 2, the server's window is open. Otherwise it waits in the queue, which `pump`
//! empties in order.

use core::time::Duration;

use libmqtt_codec::{
    Ack, AckKind, Carrier, DecodeError, Packet, PacketType, Properties, PropertiesBuf, Property,
    PropertyId, Publish, QoS, Reason, Side, TopicError, TopicName,
};

use super::queue::Pending;
use super::{
    Answer, Client, Kept, LostSession, OfflineQoS0, Outcome, QueueFull, Row, State, Token,
};
use crate::session::{AckOutcome, Resend};
use crate::{Instant, Message};

/// Why a message is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Its topic is no Topic Name.
    #[error("topic name {0}")]
    Topic(#[from] TopicError),
    /// Its properties are not those of a PUBLISH from a client.
    #[error("properties of the message: {0}")]
    Properties(DecodeError),
    /// Topic Aliases are assigned by the client itself.
    #[error("message has a topic alias of its own")]
    TopicAlias,
    /// It is larger than MQTT allows, or than the connected server takes.
    #[error("message is larger than the server takes")]
    TooLarge,
    /// The connected server does not take this QoS.
    #[error("server does not take this qos")]
    QoSNotSupported,
    /// The connected server retains no messages.
    #[error("server retains no messages")]
    RetainNotSupported,
    /// The queue is full.
    #[error("queue is full")]
    QueueFull,
    /// It is at QoS 0 and cannot be sent at once, and the policy is to refuse it then.
    #[error("message at qos 0 cannot be sent now")]
    NotReady,
    /// `disconnect` was called.
    #[error("client is disconnecting")]
    Disconnecting,
    /// It is at QoS 1 or 2, and the store of this client cannot keep it at present.
    #[error("message cannot be stored at present")]
    NotStored,
}

impl Client {
    /// Command: publishes a message. DUP and Packet Identifier are ignored.
    ///
    /// The token's [`Outcome`] comes after the write at QoS 0, after PUBACK at QoS 1, after
    /// PUBCOMP at QoS 2.
    pub fn publish(&mut self, now: Instant, message: &Publish<'_>) -> Result<Token, PublishError> {
        let token = self.token();
        self.submit(now, message, token)?;
        Ok(token)
    }

    /// Command: as `publish`, with nobody interested in what becomes of it.
    pub fn publish_untracked(
        &mut self,
        now: Instant,
        message: &Publish<'_>,
    ) -> Result<(), PublishError> {
        self.submit(now, message, Token::NONE)
    }

    pub(super) fn submit(
        &mut self,
        now: Instant,
        message: &Publish<'_>,
        token: Token,
    ) -> Result<(), PublishError> {
        TopicName::new(message.topic)?; // v5 [MQTT-3.3.2-2] [MQTT-4.7.0-1] v311 [MQTT-3.3.2-2]
        if !message.properties.is_empty() {
            check_properties(message.properties)?;
        }
        let publish = Publish { dup: false, packet_id: None, ..*message };
        let size = publish.topic.len() + publish.payload.len();
        if size + publish.properties.as_bytes().len() > 268_435_440 {
            return Err(PublishError::TooLarge);
        }
        if let Some(persist) = &self.persist
            && persist.is_failing()
            && publish.qos != QoS::AtMostOnce
        {
            return Err(PublishError::NotStored);
        }
        match &self.state {
            State::Leaving { .. } | State::Online { goodbye: Some(_), .. } => {
                return Err(PublishError::Disconnecting);
            }
            State::Online { .. } => {
                self.check_limits(&publish)?;
                if self.can_send(publish.qos) {
                    self.transmit(now, &publish, None, token, Row::default());
                    return Ok(());
                }
            }
            _ => {}
        }
        self.enqueue(now, &publish, token)
    }

    fn check_limits(&self, publish: &Publish<'_>) -> Result<(), PublishError> {
        match self.wire.limits.check(publish) {
            Err(Reason::RetainNotSupported) => return Err(PublishError::RetainNotSupported),
            Err(_) => return Err(PublishError::QoSNotSupported),
            Ok(()) => {}
        }
        // The Packet Identifier is not known yet.
        if self.wire.fits(&numbered(publish)) { Ok(()) } else { Err(PublishError::TooLarge) }
    }

    /// Whether a message at this QoS may be sent now, if the client is online.
    pub(super) fn can_send(&self, qos: QoS) -> bool {
        self.wire.outgoing().len() < self.config.output_bytes_max
            && !self.queue.holds(qos)
            && (qos == QoS::AtMostOnce
                || (self.session.outbound.has_room() && !self.is_store_clogged()))
    }

    fn is_store_clogged(&self) -> bool {
        self.persist.as_ref().is_some_and(|persist| persist.is_clogged())
    }

    /// Sends a message that was checked. `kept` is a copy of it, if there is one, and `row` where
    /// that is stored.
    fn transmit(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        kept: Option<Message>,
        token: Token,
        row: Row,
    ) {
        if publish.qos == QoS::AtMostOnce {
            // v5 [MQTT-4.3.1-1] v311 [MQTT-4.3.1-1]
            match self.wire.publish(publish) {
                Ok(()) => self.wire.mark(token),
                Err(reason) => self.finish(token, Outcome::Unsendable(reason)),
            }
            return;
        }
        if self.persist.is_some() {
            let expires = expiry(publish.properties, now);
            return self.transmit_stored(publish, kept, token, row, expires);
        }
        let message = kept.unwrap_or_else(|| Message::copy(publish));
        // v5 [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2]
        // v311 [MQTT-4.3.2-1] [MQTT-4.3.3-1]
        let id = self.session.outbound.start(publish.qos, Kept { message, token, row });
        if let Err(reason) = self.wire.publish(&Publish { packet_id: Some(id), ..*publish }) {
            self.unsendable(id, publish.qos, reason);
        }
    }

    fn enqueue(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        token: Token,
    ) -> Result<(), PublishError> {
        if publish.qos == QoS::AtMostOnce {
            match self.config.offline_qos0 {
                OfflineQoS0::Queue => {}
                OfflineQoS0::Drop => {
                    self.finish(token, Outcome::Dropped);
                    return Ok(());
                }
                OfflineQoS0::Refuse => return Err(PublishError::NotReady),
            }
        }
        let (messages_max, bytes_max) =
            (self.config.queue_messages_max, self.config.queue_bytes_max);
        let size = size_of_message(publish);
        if messages_max == 0 || size > bytes_max {
            return Err(PublishError::QueueFull);
        }
        while self.queue.len() >= messages_max || self.queue.bytes() + size > bytes_max {
            match self.config.queue_full {
                QueueFull::RefuseNewest => return Err(PublishError::QueueFull),
                QueueFull::DropOldest => {
                    let Some(oldest) = self.queue.pop() else { break };
                    self.settle_row(oldest.row, None);
                    self.finish(oldest.token, Outcome::Dropped);
                }
            }
        }
        let message = Message::copy(publish);
        let expires = expiry(publish.properties, now);
        let row = match &mut self.persist {
            Some(persist) if publish.qos != QoS::AtMostOnce => persist.put(publish, expires, None),
            _ => Row::default(),
        };
        self.queue.push(Pending { message, token, expires, row });
        Ok(())
    }

    /// Sends what waits, as far as that goes: first again what a resumed Session asks for, then
    /// the queue.
    pub(super) fn pump(&mut self, now: Instant) {
        if !self.is_connected() {
            return;
        }
        self.resend();
        while let Some(pending) = self.queue.front() {
            if self.wire.outgoing().len() >= self.config.output_bytes_max {
                break;
            }
            let qos = pending.message.qos();
            if qos != QoS::AtMostOnce && !self.session.outbound.has_room() {
                break; // v5 [MQTT-3.3.4-7] [MQTT-4.9.0-2]
            }
            if qos != QoS::AtMostOnce && self.is_store_clogged() {
                break;
            }
            let Some(pending) = self.queue.pop() else { break };
            self.send_pending(now, pending);
        }
    }

    fn send_pending(&mut self, now: Instant, pending: Pending) {
        let Pending { message, token, expires, row } = pending;
        let mut renewed = PropertiesBuf::new();
        if let Some(at) = expires {
            if at <= now {
                self.settle_row(row, None);
                return self.finish(token, Outcome::Expired);
            }
            renewed = message.properties().into();
            renewed.remove(PropertyId::MessageExpiryInterval);
            let left = at.since(now).as_secs_f64().ceil() as u32;
            let _ = renewed.push(Property::MessageExpiryInterval(left));
        }
        let mut publish = message.view();
        if expires.is_some() {
            publish.properties = renewed.view();
        }
        let refused = match self.wire.limits.check(&publish) {
            Ok(()) if self.wire.fits(&numbered(&publish)) => None,
            Ok(()) => Some(Reason::PacketTooLarge),
            Err(reason) => Some(reason),
        };
        match refused {
            Some(reason) => {
                self.settle_row(row, None);
                self.finish(token, Outcome::Unsendable(reason));
            }
            None => {
                // What is sent later, from the store, has what is left of its interval as well.
                let renewed = expires.is_some() && self.persist.is_some();
                let kept = if renewed { Message::copy(&publish) } else { message.clone() };
                self.transmit(now, &publish, Some(kept), token, row);
            }
        }
    }

    /// Sends again, with DUP and the old identifiers, what was not acknowledged.
    /// v5 [MQTT-3.3.1-1] [MQTT-4.4.0-1] v311 [MQTT-3.3.1-1] [MQTT-4.4.0-1]
    fn resend(&mut self) {
        // What cannot be sent any more leaves no trace in the window.
        while let Some(resend) = self.session.outbound.next_resend() {
            match resend {
                // v5 [MQTT-4.3.3-6]
                Resend::PubRel(id) => self.answer(AckKind::PubRel, id, Reason::Success),
                Resend::Publish(id, qos, kept) => {
                    let view = kept.message.view();
                    let publish = Publish { dup: true, packet_id: Some(id), ..view };
                    let sent =
                        if self.wire.limits.check(&publish).is_ok() && self.wire.fits(&publish) {
                            if let Some(persist) = &mut self.persist
                                && persist.holds_back(qos)
                            {
                                persist.hold_publish(id, true);
                                continue;
                            }
                            self.wire.publish(&publish)
                        } else {
                            Err(Reason::PacketTooLarge)
                        };
                    if let Err(reason) = sent {
                        self.unsendable(id, qos, reason);
                    }
                }
            }
        }
    }

    /// Ends a flow whose PUBLISH the server does not take.
    pub(super) fn unsendable(&mut self, id: libmqtt_codec::PacketId, qos: QoS, reason: Reason) {
        let kind = if qos == QoS::ExactlyOnce { AckKind::PubRec } else { AckKind::PubAck };
        if let AckOutcome::Done(kept) = self.session.outbound.handle_ack(kind, id, reason) {
            self.settle_row(kept.row, Some(id));
            self.finish(kept.token, Outcome::Unsendable(reason));
        }
    }

    /// PUBACK, PUBREC or PUBCOMP has come.
    pub(super) fn on_ack(&mut self, now: Instant, ack: &Ack<'_>) {
        match self.session.outbound.handle_ack(ack.kind, ack.packet_id, ack.reason) {
            AckOutcome::Done(kept) => {
                self.settle_row(kept.row, Some(ack.packet_id));
                if kept.token != Token::NONE {
                    let answer = Answer::new(ack.reason, ack.properties);
                    // PUBCOMP says at worst that the server had completed the flow before.
                    let refused = ack.reason.is_error() && ack.kind != AckKind::PubComp;
                    let outcome = if refused { Outcome::Refused } else { Outcome::Acknowledged };
                    self.finish(kept.token, outcome(answer));
                }
            }
            // v5 [MQTT-4.3.3-4] [MQTT-4.6.0-4] v311 [MQTT-4.3.3-1] [MQTT-4.6.0-4]
            AckOutcome::Release => {
                self.store_release(ack.packet_id);
                self.answer(AckKind::PubRel, ack.packet_id, Reason::Success);
            }
            // The server waits for an end of a flow that is over here.
            AckOutcome::Unknown if ack.kind == AckKind::PubRec && !ack.reason.is_error() => {
                self.wire.ack(AckKind::PubRel, ack.packet_id, Reason::PacketIdentifierNotFound);
            }
            AckOutcome::Unknown => {}
        }
        if !self.queue.is_empty() || !self.session.outbound.has_room() {
            self.pump(now);
        }
        self.say_goodbye_if_done(now);
    }

    /// The server has lost the Session: what becomes of messages in flight.
    pub(super) fn lose_flows(&mut self, now: Instant) {
        if let Some(persist) = &mut self.persist {
            persist.end_session(&mut self.session.outbound, self.session.inbound.iter());
        }
        let kept = self.session.outbound.drain();
        for kept in kept.into_iter().rev() {
            let again = match self.config.lost_session {
                LostSession::Republish => true,
                LostSession::RepublishQoS1 => kept.message.qos() == QoS::AtLeastOnce,
                LostSession::Abandon => false,
            };
            if again {
                let Kept { message, token, row } = kept;
                let expires = expiry(message.properties(), now);
                self.queue.put_back(Pending { message, token, expires, row });
            } else {
                self.settle_row(kept.row, None);
                self.finish(kept.token, Outcome::SessionLost);
            }
        }
    }
}

/// When a message expires that is published now.
fn expiry(properties: Properties<'_>, now: Instant) -> Option<Instant> {
    if properties.is_empty() {
        return None;
    }
    let seconds = properties.message_expiry_interval()?;
    Some(now + Duration::from_secs(seconds.into()))
}

/// What `Message::size` will be.
fn size_of_message(publish: &Publish<'_>) -> usize {
    let properties = publish.properties.as_bytes().len();
    publish.topic.len() + properties + publish.payload.len() + size_of::<Message>()
}

/// With some Packet Identifier where one is needed, to measure it.
fn numbered<'a>(publish: &Publish<'a>) -> Publish<'a> {
    let packet_id = (publish.qos != QoS::AtMostOnce).then_some(libmqtt_codec::PacketId::MIN);
    Publish { packet_id, ..*publish }
}

fn check_properties(properties: Properties<'_>) -> Result<(), PublishError> {
    // v5 [MQTT-3.3.4-6] [MQTT-3.3.2-13] [MQTT-3.3.2-14] [MQTT-3.3.2-19]
    let carrier = Carrier::Packet(PacketType::Publish);
    Properties::decode(properties.as_bytes(), carrier, Side::Client)
        .map_err(PublishError::Properties)?;
    if properties.topic_alias().is_some() {
        return Err(PublishError::TopicAlias);
    }
    Ok(())
}

impl Client {
    /// Sends a packet that belongs to no operation and is known to be small and valid.
    pub(super) fn send(&mut self, packet: &Packet<'_>) {
        let _ = self.wire.packet(packet);
    }
}
