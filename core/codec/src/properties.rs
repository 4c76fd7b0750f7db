//! Property sections of MQTT 5.0. §2.2.2.
//!
//! A section is kept as the bytes that go on the wire: [`Properties`] is a view of a checked
//! section, [`PropertiesBuf`] owns one. A section is short, so looking a property up means walking
//! it; passing a message on means copying it.

use crate::property::REPEATABLE;
use crate::wire::Reader;
use crate::{
    Carrier, DecodeError, EncodeError, Property, PropertyId, Side, VARINT_MAX, varint, varint_len,
};

/// A checked property section, borrowed: the wire bytes behind the Property Length.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Properties<'a> {
    wire: &'a [u8],
}

impl<'a> Properties<'a> {
    /// A section without properties.
    pub const EMPTY: Properties<'static> = Properties { wire: &[] };

    /// Checks a section as `from` may send it in `carrier`: identifiers, types, ranges, and what
    /// may not be repeated.
    pub fn decode(
        wire: &'a [u8],
        carrier: Carrier,
        from: Side,
    ) -> Result<Properties<'a>, DecodeError> {
        walk(wire, carrier, carrier.allowed(from), |id, reader| {
            Property::read(id, reader).map(drop)
        })?;
        Ok(Properties { wire })
    }

    /// A view of bytes that a `decode` or a [`PropertiesBuf`] has checked before. Other bytes
    /// do no harm, but the walk ends where they stop making sense.
    pub fn assume_checked(wire: &'a [u8]) -> Properties<'a> {
        Properties { wire }
    }

    /// The section as it stands on the wire, without the Property Length.
    pub fn as_bytes(self) -> &'a [u8] {
        self.wire
    }

    /// Whether there is no property.
    pub fn is_empty(self) -> bool {
        self.wire.is_empty()
    }

    /// Bytes on the wire, the Property Length included.
    #[inline]
    pub fn encoded_len(self) -> usize {
        varint_len(u32::try_from(self.wire.len()).unwrap_or(u32::MAX)) + self.wire.len()
    }

    /// The same, if the properties may stand in `carrier`, whichever side sends it.
    #[inline]
    pub(crate) fn encoded_len_in(self, carrier: Carrier) -> Result<usize, EncodeError> {
        if self.wire.is_empty() {
            return Ok(1);
        }
        self.check_in(carrier)?;
        Ok(self.encoded_len())
    }

    fn check_in(self, carrier: Carrier) -> Result<(), EncodeError> {
        if self.wire.len() > VARINT_MAX as usize {
            return Err(EncodeError::PacketTooLarge);
        }
        Ok(walk(self.wire, carrier, carrier.anybodys(), PropertyId::skip)?)
    }

    /// Appends Property Length and properties, checked by [`Properties::encoded_len_in`].
    #[inline]
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        varint::put(self.wire.len() as u32, out); // v5 [MQTT-2.2.2-1]
        out.extend_from_slice(self.wire);
    }

    /// The first property with this identifier. The others are passed over unread.
    #[inline]
    fn find(self, wanted: PropertyId) -> Option<Property<'a>> {
        let mut reader = Reader::new(self.wire);
        while let Ok(byte) = reader.u8() {
            let id = PropertyId::from_u8(byte)?;
            if id == wanted {
                return Property::read(id, &mut reader).ok();
            }
            id.skip(&mut reader).ok()?;
        }
        None
    }

    /// The properties in the order in which they were sent.
    pub fn iter(self) -> PropertyIter<'a> {
        PropertyIter { rest: Reader::new(self.wire) }
    }

    /// Whether a property with this identifier is there.
    pub fn has(self, id: PropertyId) -> bool {
        self.find(id).is_some()
    }

    /// All User Properties as (name, value), in order.
    pub fn user_properties(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter_map(|p| match p {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// All Subscription Identifiers, in order.
    pub fn subscription_identifiers(self) -> impl Iterator<Item = u32> + 'a {
        self.iter().filter_map(|p| match p {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        })
    }
}

/// Goes through a section, property by property: `allowed` and unrepeated ones, whose values are
/// for `value` to take.
#[inline]
fn walk<'a>(
    wire: &'a [u8],
    carrier: Carrier,
    allowed: u64,
    value: impl Fn(PropertyId, &mut Reader<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(wire);
    let mut seen = 0;
    while !reader.is_empty() {
        let byte = reader.u8()?;
        let id = PropertyId::from_u8(byte).ok_or(DecodeError::PropertyUnknown(byte))?;
        if allowed & id.bit() == 0 {
            return Err(misplaced(id, carrier));
        }
        if seen & id.bit() & !carrier.repeatable() != 0 {
            return Err(DecodeError::PropertyRepeated(id));
        }
        seen |= id.bit();
        value(id, &mut reader)?;
    }
    Ok(())
}

/// Why a property may not stand in `carrier` when one side sends it.
#[cold]
fn misplaced(id: PropertyId, carrier: Carrier) -> DecodeError {
    if carrier.anybodys() & id.bit() == 0 {
        DecodeError::PropertyNotAllowed(id) // V5-U07
    } else {
        DecodeError::PropertyWrongSender(id) // v5 [MQTT-3.3.4-6] [MQTT-3.14.2-2]
    }
}

macro_rules! getters {
    ($($name:ident $variant:ident $kind:ty;)*) => {
        impl<'a> Properties<'a> {
            $(#[doc = concat!("The value of ", stringify!($variant), ", if it is there.")]
            pub fn $name(self) -> Option<$kind> {
                match self.find(PropertyId::$variant)? {
                    Property::$variant(value) => Some(value),
                    _ => None,
                }
            })*
        }
    };
}

getters! {
    payload_format_indicator PayloadFormatIndicator bool;
    message_expiry_interval MessageExpiryInterval u32;
    content_type ContentType &'a str;
    response_topic ResponseTopic &'a str;
    correlation_data CorrelationData &'a [u8];
    session_expiry_interval SessionExpiryInterval u32;
    assigned_client_identifier AssignedClientIdentifier &'a str;
    server_keep_alive ServerKeepAlive u16;
    authentication_method AuthenticationMethod &'a str;
    authentication_data AuthenticationData &'a [u8];
    request_problem_information RequestProblemInformation bool;
    will_delay_interval WillDelayInterval u32;
    request_response_information RequestResponseInformation bool;
    response_information ResponseInformation &'a str;
    server_reference ServerReference &'a str;
    reason_string ReasonString &'a str;
    receive_maximum ReceiveMaximum u16;
    topic_alias_maximum TopicAliasMaximum u16;
    topic_alias TopicAlias u16;
    maximum_qos MaximumQoS u8;
    retain_available RetainAvailable bool;
    maximum_packet_size MaximumPacketSize u32;
    wildcard_subscription_available WildcardSubscriptionAvailable bool;
    subscription_identifier_available SubscriptionIdentifierAvailable bool;
    shared_subscription_available SharedSubscriptionAvailable bool;
}

impl core::fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;
    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

/// Walks a checked section.
#[derive(Clone, Debug)]
pub struct PropertyIter<'a> {
    rest: Reader<'a>,
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        let id = PropertyId::from_u8(self.rest.u8().ok()?)?;
        let property = Property::read(id, &mut self.rest).ok();
        if property.is_none() {
            self.rest = Reader::new(&[]);
        }
        property
    }
}

