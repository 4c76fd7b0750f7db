//! CONNACK. MQTT 5.0 §3.2.

use super::encoding;
use crate::wire::Reader;
use crate::{Carrier, DecodeError, EncodeError, PacketType, Properties, Reason, Side, Version};

/// The answer to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// The broker had state for this Session; in 3.1 neither read nor written.
    pub session_present: bool,
    /// 3.x return codes are translated, see [`Reason::from_connect_return_code`].
    pub reason: Reason,
    /// 3.x: empty.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<ConnAck<'a>, DecodeError> {
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        if flags > 1 && version != Version::V31 {
            return Err(DecodeError::ConnAckFlags); // v5 [MQTT-3.2.2-1] V311-U07
        }
        let session_present = flags == 1 && version != Version::V31;
        let code = reader.u8()?;
        let reason = if version.has_properties() {
            Reason::decode(code, PacketType::ConnAck, Side::Server)?
        } else {
            Reason::from_connect_return_code(code)
                .ok_or(DecodeError::ReasonCode(PacketType::ConnAck, code))? // V311-U08
        };
        if session_present && reason.is_error() {
            return Err(DecodeError::SessionPresentOnRefusal);
        }
        let carrier = Carrier::Packet(PacketType::ConnAck);
        let properties = reader.properties(version, carrier, Side::Server)?;
        reader.finish()?;
        Ok(ConnAck { session_present, reason, properties })
    }

    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.reason.check(PacketType::ConnAck)?;
        if self.session_present && self.reason.is_error() {
            // v5 [MQTT-3.2.2-6] v311 [MQTT-3.2.2-4]
            return Err(DecodeError::SessionPresentOnRefusal.into());
        }
        if !version.has_properties() {
            return Ok(2);
        }
        Ok(2 + self.properties.encoded_len_in(Carrier::Packet(PacketType::ConnAck))?)
    }

    fn put_body(&self, version: Version, out: &mut Vec<u8>) {
        out.push((self.session_present && version != Version::V31).into());
        if version.has_properties() {
            out.push(self.reason as u8);
            self.properties.put(out);
        } else {
            out.push(self.reason.connect_return_code()); // v311 [MQTT-3.2.2-6]
        }
    }
}

encoding!(ConnAck);
