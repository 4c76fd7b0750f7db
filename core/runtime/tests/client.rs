//! Clients on a runtime's loop, with a broker of our own on the other side.

mod common;

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{SOON, broker, options};
use libmqtt_runtime::engine::client::{Cause, ConnectError, Disconnect};
use libmqtt_runtime::{
    Broker, BrokerOptions, Client, ClientConfig, ClientError, ClientOptions, Event, Listener,
    Message, NetworkError, Outcome, Properties, QoS, Reason, Runtime, Status, Subscription,
    SubscriptionOptions, Version,
};

fn config(broker: &Broker, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new(&broker.addresses()[0].to_string(), client_id);
    config.reconnect.base = Duration::from_millis(10);
    config.reconnect.cap = Duration::from_millis(50);
    config
}

fn connected(runtime: &Runtime, config: ClientConfig) -> Client {
    let client = Client::new(runtime, config.into()).unwrap();
    client.connect(SOON).unwrap();
    client
}

fn subscription(filter: &str, qos: QoS) -> Subscription<'_> {
    Subscription { filter, options: SubscriptionOptions { qos, ..Default::default() } }
}

fn message(topic: &str, payload: &[u8], qos: QoS) -> Message {
    Message::new(topic, payload).unwrap().with_qos(qos)
}

