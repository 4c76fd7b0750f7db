//! MQTT 3.1, 3.1.1 and 5.0 on the wire: bytes to packets and back.
//!
//! *No sockets, threads, files, clock or randomness of its own; same inputs, same outputs.*
//!
//! There is one packet model for all three versions, rich enough for 5.0. Decoding borrows:
//! a [`Packet`] is a view into the bytes it was decoded from, and decoding allocates nothing, so
//! no length that a peer merely claims can cost memory. [`frame`] finds where a packet ends,
//! [`Frame::decode`] reads it, and each packet's `encode` appends it to the caller's buffer.
//!
//! ```
//! use libmqtt_codec::{Packet, Progress, Side, Version, frame};
//!
//! let mut wire = Vec::new();
//! Packet::PingReq.encode(Version::V5, &mut wire).unwrap();
//! let Progress::Packet(found) = frame(&wire, u32::MAX).unwrap() else { panic!() };
//! assert_eq!(found.decode(Version::V5, Side::Client), Ok(Packet::PingReq));
//! ```
#![forbid(unsafe_code)]

mod error;
mod frame;
mod packet;
mod properties;
mod property;
mod qos;
mod reason;
mod text;
mod topic;
mod varint;
mod version;
mod wire;

pub use error::{DecodeError, EncodeError};
pub use frame::{Frame, MAX_PACKET_SIZE, Progress, frame};
pub use packet::{
    Ack, AckKind, Auth, ConnAck, Connect, Disconnect, Filters, FiltersBuf, Packet, PacketId,
    PacketType, Publish, RetainHandling, SubAck, Subscribe, Subscription, SubscriptionOptions,
    Subscriptions, SubscriptionsBuf, UnsubAck, Unsubscribe, Will,
};
pub use properties::{Properties, PropertiesBuf, PropertyIter};
pub use property::{Carrier, Property, PropertyId};
pub use qos::QoS;
pub use reason::Reason;
pub use text::check_text;
pub use topic::{TopicError, TopicFilter, TopicName};
pub use varint::{VARINT_MAX, varint_len};
pub use version::{Side, Version};
