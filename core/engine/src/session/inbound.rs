//! QoS 2 messages received and not yet released. MQTT 5.0 §4.3.3.

use libmqtt_codec::PacketId;

/// The Packet Identifiers between PUBLISH and PUBREL.
#[derive(Debug, Default)]
pub struct Inbound {}

impl Inbound {
    /// A PUBLISH at QoS 2 has come; false if it is a repeat.
    pub fn receive(&mut self, id: PacketId) -> bool {
        let _ = id;
        unimplemented!()
    }

    /// Whether this identifier waits for its PUBREL.
    pub fn contains(&self, id: PacketId) -> bool {
        let _ = id;
        unimplemented!()
    }

    /// PUBREL has come; false if the identifier was not waiting for it.
    pub fn release(&mut self, id: PacketId) -> bool {
        let _ = id;
        unimplemented!()
    }

    /// Number of identifiers waiting.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether none is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
