//! What holds however often the broker and clients lose their power: a ledger of promises, end to end.
//!
//! Some participants have subscribed to everything in sessions that last. The ledger notes what
//! programs publish and what they are told of it, and what the programs of the subscribers get.
//!
//! - **Kept**: what was acknowledged at QoS 1 or 2 after a subscription was acknowledged reaches
//!   that subscriber. So does what a client that keeps its messages has called durable, also when
//!   it loses its power. What its program has been given and had not acknowledged comes again.
//! - **Once**: what was published at QoS 2 in a session that lasts reaches it once; a program that
//!   acknowledges messages itself, until its client has called that durable.
//! - **Order**: the messages of one publisher, topic and QoS reach it first in the order in which
//!   they were published.
//! - **Sessions**: one that was acknowledged is present at every later connection.
//! - **Retained**: who comes when all is over gets no value that was replaced by an acknowledged
//!   one of the same publisher at the same QoS.
//! - **Wills**: that of a client that was connected when power was lost reaches the subscribers.
//! - **Answers**: everything published at QoS 1 or 2 has an outcome in the end.

use std::collections::{BTreeMap, BTreeSet};

use libmqtt_codec::{Packet, QoS, Side};

use super::{Violation, decode};
use crate::obs::{ActorId, ConnId, Obs, Outcome, Time, What, key_of};
use crate::plan::{Acks, Plan};

#[derive(Debug)]
struct Publication {
    actor: ActorId,
    qos: QoS,
    at: Time,
    outcome: Option<Outcome>,
    kept: Kept,
}

/// What its client has said of a message before it lost its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Nothing yet.
    Open,
    /// That it is durable.
    Durable,
    /// Nothing, and it never will.
    Forgotten,
}

#[derive(Debug, Default)]
struct Subscriber {
    /// When it was told that it had subscribed.
    since: Option<Time>,
    /// A session was acknowledged.
    known: bool,
    /// Keys in the order of their first coming.
    order: Vec<u64>,
    /// How often they came; when power is lost, only what must not come again goes on counting.
    got: BTreeMap<u64, u64>,
    /// The most that they ever came.
    most: BTreeMap<u64, u64>,
    /// Keys whose acknowledgement by the program its client has called durable.
    taken: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// Keys that its client has heard at QoS 2, and those that it lost with its power between
    /// storing them and handing them over.
    heard: BTreeSet<u64>,
    excused: BTreeSet<u64>,
    /// Keys that came, or may have come, as retained messages too.
    as_retained: BTreeSet<u64>,
    retained: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Conn {
    actor: ActorId,
    /// What its CONNECT leaves as will: key and delay.
    will: Option<(u64, QoS, u32)>,
    /// The client was told that it is connected, and neither end has closed.
    open: bool,
}

/// Judges a run in which the broker loses its power.
#[derive(Debug)]
pub struct Ledger<'p> {
    plan: &'p Plan,
    now: Time,
    published: BTreeMap<u64, Publication>,
    tokens: BTreeMap<(ActorId, u64), u64>,
    /// What a flush is to make durable: published and acknowledged keys.
    flushes: BTreeMap<(ActorId, u64), (Vec<u64>, BTreeSet<u64>)>,
    wills: BTreeSet<u64>,
    wills_due: Vec<(u64, Time)>,
    topics: BTreeMap<u64, String>,
    /// Keys that were published to be retained.
    retains: BTreeSet<u64>,
    /// Topics from which the retained message was removed at some time.
    cleared: BTreeSet<String>,
    subscribers: BTreeMap<ActorId, Subscriber>,
    conns: BTreeMap<ConnId, Conn>,
    violations: Vec<Violation>,
    seen: BTreeMap<&'static str, u64>,
}

