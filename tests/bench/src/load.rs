//! A broker of some shards in one thread, its clients' bytes made beforehand.

use std::time::Duration;

use libmqtt_runtime::codec::{
    Ack, AckKind, Connect, Packet, PacketId, Properties, Publish, QoS, Subscribe, Subscription,
    SubscriptionOptions, SubscriptionsBuf, Version,
};
use libmqtt_runtime::engine::broker::{BrokerOutput, LinkId, LinkInfo, Shard, Shared};
use libmqtt_runtime::engine::{Instant, NoHooks};
use libmqtt_runtime::{BrokerConfig, ShardId};

/// Who publishes what to whom.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Shards of the broker.
    pub shards: u16,
    /// Clients that publish, each at a topic of its own.
    pub publishers: usize,
    /// Clients that subscribe.
    pub subscribers: usize,
    /// What each of these subscribes to.
    pub filters: Filters,
    /// The QoS of messages and subscriptions.
    pub qos: QoS,
    /// What all speak.
    pub version: Version,
    /// Bytes of a payload.
    pub payload: usize,
    /// Messages that a publisher's bytes bring at once.
    pub burst: usize,
    /// Filters beside these that no message matches.
    pub others: usize,
}

/// What subscribers subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filters {
    /// The topic of the publisher with the same number.
    Own,
    /// All topics, by a wildcard.
    All,
}

impl Load {
    /// 100 pairs, 64 bytes, QoS 0, 3.1.1, one shard.
    pub const PAIRS: Load = Load {
        shards: 1,
        publishers: 100,
        subscribers: 100,
        filters: Filters::Own,
        qos: QoS::AtMostOnce,
        version: Version::V311,
        payload: 64,
        burst: 16,
        others: 0,
    };
    /// 100 publishers to one subscriber.
    pub const FAN_IN: Load = Load { subscribers: 1, filters: Filters::All, ..Load::PAIRS };
    /// One publisher to 1,000 subscribers.
    pub const FAN_OUT: Load =
        Load { publishers: 1, subscribers: 1000, filters: Filters::All, burst: 4, ..Load::PAIRS };
}

/// A client's end.
struct End {
    shard: usize,
    link: LinkId,
    /// The Packet Identifier of the next message it gets.
    next_id: u16,
}

/// The broker and its clients.
pub struct World {
    load: Load,
    now: Instant,
    shards: Vec<Shard>,
    shared: std::sync::Arc<Shared>,
    ends: Vec<End>,
    /// What each publisher sends in a round.
    wires: Vec<Vec<u8>>,
    /// The PUBRELs for that.
    releases: Vec<u8>,
    /// PUBACKs or PUBRECs, and PUBCOMPs, for all Packet Identifiers.
    acks: Vec<u8>,
    completions: Vec<u8>,
}

/// Bytes of an acknowledgement without reason.
const ACK: usize = 4;

impl World {
    /// Connects and subscribes the clients.
    pub fn new(load: Load) -> World {
        let now = Instant::from_nanos(1);
        // All that a round brings may be in flight at a time.
        let config = BrokerConfig {
            sys_interval: Duration::ZERO,
            inflight_max: u16::MAX,
            receive_maximum: u16::MAX,
            ..BrokerConfig::default()
        };
        let shared = Shared::new(config, load.shards, 7);
        let shard = |n| Shard::new(shared.clone(), ShardId(n), Box::new(NoHooks), n.into(), now);
        let shards = (0..load.shards).map(shard).collect();
        let acks = |kind| all_ids(|id| Packet::Ack(Ack::new(kind, id)));
        let answer = if load.qos == QoS::ExactlyOnce { AckKind::PubRec } else { AckKind::PubAck };
        let mut world = World {
            load,
            now,
            shards,
            shared,
            ends: Vec::new(),
            wires: (0..load.publishers).map(|n| load.wire(n)).collect(),
            releases: acks(AckKind::PubRel)[..load.burst * ACK].into(),
            acks: acks(answer),
            completions: acks(AckKind::PubComp),
        };
        for n in 0..load.publishers + load.subscribers {
            world.connect(n);
        }
        for n in 0..load.subscribers {
            world.subscribe(load.publishers + n, n);
        }
        world
    }

    fn connect(&mut self, n: usize) {
        let link = self.shards[0].handle_accept(self.now, LinkInfo::default());
        self.ends.push(End { shard: 0, link, next_id: 1 });
        let client_id = format!("bench-{n}");
        let connect = Connect {
            version: self.load.version,
            clean_start: true,
            keep_alive_s: 0,
            client_id: &client_id,
            will: None,
            user_name: None,
            password: None,
            properties: Properties::EMPTY,
        };
        self.send(n, &Packet::Connect(connect));
    }

    fn subscribe(&mut self, end: usize, n: usize) {
        let mut filters = vec![match self.load.filters {
            Filters::Own => topic(n),
            Filters::All => "bench/#".into(),
        }];
        let others = self.load.others / self.load.subscribers;
        filters.extend((0..others).map(|other| format!("other/{n}/+/{other}")));
        for filters in filters.chunks(100) {
            let mut subscriptions = SubscriptionsBuf::new();
            for filter in filters {
                let options =
                    SubscriptionOptions { qos: self.load.qos, ..SubscriptionOptions::default() };
                subscriptions.push(Subscription { filter, options }).expect("it is valid");
            }
            let subscribe = Subscribe {
                packet_id: PacketId::MIN,
                properties: Properties::EMPTY,
                subscriptions: subscriptions.view(),
            };
            self.send(end, &Packet::Subscribe(subscribe));
        }
    }

