//! The engine's client as a participant.

use core::time::Duration;
use std::collections::VecDeque;

use libmqtt_codec::{
    MAX_PACKET_SIZE, PropertiesBuf, Property, Publish, QoS, Reason, Subscription,
    SubscriptionOptions, Version,
};
use libmqtt_engine::client::{
    AckId, CleanStart, Client, ClientConfig, Closed, Disconnect, Event, LostSession, OfflineQoS0,
    Outcome as Ended, QueueFull, Reconnect, SubscribeError, Will,
};
use libmqtt_engine::{Instant, Message};

use crate::actor::{Actor, Deed};
use crate::keeping::Keeping;
use crate::obs::{Outcome, Time, key_of, payload};
use crate::plan::{Acks, Act, ActorPlan, EVERYTHING, PublishPlan, WillPlan};
use crate::rng::Rng;

/// Our client and a program that uses it.
pub(crate) struct Ours {
    plan: ActorPlan,
    rng: Rng,
    client: Client,
    config: ClientConfig,
    settled: bool,
    now: Time,
    subscribed: bool,
    /// The request to subscribe to everything.
    subscription: Option<u64>,
    /// Session State was given up at least once.
    forgot: bool,
    /// It was given up, and the broker has not been told yet.
    forgetting: bool,
    /// CONNACK has come on this transport.
    online: bool,
    /// Whether there is a transport that takes what the client has to say.
    open: bool,
    /// Between Close and the end of its writing: what was left to write.
    closing: Option<Vec<u8>>,
    /// Messages that the program has not acknowledged yet.
    acks: VecDeque<(Time, AckId, u64)>,
    /// Where it keeps its messages, if it does.
    keeping: Option<Keeping>,
    complaints: VecDeque<String>,
    asked: VecDeque<Deed>,
}

fn at(now: Time) -> Instant {
    Instant::from_nanos(now)
}

impl Ours {
    pub(crate) fn new(plan: ActorPlan, seed: u64) -> Ours {
        let mut rng = Rng::new(seed);
        let config = config(&plan, &mut rng);
        let mut client = Client::new(config.clone(), rng.next());
        let mut keeping = plan.keeps.map(|_| Keeping::new());
        if let Some(keeping) = &mut keeping {
            keeping.restore(&mut client, 0).expect("the disk is empty");
        }
        Ours {
            client,
            config,
            keeping,
            plan,
            rng,
            settled: false,
            now: 0,
            subscribed: false,
            subscription: None,
            forgot: false,
            forgetting: false,
            online: false,
            open: false,
            closing: None,
            acks: VecDeque::new(),
            complaints: VecDeque::new(),
            asked: VecDeque::new(),
        }
    }

    fn connect(&mut self, clean: bool, will: Option<&WillPlan>) {
        if !self.client.is_idle() {
            return;
        }
        // 3.x goes on with whatever there is, so what was forgotten here must be there too.
        let clean = clean || self.forgetting;
        self.forgetting = clean && self.plan.version != Version::V5;
        let lasting = self.plan.durable && (self.plan.version == Version::V5 || !clean);
        self.config.session_expiry_s = if lasting { self.plan.expiry } else { 0 };
        // A client that starts clean always keeps no Session State while it rests, so it must not
        // go on with the Session that the broker may have kept.
        let first = self.forgot || self.rng.chance(50);
        self.config.clean_start = match clean {
            true => CleanStart::Always,
            false if self.plan.version == Version::V5 && first && self.keeping.is_none() => {
                CleanStart::First
            }
            false => CleanStart::Never,
        };
        self.forgot |= clean;
        self.config.will = will.map(|will| {
            let mut properties = PropertiesBuf::new();
            if let Some(expiry) = will.message.expiry {
                properties.push(Property::MessageExpiryInterval(expiry)).expect("in range");
            }
            let m = &will.message;
            let message = Message::build(&m.topic, &body(m), m.qos, m.retain, properties.view());
            Will { message: message.expect("well-formed"), delay_s: will.delay }
        });
        if let Err(error) = self.client.reconfigure(self.config.clone()) {
            self.complaints.push_back(format!("reconfigure: {error}"));
        }
        if let Err(error) = self.client.connect(at(self.now)) {
            self.complaints.push_back(format!("connect: {error}"));
        }
    }

