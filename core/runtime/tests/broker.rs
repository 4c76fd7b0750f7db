//! A broker with threads and sockets.

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use common::{Bare, SOON, broker, connect_packet, options, publish_packet};
use libmqtt_runtime::codec::Packet;
use libmqtt_runtime::{
    Answers, Authenticate, Broker, BrokerError, BrokerOptions, ClientInfo, Hooks, Log, Message,
    Publish, QoS, Reason, Ticket, Verdict, Version,
};

#[test]
fn messages_pass_between_all_shards_and_versions_in_order() {
    for shards in [1, 4] {
        let broker = broker(shards);
        let versions = [Version::V31, Version::V311, Version::V5];
        let mut receivers: Vec<Bare> = (0..12)
            .map(|i| {
                let mut bare = Bare::connect(&broker, &format!("receiver{i}"), versions[i % 3]);
                bare.subscribe("a/+", QoS::AtMostOnce);
                bare
            })
            .collect();
        let mut sender = Bare::connect(&broker, "sender", Version::V5);
        for i in 0..2000u32 {
            sender.publish("a/b", &i.to_be_bytes());
        }
        for receiver in &mut receivers {
            for i in 0..2000u32 {
                assert_eq!(receiver.message(), ("a/b".into(), i.to_be_bytes().to_vec()));
            }
        }
        assert_eq!(broker.stats().connections, 13);
        assert_eq!(broker.stats().publish_sent, 24_000);
    }
}

#[test]
fn a_slow_reader_gets_everything_and_holds_up_nobody() {
    let broker = broker(2);
    let mut slow = Bare::connect(&broker, "slow", Version::V311);
    slow.subscribe("big", QoS::AtMostOnce);
    let mut quick = Bare::connect(&broker, "quick", Version::V311);
    quick.subscribe("big", QoS::AtMostOnce);
    let mut sender = Bare::connect(&broker, "sender", Version::V311);
    // More than the sockets hold, less than a session's queue.
    let payload = vec![7; 200_000];
    for _ in 0..100 {
        sender.publish("big", &payload);
        assert_eq!(quick.message().1.len(), payload.len());
    }
    for _ in 0..100 {
        assert_eq!(slow.message(), ("big".into(), payload.clone()));
    }
}

#[test]
fn a_client_that_dies_has_its_will_published() {
    let broker = broker(2);
    let mut heir = Bare::connect(&broker, "heir", Version::V5);
    heir.subscribe("will/#", QoS::AtMostOnce);
    Bare::connect_with_will(&broker, "mortal", "will/mortal").kill();
    assert_eq!(heir.message(), ("will/mortal".into(), b"lost".to_vec()));
}

#[test]
fn stopping_tells_a_thousand_clients_within_two_seconds() {
    let broker = broker(2);
    let clients: Vec<Bare> =
        (0..1000).map(|i| Bare::connect(&broker, &format!("c{i}"), Version::V5)).collect();
    let started = Instant::now();
    broker.stop(Duration::from_secs(1));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!broker.is_running());
    for client in clients {
        let last = client.rest();
        assert_eq!(last.len(), 1);
        assert!(last[0].contains("ServerShuttingDown"), "{last:?}");
    }
    assert!(matches!(broker.publish(&Message::new("a", b"").unwrap()), Err(BrokerError::Stopped)));
}

#[test]
fn stopping_sends_what_a_client_still_has_to_get() {
    let broker = broker(2);
    let mut reader = Bare::connect(&broker, "reader", Version::V311);
    reader.subscribe("big", QoS::AtMostOnce);
    let mut witness = Bare::connect(&broker, "witness", Version::V311);
    witness.subscribe("done", QoS::AtMostOnce);
    let mut sender = Bare::connect(&broker, "sender", Version::V311);
    let payload = vec![1; 1_000_000];
    for _ in 0..20 {
        sender.publish("big", &payload);
    }
    sender.publish("done", b"");
    witness.message();
    thread::scope(|scope| {
        scope.spawn(|| broker.stop(SOON));
        for _ in 0..20 {
            assert_eq!(reader.message().1.len(), payload.len());
        }
    });
    assert_eq!(reader.rest(), [""; 0]);
}

