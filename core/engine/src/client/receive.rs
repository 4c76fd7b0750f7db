//! What comes from the server.

use libmqtt_codec::{
    Ack, AckKind, ConnAck, DecodeError, Frame, Packet, PacketId, PacketType, Progress, Properties,
    Publish, QoS, Reason, Side, Version, frame,
};

use super::{Answer, Cause, Client, Event, Outcome, Received, State, Violation};
use crate::{Instant, Message};

/// With room for more bytes than this, the buffer of an incomplete packet is given back.
const KEEP_CAPACITY: usize = 64 * 1024;

impl Client {
    /// Input: bytes came from the server; any split will do.
    pub fn handle_data(&mut self, now: Instant, mut data: &[u8]) {
        match &mut self.state {
            State::Online { .. } => {}
            State::Connecting { heard, .. } => *heard = true,
            _ => return,
        }
        self.pulse.received = now;
        let epoch = self.epoch;
        if !self.input.is_empty() {
            data = self.complete(now, data);
        }
        while !data.is_empty() && self.epoch == epoch && self.reads() {
            match frame(data, self.config.maximum_packet_size) {
                Ok(Progress::Packet(found)) => {
                    self.tell_received(&data[..found.len]);
                    self.on_frame(now, &found);
                    data = &data[found.len..];
                }
                Ok(Progress::Wants(_)) => {
                    self.input.extend_from_slice(data);
                    return;
                }
                Err(error) => return self.malformed(now, error), // V5-U15
            }
        }
    }

