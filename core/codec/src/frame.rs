//! Where a packet begins and ends. MQTT 5.0 §2.1.

use crate::{
    Ack, AckKind, Auth, ConnAck, Connect, DecodeError, Disconnect, Packet, PacketType, Publish,
    Side, SubAck, Subscribe, UnsubAck, Unsubscribe, Version, varint,
};

/// The largest packet that MQTT can express, fixed header included.
pub const MAX_PACKET_SIZE: u32 = 268_435_460;

/// A complete packet, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The first byte: type and flags.
    pub first: u8,
    /// What follows the fixed header.
    pub body: &'a [u8],
    /// Bytes of the whole packet, fixed header included.
    pub len: usize,
}

/// What [`frame`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A complete packet stands at the beginning of the input.
    Packet(Frame<'a>),
    /// The packet is incomplete: it needs at least this many bytes more.
    Wants(usize),
}

/// Looks for a packet at the beginning of `input`, refusing one larger than `limit` bytes as soon
/// as its length is known.
///
/// It keeps nothing, so any split of the stream gives the same packets: call it again with the
/// same beginning and more bytes.
#[inline]
pub fn frame(input: &[u8], limit: u32) -> Result<Progress<'_>, DecodeError> {
    let Some((&first, rest)) = input.split_first() else { return Ok(Progress::Wants(2)) };
    let Some((length, width)) = varint::read(rest)? else { return Ok(Progress::Wants(1)) };
    let len = 1 + width + length as usize;
    if len as u64 > u64::from(limit) {
        return Err(DecodeError::PacketTooLarge);
    }
    Ok(match input.get(1 + width..len) {
        Some(body) => Progress::Packet(Frame { first, body, len }),
        None => Progress::Wants(len - input.len()),
    })
}

impl<'a> Frame<'a> {
    /// The type in the first byte, if it is one.
    #[inline]
    pub fn packet_type(&self) -> Option<PacketType> {
        PacketType::from_u8(self.first >> 4)
    }

    /// Reads the packet as one that `from` sent in `version`.
    ///
    /// CONNECT says its version itself; for it `version` is ignored.
    #[inline]
    pub fn decode(&self, version: Version, from: Side) -> Result<Packet<'a>, DecodeError> {
        let kind = self.packet_type().ok_or(DecodeError::ReservedType(0))?;
        if kind == PacketType::Publish {
            return Publish::decode(self, version, from).map(Packet::Publish);
        }
        self.check_type(kind, version, from)?;
        if kind != PacketType::Connect {
            self.check_flags(kind, version)?;
            self.check_length(version)?;
        }
        let body = self.body;
        Ok(match kind {
            PacketType::Connect => Packet::Connect(Connect::decode(self)?),
            PacketType::ConnAck => Packet::ConnAck(ConnAck::decode(body, version)?),
            PacketType::Publish => Packet::Publish(Publish::decode(self, version, from)?),
            PacketType::PubAck => Packet::Ack(Ack::decode(AckKind::PubAck, body, version, from)?),
            PacketType::PubRec => Packet::Ack(Ack::decode(AckKind::PubRec, body, version, from)?),
            PacketType::PubRel => Packet::Ack(Ack::decode(AckKind::PubRel, body, version, from)?),
            PacketType::PubComp => Packet::Ack(Ack::decode(AckKind::PubComp, body, version, from)?),
            PacketType::Subscribe => Packet::Subscribe(Subscribe::decode(body, version)?),
            PacketType::SubAck => Packet::SubAck(SubAck::decode(body, version)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(body, version)?),
            PacketType::UnsubAck => Packet::UnsubAck(UnsubAck::decode(body, version)?),
            PacketType::PingReq | PacketType::PingResp if !body.is_empty() => {
                return Err(DecodeError::TrailingBytes);
            }
            PacketType::PingReq => Packet::PingReq,
            PacketType::PingResp => Packet::PingResp,
            PacketType::Disconnect => Packet::Disconnect(Disconnect::decode(body, version, from)?),
            PacketType::Auth => Packet::Auth(Auth::decode(body, from)?),
        })
    }

    /// The version must have the type, and the side must be one that sends it.
    #[inline]
    fn check_type(
        &self,
        kind: PacketType,
        version: Version,
        from: Side,
    ) -> Result<(), DecodeError> {
        use PacketType::*;
        let sent = match kind {
            Connect | Subscribe | Unsubscribe | PingReq => from == Side::Client,
            ConnAck | SubAck | UnsubAck | PingResp => from == Side::Server,
            Publish | PubAck | PubRec | PubRel | PubComp => true,
            Disconnect => from == Side::Client || version == Version::V5,
            Auth if version == Version::V5 => true,
            Auth => return Err(DecodeError::ReservedType(self.first >> 4)),
        };
        if sent { Ok(()) } else { Err(DecodeError::WrongSender(kind)) }
    }

    /// v5 [MQTT-2.1.3-1] v311 [MQTT-2.2.2-2]; 3.1 does not use the flags of any packet but PUBLISH.
    #[inline]
    pub(crate) fn check_flags(
        &self,
        kind: PacketType,
        version: Version,
    ) -> Result<(), DecodeError> {
        if self.first & 0x0F != kind.flags() && version != Version::V31 {
            return Err(DecodeError::FixedHeaderFlags);
        }
        Ok(())
    }

    /// 5.0 wants the Remaining Length in its shortest form, and a receiver may treat another one as
    /// malformed: this one does. Before 5.0 there is no such rule. v5 [MQTT-1.5.5-1]
    #[inline]
    pub(crate) fn check_length(&self, version: Version) -> Result<(), DecodeError> {
        let shortest = 1 + varint::varint_len(self.body.len() as u32) + self.body.len();
        if self.len != shortest && version == Version::V5 {
            return Err(DecodeError::VarintPadded);
        }
        Ok(())
    }
}