/// A property section, owned. Whether a property suits a packet is checked by that packet's
/// `encode`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct PropertiesBuf {
    wire: Vec<u8>,
}

impl PropertiesBuf {
    /// An empty section.
    pub fn new() -> PropertiesBuf {
        PropertiesBuf::default()
    }

    /// Appends a property. Nothing changes when a value is out of its range or too long, or when
    /// a property that may stand only once is there already. (User Property and Subscription
    /// Identifier may repeat.)
    pub fn push(&mut self, property: Property<'_>) -> Result<(), EncodeError> {
        property.check()?;
        let id = property.id();
        if REPEATABLE & id.bit() == 0 && self.view().find(id).is_some() {
            return Err(DecodeError::PropertyRepeated(id).into());
        }
        property.put(&mut self.wire);
        Ok(())
    }

    /// Removes every property with this identifier.
    pub fn remove(&mut self, id: PropertyId) {
        let mut start = 0;
        while let Some(&byte) = self.wire.get(start) {
            let Some(found) = PropertyId::from_u8(byte) else { return };
            let mut reader = Reader::new(&self.wire[start + 1..]);
            if found.skip(&mut reader).is_err() {
                return;
            }
            let end = self.wire.len() - reader.rest().len();
            if found == id {
                self.wire.drain(start..end);
            } else {
                start = end;
            }
        }
    }

    /// Puts `property` in the place of every other one with its identifier. After an error
    /// nothing has changed.
    pub fn set(&mut self, property: Property<'_>) -> Result<(), EncodeError> {
        property.check()?;
        self.remove(property.id());
        property.put(&mut self.wire);
        Ok(())
    }

    /// Whether there is no property.
    pub fn is_empty(&self) -> bool {
        self.wire.is_empty()
    }

    /// Removes every property, keeping the memory.
    pub fn clear(&mut self) {
        self.wire.clear();
    }

    /// The section as a view.
    pub fn view(&self) -> Properties<'_> {
        Properties { wire: &self.wire }
    }
}

impl From<Properties<'_>> for PropertiesBuf {
    fn from(view: Properties<'_>) -> PropertiesBuf {
        PropertiesBuf { wire: view.wire.to_vec() }
    }
}

impl core::fmt::Debug for PropertiesBuf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.view().fmt(f)
    }
}
