//! What a seed decides before a run begins.

use core::time::Duration;

use libmqtt_codec::{QoS, Reason, RetainHandling, SubscriptionOptions, Version};
use libmqtt_engine::broker::{BrokerConfig, QueueFull};

use crate::obs::{MS, SEC, Time};
use crate::rng::Rng;

/// Something deliberately wrong, to prove that checkers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A PUBLISH at this QoS is lost on its way out of the broker.
    DropPublish(QoS),
    /// A PUBLISH at this QoS leaves twice.
    RepeatPublish(QoS),
    /// Two neighbouring PUBLISH packets of one topic and QoS change places.
    SwapPublishes,
    /// A batch of messages between two shards is lost.
    DropBatch,
    /// Two neighbouring batches between two shards change places.
    SwapBatches,
    /// A PUBACK leaves though its PUBLISH never reached the broker.
    LosePublished,
    /// A PUBLISH goes to a client that nobody asked to send it to.
    Misdeliver,
    /// The broker is never told that a client has gone, and its timers stand still.
    DeafBroker,
}

impl Fault {
    /// Every fault with its name on the command line.
    pub const ALL: &'static [(&'static str, Fault)] = &[
        ("drop-qos0", Fault::DropPublish(QoS::AtMostOnce)),
        ("drop-qos1", Fault::DropPublish(QoS::AtLeastOnce)),
        ("drop-qos2", Fault::DropPublish(QoS::ExactlyOnce)),
        ("repeat-qos0", Fault::RepeatPublish(QoS::AtMostOnce)),
        ("repeat-qos1", Fault::RepeatPublish(QoS::AtLeastOnce)),
        ("repeat-qos2", Fault::RepeatPublish(QoS::ExactlyOnce)),
        ("swap", Fault::SwapPublishes),
        ("drop-batch", Fault::DropBatch),
        ("swap-batches", Fault::SwapBatches),
        ("lose-published", Fault::LosePublished),
        ("misdeliver", Fault::Misdeliver),
        ("deaf-broker", Fault::DeafBroker),
    ];
}

/// For reading packets of which nothing is known.
pub const ANY_VERSION: Version = Version::V5;

/// A participant.
#[derive(Clone, Debug)]
pub struct ActorPlan {
    /// Its Client Identifier.
    pub client_id: String,
    /// What it speaks.
    pub version: Version,
    /// Our own client, or the independent peer.
    pub engine: bool,
    /// Subscribes to everything and is never disturbed.
    pub steady: bool,
    /// Whether its session outlives its connections.
    pub durable: bool,
    /// Session Expiry Interval when durable.
    pub expiry: u32,
    /// In seconds; 0: none.
    pub keep_alive: u16,
    /// What it takes at once.
    pub receive_maximum: u16,
    /// Aliases it takes.
    pub alias_maximum: u16,
    /// Largest packet it takes.
    pub packet_max: Option<u32>,
    /// Whether its subscriptions have identifiers.
    pub ids: bool,
    /// It keeps its messages, and loses its power now and then; and whether its program
    /// acknowledges messages itself.
    pub keeps: Option<Acks>,
}

/// Who acknowledges messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// The client.
    Automatic,
    /// Its program.
    Manual,
}

/// A run before it has begun.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it all comes from.
    pub seed: u64,
    /// Shards of the broker.
    pub shards: u16,
    /// Its configuration.
    pub config: BrokerConfig,
    /// Limits are so small that messages may be dropped.
    pub tight: bool,
    /// Authentication is answered later.
    pub late_verdicts: bool,
    /// Who takes part.
    pub actors: Vec<ActorPlan>,
    /// Random actions in all.
    pub steps: usize,
    /// How late a timer may be noticed, and a little more.
    pub slack: Time,
    /// Longest way between two shards in microseconds.
    pub batch_delay_us: u64,
    /// Longest way of bytes in microseconds.
    pub wire_delay_us: u64,
    /// Whether connections are cut and clogged.
    pub chaos: bool,
    /// What is broken on purpose.
    pub fault: Option<Fault>,
    /// The broker stores, and power is lost this often; none: it does not store.
    pub crashes: Option<usize>,
    /// The disk is full now and then.
    pub full: bool,
}

