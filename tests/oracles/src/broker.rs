//! A broker among clients that do whatever they like.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libmqtt_codec::{
    Ack, AckKind, Connect, Packet, PacketId, Progress, Properties, Publish, QoS, Reason, Side,
    Subscribe, Subscription, SubscriptionOptions, SubscriptionsBuf, Version, frame,
};
use libmqtt_engine::broker::{
    BrokerConfig, BrokerOutput, Closed, LinkId, LinkInfo, Overload, PeerBatch, QueueFull, Shard,
    ShardId, Shared, Stats,
};
use libmqtt_engine::{Authenticate, ClientInfo, Hooks, Instant, Message, Step, Ticket, Verdict};

use crate::packets;
use crate::script::Script;

/// Sessions are forgotten after this at the latest.
const EXPIRY_S: u32 = 1000;
/// Messages that wait for a session at most, and retained ones.
const QUEUE: usize = 8;
const RETAINED: usize = 6;

/// Whatever several clients send a broker of one to three shards, in whatever pieces and at
/// whatever times, while its hooks put questions off and answer them in any order or twice:
/// nothing panics; each client is sent whole packets of its version, CONNACK first and nothing
/// behind DISCONNECT; two good clients reach each other to the end; and when the others have gone
/// for long enough, nothing is left of them.
pub fn broker_machine(input: &[u8]) {
    let mut world = World::new(Script::new(input));
    let publisher = world.good("good/publisher");
    let subscriber = world.good("good/subscriber");
    world.subscribe_good(subscriber);
    while !world.script.is_over() {
        world.step();
    }
    world.calm_down();
    if world.overload == Overload::Drop {
        world.good_clients_reach_each_other(publisher, subscriber, b"during");
    }
    world.everyone_leaves();
    world.good_clients_reach_each_other(publisher, subscriber, b"after");
    world.nothing_is_left();
}

/// A client's end of a link.
struct End {
    at: Option<(usize, LinkId)>,
    /// What it has sent until its CONNECT was complete.
    sent: Vec<u8>,
    received: Vec<u8>,
    /// Packets that ask for an answer.
    unanswered: VecDeque<Ack<'static>>,
    answered: bool,
    refused: bool,
    ended: bool,
    blocked: bool,
    paused: bool,
    payloads: Vec<Vec<u8>>,
    acknowledged: usize,
}

/// What hooks have been asked and not told.
type Tickets = Arc<Mutex<Vec<(usize, Ticket)>>>;

struct Fickle {
    which: usize,
    state: u64,
    tickets: Tickets,
    /// Client Identifiers of those who have come and not gone.
    here: BTreeSet<Box<str>>,
}

impl Fickle {
    fn decide(&mut self, ticket: Ticket, client: &ClientInfo) -> Verdict {
        let good = client.peer.is_some();
        if good || client.client_id.starts_with("good") {
            return if good { Verdict::Allow } else { Verdict::Deny(Reason::NotAuthorized) };
        }
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        match (self.state >> 33) % 8 {
            0 | 1 => {
                self.tickets.lock().unwrap().push((self.which, ticket));
                Verdict::Later
            }
            2 => Verdict::Deny(Reason::QuotaExceeded),
            3 => Verdict::AllowWith((&b"data"[..]).into()),
            _ => Verdict::Allow,
        }
    }
}

impl Hooks for Fickle {
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        let verdict = self.decide(ticket, attempt.client);
        match (attempt.step, &verdict) {
            (Step::Connect, Verdict::AllowWith(data)) => Verdict::Challenge(data.clone()),
            _ => verdict,
        }
    }

    fn authorise_publish(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        publish: &Publish<'_>,
    ) -> Verdict {
        assert!(!publish.topic.is_empty());
        self.decide(ticket, client)
    }

    fn authorise_subscribe(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        _: &Subscription<'_>,
    ) -> Verdict {
        self.decide(ticket, client)
    }

    fn connected(&mut self, client: &ClientInfo) {
        assert!(self.here.insert(client.client_id.clone()), "{client:?} is here already");
    }

    fn disconnected(&mut self, client: &ClientInfo, _: Reason) {
        assert!(self.here.remove(&client.client_id), "{client:?} was not here");
    }
}

