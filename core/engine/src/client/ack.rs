//! Acknowledging what was received, when the program says so.
//!
//! PUBACKs leave in the order of their PUBLISHes, and so do PUBRECs, whatever the order in which
//! the program acknowledges: an acknowledgement waits for those before it.
//! v5 [MQTT-4.6.0-2] [MQTT-4.6.0-3] v311 [MQTT-4.6.0-2] [MQTT-4.6.0-3]
//!
//! When the connection is lost, a message at QoS 1 that was not acknowledged comes again, under a
//! new [`AckId`]. One at QoS 2 does not come again, as the program has it: its [`AckId`] stays
//! good, and PUBREC follows when the server has repeated the PUBLISH.

use core::num::NonZeroU64;
use std::collections::VecDeque;

use libmqtt_codec::{AckKind, PacketId, PacketType, QoS, Reason, Side};

use super::{AckId, Client};
use crate::Instant;

/// Why a message cannot be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// It was acknowledged already, or its connection or Session has ended; then the server sends
    /// it again if it still can.
    #[error("message does not wait for an acknowledgement")]
    Unknown,
    /// PUBACK and PUBREC know no such reason. v5 [MQTT-3.4.2-1] [MQTT-3.5.2-1]
    #[error("reason code is not one of an acknowledgement")]
    Reason,
}

#[derive(Debug)]
struct Entry {
    ack: AckId,
    id: PacketId,
    /// What the program said.
    reason: Option<Reason>,
}

/// Messages received and not yet acknowledged.
#[derive(Debug, Default)]
pub(super) struct ManualAcks {
    qos1: VecDeque<Entry>,
    qos2: VecDeque<Entry>,
    /// Messages at QoS 2 of an earlier connection, whose PUBLISH has not been repeated yet.
    carried: VecDeque<Entry>,
    /// Messages at QoS 2 that came on this connection and were not completed.
    open2: usize,
    last: u64,
}

impl ManualAcks {
    /// A message that was not there before has come.
    pub(super) fn add(&mut self, qos: QoS, id: PacketId) -> AckId {
        let twice = qos == QoS::ExactlyOnce;
        self.last += 1;
        let ack = AckId(NonZeroU64::MIN.saturating_add(self.last << 1 | u64::from(twice)));
        let order = if twice { &mut self.qos2 } else { &mut self.qos1 };
        order.push_back(Entry { ack, id, reason: None });
        ack
    }

    /// A message at QoS 2 that the program has already has come again.
    pub(super) fn repeat(&mut self, id: PacketId) {
        if let Some(at) = self.carried.iter().position(|entry| entry.id == id) {
            self.qos2.extend(self.carried.remove(at));
        } else if self.qos2.iter().all(|entry| entry.id != id) {
            let ack = self.add(QoS::ExactlyOnce, id);
            let _ = self.acknowledge(ack, Reason::Success);
        }
    }

    /// The program has acknowledged; the Packet Identifier of a message at QoS 2.
    fn acknowledge(&mut self, ack: AckId, reason: Reason) -> Result<Option<PacketId>, AckError> {
        let find = |order: &mut VecDeque<Entry>| {
            // Numbers ascend by two and more, places by one.
            let ahead = ack.0.get().checked_sub(order.front()?.ack.0.get())? / 2;
            let guess = usize::try_from(ahead).ok().filter(|&at| at < order.len());
            let at = guess
                .filter(|&at| order[at].ack == ack)
                .or_else(|| order.iter().position(|entry| entry.ack == ack))?;
            let entry = &mut order[at];
            entry.reason.is_none().then(|| entry.reason = Some(reason))?;
            Some(entry.id)
        };
        if find(&mut self.qos1).is_some() {
            return Ok(None);
        }
        let id = find(&mut self.qos2).or_else(|| find(&mut self.carried));
        id.map(Some).ok_or(AckError::Unknown)
    }

    /// The next acknowledgement whose turn it is.
    pub(super) fn next(&mut self) -> Option<(AckKind, PacketId, Reason)> {
        for (order, kind) in [(&mut self.qos1, AckKind::PubAck), (&mut self.qos2, AckKind::PubRec)]
        {
            if let Some(reason) = order.front().and_then(|entry| entry.reason) {
                return order.pop_front().map(|entry| (kind, entry.id, reason));
            }
        }
        None
    }

    /// Whether the PUBREC of this message has not been sent.
    pub(super) fn waits(&self, id: PacketId) -> bool {
        self.qos2.iter().chain(&self.carried).any(|entry| entry.id == id)
    }

    /// A message at QoS 2 has begun on this connection.
    pub(super) fn opened(&mut self) {
        self.open2 += 1;
    }

    /// A message at QoS 2 is complete, on this connection or begun on an earlier one.
    pub(super) fn completed(&mut self) {
        self.open2 = self.open2.saturating_sub(1);
    }

    /// Messages that count against the Receive Maximum of this client.
    pub(super) fn in_flight(&self) -> usize {
        self.qos1.len() + self.open2
    }

    /// The connection has ended.
    pub(super) fn connection_lost(&mut self) {
        self.qos1.clear();
        // In the order in which they came: those carried before came before.
        self.carried.extend(self.qos2.drain(..));
        self.open2 = 0;
    }

    /// The Session has ended.
    pub(super) fn clear(&mut self) {
        let last = self.last;
        *self = ManualAcks { last, ..ManualAcks::default() };
    }
}

impl Client {
    /// Command: acknowledges a message that came with an [`AckId`]. A `reason` of 0x80 and above
    /// refuses it, which only 5.0 can say: before, it is acknowledged all the same.
    pub fn acknowledge(
        &mut self,
        now: Instant,
        ack: AckId,
        reason: Reason,
    ) -> Result<(), AckError> {
        let _ = now;
        // v5 [MQTT-3.4.2-1] [MQTT-3.5.2-1]
        if !reason.allowed_in(PacketType::PubAck, Side::Client) {
            return Err(AckError::Reason);
        }
        self.settle_ack(ack, reason)
    }

    /// The program has acknowledged: that is stored at once, and sent when its turn comes.
    pub(super) fn settle_ack(&mut self, ack: AckId, reason: Reason) -> Result<(), AckError> {
        let id = self.acks.acknowledge(ack, reason)?;
        if let (Some(id), Some(persist)) = (id.filter(|_| !reason.is_error()), &mut self.persist) {
            persist.incoming(id, true);
        }
        self.send_acks();
        Ok(())
    }

    /// Sends the acknowledgements whose turn it is.
    pub(super) fn send_acks(&mut self) {
        if !self.is_connected() {
            return;
        }
        while let Some((kind, id, said)) = self.acks.next() {
            let reason = if self.wire.version.has_properties() { said } else { Reason::Success };
            if kind == AckKind::PubRec && reason.is_error() {
                self.session.inbound.release(id); // v5 [MQTT-4.3.3-9]
                self.acks.completed();
            } else if kind == AckKind::PubRec
                && said.is_error()
                && let Some(persist) = &mut self.persist
            {
                persist.incoming(id, true); // the refusal cannot be said
            }
            self.answer(kind, id, reason);
        }
    }
}