impl<'p> Ledger<'p> {
    /// For a run of `plan`.
    pub fn new(plan: &'p Plan) -> Ledger<'p> {
        let steady = |actor: &usize| plan.actors[*actor].steady;
        let actors = (0..plan.actors.len()).filter(steady);
        Ledger {
            plan,
            now: 0,
            published: BTreeMap::new(),
            tokens: BTreeMap::new(),
            flushes: BTreeMap::new(),
            wills: BTreeSet::new(),
            wills_due: Vec::new(),
            topics: BTreeMap::new(),
            retains: BTreeSet::new(),
            cleared: BTreeSet::new(),
            subscribers: actors.map(|actor| (actor, Subscriber::default())).collect(),
            conns: BTreeMap::new(),
            violations: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Judges a recorded run.
    pub fn judge(plan: &'p Plan, run: &[Obs]) -> Vec<Violation> {
        let mut ledger = Ledger::new(plan);
        for obs in run {
            ledger.observe(obs);
        }
        ledger.violations
    }

    /// What was found.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How often each situation of interest was met.
    pub fn seen(&self) -> &BTreeMap<&'static str, u64> {
        &self.seen
    }

    fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(Violation { at: self.now, what: what.into() });
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Takes the next observation.
    pub fn observe(&mut self, obs: &Obs) {
        self.now = obs.at;
        match &obs.what {
            What::Dialled { conn, actor } => {
                self.conns.insert(*conn, Conn { actor: *actor, ..Conn::default() });
            }
            What::FromClient { conn, packet } => self.client_sends(*conn, packet),
            What::ToClient { conn, packet } => self.client_hears(*conn, packet),
            What::ToBroker { conn, packet } if packet[0] >> 4 == 14 => self.close(*conn),
            What::BrokerTold { conn }
            | What::BrokerClosed { conn, .. }
            | What::ClientGone { conn } => self.close(*conn),
            What::Published { actor, token, key, qos } if *key > 0 => {
                self.tokens.insert((*actor, *token), *key);
                let (actor, qos) = (*actor, *qos);
                let publication =
                    Publication { actor, qos, at: obs.at, outcome: None, kept: Kept::Open };
                self.published.insert(*key, publication);
            }
            What::Flushes { actor, token } => self.flushes(*actor, *token),
            What::Acknowledged { actor, key } => {
                if let Some(subscriber) = self.subscribers.get_mut(actor) {
                    subscriber.acknowledged.insert(*key);
                }
            }
            What::ClientPowerLost { actor } => self.client_power_lost(*actor),
            What::Resolved { actor, token, outcome } => {
                if let Some(flushed) = self.flushes.remove(&(*actor, *token)) {
                    if *outcome == Outcome::Done {
                        self.flushed(*actor, flushed);
                    }
                } else if let Some(key) = self.tokens.get(&(*actor, *token))
                    && let Some(publication) = self.published.get_mut(key)
                {
                    publication.outcome = Some(*outcome);
                    if *outcome == Outcome::Refused {
                        self.count("messages refused");
                    }
                }
            }
            What::Received { conn, key, .. } => self.received(*conn, *key),
            What::PowerLost => self.power_lost(),
            What::Complaint { what } => self.violation(what.clone()),
            What::End { .. } => self.end(),
            _ => {}
        }
    }

    fn close(&mut self, conn: ConnId) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.open = false;
        }
    }

    fn client_sends(&mut self, conn: ConnId, bytes: &[u8]) {
        let actor = self.conns[&conn].actor;
        let version = self.plan.actors[actor].version;
        match decode(bytes, version, Side::Client) {
            Ok(Packet::Connect(connect)) => {
                let will = connect.will.and_then(|will| {
                    let delay = will.properties.will_delay_interval().unwrap_or(0);
                    Some((key_of(will.payload)?, will.qos, delay))
                });
                if let Some((key, ..)) = will {
                    self.wills.insert(key);
                }
                if let Some(will) = connect.will.filter(|it| it.retain && it.payload.is_empty()) {
                    self.cleared.insert(will.topic.into());
                }
                self.conns.get_mut(&conn).expect("dialled").will = will;
            }
            Ok(Packet::Publish(publish)) if publish.retain => match key_of(publish.payload) {
                // With an alias it need not say which.
                Some(0) => drop(self.cleared.insert(publish.topic.into())),
                key => self.retains.extend(key),
            },
            Ok(_) => {}
            Err(why) => self.violation(format!("wire: conn {conn}, client: {why}")),
        }
    }

