//! Packets as bytes, written and read without our codec.

mod build;
pub mod prop;
mod read;

pub use build::{
    Ack, Connect, Plain, Publish, Subscribe, Unsubscribe, Will, auth, connack, disconnect,
    ping_req, ping_resp, puback, pubcomp, publish, pubrec, pubrel, suback, subscribe, unsuback,
    unsubscribe,
};
pub use read::{Kind, Seen, take_packet};

use libmqtt_engine::codec::Version;

/// Something that can be put on the wire.
pub trait Wire {
    /// Its bytes in this version.
    fn wire(&self, version: Version) -> Vec<u8>;
}

/// Hex, with spaces where it is readable.
impl Wire for &str {
    fn wire(&self, _: Version) -> Vec<u8> {
        hex(self)
    }
}

impl Wire for Vec<u8> {
    fn wire(&self, _: Version) -> Vec<u8> {
        self.clone()
    }
}

impl Wire for &[u8] {
    fn wire(&self, _: Version) -> Vec<u8> {
        self.to_vec()
    }
}

impl<W: Wire> Wire for &W {
    fn wire(&self, version: Version) -> Vec<u8> {
        (**self).wire(version)
    }
}

/// One after the other, in one piece.
impl<A: Wire, B: Wire> Wire for (A, B) {
    fn wire(&self, version: Version) -> Vec<u8> {
        [self.0.wire(version), self.1.wire(version)].concat()
    }
}

/// The same with another first byte.
pub struct First<W>(pub u8, pub W);

impl<W: Wire> Wire for First<W> {
    fn wire(&self, version: Version) -> Vec<u8> {
        let mut wire = self.1.wire(version);
        wire[0] = self.0;
        wire
    }
}

/// Bytes from hex; spaces are ignored.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| *c != ' ').map(|c| c.to_digit(16).expect("hex digit")).collect();
    assert!(digits.len().is_multiple_of(2), "odd number of hex digits in {text:?}");
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// Bytes as hex, for messages.
pub fn to_hex(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().take(200).map(|byte| format!("{byte:02x}")).collect();
    shown.join(" ")
}

/// A Variable Byte Integer in its shortest form.
pub fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return out;
        }
    }
}

/// A field with a two-byte length before it.
pub fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let len = u16::try_from(bytes.len()).expect("a field of at most 65535 bytes");
    [&len.to_be_bytes()[..], bytes].concat()
}

/// A packet of a first byte and what follows the fixed header.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &varint(body.len()), body].concat()
}

/// A property section with its length; nothing before 5.0.
fn section(version: Version, properties: &[u8]) -> Vec<u8> {
    match version {
        Version::V5 => [&varint(properties.len())[..], properties].concat(),
        _ => Vec::new(),
    }
}
