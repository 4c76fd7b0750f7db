//! The properties of MQTT 5.0 one by one: identifier, type, range, place. §2.2.2.2.

use crate::wire::{Reader, field_len, put_field, text_len};
use crate::{
    DecodeError, EncodeError, PacketType, Side, TopicError, TopicName, VARINT_MAX, varint,
};

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

impl PropertyId {
    /// Every identifier, in order of value.
    pub const ALL: &'static [PropertyId] = &[
        PropertyId::PayloadFormatIndicator,
        PropertyId::MessageExpiryInterval,
        PropertyId::ContentType,
        PropertyId::ResponseTopic,
        PropertyId::CorrelationData,
        PropertyId::SubscriptionIdentifier,
        PropertyId::SessionExpiryInterval,
        PropertyId::AssignedClientIdentifier,
        PropertyId::ServerKeepAlive,
        PropertyId::AuthenticationMethod,
        PropertyId::AuthenticationData,
        PropertyId::RequestProblemInformation,
        PropertyId::WillDelayInterval,
        PropertyId::RequestResponseInformation,
        PropertyId::ResponseInformation,
        PropertyId::ServerReference,
        PropertyId::ReasonString,
        PropertyId::ReceiveMaximum,
        PropertyId::TopicAliasMaximum,
        PropertyId::TopicAlias,
        PropertyId::MaximumQoS,
        PropertyId::RetainAvailable,
        PropertyId::UserProperty,
        PropertyId::MaximumPacketSize,
        PropertyId::WildcardSubscriptionAvailable,
        PropertyId::SubscriptionIdentifierAvailable,
        PropertyId::SharedSubscriptionAvailable,
    ];

    /// The identifier with this value, if there is one.
    #[inline]
    pub fn from_u8(value: u8) -> Option<PropertyId> {
        use PropertyId::*;
        Some(match value {
            0x01 => PayloadFormatIndicator,
            0x02 => MessageExpiryInterval,
            0x03 => ContentType,
            0x08 => ResponseTopic,
            0x09 => CorrelationData,
            0x0B => SubscriptionIdentifier,
            0x11 => SessionExpiryInterval,
            0x12 => AssignedClientIdentifier,
            0x13 => ServerKeepAlive,
            0x15 => AuthenticationMethod,
            0x16 => AuthenticationData,
            0x17 => RequestProblemInformation,
            0x18 => WillDelayInterval,
            0x19 => RequestResponseInformation,
            0x1A => ResponseInformation,
            0x1C => ServerReference,
            0x1F => ReasonString,
            0x21 => ReceiveMaximum,
            0x22 => TopicAliasMaximum,
            0x23 => TopicAlias,
            0x24 => MaximumQoS,
            0x25 => RetainAvailable,
            0x26 => UserProperty,
            0x27 => MaximumPacketSize,
            0x28 => WildcardSubscriptionAvailable,
            0x29 => SubscriptionIdentifierAvailable,
            0x2A => SharedSubscriptionAvailable,
            _ => return None,
        })
    }

    /// Its place in a set of bits.
    #[inline]
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// Passes over a value of this property.
    #[inline]
    pub(crate) fn skip(self, from: &mut Reader<'_>) -> Result<(), DecodeError> {
        use PropertyId::*;
        match self {
            PayloadFormatIndicator
            | RequestProblemInformation
            | RequestResponseInformation
            | RetainAvailable
            | WildcardSubscriptionAvailable
            | SubscriptionIdentifierAvailable
            | SharedSubscriptionAvailable
            | MaximumQoS => {
                from.take(1)?;
            }
            ServerKeepAlive | ReceiveMaximum | TopicAliasMaximum | TopicAlias => {
                from.take(2)?;
            }
            MessageExpiryInterval
            | SessionExpiryInterval
            | WillDelayInterval
            | MaximumPacketSize => {
                from.take(4)?;
            }
            SubscriptionIdentifier => {
                from.varint()?;
            }
            ContentType
            | ResponseTopic
            | AssignedClientIdentifier
            | AuthenticationMethod
            | ResponseInformation
            | ServerReference
            | ReasonString
            | CorrelationData
            | AuthenticationData => {
                from.binary()?;
            }
            UserProperty => {
                from.binary()?;
                from.binary()?;
            }
        }
        Ok(())
    }
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

