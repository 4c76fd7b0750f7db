use std::time::Duration;

use libmqtt_engine::broker::{BrokerConfig, Overload, QueueFull};
use libmqtt_engine::codec::{
    Ack, AckKind, Connect, Packet, PacketId, PropertiesBuf, Property, QoS, Version,
};

use super::cluster::{Cluster, client};

fn durable(client_id: &str) -> Connect<'_> {
    Connect { clean_start: false, ..client(client_id) }
}

/// Publishes 10 messages to an absent session that takes 4; returns what it finds.
fn kept(queue_full: QueueFull) -> Vec<String> {
    let config = BrokerConfig { queue_messages_max: 4, queue_full, ..BrokerConfig::default() };
    let mut cluster = Cluster::new(1, config);
    let absent = cluster.connect(durable("absent"));
    cluster.subscribe(absent, "t", QoS::AtLeastOnce);
    cluster.cut(absent);
    let publisher = cluster.connect(client("publisher"));
    for n in 0..10 {
        cluster.publish(publisher, "t", &n.to_string(), QoS::AtLeastOnce);
    }
    assert_eq!(cluster.stats().publish_dropped, 6);
    assert_eq!(cluster.stats().queued_messages, 4);
    let back = cluster.connect(durable("absent"));
    let found = cluster.received(back)[1..].to_vec();
    assert_eq!(cluster.stats().queued_bytes, 0);
    found
}

#[test]
fn a_full_queue_keeps_the_oldest_or_the_newest_as_configured() {
    assert_eq!(kept(QueueFull::DropNewest), ["t 0 1", "t 1 1", "t 2 1", "t 3 1"]);
    assert_eq!(kept(QueueFull::DropOldest), ["t 6 1", "t 7 1", "t 8 1", "t 9 1"]);
}

#[test]
fn a_reader_that_stops_fills_its_own_bounds_and_no_more() {
    let config = BrokerConfig { queue_messages_max: 100, ..BrokerConfig::default() };
    let mut cluster = Cluster::new(1, config);
    let slow = cluster.connect(client("slow"));
    cluster.subscribe(slow, "t", QoS::AtMostOnce);
    cluster.block(slow, true);
    let publisher = cluster.connect(client("publisher"));
    let payload = "x".repeat(1000);
    for _ in 0..1000 {
        cluster.publish(publisher, "t", &payload, QoS::AtMostOnce);
    }
    let stats = cluster.stats();
    assert_eq!(stats.queued_messages, 100);
    assert!(stats.publish_dropped > 700, "{stats:?}");
    let taken = 1000 - stats.publish_dropped as usize;
    cluster.block(slow, false);
    let delivered = cluster.received(slow).iter().filter(|text| text.starts_with("t ")).count();
    assert_eq!(delivered, taken);
}

