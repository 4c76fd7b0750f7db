//! SUBSCRIBE and SUBACK. MQTT 5.0 §3.8 and §3.9.

use crate::{DecodeError, EncodeError, PacketId, Properties, QoS, Reason, Version};

/// When a subscription brings retained messages. MQTT 5.0 §3.8.3.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE (3.x has only this).
    #[default]
    Send = 0,
    /// Only if the subscription is new.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// The options of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// The highest QoS at which messages are sent.
    pub qos: QoS,
    /// Do not send back what this Client published; 5.0 only.
    pub no_local: bool,
    /// Forward with the RETAIN flag of the publisher; 5.0 only.
    pub retain_as_published: bool,
    /// 5.0 only.
    pub retain_handling: RetainHandling,
}

/// A Topic Filter and its options. The filter's text is UTF-8 without U+0000; whether it is a
/// valid filter is for the broker to say, filter by filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subscription<'a> {
    /// The text of the Topic Filter.
    pub filter: &'a str,
    /// Its options.
    pub options: SubscriptionOptions,
}

/// The checked payload of a SUBSCRIBE, borrowed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Subscriptions<'a> {
    wire: &'a [u8],
}

impl<'a> Subscriptions<'a> {
    /// Checks a payload: at least one filter, well-formed text, option bits of `version`.
    pub fn decode(wire: &'a [u8], version: Version) -> Result<Subscriptions<'a>, DecodeError> {
        let _ = (wire, version);
        unimplemented!()
    }

    /// Filters and options in order.
    pub fn iter(self) -> impl Iterator<Item = Subscription<'a>> {
        let _ = self.wire;
        core::iter::empty()
    }
}

impl core::fmt::Debug for Subscriptions<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The payload of a SUBSCRIBE, owned.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionsBuf {
    wire: Vec<u8>,
}

impl SubscriptionsBuf {
    /// No subscription yet.
    pub fn new() -> SubscriptionsBuf {
        SubscriptionsBuf::default()
    }

    /// Appends one. Nothing changes when its filter is too long or contains U+0000.
    pub fn push(&mut self, subscription: Subscription<'_>) -> Result<(), EncodeError> {
        let _ = subscription;
        unimplemented!()
    }

    /// The payload as a view.
    pub fn view(&self) -> Subscriptions<'_> {
        Subscriptions { wire: &self.wire }
    }
}

/// Asks for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Repeated by the SUBACK.
    pub packet_id: PacketId,
    /// 3.x: empty.
    pub properties: Properties<'a>,
    /// What is asked for.
    pub subscriptions: Subscriptions<'a>,
}

/// The answer to SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// That of the SUBSCRIBE. v5 [MQTT-3.8.4-2] v311 [MQTT-3.8.4-2]
    pub packet_id: PacketId,
    /// 3.x: empty.
    pub properties: Properties<'a>,
    /// One Reason Code per filter, in order, as bytes; see [`SubAck::reasons`].
    pub codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    /// The Reason Codes: Success (granted QoS 0), GrantedQoS1, GrantedQoS2, or a failure.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> + 'a {
        self.codes.iter().map(|&code| Reason::from_u8(code).unwrap_or(Reason::UnspecifiedError))
    }
}