impl<'a> Property<'a> {
    /// Its identifier.
    pub fn id(&self) -> PropertyId {
        match self {
            Property::PayloadFormatIndicator(..) => PropertyId::PayloadFormatIndicator,
            Property::MessageExpiryInterval(..) => PropertyId::MessageExpiryInterval,
            Property::ContentType(..) => PropertyId::ContentType,
            Property::ResponseTopic(..) => PropertyId::ResponseTopic,
            Property::CorrelationData(..) => PropertyId::CorrelationData,
            Property::SubscriptionIdentifier(..) => PropertyId::SubscriptionIdentifier,
            Property::SessionExpiryInterval(..) => PropertyId::SessionExpiryInterval,
            Property::AssignedClientIdentifier(..) => PropertyId::AssignedClientIdentifier,
            Property::ServerKeepAlive(..) => PropertyId::ServerKeepAlive,
            Property::AuthenticationMethod(..) => PropertyId::AuthenticationMethod,
            Property::AuthenticationData(..) => PropertyId::AuthenticationData,
            Property::RequestProblemInformation(..) => PropertyId::RequestProblemInformation,
            Property::WillDelayInterval(..) => PropertyId::WillDelayInterval,
            Property::RequestResponseInformation(..) => PropertyId::RequestResponseInformation,
            Property::ResponseInformation(..) => PropertyId::ResponseInformation,
            Property::ServerReference(..) => PropertyId::ServerReference,
            Property::ReasonString(..) => PropertyId::ReasonString,
            Property::ReceiveMaximum(..) => PropertyId::ReceiveMaximum,
            Property::TopicAliasMaximum(..) => PropertyId::TopicAliasMaximum,
            Property::TopicAlias(..) => PropertyId::TopicAlias,
            Property::MaximumQoS(..) => PropertyId::MaximumQoS,
            Property::RetainAvailable(..) => PropertyId::RetainAvailable,
            Property::UserProperty(..) => PropertyId::UserProperty,
            Property::MaximumPacketSize(..) => PropertyId::MaximumPacketSize,
            Property::WildcardSubscriptionAvailable(..) => {
                PropertyId::WildcardSubscriptionAvailable
            }
            Property::SubscriptionIdentifierAvailable(..) => {
                PropertyId::SubscriptionIdentifierAvailable
            }
            Property::SharedSubscriptionAvailable(..) => PropertyId::SharedSubscriptionAvailable,
        }
    }