struct World<'a> {
    script: Script<'a>,
    now: Instant,
    shared: Arc<Shared>,
    shards: Vec<Shard>,
    ends: Vec<End>,
    /// Batches on their way, by sender and receiver.
    batches: Vec<Vec<VecDeque<PeerBatch>>>,
    tickets: Tickets,
    old_tickets: Vec<(usize, Ticket)>,
    overload: Overload,
}

impl<'a> World<'a> {
    fn new(mut script: Script<'a>) -> World<'a> {
        let overload = script.pick(&[Overload::Drop, Overload::Drop, Overload::Backpressure]);
        let config = BrokerConfig {
            maximum_packet_size: 10_000,
            maximum_connect_size: 500,
            receive_maximum: 3,
            inflight_max: 4,
            topic_alias_maximum: 2,
            topic_levels_max: 4,
            session_expiry_max_s: EXPIRY_S,
            session_expiry_v3_s: EXPIRY_S,
            sessions_max: 5,
            connections_max: 6,
            subscriptions_max: 4,
            queue_messages_max: QUEUE,
            queue_bytes_max: 40_000,
            queue_full: script.pick(&[QueueFull::DropNewest, QueueFull::DropOldest]),
            queue_qos0_offline: script.chance(4),
            backlog_bytes_max: script.pick(&[1000, 60_000]),
            overload,
            retained_max: RETAINED,
            dollar_topics: script.chance(4),
            sys_interval: script.pick(&[Duration::ZERO, Duration::from_secs(100)]),
            ..BrokerConfig::default()
        };
        let count = script.below(3) + 1;
        let now = Instant::from_nanos(1_000_000_000);
        let shared = Shared::new(config, count as u16, 7);
        let tickets = Tickets::default();
        let seed = u64::from(script.byte());
        let shard = |which: usize| {
            let state = seed * 3 + which as u64;
            let hooks = Fickle { which, state, tickets: tickets.clone(), here: BTreeSet::new() };
            Shard::new(shared.clone(), ShardId(which as u16), Box::new(hooks), seed + 1, now)
        };
        let shards = (0..count).map(shard).collect();
        let batches = (0..count).map(|_| (0..count).map(|_| VecDeque::new()).collect()).collect();
        World {
            script,
            now,
            shards,
            ends: Vec::new(),
            batches,
            tickets,
            old_tickets: Vec::new(),
            overload,
            shared,
        }
    }

    fn stats(&self) -> Stats {
        self.shared.stats()
    }

    fn open(&mut self, shard: usize, peer: Option<SocketAddr>) -> usize {
        let link = self.shards[shard].handle_accept(self.now, LinkInfo { peer, identity: None });
        self.ends.push(End {
            at: Some((shard, link)),
            sent: Vec::new(),
            received: Vec::new(),
            unanswered: VecDeque::new(),
            answered: false,
            refused: false,
            ended: false,
            blocked: false,
            paused: false,
            payloads: Vec::new(),
            acknowledged: 0,
        });
        self.settle();
        self.ends.len() - 1
    }

    fn send(&mut self, end: usize, wire: &[u8]) {
        let it = &mut self.ends[end];
        let Some((shard, link)) = it.at else { return };
        if version_of(&it.sent).is_none() {
            it.sent.extend_from_slice(wire);
        }
        self.shards[shard].handle_data(self.now, link, wire);
        self.settle();
    }

    fn step(&mut self) {
        let end = self.script.below(6) + 2;
        match self.script.below(16) {
            0..=6 if self.is_open(end) => {
                let wire = match version_of(&self.ends[end].sent) {
                    None => packets::connect(&mut self.script),
                    Some(version) => packets::from_client(&mut self.script, version),
                };
                let cut = if self.script.chance(2) { self.script.below(16) } else { 0 };
                let (first, rest) = wire.split_at(cut.min(wire.len()));
                self.send(end, first);
                self.send(end, rest);
            }
            0..=7 if !self.is_open(end) => {
                let shard = self.script.below(self.shards.len());
                let new = self.open(shard, None);
                while self.ends.len() <= end {
                    self.open(shard, None);
                }
                self.ends.swap(end, new);
            }
            7 => {
                let wire = self.script.bytes(40);
                self.send(end, wire);
            }
            8 | 9 => self.answer_packets(end),
            10 => self.cut(end),
            11 => {
                if let Some(it) = self.ends.get_mut(end) {
                    it.blocked = !it.blocked;
                }
                self.flush(end, usize::MAX);
            }
            12 => {
                let count = self.script.below(200);
                self.flush(end, count);
            }
            13 => {
                let spans = [1, 5, 100, 1500, 10_000, 100_000];
                let span = self.script.pick(&spans);
                self.pass(Duration::from_millis(span));
            }
            14 => self.answer_hook(),
            _ => match self.script.below(4) {
                0 => {
                    let client_id = self.script.pick(&["a", "b", "c", "d"]);
                    let now = self.now;
                    for shard in &mut self.shards {
                        shard.disconnect(now, client_id, Reason::AdministrativeAction);
                    }
                }
                1 => {
                    let message = Message::new("t/u", b"host").unwrap().with_qos(QoS::ExactlyOnce);
                    self.shards[0].publish(self.now, &message);
                }
                _ => {
                    self.carry_batches();
                }
            },
        }
        self.settle();
        let stats = self.stats();
        // A SUBSCRIBE of four filters may add all retained messages four times to a queue that
        // was not full.
        assert!(stats.queued_messages as usize <= 5 * (QUEUE + 4 * (RETAINED + 17)), "{stats:?}");
        assert!(stats.sessions <= 5 && stats.connections <= 6, "{stats:?}");
    }

    fn is_open(&self, end: usize) -> bool {
        self.ends.get(end).is_some_and(|end| end.at.is_some())
    }

    fn cut(&mut self, end: usize) {
        let Some((shard, link)) = self.ends.get_mut(end).and_then(|end| end.at.take()) else {
            return;
        };
        self.shards[shard].handle_closed(self.now, link, Closed::Failed);
        self.settle();
    }

    /// The end acknowledges what it has received.
    fn answer_packets(&mut self, end: usize) {
        while let Some(ack) = self.ends.get_mut(end).and_then(|end| end.unanswered.pop_front()) {
            let Some(version) = version_of(&self.ends[end].sent) else { return };
            let mut wire = Vec::new();
            ack.encode(version, &mut wire).unwrap();
            self.send(end, &wire);
        }
    }

    /// Answers one of the hooks' questions, perhaps again.
    fn answer_hook(&mut self) {
        let old = self.script.chance(3);
        let mut tickets = self.tickets.lock().unwrap();
        let list = if old { &mut self.old_tickets } else { &mut *tickets };
        if list.is_empty() {
            return;
        }
        let at = self.script.below(list.len().min(256));
        let (shard, ticket) = list.remove(at);
        let verdict = match self.script.below(8) {
            0 => Verdict::Deny(Reason::NotAuthorized),
            1 => Verdict::Later,
            2 => Verdict::Challenge((&b"go on"[..]).into()),
            _ => Verdict::Allow,
        };
        if verdict == Verdict::Later && !old {
            list.push((shard, ticket));
        } else {
            self.old_tickets.push((shard, ticket));
        }
        drop(tickets);
        let before = self.stats();
        self.shards[shard].handle_verdict(self.now, ticket, verdict);
        self.settle();
        assert!(!old || self.stats() == before, "an old answer does something");
    }

    /// Time passes, and whoever has something due is called.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        for _ in 0..100_000 {
            let next = self.shards.iter().filter_map(Shard::poll_timeout).min();
            let Some(due) = next.filter(|&due| due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            for shard in &mut self.shards {
                shard.handle_timeout(self.now);
                assert!(shard.poll_timeout().is_none_or(|due| due > self.now), "no busy loop");
            }
            self.settle();
        }
        panic!("deadlines do not end");
    }

