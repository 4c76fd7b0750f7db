//! A well-formed client in few lines, written without a look at ours.
//!
//! It shares the codec with the engine and nothing else, so that an error common to our client
//! and our broker shows as a difference from this one. It is simple where it may be: it answers
//! after a random moment, never in another order than it must, and it keeps no offline queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use libmqtt_codec::{
    Ack, AckKind, ConnAck, Connect, Disconnect, FiltersBuf, Packet, PacketId, Progress,
    PropertiesBuf, Property, Publish, QoS, Reason, Side, Subscribe, Subscription, SubscriptionsBuf,
    Unsubscribe, Version, Will, frame,
};

use crate::actor::{Actor, Deed};
use crate::obs::{MS, Outcome, SEC, Time, key_of, payload};
use crate::plan::{Act, ActorPlan, EVERYTHING, PublishPlan, WillPlan};
use crate::rng::Rng;

#[derive(Clone, Debug)]
struct Flight {
    message: PublishPlan,
    token: u64,
    released: bool,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialling,
    Opening,
    Open,
    Closing,
}

/// The independent client.
pub(crate) struct Peer {
    plan: ActorPlan,
    rng: Rng,
    state: State,
    settled: bool,
    /// SUBACK has come in this session.
    subscribed: bool,
    now: Time,
    // The session.
    flights: BTreeMap<u16, Flight>,
    waiting: VecDeque<(PublishPlan, u64)>,
    taking: BTreeSet<PacketId>,
    tokens: u64,
    numbers: u64,
    next_id: u16,
    // The connection.
    wish: Option<(bool, Option<WillPlan>)>,
    /// The past was forgotten, and the broker has not confirmed that it has too.
    forgetting: bool,
    was_clean: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    answers: VecDeque<(Time, AckKind, PacketId)>,
    requests: BTreeSet<u16>,
    window: usize,
    packet_max: usize,
    alias_max: u16,
    aliases: BTreeMap<String, u16>,
    keep_alive: Time,
    last_sent: Time,
    ping_sent: Option<Time>,
    first_try: Time,
    deeds: VecDeque<Deed>,
}

impl Peer {
    /// A peer that has done nothing yet.
    pub(crate) fn new(plan: ActorPlan, seed: u64) -> Peer {
        Peer {
            plan,
            rng: Rng::new(seed),
            state: State::Idle,
            settled: false,
            subscribed: false,
            now: 0,
            flights: BTreeMap::new(),
            waiting: VecDeque::new(),
            taking: BTreeSet::new(),
            tokens: 0,
            numbers: 0,
            next_id: 1,
            wish: None,
            forgetting: false,
            was_clean: false,
            input: Vec::new(),
            output: Vec::new(),
            answers: VecDeque::new(),
            requests: BTreeSet::new(),
            window: 0,
            packet_max: usize::MAX,
            alias_max: 0,
            aliases: BTreeMap::new(),
            keep_alive: 0,
            last_sent: 0,
            ping_sent: None,
            first_try: 0,
            deeds: VecDeque::new(),
        }
    }

    fn v5(&self) -> bool {
        self.plan.version == Version::V5
    }

    fn send(&mut self, packet: &Packet<'_>) {
        self.last_sent = self.now;
        if let Err(error) = packet.encode(self.plan.version, &mut self.output) {
            self.deeds.push_back(Deed::Complaint(format!("{packet:?}: {error}")));
        }
    }

    fn say_connect(&mut self) {
        let (clean, will) = self.wish.clone().unwrap_or((false, None));
        let clean = clean || self.forgetting;
        self.forgetting = clean;
        // Before 5.0 a clean session ends with its connection.
        let ends = clean && !self.v5();
        let was_clean = std::mem::replace(&mut self.was_clean, ends);
        if clean || was_clean {
            self.forget();
        }
        let plan = self.plan.clone();
        let mut properties = PropertiesBuf::new();
        let mut will_properties = PropertiesBuf::new();
        if self.v5() {
            let expiry = if plan.durable { plan.expiry } else { 0 };
            let mut add = |property| properties.push(property).expect("in range");
            if expiry > 0 {
                add(Property::SessionExpiryInterval(expiry));
            }
            // Now and then less than last time: then not all that is to be sent again may be.
            let maximum = if self.rng.chance(30) { 1 } else { plan.receive_maximum };
            if maximum != u16::MAX {
                add(Property::ReceiveMaximum(maximum));
            }
            add(Property::TopicAliasMaximum(plan.alias_maximum));
            if let Some(bytes) = plan.packet_max {
                add(Property::MaximumPacketSize(bytes));
            }
            if let Some(will) = &will {
                let mut add = |property| will_properties.push(property).expect("in range");
                add(Property::WillDelayInterval(will.delay));
                if let Some(expiry) = will.message.expiry {
                    add(Property::MessageExpiryInterval(expiry));
                }
            }
        }
        let text = will.as_ref().map(|will| body(&will.message)).unwrap_or_default();
        let connect = Connect {
            version: plan.version,
            clean_start: clean,
            keep_alive_s: plan.keep_alive,
            client_id: &plan.client_id,
            will: will.as_ref().map(|will| Will {
                topic: &will.message.topic,
                payload: &text,
                qos: will.message.qos,
                retain: will.message.retain,
                properties: will_properties.view(),
            }),
            user_name: None,
            password: None,
            properties: properties.view(),
        };
        self.send(&Packet::Connect(connect));
    }