impl Plan {
    /// The run of this seed.
    pub fn new(seed: u64, fault: Option<Fault>) -> Plan {
        let mut rng = Rng::new(seed);
        let shards = rng.range(1..5) as u16;
        let tight = rng.chance(12);
        let config = config(&mut rng, tight);
        let count = rng.range(3..11) as usize;
        let mut actors: Vec<_> = (0..count).map(|n| actor(&mut rng, n)).collect();
        if rng.chance(70) {
            actors[0].steady = true;
            actors[0].keep_alive = 0;
            actors[0].durable = true;
            actors[0].expiry = u32::MAX;
        }
        Plan {
            seed,
            shards,
            config,
            tight,
            late_verdicts: rng.chance(20),
            actors,
            steps: rng.range(100..401) as usize,
            slack: 20 * MS,
            batch_delay_us: rng.pick(&[10, 1_000, 20_000]),
            wire_delay_us: rng.pick(&[100, 5_000, 200_000]),
            chaos: rng.chance(85),
            fault,
            crashes: None,
            full: false,
        }
    }

    /// The run of this seed in which the broker stores and loses its power, and so do clients: some
    /// who have subscribed to everything, some who publish, and the last, who comes when all is
    /// over. It is judged by the [`Ledger`](crate::check::Ledger).
    pub fn crashing(seed: u64) -> Plan {
        let mut plan = Plan::new(seed, None);
        let mut rng = Rng::new(seed ^ 0xC4A5_4ED0);
        plan.tight = false;
        plan.config = BrokerConfig {
            sys_interval: Duration::ZERO,
            receive_maximum: rng.pick(&[2, 10, 1024]),
            inflight_max: rng.pick(&[1, 3, 1024]),
            store_queue_bytes_max: rng.pick(&[500, 1 << 20]),
            queue_memory_max: rng.pick(&[0, 1_000, 1 << 20]),
            ..BrokerConfig::default()
        };
        for (number, actor) in plan.actors.iter_mut().enumerate() {
            actor.steady = number < 2;
            actor.durable |= actor.steady;
            actor.expiry = u32::MAX;
            actor.alias_maximum = 0;
            actor.packet_max = None;
            actor.ids = false;
            let keeps = rng.chance(60) && actor.engine && actor.durable;
            actor.keeps = keeps.then(|| rng.pick(&[Acks::Automatic, Acks::Manual]));
        }
        let last = plan.actors.last_mut().expect("there are three at least");
        (last.steady, last.durable, last.keeps) = (true, true, None);
        plan.crashes = Some(rng.range(1..5) as usize);
        plan.full = rng.chance(30);
        plan
    }

    /// Whether a participant comes only when all is over.
    pub(crate) fn comes_late(&self, actor: usize) -> bool {
        self.crashes.is_some() && actor + 1 == self.actors.len()
    }

    /// The broker's patience with a link that sends no CONNECT.
    pub fn connect_timeout(&self) -> Time {
        self.config.connect_timeout.as_nanos() as Time
    }

    /// Whether a client may be refused for this reason.
    pub fn refusals_expected(&self, _reason: Reason) -> bool {
        false
    }

    /// Everybody who must be connected in the end.
    pub fn client_ids(&self) -> impl Iterator<Item = &str> {
        self.actors.iter().map(|actor| actor.client_id.as_str())
    }
}

fn config(rng: &mut Rng, tight: bool) -> BrokerConfig {
    let mut config = BrokerConfig {
        sys_interval: Duration::from_secs(rng.pick(&[0, 0, 0, 5])),
        receive_maximum: rng.pick(&[1, 2, 10, 1024]),
        inflight_max: rng.pick(&[1, 3, 20, 1024]),
        topic_alias_maximum: rng.pick(&[0, 2, 64]),
        topic_alias_out_max: rng.pick(&[0, 2, 64]),
        queue_qos0_offline: rng.chance(20),
        session_expiry_max_s: rng.pick(&[u32::MAX, u32::MAX, 20]),
        ..BrokerConfig::default()
    };
    if tight {
        config.queue_messages_max = rng.range(1..20) as usize;
        config.queue_bytes_max = rng.pick(&[2_000, 20_000, 1 << 20]);
        config.queue_full = rng.pick(&[QueueFull::DropNewest, QueueFull::DropOldest]);
    }
    config
}

