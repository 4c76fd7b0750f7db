//! Where a packet begins and ends. MQTT 5.0 §2.1.

use crate::{DecodeError, Packet, PacketType, Side, Version};

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
pub fn frame(input: &[u8], limit: u32) -> Result<Progress<'_>, DecodeError> {
    let _ = (input, limit);
    unimplemented!()
}

impl<'a> Frame<'a> {
    /// The type in the first byte, if it is one.
    pub fn packet_type(&self) -> Option<PacketType> {
        PacketType::from_u8(self.first >> 4)
    }

    /// Reads the packet as one that `from` sent in `version`.
    ///
    /// CONNECT says its version itself; for it `version` is ignored.
    pub fn decode(&self, version: Version, from: Side) -> Result<Packet<'a>, DecodeError> {
        let _ = (version, from);
        unimplemented!()
    }
}
