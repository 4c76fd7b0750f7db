//! SUBSCRIBE and SUBACK. MQTT 5.0 §3.8 and §3.9.

use super::encoding;
use crate::wire::{Reader, put_field, text_len};
use crate::{
    Carrier, DecodeError, EncodeError, PacketId, PacketType, Properties, QoS, Reason, Side, Version,
};

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

const NO_LOCAL: u8 = 0x04;
const RETAIN_AS_PUBLISHED: u8 = 0x08;

impl SubscriptionOptions {
    /// The options in a byte. Before 5.0 it holds only the QoS.
    fn decode(byte: u8, version: Version) -> Result<SubscriptionOptions, DecodeError> {
        let reserved = if version == Version::V5 { 0xC0 } else { 0xFC };
        if byte & reserved != 0 {
            // v5 [MQTT-3.8.3-5] v311 [MQTT-3.8.3-4]
            return Err(DecodeError::SubscriptionReservedBits);
        }
        Ok(SubscriptionOptions {
            // V5-U40 v311 [MQTT-3.8.3-4]
            qos: QoS::from_u8(byte & 3).ok_or(DecodeError::SubscriptionQos)?,
            no_local: byte & NO_LOCAL != 0,
            retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
            retain_handling: match byte >> 4 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(DecodeError::RetainHandling),
            },
        })
    }

    fn byte(self) -> u8 {
        let mut byte = self.qos as u8;
        byte |= u8::from(self.no_local) * NO_LOCAL;
        byte |= u8::from(self.retain_as_published) * RETAIN_AS_PUBLISHED;
        byte | ((self.retain_handling as u8) << 4)
    }
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
    /// Checks a payload: at least one filter (3.1: perhaps none), well-formed text, option bits of
    /// `version`.
    pub fn decode(wire: &'a [u8], version: Version) -> Result<Subscriptions<'a>, DecodeError> {
        if wire.is_empty() && version != Version::V31 {
            return Err(DecodeError::NoSubscriptions); // v5 [MQTT-3.8.3-2] v311 [MQTT-3.8.3-3]
        }
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            let filter = reader.text()?; // v5 [MQTT-3.8.3-1] v311 [MQTT-3.8.3-1]
            let options = SubscriptionOptions::decode(reader.u8()?, version)?;
            check_no_local(filter, options)?;
        }
        Ok(Subscriptions { wire })
    }

    /// Filters and options in order.
    pub fn iter(self) -> impl Iterator<Item = Subscription<'a>> {
        let mut reader = Reader::new(self.wire);
        core::iter::from_fn(move || {
            let filter = reader.checked_text()?;
            let options = SubscriptionOptions::decode(reader.u8().ok()?, Version::V5).ok()?;
            Some(Subscription { filter, options })
        })
    }

    /// How many there are.
    pub fn count(self) -> usize {
        let mut reader = Reader::new(self.wire);
        core::iter::from_fn(|| reader.binary().and_then(|_| reader.u8()).ok()).count()
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

    /// Appends one. Nothing changes when its filter is too long or contains U+0000, or when No
    /// Local is set on a Shared Subscription.
    pub fn push(&mut self, subscription: Subscription<'_>) -> Result<(), EncodeError> {
        text_len(subscription.filter)?;
        check_no_local(subscription.filter, subscription.options)?;
        put_field(subscription.filter.as_bytes(), &mut self.wire);
        self.wire.push(subscription.options.byte());
        Ok(())
    }

    /// The payload as a view.
    pub fn view(&self) -> Subscriptions<'_> {
        Subscriptions { wire: &self.wire }
    }
}

