//! What can be wrong with a packet.

use crate::{PacketType, PropertyId, Reason, TopicError, Version};

/// The rule that received bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeError {
    /// The packet is larger than the receiver takes.
    #[error("packet is larger than the limit")]
    PacketTooLarge,
    /// A Variable Byte Integer goes on behind its fourth byte.
    #[error("variable byte integer has more than four bytes")]
    VarintTooLong,
    /// A Variable Byte Integer has more bytes than its value needs; 5.0 only.
    #[error("variable byte integer is not in its shortest form")]
    VarintPadded,
    /// The packet ends inside a field or before one that must be there.
    #[error("packet ends too early")]
    Truncated,
    /// The packet goes on behind its last field.
    #[error("packet has bytes behind its last field")]
    TrailingBytes,
    /// The packet type is 0, or 15 before 5.0.
    #[error("packet type {0} is reserved")]
    ReservedType(u8),
    /// The flags of the fixed header are not those of the packet type; 3.1 ignores them.
    #[error("fixed header flags are wrong for the packet type")]
    FixedHeaderFlags,
    /// This side never sends this packet type.
    #[error("packet type {0:?} never comes from this side")]
    WrongSender(PacketType),
    /// A string is no well-formed UTF-8.
    #[error("text is not well-formed UTF-8")]
    TextNotUtf8,
    /// A string contains U+0000.
    #[error("text contains U+0000")]
    TextHasNul,
    /// A Packet Identifier is 0.
    #[error("packet identifier is 0")]
    PacketIdZero,
    /// The Topic Name of a PUBLISH or will is none.
    #[error("topic name {0}")]
    TopicName(TopicError),
    /// A Reason Code (3.x: return code) that this side does not send in this packet.
    #[error("reason code 0x{1:02x} is not one of {0:?} from this side")]
    ReasonCode(PacketType, u8),

    /// CONNECT: the Protocol Name is neither `MQTT` nor `MQIsdp`.
    #[error("protocol name is unknown")]
    ProtocolName,
    /// CONNECT: the Protocol Level is not one of the Protocol Name.
    #[error("protocol level {0} is not supported under this protocol name")]
    ProtocolLevel(u8),
    /// CONNECT: bit 0 of the flags is set; 3.1 ignores it.
    #[error("reserved connect flag is set")]
    ConnectFlagReserved,
    /// CONNECT: Will QoS without Will Flag; 3.1 ignores it.
    #[error("will qos is set without will flag")]
    WillQosWithoutWill,
    /// CONNECT: Will Retain without Will Flag; 3.1 ignores it.
    #[error("will retain is set without will flag")]
    WillRetainWithoutWill,
    /// CONNECT: Will QoS 3.
    #[error("will qos is 3")]
    WillQos,
    /// CONNECT: a Password without a User Name; 5.0 allows it.
    #[error("password without user name")]
    PasswordWithoutUserName,
    /// CONNECT: Authentication Data without Authentication Method.
    #[error("authentication data without authentication method")]
    AuthenticationDataWithoutMethod,
    /// CONNACK: bits 7 to 1 of the flags are not 0; 3.1 ignores them.
    #[error("reserved connack flags are set")]
    ConnAckFlags,
    /// CONNACK: Session Present in a refusal.
    #[error("session present is set in a refusal")]
    SessionPresentOnRefusal,
    /// PUBLISH: QoS 3.
    #[error("qos is 3")]
    PublishQos,
    /// PUBLISH: DUP at QoS 0; 3.1 allows it.
    #[error("dup is set at qos 0")]
    DupAtQos0,
    /// PUBLISH: neither Topic Name nor Topic Alias; 5.0 only.
    #[error("topic name is empty and there is no topic alias")]
    EmptyTopicWithoutAlias,
    /// SUBSCRIBE: no Topic Filter; 3.1 allows it.
    #[error("subscribe has no topic filter")]
    NoSubscriptions,
    /// SUBSCRIBE: reserved bits of the options are set.
    #[error("reserved subscription option bits are set")]
    SubscriptionReservedBits,
    /// SUBSCRIBE: QoS 3.
    #[error("subscription qos is 3")]
    SubscriptionQos,
    /// SUBSCRIBE: Retain Handling 3.
    #[error("retain handling is 3")]
    RetainHandling,
    /// SUBSCRIBE: No Local on a Shared Subscription.
    #[error("no local on a shared subscription")]
    NoLocalOnShared,
    /// UNSUBSCRIBE: no Topic Filter; 3.1 allows it.
    #[error("unsubscribe has no topic filter")]
    NoFilters,
    /// SUBACK or UNSUBACK: no Reason Code where there must be one.
    #[error("acknowledgement has no reason code")]
    NoReasonCodes,
    /// AUTH: no Authentication Method.
    #[error("authentication method is missing")]
    AuthenticationMethodMissing,

    /// A property that does not exist.
    #[error("property 0x{0:02x} does not exist")]
    PropertyUnknown(u8),
    /// A property that has no place in this packet.
    #[error("property {0:?} is not allowed here")]
    PropertyNotAllowed(PropertyId),
    /// A property of this packet that only the other side sends.
    #[error("property {0:?} never comes from this side")]
    PropertyWrongSender(PropertyId),
    /// A property that may stand only once.
    #[error("property {0:?} is repeated")]
    PropertyRepeated(PropertyId),
    /// A property with a value that it must not have.
    #[error("property {0:?} has a forbidden value")]
    PropertyValue(PropertyId),
    /// Topic Alias 0.
    #[error("topic alias is 0")]
    TopicAliasZero,
    /// A Response Topic that is no Topic Name.
    #[error("response topic {0}")]
    ResponseTopic(TopicError),
}

