//! AUTH. MQTT 5.0 §3.15.

use super::encoding;
use crate::wire::Reader;
use crate::{Carrier, DecodeError, EncodeError, PacketType, Properties, Reason, Side, Version};

/// A step of enhanced authentication; MQTT 5.0 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success, Continue authentication or Re-authenticate. v5 [MQTT-3.15.2-1]
    pub reason: Reason,
    /// Authentication Method (always there), Authentication Data and others.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(crate) fn decode(body: &'a [u8], from: Side) -> Result<Auth<'a>, DecodeError> {
        // Nothing at all would be Success without properties, yet the method is mandatory. V5-U48
        if body.is_empty() {
            return Err(DecodeError::AuthenticationMethodMissing);
        }
        let mut reader = Reader::new(body);
        let reason = Reason::decode(reader.u8()?, PacketType::Auth, from)?;
        let carrier = Carrier::Packet(PacketType::Auth);
        let properties = reader.properties(Version::V5, carrier, from)?;
        reader.finish()?;
        if properties.authentication_method().is_none() {
            return Err(DecodeError::AuthenticationMethodMissing);
        }
        Ok(Auth { reason, properties })
    }

    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if !version.has_properties() {
            return Err(EncodeError::NotInVersion);
        }
        self.reason.check(PacketType::Auth)?;
        if self.properties.authentication_method().is_none() {
            return Err(DecodeError::AuthenticationMethodMissing.into());
        }
        Ok(1 + self.properties.encoded_len_in(Carrier::Packet(PacketType::Auth))?)
    }

    fn put_body(&self, _version: Version, out: &mut Vec<u8>) {
        out.push(self.reason as u8);
        self.properties.put(out);
    }
}

encoding!(Auth);
