//! DISCONNECT. MQTT 5.0 §3.14.

use super::{encoding, outcome};
use crate::wire::Reader;
use crate::{DecodeError, EncodeError, PacketType, Properties, Reason, Side, Version};

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
        let reader = Reader::new(body);
        let (reason, properties) = outcome::read(reader, version, PacketType::Disconnect, from)?;
        Ok(Disconnect { reason, properties })
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
        outcome::len(self.reason, self.properties, PacketType::Disconnect)
    }

    fn put_body(&self, version: Version, out: &mut Vec<u8>) {
        if version.has_properties() {
            outcome::put(self.reason, self.properties, out);
        }
    }
}

encoding!(Disconnect);
