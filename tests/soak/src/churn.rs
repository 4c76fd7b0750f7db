//! Clients that come and go.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use libmqtt_runtime::engine::client::{CleanStart, Reconnect, Will};
use libmqtt_runtime::{
    Answers, Authenticate, Broker, Client, ClientConfig, ClientOptions, Hooks, Message, QoS,
    Runtime, Subscription, SubscriptionOptions, Ticket, Verdict, Version,
};

use crate::Tally;

/// Client Identifiers that are used again and again.
const IDS: u64 = 40;
const SHORT: Duration = Duration::from_millis(50);

/// Hooks that let everybody in, some of them after a while and from another thread.
pub(crate) struct SlowDoor {
    asked: u64,
    later: Sender<Ticket>,
}

impl SlowDoor {
    pub(crate) fn new(answers: Answers) -> SlowDoor {
        let (later, tickets) = channel();
        // It ends with the hooks, which hold the other end.
        thread::spawn(move || tickets.iter().for_each(|it| answers.answer(it, Verdict::Allow)));
        SlowDoor { asked: 0, later }
    }
}

impl Hooks for SlowDoor {
    fn authenticate(&mut self, ticket: Ticket, _: &Authenticate<'_>) -> Verdict {
        self.asked += 1;
        if self.asked.is_multiple_of(4) && self.later.send(ticket).is_ok() {
            return Verdict::Later;
        }
        Verdict::Allow
    }
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// One client after the other: connects (perhaps takes a session over), does something, and
/// leaves in one way or another.
pub(crate) fn churn(
    number: usize,
    broker: &Broker,
    runtime: &Runtime,
    server: &str,
    tally: &Tally,
) {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1));
    while !tally.over() {
        let options = options(&mut dice, server);
        let within = dice.roll(4) == 0;
        let made =
            if within { broker.client(options).ok() } else { Client::new(runtime, options).ok() };
        let client = made.expect("a client");
        // Another thread may take the session over at any moment: then this fails, as it should.
        if client.connect(Duration::from_secs(60)).is_ok() {
            tally.connections.fetch_add(1, Ordering::Relaxed);
            visit(&mut dice, &client, tally);
        }
        match dice.roll(3) {
            0 => client.close(SHORT),
            1 => client.close(Duration::ZERO),
            _ => drop(client),
        }
    }
}

fn options(dice: &mut Dice, server: &str) -> ClientOptions {
    let mut config = ClientConfig {
        version: [Version::V31, Version::V311, Version::V5][dice.roll(3) as usize],
        session_expiry_s: [0, 1, 2][dice.roll(3) as usize],
        clean_start: [CleanStart::Always, CleanStart::Never][dice.roll(2) as usize],
        accept_unknown_session: true,
        reconnect: Reconnect { enabled: false, ..Reconnect::default() },
        ..ClientConfig::new(server, &format!("churn-{}", dice.roll(IDS)))
    };
    if dice.roll(3) == 0 {
        let message = Message::new("churn/will", b"gone").expect("a topic");
        config.will = Some(Will { message, delay_s: 0 });
    }
    ClientOptions::from(config)
}

fn visit(dice: &mut Dice, client: &Client, tally: &Tally) {
    const FILTERS: [&str; 6] =
        ["churn/#", "churn/+/x", "host/#", "#", "$share/g/churn/#", "churn/will"];
    let filter = FILTERS[dice.roll(6) as usize];
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let options =
        SubscriptionOptions { qos: qos[dice.roll(3) as usize], ..SubscriptionOptions::default() };
    let _ = client.subscribe_start(&[Subscription { filter, options }], Default::default());
    for _ in 0..dice.roll(20) {
        let topic = format!("churn/{}/x", dice.roll(50));
        let payload = vec![b'c'; dice.roll(2000) as usize];
        let message = Message::new(&topic, &payload).expect("a topic");
        let message = message.with_qos(qos[dice.roll(3) as usize]).with_retain(dice.roll(5) == 0);
        if client.send(&message.view()).is_ok() {
            tally.published.fetch_add(1, Ordering::Relaxed);
        }
    }
    for _ in 0..dice.roll(20) {
        if !matches!(client.next_event(SHORT), Ok(Some(_))) {
            break;
        }
    }
}
