//! Shards in one thread, and raw clients that speak to them in bytes.

use std::collections::VecDeque;
use std::time::Duration;

use libmqtt_engine::broker::{
    self, BrokerConfig, BrokerOutput, LinkId, LinkInfo, Shard, ShardId, Shared, Stats,
};
use libmqtt_engine::codec::{
    Ack, AckKind, Connect, Packet, PacketId, Progress, Properties, Publish, QoS, Side, Subscribe,
    Subscription, SubscriptionOptions, SubscriptionsBuf, Version, frame,
};
use libmqtt_engine::store::{Completion, MemoryDisk, MemoryStore, Store};
use libmqtt_engine::{Hooks, Instant, NoHooks, UnixTime};

/// A broker on virtual time whose transports take everything at once, unless told otherwise.
pub(crate) struct Cluster {
    pub(crate) now: Instant,
    pub(crate) shards: Vec<Shard>,
    shared: std::sync::Arc<Shared>,
    clients: Vec<Client>,
    /// How many batches have gone from one shard to another.
    pub(crate) batches: usize,
    /// Where it stores, if it does.
    stores: Vec<MemoryStore>,
}

/// A client's end of a link.
#[derive(Default)]
struct Client {
    at: Option<(usize, LinkId)>,
    version: Option<Version>,
    received: Vec<u8>,
    blocked: bool,
    paused: bool,
    closed: bool,
}

impl Cluster {
    pub(crate) fn new(shards: u16, config: BrokerConfig) -> Cluster {
        Cluster::with_hooks(shards, config, |_| Box::new(NoHooks))
    }

    pub(crate) fn with_hooks(
        shards: u16,
        config: BrokerConfig,
        hooks: impl Fn(u16) -> Box<dyn Hooks>,
    ) -> Cluster {
        let now = Instant::from_nanos(1_000_000_000);
        let shared =
            Shared::new(BrokerConfig { sys_interval: Duration::ZERO, ..config }, shards, 7);
        let shard = |n| Shard::new(shared.clone(), ShardId(n), hooks(n), u64::from(n) + 1, now);
        let shards = (0..shards).map(shard).collect();
        Cluster { now, shards, clients: Vec::new(), shared, batches: 0, stores: Vec::new() }
    }

    /// A broker that goes on with what is on a disk, now.
    pub(crate) fn on_disk(disk: &MemoryDisk, shards: u16, now: Instant) -> Cluster {
        Cluster::new(shards, BrokerConfig::default()).restored(disk, now)
    }

    /// The same, as a broker that has not begun yet is made to.
    pub(crate) fn restored(self, disk: &MemoryDisk, now: Instant) -> Cluster {
        let mut cluster = self;
        let shards = cluster.shards.len();
        cluster.now = now;
        cluster.stores = disk.open(shards);
        let unix = UnixTime(now.as_nanos() / 1_000_000);
        cluster.shards.iter_mut().for_each(|shard| shard.persist(now, unix, true));
        broker::restore(&mut cluster.shards, &mut cluster.stores[0], now).unwrap();
        cluster.settle();
        cluster
    }

    /// Tells the shards what their stores have done.
    pub(crate) fn poll_stores(&mut self) {
        let mut done = Vec::new();
        for (shard, store) in self.stores.iter_mut().enumerate() {
            store.poll(&mut done);
            for completion in done.drain(..) {
                match completion {
                    Completion::Durable(position) => {
                        self.shards[shard].handle_persisted(self.now, position);
                    }
                    Completion::Failed(_) => self.shards[shard].handle_store_failed(self.now),
                    Completion::Rows(rows) => self.shards[shard].handle_rows(self.now, &rows),
                }
            }
        }
        self.settle();
    }

    pub(crate) fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Opens a link at the first shard and sends CONNECT.
    pub(crate) fn connect(&mut self, connect: Connect<'_>) -> usize {
        let client = self.open(connect.version);
        self.send(client, &Packet::Connect(connect));
        client
    }

    /// Opens a link at the first shard.
    pub(crate) fn open(&mut self, version: Version) -> usize {
        self.open_from(version, None)
    }

    /// Opens a link at the first shard from this address.
    pub(crate) fn open_from(&mut self, version: Version, peer: Option<&str>) -> usize {
        let peer = peer.map(|peer| peer.parse().unwrap());
        let link = self.shards[0].handle_accept(self.now, LinkInfo { peer, identity: None });
        let at = Some((0, link));
        self.clients.push(Client { at, version: Some(version), ..Client::default() });
        self.clients.len() - 1
    }

    pub(crate) fn send(&mut self, client: usize, packet: &Packet<'_>) {
        let mut wire = Vec::new();
        packet.encode(self.clients[client].version.unwrap(), &mut wire).unwrap();
        self.send_bytes(client, &wire);
    }

    pub(crate) fn send_bytes(&mut self, client: usize, wire: &[u8]) {
        let (shard, link) = self.clients[client].at.expect("open");
        self.shards[shard].handle_data(self.now, link, wire);
        self.settle();
    }

    pub(crate) fn advance(&mut self, span: Duration) {
        self.now = self.now + span;
        for shard in &mut self.shards {
            shard.handle_timeout(self.now);
        }
        self.settle();
    }

    /// The client's transport takes nothing (true), or everything again.
    pub(crate) fn block(&mut self, client: usize, blocked: bool) {
        self.clients[client].blocked = blocked;
        self.flush(client);
        self.settle();
    }