    fn heard_connack(&mut self, connack: &ConnAck<'_>) {
        if connack.reason.is_error() {
            return self.close();
        }
        self.wish = None;
        let clean = std::mem::take(&mut self.forgetting);
        let kept = match self.plan.version {
            Version::V31 => !clean,
            _ => connack.session_present,
        };
        let properties = connack.properties;
        self.state = State::Open;
        self.window = usize::from(properties.receive_maximum().unwrap_or(u16::MAX));
        self.packet_max = properties.maximum_packet_size().map_or(usize::MAX, |n| n as usize);
        self.alias_max = properties.topic_alias_maximum().unwrap_or(0);
        let keep_alive = properties.server_keep_alive().unwrap_or(self.plan.keep_alive);
        self.keep_alive = Time::from(keep_alive) * SEC;
        if kept {
            self.resend();
        } else {
            self.forget();
            self.subscribed = false;
        }
        if self.plan.steady && !self.subscribed {
            self.subscribe_to_everything();
        }
        self.send_waiting();
    }

    /// The session is no more.
    fn forget(&mut self) {
        self.taking.clear();
        for (_, flight) in std::mem::take(&mut self.flights) {
            self.deeds.push_back(Deed::Resolved { token: flight.token, outcome: Outcome::Lost });
        }
    }

    fn resend(&mut self) {
        let mut order: Vec<_> = self.flights.iter().map(|(id, f)| (f.number, *id)).collect();
        order.sort_unstable();
        for (_, id) in order {
            let flight = self.flights[&id].clone();
            let packet_id = PacketId::new(id).expect("never 0");
            if flight.released {
                self.send(&Packet::Ack(Ack::new(AckKind::PubRel, packet_id)));
            } else {
                self.say_publish(&flight.message, Some(packet_id), true);
            }
        }
    }

    fn subscribe_to_everything(&mut self) {
        let filters = EVERYTHING.iter().map(|filter| {
            let options =
                libmqtt_codec::SubscriptionOptions { qos: QoS::ExactlyOnce, ..Default::default() };
            (filter.to_string(), options)
        });
        self.subscribe(&filters.collect::<Vec<_>>(), self.plan.ids.then_some(77));
    }

    fn subscribe(
        &mut self,
        filters: &[(String, libmqtt_codec::SubscriptionOptions)],
        id: Option<u32>,
    ) {
        let Some(packet_id) = self.free_id() else { return };
        let mut wanted = SubscriptionsBuf::new();
        for (filter, options) in filters {
            wanted.push(Subscription { filter, options: *options }).expect("short");
        }
        let mut properties = PropertiesBuf::new();
        if let Some(id) = id.filter(|_| self.v5()) {
            properties.push(Property::SubscriptionIdentifier(id)).expect("in range");
        }
        self.requests.insert(packet_id.get());
        self.send(&Packet::Subscribe(Subscribe {
            packet_id,
            properties: properties.view(),
            subscriptions: wanted.view(),
        }));
    }

    fn free_id(&mut self) -> Option<PacketId> {
        for _ in 0..=u16::MAX {
            let id = self.next_id;
            self.next_id = self.next_id % 300 + 1;
            if !self.flights.contains_key(&id) && !self.requests.contains(&id) {
                return PacketId::new(id);
            }
        }
        None
    }

    fn publish(&mut self, message: &PublishPlan) {
        self.tokens += 1;
        let token = self.tokens;
        self.deeds.push_back(Deed::Published { token, key: message.key, qos: message.qos });
        self.waiting.push_back((message.clone(), token));
        self.send_waiting();
    }