    /// Does what the shards want but carry batches between them.
    fn settle(&mut self) {
        let mut work = 0;
        for shard in 0..self.shards.len() {
            while let Some(output) = self.shards[shard].poll_output() {
                work += 1;
                assert!(work < 100_000, "outputs do not end");
                self.output(shard, output);
            }
        }
    }

    fn output(&mut self, shard: usize, output: BrokerOutput) {
        let find = |ends: &[End], link| ends.iter().position(|end| end.at == Some((shard, link)));
        match output {
            BrokerOutput::Writable(link) => {
                if let Some(end) = find(&self.ends, link) {
                    self.flush(end, usize::MAX);
                }
            }
            BrokerOutput::Close(link, _) => {
                if let Some(end) = find(&self.ends, link) {
                    self.flush(end, usize::MAX);
                    self.ends[end].at = None;
                }
            }
            BrokerOutput::Pause(link, paused) => {
                if let Some(end) = find(&self.ends, link) {
                    assert_ne!(self.ends[end].paused, paused, "told again");
                    self.ends[end].paused = paused;
                }
            }
            BrokerOutput::Move(link, to, moved) => {
                let end = find(&self.ends, link).expect("only open links move");
                assert!(!self.ends[end].paused);
                let to = usize::from(to.0);
                assert_ne!(to, shard);
                let link = self.shards[to].handle_moved(self.now, moved);
                self.ends[end].at = Some((to, link));
                // Its new shard may have been settled before.
                while let Some(output) = self.shards[to].poll_output() {
                    self.output(to, output);
                }
            }
            BrokerOutput::Persist(_) | BrokerOutput::Fetch(_) => {
                unreachable!("nobody has asked for it")
            }
            BrokerOutput::Peer(to, batch) => {
                self.batches[shard][usize::from(to.0)].push_back(batch);
            }
        }
    }

