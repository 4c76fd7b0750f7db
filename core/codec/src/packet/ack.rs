//! PUBACK, PUBREC, PUBREL, PUBCOMP: one type. MQTT 5.0 §3.4 to §3.7.

use super::{encoding, outcome};
use crate::wire::Reader;
use crate::{DecodeError, EncodeError, PacketId, PacketType, Properties, Reason, Side, Version};

/// Which of the four acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AckKind {
    /// PUBACK: ends a QoS 1 flow.
    PubAck = 4,
    /// PUBREC: the receiver of a QoS 2 message owns it.
    PubRec = 5,
    /// PUBREL: the sender has let the message go.
    PubRel = 6,
    /// PUBCOMP: ends a QoS 2 flow.
    PubComp = 7,
}

impl AckKind {
    /// The packet type of the same name.
    pub fn packet_type(self) -> PacketType {
        match self {
            AckKind::PubAck => PacketType::PubAck,
            AckKind::PubRec => PacketType::PubRec,
            AckKind::PubRel => PacketType::PubRel,
            AckKind::PubComp => PacketType::PubComp,
        }
    }
}

/// An acknowledgement in the flow of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// Which one.
    pub kind: AckKind,
    /// The Packet Identifier of the PUBLISH. v5 [MQTT-2.2.1-5] v311 [MQTT-2.3.1-6]
    pub packet_id: PacketId,
    /// 3.x: always [`Reason::Success`]; another one is not written.
    pub reason: Reason,
    /// 3.x: empty.
    pub properties: Properties<'a>,
}

impl Ack<'static> {
    /// An acknowledgement that reports success.
    pub fn new(kind: AckKind, packet_id: PacketId) -> Ack<'static> {
        Ack { kind, packet_id, reason: Reason::Success, properties: Properties::EMPTY }
    }
}

impl<'a> Ack<'a> {
    #[inline]
    pub(crate) fn decode(
        kind: AckKind,
        body: &'a [u8],
        version: Version,
        from: Side,
    ) -> Result<Ack<'a>, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let (reason, properties) = outcome::read(reader, version, kind.packet_type(), from)?;
        Ok(Ack { kind, packet_id, reason, properties })
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.reason.check(self.kind.packet_type())?;
        if !version.has_properties() {
            return Ok(2);
        }
        Ok(2 + outcome::len(self.reason, self.properties, self.kind.packet_type())?)
    }

    #[inline]
    fn put_body(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.get().to_be_bytes());
        if version.has_properties() {
            outcome::put(self.reason, self.properties, out);
        }
    }
}

encoding!(Ack, |ack| ack.kind.packet_type().first_byte());
