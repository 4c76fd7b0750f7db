//! The properties of MQTT 5.0. §2.2.2.
//!
//! A property section is kept as the bytes that go on the wire: [`Properties`] is a view of a
//! checked section, [`PropertiesBuf`] owns one. A section is short, so looking a property up
//! means walking it; passing a message on means copying it.

use crate::{DecodeError, EncodeError, PacketType, Side};

/// The identifiers of all properties. MQTT 5.0 §2.2.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the specification's own
pub enum PropertyId {
    PayloadFormatIndicator = 0x01,
    MessageExpiryInterval = 0x02,
    ContentType = 0x03,
    ResponseTopic = 0x08,
    CorrelationData = 0x09,
    SubscriptionIdentifier = 0x0B,
    SessionExpiryInterval = 0x11,
    AssignedClientIdentifier = 0x12,
    ServerKeepAlive = 0x13,
    AuthenticationMethod = 0x15,
    AuthenticationData = 0x16,
    RequestProblemInformation = 0x17,
    WillDelayInterval = 0x18,
    RequestResponseInformation = 0x19,
    ResponseInformation = 0x1A,
    ServerReference = 0x1C,
    ReasonString = 0x1F,
    ReceiveMaximum = 0x21,
    TopicAliasMaximum = 0x22,
    TopicAlias = 0x23,
    MaximumQoS = 0x24,
    RetainAvailable = 0x25,
    UserProperty = 0x26,
    MaximumPacketSize = 0x27,
    WildcardSubscriptionAvailable = 0x28,
    SubscriptionIdentifierAvailable = 0x29,
    SharedSubscriptionAvailable = 0x2A,
}

/// One property with its value. Units are those of the specification (seconds, bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are the specification's own
pub enum Property<'a> {
    PayloadFormatIndicator(bool),
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionIdentifier(u32),
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    MaximumQoS(u8),
    RetainAvailable(bool),
    UserProperty(&'a str, &'a str),
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifierAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

/// Where a property section stands: in a packet, or in the will part of CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The section of a packet of this type.
    Packet(PacketType),
    /// The Will Properties in the payload of CONNECT.
    Will,
}

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
        let _ = (wire, carrier, from);
        unimplemented!()
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
    pub fn encoded_len(self) -> usize {
        unimplemented!()
    }

    /// The properties in the order in which they were sent.
    pub fn iter(self) -> PropertyIter<'a> {
        PropertyIter { rest: self.wire }
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

macro_rules! getters {
    ($($name:ident $variant:ident $kind:ty;)*) => {
        impl<'a> Properties<'a> {
            $(#[doc = concat!("The value of ", stringify!($variant), ", if it is there.")]
            pub fn $name(self) -> Option<$kind> {
                self.iter().find_map(|p| match p {
                    Property::$variant(value) => Some(value),
                    _ => None,
                })
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
    rest: &'a [u8],
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        unimplemented!()
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
        let _ = property;
        unimplemented!()
    }

    /// Removes every property with this identifier.
    pub fn remove(&mut self, id: PropertyId) {
        let _ = id;
        unimplemented!()
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