fn actor(rng: &mut Rng, number: usize) -> ActorPlan {
    let version = rng.pick(&[Version::V31, Version::V311, Version::V5, Version::V5]);
    // Before 5.0 a broker cannot be told.
    let packet_max = rng.pick(&[None, None, Some(400)]).filter(|_| version == Version::V5);
    ActorPlan {
        client_id: format!("{}{number}", rng.pick(&["a", "client-", "Ω/"])),
        version,
        engine: rng.chance(50),
        steady: false,
        durable: rng.chance(70),
        expiry: rng.pick(&[1, 5, 100, u32::MAX, u32::MAX]),
        keep_alive: rng.pick(&[0, 2, 5, 60]),
        receive_maximum: rng.pick(&[1, 2, 5, 65_535]),
        alias_maximum: rng.pick(&[0, 1, 3, 100]),
        packet_max,
        ids: rng.chance(60),
        keeps: None,
    }
}

/// A random action of a participant.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the fields say what they are
pub enum Act {
    /// Connect, if it is not connected.
    Connect { clean: bool, will: Option<WillPlan> },
    /// Publish.
    Publish(PublishPlan),
    /// Subscribe.
    Subscribe { filters: Vec<(String, SubscriptionOptions)>, id: Option<u32> },
    /// Unsubscribe.
    Unsubscribe { filters: Vec<String> },
    /// Say goodbye.
    Disconnect { with_will: bool, expiry: Option<u32> },
    /// Forget the connection without a word. Whether the broker notices is the network's affair.
    Abandon,
    /// Everything is over: come back and stay.
    Settle,
}

/// A message to publish.
#[derive(Clone, Debug)]
pub struct PublishPlan {
    /// Its topic.
    pub topic: String,
    /// What the payload says; 0 for an empty one.
    pub key: u64,
    /// Bytes of payload.
    pub len: usize,
    /// Its QoS.
    pub qos: QoS,
    /// Its RETAIN flag.
    pub retain: bool,
    /// Message Expiry Interval.
    pub expiry: Option<u32>,
}

/// A will to connect with.
#[derive(Clone, Debug)]
pub struct WillPlan {
    /// The message.
    pub message: PublishPlan,
    /// Will Delay Interval.
    pub delay: u32,
}

/// Where anybody may publish: the broker keeps topics that begin with `$` to itself.
const TOPICS: &[&str] = &["a", "a/b", "a/c", "a/b/c", "/a", "a//b", "b/x/y", "Ω/ü", "b"];

const FILTERS: &[&str] = &[
    "a",
    "a/b",
    "a/+",
    "a/#",
    "+",
    "#",
    "+/b",
    "/+",
    "+/+",
    "$x/#",
    "b/+/y",
    "a/+/c",
    "Ω/#",
    "+/a/#",
    "b",
    "nobody/here",
];

const SHARED: &[&str] =
    &["$share/g/a/#", "$share/g/#", "$share/g/a/b", "$share/h/a/#", "$share/h/#", "$share/h/a/b"];

/// The steady watcher's subscriptions.
pub const EVERYTHING: &[&str] = &["#"];

/// Draws random actions.
#[derive(Debug)]
pub struct Script {
    rng: Rng,
    next_key: u64,
    /// Nobody forgets or lets anything expire.
    lasting: bool,
}

impl Script {
    /// Actions that depend on `seed` alone.
    pub fn new(seed: u64) -> Script {
        Script { rng: Rng::new(seed ^ 0x005C_2197), next_key: 1, lasting: false }
    }

    /// Actions of participants that forget nothing: what they were promised holds to the end.
    pub fn lasting(seed: u64) -> Script {
        Script { lasting: true, ..Script::new(seed) }
    }

    /// What `actor` does next.
    pub fn next(&mut self, actor: &ActorPlan, connected: bool) -> Act {
        match self.draw(actor, connected) {
            Act::Subscribe { .. } | Act::Unsubscribe { .. } if self.lasting => {
                Act::Publish(self.publish(actor))
            }
            Act::Disconnect { with_will, .. } if self.lasting => {
                Act::Disconnect { with_will, expiry: None }
            }
            act => act,
        }
    }

