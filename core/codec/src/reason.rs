//! Reason Codes.

use crate::{DecodeError, EncodeError, PacketType, Side};

macro_rules! reasons {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        /// A Reason Code. MQTT 5.0 §2.4; 3.x return codes are translated to these.
        ///
        /// Values that several packets share under different names appear once:
        /// [`Reason::Success`] is also Normal disconnection and Granted QoS 0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $(#[doc = concat!($text, ".")] $name = $value,)* }

        impl Reason {
            /// Every Reason Code, in order of value.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The Reason Code with this value, if there is one.
            pub fn from_u8(value: u8) -> Option<Reason> {
                match value { $($value => Some(Reason::$name),)* _ => None }
            }

            /// The name that the specification gives it.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    Success = 0x00, "Success";
    GrantedQoS1 = 0x01, "Granted QoS 1";
    GrantedQoS2 = 0x02, "Granted QoS 2";
    DisconnectWithWill = 0x04, "Disconnect with Will Message";
    NoMatchingSubscribers = 0x10, "No matching subscribers";
    NoSubscriptionExisted = 0x11, "No subscription existed";
    ContinueAuthentication = 0x18, "Continue authentication";
    ReAuthenticate = 0x19, "Re-authenticate";
    UnspecifiedError = 0x80, "Unspecified error";
    MalformedPacket = 0x81, "Malformed Packet";
    ProtocolError = 0x82, "Protocol Error";
    ImplementationSpecificError = 0x83, "Implementation specific error";
    UnsupportedProtocolVersion = 0x84, "Unsupported Protocol Version";
    ClientIdentifierNotValid = 0x85, "Client Identifier not valid";
    BadUserNameOrPassword = 0x86, "Bad User Name or Password";
    NotAuthorized = 0x87, "Not authorized";
    ServerUnavailable = 0x88, "Server unavailable";
    ServerBusy = 0x89, "Server busy";
    Banned = 0x8A, "Banned";
    ServerShuttingDown = 0x8B, "Server shutting down";
    BadAuthenticationMethod = 0x8C, "Bad authentication method";
    KeepAliveTimeout = 0x8D, "Keep Alive timeout";
    SessionTakenOver = 0x8E, "Session taken over";
    TopicFilterInvalid = 0x8F, "Topic Filter invalid";
    TopicNameInvalid = 0x90, "Topic Name invalid";
    PacketIdentifierInUse = 0x91, "Packet Identifier in use";
    PacketIdentifierNotFound = 0x92, "Packet Identifier not found";
    ReceiveMaximumExceeded = 0x93, "Receive Maximum exceeded";
    TopicAliasInvalid = 0x94, "Topic Alias invalid";
    PacketTooLarge = 0x95, "Packet too large";
    MessageRateTooHigh = 0x96, "Message rate too high";
    QuotaExceeded = 0x97, "Quota exceeded";
    AdministrativeAction = 0x98, "Administrative action";
    PayloadFormatInvalid = 0x99, "Payload format invalid";
    RetainNotSupported = 0x9A, "Retain not supported";
    QoSNotSupported = 0x9B, "QoS not supported";
    UseAnotherServer = 0x9C, "Use another server";
    ServerMoved = 0x9D, "Server moved";
    SharedSubscriptionsNotSupported = 0x9E, "Shared Subscriptions not supported";
    ConnectionRateExceeded = 0x9F, "Connection rate exceeded";
    MaximumConnectTime = 0xA0, "Maximum connect time";
    SubscriptionIdentifiersNotSupported = 0xA1, "Subscription Identifiers not supported";
    WildcardSubscriptionsNotSupported = 0xA2, "Wildcard Subscriptions not supported";
}

impl Reason {
    /// Whether it reports a failure (0x80 and above).
    pub fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// Whether `from` may send it in a packet of this type. MQTT 5.0 §2.4 and the tables of §3.
    ///
    /// Where the tables of the specification disagree the wider one counts: DISCONNECT 0x8C comes
    /// from a Server, DISCONNECT 0x9B also from a Client.
    pub fn allowed_in(self, packet: PacketType, from: Side) -> bool {
        use Reason::*;
        let server = from == Side::Server;
        match packet {
            // v5 [MQTT-3.2.2-8]
            PacketType::ConnAck => server && self.allowed_in_connack(),
            // v5 [MQTT-3.4.2-1] [MQTT-3.5.2-1]
            PacketType::PubAck | PacketType::PubRec => match self {
                Success | UnspecifiedError | ImplementationSpecificError | NotAuthorized => true,
                TopicNameInvalid | PacketIdentifierInUse | QuotaExceeded => true,
                PayloadFormatInvalid => true,
                NoMatchingSubscribers => server,
                _ => false,
            },
            // v5 [MQTT-3.6.2-1] [MQTT-3.7.2-1]
            PacketType::PubRel | PacketType::PubComp => {
                matches!(self, Success | PacketIdentifierNotFound)
            }
            // v5 [MQTT-3.9.3-2]
            PacketType::SubAck => match self {
                Success | GrantedQoS1 | GrantedQoS2 | UnspecifiedError => server,
                ImplementationSpecificError | NotAuthorized | TopicFilterInvalid => server,
                PacketIdentifierInUse | QuotaExceeded | SharedSubscriptionsNotSupported => server,
                SubscriptionIdentifiersNotSupported => server,
                WildcardSubscriptionsNotSupported => server,
                _ => false,
            },
            // v5 [MQTT-3.11.3-2]
            PacketType::UnsubAck => match self {
                Success | NoSubscriptionExisted | UnspecifiedError => server,
                ImplementationSpecificError | NotAuthorized | TopicFilterInvalid => server,
                PacketIdentifierInUse => server,
                _ => false,
            },
            // v5 [MQTT-3.14.2-1]
            PacketType::Disconnect => self.allowed_in_disconnect(from),
            // v5 [MQTT-3.15.2-1]
            PacketType::Auth => match self {
                ContinueAuthentication => true,
                Success => server,
                ReAuthenticate => !server,
                _ => false,
            },
            _ => false,
        }
    }

    fn allowed_in_connack(self) -> bool {
        use Reason::*;
        matches!(
            self,
            Success
                | UnspecifiedError
                | MalformedPacket
                | ProtocolError
                | ImplementationSpecificError
                | UnsupportedProtocolVersion
                | ClientIdentifierNotValid
                | BadUserNameOrPassword
                | NotAuthorized
                | ServerUnavailable
                | ServerBusy
                | Banned
                | BadAuthenticationMethod
                | TopicNameInvalid
                | PacketTooLarge
                | QuotaExceeded
                | PayloadFormatInvalid
                | RetainNotSupported
                | QoSNotSupported
                | UseAnotherServer
                | ServerMoved
                | ConnectionRateExceeded
        )
    }

    fn allowed_in_disconnect(self, from: Side) -> bool {
        use Reason::*;
        match self {
            Success | UnspecifiedError | MalformedPacket | ProtocolError => true,
            ImplementationSpecificError | TopicNameInvalid | ReceiveMaximumExceeded => true,
            TopicAliasInvalid | PacketTooLarge | MessageRateTooHigh | QuotaExceeded => true,
            AdministrativeAction | PayloadFormatInvalid | QoSNotSupported => true,
            DisconnectWithWill => from == Side::Client,
            NotAuthorized | ServerBusy | ServerShuttingDown => from == Side::Server,
            BadAuthenticationMethod | KeepAliveTimeout => from == Side::Server,
            SessionTakenOver | TopicFilterInvalid => from == Side::Server,
            RetainNotSupported | UseAnotherServer | ServerMoved => from == Side::Server,
            SharedSubscriptionsNotSupported | ConnectionRateExceeded => from == Side::Server,
            MaximumConnectTime | SubscriptionIdentifiersNotSupported => from == Side::Server,
            WildcardSubscriptionsNotSupported => from == Side::Server,
            _ => false,
        }
    }

    /// The Reason Code that `byte` is, if `from` may send it in a packet of this type.
    #[inline]
    pub(crate) fn decode(byte: u8, packet: PacketType, from: Side) -> Result<Reason, DecodeError> {
        match Reason::from_u8(byte) {
            Some(reason) if reason.allowed_in(packet, from) => Ok(reason),
            _ => Err(DecodeError::ReasonCode(packet, byte)),
        }
    }

    /// An error unless one side or the other may send it in a packet of this type.
    #[inline]
    pub(crate) fn check(self, packet: PacketType) -> Result<(), EncodeError> {
        if self.allowed_in(packet, Side::Server) || self.allowed_in(packet, Side::Client) {
            return Ok(());
        }
        Err(DecodeError::ReasonCode(packet, self as u8).into())
    }

    /// The CONNACK return code of MQTT 3.1 and 3.1.1 that says this best (0 to 5).
    pub fn connect_return_code(self) -> u8 {
        use Reason::*;
        match self {
            UnsupportedProtocolVersion => 1,
            ClientIdentifierNotValid => 2,
            BadUserNameOrPassword | BadAuthenticationMethod => 4,
            NotAuthorized | Banned => 5,
            reason if reason.is_error() => 3,
            _ => 0,
        }
    }

    /// The Reason Code for a CONNACK return code of MQTT 3.1 and 3.1.1.
    pub fn from_connect_return_code(code: u8) -> Option<Reason> {
        use Reason::*;
        Some(match code {
            0 => Success,
            1 => UnsupportedProtocolVersion,
            2 => ClientIdentifierNotValid,
            3 => ServerUnavailable,
            4 => BadUserNameOrPassword,
            5 => NotAuthorized,
            _ => return None,
        })
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (0x{:02X})", self.name(), *self as u8)
    }
}