#[test]
fn stopping_is_bounded_although_a_client_does_not_read() {
    let broker = broker(2);
    let mut deaf = Bare::connect(&broker, "deaf", Version::V311);
    deaf.subscribe("big", QoS::AtMostOnce);
    let mut witness = Bare::connect(&broker, "witness", Version::V311);
    witness.subscribe("done", QoS::AtMostOnce);
    let mut sender = Bare::connect(&broker, "sender", Version::V311);
    for _ in 0..20 {
        sender.publish("big", &vec![1; 1_000_000]);
    }
    sender.publish("done", b"");
    witness.message();
    let started = Instant::now();
    broker.stop(Duration::from_millis(300));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(2), "{took:?}");
    drop(deaf);
}

#[test]
fn a_refused_client_gets_the_reason_although_it_has_sent_more() {
    let broker = broker(1);
    for _ in 0..50 {
        let mut bare = Bare::open(&broker, Version::V5);
        let mut wire = Vec::new();
        Packet::Connect(connect_packet("c", Version::V5)).encode(Version::V5, &mut wire).unwrap();
        let first = wire.clone();
        wire.extend_from_slice(&first); // A second CONNECT is a Protocol Error.
        wire.extend_from_slice(&[0xC0, 0].repeat(1000));
        bare.stream.write_all(&wire).unwrap();
        let said = bare.rest();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].contains("ProtocolError"), "{said:?}");
    }
}

#[test]
fn many_brokers_live_in_one_process_and_ports_are_any() {
    let brokers: Vec<Broker> = (0..5).map(|_| broker(2)).collect();
    for (i, broker) in brokers.iter().enumerate() {
        assert_ne!(broker.port(), Some(0));
        let mut client = Bare::connect(broker, "same", Version::V5);
        client.subscribe("#", QoS::AtMostOnce);
        broker.publish(&Message::new("which", &[i as u8]).unwrap()).unwrap();
        assert_eq!(client.message(), ("which".into(), vec![i as u8]));
    }
}

#[test]
fn several_listeners_serve_ipv4_and_ipv6() {
    let addresses =
        ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"].map(|text| text.parse::<SocketAddr>().unwrap());
    let options = BrokerOptions { shards: Some(2), ..BrokerOptions::listening_on(&addresses) };
    let broker = Broker::start(options).unwrap();
    assert_eq!(broker.addresses().len(), 3);
    for address in broker.addresses() {
        let mut stream = TcpStream::connect(address.ip().unwrap()).unwrap();
        stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01x").unwrap();
        let mut answer = [0; 4];
        std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, 0, 0]);
    }
    // A taken address is an error with that address, and nothing stays open.
    let taken = common::address(&broker);
    match Broker::start(BrokerOptions::listening_on(&[taken])) {
        Err(BrokerError::Listen { address, .. }) => assert_eq!(address, taken.into()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unreasonable_number_of_shards_is_refused() {
    for shards in [0, 129] {
        assert!(
            matches!(Broker::start(options(shards)), Err(BrokerError::Shards(n)) if n == shards)
        );
    }
}

#[test]
fn the_host_ends_a_connection_wherever_its_home_is() {
    let broker = broker(4);
    let clients: Vec<Bare> =
        (0..8).map(|i| Bare::connect(&broker, &format!("c{i}"), Version::V5)).collect();
    for (i, client) in clients.into_iter().enumerate() {
        broker.disconnect(&format!("c{i}"), Reason::AdministrativeAction);
        let said = client.rest();
        assert!(said.len() == 1 && said[0].contains("AdministrativeAction"), "{said:?}");
    }
}

/// Puts every question to the test, and lets it answer.
struct Asking {
    answers: Answers,
    questions: Mutex<Sender<(Answers, Ticket, String)>>,
}

impl Hooks for Asking {
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        let question = (self.answers.clone(), ticket, attempt.client.client_id.to_string());
        self.questions.lock().unwrap().send(question).unwrap();
        Verdict::Later
    }
}

#[test]
fn hooks_answer_later_from_another_thread() {
    let (ask, asked) = channel();
    let broker = Broker::start(BrokerOptions {
        hooks: Some(Arc::new(move |answers| {
            Box::new(Asking { answers, questions: Mutex::new(ask.clone()) })
        })),
        ..options(3)
    })
    .unwrap();
    thread::spawn(move || {
        for (answers, ticket, client_id) in asked {
            let bad = client_id.starts_with("bad");
            let denied = Verdict::Deny(Reason::BadUserNameOrPassword);
            answers.answer(ticket, if bad { denied } else { Verdict::Allow });
        }
    });
    for i in 0..10 {
        Bare::connect(&broker, &format!("good{i}"), Version::V5);
        let mut bare = Bare::open(&broker, Version::V5);
        let client_id = format!("bad{i}");
        bare.send(&Packet::Connect(connect_packet(&client_id, Version::V5)));
        let said = bare.rest();
        assert!(said.len() == 1 && said[0].contains("BadUserNameOrPassword"), "{said:?}");
    }
}

/// Panics at a certain message.
struct Clumsy;

impl Hooks for Clumsy {
    fn published(&mut self, _: Option<&ClientInfo>, publish: &Publish<'_>) {
        assert_ne!(publish.topic, "trip");
    }
}

#[test]
fn a_hook_that_panics_stops_the_broker_and_is_logged() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let broker = Broker::start(BrokerOptions {
        hooks: Some(Arc::new(|_| Box::new(Clumsy))),
        log: Log::to(move |_, line| tell.lock().unwrap().send(line.to_string()).unwrap()),
        ..options(2)
    })
    .unwrap();
    let mut client = Bare::connect(&broker, "c", Version::V311);
    client.publish("trip", b"");
    assert_eq!(client.rest(), [""; 0]);
    assert!(told.recv_timeout(SOON).unwrap().contains("panicked"));
    broker.stop(SOON);
    assert!(!broker.is_running());
}

