//! PUBLISH. MQTT 5.0 §3.3.

use super::packet_len;
use crate::wire::Reader;
use crate::{
    Carrier, DecodeError, EncodeError, Frame, PacketId, PacketType, Properties, PropertyId, QoS,
    Side, TopicError, TopicName, Version, varint,
};

const CARRIER: Carrier = Carrier::Packet(PacketType::Publish);
const DUP: u8 = 0x08;

/// An Application Message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// A repeat of an earlier attempt.
    pub dup: bool,
    /// At QoS 0 without, above with a Packet Identifier.
    pub qos: QoS,
    /// To be kept, or kept before.
    pub retain: bool,
    /// A valid Topic Name, or empty when a Topic Alias stands for it.
    pub topic: &'a str,
    /// Absent at QoS 0. v5 [MQTT-2.2.1-2] v311 [MQTT-2.3.1-5]
    pub packet_id: Option<PacketId>,
    /// 3.x: empty.
    pub properties: Properties<'a>,
    /// Opaque bytes.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Reads a PUBLISH. `frame` must have that type.
    #[inline]
    pub fn decode(
        frame: &Frame<'a>,
        version: Version,
        from: Side,
    ) -> Result<Publish<'a>, DecodeError> {
        frame.check_length(version)?;
        let dup = frame.first & DUP != 0;
        // v5 [MQTT-3.3.1-4] v311 [MQTT-3.3.1-4]
        let qos = QoS::from_u8((frame.first >> 1) & 3).ok_or(DecodeError::PublishQos)?;
        if dup && qos == QoS::AtMostOnce && version != Version::V31 {
            return Err(DecodeError::DupAtQos0); // v5 [MQTT-3.3.1-2] v311 [MQTT-3.3.1-2]
        }
        let mut reader = Reader::new(frame.body);
        // v5 [MQTT-3.3.2-1] v311 [MQTT-3.3.2-1]
        let topic = reader.binary()?;
        let topic = core::str::from_utf8(topic).map_err(|_| DecodeError::TextNotUtf8)?;
        check_topic(topic, version)?;
        let packet_id = match qos {
            QoS::AtMostOnce => None, // v5 [MQTT-2.2.1-2] v311 [MQTT-2.3.1-5]
            _ => Some(reader.packet_id()?),
        };
        let properties = reader.properties(version, CARRIER, from)?;
        check_alias(topic, properties)?;
        let retain = frame.first & 1 != 0;
        Ok(Publish { dup, qos, retain, topic, packet_id, properties, payload: reader.rest() })
    }

    /// The exact number of bytes that `encode` will append, or why it will refuse.
    #[inline]
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        packet_len(self.body_len(version)?)
    }

    /// Appends the packet to `out`. After an error nothing was appended.
    ///
    /// Returns where the Packet Identifier stands, counted from the first byte of the packet (at
    /// QoS 0: where it would stand). So a packet for many receivers is encoded once, and each
    /// copy gets its own identifier:
    ///
    /// ```
    /// # use libmqtt_codec::*;
    /// # let publish = Publish {
    /// #     dup: false, qos: QoS::AtLeastOnce, retain: false, topic: "a/b",
    /// #     packet_id: PacketId::new(1), properties: Properties::EMPTY, payload: b"x",
    /// # };
    /// let mut wire = Vec::new();
    /// let at = publish.encode(Version::V5, &mut wire).unwrap();
    /// let mut copy = wire.clone();
    /// copy[at..at + 2].copy_from_slice(&7u16.to_be_bytes());
    /// # let Progress::Packet(found) = frame(&copy, u32::MAX).unwrap() else { panic!() };
    /// # let expected = Publish { packet_id: PacketId::new(7), ..publish };
    /// # assert_eq!(found.decode(Version::V5, Side::Server), Ok(Packet::Publish(expected)));
    /// ```
    #[inline]
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let body = self.body_len(version)?;
        out.reserve(packet_len(body)?);
        let at = self.put_head(version, body, out);
        out.extend_from_slice(self.payload);
        Ok(at)
    }

    /// Appends all of the packet but its payload, which the caller sends behind it from where it
    /// lies. Otherwise as [`Publish::encode`].
    #[inline]
    pub fn encode_head(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let body = self.body_len(version)?;
        out.reserve(packet_len(body)? - self.payload.len());
        Ok(self.put_head(version, body, out))
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.packet_id.is_some() != (self.qos != QoS::AtMostOnce) {
            return Err(EncodeError::PacketId); // v5 [MQTT-2.2.1-2] v311 [MQTT-2.3.1-1] [MQTT-2.3.1-5]
        }
        if self.dup && self.qos == QoS::AtMostOnce && version != Version::V31 {
            return Err(DecodeError::DupAtQos0.into()); // v5 [MQTT-3.3.1-2] v311 [MQTT-3.3.1-2]
        }
        if self.topic.len() > 65_535 {
            return Err(EncodeError::FieldTooLong);
        }
        check_topic(self.topic, version)?;
        let mut len = 2 + self.topic.len() + self.payload.len();
        len += if self.packet_id.is_some() { 2 } else { 0 };
        if version.has_properties() {
            check_alias(self.topic, self.properties)?;
            len += self.properties.encoded_len_in(CARRIER)?;
        }
        Ok(len)
    }

    /// Appends what stands in front of the payload; returns the place of the Packet Identifier.
    #[inline]
    fn put_head(&self, version: Version, body: usize, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        let flags = u8::from(self.dup) * DUP + ((self.qos as u8) << 1) + u8::from(self.retain);
        out.push(PacketType::Publish.first_byte() | flags);
        varint::put(body as u32, out);
        out.extend_from_slice(&(self.topic.len() as u16).to_be_bytes());
        out.extend_from_slice(self.topic.as_bytes());
        let at = out.len() - start;
        if let Some(id) = self.packet_id {
            out.extend_from_slice(&id.get().to_be_bytes());
        }
        if version.has_properties() {
            self.properties.put(out);
        }
        at
    }
}

/// A Topic Name, or nothing where a Topic Alias may stand for it.
/// v5 [MQTT-3.3.2-2] [MQTT-4.7.3-1] v311 [MQTT-3.3.2-2] [MQTT-4.7.3-1]
#[inline]
fn check_topic(topic: &str, version: Version) -> Result<(), DecodeError> {
    match TopicName::new(topic) {
        Ok(_) => Ok(()),
        Err(TopicError::Empty) if version.has_properties() => Ok(()),
        Err(TopicError::Nul) => Err(DecodeError::TextHasNul), // v5 [MQTT-4.7.3-2] v311 [MQTT-4.7.3-2]
        Err(error) => Err(DecodeError::TopicName(error)),
    }
}

/// In 5.0 an empty topic wants a Topic Alias. V5-U31
#[inline]
fn check_alias(topic: &str, properties: Properties<'_>) -> Result<(), DecodeError> {
    if topic.is_empty() && !properties.has(PropertyId::TopicAlias) {
        return Err(DecodeError::EmptyTopicWithoutAlias);
    }
    Ok(())
}