/// Waits for the next message.
fn received(client: &Client) -> Message {
    loop {
        match client.next_event(SOON).unwrap().expect("a message in time") {
            Event::Message(received) => return received.message,
            Event::Done(..) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn messages_go_out_and_come_back_at_every_qos_in_every_version() {
    let broker = broker(2);
    let runtime = Runtime::new().unwrap();
    for version in [Version::V31, Version::V311, Version::V5] {
        let config = ClientConfig { version, ..config(&broker, "me") };
        let client = connected(&runtime, config);
        assert!(client.is_connected());
        let answers = client.subscribe(&[subscription("a/#", QoS::ExactlyOnce)], SOON).unwrap();
        assert_eq!(answers.reasons, [Reason::GrantedQoS2]);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let sent = message("a/b", &[qos as u8], qos);
            assert_eq!(client.publish_wait(&sent.view(), SOON).unwrap(), Reason::Success);
            assert_eq!(received(&client).view().payload, [qos as u8]);
        }
        assert_eq!(client.unsubscribe(&["a/#"], SOON).unwrap().reasons, [Reason::Success]);
        client.close(SOON);
        let last = client.next_event(SOON).unwrap();
        assert!(
            matches!(last, Some(Event::Disconnected(ended)) if ended.cause == Cause::Requested)
        );
        assert!(matches!(client.next_event(SOON), Err(ClientError::Closed)));
    }
}

#[test]
fn many_threads_publish_through_one_client_and_nothing_is_lost() {
    const EACH: usize = 5_000;
    let broker = broker(2);
    let runtime = Runtime::new().unwrap();
    let receiver = connected(&runtime, config(&broker, "receiver"));
    receiver.subscribe(&[subscription("t/+", QoS::AtLeastOnce)], SOON).unwrap();
    let sender = connected(&runtime, config(&broker, "sender"));
    thread::scope(|scope| {
        for number in 0..4 {
            let sender = sender.clone();
            scope.spawn(move || {
                for i in 0..EACH as u32 {
                    let qos = if i % 2 == 0 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                    let message = message(&format!("t/{number}"), &i.to_be_bytes(), qos);
                    sender.send(&message.view()).unwrap();
                }
            });
        }
        let mut next = [[0u32, 1u32]; 4];
        for _ in 0..4 * EACH {
            let message = received(&receiver);
            let number: usize = message.topic()[2..].parse().unwrap();
            let i = u32::from_be_bytes(message.payload().try_into().unwrap());
            // In order among messages of one QoS.
            let expected = &mut next[number][(i % 2) as usize];
            assert_eq!(i, *expected);
            *expected += 2;
        }
    });
}

#[test]
fn a_callback_gets_everything_and_may_do_everything() {
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let client = Client::new(&runtime, config(&broker, "me").into()).unwrap();
    let (tell, told) = channel();
    let inner = client.clone();
    client.on_event(Box::new(move |event| match event {
        Event::Connected(_) => {
            inner
                .subscribe_start(&[subscription("x", QoS::AtLeastOnce)], Properties::EMPTY)
                .unwrap();
            let sent = message("x", b"from inside", QoS::AtLeastOnce);
            inner.publish(&sent.view()).unwrap();
            // What would wait for this very thread says so.
            let wait = inner.publish_wait(&sent.view(), SOON);
            assert!(matches!(wait, Err(ClientError::WouldDeadlock)));
            assert!(matches!(inner.connect(SOON), Err(ClientError::WouldDeadlock)));
            assert!(matches!(inner.next_event(SOON), Err(ClientError::WouldDeadlock)));
        }
        Event::Message(received) => {
            tell.send(received.message.payload().to_vec()).unwrap();
            inner.close(SOON);
        }
        _ => {}
    }));
    client.start().unwrap();
    assert_eq!(told.recv_timeout(SOON).unwrap(), b"from inside");
    client.close(SOON);
    assert!(matches!(
        client.publish(&message("x", b"", QoS::AtMostOnce).view()),
        Err(ClientError::Closed)
    ));
    // The callback and its handle on the client go with the end of the client.
    assert_eq!(told.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn events_are_announced_once_and_taken_in_batches() {
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let client = connected(&runtime, config(&broker, "me"));
    client.subscribe(&[subscription("x", QoS::AtMostOnce)], SOON).unwrap();
    let (tell, told) = channel();
    client.on_ready(move || tell.send(()).unwrap());
    for round in 0..3u8 {
        for i in 0..100u8 {
            client.send(&message("x", &[round, i], QoS::AtMostOnce).view()).unwrap();
        }
        let mut events = Vec::new();
        while events.len() < 100 {
            told.recv_timeout(SOON).unwrap();
            while client.drain_events(&mut events, 7) > 0 {}
        }
        for (i, event) in events.iter().enumerate() {
            let Event::Message(received) = event else { panic!("{event:?}") };
            assert_eq!(received.message.payload(), [round, i as u8]);
        }
    }
}

#[test]
fn a_program_that_takes_no_events_is_held_up_and_loses_nothing() {
    let broker = broker(2);
    let runtime = Runtime::new().unwrap();
    let mut lazy = ClientOptions::from(config(&broker, "lazy"));
    lazy.events_max = 100;
    lazy.config.inbox_messages_max = 50;
    let lazy = Client::new(&runtime, lazy).unwrap();
    lazy.connect(SOON).unwrap();
    lazy.subscribe(&[subscription("x", QoS::AtLeastOnce)], SOON).unwrap();
    let sender = connected(&runtime, config(&broker, "sender"));
    for i in 0..5_000u32 {
        let sent = message("x", &[&i.to_be_bytes()[..], &[0; 1000]].concat(), QoS::AtLeastOnce);
        sender.send(&sent.view()).unwrap();
    }
    sender.publish_wait(&message("y", b"", QoS::AtLeastOnce).view(), SOON).unwrap();
    for i in 0..5_000u32 {
        assert_eq!(received(&lazy).payload()[..4], i.to_be_bytes());
    }
}

#[test]
fn a_lost_connection_is_made_again_and_the_session_goes_on() {
    let runtime = Runtime::new().unwrap();
    let first = broker(2);
    let address = common::address(&first);
    let mut config = config(&first, "steady");
    config.session_expiry_s = 3600;
    let client = connected(&runtime, config);
    client.subscribe(&[subscription("x", QoS::AtLeastOnce)], SOON).unwrap();
    // A broker that forgets the session: it is subscribed to again.
    first.stop(SOON);
    drop(first);
    let sent = message("x", b"meanwhile", QoS::AtLeastOnce);
    let token = client.publish(&sent.view()).unwrap();
    let second =
        Broker::start(BrokerOptions { listeners: vec![Listener::new(address)], ..options(2) })
            .unwrap();
    let (mut lost, mut back, mut done, mut got) = (0, 0, false, false);
    while !(done && got) {
        match client.next_event(SOON).unwrap().expect("an event in time") {
            Event::Disconnected(_) => lost += 1,
            Event::Connected(_) => back += 1,
            Event::Done(which, Outcome::Acknowledged(_)) if which == token => done = true,
            Event::Message(received) => got = received.message.payload() == b"meanwhile",
            other => panic!("{other:?}"),
        }
    }
    assert!(lost >= 1 && back == 1);
    drop(second);
}

#[test]
fn servers_are_tried_in_turn() {
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = config(&broker, "me");
    config.servers.insert(0, format!("mqtt://{closed}").into());
    config.reconnect.first = true;
    assert!(connected(&runtime, config).is_connected());
}

#[test]
fn failures_to_connect_say_why() {
    let runtime = Runtime::new().unwrap();
    let attempt = |server: &str| {
        Client::new(&runtime, ClientConfig::new(server, "me").into()).and_then(|c| c.connect(SOON))
    };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = attempt(&closed.to_string()).unwrap_err();
    assert!(matches!(refused, ClientError::Unreachable(_, NetworkError::Dial(_))), "{refused:?}");
    assert_eq!(refused.status(), Status::ConnectionRefused);
    let unknown = attempt("no such name\0").unwrap_err();
    assert!(matches!(unknown, ClientError::Server(..)), "{unknown:?}");
    let unknown = attempt("name.invalid").unwrap_err();
    assert_eq!(unknown.status(), Status::ResolveFailed, "{unknown:?}");
    assert!(matches!(attempt("http://h").unwrap_err(), ClientError::Server(..)));

    // Somebody who accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = ClientConfig::new(&silent.local_addr().unwrap().to_string(), "me");
    config.connect_timeout = Duration::from_millis(100);
    let client = Client::new(&runtime, config.into()).unwrap();
    let late = client.connect(SOON).unwrap_err();
    assert!(matches!(late, ClientError::NotConnected(Cause::ConnectTimeout)), "{late:?}");
    // The caller's own deadline, while attempts go on.
    let mut config = ClientConfig::new(&silent.local_addr().unwrap().to_string(), "me");
    config.reconnect.first = true;
    let client = Client::new(&runtime, config.into()).unwrap();
    let wait = client.connect(Duration::from_millis(50));
    assert!(matches!(wait, Err(ClientError::TimedOut)));
    assert!(matches!(client.start(), Err(ClientError::Connect(ConnectError::Busy))));
}

#[test]
fn closing_is_legal_in_every_state_and_quick() {
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let to_silent = ClientConfig::new(&silent.local_addr().unwrap().to_string(), "me");
    let started = Instant::now();
    // Never connected.
    Client::new(&runtime, to_silent.clone().into()).unwrap().close(SOON);
    // Waiting for CONNACK; another thread waits in connect.
    let client = Client::new(&runtime, to_silent.clone().into()).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.connect(SOON));
        let accepted = silent.accept().unwrap();
        client.close(Duration::ZERO);
        assert!(waiting.join().unwrap().is_err());
        drop(accepted);
    });
    // Connected, dropped without a word: says DISCONNECT, so there is no will.
    drop(connected(&runtime, config(&broker, "brief")));
    // Waiting for a retry.
    let mut config = ClientConfig::new("127.0.0.1:1", "me");
    config.reconnect.first = true;
    let client = Client::new(&runtime, config.into()).unwrap();
    client.start().unwrap();
    client.close(SOON);
    client.close(SOON);
    assert!(started.elapsed() < SOON / 2);
}

#[test]
fn closing_sends_what_waits() {
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let receiver = connected(&runtime, config(&broker, "receiver"));
    receiver.subscribe(&[subscription("x", QoS::AtLeastOnce)], SOON).unwrap();
    let sender = connected(&runtime, config(&broker, "sender"));
    for i in 0..1000u32 {
        sender.send(&message("x", &i.to_be_bytes(), QoS::AtLeastOnce).view()).unwrap();
    }
    sender.close(SOON);
    for i in 0..1000u32 {
        assert_eq!(received(&receiver).payload(), i.to_be_bytes());
    }
}

#[test]
fn clients_come_and_go_by_the_hundred_and_leave_nothing() {
    let broker = broker(2);
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..10 {
        let runtime = Runtime::new().unwrap();
        let clients: Vec<Client> =
            (0..20).map(|i| connected(&runtime, config(&broker, &format!("c{i}")))).collect();
        drop(clients);
    }
    // Other tests of this program come and go as well, so only a heap of them would show.
    assert!(threads() < 200 && files() < 400, "{} {}", threads(), files());
    let until = Instant::now() + SOON;
    while broker.stats().connections > 0 {
        assert!(Instant::now() < until);
        thread::yield_now();
    }
}

#[test]
fn a_client_is_closed_by_any_thread_while_others_publish() {
    let broker = broker(2);
    let runtime = Runtime::new().unwrap();
    for round in 0..20 {
        let client = connected(&runtime, config(&broker, "busy"));
        let sent = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let message = message("x", b"payload", QoS::AtLeastOnce);
                    loop {
                        match client.publish(&message.view()) {
                            Ok(_) => sent.fetch_add(1, Ordering::Relaxed),
                            Err(ClientError::Publish(_)) => continue,
                            Err(ClientError::Closed) => break,
                            Err(other) => panic!("{other}"),
                        };
                    }
                });
            }
            while sent.load(Ordering::Relaxed) < 100 {
                thread::yield_now();
            }
            if round % 2 == 0 {
                client.disconnect(Disconnect::default()).unwrap();
            }
            client.close(Duration::ZERO);
        });
        // Every token has its outcome.
        let mut ended = 0;
        while let Ok(Some(event)) = client.next_event(SOON) {
            ended += usize::from(matches!(event, Event::Done(..)));
        }
        assert_eq!(ended, sent.load(Ordering::Relaxed));
    }
}

