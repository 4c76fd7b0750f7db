//! Reason Codes, as C sees them.

use libmqtt_runtime::Reason;

use crate::boundary::get;
use crate::view::mqtt_text;

/// A Reason Code. MQTT 5.0 §2.4; the return codes of 3.x are translated to these. From 0x80 on it
/// is a failure. `MQTT_REASON_SUCCESS` is also Normal disconnection and Granted QoS 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum mqtt_reason {
    /// Success.
    Success = 0x00,
    /// Granted QoS 1.
    GrantedQos1 = 0x01,
    /// Granted QoS 2.
    GrantedQos2 = 0x02,
    /// Disconnect with Will Message.
    DisconnectWithWill = 0x04,
    /// No matching subscribers.
    NoMatchingSubscribers = 0x10,
    /// No subscription existed.
    NoSubscriptionExisted = 0x11,
    /// Continue authentication.
    ContinueAuthentication = 0x18,
    /// Re-authenticate.
    ReAuthenticate = 0x19,
    /// Unspecified error.
    UnspecifiedError = 0x80,
    /// Malformed Packet.
    MalformedPacket = 0x81,
    /// Protocol Error.
    ProtocolError = 0x82,
    /// Implementation specific error.
    ImplementationSpecificError = 0x83,
    /// Unsupported Protocol Version.
    UnsupportedProtocolVersion = 0x84,
    /// Client Identifier not valid.
    ClientIdentifierNotValid = 0x85,
    /// Bad User Name or Password.
    BadUserNameOrPassword = 0x86,
    /// Not authorized.
    NotAuthorized = 0x87,
    /// Server unavailable.
    ServerUnavailable = 0x88,
    /// Server busy.
    ServerBusy = 0x89,
    /// Banned.
    Banned = 0x8A,
    /// Server shutting down.
    ServerShuttingDown = 0x8B,
    /// Bad authentication method.
    BadAuthenticationMethod = 0x8C,
    /// Keep Alive timeout.
    KeepAliveTimeout = 0x8D,
    /// Session taken over.
    SessionTakenOver = 0x8E,
    /// Topic Filter invalid.
    TopicFilterInvalid = 0x8F,
    /// Topic Name invalid.
    TopicNameInvalid = 0x90,
    /// Packet Identifier in use.
    PacketIdentifierInUse = 0x91,
    /// Packet Identifier not found.
    PacketIdentifierNotFound = 0x92,
    /// Receive Maximum exceeded.
    ReceiveMaximumExceeded = 0x93,
    /// Topic Alias invalid.
    TopicAliasInvalid = 0x94,
    /// Packet too large.
    PacketTooLarge = 0x95,
    /// Message rate too high.
    MessageRateTooHigh = 0x96,
    /// Quota exceeded.
    QuotaExceeded = 0x97,
    /// Administrative action.
    AdministrativeAction = 0x98,
    /// Payload format invalid.
    PayloadFormatInvalid = 0x99,
    /// Retain not supported.
    RetainNotSupported = 0x9A,
    /// QoS not supported.
    QosNotSupported = 0x9B,
    /// Use another server.
    UseAnotherServer = 0x9C,
    /// Server moved.
    ServerMoved = 0x9D,
    /// Shared Subscriptions not supported.
    SharedSubscriptionsNotSupported = 0x9E,
    /// Connection rate exceeded.
    ConnectionRateExceeded = 0x9F,
    /// Maximum connect time.
    MaximumConnectTime = 0xA0,
    /// Subscription Identifiers not supported.
    SubscriptionIdentifiersNotSupported = 0xA1,
    /// Wildcard Subscriptions not supported.
    WildcardSubscriptionsNotSupported = 0xA2,
}