#[test]
fn backpressure_stops_publishers_instead_of_dropping() {
    let config = BrokerConfig {
        backlog_bytes_max: 50_000,
        overload: Overload::Backpressure,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::new(1, config);
    let slow = cluster.connect(client("slow"));
    cluster.subscribe(slow, "t", QoS::AtMostOnce);
    cluster.block(slow, true);
    let publisher = cluster.connect(client("publisher"));
    let payload = "x".repeat(1000);
    let mut sent = 0;
    while !cluster.is_paused(publisher) {
        cluster.publish(publisher, "t", &payload, QoS::AtMostOnce);
        sent += 1;
        assert!(sent < 1000, "never paused");
    }
    // What it had sent before it noticed waits with it.
    cluster.publish(publisher, "t", "late", QoS::AtMostOnce);
    cluster.block(slow, false);
    cluster.advance(Duration::from_millis(10));
    assert!(!cluster.is_paused(publisher));
    let received = cluster.received(slow);
    assert_eq!(received.len(), 2 + sent + 1);
    assert_eq!(received.last().unwrap(), "t late 0");
    assert_eq!(cluster.stats().publish_dropped, 0);
}

#[test]
fn large_payloads_reach_a_slow_and_a_quick_reader_whole() {
    let mut cluster = Cluster::new(2, BrokerConfig::default());
    let readers: Vec<usize> = ["a", "b", "c", "d"].map(|id| cluster.connect(client(id))).to_vec();
    for &each in &readers {
        cluster.subscribe(each, "big", QoS::AtLeastOnce);
    }
    cluster.block(readers[1], true);
    let publisher = cluster.connect(client("publisher"));
    let payload = "0123456789".repeat(100_000);
    cluster.publish(publisher, "big", &payload, QoS::AtLeastOnce);
    cluster.publish(publisher, "big", "small", QoS::AtLeastOnce);
    cluster.block(readers[1], false);
    let wanted = [format!("big {payload} 1"), "big small 1".to_string()];
    for &each in &readers {
        assert!(cluster.received(each)[2..] == wanted);
    }
}

#[test]
fn a_client_that_does_not_read_its_answers_is_not_read_either() {
    let mut cluster = Cluster::new(1, BrokerConfig::default());
    let deaf = cluster.connect(client("deaf"));
    cluster.block(deaf, true);
    let pings = [0xC0, 0x00].repeat(1000);
    let mut sent = 0;
    while !cluster.is_paused(deaf) {
        cluster.send_bytes(deaf, &pings);
        sent += 1000;
        assert!(sent < 1_000_000, "never paused");
    }
    cluster.block(deaf, false);
    assert!(!cluster.is_paused(deaf));
    assert_eq!(cluster.received(deaf).len(), 1 + sent, "and then all answers come");
}

#[test]
fn unacknowledged_messages_count_against_the_bytes_of_a_session() {
    let config = BrokerConfig { queue_bytes_max: 100_000, ..BrokerConfig::default() };
    let mut cluster = Cluster::new(1, config);
    let lazy = cluster.connect(durable("lazy"));
    cluster.subscribe(lazy, "t", QoS::AtLeastOnce);
    let publisher = cluster.connect(client("publisher"));
    let payload = "x".repeat(10_000);
    for _ in 0..100 {
        cluster.publish(publisher, "t", &payload, QoS::AtLeastOnce);
    }
    let received = cluster.received(lazy).iter().filter(|text| text.starts_with("t ")).count();
    assert!((9..=11).contains(&received), "{received} in flight");
    let stats = cluster.stats();
    assert!(stats.queued_bytes <= 100_000, "{stats:?}");
    assert_eq!(received as u64 + stats.queued_messages + stats.publish_dropped, 100);
}

#[test]
fn a_held_publisher_still_gets_its_own_acknowledgements_through() {
    let config = BrokerConfig {
        backlog_bytes_max: 20_000,
        overload: Overload::Backpressure,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::new(1, config);
    let both = cluster.connect(durable("both"));
    cluster.subscribe(both, "t", QoS::AtLeastOnce);
    let payload = "x".repeat(1000);
    while !cluster.is_paused(both) {
        cluster.publish(both, "t", &payload, QoS::AtLeastOnce);
    }
    let taken = cluster.received(both).iter().filter(|text| text.starts_with("t ")).count();
    for id in 1..=taken as u16 {
        let id = PacketId::new(id).unwrap();
        cluster.send(both, &Packet::Ack(Ack::new(AckKind::PubAck, id)));
    }
    assert!(cluster.is_paused(both), "nothing of it has been read");
    cluster.advance(Duration::from_millis(100));
    assert!(!cluster.is_paused(both), "it is let go on for a while, and so the backlog is gone");
}

#[test]
fn messages_for_absent_sessions_hold_nobody() {
    let config = BrokerConfig {
        backlog_bytes_max: 20_000,
        overload: Overload::Backpressure,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::new(1, config);
    let absent = cluster.connect(durable("absent"));
    cluster.subscribe(absent, "t", QoS::AtLeastOnce);
    cluster.cut(absent);
    let publisher = cluster.connect(client("publisher"));
    for _ in 0..100 {
        cluster.publish(publisher, "t", &"x".repeat(1000), QoS::AtLeastOnce);
        assert!(!cluster.is_paused(publisher));
    }
    assert_eq!(cluster.stats().queued_messages, 100);
}

#[test]
fn a_client_that_neither_reads_nor_finishes_a_packet_counts_as_silent() {
    let alive = |client_id| Connect { keep_alive_s: 10, ..client(client_id) };
    let mut cluster = Cluster::new(1, BrokerConfig::default());
    let deaf = cluster.connect(alive("deaf"));
    cluster.block(deaf, true);
    while !cluster.is_paused(deaf) {
        cluster.send_bytes(deaf, &[0xC0, 0x00].repeat(1000));
    }
    let drip = cluster.connect(alive("drip"));
    cluster.send_bytes(drip, &[0x30, 0x80, 0x80, 0x01]);
    for _ in 0..3 {
        assert!(!cluster.is_closed(drip) && !cluster.is_closed(deaf));
        cluster.send_bytes(drip, b"x");
        cluster.advance(Duration::from_secs(5));
    }
    assert!(cluster.is_closed(drip), "a byte now and then is no Control Packet");
    assert!(cluster.is_closed(deaf), "what it does not let us read is its own fault");
}

#[test]
fn a_client_too_small_for_its_connack_is_not_let_in() {
    let mut cluster = Cluster::new(1, BrokerConfig::default());
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MaximumPacketSize(4)).unwrap();
    let tiny = Connect { version: Version::V5, properties: properties.view(), ..client("tiny") };
    let tiny = cluster.connect(tiny);
    assert!(cluster.is_closed(tiny));
    assert_eq!(cluster.stats().sessions, 0);
}