#[test]
fn acknowledged_messages_survive_neighbours_that_come_and_go() {
    let broker = broker(2);
    let mut steady = Bare::connect(&broker, "steady", Version::V311);
    for i in 0..300 {
        Bare::connect(&broker, &format!("brief{i}"), Version::V311).kill();
        steady.send(&Packet::Publish(publish_packet("t", b"x", QoS::AtLeastOnce)));
        steady.expect(|packet| matches!(packet, Packet::Ack(_)));
    }
}

/// Tells which thread serves each shard, and works for each message.
struct Working {
    shard: usize,
    seen: Arc<Mutex<[Option<ThreadId>; 2]>>,
    micros: Arc<AtomicU64>,
}

impl Hooks for Working {
    fn published(&mut self, _: Option<&ClientInfo>, _: &Publish<'_>) {
        self.seen.lock().unwrap()[self.shard] = Some(thread::current().id());
        pass(Duration::from_micros(self.micros.load(Ordering::Relaxed)));
    }
}

fn pass(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        thread::yield_now();
    }
}

#[test]
fn shards_have_one_thread_while_there_is_little_to_do_and_several_when_there_is_much() {
    let (seen, micros) = (Arc::new(Mutex::new([None; 2])), Arc::new(AtomicU64::new(0)));
    let (their_seen, their_micros) = (seen.clone(), micros.clone());
    let broker = Broker::start(BrokerOptions {
        hooks: Some(Arc::new(move |answers| {
            let (seen, micros) = (their_seen.clone(), their_micros.clone());
            Box::new(Working { shard: usize::from(answers.shard().0), seen, micros })
        })),
        ..options(2)
    })
    .unwrap();
    let mut receiver = Bare::connect(&broker, "receiver", Version::V311);
    receiver.subscribe("#", QoS::AtMostOnce);
    // Each publishes what the receiver gets, until both shards were seen.
    let mut senders = Vec::new();
    let mut number = 0u32;
    let mut publish = |senders: &mut [Bare]| {
        for sender in &mut *senders {
            number += 1;
            sender.publish("x", &number.to_be_bytes());
            assert_eq!(receiver.message().1, number.to_be_bytes());
        }
    };
    while seen.lock().unwrap().iter().any(Option::is_none) {
        senders.push(Bare::connect(&broker, &format!("sender{}", senders.len()), Version::V311));
        publish(&mut senders);
    }
    for work in [0, 3000, 0, 3000] {
        micros.store(work, Ordering::Relaxed);
        let began = Instant::now();
        loop {
            publish(&mut senders);
            let [one, other] = *seen.lock().unwrap();
            if (one != other) == (work > 0) {
                break;
            }
            assert!(began.elapsed() < SOON, "it stays at {:?}", (one, other));
            if work == 0 {
                pass(Duration::from_millis(20));
            }
        }
    }
    // It ends, however its shards are spread.
    broker.stop(SOON);
    assert!(!broker.is_running());
}
