//! UNSUBSCRIBE and UNSUBACK. MQTT 5.0 §3.10 and §3.11.

use crate::{DecodeError, EncodeError, PacketId, Properties, Reason};

/// The checked payload of an UNSUBSCRIBE, borrowed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Filters<'a> {
    wire: &'a [u8],
}

impl<'a> Filters<'a> {
    /// Checks a payload: at least one filter, well-formed text.
    pub fn decode(wire: &'a [u8]) -> Result<Filters<'a>, DecodeError> {
        let _ = wire;
        unimplemented!()
    }

    /// The texts of the filters in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let _ = self.wire;
        core::iter::empty()
    }
}

impl core::fmt::Debug for Filters<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The payload of an UNSUBSCRIBE, owned.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct FiltersBuf {
    wire: Vec<u8>,
}

impl FiltersBuf {
    /// No filter yet.
    pub fn new() -> FiltersBuf {
        FiltersBuf::default()
    }

    /// Appends one. Nothing changes when it is too long or contains U+0000.
    pub fn push(&mut self, filter: &str) -> Result<(), EncodeError> {
        let _ = filter;
        unimplemented!()
    }

    /// The payload as a view.
    pub fn view(&self) -> Filters<'_> {
        Filters { wire: &self.wire }
    }
}

/// Asks for no more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Repeated by the UNSUBACK.
    pub packet_id: PacketId,
    /// 3.x: empty.
    pub properties: Properties<'a>,
    /// The filters, as they were subscribed.
    pub filters: Filters<'a>,
}

/// The answer to UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// That of the UNSUBSCRIBE. v5 [MQTT-3.10.4-5] v311 [MQTT-3.10.4-4]
    pub packet_id: PacketId,
    /// 3.x: empty.
    pub properties: Properties<'a>,
    /// One Reason Code per filter, in order, as bytes; 3.x: empty. See [`UnsubAck::reasons`].
    pub codes: &'a [u8],
}

impl<'a> UnsubAck<'a> {
    /// The Reason Codes.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> + 'a {
        self.codes.iter().map(|&code| Reason::from_u8(code).unwrap_or(Reason::UnspecifiedError))
    }
}