#[test]
fn half_a_server_does_not_stop_the_loop() {
    // One client's server never reads; the others on the same loop are served.
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap().to_string();
    let kept: Arc<Mutex<Option<TcpStream>>> = Arc::default();
    let keep = kept.clone();
    let accepting = thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = deaf.accept().unwrap();
        let mut byte = [0; 14];
        stream.read_exact(&mut byte).unwrap();
        stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
        *keep.lock().unwrap() = Some(stream);
    });
    let stuck = connected(&runtime, ClientConfig::new(&address, "s"));
    accepting.join().unwrap();
    let big = message("x", &vec![0; 1_000_000], QoS::AtMostOnce);
    for _ in 0..20 {
        stuck.send(&big.view()).unwrap();
    }
    let client = connected(&runtime, config(&broker, "me"));
    client.publish_wait(&message("x", b"", QoS::AtLeastOnce).view(), SOON).unwrap();
    let started = Instant::now();
    stuck.close(Duration::from_millis(100));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn outcomes_that_nobody_takes_are_bounded() {
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let mut bounded = ClientOptions::from(config(&broker, "me"));
    bounded.events_max = 10;
    let client = Client::new(&runtime, bounded).unwrap();
    client.connect(SOON).unwrap();
    let sent = message("x", b"", QoS::AtLeastOnce);
    // What is waited for comes as a result, and does not count.
    for _ in 0..20 {
        client.publish_wait(&sent.view(), SOON).unwrap();
    }
    let mut tokens = 0;
    let until = Instant::now() + SOON;
    let refused = loop {
        assert!(Instant::now() < until, "never refused");
        match client.publish(&sent.view()) {
            Ok(_) => tokens += 1,
            Err(error) => break error,
        }
        client.publish_wait(&sent.view(), SOON).unwrap();
    };
    assert_eq!(refused.status(), Status::QueueFull);
    assert_eq!(tokens, 10);
    // Without a token it goes on; taking the outcomes makes room.
    client.send(&sent.view()).unwrap();
    assert_eq!(client.drain_events(&mut Vec::new(), 100), 10);
    client.publish(&sent.view()).unwrap();
}

