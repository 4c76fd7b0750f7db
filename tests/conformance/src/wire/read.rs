//! Packets that came, taken apart only as far as a test asks.

use libmqtt_engine::codec::Version;

use super::{prop, to_hex};

/// The type of a packet, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the specification's own
pub enum Kind {
    Connect = 1,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    PingReq,
    PingResp,
    Disconnect,
    Auth,
}

impl Kind {
    fn of(first: u8) -> Kind {
        use Kind::*;
        let all = [
            Connect,
            ConnAck,
            Publish,
            PubAck,
            PubRec,
            PubRel,
            PubComp,
            Subscribe,
            SubAck,
            Unsubscribe,
            UnsubAck,
            PingReq,
            PingResp,
            Disconnect,
            Auth,
        ];
        match usize::from(first >> 4).checked_sub(1) {
            Some(at) => all[at],
            None => panic!("packet type 0 was sent"),
        }
    }
}

/// A packet that came.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// The version of its connection.
    pub version: Version,
    /// All its bytes.
    pub bytes: Vec<u8>,
    header: usize,
}

impl core::fmt::Debug for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} [{}]", self.kind(), to_hex(&self.bytes))
    }
}

/// Takes a complete packet from the beginning of `stream`, if there is one. The Remaining Length
/// must be in its shortest form.
pub fn take_packet(stream: &mut Vec<u8>, version: Version) -> Option<Seen> {
    let (length, used) = read_varint(stream.get(1..)?)?;
    let total = 1 + used + length;
    if stream.len() < total {
        return None;
    }
    let bytes: Vec<u8> = stream.drain(..total).collect();
    Some(Seen { version, bytes, header: 1 + used })
}

/// A Variable Byte Integer and its length; none if it is incomplete.
fn read_varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate() {
        assert!(at < 4, "variable byte integer of more than four bytes: {}", to_hex(bytes));
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            assert!(at == 0 || *byte != 0, "padded variable byte integer: {}", to_hex(bytes));
            return Some((value, at + 1));
        }
    }
    None
}

impl Seen {
    /// Its type.
    pub fn kind(&self) -> Kind {
        Kind::of(self.bytes[0])
    }

    /// The low half of its first byte.
    pub fn flags(&self) -> u8 {
        self.bytes[0] & 0x0F
    }

    /// DUP of a PUBLISH.
    pub fn dup(&self) -> bool {
        self.flags() & 8 != 0
    }

    /// QoS of a PUBLISH.
    pub fn qos(&self) -> u8 {
        self.flags() >> 1 & 3
    }

    /// RETAIN of a PUBLISH.
    pub fn retain(&self) -> bool {
        self.flags() & 1 != 0
    }

    /// What follows the fixed header.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.header..]
    }

    fn two(&self, at: usize) -> usize {
        match self.body().get(at..at + 2) {
            Some(two) => usize::from(two[0]) * 256 + usize::from(two[1]),
            None => panic!("packet is cut short: {self:?}"),
        }
    }

    /// Topic Name of a PUBLISH, as bytes.
    pub fn topic(&self) -> &[u8] {
        assert_eq!(self.kind(), Kind::Publish, "{self:?}");
        &self.body()[2..2 + self.two(0)]
    }

    /// Packet Identifier, of a packet that has one.
    pub fn id(&self) -> u16 {
        let at = match self.kind() {
            Kind::Publish if self.qos() == 0 => panic!("no packet identifier in {self:?}"),
            Kind::Publish => 2 + self.two(0),
            Kind::Connect | Kind::ConnAck | Kind::PingReq | Kind::PingResp => {
                panic!("no packet identifier in {self:?}")
            }
            Kind::Disconnect | Kind::Auth => panic!("no packet identifier in {self:?}"),
            _ => 0,
        };
        self.two(at) as u16
    }

    /// Where the Property Length stands, if the packet has one.
    fn section_at(&self) -> Option<usize> {
        if self.version != Version::V5 {
            return None;
        }
        let at = match self.kind() {
            Kind::Connect => 2 + self.two(0) + 4,
            Kind::ConnAck => 2,
            Kind::Publish => 2 + self.two(0) + if self.qos() > 0 { 2 } else { 0 },
            Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp => 3,
            Kind::Subscribe | Kind::SubAck | Kind::Unsubscribe | Kind::UnsubAck => 2,
            Kind::Disconnect | Kind::Auth => 1,
            Kind::PingReq | Kind::PingResp => return None,
        };
        let short_form = matches!(
            self.kind(),
            Kind::PubAck
                | Kind::PubRec
                | Kind::PubRel
                | Kind::PubComp
                | Kind::Disconnect
                | Kind::Auth
        );
        (!short_form || at < self.body().len()).then_some(at)
    }

    /// Its property section as bytes, without the Property Length, and where the section ends.
    fn section(&self) -> (&[u8], usize) {
        let Some(at) = self.section_at() else {
            return (&[], self.fixed_end());
        };
        let (len, used) = self
            .body()
            .get(at..)
            .and_then(read_varint)
            .unwrap_or_else(|| panic!("no property length in {self:?}"));
        (&self.body()[at + used..at + used + len], at + used + len)
    }

    /// Where the variable header ends in a packet without properties.
    fn fixed_end(&self) -> usize {
        match self.kind() {
            Kind::Publish => 2 + self.two(0) + if self.qos() > 0 { 2 } else { 0 },
            Kind::Connect => 2 + self.two(0) + 4,
            _ => self.body().len().min(2),
        }
    }

    /// Whether a Property Length stands in it.
    pub fn has_property_length(&self) -> bool {
        self.section_at().is_some()
    }

    /// The property section as bytes.
    pub fn section_bytes(&self) -> &[u8] {
        self.section().0
    }

    /// Its properties as (identifier, value bytes), in order.
    pub fn props(&self) -> Vec<(u8, Vec<u8>)> {
        prop::split(self.section().0).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The values of the property with this identifier.
    pub fn all(&self, id: u8) -> Vec<Vec<u8>> {
        self.props().into_iter().filter(|(found, _)| *found == id).map(|(_, value)| value).collect()
    }

    /// The value of the property with this identifier, if it is there; text and binary without
    /// their length.
    pub fn prop(&self, id: u8) -> Option<Vec<u8>> {
        let value = self.all(id).into_iter().next()?;
        let text = matches!(id, 0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F);
        Some(if text { value[2..].to_vec() } else { value })
    }

    /// A number in a property, if it is there.
    pub fn number(&self, id: u8) -> Option<u32> {
        let value = self.prop(id)?;
        if id == 0x0B {
            return read_varint(&value).map(|(value, _)| value as u32);
        }
        Some(value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    /// What follows the variable header: the payload.
    pub fn payload(&self) -> &[u8] {
        &self.body()[self.section().1..]
    }

    /// Reason Code of a packet that has one; Success where a short form leaves it out.
    pub fn reason(&self) -> u8 {
        let at = match self.kind() {
            Kind::ConnAck => 1,
            Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp => 2,
            Kind::Disconnect | Kind::Auth => 0,
            _ => panic!("no single reason code in {self:?}"),
        };
        self.body().get(at).copied().unwrap_or(0)
    }

    /// Session Present of a CONNACK.
    pub fn session_present(&self) -> bool {
        assert_eq!(self.kind(), Kind::ConnAck, "{self:?}");
        self.body()[0] & 1 != 0
    }
}