    /// Reads the value of property `id`, and checks type and range.
    pub(crate) fn read(id: PropertyId, from: &mut Reader<'a>) -> Result<Property<'a>, DecodeError> {
        use PropertyId as Id;
        let property = match id {
            Id::PayloadFormatIndicator => Property::PayloadFormatIndicator(flag(id, from)?),
            Id::MessageExpiryInterval => Property::MessageExpiryInterval(from.u32()?),
            Id::ContentType => Property::ContentType(from.text()?),
            Id::ResponseTopic => Property::ResponseTopic(from.text()?),
            Id::CorrelationData => Property::CorrelationData(from.binary()?),
            Id::SubscriptionIdentifier => Property::SubscriptionIdentifier(from.varint()?),
            Id::SessionExpiryInterval => Property::SessionExpiryInterval(from.u32()?),
            Id::AssignedClientIdentifier => Property::AssignedClientIdentifier(from.text()?),
            Id::ServerKeepAlive => Property::ServerKeepAlive(from.u16()?),
            Id::AuthenticationMethod => Property::AuthenticationMethod(from.text()?),
            Id::AuthenticationData => Property::AuthenticationData(from.binary()?),
            Id::RequestProblemInformation => Property::RequestProblemInformation(flag(id, from)?),
            Id::WillDelayInterval => Property::WillDelayInterval(from.u32()?),
            Id::RequestResponseInformation => Property::RequestResponseInformation(flag(id, from)?),
            Id::ResponseInformation => Property::ResponseInformation(from.text()?),
            Id::ServerReference => Property::ServerReference(from.text()?),
            Id::ReasonString => Property::ReasonString(from.text()?),
            Id::ReceiveMaximum => Property::ReceiveMaximum(from.u16()?),
            Id::TopicAliasMaximum => Property::TopicAliasMaximum(from.u16()?),
            Id::TopicAlias => Property::TopicAlias(from.u16()?),
            Id::MaximumQoS => Property::MaximumQoS(from.u8()?),
            Id::RetainAvailable => Property::RetainAvailable(flag(id, from)?),
            Id::UserProperty => Property::UserProperty(from.text()?, from.text()?),
            Id::MaximumPacketSize => Property::MaximumPacketSize(from.u32()?),
            Id::WildcardSubscriptionAvailable => {
                Property::WildcardSubscriptionAvailable(flag(id, from)?)
            }
            Id::SubscriptionIdentifierAvailable => {
                Property::SubscriptionIdentifierAvailable(flag(id, from)?)
            }
            Id::SharedSubscriptionAvailable => {
                Property::SharedSubscriptionAvailable(flag(id, from)?)
            }
        };
        property.check_value()?;
        Ok(property)
    }

    /// The rules for values that the type does not hold.
    fn check_value(&self) -> Result<(), DecodeError> {
        const ABOVE_VARINT_MAX: u32 = VARINT_MAX + 1;
        match *self {
            // V5-U34
            Property::SubscriptionIdentifier(0 | ABOVE_VARINT_MAX..)
            | Property::ReceiveMaximum(0)
            | Property::MaximumPacketSize(0)
            | Property::MaximumQoS(2..)
            | Property::AssignedClientIdentifier("") => Err(DecodeError::PropertyValue(self.id())),
            // v5 [MQTT-3.3.2-8]
            Property::TopicAlias(0) => Err(DecodeError::TopicAliasZero),
            // v5 [MQTT-3.3.2-14] [MQTT-4.7.3-1]
            Property::ResponseTopic(topic) => match TopicName::new(topic) {
                Err(TopicError::Nul) => Err(DecodeError::TextHasNul),
                checked => checked.map(drop).map_err(DecodeError::ResponseTopic),
            },
            _ => Ok(()),
        }
    }

    /// Checks value and lengths as [`Property::read`] would.
    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        match *self {
            Property::ContentType(text)
            | Property::ResponseTopic(text)
            | Property::AssignedClientIdentifier(text)
            | Property::AuthenticationMethod(text)
            | Property::ResponseInformation(text)
            | Property::ServerReference(text)
            | Property::ReasonString(text) => {
                text_len(text)?;
            }
            Property::CorrelationData(bytes) | Property::AuthenticationData(bytes) => {
                field_len(bytes)?;
            }
            Property::UserProperty(name, value) => {
                text_len(name)?;
                text_len(value)?;
            }
            _ => {}
        }
        Ok(self.check_value()?)
    }

    /// Appends identifier and value, both checked before.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.push(self.id() as u8);
        match *self {
            Property::PayloadFormatIndicator(value)
            | Property::RequestProblemInformation(value)
            | Property::RequestResponseInformation(value)
            | Property::RetainAvailable(value)
            | Property::WildcardSubscriptionAvailable(value)
            | Property::SubscriptionIdentifierAvailable(value)
            | Property::SharedSubscriptionAvailable(value) => {
                out.push(value.into());
            }
            Property::MaximumQoS(value) => out.push(value),
            Property::ServerKeepAlive(value)
            | Property::ReceiveMaximum(value)
            | Property::TopicAliasMaximum(value)
            | Property::TopicAlias(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Property::MessageExpiryInterval(value)
            | Property::SessionExpiryInterval(value)
            | Property::WillDelayInterval(value)
            | Property::MaximumPacketSize(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Property::SubscriptionIdentifier(value) => varint::put(value, out),
            Property::ContentType(value)
            | Property::ResponseTopic(value)
            | Property::AssignedClientIdentifier(value)
            | Property::AuthenticationMethod(value)
            | Property::ResponseInformation(value)
            | Property::ServerReference(value)
            | Property::ReasonString(value) => {
                put_field(value.as_bytes(), out);
            }
            Property::CorrelationData(value) | Property::AuthenticationData(value) => {
                put_field(value, out);
            }
            Property::UserProperty(name, value) => {
                put_field(name.as_bytes(), out);
                put_field(value.as_bytes(), out);
            }
        }
    }
}

fn flag(id: PropertyId, from: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::PropertyValue(id)),
    }
}