#[test]
fn a_program_may_stop_reading_for_a_while() {
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let client = connected(&runtime, config(&broker, "me"));
    client.subscribe(&[subscription("x", QoS::AtLeastOnce)], SOON).unwrap();
    client.set_reading(false);
    let sender = connected(&runtime, config(&broker, "sender"));
    let sent = message("x", b"later", QoS::AtLeastOnce);
    for _ in 0..5 {
        sender.publish_wait(&sent.view(), SOON).unwrap();
    }
    assert_eq!(client.next_event(Duration::from_millis(50)).unwrap(), None);
    client.set_reading(true);
    for _ in 0..5 {
        assert_eq!(received(&client).payload(), b"later");
    }
}

/// What the server's acknowledgements say beyond their Reason Codes reaches the program.
#[test]
fn a_program_is_told_why_its_message_or_filter_is_refused() {
    let broker = broker(1);
    let runtime = Runtime::new().unwrap();
    let client = connected(&runtime, config(&broker, "c"));
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let refused = client.publish_wait(&message("$mine", b"x", qos).view(), SOON).unwrap_err();
        // Where a face has no room for properties, the error's text has it.
        assert!(refused.to_string().ends_with("(topics that begin with $ are the broker's own)"));
        let ClientError::Failed(Outcome::Refused(answer)) = refused else { panic!("{refused}") };
        assert_eq!(answer.reason, Reason::NotAuthorized);
        let said = answer.properties.view().reason_string();
        assert_eq!(said, Some("topics that begin with $ are the broker's own"));
    }
    let deep = "a/".repeat(300);
    let answers = client.subscribe(&[subscription(&deep, QoS::AtMostOnce)], SOON).unwrap();
    assert_eq!(answers.reasons, [Reason::TopicFilterInvalid]);
    assert_eq!(answers.properties.view().reason_string(), Some("it has too many levels"));
}
