//! Clients and a shard, joined by memory, over transports that break.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use libmqtt_engine::broker::{
    BrokerConfig, BrokerOutput, LinkId, LinkInfo, Shard, ShardId, Shared,
};
use libmqtt_engine::client::{CleanStart, Client, ClientConfig, Closed, Event, Outcome, Token};
use libmqtt_engine::codec::{Properties, Publish, QoS, Subscription, SubscriptionOptions, Version};
use libmqtt_engine::{Instant, NoHooks};

struct End {
    client: Client,
    link: Option<LinkId>,
    /// Waits for its transport.
    dialled: bool,
    received: Vec<String>,
    outcomes: HashMap<Token, Outcome>,
    connections: usize,
}

/// A broker of one shard and some clients on virtual time.
struct World {
    shard: Shard,
    ends: Vec<End>,
    now: Instant,
    random: u64,
}

impl World {
    fn new(configs: Vec<ClientConfig>, seed: u64) -> World {
        let now = Instant::from_nanos(1);
        let shared = Shared::new(BrokerConfig::default(), 1, seed);
        let shard = Shard::new(shared, ShardId(0), Box::new(NoHooks), seed, now);
        let end = |(n, config): (usize, ClientConfig)| End {
            client: Client::new(config, seed + n as u64),
            link: None,
            dialled: false,
            received: Vec::new(),
            outcomes: HashMap::new(),
            connections: 0,
        };
        let ends = configs.into_iter().enumerate().map(end).collect();
        World { shard, ends, now, random: seed }
    }

    fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) as usize % below
    }

    /// Moves bytes and events until nothing is left to do. Pieces have at most `piece` bytes.
    fn settle(&mut self, piece: usize) {
        loop {
            let mut idle = true;
            for at in 0..self.ends.len() {
                idle &= !self.events(at);
                idle &= !self.upwards(at, piece);
                idle &= !self.downwards(at, piece);
            }
            let mut outputs = VecDeque::new();
            while let Some(output) = self.shard.poll_output() {
                outputs.push_back(output);
            }
            for output in outputs {
                idle = false;
                let BrokerOutput::Close(link, _) = output else { continue };
                let Some(at) = self.ends.iter().position(|end| end.link == Some(link)) else {
                    continue;
                };
                while self.downwards(at, piece) {}
                self.ends[at].link = None;
                self.ends[at].client.handle_closed(self.now, Closed::Peer);
            }
            if idle {
                return;
            }
        }
    }

    fn events(&mut self, at: usize) -> bool {
        let mut some = false;
        let end = &mut self.ends[at];
        while let Some(event) = end.client.poll_event() {
            some = true;
            match event {
                Event::Dial(_) => end.dialled = true,
                Event::Close => {
                    end.dialled = false;
                    if let Some(link) = end.link.take() {
                        self.shard.handle_data(self.now, link, end.client.outgoing());
                        self.shard.handle_closed(self.now, link, Closed::Peer);
                    }
                }
                Event::Message(received) => {
                    let payload = received.message.payload().to_vec();
                    end.received.push(String::from_utf8(payload).unwrap());
                }
                Event::Done(token, outcome) => {
                    assert_eq!(end.outcomes.insert(token, outcome), None, "{token:?} twice");
                }
                Event::Connected(_) => end.connections += 1,
                Event::Disconnected(_) => {}
                other => panic!("{other:?}"),
            }
        }
        if end.dialled {
            end.dialled = false;
            end.link = Some(self.shard.handle_accept(self.now, LinkInfo::default()));
            end.client.handle_open(self.now);
            some = true;
        }
        some
    }

    fn upwards(&mut self, at: usize, piece: usize) -> bool {
        let end = &mut self.ends[at];
        let (Some(link), bytes) = (end.link, end.client.outgoing()) else { return false };
        let count = bytes.len().min(piece);
        if count == 0 {
            return false;
        }
        self.shard.handle_data(self.now, link, &bytes[..count]);
        end.client.handle_sent(self.now, count);
        true
    }

    fn downwards(&mut self, at: usize, piece: usize) -> bool {
        let end = &mut self.ends[at];
        let Some(link) = end.link else { return false };
        let mut bytes = self.shard.outgoing(link).pieces.concat();
        bytes.truncate(piece);
        if bytes.is_empty() {
            return false;
        }
        self.shard.handle_sent(self.now, link, bytes.len());
        end.client.handle_data(self.now, &bytes);
        true
    }

    /// A transport breaks; what was under way in it is lost.
    fn cut(&mut self, at: usize) {
        if let Some(link) = self.ends[at].link.take() {
            self.shard.handle_closed(self.now, link, Closed::Failed);
            self.ends[at].client.handle_closed(self.now, Closed::Failed);
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        self.shard.handle_timeout(self.now);
        for end in &mut self.ends {
            end.client.handle_timeout(self.now);
        }
    }
}