    fn client_hears(&mut self, conn: ConnId, bytes: &[u8]) {
        let actor = self.conns[&conn].actor;
        let version = self.plan.actors[actor].version;
        let packet = match decode(bytes, version, Side::Server) {
            Ok(packet) => packet,
            Err(why) => return self.violation(format!("wire: conn {conn}, broker: {why}")),
        };
        let late = self.plan.comes_late(actor);
        match packet {
            Packet::ConnAck(connack) if !connack.reason.is_error() => {
                self.conns.get_mut(&conn).expect("dialled").open = true;
                let Some(subscriber) = self.subscribers.get_mut(&actor) else { return };
                let known = std::mem::replace(&mut subscriber.known, true);
                let says = version != libmqtt_codec::Version::V31;
                if known && says && !connack.session_present && subscriber.since.is_some() {
                    self.violation(format!("session: that of actor {actor} is gone"));
                }
            }
            Packet::SubAck(suback) if suback.codes.iter().all(|&code| code < 0x80) => {
                if let Some(subscriber) = self.subscribers.get_mut(&actor) {
                    subscriber.since.get_or_insert(self.now);
                }
            }
            Packet::Publish(publish) => {
                let Some(key) = key_of(publish.payload) else {
                    return self.violation(format!("payload: damaged on conn {conn}"));
                };
                self.topics.insert(key, publish.topic.into());
                let Some(subscriber) = self.subscribers.get_mut(&actor) else { return };
                if publish.retain {
                    subscriber.as_retained.insert(key);
                    if late {
                        subscriber.retained.insert(publish.topic.into(), key);
                    }
                }
                if publish.qos == QoS::ExactlyOnce {
                    subscriber.heard.insert(key);
                }
            }
            _ => {}
        }
    }

    fn received(&mut self, conn: ConnId, key: u64) {
        let actor = self.conns[&conn].actor;
        if key > 0 && !self.published.contains_key(&key) && !self.wills.contains(&key) {
            self.violation(format!("delivery: actor {actor} got {key:x}, which nobody published"));
        }
        let Some(subscriber) = self.subscribers.get_mut(&actor) else {
            return self.violation(format!("delivery: actor {actor} has not subscribed"));
        };
        let count = subscriber.got.entry(key).or_default();
        *count += 1;
        let most = subscriber.most.entry(key).or_default();
        let first = *most == 0;
        *most = (*most).max(*count);
        if first {
            subscriber.order.push(key);
        } else {
            self.count("messages again");
        }
    }

    fn flushes(&mut self, actor: ActorId, token: u64) {
        let open =
            self.published.iter().filter(|(_, it)| it.actor == actor && it.kept == Kept::Open);
        let keys = open.map(|(key, _)| *key).collect();
        let subscriber = self.subscribers.get(&actor);
        let acknowledged = subscriber.map(|it| it.acknowledged.clone()).unwrap_or_default();
        self.flushes.insert((actor, token), (keys, acknowledged));
    }

    fn flushed(&mut self, actor: ActorId, (keys, acknowledged): (Vec<u64>, BTreeSet<u64>)) {
        self.count("flushes");
        for key in keys {
            if let Some(publication) = self.published.get_mut(&key) {
                publication.kept = Kept::Durable;
            }
        }
        if let Some(subscriber) = self.subscribers.get_mut(&actor) {
            subscriber.taken.extend(acknowledged);
        }
    }

    fn client_power_lost(&mut self, actor: ActorId) {
        self.count("power of a client lost");
        // Nobody is left to be told.
        self.tokens.retain(|(of, _), _| *of != actor);
        self.flushes.retain(|(of, _), _| *of != actor);
        let mut durable = 0;
        for publication in self.published.values_mut().filter(|it| it.actor == actor) {
            if publication.kept == Kept::Open {
                publication.kept = Kept::Forgotten;
            }
            if publication.outcome.is_none() {
                publication.outcome = Some(Outcome::Abandoned);
                let stored = publication.qos > QoS::AtMostOnce;
                durable += u64::from(stored && publication.kept == Kept::Durable);
            }
        }
        *self.seen.entry("durable messages when power was lost").or_default() += durable;
        let Some(subscriber) = self.subscribers.get_mut(&actor) else { return };
        if self.plan.actors[actor].keeps == Some(Acks::Manual) {
            let Subscriber { taken, acknowledged, got, .. } = subscriber;
            got.retain(|key, _| taken.contains(key));
            acknowledged.retain(|key| taken.contains(key));
        } else {
            let unseen = subscriber.heard.iter().filter(|key| !subscriber.most.contains_key(key));
            subscriber.excused.extend(unseen);
        }
    }

    fn power_lost(&mut self) {
        self.count("power lost");
        for conn in self.conns.values_mut().filter(|conn| conn.open) {
            conn.open = false;
            if let Some((key, qos, 0)) = conn.will
                && key > 0
                && qos > QoS::AtMostOnce
            {
                self.wills_due.push((key, self.now));
            }
        }
    }

