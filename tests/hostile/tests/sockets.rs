//! A broker of two shards under attack from all sides, while two good clients talk. One test: its
//! program's memory is that of the broker and of its own few buffers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libmqtt_hostile::{
    Input, Peer, bytes, connect_bytes, mutations, truncations, verdict, wrong_senders,
};
use libmqtt_runtime::codec::{
    Ack, AckKind, Connect, Packet, PacketId, Properties, PropertiesBuf, Property, Publish, Reason,
    Subscribe, Subscription, SubscriptionOptions, SubscriptionsBuf, Version, Will,
};
use libmqtt_runtime::{Broker, BrokerOptions, QoS};

/// Retained messages and subscriptions that the broker allows.
const RETAINED: usize = 1000;
const SUBSCRIPTIONS: usize = 500;
/// What the program may have grown by after a second round of everything: allocators keep some,
/// and what came between them moves.
const GROWTH_MAX: usize = 8 * 1024 * 1024;

/// How much was tried, by kind, over all rounds.
#[derive(Default)]
struct Tried {
    /// Inputs whose answers were checked one by one.
    inputs: BTreeMap<&'static str, usize>,
    /// Packets and connections of floods.
    flooded: BTreeMap<&'static str, usize>,
}

#[test]
fn a_broker_stands_hostile_peers() {
    let broker = start();
    let address = broker.addresses()[0].ip().unwrap();
    let over = AtomicBool::new(false);
    let mut tried = Tried::default();
    let (round_trips, growth) = thread::scope(|scope| {
        let good = scope.spawn(|| good_clients(address, &over));
        // Whatever panics here must not leave the good clients waiting for the end.
        let attacks = scope.spawn(|| {
            all_attacks(&broker, address, &mut tried);
            let before = resident();
            all_attacks(&broker, address, &mut tried);
            resident().saturating_sub(before)
        });
        let attacks = attacks.join();
        over.store(true, Ordering::Relaxed);
        (good.join().unwrap(), attacks.unwrap())
    });
    let sum = |kinds: &BTreeMap<_, usize>| kinds.values().sum::<usize>();
    let (inputs, flooded) = (sum(&tried.inputs), sum(&tried.flooded));
    for (kind, count) in tried.inputs.iter().chain(&tried.flooded) {
        println!("{count:>10}  {kind}");
    }
    println!("{inputs:>10}  inputs with a verdict each, none wrong");
    println!("{flooded:>10}  packets and connections of floods, no crash");
    println!("{round_trips:>10}  good round trips meanwhile");
    println!("{:>10}  KiB more in use after the second round", growth / 1024);
    assert!(inputs > 25_000 && flooded > 500_000 && round_trips > 100);
    assert!(growth < GROWTH_MAX, "{growth} bytes more");
    assert!(broker.is_running());
}

fn start() -> Broker {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut options = BrokerOptions { shards: Some(2), ..BrokerOptions::listening_on(&[any]) };
    options.config.retained_max = RETAINED;
    options.config.subscriptions_max = SUBSCRIPTIONS;
    options.config.session_expiry_max_s = 1;
    options.config.session_expiry_v3_s = 1;
    Broker::start(options).unwrap()
}

/// Two clients talk until it is over; then one comes back and finds its session as it was.
fn good_clients(address: SocketAddr, over: &AtomicBool) -> usize {
    let mut publisher = Peer::connect(address, Version::V311, "good/publisher");
    let mut subscriber = Peer::open(address, Version::V5);
    assert!(!resume(&mut subscriber));
    subscriber.write(&subscribe(Version::V5, 1, &["good/#"], QoS::AtLeastOnce));
    subscriber.next(|packet| assert!(matches!(packet, Packet::SubAck(ack) if ack.codes == [1])));
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        round_trip(&mut publisher, &mut subscriber, count);
        count += 1;
    }
    let mut again = Peer::open(address, Version::V5);
    assert!(resume(&mut again), "its session is there");
    round_trip(&mut publisher, &mut again, count);
    count
}

/// Connects the good subscriber; whether it had a session.
fn resume(subscriber: &mut Peer) -> bool {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::SessionExpiryInterval(1)).unwrap();
    subscriber.send(&Packet::Connect(Connect {
        version: Version::V5,
        clean_start: false,
        keep_alive_s: 0,
        properties: properties.view(),
        client_id: "good/subscriber",
        will: None,
        user_name: None,
        password: None,
    }));
    subscriber.next(|packet| match packet {
        Packet::ConnAck(ack) if ack.reason == Reason::Success => ack.session_present,
        other => panic!("{other:?}"),
    })
}

