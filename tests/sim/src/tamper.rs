//! Faults on purpose, between the broker and its network.

use std::collections::{BTreeMap, VecDeque};

use libmqtt_codec::{Packet, Progress, QoS, Side, Version, frame};
use libmqtt_engine::broker::PeerBatch;

use crate::obs::ConnId;
use crate::plan::Fault;
use crate::rng::Rng;

/// Commits one fault, once, at a random opportunity after a few.
#[derive(Debug)]
pub(crate) struct Tamper {
    fault: Option<Fault>,
    /// Opportunities to let pass.
    patience: u64,
    /// A packet held back to change places with a later one.
    held: BTreeMap<ConnId, Vec<u8>>,
    stray: Option<Vec<u8>>,
    done: bool,
}

impl Tamper {
    pub(crate) fn new(fault: Option<Fault>, seed: u64) -> Tamper {
        let patience = Rng::new(seed).range(0..15);
        Tamper { fault, patience, held: BTreeMap::new(), stray: None, done: false }
    }

    /// Whether packets pass untouched.
    pub(crate) fn idle(&self) -> bool {
        !matches!(
            self.fault,
            Some(
                Fault::DropPublish(_)
                    | Fault::RepeatPublish(_)
                    | Fault::SwapPublishes
                    | Fault::Misdeliver
            )
        )
    }

    pub(crate) fn deaf(&self) -> bool {
        self.fault == Some(Fault::DeafBroker)
    }

    fn now(&mut self) -> bool {
        if self.done {
            return false;
        }
        self.done = self.patience == 0;
        self.patience = self.patience.saturating_sub(1);
        self.done
    }

    /// Changes what leaves for a client.
    pub(crate) fn packets(&mut self, conn: ConnId, packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for packet in packets {
            let qos = qos_of(&packet);
            let fault = self.fault;
            match fault {
                Some(Fault::DropPublish(at)) if qos == Some(at) && self.now() => {}
                Some(Fault::RepeatPublish(at)) if qos == Some(at) && self.now() => {
                    out.extend([packet.clone(), packet]);
                }
                Some(Fault::SwapPublishes) if qos.is_some() => self.swap(conn, packet, &mut out),
                Some(Fault::Misdeliver) if qos == Some(QoS::AtMostOnce) => {
                    // What one client got, another one gets too, topic, identifiers and all.
                    if let Some(stray) = self.stray.take()
                        && self.now()
                    {
                        out.push(stray);
                    }
                    self.stray = Some(packet.clone());
                    out.push(packet);
                }
                _ => out.push(packet),
            }
        }
        out
    }

    fn swap(&mut self, conn: ConnId, packet: Vec<u8>, out: &mut Vec<Vec<u8>>) {
        match self.held.remove(&conn) {
            Some(held) if line_of(&held) == line_of(&packet) => {
                self.done = true;
                out.extend([packet, held]);
            }
            Some(held) => out.extend([held, packet]),
            None if !self.done && line_of(&packet).is_some() => {
                drop(self.held.insert(conn, packet))
            }
            None => out.push(packet),
        }
    }

    /// Puts a batch into its line.
    pub(crate) fn batch(&mut self, line: &mut VecDeque<PeerBatch>, batch: PeerBatch) {
        let fault = self.fault;
        match fault {
            Some(Fault::DropBatch) if self.now() => {}
            Some(Fault::SwapBatches) if !line.is_empty() => {
                let last = line.len() - 1;
                line.insert(last, batch);
            }
            _ => line.push_back(batch),
        }
    }

    /// Turns a PUBLISH at QoS 1 on its way to the broker into one that the broker acknowledges and
    /// that reaches nobody: its topic becomes another one.
    pub(crate) fn lose_published(&mut self, packet: &[u8], bytes: &mut [u8]) {
        if self.fault != Some(Fault::LosePublished) || qos_of(packet) != Some(QoS::AtLeastOnce) {
            return;
        }
        let Some((topic, ..)) = line_of(packet) else { return };
        let Some(start) = bytes.windows(packet.len()).position(|window| window == packet) else {
            return;
        };
        let found = packet.windows(topic.len()).position(|window| window == topic.as_bytes());
        if let Some(at) = found
            && !topic.is_empty()
            && self.now()
        {
            bytes[start + at..start + at + topic.len()].fill(b'!');
        }
    }
}

fn qos_of(packet: &[u8]) -> Option<QoS> {
    (packet[0] >> 4 == 3).then(|| QoS::from_u8(packet[0] >> 1 & 3)).flatten()
}

/// Topic, QoS, DUP and RETAIN of a PUBLISH in any version, if its topic is written out.
fn line_of(packet: &[u8]) -> Option<(String, u8)> {
    let Ok(Progress::Packet(found)) = frame(packet, u32::MAX) else { return None };
    for version in [Version::V5, Version::V311] {
        if let Ok(Packet::Publish(publish)) = found.decode(version, Side::Server) {
            return (!publish.topic.is_empty()).then(|| (publish.topic.into(), packet[0]));
        }
    }
    None
}