    fn publish(&mut self, message: &PublishPlan) {
        let mut properties = PropertiesBuf::new();
        if let Some(expiry) = message.expiry {
            properties.push(Property::MessageExpiryInterval(expiry)).expect("in range");
        }
        let payload = body(message);
        let publish = Publish {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic: &message.topic,
            packet_id: None,
            properties: properties.view(),
            payload: &payload,
        };
        // A refusal is an answer too: nothing was published.
        if let Ok(token) = self.client.publish(at(self.now), &publish) {
            let token = token.as_u64();
            self.asked.push_back(Deed::Published { token, key: message.key, qos: message.qos });
            self.flush();
        }
    }

    fn subscribe(&mut self, filters: &[(String, SubscriptionOptions)], id: Option<u32>) {
        let wanted: Vec<_> = filters
            .iter()
            .map(|(filter, options)| Subscription { filter, options: *options })
            .collect();
        let mut properties = PropertiesBuf::new();
        if let Some(id) = id.filter(|_| self.plan.version == Version::V5) {
            properties.push(Property::SubscriptionIdentifier(id)).expect("in range");
        }
        match self.client.subscribe(at(self.now), &wanted, properties.view()) {
            Ok(token) => self.asks(token.as_u64()),
            Err(SubscribeError::Disconnecting) => {}
            Err(error) => self.complaints.push_back(format!("subscribe: {error}")),
        }
    }

    /// Asks now and then for what has been done so far to be made durable.
    fn flush(&mut self) {
        if self.rng.chance(30)
            && let Ok(token) = self.client.flush()
        {
            self.asked.push_back(Deed::Flushes { token: token.as_u64() });
        }
    }

    /// A request is followed like a message that needs no delivery.
    fn asks(&mut self, token: u64) {
        self.asked.push_back(Deed::Published { token, key: 0, qos: QoS::AtMostOnce });
    }

    fn disconnect(&mut self, with_will: bool, expiry: Option<u32>) {
        let reason = if with_will { Reason::DisconnectWithWill } else { Reason::Success };
        let wait = Duration::from_millis(self.rng.pick(&[0, 0, 500]));
        // It may believe the Session over while the broker never hears so.
        self.forgot |= expiry == Some(0);
        let how = Disconnect {
            reason,
            session_expiry_s: expiry.filter(|_| self.config.session_expiry_s > 0),
            wait,
            ..Disconnect::default()
        };
        if let Err(error) = self.client.disconnect(at(self.now), how) {
            self.complaints.push_back(format!("disconnect: {error}"));
        }
    }

    fn connected(&mut self) {
        if self.plan.steady && !std::mem::replace(&mut self.subscribed, true) {
            let options =
                SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
            let filters: Vec<_> =
                EVERYTHING.iter().map(|filter| (filter.to_string(), options)).collect();
            self.subscribe(&filters, self.plan.ids.then_some(77));
            self.subscription = match self.asked.back() {
                Some(Deed::Published { token, key: 0, .. }) => Some(*token),
                _ => None,
            };
        }
    }