fn config(name: &str, version: Version) -> ClientConfig {
    let mut config = ClientConfig::new("memory", name);
    config.version = version;
    config.session_expiry_s = 1_000;
    config.clean_start = CleanStart::Never;
    config.inflight_max = 8;
    config.receive_maximum = 5;
    config
}

/// Every message at QoS 1 arrives at least once and at QoS 2 exactly once, in order, and every
/// token ends once, whatever breaks.
#[test]
fn messages_survive_transports_that_break() {
    for seed in 0..60 {
        let version = [Version::V31, Version::V311, Version::V5][seed as usize % 3];
        let mut world = World::new(vec![config("from", version), config("to", version)], seed);
        let now = world.now;
        for end in &mut world.ends {
            end.client.connect(now).unwrap();
        }
        let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..Default::default() };
        let wanted = [Subscription { filter: "t/#", options }];
        world.ends[1].client.subscribe(now, &wanted, Properties::EMPTY).unwrap();
        world.settle(10_000);
        let mut tokens = Vec::new();
        for n in 0..200 {
            let qos = if n % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            let payload = n.to_string();
            let publish = Publish {
                dup: false,
                qos,
                retain: false,
                topic: if n % 2 == 0 { "t/one" } else { "t/two" },
                packet_id: None,
                properties: Properties::EMPTY,
                payload: payload.as_bytes(),
            };
            tokens.push(world.ends[0].client.publish(world.now, &publish).unwrap());
            if world.random(5) == 0 {
                // Some bytes move, then a transport breaks.
                let piece = world.random(40) + 1;
                for _ in 0..world.random(12) {
                    world.events(0);
                    world.events(1);
                    world.upwards(0, piece);
                    world.downwards(0, piece);
                    world.downwards(1, piece);
                    world.upwards(1, piece);
                }
                let which = world.random(2);
                world.cut(which);
            }
            if world.random(3) == 0 {
                world.pass(Duration::from_millis(700));
                let piece = world.random(100) + 1;
                world.settle(piece);
            }
        }
        for _ in 0..200 {
            world.pass(Duration::from_secs(1));
            world.settle(10_000);
        }
        assert!(world.ends[0].connections > 1 && world.ends[1].connections > 1);
        for token in &tokens {
            let outcome = world.ends[0].outcomes.get(token);
            assert!(matches!(outcome, Some(Outcome::Acknowledged(_))), "seed {seed}: {outcome:?}");
        }
        let numbers = world.ends[1].received.iter().map(|payload| payload.parse::<u32>().unwrap());
        let numbers: Vec<u32> = numbers.collect();
        let twos: Vec<u32> = numbers.iter().copied().filter(|n| n % 2 == 1).collect();
        assert_eq!(twos, (0..200).filter(|n| n % 2 == 1).collect::<Vec<_>>(), "seed {seed}");
        let mut ones: Vec<u32> = Vec::new();
        for n in numbers.iter().copied().filter(|n| n % 2 == 0) {
            if !ones.contains(&n) {
                ones.push(n);
            }
        }
        assert_eq!(ones, (0..200).filter(|n| n % 2 == 0).collect::<Vec<_>>(), "seed {seed}");
    }
}

/// Aliases, properties and requests between two clients of 5.0.
#[test]
fn a_request_is_answered_through_the_broker() {
    let mut configs = vec![config("asks", Version::V5), config("answers", Version::V5)];
    for config in &mut configs {
        config.session_expiry_s = 0;
    }
    let mut world = World::new(configs, 3);
    let now = world.now;
    for end in &mut world.ends {
        end.client.connect(now).unwrap();
    }
    let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..Default::default() };
    let wanted = [Subscription { filter: "service/+", options }];
    world.ends[1].client.subscribe(now, &wanted, Properties::EMPTY).unwrap();
    world.settle(7);
    for n in 0..20 {
        let payload = n.to_string();
        let question = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "service/echo",
            packet_id: None,
            properties: Properties::EMPTY,
            payload: payload.as_bytes(),
        };
        let timeout = Duration::from_secs(5);
        let token = world.ends[0].client.request(now, &question, timeout).unwrap();
        let mut reply = None;
        for _ in 0..1_000 {
            world.events(0);
            world.upwards(0, 7);
            world.downwards(0, 7);
            world.upwards(1, 7);
            world.downwards(1, 7);
            while world.shard.poll_output().is_some() {}
            while let Some(event) = world.ends[1].client.poll_event() {
                let Event::Message(received) = event else { continue };
                let answer =
                    libmqtt_engine::client::response_to(&received.message, payload.as_bytes());
                world.ends[1].client.publish(now, &answer.unwrap().view()).unwrap();
            }
            if let Some(outcome) = world.ends[0].outcomes.remove(&token) {
                reply = Some(outcome);
                break;
            }
        }
        match reply {
            Some(Outcome::Reply(message)) => assert_eq!(message.payload(), payload.as_bytes()),
            other => panic!("{other:?}"),
        }
    }
}