    /// Bytes come from a client, and nobody polls yet.
    pub(crate) fn hand_in(&mut self, client: usize, wire: &[u8]) {
        let (shard, link) = self.clients[client].at.expect("open");
        self.shards[shard].handle_data(self.now, link, wire);
    }

    pub(crate) fn is_closed(&self, client: usize) -> bool {
        self.clients[client].closed
    }

    pub(crate) fn is_paused(&self, client: usize) -> bool {
        self.clients[client].paused
    }

    pub(crate) fn shard_of(&self, client: usize) -> Option<usize> {
        self.clients[client].at.map(|(shard, _)| shard)
    }

    /// What the client has received since it was asked last, as Debug texts.
    pub(crate) fn received(&mut self, client: usize) -> Vec<String> {
        let client = &mut self.clients[client];
        let mut texts = Vec::new();
        let mut rest = &client.received[..];
        while let Progress::Packet(found) = frame(rest, u32::MAX).unwrap() {
            let packet = found.decode(client.version.unwrap(), Side::Server).unwrap();
            texts.push(match packet {
                Packet::Publish(p) => format!(
                    "{}{} {} {}{}",
                    p.topic,
                    if p.retain { " retained" } else { "" },
                    String::from_utf8_lossy(p.payload),
                    p.qos as u8,
                    if p.dup { " dup" } else { "" },
                ),
                other => format!("{:?}", other.packet_type()),
            });
            rest = &rest[found.len..];
        }
        client.received = rest.to_vec();
        texts
    }

    fn client_at(&mut self, shard: usize, link: LinkId) -> Option<usize> {
        self.clients.iter().position(|client| client.at == Some((shard, link)))
    }

    fn flush(&mut self, client: usize) {
        let Some((shard, link)) = self.clients[client].at else { return };
        while !self.clients[client].blocked {
            let bytes = self.shards[shard].outgoing(link).pieces.concat();
            if bytes.is_empty() {
                return;
            }
            self.clients[client].received.extend_from_slice(&bytes);
            self.shards[shard].handle_sent(self.now, link, bytes.len());
        }
    }

    /// Does what the shards want until they want nothing.
    pub(crate) fn settle(&mut self) {
        let mut peers = VecDeque::new();
        loop {
            for shard in 0..self.shards.len() {
                while let Some(output) = self.shards[shard].poll_output() {
                    self.output(shard, output, &mut peers);
                }
            }
            let Some((from, to, batch)) = peers.pop_front() else { return };
            let to: ShardId = to;
            self.batches += 1;
            self.shards[usize::from(to.0)].handle_peer(self.now, from, batch);
        }
    }

    fn output(
        &mut self,
        shard: usize,
        output: BrokerOutput,
        peers: &mut VecDeque<(ShardId, ShardId, libmqtt_engine::broker::PeerBatch)>,
    ) {
        match output {
            BrokerOutput::Writable(link) => {
                if let Some(client) = self.client_at(shard, link) {
                    self.flush(client);
                }
            }
            BrokerOutput::Close(link, _) => {
                if let Some(client) = self.client_at(shard, link) {
                    self.flush(client);
                    self.clients[client].closed = true;
                    self.clients[client].at = None;
                }
            }
            BrokerOutput::Pause(link, paused) => {
                if let Some(client) = self.client_at(shard, link) {
                    self.clients[client].paused = paused;
                }
            }
            BrokerOutput::Move(link, to, moved) => {
                let client = self.client_at(shard, link).expect("a client moves");
                let to = usize::from(to.0);
                let link = self.shards[to].handle_moved(self.now, moved);
                self.clients[client].at = Some((to, link));
            }
            BrokerOutput::Persist(batch) => self.stores[shard].submit(batch),
            BrokerOutput::Fetch(rows) => self.stores[shard].fetch(&rows),
            BrokerOutput::Peer(to, batch) => peers.push_back((ShardId(shard as u16), to, batch)),
        }
    }

    /// Cuts a client's link.
    pub(crate) fn cut(&mut self, client: usize) {
        let (shard, link) = self.clients[client].at.take().expect("open");
        let cause = libmqtt_engine::broker::Closed::Peer;
        self.shards[shard].handle_closed(self.now, link, cause);
        self.settle();
    }

    pub(crate) fn subscribe(&mut self, client: usize, filter: &str, qos: QoS) {
        let mut subscriptions = SubscriptionsBuf::new();
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        subscriptions.push(Subscription { filter, options }).unwrap();
        self.send(
            client,
            &Packet::Subscribe(Subscribe {
                packet_id: PacketId::MIN,
                properties: Properties::EMPTY,
                subscriptions: subscriptions.view(),
            }),
        );
    }

    /// Sends an acknowledgement of the first message at QoS 1 or 2.
    pub(crate) fn ack(&mut self, client: usize, kind: AckKind) {
        self.send(client, &Packet::Ack(Ack::new(kind, PacketId::MIN)));
    }

    pub(crate) fn publish(&mut self, client: usize, topic: &str, payload: &str, qos: QoS) {
        self.send(client, &Packet::Publish(message(topic, payload, qos)));
    }
}

pub(crate) fn message<'a>(topic: &'a str, payload: &'a str, qos: QoS) -> Publish<'a> {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: (qos > QoS::AtMostOnce).then_some(PacketId::MIN),
        properties: Properties::EMPTY,
        payload: payload.as_bytes(),
    }
}

pub(crate) fn client(client_id: &str) -> Connect<'_> {
    Connect {
        version: Version::V311,
        clean_start: true,
        keep_alive_s: 0,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}