    fn send_waiting(&mut self) {
        while let Some((message, token)) = self.waiting.front().cloned() {
            if message.len + message.topic.len() + 40 > self.packet_max {
                self.deeds.push_back(Deed::Resolved { token, outcome: Outcome::Lost });
            } else if message.qos == QoS::AtMostOnce {
                self.say_publish(&message, None, false);
                self.deeds.push_back(Deed::Resolved { token, outcome: Outcome::Done });
            } else {
                if self.flights.len() >= self.window {
                    return;
                }
                let Some(id) = self.free_id() else { return };
                self.numbers += 1;
                let flight = Flight {
                    message: message.clone(),
                    token,
                    released: false,
                    number: self.numbers,
                };
                self.flights.insert(id.get(), flight);
                self.say_publish(&message, Some(id), false);
            }
            self.waiting.pop_front();
        }
    }

    fn say_publish(&mut self, message: &PublishPlan, packet_id: Option<PacketId>, dup: bool) {
        let mut properties = PropertiesBuf::new();
        let mut topic = message.topic.as_str();
        if self.v5() {
            if let Some(expiry) = message.expiry {
                properties.push(Property::MessageExpiryInterval(expiry)).expect("in range");
            }
            match self.aliases.get(topic).copied() {
                Some(alias) if self.rng.chance(80) => {
                    properties.push(Property::TopicAlias(alias)).expect("in range");
                    topic = "";
                }
                _ if self.alias_max > 0 && self.rng.chance(50) => {
                    let alias = self.rng.range(1..u64::from(self.alias_max) + 1) as u16;
                    self.aliases.retain(|_, other| *other != alias);
                    self.aliases.insert(topic.into(), alias);
                    properties.push(Property::TopicAlias(alias)).expect("in range");
                }
                _ => {}
            }
        }
        let payload = body(message);
        let publish = Publish {
            dup,
            qos: message.qos,
            retain: message.retain,
            topic,
            packet_id,
            properties: properties.view(),
            payload: &payload,
        };
        self.send(&Packet::Publish(publish));
    }

    fn heard(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::ConnAck(connack) => self.heard_connack(connack),
            Packet::Publish(publish) => self.heard_publish(publish),
            Packet::Ack(ack) => self.heard_ack(ack),
            Packet::SubAck(suback) => {
                self.requests.remove(&suback.packet_id.get());
                self.subscribed = suback.codes.iter().all(|&code| code < 0x80);
                if self.plan.steady && !self.subscribed {
                    self.close(); // it tries again with its next connection
                }
            }
            Packet::UnsubAck(unsuback) => drop(self.requests.remove(&unsuback.packet_id.get())),
            Packet::PingResp => self.ping_sent = None,
            Packet::Disconnect(_) => self.close(),
            _ => {}
        }
    }

    fn heard_publish(&mut self, publish: &Publish<'_>) {
        let kind = match (publish.qos, publish.packet_id) {
            (QoS::ExactlyOnce, Some(_)) => Some(AckKind::PubRec),
            (QoS::AtLeastOnce, Some(_)) => Some(AckKind::PubAck),
            _ => None,
        };
        let repeat = kind == Some(AckKind::PubRec)
            && publish.packet_id.is_some_and(|id| !self.taking.insert(id));
        if !repeat && let Some(key) = key_of(publish.payload) {
            self.deeds.push_back(Deed::Received { key, qos: publish.qos });
        }
        if let (Some(kind), Some(id)) = (kind, publish.packet_id) {
            self.answer(kind, id);
        }
    }

    /// Answers after a while, in the order of asking.
    fn answer(&mut self, kind: AckKind, id: PacketId) {
        let wait = if self.settled { 0 } else { self.rng.micros(0, 300_000) };
        let last = self.answers.back().map_or(0, |(at, ..)| *at);
        self.answers.push_back((last.max(self.now + wait), kind, id));
    }

    fn heard_ack(&mut self, ack: &Ack<'_>) {
        let id = ack.packet_id;
        match ack.kind {
            AckKind::PubRel => {
                self.taking.remove(&id);
                self.answer(AckKind::PubComp, id);
            }
            AckKind::PubRec if !ack.reason.is_error() => {
                if let Some(flight) = self.flights.get_mut(&id.get()) {
                    flight.released = true;
                    self.send(&Packet::Ack(Ack::new(AckKind::PubRel, id)));
                }
            }
            _ => {
                let Some(flight) = self.flights.remove(&id.get()) else { return };
                let outcome = if ack.reason.is_error() { Outcome::Refused } else { Outcome::Done };
                self.deeds.push_back(Deed::Resolved { token: flight.token, outcome });
                self.send_waiting();
            }
        }
    }

    fn dial(&mut self) {
        self.state = State::Dialling;
        self.first_try = self.now;
        self.deeds.push_back(Deed::Dial);
    }

    fn close(&mut self) {
        self.state = State::Closing;
        self.deeds.push_back(Deed::Close);
    }

    fn give_up_connection(&mut self) {
        self.state = State::Idle;
        self.input.clear();
        self.output.clear();
        self.answers.clear();
        self.requests.clear();
        self.aliases.clear();
        self.ping_sent = None;
        for (_, token) in std::mem::take(&mut self.waiting) {
            self.deeds.push_back(Deed::Resolved { token, outcome: Outcome::Lost });
        }
    }
}