/// v5 [MQTT-3.8.3-4]
fn check_no_local(filter: &str, options: SubscriptionOptions) -> Result<(), DecodeError> {
    if options.no_local && filter.starts_with("$share/") {
        return Err(DecodeError::NoLocalOnShared);
    }
    Ok(())
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

impl<'a> Subscribe<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Subscribe<'a>, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let carrier = Carrier::Packet(PacketType::Subscribe);
        let properties = reader.properties(version, carrier, Side::Client)?;
        let subscriptions = Subscriptions::decode(reader.rest(), version)?;
        Ok(Subscribe { packet_id, properties, subscriptions })
    }

    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.subscriptions.wire.is_empty() && version != Version::V31 {
            return Err(DecodeError::NoSubscriptions.into()); // v5 [MQTT-3.8.3-2] v311 [MQTT-3.8.3-3]
        }
        let payload = self.subscriptions.wire.len();
        if version.has_properties() {
            let carrier = Carrier::Packet(PacketType::Subscribe);
            return Ok(2 + self.properties.encoded_len_in(carrier)? + payload);
        }
        let only_qos = |options: SubscriptionOptions| options.byte() == options.qos as u8;
        if !self.subscriptions.iter().all(|subscription| only_qos(subscription.options)) {
            return Err(EncodeError::NotInVersion);
        }
        Ok(2 + payload)
    }

    fn put_body(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.get().to_be_bytes());
        if version.has_properties() {
            self.properties.put(out);
        }
        out.extend_from_slice(self.subscriptions.wire);
    }
}

encoding!(Subscribe);

/// The answer to SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// That of the SUBSCRIBE. v5 [MQTT-3.8.4-2] v311 [MQTT-3.8.4-2]
    pub packet_id: PacketId,
    /// 3.x: empty.
    pub properties: Properties<'a>,
    /// One Reason Code per filter, in order, as bytes; see [`SubAck::reasons`]. Every failure is
    /// written as 0x80 in 3.1.1, and as granted QoS 0 in 3.1, which knows none.
    pub codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    /// The Reason Codes: Success (granted QoS 0), GrantedQoS1, GrantedQoS2, or a failure.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> + 'a {
        self.codes.iter().map(|&code| Reason::from_u8(code).unwrap_or(Reason::UnspecifiedError))
    }
}

impl<'a> SubAck<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<SubAck<'a>, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let carrier = Carrier::Packet(PacketType::SubAck);
        let properties = reader.properties(version, carrier, Side::Server)?;
        let codes = reader.rest();
        check_codes(codes, version)?;
        // A server may answer 0x80 in 3.1 too, though only 3.1.1 has it.
        if let Some(&code) = codes.iter().find(|&&code| !version.has_properties() && !in_v3(code)) {
            return Err(DecodeError::ReasonCode(PacketType::SubAck, code)); // v311 [MQTT-3.9.3-2]
        }
        Ok(SubAck { packet_id, properties, codes })
    }

    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        check_codes(self.codes, version)?;
        let mut len = 2 + self.codes.len();
        if version.has_properties() {
            len += self.properties.encoded_len_in(Carrier::Packet(PacketType::SubAck))?;
        }
        Ok(len)
    }

    fn put_body(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.packet_id.get().to_be_bytes());
        if version.has_properties() {
            self.properties.put(out);
        }
        let failure = match version {
            Version::V5 => return out.extend_from_slice(self.codes),
            Version::V311 => Reason::UnspecifiedError,
            Version::V31 => Reason::Success,
        };
        out.extend(self.codes.iter().map(|&code| if code < 0x80 { code } else { failure as u8 }));
    }
}

encoding!(SubAck);

/// v5 [MQTT-3.9.3-2]
fn check_codes(codes: &[u8], version: Version) -> Result<(), DecodeError> {
    if codes.is_empty() && version != Version::V31 {
        return Err(DecodeError::NoReasonCodes); // v5 [MQTT-3.8.4-6] v311 [MQTT-3.8.4-5]
    }
    for &code in codes {
        Reason::decode(code, PacketType::SubAck, Side::Server)?;
    }
    Ok(())
}

/// v311 [MQTT-3.9.3-2]
fn in_v3(code: u8) -> bool {
    matches!(code, 0..=2 | 0x80)
}