impl DecodeError {
    /// The Reason Code that reports it.
    pub fn reason(self) -> Reason {
        use DecodeError::*;
        match self {
            PacketTooLarge => Reason::PacketTooLarge,
            VarintTooLong
            | VarintPadded
            | Truncated
            | TrailingBytes
            | ReservedType(_)
            | FixedHeaderFlags
            | TextNotUtf8
            | TextHasNul
            | ConnectFlagReserved
            | WillQosWithoutWill
            | WillRetainWithoutWill
            | WillQos
            | PasswordWithoutUserName
            | ConnAckFlags
            | PublishQos
            | DupAtQos0
            | SubscriptionReservedBits
            | PropertyUnknown(_)
            | PropertyNotAllowed(_) => Reason::MalformedPacket,
            WrongSender(_)
            | PacketIdZero
            | ReasonCode(..)
            | AuthenticationDataWithoutMethod
            | SessionPresentOnRefusal
            | EmptyTopicWithoutAlias
            | NoSubscriptions
            | SubscriptionQos
            | RetainHandling
            | NoLocalOnShared
            | NoFilters
            | NoReasonCodes
            | AuthenticationMethodMissing
            | PropertyWrongSender(_)
            | PropertyRepeated(_)
            | PropertyValue(_)
            | ResponseTopic(_) => Reason::ProtocolError,
            TopicName(_) => Reason::TopicNameInvalid,
            ProtocolName | ProtocolLevel(_) => Reason::UnsupportedProtocolVersion,
            TopicAliasZero => Reason::TopicAliasInvalid,
        }
    }