    fn draw(&mut self, actor: &ActorPlan, connected: bool) -> Act {
        if !connected {
            return match self.rng.range(0..10) {
                0..2 if actor.engine => Act::Publish(self.publish(actor)),
                _ => self.connect(actor),
            };
        }
        match self.rng.range(0..100) {
            0..60 => Act::Publish(self.publish(actor)),
            60..80 => self.subscribe(actor),
            80..86 => {
                let count = self.rng.range(1..4);
                Act::Unsubscribe { filters: (0..count).map(|_| self.filter(actor)).collect() }
            }
            86..90 if !actor.steady => Act::Abandon,
            90..95 if !actor.steady => Act::Disconnect {
                with_will: actor.version == Version::V5 && self.rng.chance(40),
                expiry: (actor.version == Version::V5 && actor.durable && self.rng.chance(30))
                    .then(|| self.rng.pick(&[0, 2, 100])),
            },
            _ => Act::Publish(self.publish(actor)),
        }
    }

    /// A CONNECT, which forgets the past now and then.
    pub fn connect(&mut self, actor: &ActorPlan) -> Act {
        let clean = if actor.durable { self.rng.chance(15) } else { self.rng.chance(80) };
        let clean = clean || (actor.version != Version::V5 && !actor.durable);
        let will = self.rng.chance(50).then(|| {
            let mut message = self.publish(actor);
            message.len = message.len.min(200);
            WillPlan {
                message,
                delay: if actor.version == Version::V5 {
                    self.rng.pick(&[0, 0, 1, 3, 30])
                } else {
                    0
                },
            }
        });
        let forgets = !(actor.steady || self.lasting && actor.durable);
        Act::Connect { clean: clean && forgets, will }
    }

    fn publish(&mut self, actor: &ActorPlan) -> PublishPlan {
        let retain = self.rng.chance(25);
        let empty = retain && self.rng.chance(20);
        self.next_key += 1;
        PublishPlan {
            topic: self.rng.pick(TOPICS).into(),
            key: if empty { 0 } else { self.next_key },
            len: if empty { 0 } else { self.rng.pick(&[8, 20, 100, 300, 5_000, 9_000]) },
            qos: self.rng.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
            retain,
            expiry: (actor.version == Version::V5 && !self.lasting && self.rng.chance(20))
                .then(|| self.rng.pick(&[1, 3, 10, 1_000, 100_000])),
        }
    }

    fn filter(&mut self, actor: &ActorPlan) -> String {
        let filter = self.rng.pick(FILTERS);
        // Without an identifier a shared copy could not be told from an ordinary one.
        if actor.version == Version::V5 && actor.ids && self.rng.chance(25) {
            self.rng.pick(SHARED).into()
        } else {
            filter.into()
        }
    }

    fn subscribe(&mut self, actor: &ActorPlan) -> Act {
        let v5 = actor.version == Version::V5;
        let count = self.rng.pick(&[1, 1, 1, 2, 5]);
        // One identifier stands for one SUBSCRIBE, so shared and ordinary filters do not mix.
        let first = self.filter(actor);
        let shared = first.starts_with("$share/");
        let mut filters = vec![first];
        while filters.len() < if shared { 1 } else { count } {
            let filter = self.filter(actor);
            if !filter.starts_with("$share/") && !filters.contains(&filter) {
                filters.push(filter);
            }
        }
        let filters: Vec<(String, SubscriptionOptions)> = filters
            .into_iter()
            .map(|filter| {
                let options = SubscriptionOptions {
                    qos: self.rng.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
                    no_local: v5 && !shared && self.rng.chance(20),
                    retain_as_published: v5 && self.rng.chance(30),
                    retain_handling: if v5 {
                        self.rng.pick(&[
                            RetainHandling::Send,
                            RetainHandling::SendIfNew,
                            RetainHandling::DoNotSend,
                        ])
                    } else {
                        RetainHandling::Send
                    },
                };
                (filter, options)
            })
            .collect();
        let id = (v5 && actor.ids).then(|| self.identifier(&filters[0].0));
        Act::Subscribe { filters, id }
    }

    /// A Subscription Identifier from which a shared subscription can be told.
    fn identifier(&mut self, filter: &str) -> u32 {
        let variant = self.rng.range(0..8) as u32;
        match SHARED.iter().position(|shared| *shared == filter) {
            Some(place) => 1_000 + 8 * place as u32 + variant,
            None => 1 + self.rng.range(0..40) as u32 * 8 + variant,
        }
    }

    /// Time until the next action of anyone.
    pub fn pause(&mut self) -> Time {
        if self.rng.chance(2) { self.rng.range(1..8) * SEC } else { self.rng.micros(100, 400_000) }
    }

    /// Who acts.
    pub fn actor(&mut self, count: usize) -> usize {
        self.rng.below(count)
    }
}