    /// What an event of the client means to the world.
    fn deed(&mut self, event: Event, outgoing: Vec<u8>) -> Option<Deed> {
        match event {
            Event::Dial(_) => {
                self.closing = None;
                Some(Deed::Dial)
            }
            Event::Close => {
                self.closing = Some(if self.open { outgoing } else { Vec::new() });
                self.open = false;
                Some(Deed::Close)
            }
            Event::Connected(_) => {
                self.online = true;
                self.forgetting = false;
                self.connected();
                None
            }
            Event::Disconnected(ended) => {
                if self.settled && ended.retry_in.is_none() {
                    self.connect(false, None);
                }
                None
            }
            Event::Message(received) => {
                let message = &received.message;
                if let Some(ack) = received.ack {
                    let wait = if self.settled { 0 } else { self.rng.micros(0, 300_000) };
                    let key = key_of(message.payload()).unwrap_or(0);
                    self.acks.push_back((self.now + wait, ack, key));
                }
                if message.topic().starts_with("$SYS/") {
                    return None;
                }
                Some(match key_of(message.payload()) {
                    Some(key) => Deed::Received { key, qos: message.qos() },
                    None => Deed::Complaint("a damaged payload".into()),
                })
            }
            Event::Done(token, ended) => {
                let token = token.as_u64();
                let outcome = match ended {
                    Ended::Subscribed(answers)
                        if answers.reasons.iter().any(|it| it.is_error()) =>
                    {
                        Outcome::Refused
                    }
                    Ended::Written
                    | Ended::Acknowledged(_)
                    | Ended::Subscribed(_)
                    | Ended::Unsubscribed(_) => Outcome::Done,
                    Ended::Refused(_) => Outcome::Refused,
                    Ended::Abandoned if self.keeping.is_some() => Outcome::Abandoned,
                    _ => Outcome::Lost,
                };
                if self.subscription == Some(token) {
                    self.subscription = None;
                    self.subscribed = outcome == Outcome::Done;
                    if outcome == Outcome::Refused {
                        self.disconnect(false, None); // it tries again with its next connection
                    }
                }
                Some(Deed::Resolved { token, outcome })
            }
            Event::Challenge(_) => Some(Deed::Complaint("an unexpected challenge".into())),
            Event::SubscriptionLost(filter, reason) => {
                Some(Deed::Complaint(format!("subscription {filter} lost: {reason}")))
            }
            Event::PacketSent(_) | Event::PacketReceived(_) => {
                Some(Deed::Complaint("a packet of a client that is not watched".into()))
            }
        }
    }
}

fn config(plan: &ActorPlan, rng: &mut Rng) -> ClientConfig {
    ClientConfig {
        version: plan.version,
        accept_unknown_session: true,
        keep_alive_s: plan.keep_alive,
        ping_timeout: Duration::from_secs(5),
        receive_maximum: plan.receive_maximum,
        maximum_packet_size: plan.packet_max.unwrap_or(MAX_PACKET_SIZE),
        topic_alias_maximum: plan.alias_maximum,
        topic_alias_out_max: rng.pick(&[0, 2, 64]),
        inflight_max: rng.pick(&[1, 3, 1024]),
        connect_timeout: Duration::from_secs(10),
        reconnect: Reconnect {
            enabled: rng.chance(80),
            first: true,
            base: Duration::from_millis(rng.pick(&[0, 50, 1_000])),
            cap: Duration::from_secs(4),
            jitter: rng.chance(70),
            even_if_refused: true,
            ..Reconnect::default()
        },
        queue_messages_max: rng.pick(&[1, 10, 100_000]),
        queue_full: match (plan.keeps, rng.pick(&[QueueFull::RefuseNewest, QueueFull::DropOldest]))
        {
            (None, full) => full,
            // Nobody would be told what an earlier process had stored and this one drops.
            (Some(_), _) => QueueFull::RefuseNewest,
        },
        offline_qos0: rng.pick(&[OfflineQoS0::Queue, OfflineQoS0::Drop, OfflineQoS0::Refuse]),
        output_bytes_max: rng.pick(&[100, 1024 * 1024]),
        lost_session: rng.pick(&[
            LostSession::RepublishQoS1,
            LostSession::Republish,
            LostSession::Abandon,
        ]),
        resubscribe: rng.chance(70),
        manual_ack: match (plan.keeps, rng.chance(30)) {
            (None, manual) => manual,
            (Some(acks), _) => acks == Acks::Manual,
        },
        ..ClientConfig::new("broker", &plan.client_id)
    }
}

fn body(message: &PublishPlan) -> Vec<u8> {
    if message.key == 0 { Vec::new() } else { payload(message.key, message.len) }
}

