//! Reason Strings: what the broker says about a failure beyond its Reason Code. MQTT 5.0 §3.4.2.2.2
//!
//! CONNACK and DISCONNECT may always have one. An acknowledgement has one where the Reason Code
//! alone does not tell what was wrong and the client has not asked to be spared; one that has to
//! wait for the store goes without. None has User Properties.

use libmqtt_codec::{Ack, Packet, Properties, PropertiesBuf, Property, Version};

use super::{LinkId, Shard};

/// What a client is told while nothing can be stored.
pub(super) const STORE_FAILS: &str = "nothing can be stored at present";

impl Shard {
    /// The properties with which an acknowledgement explains a failure; none on success, or where
    /// the client wants none. v5 [MQTT-3.1.2-29]
    pub(super) fn explanation(&self, link: LinkId, text: &str) -> PropertiesBuf {
        if text.is_empty() {
            return PropertiesBuf::new();
        }
        match self.tables.links.get(link.index, link.generation) {
            Some(found) if found.version == Version::V5 && found.request_problem_information => {
                reason_string(text)
            }
            _ => PropertiesBuf::new(),
        }
    }
}

/// Properties that are a Reason String, or none if `text` is empty or too long for one.
pub(super) fn reason_string(text: &str) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    if !text.is_empty() {
        let _ = properties.push(Property::ReasonString(text));
    }
    properties
}

/// What of a packet a client with this Maximum Packet Size can be sent: all of it, or a failure
/// without its explanation, or nothing. v5 [MQTT-3.1.2-24]
pub(super) fn fitting<'a>(
    packet: &Packet<'a>,
    version: Version,
    packet_max: u32,
) -> Option<Packet<'a>> {
    let fits = |packet: &Packet<'_>| {
        packet_max == u32::MAX
            || packet.encoded_len(version).is_ok_and(|len| len <= packet_max as usize)
    };
    if fits(packet) {
        return Some(*packet);
    }
    bare(packet).filter(fits)
}

/// The packet without its Reason String, if it can have one.
/// v5 [MQTT-3.2.2-19] [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.6.2-2] [MQTT-3.7.2-2] [MQTT-3.9.2-1]
/// v5 [MQTT-3.11.2-1] [MQTT-3.14.2-3]
fn bare<'a>(packet: &Packet<'a>) -> Option<Packet<'a>> {
    let mut packet = *packet;
    match &mut packet {
        Packet::ConnAck(ack) if ack.reason.is_error() => ack.properties = Properties::EMPTY,
        Packet::Ack(Ack { properties, .. }) => *properties = Properties::EMPTY,
        Packet::SubAck(ack) => ack.properties = Properties::EMPTY,
        Packet::UnsubAck(ack) => ack.properties = Properties::EMPTY,
        Packet::Disconnect(disconnect) => disconnect.properties = Properties::EMPTY,
        _ => return None,
    }
    Some(packet)
}