    /// One batch between each pair of shards arrives.
    fn carry_batches(&mut self) -> bool {
        let mut carried = false;
        for from in 0..self.shards.len() {
            for to in 0..self.shards.len() {
                if let Some(batch) = self.batches[from][to].pop_front() {
                    self.shards[to].handle_peer(self.now, ShardId(from as u16), batch);
                    self.settle();
                    carried = true;
                }
            }
        }
        carried
    }

    /// The end's transport takes some bytes.
    fn flush(&mut self, end: usize, count: usize) {
        let mut count = count;
        while let Some(it) = self.ends.get_mut(end)
            && let Some((shard, link)) = it.at
            && (!it.blocked || count < usize::MAX)
            && count > 0
        {
            let mut bytes = self.shards[shard].outgoing(link).pieces.concat();
            bytes.truncate(count);
            count -= bytes.len();
            if bytes.is_empty() {
                break;
            }
            it.received.extend_from_slice(&bytes);
            self.shards[shard].handle_sent(self.now, link, bytes.len());
        }
        if let Some(it) = self.ends.get_mut(end) {
            it.look();
        }
    }

    /// Everything that was put off happens.
    fn calm_down(&mut self) {
        for end in 0..self.ends.len() {
            self.ends[end].blocked = false;
            self.flush(end, usize::MAX);
        }
        for round in 0.. {
            assert!(round < 10_000, "it never calms down");
            self.settle();
            let ticket = self.tickets.lock().unwrap().pop();
            if let Some((shard, ticket)) = ticket {
                self.shards[shard].handle_verdict(self.now, ticket, Verdict::Allow);
            } else if !self.carry_batches() {
                break;
            }
        }
        if self.overload == Overload::Drop {
            for end in &self.ends {
                assert!(end.at.is_none() || !end.paused, "nobody waits, nothing is overfull");
            }
        }
    }

    fn everyone_leaves(&mut self) {
        for end in 2..self.ends.len() {
            self.cut(end);
        }
        self.calm_down();
        // Publishers may be held, and looked at every few milliseconds: go in leaps.
        for _ in 0..2 * EXPIRY_S / 10 {
            self.now = self.now + Duration::from_secs(10);
            for shard in &mut self.shards {
                shard.handle_timeout(self.now);
            }
            self.settle();
        }
        self.calm_down();
        self.pass(Duration::from_secs(1));
    }

    fn nothing_is_left(&mut self) {
        let stats = self.stats();
        assert_eq!((stats.connections, stats.sessions, stats.subscriptions), (2, 2, 1));
        assert_eq!((stats.queued_messages, stats.queued_bytes), (0, 0), "{stats:?}");
        assert!(stats.retained as usize <= RETAINED, "{stats:?}");
        for end in &self.ends[..2] {
            assert!(end.at.is_some() && !end.paused && !end.ended);
        }
    }

