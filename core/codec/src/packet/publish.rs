//! PUBLISH. MQTT 5.0 §3.3.

use crate::{PacketId, Properties, QoS};

/// An Application Message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// A repeat of an earlier attempt.
    pub dup: bool,
    /// At QoS 0 without, above with a Packet Identifier.
    pub qos: QoS,
    /// To be kept, or kept before.
    pub retain: bool,
    /// A valid Topic Name, or empty when a Topic Alias stands for it.
    pub topic: &'a str,
    /// Absent at QoS 0. v5 [MQTT-2.2.1-2] v311 [MQTT-2.3.1-5]
    pub packet_id: Option<PacketId>,
    /// 3.x: empty.
    pub properties: Properties<'a>,
    /// Opaque bytes.
    pub payload: &'a [u8],
}
