//! A broker, clients that come and go, clients that stay, and a host program, all on threads of
//! their own for as long as one likes.
//!
//! Those who stay must get every message of theirs, in order, while the others do to the broker
//! what clients do: take sessions over, leave wills, subscribe to everything, publish and vanish.
//! What the process uses is measured all along, and must not grow.
#![forbid(unsafe_code)]

mod churn;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libmqtt_runtime::engine::client::Reconnect;
use libmqtt_runtime::{
    Broker, BrokerOptions, Client, ClientConfig, ClientOptions, Event, HooksFactory, Message, QoS,
    Runtime, Subscription, SubscriptionOptions,
};

pub use usage::Usage;

/// How long anything may take.
const SOON: Duration = Duration::from_secs(60);
/// Samples of what is used.
const SAMPLES: u32 = 10;

/// What to do, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long clients come and go.
    pub span: Duration,
    /// Shards of the broker.
    pub shards: u16,
    /// Threads of clients that come and go.
    pub churners: usize,
}

/// What was done, and what it took.
#[derive(Debug, Default)]
pub struct Report {
    /// Connections made by clients that come and go.
    pub connections: usize,
    /// Messages published by them.
    pub published: usize,
    /// Messages that came to those who stay, each checked.
    pub checked: usize,
    /// What was used before there was a broker, then as time passed, then when all had gone.
    pub usage: Vec<Usage>,
}

/// What the threads count, and when they stop.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    connections: AtomicUsize,
    published: AtomicUsize,
    checked: AtomicUsize,
}

impl Tally {
    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Runs a plan.
///
/// # Panics
/// When a message is lost or out of order, or anything takes longer than a minute.
pub fn run(plan: &Plan) -> Report {
    let mut usage = vec![Usage::now()];
    let tally = Tally::default();
    {
        let broker = broker(plan.shards);
        let server = format!("mqtt://{}", broker.addresses()[0]);
        let runtime = Runtime::new().expect("a loop for clients");
        thread::scope(|scope| {
            // Whoever panics must not leave the others at it for ever.
            let _over = Over(&tally.over);
            scope.spawn(|| guarded(&tally, || stay(&broker, &runtime, &server, &tally)));
            scope.spawn(|| guarded(&tally, || host(&broker, &tally)));
            for number in 0..plan.churners {
                let (broker, runtime, server, tally) = (&broker, &runtime, &server, &tally);
                scope.spawn(move || {
                    guarded(tally, || churn::churn(number, broker, runtime, server, tally));
                });
            }
            let begun = Instant::now();
            for sample in 1..=SAMPLES {
                let due = begun + plan.span * sample / SAMPLES;
                while !tally.over() && Instant::now() < due {
                    thread::park_timeout(Duration::from_millis(100));
                }
                usage.push(Usage::of(&broker));
            }
        });
        broker.stop(SOON);
    }
    usage.push(Usage::settled(&usage[0]));
    Report {
        connections: tally.connections.into_inner(),
        published: tally.published.into_inner(),
        checked: tally.checked.into_inner(),
        usage,
    }
}

/// Ends it for all when it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does this; if it panics, it is over for all.
fn guarded(tally: &Tally, work: impl FnOnce()) {
    let over = Over(&tally.over);
    work();
    std::mem::forget(over);
}

fn broker(shards: u16) -> Broker {
    let hooks: HooksFactory = Arc::new(|answers| Box::new(churn::SlowDoor::new(answers)));
    let mut options = BrokerOptions {
        shards: Some(shards),
        hooks: Some(hooks),
        ..BrokerOptions::listening_on(&[([127, 0, 0, 1], 0).into()])
    };
    options.config.retained_max = 1_000;
    options.config.session_expiry_max_s = 2;
    options.config.session_expiry_v3_s = 2;
    // Those who come and go leave much behind; what is kept of it is what can grow.
    options.config.queue_messages_max = 200;
    Broker::start(options).expect("a broker on loopback")
}

fn client(runtime: &Runtime, server: &str, id: &str) -> Client {
    let config = ClientConfig {
        reconnect: Reconnect { enabled: false, ..Reconnect::default() },
        ..ClientConfig::new(server, id)
    };
    Client::new(runtime, ClientOptions::from(config)).expect("a client")
}

fn subscribe(client: &Client, filter: &str, qos: QoS) {
    let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
    client.subscribe(&[Subscription { filter, options }], SOON).expect("a subscription");
}

/// Two clients, one of them within the process, talk both ways: every message comes, in order.
fn stay(broker: &Broker, runtime: &Runtime, server: &str, tally: &Tally) {
    let out = client(runtime, server, "stay/out");
    let within = broker.client(ClientConfig::new("", "stay/in").into()).expect("a client");
    for (client, filter) in [(&out, "stay/there/#"), (&within, "stay/here/#")] {
        client.connect(SOON).expect("a connection");
        subscribe(client, filter, QoS::ExactlyOnce);
    }
    let mut number = 0_u64;
    while !tally.over() {
        for (from, to, topic) in [(&out, &within, "stay/here/t"), (&within, &out, "stay/there/t")] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let payload = number.to_be_bytes();
                let message = Message::new(topic, &payload).expect("a topic").with_qos(qos);
                from.publish_wait(&message.view(), SOON).expect("an acknowledgement");
                expect(to, &payload);
                number += 1;
            }
        }
        tally.checked.store(number as usize, Ordering::Relaxed);
    }
    out.close(SOON);
    within.close(SOON);
}

fn expect(client: &Client, payload: &[u8]) {
    loop {
        match client.next_event(SOON).expect("a connection that stands") {
            Some(Event::Message(received)) => {
                return assert_eq!(received.message.payload(), payload, "the next message");
            }
            Some(Event::Disconnected(why)) => panic!("{why:?}"),
            Some(_) => {}
            None => panic!("a message is lost"),
        }
    }
}

/// The program that has the broker publishes, retains and looks.
fn host(broker: &Broker, tally: &Tally) {
    let mut number = 0_usize;
    while !tally.over() {
        let topic = format!("host/{}", number % 100);
        let message = Message::new(&topic, &vec![b'h'; number % 500]).expect("a topic");
        // Busy is an answer too.
        let _ = broker.publish(&message.with_retain(number.is_multiple_of(3)));
        let _ = broker.stats();
        number += 1;
        thread::park_timeout(Duration::from_micros(500));
    }
}