impl Actor for Ours {
    fn perform(&mut self, now: Time, act: &Act) {
        self.now = now;
        match act {
            Act::Connect { clean, will } => self.connect(*clean, will.as_ref()),
            Act::Publish(message) => self.publish(message),
            Act::Subscribe { filters, id } if !self.plan.steady => self.subscribe(filters, *id),
            Act::Unsubscribe { filters } if !self.plan.steady => {
                let filters: Vec<_> = filters.iter().map(String::as_str).collect();
                let properties = PropertiesBuf::new();
                match self.client.unsubscribe(at(now), &filters, properties.view()) {
                    Ok(token) => self.asks(token.as_u64()),
                    Err(SubscribeError::Disconnecting) => {}
                    Err(error) => self.complaints.push_back(format!("unsubscribe: {error}")),
                }
            }
            Act::Disconnect { with_will, expiry } => self.disconnect(*with_will, *expiry),
            Act::Settle => {
                self.settled = true;
                self.connect(false, None);
            }
            Act::Subscribe { .. } | Act::Unsubscribe { .. } | Act::Abandon => {}
        }
    }

    fn opened(&mut self, now: Time) {
        self.now = now;
        self.open = true;
        self.online = false;
        self.client.handle_open(at(now));
    }

    fn data(&mut self, now: Time, data: &[u8]) {
        self.now = now;
        self.client.handle_data(at(now), data);
    }

    fn closed(&mut self, now: Time) {
        self.now = now;
        self.open = false;
        // What we have closed ourselves is over already.
        if self.closing.take().is_none() {
            let cause = self.rng.pick(&[Closed::Peer, Closed::Failed]);
            self.client.handle_closed(at(now), cause);
        }
    }

    fn timeout(&mut self, now: Time) {
        self.now = now;
        let mut due = Vec::new();
        self.acks.retain(|&(when, ack, key)| {
            if when <= now {
                due.push((ack, key));
            }
            when > now
        });
        for (ack, key) in due {
            // Its connection may be over; then the message comes again.
            if self.client.acknowledge(at(now), ack, Reason::Success).is_ok() {
                self.asked.push_back(Deed::Acknowledged { key });
                self.flush();
            }
        }
        if let Some(keeping) = &mut self.keeping {
            keeping.sync(&mut self.client, now, &mut self.rng, !self.settled);
        }
        self.client.handle_timeout(at(now));
    }

    fn outgoing(&self) -> Vec<u8> {
        match &self.closing {
            Some(left) => left.clone(),
            None if self.open => self.client.outgoing().to_vec(),
            None => Vec::new(),
        }
    }

    fn sent(&mut self, now: Time, bytes: usize) {
        self.now = now;
        match &mut self.closing {
            Some(left) => drop(left.drain(..bytes)),
            None => self.client.handle_sent(at(now), bytes),
        }
    }

    fn poll(&mut self) -> Option<Deed> {
        loop {
            if let Some(deed) = self.asked.pop_front() {
                return Some(deed);
            }
            if let Some(what) = self.complaints.pop_front() {
                return Some(Deed::Complaint(what));
            }
            if let Some(keeping) = &mut self.keeping {
                keeping.submit(&mut self.client, self.now, &mut self.rng);
            }
            let outgoing = self.client.outgoing().to_vec();
            let event = self.client.poll_event()?;
            if let Some(deed) = self.deed(event, outgoing) {
                return Some(deed);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        let client = self.client.poll_timeout().map(Instant::as_nanos);
        let ack = self.acks.iter().map(|(when, ..)| *when).min();
        let sync = self.keeping.as_ref().and_then(Keeping::timeout);
        client.into_iter().chain(ack).chain(sync).min().map(|when| when.max(self.now + 1_000))
    }

    fn crash(&mut self, now: Time) {
        self.now = now;
        let Some(keeping) = &mut self.keeping else { return };
        keeping.crash(&mut self.rng);
        self.client = Client::new(self.config.clone(), self.rng.next());
        if let Err(what) = keeping.restore(&mut self.client, now) {
            self.complaints.push_back(what);
        }
        // One that was not answered is made again.
        self.subscribed &= self.subscription.take().is_none();
        (self.online, self.open, self.closing) = (false, false, None);
        self.acks.clear();
    }

    fn listens(&self) -> bool {
        !self.online || self.client.is_connected()
    }

    fn connected(&self) -> bool {
        !self.client.is_idle()
    }
}
