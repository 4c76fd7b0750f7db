//! QoS 1 and 2 flows of one sender, across the connections of a session.

use std::collections::BTreeMap;

use libmqtt_codec::{AckKind, QoS, Reason};

use crate::obs::ConnId;

#[derive(Clone, Copy, Debug)]
struct Flow {
    key: u64,
    qos: QoS,
    /// Order of starting.
    number: u64,
    /// The connection on which it was sent last.
    conn: ConnId,
    /// PUBREC was heard.
    received: bool,
    /// PUBREL was sent.
    released: bool,
}

/// The flows that a sender has started and not finished.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    open: BTreeMap<u16, Flow>,
    started: u64,
    /// The connection of the last resend and how far it has come.
    resent: Option<(ConnId, u64)>,
}

impl Flows {
    /// Whether there is one at QoS 1, one at QoS 2 before PUBREL, and one after it.
    pub(crate) fn kinds(&self) -> (bool, bool, bool) {
        let any = |wanted: fn(&Flow) -> bool| self.open.values().any(wanted);
        (
            any(|flow| flow.qos == QoS::AtLeastOnce),
            any(|flow| flow.qos == QoS::ExactlyOnce && !flow.released),
            any(|flow| flow.released),
        )
    }

    /// A PUBLISH was sent. Answers whether it starts a flow, and checks that what it repeats is
    /// a repeat in every respect.
    pub(crate) fn publish(
        &mut self,
        conn: ConnId,
        id: u16,
        key: u64,
        qos: QoS,
        dup: bool,
    ) -> Result<bool, String> {
        let Some(flow) = self.open.get_mut(&id) else {
            self.started += 1;
            let number = self.started;
            self.open.insert(id, Flow { key, qos, number, conn, received: false, released: false });
            return Ok(true);
        };
        if flow.key != key || flow.qos != qos {
            return Err(format!(
                "Packet Identifier {id} for message {key:x} at {qos:?} while it stands for {:x} at {:?}",
                flow.key, flow.qos
            ));
        }
        if flow.conn == conn {
            return Err(format!("message {key:x} (id {id}) sent twice on one connection"));
        }
        if !dup {
            return Err(format!("message {key:x} (id {id}) sent again without DUP"));
        }
        if flow.released {
            return Err(format!("message {key:x} (id {id}) sent again after PUBREL"));
        }
        flow.conn = conn;
        match self.resent {
            Some((on, number)) if on == conn && number > flow.number => {
                return Err(format!("message {key:x} (id {id}) sent again out of order"));
            }
            _ => self.resent = Some((conn, flow.number)),
        }
        Ok(false)
    }

    /// An acknowledgement was heard. Answers with key and QoS if it ends a flow well.
    pub(crate) fn ack(&mut self, kind: AckKind, id: u16, reason: Reason) -> Option<(u64, QoS)> {
        let flow = self.open.get_mut(&id)?;
        let ends = match kind {
            AckKind::PubAck => flow.qos == QoS::AtLeastOnce,
            AckKind::PubRec => {
                flow.received = true;
                reason.is_error()
            }
            AckKind::PubComp => flow.received || flow.released,
            AckKind::PubRel => false,
        };
        if !ends {
            return None;
        }
        let flow = self.open.remove(&id)?;
        (!reason.is_error()).then_some((flow.key, flow.qos))
    }

    /// PUBREL was sent.
    pub(crate) fn release(&mut self, id: u16) {
        if let Some(flow) = self.open.get_mut(&id) {
            flow.released = true;
        }
    }

    /// Whether this identifier stands for a flow.
    pub(crate) fn knows(&self, id: u16) -> bool {
        self.open.contains_key(&id)
    }

    /// The session is gone.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    /// Keys of the flows not finished.
    pub(crate) fn open(&self) -> impl Iterator<Item = u64> + '_ {
        self.open.values().map(|flow| flow.key)
    }
}