    /// Completes the packet whose beginning came earlier; answers what is left of `data`.
    fn complete<'a>(&mut self, now: Instant, mut data: &'a [u8]) -> &'a [u8] {
        let epoch = self.epoch;
        let mut input = core::mem::take(&mut self.input);
        loop {
            match frame(&input, self.config.maximum_packet_size) {
                Ok(Progress::Wants(more)) => {
                    let (now_here, rest) = data.split_at(more.min(data.len()));
                    input.extend_from_slice(now_here);
                    data = rest;
                    if now_here.is_empty() {
                        self.input = input;
                        return data;
                    }
                }
                Ok(Progress::Packet(found)) => {
                    self.tell_received(&input[..found.len]);
                    self.on_frame(now, &found);
                    break;
                }
                Err(error) => {
                    self.malformed(now, error);
                    return &[];
                }
            }
        }
        if self.epoch == epoch && input.capacity() <= KEEP_CAPACITY {
            input.clear();
            self.input = input;
        }
        data
    }

    /// Tells those who watch of a packet, before anything comes of it.
    fn tell_received(&mut self, packet: &[u8]) {
        if self.watched {
            self.tell_sent();
            self.events.list.push_back(Event::PacketReceived(packet.into()));
        }
    }

    /// Whether packets of the server still mean something.
    fn reads(&self) -> bool {
        matches!(self.state, State::Online { .. } | State::Connecting { .. })
    }

    fn on_frame(&mut self, now: Instant, found: &Frame<'_>) {
        self.packets_received += 1;
        if let State::Connecting { .. } = self.state {
            return self.on_first(now, found);
        }
        let packet = match found.decode(self.wire.version, Side::Server) {
            Ok(packet) => packet,
            Err(error) => return self.malformed(now, error),
        };
        if self.explains_unasked(&packet) {
            return self.violation(now, Reason::ProtocolError, Violation::Explanation); // V5-U16
        }
        match packet {
            Packet::Publish(publish) => self.on_publish(now, &publish),
            Packet::Ack(ack) if ack.kind == AckKind::PubRel => self.on_pubrel(now, &ack),
            Packet::Ack(ack) => self.on_ack(now, &ack),
            Packet::SubAck(ack) => {
                self.on_answer(now, ack.packet_id, ack.properties, ack.reasons().collect(), true);
            }
            Packet::UnsubAck(ack) => {
                self.on_answer(now, ack.packet_id, ack.properties, ack.reasons().collect(), false);
            }
            Packet::PingResp => self.on_pingresp(now),
            Packet::Disconnect(disconnect) => {
                // V5-U47
                let answer = Answer::new(disconnect.reason, disconnect.properties);
                self.end(now, Cause::ServerDisconnect(answer), true);
            }
            Packet::Auth(auth) => self.on_auth(now, &auth),
            Packet::ConnAck(_)
            | Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq => {
                self.violation(now, Reason::ProtocolError, Violation::Unexpected);
            }
        }
    }

    /// The first packet: CONNACK, or AUTH before it. v5 [MQTT-3.2.0-1] v311 [MQTT-3.2.0-1]
    fn on_first(&mut self, now: Instant, found: &Frame<'_>) {
        let version = self.wire.version;
        if let Some(code) = old_refusal(found, version) {
            let refusal =
                ConnAck { session_present: false, reason: code, properties: Properties::EMPTY };
            return self.on_connack(now, &refusal);
        }
        match found.decode(version, Side::Server) {
            Ok(Packet::ConnAck(ack)) => self.on_connack(now, &ack),
            Ok(Packet::Auth(auth)) => self.on_auth(now, &auth),
            Ok(_) => self.violation(now, Reason::ProtocolError, Violation::BeforeConnAck),
            Err(error) => self.malformed(now, error),
        }
    }

    /// Whether a packet explains itself although that was not asked for.
    fn explains_unasked(&self, packet: &Packet<'_>) -> bool {
        if self.config.request_problem_information {
            return false;
        }
        let properties = match packet {
            Packet::Ack(ack) => ack.properties,
            Packet::SubAck(ack) => ack.properties,
            Packet::UnsubAck(ack) => ack.properties,
            Packet::Auth(auth) => auth.properties,
            _ => return false,
        };
        properties.reason_string().is_some() || properties.user_properties().next().is_some()
    }

    fn on_publish(&mut self, now: Instant, publish: &Publish<'_>) {
        let mut aliased = None;
        if let Some(alias) = alias_of(publish) {
            match self.alias_in.resolve(alias, publish.topic) {
                Ok(topic) => aliased = Some(Message::copy(&Publish { topic, ..*publish })),
                Err(reason) => return self.violation(now, reason, Violation::TopicAlias),
            }
        }
        let copy = || aliased.unwrap_or_else(|| Message::copy(publish));
        let Some(id) = publish.packet_id else {
            return self.deliver(copy(), publish.dup, None, None);
        };
        let manual = self.config.manual_ack;
        let twice = publish.qos == QoS::ExactlyOnce;
        // v5 [MQTT-4.3.3-10] v311 [MQTT-4.3.3-2]
        if twice && self.session.inbound.contains(id) {
            if manual {
                self.acks.repeat(id);
                self.send_acks();
            } else {
                self.answer(AckKind::PubRec, id, Reason::Success);
            }
            return;
        }
        if self.wire.version.has_properties()
            && self.acks.in_flight() >= usize::from(self.config.receive_maximum)
        {
            // V5-U37
            let reason = Reason::ReceiveMaximumExceeded;
            return self.violation(now, reason, Violation::ReceiveMaximum);
        }
        if twice {
            self.session.inbound.receive(id);
            self.acks.opened();
        }
        if manual {
            let ack = self.acks.add(publish.qos, id);
            return self.deliver(copy(), publish.dup, Some(id), Some(ack));
        }
        if twice {
            self.deliver_once(copy(), publish.dup, id);
        } else {
            self.deliver(copy(), publish.dup, Some(id), None);
        }
        // v5 [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] v311 [MQTT-3.3.4-1] [MQTT-4.3.2-2]
        let kind = if twice { AckKind::PubRec } else { AckKind::PubAck };
        self.answer(kind, id, Reason::Success);
    }

    /// Hands a message to the program, or to a request that it answers.
    pub(super) fn deliver(
        &mut self,
        message: Message,
        dup: bool,
        packet_id: Option<PacketId>,
        ack: Option<super::AckId>,
    ) {
        if let Some(token) = self.replies.answered_by(&message) {
            self.finish(token, Outcome::Reply(message));
            if let Some(ack) = ack {
                let _ = self.settle_ack(ack, Reason::Success);
            }
            return;
        }
        self.events.push(Event::Message(Received { message, dup, packet_id, ack }));
    }

    /// v5 [MQTT-4.3.3-11] [MQTT-4.3.3-12] v311 [MQTT-4.3.3-2]
    fn on_pubrel(&mut self, now: Instant, ack: &Ack<'_>) {
        let id = ack.packet_id;
        if self.acks.waits(id) {
            return self.violation(now, Reason::ProtocolError, Violation::Release);
        }
        let known = self.session.inbound.release(id);
        self.acks.completed();
        if known && let Some(persist) = &mut self.persist {
            persist.incoming(id, false);
        }
        let reason = if known { Reason::Success } else { Reason::PacketIdentifierNotFound };
        self.answer(AckKind::PubComp, id, reason);
    }

    fn malformed(&mut self, now: Instant, error: DecodeError) {
        self.violation(now, error.reason(), Violation::Decode(error));
    }

    /// The server broke the protocol: tell it why, where the version can, and close. V5-U59
    pub(super) fn violation(&mut self, now: Instant, reason: Reason, why: Violation) {
        if self.wire.version.has_properties() && self.is_connected() {
            let properties = Properties::EMPTY;
            self.send(&Packet::Disconnect(libmqtt_codec::Disconnect { reason, properties }));
        }
        self.end(now, Cause::Violation(reason, why), true);
    }
}

/// A server that knows only 3.x refuses CONNECT of 5.0 with the CONNACK of 3.1.1.
fn old_refusal(found: &Frame<'_>, version: Version) -> Option<Reason> {
    let connack = found.packet_type() == Some(PacketType::ConnAck);
    match found.body {
        &[_, code] if connack && version == Version::V5 && code != 0 => {
            Reason::from_connect_return_code(code)
        }
        _ => None,
    }
}

fn alias_of(publish: &Publish<'_>) -> Option<u16> {
    if publish.properties.is_empty() { None } else { publish.properties.topic_alias() }
}