/// Where a property section stands: in a packet, or in the will part of CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The section of a packet of this type.
    Packet(PacketType),
    /// The Will Properties in the payload of CONNECT.
    Will,
}

impl Carrier {
    /// The properties that `from` may send here, as a set of bits by identifier.
    pub(crate) fn allowed(self, from: Side) -> u64 {
        use PropertyId::*;
        const MESSAGE: u64 = bits(&[
            PayloadFormatIndicator,
            MessageExpiryInterval,
            ContentType,
            ResponseTopic,
            CorrelationData,
            UserProperty,
        ]);
        const EXPLANATION: u64 = bits(&[ReasonString, UserProperty]);
        const AUTHENTICATION: u64 = bits(&[AuthenticationMethod, AuthenticationData]);
        const LIMITS: u64 = bits(&[
            SessionExpiryInterval,
            ReceiveMaximum,
            MaximumPacketSize,
            TopicAliasMaximum,
            UserProperty,
        ]);
        const CONNECT: u64 = LIMITS
            | AUTHENTICATION
            | bits(&[RequestProblemInformation, RequestResponseInformation]);
        const CONNACK: u64 = LIMITS
            | AUTHENTICATION
            | EXPLANATION
            | bits(&[
                AssignedClientIdentifier,
                ServerKeepAlive,
                ResponseInformation,
                ServerReference,
                MaximumQoS,
                RetainAvailable,
                WildcardSubscriptionAvailable,
                SubscriptionIdentifierAvailable,
                SharedSubscriptionAvailable,
            ]);
        match (self, from) {
            (Carrier::Will, Side::Client) => MESSAGE | bits(&[WillDelayInterval]),
            (Carrier::Will, Side::Server) => 0,
            (Carrier::Packet(packet), _) => match (packet, from) {
                (PacketType::Connect, Side::Client) => CONNECT,
                (PacketType::ConnAck, Side::Server) => CONNACK,
                (PacketType::Publish, Side::Client) => MESSAGE | bits(&[TopicAlias]),
                (PacketType::Publish, Side::Server) => {
                    MESSAGE | bits(&[TopicAlias, SubscriptionIdentifier])
                }
                (PacketType::PubAck | PacketType::PubRec, _) => EXPLANATION,
                (PacketType::PubRel | PacketType::PubComp, _) => EXPLANATION,
                (PacketType::Subscribe, Side::Client) => {
                    bits(&[SubscriptionIdentifier, UserProperty])
                }
                (PacketType::Unsubscribe, Side::Client) => bits(&[UserProperty]),
                (PacketType::SubAck | PacketType::UnsubAck, Side::Server) => EXPLANATION,
                (PacketType::Disconnect, Side::Client) => {
                    EXPLANATION | bits(&[SessionExpiryInterval])
                }
                (PacketType::Disconnect, Side::Server) => EXPLANATION | bits(&[ServerReference]),
                (PacketType::Auth, _) => EXPLANATION | AUTHENTICATION,
                _ => 0,
            },
        }
    }

    /// The properties that one side or the other may send here.
    pub(crate) fn anybodys(self) -> u64 {
        self.allowed(Side::Client) | self.allowed(Side::Server)
    }

    /// The properties that may stand here more than once, as a set of bits by identifier.
    pub(crate) fn repeatable(self) -> u64 {
        match self {
            Carrier::Packet(PacketType::Publish) => REPEATABLE,
            _ => PropertyId::UserProperty.bit(),
        }
    }
}

/// The properties that may stand more than once in one packet or another.
pub(crate) const REPEATABLE: u64 =
    bits(&[PropertyId::UserProperty, PropertyId::SubscriptionIdentifier]);

const fn bits(ids: &[PropertyId]) -> u64 {
    let mut set = 0;
    let mut at = 0;
    while at < ids.len() {
        set |= ids[at].bit();
        at += 1;
    }
    set
}
