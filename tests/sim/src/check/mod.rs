//! The checkers: a naive broker that only looks on.
//!
//! A run is a list of observations ([`Obs`]); nothing else reaches this module, so a recorded run
//! can be damaged and judged again. From what the broker was handed, the model here concludes
//! what every session must and may get (an *obligation* per message, session and cause), and what
//! leaves the broker is matched against that. It is exact because the order in which packets are
//! handed over is the order in which one thread handed them over.
//!
//! What holds, and under which conditions:
//!
//! - **QoS 0**: sent at most once per session. It must be sent if the session was connected when
//!   the broker took the message and stays connected until the end.
//! - **QoS 1**: a session that lives to the end gets every message, acknowledged by the end; one
//!   flow per message and session, so within one connection exactly once.
//! - **QoS 2**: as QoS 1, and the program behind the client is handed it exactly once. What a
//!   publisher repeats before PUBREL is one message, unless its session was lost between.
//! - **Order**: what a session is sent first (repeats aside) is, for one publisher, topic and
//!   delivered QoS, in the order in which the broker took it. Programs see it in that order too.
//! - **Nobody else** gets a message; each copy has the QoS, RETAIN flag and Subscription
//!   Identifiers that its subscriptions give it.
//! - **Shared**: one copy per group, to a member; a second only after the first one's session or
//!   subscription has ended.
//! - **Limits**: what is missing is counted by the broker, and nothing is missing when the limits
//!   are wide.

mod client;
mod deliver;
mod flow;
mod ledger;
mod retained;
mod session;
mod settle;
mod shared;
mod states;
mod subscribe;
mod will;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use libmqtt_codec::{Packet, Side};

use crate::obs::{ActorId, ConnId, Obs, Time, What};
use crate::plan::Plan;
use client::Program;
use deliver::Instance;
use retained::Kept;
use session::{Link, Session};
use shared::Group;

pub use ledger::Ledger;
pub use states::{Event, State};
pub(crate) use wire::decode;

/// A rule that was seen broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Time,
    /// Which kind: the first word of the message is a stable name of the rule.
    pub what: String,
}

/// Who judges a run.
#[derive(Debug)]
pub(crate) enum Judge<'p> {
    Checker(Box<Checker<'p>>),
    Ledger(Box<Ledger<'p>>),
}

impl Judge<'_> {
    pub(crate) fn observe(&mut self, obs: &Obs) {
        match self {
            Judge::Checker(checker) => checker.observe(obs),
            Judge::Ledger(ledger) => ledger.observe(obs),
        }
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        match self {
            Judge::Checker(checker) => checker.violations(),
            Judge::Ledger(ledger) => ledger.violations(),
        }
    }

    /// The states of sessions, which a ledger does not follow.
    pub(crate) fn states(&self) -> BTreeMap<(State, Event), u64> {
        match self {
            Judge::Checker(checker) => checker.states().clone(),
            Judge::Ledger(_) => BTreeMap::new(),
        }
    }

    pub(crate) fn seen(&self) -> &BTreeMap<&'static str, u64> {
        match self {
            Judge::Checker(checker) => checker.seen(),
            Judge::Ledger(ledger) => ledger.seen(),
        }
    }
}

/// Judges a run.
#[derive(Debug)]
pub struct Checker<'p> {
    plan: &'p Plan,
    now: Time,
    advanced_to: Time,
    links: BTreeMap<ConnId, Link>,
    /// Links that the broker has not let go.
    open: BTreeSet<ConnId>,
    /// Every session that was ever, the live ones found by client id.
    sessions: Vec<Session>,
    living: BTreeMap<String, usize>,
    instances: Vec<Instance>,
    groups: Vec<Group>,
    groups_by_key: BTreeMap<u64, Vec<usize>>,
    kept: BTreeMap<String, Vec<Kept>>,
    /// Wills published within a window of time that is still open: instance, and its end.
    open_wills: Vec<(usize, Time)>,
    programs: BTreeMap<ActorId, Program>,
    /// Which publisher sessions a key was taken from, to tell repeats from losses.
    taken: BTreeMap<u64, Vec<usize>>,
    violations: Vec<Violation>,
    seen: BTreeMap<&'static str, u64>,
    states: BTreeMap<(State, Event), u64>,
    ended: bool,
}