    fn send(&mut self, end: usize, packet: &Packet<'_>) {
        let mut wire = Vec::new();
        packet.encode(self.load.version, &mut wire).expect("it is valid");
        let End { shard, link, .. } = self.ends[end];
        self.shards[shard].handle_data(self.now, link, &wire);
        self.settle();
    }

    /// Messages that arrive in a round.
    pub fn messages(&self) -> usize {
        let sent = self.load.publishers * self.load.burst;
        if self.load.filters == Filters::All { sent * self.load.subscribers } else { sent }
    }

    /// PUBLISH packets that the broker has written so far.
    pub fn written(&self) -> u64 {
        self.shared.stats().publish_sent
    }

    /// Every publisher sends its burst, every subscriber acknowledges what it gets.
    pub fn round(&mut self) {
        let publishers = self.load.publishers;
        for n in 0..publishers {
            let End { shard, link, .. } = self.ends[n];
            self.shards[shard].handle_data(self.now, link, &self.wires[n]);
            if self.shards[shard].has_much() {
                self.settle();
            }
        }
        self.settle();
        if self.load.qos == QoS::AtMostOnce {
            return;
        }
        let each = self.messages() / self.load.subscribers;
        for n in publishers..self.ends.len() {
            let (shard, link, from) = (self.ends[n].shard, self.ends[n].link, self.ends[n].next_id);
            let shard = &mut self.shards[shard];
            self.ends[n].next_id = answer(shard, self.now, link, from, each, &self.acks);
            if self.load.qos == QoS::ExactlyOnce {
                answer(shard, self.now, link, from, each, &self.completions);
            }
        }
        if self.load.qos == QoS::ExactlyOnce {
            for n in 0..publishers {
                let End { shard, link, .. } = self.ends[n];
                self.shards[shard].handle_data(self.now, link, &self.releases);
            }
        }
        self.settle();
    }

    /// Does what the shards say until they have nothing left.
    fn settle(&mut self) {
        while (0..self.shards.len()).any(|at| self.drain(at)) {}
    }

    /// Does what one shard says; whether it said anything.
    fn drain(&mut self, at: usize) -> bool {
        let mut some = false;
        while let Some(output) = self.shards[at].poll_output() {
            some = true;
            self.carry_out(at, output);
        }
        some
    }

    fn carry_out(&mut self, at: usize, output: BrokerOutput) {
        match output {
            BrokerOutput::Writable(link) => {
                // A transport that takes all.
                loop {
                    let len = self.shards[at].outgoing(link).len();
                    if len == 0 {
                        break;
                    }
                    self.shards[at].handle_sent(self.now, link, len);
                }
            }
            BrokerOutput::Peer(to, batch) => {
                let (to, from) = (usize::from(to.0), ShardId(at as u16));
                self.shards[to].handle_peer(self.now, from, batch);
                if self.shards[to].has_much() {
                    self.drain(to);
                }
            }
            BrokerOutput::Move(link, to, moved) => {
                let to = usize::from(to.0);
                let arrived = self.shards[to].handle_moved(self.now, moved);
                let here = |end: &&mut End| end.shard == at && end.link == link;
                let end = self.ends.iter_mut().find(here).expect("it is one of ours");
                (end.shard, end.link) = (to, arrived);
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Load {
    /// What publisher `n` sends in a round.
    fn wire(self, n: usize) -> Vec<u8> {
        let (topic, payload) = (topic(n), vec![b'x'; self.payload]);
        let mut wire = Vec::new();
        for id in 1..=self.burst as u16 {
            let publish = Publish {
                dup: false,
                qos: self.qos,
                retain: false,
                topic: &topic,
                packet_id: PacketId::new(id).filter(|_| self.qos != QoS::AtMostOnce),
                properties: Properties::EMPTY,
                payload: &payload,
            };
            publish.encode(self.version, &mut wire).expect("it is valid");
        }
        wire
    }
}

/// A subscriber sends `count` of `acks` from the identifier `from` on; returns the identifier
/// behind them.
fn answer(
    shard: &mut Shard,
    now: Instant,
    link: LinkId,
    mut from: u16,
    mut count: usize,
    acks: &[u8],
) -> u16 {
    while count > 0 {
        let some = count.min(usize::from(u16::MAX - from) + 1);
        let start = usize::from(from - 1) * ACK;
        shard.handle_data(now, link, &acks[start..start + some * ACK]);
        from = from.wrapping_add(some as u16).max(1);
        count -= some;
    }
    from
}

fn topic(n: usize) -> String {
    format!("bench/{n}/temperature")
}

fn all_ids<'a>(packet: impl Fn(PacketId) -> Packet<'a>) -> Vec<u8> {
    let mut wire = Vec::new();
    for id in 1..=u16::MAX {
        let id = PacketId::new(id).expect("it is not 0");
        packet(id).encode(Version::V311, &mut wire).expect("it is valid");
    }
    wire
}