    /// The id of the normative statement broken, if that version gives it one; 3.1 gives none.
    pub fn statement(self, version: Version) -> Option<&'static str> {
        match version {
            Version::V31 => None,
            Version::V311 => self.statement_v311(),
            Version::V5 => self.statement_v5(),
        }
    }

    fn statement_v311(self) -> Option<&'static str> {
        use DecodeError::*;
        Some(match self {
            FixedHeaderFlags => "MQTT-2.2.2-2",
            TextNotUtf8 => "MQTT-1.5.3-1",
            TextHasNul => "MQTT-1.5.3-2",
            PacketIdZero => "MQTT-2.3.1-1",
            TopicName(TopicError::Empty) => "MQTT-4.7.3-1",
            TopicName(TopicError::Wildcard) => "MQTT-4.7.1-1",
            ReasonCode(PacketType::SubAck, _) => "MQTT-3.9.3-2",
            ProtocolName => "MQTT-3.1.2-1",
            ProtocolLevel(_) => "MQTT-3.1.2-2",
            ConnectFlagReserved => "MQTT-3.1.2-3",
            WillQosWithoutWill => "MQTT-3.1.2-13",
            WillRetainWithoutWill => "MQTT-3.1.2-15",
            WillQos => "MQTT-3.1.2-14",
            PasswordWithoutUserName => "MQTT-3.1.2-22",
            SessionPresentOnRefusal => "MQTT-3.2.2-4",
            PublishQos => "MQTT-3.3.1-4",
            DupAtQos0 => "MQTT-3.3.1-2",
            NoSubscriptions => "MQTT-3.8.3-3",
            SubscriptionReservedBits | SubscriptionQos => "MQTT-3.8.3-4",
            NoFilters => "MQTT-3.10.3-2",
            NoReasonCodes => "MQTT-3.8.4-5",
            _ => return None,
        })
    }

    fn statement_v5(self) -> Option<&'static str> {
        use DecodeError::*;
        Some(match self {
            VarintPadded => "MQTT-1.5.5-1",
            FixedHeaderFlags => "MQTT-2.1.3-1",
            TextNotUtf8 => "MQTT-1.5.4-1",
            TextHasNul => "MQTT-1.5.4-2",
            PacketIdZero => "MQTT-2.2.1-3",
            TopicName(TopicError::Empty) => "MQTT-4.7.3-1",
            TopicName(TopicError::Wildcard) => "MQTT-4.7.0-1",
            ReasonCode(packet, _) => return reason_code_statement(packet),
            ProtocolName => "MQTT-3.1.2-1",
            ProtocolLevel(_) => "MQTT-3.1.2-2",
            ConnectFlagReserved => "MQTT-3.1.2-3",
            WillQosWithoutWill => "MQTT-3.1.2-11",
            WillRetainWithoutWill => "MQTT-3.1.2-13",
            WillQos => "MQTT-3.1.2-12",
            ConnAckFlags => "MQTT-3.2.2-1",
            SessionPresentOnRefusal => "MQTT-3.2.2-6",
            PublishQos => "MQTT-3.3.1-4",
            DupAtQos0 => "MQTT-3.3.1-2",
            NoSubscriptions => "MQTT-3.8.3-2",
            SubscriptionReservedBits => "MQTT-3.8.3-5",
            NoLocalOnShared => "MQTT-3.8.3-4",
            NoFilters => "MQTT-3.10.3-2",
            PropertyWrongSender(PropertyId::SubscriptionIdentifier) => "MQTT-3.3.4-6",
            PropertyWrongSender(PropertyId::SessionExpiryInterval) => "MQTT-3.14.2-2",
            TopicAliasZero => "MQTT-3.3.2-8",
            ResponseTopic(TopicError::Wildcard) => "MQTT-3.3.2-14",
            _ => return None,
        })
    }
}

/// The statement of 5.0 that names the Reason Codes of a packet.
fn reason_code_statement(packet: PacketType) -> Option<&'static str> {
    Some(match packet {
        PacketType::ConnAck => "MQTT-3.2.2-8",
        PacketType::PubAck => "MQTT-3.4.2-1",
        PacketType::PubRec => "MQTT-3.5.2-1",
        PacketType::PubRel => "MQTT-3.6.2-1",
        PacketType::PubComp => "MQTT-3.7.2-1",
        PacketType::SubAck => "MQTT-3.9.3-2",
        PacketType::UnsubAck => "MQTT-3.11.3-2",
        PacketType::Disconnect => "MQTT-3.14.2-1",
        PacketType::Auth => "MQTT-3.15.2-1",
        _ => return None,
    })
}

/// Why a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EncodeError {
    /// A string or binary field has more than 65,535 bytes.
    #[error("field is longer than 65535 bytes")]
    FieldTooLong,
    /// The packet would have more than 268,435,455 bytes behind its fixed header.
    #[error("packet is larger than MQTT allows")]
    PacketTooLarge,
    /// The version has no way to say this, and leaving it out would change the meaning.
    #[error("not expressible in this protocol version")]
    NotInVersion,
    /// A PUBLISH has a Packet Identifier at QoS 0, or none above.
    #[error("packet identifier and qos do not go together")]
    PacketId,
    /// The receiver would refuse it for breaking this rule.
    #[error(transparent)]
    Invalid(#[from] DecodeError),
}