/// A message goes from one to the other, and is acknowledged on both ways.
fn round_trip(publisher: &mut Peer, subscriber: &mut Peer, number: usize) {
    let payload = number.to_be_bytes();
    publisher.write(&publish(Version::V311, "good/t", &payload, QoS::AtLeastOnce, 1));
    publisher.next(|packet| expect_ack(packet, AckKind::PubAck));
    let id = subscriber.next(|packet| match packet {
        Packet::Publish(publish) => {
            assert_eq!((publish.topic, publish.payload), ("good/t", &payload[..]));
            publish.packet_id.unwrap()
        }
        other => panic!("{other:?}"),
    });
    subscriber.send(&Packet::Ack(Ack::new(AckKind::PubAck, id)));
}

fn expect_ack(packet: &Packet<'_>, kind: AckKind) {
    assert!(matches!(packet, Packet::Ack(ack) if ack.kind == kind), "{packet:?}");
}

/// Does it all; how many packets or connections that were.
type Flood = fn(SocketAddr) -> usize;

fn all_attacks(broker: &Broker, address: SocketAddr, tried: &mut Tried) {
    for (kind, inputs) in [
        ("packets cut short", truncations()),
        ("packets of a server", wrong_senders()),
        ("packets with a byte changed", mutations()),
        ("lengths that are wrong", wrong_lengths()),
    ] {
        in_parallel(&inputs, |input| verdict(address, input));
        *tried.inputs.entry(kind).or_default() += inputs.len();
    }
    let floods: [(&str, Flood); 10] = [
        ("bytes of a slow drip", drip),
        ("pings that nobody reads the answers of", pings),
        ("SUBSCRIBEs of 100 filters", subscriptions),
        ("topics and filters of 65,535 bytes or 30,000 levels", long_topics),
        ("retained messages", retained),
        ("wills of clients that subscribe to them", wills),
        ("topic aliases", aliases),
        ("QoS 2 messages never released", packet_ids),
        ("takeovers", takeovers),
        ("silent and half connected", silent_and_half_connected),
    ];
    for (kind, flood) in floods {
        *tried.flooded.entry(kind).or_default() += flood(address);
    }
    let stats = broker.stats();
    assert!(stats.retained as usize <= RETAINED, "{stats:?}");
    until(broker, |stats| {
        stats.connections == 2 && stats.sessions == 2 && stats.queued_messages == 0
    });
    assert_eq!(broker.stats().subscriptions, 1);
}

/// Does it for all inputs, some at a time.
fn in_parallel(inputs: &[Input], each: impl Fn(&Input) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(input) = inputs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(input);
                }
            });
        }
    });
}

/// Waits until the broker's counters are so.
fn until(broker: &Broker, wanted: impl Fn(&libmqtt_runtime::Stats) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !wanted(&broker.stats()) {
        assert!(Instant::now() < deadline, "{:?}", broker.stats());
        thread::yield_now();
    }
}

fn subscribe(version: Version, packet_id: u16, filters: &[&str], qos: QoS) -> Vec<u8> {
    let mut wanted = SubscriptionsBuf::new();
    for &filter in filters {
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        wanted.push(Subscription { filter, options }).unwrap();
    }
    bytes(
        version,
        &Packet::Subscribe(Subscribe {
            packet_id: PacketId::new(packet_id).unwrap(),
            properties: Properties::EMPTY,
            subscriptions: wanted.view(),
        }),
    )
}

fn publish(version: Version, topic: &str, payload: &[u8], qos: QoS, packet_id: u16) -> Vec<u8> {
    bytes(version, &Packet::Publish(message(topic, payload, qos, packet_id)))
}

fn message<'a>(topic: &'a str, payload: &'a [u8], qos: QoS, packet_id: u16) -> Publish<'a> {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: PacketId::new(packet_id).filter(|_| qos > QoS::AtMostOnce),
        properties: Properties::EMPTY,
        payload,
    }
}