    fn end(&mut self) {
        for (key, publication) in &self.published {
            if publication.qos > QoS::AtMostOnce && publication.outcome.is_none() {
                let actor = publication.actor;
                let what = format!("token: actor {actor}'s {key:x} has no outcome");
                self.violations.push(Violation { at: self.now, what });
            }
        }
        let subscribers = std::mem::take(&mut self.subscribers);
        for (actor, subscriber) in &subscribers {
            let Some(since) = subscriber.since else {
                self.violation(format!("liveness: actor {actor} has not subscribed"));
                continue;
            };
            if self.plan.comes_late(*actor) {
                self.check_retained(subscriber);
            } else {
                self.check_deliveries(*actor, subscriber, since);
                self.check_order(*actor, subscriber, since);
            }
        }
        self.subscribers = subscribers;
    }

    fn check_deliveries(&mut self, actor: ActorId, subscriber: &Subscriber, since: Time) {
        let mut wrong = Vec::new();
        let mut kept = 0;
        for (key, publication) in &self.published {
            let count = subscriber.most.get(key).copied().unwrap_or(0);
            // Who was told that it is durable need not be told that it was refused.
            let durable = publication.kept == Kept::Durable && !self.plan.full;
            let promised = match publication.outcome {
                Some(Outcome::Done) => true,
                Some(Outcome::Abandoned) | None => durable,
                Some(Outcome::Refused | Outcome::Lost) => false,
            };
            let owed = publication.qos > QoS::AtMostOnce && promised && publication.at > since;
            kept += u64::from(owed);
            if owed && count == 0 && !subscriber.excused.contains(key) {
                wrong.push(format!("missing: {key:x} for actor {actor}"));
            }
            let lasts = self.plan.actors[publication.actor].durable;
            let once = publication.qos == QoS::ExactlyOnce && lasts;
            if once && count > 1 && !subscriber.as_retained.contains(key) {
                wrong.push(format!("exactly-once: {key:x} {count} times for actor {actor}"));
            }
        }
        for &(key, at) in &self.wills_due {
            if at > since
                && !subscriber.most.contains_key(&key)
                && !subscriber.excused.contains(&key)
            {
                wrong.push(format!("will: {key:x} for actor {actor}"));
            }
        }
        *self.seen.entry("messages owed").or_default() += kept;
        *self.seen.entry("wills after power was lost").or_default() += self.wills_due.len() as u64;
        wrong.into_iter().for_each(|what| self.violation(what));
    }

    fn check_order(&mut self, actor: ActorId, subscriber: &Subscriber, since: Time) {
        if self.plan.full {
            // What was refused for want of room comes again if the refusal was lost on its way.
            return;
        }
        let mut last: BTreeMap<(ActorId, &str, QoS), u64> = BTreeMap::new();
        let mut wrong = Vec::new();
        for key in &subscriber.order {
            let (Some(publication), Some(topic)) = (self.published.get(key), self.topics.get(key))
            else {
                continue;
            };
            // What came before the subscription is nobody's but may be repeated, and one whose
            // session ends may publish again what was not acknowledged.
            let lasts = self.plan.actors[publication.actor].durable;
            if !lasts || publication.at <= since || subscriber.as_retained.contains(key) {
                continue;
            }
            let before = last.insert((publication.actor, topic, publication.qos), *key);
            if before.is_some_and(|before| before > *key) {
                wrong.push(format!("order: {key:x} behind {before:x?} for actor {actor}"));
            }
        }
        wrong.into_iter().for_each(|what| self.violation(what));
    }

    fn check_retained(&mut self, subscriber: &Subscriber) {
        let mut wrong = Vec::new();
        for (topic, key) in &subscriber.retained {
            let Some(kept) = self.published.get(key) else { continue };
            let newer = self.published.range(key + 1..).find(|(other, it)| {
                self.retains.contains(other)
                    && self.topics.get(other) == Some(topic)
                    && (it.actor, it.qos) == (kept.actor, kept.qos)
                    && it.qos > QoS::AtMostOnce
                    && it.outcome == Some(Outcome::Done)
            });
            if let Some((newer, _)) = newer {
                wrong.push(format!("retained: {topic} has {key:x} though {newer:x} came later"));
            }
        }
        let any = self.cleared.contains("");
        for (key, it) in self.published.iter().filter(|(key, _)| self.retains.contains(key)) {
            let Some(topic) = self.topics.get(key) else { continue };
            if it.qos > QoS::AtMostOnce
                && it.outcome == Some(Outcome::Done)
                && !subscriber.retained.contains_key(topic)
                && !any
                && !self.cleared.contains(topic)
            {
                wrong.push(format!("retained: {topic} has nothing in spite of {key:x}"));
            }
        }
        *self.seen.entry("retained values").or_default() += subscriber.retained.len() as u64;
        wrong.into_iter().for_each(|what| self.violation(what));
    }
}