impl From<Reason> for mqtt_reason {
    fn from(reason: Reason) -> mqtt_reason {
        match reason {
            Reason::Success => mqtt_reason::Success,
            Reason::GrantedQoS1 => mqtt_reason::GrantedQos1,
            Reason::GrantedQoS2 => mqtt_reason::GrantedQos2,
            Reason::DisconnectWithWill => mqtt_reason::DisconnectWithWill,
            Reason::NoMatchingSubscribers => mqtt_reason::NoMatchingSubscribers,
            Reason::NoSubscriptionExisted => mqtt_reason::NoSubscriptionExisted,
            Reason::ContinueAuthentication => mqtt_reason::ContinueAuthentication,
            Reason::ReAuthenticate => mqtt_reason::ReAuthenticate,
            Reason::UnspecifiedError => mqtt_reason::UnspecifiedError,
            Reason::MalformedPacket => mqtt_reason::MalformedPacket,
            Reason::ProtocolError => mqtt_reason::ProtocolError,
            Reason::ImplementationSpecificError => mqtt_reason::ImplementationSpecificError,
            Reason::UnsupportedProtocolVersion => mqtt_reason::UnsupportedProtocolVersion,
            Reason::ClientIdentifierNotValid => mqtt_reason::ClientIdentifierNotValid,
            Reason::BadUserNameOrPassword => mqtt_reason::BadUserNameOrPassword,
            Reason::NotAuthorized => mqtt_reason::NotAuthorized,
            Reason::ServerUnavailable => mqtt_reason::ServerUnavailable,
            Reason::ServerBusy => mqtt_reason::ServerBusy,
            Reason::Banned => mqtt_reason::Banned,
            Reason::ServerShuttingDown => mqtt_reason::ServerShuttingDown,
            Reason::BadAuthenticationMethod => mqtt_reason::BadAuthenticationMethod,
            Reason::KeepAliveTimeout => mqtt_reason::KeepAliveTimeout,
            Reason::SessionTakenOver => mqtt_reason::SessionTakenOver,
            Reason::TopicFilterInvalid => mqtt_reason::TopicFilterInvalid,
            Reason::TopicNameInvalid => mqtt_reason::TopicNameInvalid,
            Reason::PacketIdentifierInUse => mqtt_reason::PacketIdentifierInUse,
            Reason::PacketIdentifierNotFound => mqtt_reason::PacketIdentifierNotFound,
            Reason::ReceiveMaximumExceeded => mqtt_reason::ReceiveMaximumExceeded,
            Reason::TopicAliasInvalid => mqtt_reason::TopicAliasInvalid,
            Reason::PacketTooLarge => mqtt_reason::PacketTooLarge,
            Reason::MessageRateTooHigh => mqtt_reason::MessageRateTooHigh,
            Reason::QuotaExceeded => mqtt_reason::QuotaExceeded,
            Reason::AdministrativeAction => mqtt_reason::AdministrativeAction,
            Reason::PayloadFormatInvalid => mqtt_reason::PayloadFormatInvalid,
            Reason::RetainNotSupported => mqtt_reason::RetainNotSupported,
            Reason::QoSNotSupported => mqtt_reason::QosNotSupported,
            Reason::UseAnotherServer => mqtt_reason::UseAnotherServer,
            Reason::ServerMoved => mqtt_reason::ServerMoved,
            Reason::SharedSubscriptionsNotSupported => mqtt_reason::SharedSubscriptionsNotSupported,
            Reason::ConnectionRateExceeded => mqtt_reason::ConnectionRateExceeded,
            Reason::MaximumConnectTime => mqtt_reason::MaximumConnectTime,
            Reason::SubscriptionIdentifiersNotSupported => {
                mqtt_reason::SubscriptionIdentifiersNotSupported
            }
            Reason::WildcardSubscriptionsNotSupported => {
                mqtt_reason::WildcardSubscriptionsNotSupported
            }
        }
    }
}

/// The name that the specification gives a Reason Code: `Not authorized`. For a number that is
/// none: `Unknown`.
///
/// The text lives for ever. Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §2.4.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_reason_name(reason: u8) -> mqtt_text {
    get("Unknown".into(), || Some(Reason::from_u8(reason)?.name().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_the_same() {
        for &reason in Reason::ALL {
            assert_eq!(mqtt_reason::from(reason) as u8, reason as u8, "{reason:?}");
        }
    }
}
