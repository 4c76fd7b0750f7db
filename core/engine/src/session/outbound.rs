//! Messages sent and not yet acknowledged. MQTT 5.0 §4.3, §4.4, §4.9.

use libmqtt_codec::{AckKind, PacketId, QoS, Reason};

/// What an acknowledgement did.
#[derive(Debug, PartialEq, Eq)]
pub enum AckOutcome<T> {
    /// The flow has ended and its Packet Identifier is free. What was kept is handed back.
    Done(T),
    /// PUBREC: answer with PUBREL. (What was kept stays until PUBCOMP.)
    Release,
    /// No flow of that kind has this Packet Identifier.
    Unknown,
}

/// What to send again on a resumed session.
#[derive(Debug, PartialEq, Eq)]
pub enum Resend<'a, T> {
    /// The PUBLISH, with DUP.
    Publish(PacketId, &'a T),
    /// The PUBREL.
    PubRel(PacketId),
}

/// The flows that this side has started: packet identifiers, the peer's Receive Maximum, and
/// what is kept (`T`) for sending again.
#[derive(Debug)]
pub struct Outbound<T> {
    kept: core::marker::PhantomData<T>,
}

impl<T> Default for Outbound<T> {
    fn default() -> Outbound<T> {
        Outbound { kept: core::marker::PhantomData }
    }
}

impl<T> Outbound<T> {
    /// No flow; the window is 65,535.
    pub fn new() -> Outbound<T> {
        Outbound::default()
    }

    /// Whether one more flow may start: the window is open.
    pub fn has_room(&self) -> bool {
        unimplemented!()
    }

    /// Starts a flow at QoS 1 or 2. Only after `has_room`.
    pub fn start(&mut self, qos: QoS, kept: T) -> PacketId {
        let _ = (qos, kept);
        unimplemented!()
    }

    /// Takes a Packet Identifier for a SUBSCRIBE or UNSUBSCRIBE; none when all are in use.
    pub fn reserve(&mut self) -> Option<PacketId> {
        unimplemented!()
    }

    /// Frees an identifier that `reserve` gave; whether it was reserved.
    pub fn release(&mut self, id: PacketId) -> bool {
        let _ = id;
        unimplemented!()
    }

    /// PUBACK, PUBREC or PUBCOMP has come.
    pub fn handle_ack(&mut self, kind: AckKind, id: PacketId, reason: Reason) -> AckOutcome<T> {
        let _ = (kind, id, reason);
        unimplemented!()
    }

    /// A new Network Connection whose peer has this Receive Maximum: the quota starts anew, and
    /// reserved identifiers are free. Flows stay; send them again with `resend`.
    pub fn resume(&mut self, receive_maximum: u16) {
        let _ = receive_maximum;
        unimplemented!()
    }

    /// The flows in the order in which they started. v5 [MQTT-4.4.0-1] v311 [MQTT-4.4.0-1]
    pub fn resend(&self) -> impl Iterator<Item = Resend<'_, T>> {
        core::iter::empty()
    }

    /// Ends every flow and hands back what was kept, in order.
    pub fn drain(&mut self) -> Vec<T> {
        unimplemented!()
    }

    /// Number of flows.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
