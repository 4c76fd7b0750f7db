//! UNSUBSCRIBE and UNSUBACK. MQTT 5.0 §3.10 and §3.11.

use super::encoding;
use crate::wire::{Reader, put_field, text_len};
use crate::{
    Carrier, DecodeError, EncodeError, PacketId, PacketType, Properties, Reason, Side, Version,
};

/// The checked payload of an UNSUBSCRIBE, borrowed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Filters<'a> {
    wire: &'a [u8],
}

impl<'a> Filters<'a> {
    /// Checks a payload: at least one filter (3.1: perhaps none), well-formed text.
    pub fn decode(wire: &'a [u8], version: Version) -> Result<Filters<'a>, DecodeError> {
        if wire.is_empty() && version != Version::V31 {
            return Err(DecodeError::NoFilters); // v5 [MQTT-3.10.3-2] v311 [MQTT-3.10.3-2]
        }
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            reader.text()?; // v5 [MQTT-3.10.3-1] v311 [MQTT-3.10.3-1]
        }
        Ok(Filters { wire })
    }

    /// The texts of the filters in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new(self.wire);
        core::iter::from_fn(move || reader.checked_text())
    }

    /// How many there are.
    pub fn count(self) -> usize {
        let mut reader = Reader::new(self.wire);
        core::iter::from_fn(|| reader.binary().ok()).count()
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
        text_len(filter)?;
        put_field(filter.as_bytes(), &mut self.wire);
        Ok(())
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

impl<'a> Unsubscribe<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Unsubscribe<'a>, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let carrier = Carrier::Packet(PacketType::Unsubscribe);
        let properties = reader.properties(version, carrier, Side::Client)?;
        let filters = Filters::decode(reader.rest(), version)?;
        Ok(Unsubscribe { packet_id, properties, filters })
    }

    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.filters.wire.is_empty() && version != Version::V31 {
            return Err(DecodeError::NoFilters.into()); // v5 [MQTT-3.10.3-2] v311 [MQTT-3.10.3-2]
        }
        let mut len = 2 + self.filters.wire.len();
        if version.has_properties() {
            len += self.properties.encoded_len_in(Carrier::Packet(PacketType::Unsubscribe))?;
        }
        Ok(len)
    }

    fn put_body(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.get().to_be_bytes());
        if version.has_properties() {
            self.properties.put(out);
        }
        out.extend_from_slice(self.filters.wire);
    }
}

encoding!(Unsubscribe);

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

impl<'a> UnsubAck<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<UnsubAck<'a>, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        if !version.has_properties() {
            reader.finish()?;
            return Ok(UnsubAck { packet_id, properties: Properties::EMPTY, codes: &[] });
        }
        let carrier = Carrier::Packet(PacketType::UnsubAck);
        let properties = reader.properties(version, carrier, Side::Server)?;
        let codes = reader.rest();
        check_codes(codes)?;
        Ok(UnsubAck { packet_id, properties, codes })
    }

    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if !version.has_properties() {
            return Ok(2);
        }
        check_codes(self.codes)?;
        let carrier = Carrier::Packet(PacketType::UnsubAck);
        Ok(2 + self.properties.encoded_len_in(carrier)? + self.codes.len())
    }

    fn put_body(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.get().to_be_bytes());
        if version.has_properties() {
            self.properties.put(out);
            out.extend_from_slice(self.codes);
        }
    }
}

encoding!(UnsubAck);

/// v5 [MQTT-3.11.3-2]
fn check_codes(codes: &[u8]) -> Result<(), DecodeError> {
    if codes.is_empty() {
        return Err(DecodeError::NoReasonCodes);
    }
    for &code in codes {
        Reason::decode(code, PacketType::UnsubAck, Side::Server)?;
    }
    Ok(())
}