/// Lengths that are too large, too long, or not the shortest.
fn wrong_lengths() -> Vec<Input> {
    let mut inputs = Vec::new();
    for version in [Version::V31, Version::V311, Version::V5] {
        for kind in 0..=15_u8 {
            for length in [
                &[0xFF, 0xFF, 0xFF, 0x7F][..],
                &[0xFF, 0xFF, 0xFF, 0xFF, 0x01],
                &[0x80, 0x80, 0x80, 0x80, 0x00],
                &[0x80, 0x00],
                &[0x81, 0x80, 0x80, 0x08],
            ] {
                let bytes =
                    [&[kind << 4 | u8::from(matches!(kind, 6 | 8 | 10)) << 1], length].concat();
                let before = connect_bytes(version, "hostile-length");
                inputs.push(Input { version, before, bytes: bytes.clone() });
                inputs.push(Input { version, before: Vec::new(), bytes });
            }
        }
    }
    inputs
}

/// A whole conversation, byte by byte.
fn drip(address: SocketAddr) -> usize {
    let mut wire = connect_bytes(Version::V5, "drip");
    wire.extend(subscribe(Version::V5, 1, &["drip/#"], QoS::AtMostOnce));
    wire.extend(publish(Version::V5, "drip/t", b"drop", QoS::AtLeastOnce, 2));
    let mut peer = Peer::open(address, Version::V5);
    for byte in &wire {
        peer.write(&[*byte]);
    }
    for wanted in ["ConnAck", "SubAck", "Publish", "Ack"] {
        peer.next(|packet| assert!(format!("{packet:?}").starts_with(wanted), "{packet:?}"));
    }
    drop(peer);
    wire.len()
}

/// More pings than the broker keeps answers for, with nobody reading.
fn pings(address: SocketAddr) -> usize {
    const COUNT: usize = 300_000;
    let mut peer = Peer::connect(address, Version::V311, "pings");
    peer.write(&[0xC0, 0].repeat(COUNT));
    assert!(peer.rest() == [0xD0, 0].repeat(COUNT));
    COUNT
}