fn body(message: &PublishPlan) -> Vec<u8> {
    if message.key == 0 { Vec::new() } else { payload(message.key, message.len) }
}

impl Actor for Peer {
    fn perform(&mut self, now: Time, act: &Act) {
        self.now = now;
        let open = self.state == State::Open;
        match act {
            Act::Connect { clean, will } if self.state == State::Idle => {
                self.wish = Some((*clean, will.clone()));
                self.dial();
            }
            Act::Publish(message) if open => self.publish(message),
            Act::Subscribe { filters, id } if open && !self.plan.steady => {
                self.subscribe(filters, *id);
            }
            Act::Unsubscribe { filters } if open && !self.plan.steady => {
                let Some(packet_id) = self.free_id() else { return };
                let mut wanted = FiltersBuf::new();
                filters.iter().for_each(|filter| wanted.push(filter).expect("short"));
                self.requests.insert(packet_id.get());
                self.send(&Packet::Unsubscribe(Unsubscribe {
                    packet_id,
                    properties: PropertiesBuf::new().view(),
                    filters: wanted.view(),
                }));
            }
            Act::Disconnect { with_will, expiry } if open => {
                let mut properties = PropertiesBuf::new();
                if let Some(expiry) = expiry.filter(|_| self.v5()) {
                    properties.push(Property::SessionExpiryInterval(expiry)).expect("in range");
                }
                let reason = if *with_will { Reason::DisconnectWithWill } else { Reason::Success };
                self.answers.clear();
                self.send(&Packet::Disconnect(Disconnect {
                    reason,
                    properties: properties.view(),
                }));
                self.close();
            }
            Act::Settle => {
                self.settled = true;
                if self.state == State::Idle {
                    self.dial();
                }
            }
            _ => {}
        }
    }

    fn opened(&mut self, now: Time) {
        self.now = now;
        self.state = State::Opening;
        self.say_connect();
    }

    fn data(&mut self, now: Time, data: &[u8]) {
        self.now = now;
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(data);
        let mut used = 0;
        while self.state != State::Closing
            && let Ok(Progress::Packet(found)) = frame(&input[used..], u32::MAX)
        {
            used += found.len;
            match found.decode(self.plan.version, Side::Server) {
                Ok(packet) => self.heard(&packet),
                Err(error) => self.deeds.push_back(Deed::Complaint(error.to_string())),
            }
        }
        input.drain(..used);
        self.input = input;
    }

    fn closed(&mut self, now: Time) {
        self.now = now;
        self.give_up_connection();
        if self.settled {
            self.dial();
        }
    }

    fn timeout(&mut self, now: Time) {
        self.now = now;
        while let Some((_, kind, id)) = self.answers.pop_front_if(|(at, ..)| *at <= now) {
            self.send(&Packet::Ack(Ack::new(kind, id)));
        }
        if self.state == State::Open && self.keep_alive > 0 {
            if self.ping_sent.is_some_and(|at| at + self.keep_alive <= now) {
                self.close();
            } else if self.ping_sent.is_none() && self.last_sent + self.keep_alive / 2 <= now {
                self.ping_sent = Some(now);
                self.send(&Packet::PingReq);
            }
        }
        if self.state == State::Opening && self.first_try + 20 * SEC <= now {
            self.close();
        }
    }

    fn outgoing(&self) -> Vec<u8> {
        self.output.clone()
    }

    fn sent(&mut self, _: Time, bytes: usize) {
        self.output.drain(..bytes);
    }

    fn poll(&mut self) -> Option<Deed> {
        self.deeds.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        let answer = self.answers.front().map(|(at, ..)| *at);
        let ping =
            (self.state == State::Open && self.keep_alive > 0).then(|| match self.ping_sent {
                Some(at) => at + self.keep_alive,
                None => self.last_sent + self.keep_alive / 2,
            });
        let opening = (self.state == State::Opening).then(|| self.first_try + 20 * SEC);
        [answer, ping, opening].into_iter().flatten().min().map(|at| at.max(self.now + MS / 100))
    }

    fn listens(&self) -> bool {
        self.state != State::Closing
    }

    fn connected(&self) -> bool {
        self.state != State::Idle
    }
}
