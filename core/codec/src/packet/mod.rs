//! The fifteen packet types, one model for all versions. MQTT 5.0 §3.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod outcome;
mod publish;
mod subscribe;
mod unsubscribe;

pub use ack::{Ack, AckKind};
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use publish::Publish;
pub use subscribe::{
    RetainHandling, SubAck, Subscribe, Subscription, SubscriptionOptions, Subscriptions,
    SubscriptionsBuf,
};
pub use unsubscribe::{Filters, FiltersBuf, UnsubAck, Unsubscribe};

use crate::{EncodeError, VARINT_MAX, Version, varint, varint_len};

/// A Packet Identifier: never 0.
pub type PacketId = core::num::NonZeroU16;

/// The type of an MQTT Control Packet. MQTT 5.0 §2.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the specification's own
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// The type with this number, if there is one.
    pub fn from_u8(value: u8) -> Option<PacketType> {
        use PacketType::*;
        Some(match value {
            1 => Connect,
            2 => ConnAck,
            3 => Publish,
            4 => PubAck,
            5 => PubRec,
            6 => PubRel,
            7 => PubComp,
            8 => Subscribe,
            9 => SubAck,
            10 => Unsubscribe,
            11 => UnsubAck,
            12 => PingReq,
            13 => PingResp,
            14 => Disconnect,
            15 => Auth,
            _ => return None,
        })
    }

    /// The flags in the first byte; those of PUBLISH vary. v5 [MQTT-2.1.3-1] v311 [MQTT-2.2.2-1]
    pub(crate) fn flags(self) -> u8 {
        use PacketType::*;
        match self {
            // v5 [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
            // v311 [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
            PubRel | Subscribe | Unsubscribe => 0b0010,
            // v5 [MQTT-3.14.1-1] [MQTT-3.15.1-1] v311 [MQTT-3.14.1-1]
            _ => 0,
        }
    }

    /// The first byte of a packet of this type, PUBLISH aside.
    #[inline]
    pub(crate) fn first_byte(self) -> u8 {
        ((self as u8) << 4) | self.flags()
    }
}

/// An MQTT Control Packet, borrowed from the bytes it was read from or is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's own
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// The packet's type.
    pub fn packet_type(&self) -> PacketType {
        match self {
            Packet::Connect(_) => PacketType::Connect,
            Packet::ConnAck(_) => PacketType::ConnAck,
            Packet::Publish(_) => PacketType::Publish,
            Packet::Ack(ack) => ack.kind.packet_type(),
            Packet::Subscribe(_) => PacketType::Subscribe,
            Packet::SubAck(_) => PacketType::SubAck,
            Packet::Unsubscribe(_) => PacketType::Unsubscribe,
            Packet::UnsubAck(_) => PacketType::UnsubAck,
            Packet::PingReq => PacketType::PingReq,
            Packet::PingResp => PacketType::PingResp,
            Packet::Disconnect(_) => PacketType::Disconnect,
            Packet::Auth(_) => PacketType::Auth,
        }
    }

    /// The exact number of bytes that [`Packet::encode`] will append, or why it will refuse.
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        match self {
            Packet::Connect(packet) => packet.encoded_len(),
            Packet::ConnAck(packet) => packet.encoded_len(version),
            Packet::Publish(packet) => packet.encoded_len(version),
            Packet::Ack(packet) => packet.encoded_len(version),
            Packet::Subscribe(packet) => packet.encoded_len(version),
            Packet::SubAck(packet) => packet.encoded_len(version),
            Packet::Unsubscribe(packet) => packet.encoded_len(version),
            Packet::UnsubAck(packet) => packet.encoded_len(version),
            Packet::PingReq | Packet::PingResp => Ok(2),
            Packet::Disconnect(packet) => packet.encoded_len(version),
            Packet::Auth(packet) => packet.encoded_len(version),
        }
    }

    /// Appends the packet to `out`. After an error nothing was appended.
    ///
    /// What the version cannot say is left out where that changes no meaning (Reason Codes,
    /// properties), and refused where it does (AUTH, No Local). CONNECT says its version itself;
    /// for it `version` is ignored.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Packet::Connect(packet) => packet.encode(out),
            Packet::ConnAck(packet) => packet.encode(version, out),
            Packet::Publish(packet) => packet.encode(version, out).map(drop),
            Packet::Ack(packet) => packet.encode(version, out),
            Packet::Subscribe(packet) => packet.encode(version, out),
            Packet::SubAck(packet) => packet.encode(version, out),
            Packet::Unsubscribe(packet) => packet.encode(version, out),
            Packet::UnsubAck(packet) => packet.encode(version, out),
            Packet::PingReq | Packet::PingResp => {
                out.extend_from_slice(&[self.packet_type().first_byte(), 0]);
                Ok(())
            }
            Packet::Disconnect(packet) => packet.encode(version, out),
            Packet::Auth(packet) => packet.encode(version, out),
        }
    }
}

/// The bytes of a packet with `body` bytes behind its fixed header.
#[inline]
fn packet_len(body: usize) -> Result<usize, EncodeError> {
    if body > VARINT_MAX as usize {
        return Err(EncodeError::PacketTooLarge);
    }
    Ok(1 + varint_len(body as u32) + body)
}

/// Makes room for a packet and appends its fixed header.
fn put_header(first: u8, body: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.reserve(packet_len(body)?);
    out.push(first);
    varint::put(body as u32, out);
    Ok(())
}

/// `encoded_len` and `encode` for a packet that has `body_len`, which checks, and `put_body`,
/// which relies on it.
macro_rules! encoding {
    ($packet:ident, $first:expr) => {
        impl $packet<'_> {
            /// The exact number of bytes that `encode` will append, or why it will refuse.
            pub fn encoded_len(&self, version: $crate::Version) -> Result<usize, EncodeError> {
                $crate::packet::packet_len(self.body_len(version)?)
            }

            /// Appends the packet to `out`. After an error nothing was appended.
            pub fn encode(
                &self,
                version: $crate::Version,
                out: &mut Vec<u8>,
            ) -> Result<(), EncodeError> {
                let first: fn(&Self) -> u8 = $first;
                $crate::packet::put_header(first(self), self.body_len(version)?, out)?;
                self.put_body(version, out);
                Ok(())
            }
        }
    };
    ($packet:ident) => {
        $crate::packet::encoding!($packet, |_| PacketType::$packet.first_byte());
    };
}
use encoding;
