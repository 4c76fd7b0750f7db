//! What clients and the programs behind them must see.

use std::collections::BTreeMap;

use libmqtt_codec::{AckKind, Packet, PacketId, QoS, Version};

use super::Checker;
use super::flow::Flows;
use crate::obs::{ActorId, ConnId, Outcome, key_of};

/// One participant's client and the program behind it.
#[derive(Debug, Default)]
pub(crate) struct Program {
    flows: Flows,
    /// QoS 2 identifiers between PUBLISH and PUBREL, and in which Session of the broker each came.
    taking: BTreeMap<PacketId, Option<usize>>,
    /// Publishes without a result, by token.
    waiting: BTreeMap<u64, (u64, QoS)>,
    clean: bool,
}

impl Checker<'_> {
    pub(super) fn client_sent(&mut self, conn: ConnId, packet: &Packet<'_>) {
        let actor = self.links[&conn].actor;
        let program = self.programs.entry(actor).or_default();
        match packet {
            Packet::Connect(connect) => {
                // Before 5.0 a clean session ends with its connection.
                let was_clean = std::mem::replace(&mut program.clean, connect.clean_start);
                if connect.clean_start || (was_clean && connect.version != Version::V5) {
                    program.flows.clear();
                    program.taking.clear();
                }
            }
            Packet::Publish(publish) => {
                let (Some(id), Some(key)) = (publish.packet_id, key_of(publish.payload)) else {
                    return;
                };
                let found = program.flows.publish(conn, id.get(), key, publish.qos, publish.dup);
                if let Err(why) = found {
                    self.violation(format!("flow: conn {conn}, client: {why}"));
                }
            }
            Packet::Ack(ack) if ack.kind == AckKind::PubRel => {
                program.flows.release(ack.packet_id.get());
            }
            Packet::Ack(ack) if ack.kind == AckKind::PubRec && ack.reason.is_error() => {
                program.taking.remove(&ack.packet_id);
            }
            _ => {}
        }
    }

    pub(super) fn client_heard(&mut self, conn: ConnId, packet: &Packet<'_>) {
        let link = self.links.get_mut(&conn).expect("dialled before");
        let program = self.programs.entry(link.actor).or_default();
        match packet {
            Packet::ConnAck(connack) if !connack.reason.is_error() => {
                let kept = match link.client.version() {
                    Version::V31 => !program.clean,
                    _ => connack.session_present,
                };
                if !kept {
                    program.flows.clear();
                    program.taking.clear();
                }
            }
            Packet::Publish(publish) => {
                let id = publish.packet_id.filter(|_| publish.qos == QoS::ExactlyOnce);
                if let Some(taken_in) = id.and_then(|id| program.taking.get(&id)) {
                    // A repeat, which the program must not see. Or not: the session of the client
                    // had ended, the CONNACK that said so was lost, and the next one resumed the
                    // session that came after. The client cannot know, and has to take this one
                    // for a repeat. v5 [MQTT-4.3.3-10] v311 [MQTT-4.3.3-2]
                    let mistaken = *taken_in != link.session && !publish.dup;
                    if mistaken
                        && let (Some(session), Some(key)) = (link.session, key_of(publish.payload))
                    {
                        let mistaken = &mut self.sessions[session].mistaken;
                        *mistaken.entry((key, publish.qos as u8)).or_default() += 1;
                        self.count("messages taken for those of a session that had ended");
                    }
                    return;
                }
                if let Some(key) = key_of(publish.payload) {
                    link.to_receive.push_back((key, publish.qos, id));
                }
            }
            Packet::Ack(ack) if ack.kind == AckKind::PubRel => {
                program.taking.remove(&ack.packet_id);
            }
            Packet::Ack(ack) => {
                program.flows.ack(ack.kind, ack.packet_id.get(), ack.reason);
            }
            _ => {}
        }
    }

    pub(super) fn program_published(&mut self, actor: ActorId, token: u64, key: u64, qos: QoS) {
        self.programs.entry(actor).or_default().waiting.insert(token, (key, qos));
    }

    pub(super) fn program_resolved(&mut self, actor: ActorId, token: u64, outcome: Outcome) {
        let program = self.programs.entry(actor).or_default();
        match program.waiting.remove(&token) {
            None => self.violation(format!("token: {token} of actor {actor} has no publish")),
            Some((key, qos)) => {
                let untaken = qos > QoS::AtMostOnce && !self.taken.contains_key(&key);
                if outcome == Outcome::Done && untaken {
                    self.violation(format!("token: {key:x} done, but the broker never had it"));
                }
                self.count(match outcome {
                    Outcome::Done => "publishes done",
                    Outcome::Refused => "publishes refused",
                    Outcome::Abandoned | Outcome::Lost => "publishes lost",
                });
            }
        }
    }

    pub(super) fn program_received(&mut self, conn: ConnId, key: u64, qos: QoS) {
        let link = self.links.get_mut(&conn).expect("dialled before");
        let session = link.session;
        let next = link.to_receive.pop_front();
        if let Some((.., Some(id))) = next {
            self.programs.entry(link.actor).or_default().taking.insert(id, session);
        }
        if next.is_none_or(|(k, q, _)| (k, q) != (key, qos)) {
            self.violation(format!(
                "program: conn {conn} was handed {key:x} at {qos:?}, its client heard {next:x?}"
            ));
        }
        let Some(session) = self.links[&conn].session else { return };
        let s = &mut self.sessions[session];
        let received = s.received.entry((key, qos as u8)).or_default();
        *received += 1;
        let started = s.started.get(&(key, qos as u8)).copied().unwrap_or(0);
        if qos == QoS::ExactlyOnce && *received > started {
            let what = format!(
                "exactly-once: {} was handed {key:x} {received} times, sent {started}",
                s.client_id
            );
            self.violation(what);
        }
    }

    pub(super) fn end_programs(&mut self) {
        let mut found = Vec::new();
        for (conn, link) in self.links.iter().filter(|(_, link)| !link.client_gone) {
            if let Some((key, qos, _)) = link.to_receive.front() {
                found.push(format!("program: conn {conn}: {key:x} at {qos:?} was never handed on"));
            }
        }
        for s in self.sessions.iter().filter(|s| !s.ended) {
            for (&(key, qos), &finished) in &s.finished {
                let received = s.received.get(&(key, qos)).copied().unwrap_or(0);
                let mistaken = s.mistaken.get(&(key, qos)).copied().unwrap_or(0);
                if received + mistaken < finished {
                    found.push(format!(
                        "program: {} acknowledged {key:x} at QoS {qos} {finished} times, was \
                         handed it {received} times",
                        s.client_id
                    ));
                }
            }
        }
        for (actor, program) in &self.programs {
            for (token, (key, qos)) in &program.waiting {
                found.push(format!(
                    "token: {token} of actor {actor} ({key:x} at {qos:?}) never resolved"
                ));
            }
        }
        found.into_iter().take(10).for_each(|what| self.violation(what));
    }
}