    /// A client that does no harm, known by its address.
    fn good(&mut self, client_id: &str) -> usize {
        let shard = self.ends.len() % self.shards.len();
        let end = self.open(shard, Some(([127, 0, 0, 1], 1).into()));
        let connect = Connect {
            version: Version::V311,
            clean_start: true,
            keep_alive_s: 0,
            client_id,
            will: None,
            user_name: None,
            password: None,
            properties: Properties::EMPTY,
        };
        let mut wire = Vec::new();
        connect.encode(&mut wire).unwrap();
        self.send(end, &wire);
        assert!(self.ends[end].answered && !self.ends[end].refused);
        end
    }

    fn subscribe_good(&mut self, end: usize) {
        let mut filters = SubscriptionsBuf::new();
        let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..Default::default() };
        filters.push(Subscription { filter: "good/#", options }).unwrap();
        let subscribe = Subscribe {
            packet_id: PacketId::MIN,
            properties: Properties::EMPTY,
            subscriptions: filters.view(),
        };
        let mut wire = Vec::new();
        subscribe.encode(Version::V311, &mut wire).unwrap();
        self.send(end, &wire);
    }

    fn good_clients_reach_each_other(&mut self, from: usize, to: usize, payload: &[u8]) {
        let before = self.ends[from].acknowledged;
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "good/t",
            packet_id: Some(PacketId::MIN),
            properties: Properties::EMPTY,
            payload,
        };
        let mut wire = Vec::new();
        publish.encode(Version::V311, &mut wire).unwrap();
        self.send(from, &wire);
        while self.carry_batches() {}
        let got = self.ends[to].payloads.iter().filter(|got| *got == payload).count();
        assert_eq!(got, 1, "one good client hears the other, once");
        assert_eq!(self.ends[from].acknowledged, before + 1);
        self.answer_packets(to);
    }
}

impl End {
    /// Reads the packets that have come.
    fn look(&mut self) {
        let mut at = 0;
        while let Progress::Packet(found) = frame(&self.received[at..], u32::MAX).unwrap() {
            at += found.len;
            assert!(!self.ended && !self.refused, "a packet behind the last");
            let version = version_of(&self.sent).expect("nobody is spoken to before CONNECT");
            let packet = found.decode(version, Side::Server).unwrap();
            let first = !core::mem::replace(&mut self.answered, true);
            let ack = match packet {
                Packet::ConnAck(ack) => {
                    self.refused = ack.reason.is_error();
                    None
                }
                Packet::Auth(_) => {
                    self.answered = !first;
                    None
                }
                other if first => panic!("{other:?} comes first"),
                Packet::Disconnect(_) => {
                    self.ended = true;
                    None
                }
                Packet::Publish(publish) => {
                    self.payloads.push(publish.payload.to_vec());
                    let kind = match publish.qos {
                        QoS::ExactlyOnce => AckKind::PubRec,
                        _ => AckKind::PubAck,
                    };
                    publish.packet_id.map(|id| (kind, id))
                }
                Packet::Ack(ack) => match ack.kind {
                    AckKind::PubRel => Some((AckKind::PubComp, ack.packet_id)),
                    AckKind::PubRec if !ack.reason.is_error() => {
                        Some((AckKind::PubRel, ack.packet_id))
                    }
                    AckKind::PubAck => {
                        self.acknowledged += 1;
                        None
                    }
                    _ => None,
                },
                _ => None,
            };
            self.unanswered.extend(ack.map(|(kind, id)| Ack::new(kind, id)));
        }
        self.received.drain(..at);
    }
}

/// The version in which a broker answers who has sent this, once that is known.
pub fn version_of(sent: &[u8]) -> Option<Version> {
    match frame(sent, 500) {
        Ok(Progress::Packet(found)) => match Connect::decode(&found) {
            Ok(connect) => Some(connect.version),
            Err(_) => Connect::answer_version(&found),
        },
        _ => None,
    }
}