/// More subscriptions than are allowed: the rest are refused, one by one.
fn subscriptions(address: SocketAddr) -> usize {
    const PACKETS: usize = 50;
    let mut peer = Peer::connect(address, Version::V5, "subscriber");
    let mut granted = 0;
    for packet in 0..PACKETS {
        let filters: Vec<String> = (0..100).map(|n| format!("+/{packet}/{n}/#")).collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        peer.write(&subscribe(Version::V5, 1, &filters, QoS::AtMostOnce));
        granted += peer.next(|packet| match packet {
            Packet::SubAck(ack) => {
                assert_eq!(ack.codes.len(), 100);
                assert!(
                    ack.codes.iter().all(|&code| code == 0 || code == Reason::QuotaExceeded as u8)
                );
                ack.codes.iter().filter(|&&code| code == 0).count()
            }
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(granted, SUBSCRIPTIONS);
    PACKETS
}

/// Topics and filters of the greatest length, of one level and of 30,000.
fn long_topics(address: SocketAddr) -> usize {
    let one = "x".repeat(65_535);
    let levels = "a/".repeat(30_000);
    let wild = "+/".repeat(30_000);
    let mut peer = Peer::connect(address, Version::V5, "long");
    for _ in 0..10 {
        for (topic, wanted) in
            [(&one, Reason::NoMatchingSubscribers), (&levels, Reason::TopicNameInvalid)]
        {
            peer.write(&publish(Version::V5, topic, b"", QoS::AtLeastOnce, 7));
            peer.next(|packet| {
                assert!(matches!(packet, Packet::Ack(ack) if ack.reason == wanted), "{packet:?}")
            });
        }
        for (filter, wanted) in [(&levels, 0x8F), (&wild, 0x8F)] {
            peer.write(&subscribe(Version::V5, 1, &[filter], QoS::AtMostOnce));
            peer.next(|packet| {
                assert!(
                    matches!(packet, Packet::SubAck(ack) if ack.codes == [wanted]),
                    "{packet:?}"
                )
            });
        }
    }
    40
}

/// More retained messages than are kept; then they are taken away.
fn retained(address: SocketAddr) -> usize {
    const COUNT: usize = 3 * RETAINED;
    let mut peer = Peer::connect(address, Version::V311, "retainer");
    for payload in [&[b'r'; 200][..], b""] {
        for n in 0..COUNT {
            let topic = format!("retained/{n}");
            let publish = Publish { retain: true, ..message(&topic, payload, QoS::AtMostOnce, 0) };
            peer.send(&Packet::Publish(publish));
        }
    }
    peer.write(&[0xC0, 0]);
    peer.next(|packet| assert_eq!(*packet, Packet::PingResp));
    2 * COUNT
}

/// Clients that subscribe to their own wills, and go without a word, again and again.
fn wills(address: SocketAddr) -> usize {
    const COUNT: usize = 500;
    for n in 0..COUNT {
        let connect = Connect {
            version: Version::V311,
            clean_start: false,
            keep_alive_s: 0,
            properties: Properties::EMPTY,
            client_id: if n % 2 == 0 { "even" } else { "odd" },
            will: Some(Will {
                topic: "will",
                payload: b"I will be back",
                qos: QoS::ExactlyOnce,
                retain: n < COUNT - 2,
                properties: Properties::EMPTY,
            }),
            user_name: None,
            password: None,
        };
        let mut peer = Peer::open(address, Version::V311);
        peer.send(&Packet::Connect(connect));
        peer.write(&subscribe(Version::V311, 1, &["will"], QoS::ExactlyOnce));
    }
    COUNT
}

/// Every Topic Alias there is; only some are allowed.
fn aliases(address: SocketAddr) -> usize {
    let last = BrokerOptions::default().config.topic_alias_maximum + 1;
    let mut peer = Peer::connect(address, Version::V5, "aliases");
    for alias in 1..=last {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::TopicAlias(alias)).unwrap();
        let topic = "t".repeat(60_000);
        let publish =
            Publish { properties: properties.view(), ..message(&topic, b"", QoS::AtMostOnce, 0) };
        peer.send(&Packet::Publish(publish));
    }
    peer.next(|packet| match packet {
        Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, Reason::TopicAliasInvalid),
        other => panic!("{other:?}"),
    });
    usize::from(last)
}

/// Messages at QoS 2 that are never released: as many as were announced in 5.0, as many as there
/// are identifiers before.
fn packet_ids(address: SocketAddr) -> usize {
    let allowed = BrokerOptions::default().config.receive_maximum;
    let mut peer = Peer::connect(address, Version::V5, "ids-5");
    for id in 1..=allowed + 1 {
        peer.write(&publish(Version::V5, "t", b"", QoS::ExactlyOnce, id));
    }
    for _ in 0..allowed {
        peer.next(|packet| expect_ack(packet, AckKind::PubRec));
    }
    peer.next(|packet| match packet {
        Packet::Disconnect(it) => assert_eq!(it.reason, Reason::ReceiveMaximumExceeded),
        other => panic!("{other:?}"),
    });
    let mut peer = Peer::connect(address, Version::V311, "ids-3");
    for batch in (1..=u16::MAX).collect::<Vec<_>>().chunks(1000) {
        let all: Vec<u8> = batch
            .iter()
            .flat_map(|&id| publish(Version::V311, "t", b"", QoS::ExactlyOnce, id))
            .collect();
        peer.write(&all);
        for _ in batch {
            peer.next(|packet| expect_ack(packet, AckKind::PubRec));
        }
    }
    usize::from(allowed) + usize::from(u16::MAX)
}

/// Many connections that take one session from each other.
fn takeovers(address: SocketAddr) -> usize {
    const EACH: usize = 200;
    thread::scope(|scope| {
        for version in [Version::V5, Version::V311, Version::V31] {
            scope.spawn(move || {
                let mut held = Vec::new();
                for _ in 0..EACH {
                    let mut peer = Peer::open(address, version);
                    peer.write(&connect_bytes(version, "taken"));
                    peer.write(&subscribe(version, 1, &["taken/#"], QoS::ExactlyOnce));
                    held.push(peer);
                }
                for peer in held {
                    // CONNACK at least, and then perhaps why it ended.
                    assert!(!peer.rest().is_empty());
                }
            });
        }
    });
    3 * EACH
}

/// Connections that say nothing, or half a CONNECT.
fn silent_and_half_connected(address: SocketAddr) -> usize {
    const COUNT: usize = 200;
    let connect = connect_bytes(Version::V5, "half");
    let peers: Vec<Peer> = (0..COUNT)
        .map(|n| {
            let mut peer = Peer::open(address, Version::V5);
            peer.write(&connect[..n % connect.len()]);
            peer
        })
        .collect();
    for peer in peers {
        assert!(peer.rest().is_empty());
    }
    COUNT
}

/// Bytes of memory that this process has; 0 where that cannot be told.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
