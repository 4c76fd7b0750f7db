//! DISCONNECT. MQTT 5.0 §3.14.

use super::encoding;
use crate::wire::Reader;
use crate::{Carrier, DecodeError, EncodeError, PacketType, Properties, Reason, Side, Version};

/// The last packet of a Network Connection; before 5.0 only a Client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// 3.x: always [`Reason::Success`], which drops the will; another one cannot be written.
    pub reason: Reason,
    /// 3.x: empty.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    pub(crate) fn decode(
        body: &'a [u8],
        version: Version,
        from: Side,
    ) -> Result<Disconnect<'a>, DecodeError> {
        let mut reader = Reader::new(body);
        let mut packet = Disconnect { reason: Reason::Success, properties: Properties::EMPTY };
        // Both may be left out at the end, in this order. V5-U45
        if version.has_properties() && !reader.is_empty() {
            packet.reason = Reason::decode(reader.u8()?, PacketType::Disconnect, from)?;
            if !reader.is_empty() {
                let carrier = Carrier::Packet(PacketType::Disconnect);
                packet.properties = reader.properties(version, carrier, from)?;
            }
        }
        reader.finish()?;
        Ok(packet)
    }

    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.reason.check(PacketType::Disconnect)?;
        if !version.has_properties() {
            // Only a Client's orderly farewell can be said; the will goes with any other reason.
            return if self.reason == Reason::Success {
                Ok(0)
            } else {
                Err(EncodeError::NotInVersion)
            };
        }
        if self.properties.is_empty() {
            return Ok(usize::from(self.reason != Reason::Success));
        }
        Ok(1 + self.properties.encoded_len_in(Carrier::Packet(PacketType::Disconnect))?)
    }

    fn put_body(&self, version: Version, out: &mut Vec<u8>) {
        if version.has_properties() {
            if !self.properties.is_empty() {
                out.push(self.reason as u8);
                self.properties.put(out);
            } else if self.reason != Reason::Success {
                out.push(self.reason as u8);
            }
        }
    }
}

encoding!(Disconnect);
