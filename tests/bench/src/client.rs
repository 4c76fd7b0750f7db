//! What a client and the broker cost together, in one process and without a socket.

use std::time::Duration;

use libmqtt_runtime::engine::broker::{BrokerOutput, LinkId, LinkInfo, Shard, Shared};
use libmqtt_runtime::engine::client::Client as Machine;
use libmqtt_runtime::engine::{Instant, NoHooks};
use libmqtt_runtime::{
    Broker, BrokerConfig, BrokerOptions, Client, ClientConfig, Event, Outcome, Properties, Publish,
    QoS, ShardId, Subscription, SubscriptionOptions, Version,
};

use crate::meter::{Meter, Whose};
use crate::table::Table;

/// Messages that are in flight at a time.
const WINDOW: usize = 100;
const TOPIC: &str = "bench/7/temperature";

fn publish(payload: &[u8]) -> Publish<'_> {
    Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TOPIC,
        packet_id: None,
        properties: Properties::EMPTY,
        payload,
    }
}

fn config(version: Version) -> ClientConfig {
    ClientConfig { version, ..ClientConfig::new("broker", "bench") }
}

/// A client machine and a shard, one calling the other.
struct Pair {
    now: Instant,
    client: Machine,
    shard: Shard,
    link: LinkId,
    acknowledged: usize,
    received: usize,
}

impl Pair {
    fn new(version: Version, subscribes: bool) -> Pair {
        let now = Instant::from_nanos(1);
        let broker = BrokerConfig { sys_interval: Duration::ZERO, ..BrokerConfig::default() };
        let shared = Shared::new(broker, 1, 7);
        let mut shard = Shard::new(shared, ShardId(0), Box::new(NoHooks), 7, now);
        let link = shard.handle_accept(now, LinkInfo::default());
        let mut client = Machine::new(config(version), 7);
        client.connect(now).expect("the configuration is good");
        client.handle_open(now);
        let mut pair = Pair { now, client, shard, link, acknowledged: 0, received: 0 };
        pair.settle();
        if subscribes {
            let options =
                SubscriptionOptions { qos: QoS::AtLeastOnce, ..SubscriptionOptions::default() };
            pair.client
                .subscribe(now, &[Subscription { filter: TOPIC, options }], Properties::EMPTY)
                .expect("the filter is good");
            pair.settle();
        }
        assert!(pair.client.is_connected());
        pair
    }

    fn round(&mut self, payload: &[u8]) {
        for _ in 0..WINDOW {
            self.client.publish(self.now, &publish(payload)).expect("the window is open");
        }
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let up = self.client.outgoing();
            let mut idle = up.is_empty();
            if !idle {
                self.shard.handle_data(self.now, self.link, up);
                let count = up.len();
                self.client.handle_sent(self.now, count);
            }
            while let Some(output) = self.shard.poll_output() {
                assert!(matches!(output, BrokerOutput::Writable(_)), "{output:?}");
                loop {
                    let down = self.shard.outgoing(self.link);
                    let count = down.len();
                    if count == 0 {
                        break;
                    }
                    for piece in down.pieces {
                        self.client.handle_data(self.now, piece);
                    }
                    self.shard.handle_sent(self.now, self.link, count);
                }
                idle = false;
            }
            while let Some(event) = self.client.poll_event() {
                match event {
                    Event::Done(_, Outcome::Acknowledged(_)) => self.acknowledged += 1,
                    Event::Message(_) => self.received += 1,
                    _ => {}
                }
            }
            if idle {
                return;
            }
        }
    }
}

/// A program's client of a broker within its process; all threads count.
fn in_process(meter: Meter, version: Version, payload: &[u8]) -> f64 {
    let options =
        BrokerOptions { listeners: Vec::new(), shards: Some(1), ..BrokerOptions::default() };
    let broker = Broker::start(options).expect("the broker starts");
    let client: Client = broker.client(config(version).into()).expect("the broker runs");
    let soon = Duration::from_secs(10);
    client.connect(soon).expect("the broker lets it in");
    let mut events = Vec::new();
    let cost = meter.cost(Whose::Process, 10 * WINDOW, || {
        client
            .batch(|batch| {
                (0..10 * WINDOW).try_for_each(|_| batch.publish(&publish(payload)).map(drop))
            })
            .expect("the client is open")
            .expect("there is room");
        let mut acknowledged = 0;
        while acknowledged < 10 * WINDOW {
            let first = client.next_event(soon).expect("no error").expect("acknowledged in time");
            events.push(first);
            client.drain_events(&mut events, usize::MAX);
            let done = |event: &Event| matches!(event, Event::Done(_, Outcome::Acknowledged(_)));
            acknowledged += events.drain(..).filter(done).count();
        }
    });
    client.close(soon);
    broker.stop(soon);
    cost
}

/// QoS 1 from a client to the broker and back.
pub fn table(meter: Meter) -> Table {
    let mut table = Table::new("client and broker in one process, QoS 1, 64 bytes", "round trip");
    let payload = [b'x'; 64];
    for (version, word) in [(Version::V311, "3.1.1"), (Version::V5, "5.0")] {
        for (subscribes, what) in
            [(false, "PUBLISH, PUBACK"), (true, "PUBLISH, PUBACK, and PUBLISH back, PUBACK")]
        {
            let mut pair = Pair::new(version, subscribes);
            let mut rounds = 0;
            let cost = meter.cost(Whose::Thread, WINDOW, || {
                pair.round(&payload);
                rounds += 1;
            });
            assert_eq!(pair.acknowledged, rounds * WINDOW);
            assert_eq!(pair.received, if subscribes { rounds * WINDOW } else { 0 });
            table.add(format!("machines: {what}, {word}"), cost);
        }
    }
    for (version, word) in [(Version::V311, "3.1.1"), (Version::V5, "5.0")] {
        let cost = in_process(meter, version, &payload);
        table.add(
            format!("a program's `Broker::client`, two threads: PUBLISH, PUBACK, {word}"),
            cost,
        );
    }
    table
}
