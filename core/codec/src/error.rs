//! What can be wrong with a packet.

use crate::{Reason, TopicError, Version};

/// The rule that received bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeError {
    /// A string is no well-formed UTF-8.
    #[error("text is not well-formed UTF-8")]
    TextNotUtf8,
    /// A string contains U+0000.
    #[error("text contains U+0000")]
    TextHasNul,
    /// A Topic Name is none.
    #[error("topic name {0}")]
    TopicName(TopicError),
    // ... one variant per rule; the codec's author completes this list
}

impl DecodeError {
    /// The Reason Code that reports it.
    pub fn reason(self) -> Reason {
        Reason::MalformedPacket
    }

    /// The normative statement broken, if it has an id in that version: `MQTT-1.5.4-1`.
    pub fn statement(self, version: Version) -> Option<&'static str> {
        let _ = version;
        None
    }
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
    // ... the codec's author completes this list
}