impl<'p> Checker<'p> {
    /// For a run of `plan`.
    pub fn new(plan: &'p Plan) -> Checker<'p> {
        Checker {
            plan,
            now: 0,
            advanced_to: 0,
            links: BTreeMap::new(),
            open: BTreeSet::new(),
            sessions: Vec::new(),
            living: BTreeMap::new(),
            instances: Vec::new(),
            groups: Vec::new(),
            groups_by_key: BTreeMap::new(),
            kept: BTreeMap::new(),
            open_wills: Vec::new(),
            programs: BTreeMap::new(),
            taken: BTreeMap::new(),
            violations: Vec::new(),
            seen: BTreeMap::new(),
            states: BTreeMap::new(),
            ended: false,
        }
    }

    /// Judges a recorded run.
    pub fn judge(plan: &'p Plan, run: &[Obs]) -> Vec<Violation> {
        let mut checker = Checker::new(plan);
        for obs in run {
            checker.observe(obs);
        }
        checker.violations
    }

    /// Takes the next observation.
    pub fn observe(&mut self, obs: &Obs) {
        self.now = obs.at;
        self.advance();
        match &obs.what {
            What::Dialled { conn, actor } => self.dialled(*conn, *actor),
            What::FromClient { conn, packet } => self.client_end(*conn, packet, true),
            What::ToClient { conn, packet } => self.client_end(*conn, packet, false),
            What::Heard { conn } => {
                self.links.get_mut(conn).expect("dialled before").last_byte = obs.at;
            }
            What::ToBroker { conn, packet } => {
                let link = self.links.get_mut(conn).expect("dialled before");
                if link.answered {
                    self.broker_hears(*conn, packet);
                } else {
                    link.held.push(packet.clone());
                }
            }
            What::Answered { conn, packet } => self.answered(*conn, packet),
            What::FromBroker { conn, packet } => self.broker_sends(*conn, packet),
            What::BrokerTold { conn } => self.broker_told(*conn),
            What::BrokerClosed { conn, reason, flushed } => {
                self.broker_closed(*conn, *reason, *flushed);
            }
            What::ClientGone { conn } => self.client_gone(*conn),
            What::Published { actor, token, key, qos } => {
                self.program_published(*actor, *token, *key, *qos);
            }
            What::Resolved { actor, token, outcome } => {
                self.program_resolved(*actor, *token, *outcome);
            }
            What::Received { conn, key, qos } => self.program_received(*conn, *key, *qos),
            What::Accepted { conn } => {
                self.links.get_mut(conn).expect("dialled before").last_heard = obs.at;
            }
            What::Complaint { what } => self.violation(what.clone()),
            What::PowerLost
            | What::PowerBack
            | What::ClientPowerLost { .. }
            | What::Acknowledged { .. }
            | What::Flushes { .. } => {}
            What::End { dropped } => self.end(*dropped),
        }
    }

    /// What was found.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How often each situation of interest was met.
    pub fn seen(&self) -> &BTreeMap<&'static str, u64> {
        &self.seen
    }

    /// How often each thing happened in each state of a session.
    pub fn states(&self) -> &BTreeMap<(State, Event), u64> {
        &self.states
    }

    fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(Violation { at: self.now, what: what.into() });
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// A packet crossed the client's end of a connection.
    fn client_end(&mut self, conn: ConnId, bytes: &[u8], sent: bool) {
        let from = if sent { Side::Client } else { Side::Server };
        let link = self.links.get_mut(&conn).expect("dialled before");
        let packet = match decode(bytes, link.client.version(), from) {
            Ok(packet) => packet,
            Err(why) => return self.violation(format!("wire: conn {conn}, {from:?}: {why}")),
        };
        let topic = if sent {
            link.client.sent(bytes.len(), &packet)
        } else {
            Ok(link.client.received(&packet))
        };
        match topic {
            Err(why) => {
                let kind = packet.packet_type();
                self.violation(format!("wire: conn {conn}, client's {kind:?}: {why}"));
            }
            Ok(_) if sent => self.client_sent(conn, &packet),
            Ok(_) => self.client_heard(conn, &packet),
        }
    }

    /// The broker takes a packet from a client whose CONNECT it has accepted.
    fn broker_hears(&mut self, conn: ConnId, bytes: &[u8]) {
        let now = self.now;
        let link = self.links.get_mut(&conn).expect("dialled before");
        if link.gone {
            return; // it stopped listening
        }
        let Ok(packet) = decode(bytes, link.broker.version(), Side::Client) else {
            return; // the client's own end has reported it
        };
        link.last_heard = now;
        let topic = link.broker.received(&packet);
        self.note_packet(conn, &packet, true);
        match &packet {
            Packet::Publish(publish) => self.take_publish(conn, publish, topic),
            Packet::Ack(ack) => self.take_ack(conn, ack),
            Packet::Subscribe(subscribe) => self.take_subscribe(conn, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.take_unsubscribe(conn, unsubscribe),
            Packet::Disconnect(disconnect) => self.take_disconnect(conn, disconnect),
            _ => {}
        }
    }

    fn broker_sends(&mut self, conn: ConnId, bytes: &[u8]) {
        let link = self.links.get_mut(&conn).expect("dialled before");
        let packet = match decode(bytes, link.broker.version(), Side::Server) {
            Ok(packet) => packet,
            Err(why) => return self.violation(format!("wire: conn {conn}, broker: {why}")),
        };
        let topic = match link.broker.sent(bytes.len(), &packet) {
            Ok(topic) => topic,
            Err(why) => {
                let kind = packet.packet_type();
                return self.violation(format!("wire: conn {conn}, broker's {kind:?}: {why}"));
            }
        };
        self.note_packet(conn, &packet, false);
        match &packet {
            Packet::Publish(publish) => self.send_publish(conn, publish, topic),
            Packet::Ack(ack) => self.send_ack(conn, ack),
            Packet::SubAck(suback) => self.send_suback(conn, suback),
            Packet::UnsubAck(unsuback) => self.send_unsuback(conn, unsuback),
            Packet::Disconnect(disconnect) => self.send_disconnect(conn, disconnect),
            _ => {}
        }
    }

    /// All is quiet: whatever must have happened has happened.
    fn end(&mut self, dropped: u64) {
        self.ended = true;
        self.end_links();
        self.end_deliveries(dropped);
        self.end_programs();
    }

    /// Client identifiers that have an open connection now.
    pub fn connected(&self) -> BTreeSet<&str> {
        let open = self.sessions.iter().filter(|session| session.online.is_some());
        open.map(|session| session.client_id.as_str()).collect()
    }
}
