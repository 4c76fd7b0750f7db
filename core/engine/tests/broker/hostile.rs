//! Clients that mean harm.

use std::sync::{Arc, Mutex};

use libmqtt_engine::broker::{BrokerConfig, QueueFull};
use libmqtt_engine::codec::{
    Connect, Packet, PacketId, Properties, Publish, QoS, Subscribe, Subscription,
    SubscriptionOptions, SubscriptionsBuf, Version,
};
use libmqtt_engine::{Authenticate, Hooks, Ticket, Verdict};

use super::cluster::{Cluster, client, message};

#[test]
fn a_second_connect_is_told_a_protocol_error_whatever_is_in_it() {
    let mut good = Vec::new();
    client("again").encode(&mut good).unwrap();
    let connects: [&[u8]; 3] =
        [&good, b"\x10\x0D\0\x04MQTT\x09\x02\0\0\0\0\x01c", b"\x10\x08\0\x04KLMN\x05\x02"];
    for connect in connects {
        let mut cluster = Cluster::new(1, BrokerConfig::default());
        let again = cluster.connect(Connect { version: Version::V5, ..client("again") });
        assert_eq!(cluster.received(again), ["ConnAck"]);
        cluster.send_bytes(again, connect);
        assert!(cluster.is_closed(again));
        assert_eq!(cluster.received(again), ["Disconnect"], "{connect:02x?}");
    }
}

#[test]
fn retained_messages_that_grow_stay_within_the_bytes_allowed() {
    let retained_bytes_max = 100_000;
    let config = BrokerConfig { retained_bytes_max, ..BrokerConfig::default() };
    let mut cluster = Cluster::new(1, config);
    let flooder = cluster.connect(client("flooder"));
    let large = "x".repeat(20_000);
    for payload in ["x", &large, "y", &large] {
        for topic in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
            let publish = Publish { retain: true, ..message(topic, payload, QoS::AtMostOnce) };
            cluster.send(flooder, &Packet::Publish(publish));
            let stats = cluster.stats();
            assert!(stats.retained_bytes <= retained_bytes_max as u64, "{stats:?}");
        }
    }
    let stats = cluster.stats();
    assert_eq!(stats.retained, 9);
    assert!(stats.retained_bytes > 80_000 && stats.publish_dropped == 10, "{stats:?}");
}

#[test]
fn a_large_message_takes_the_place_of_as_many_old_ones_as_it_needs() {
    let config = BrokerConfig {
        queue_bytes_max: 100_000,
        queue_full: QueueFull::DropOldest,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::new(1, config);
    let absent = cluster.connect(Connect { clean_start: false, ..client("absent") });
    cluster.subscribe(absent, "t", QoS::AtLeastOnce);
    cluster.cut(absent);
    let publisher = cluster.connect(client("publisher"));
    for n in 0..200 {
        cluster.publish(publisher, "t", &n.to_string(), QoS::AtLeastOnce);
    }
    for _ in 0..20 {
        cluster.publish(publisher, "t", &"x".repeat(40_000), QoS::AtLeastOnce);
        let stats = cluster.stats();
        assert!((40_000..=100_000).contains(&stats.queued_bytes), "{stats:?}");
    }
    let before = cluster.stats();
    cluster.publish(publisher, "t", &"x".repeat(100_000), QoS::AtLeastOnce);
    let after = cluster.stats();
    assert_eq!(after.queued_messages, before.queued_messages, "one too large for all drops none");
    assert_eq!(after.publish_dropped, before.publish_dropped + 1);
}

/// With work for filters times messages this would take minutes.
#[test]
fn a_subscribe_of_very_many_filters_is_not_sent_all_retained_messages_for_each() {
    let mut cluster = Cluster::new(1, BrokerConfig::default());
    let flooder = cluster.connect(client("flooder"));
    for n in 0..2000 {
        let topic = format!("t/{n}");
        let publish = Publish { retain: true, ..message(&topic, "x", QoS::AtMostOnce) };
        cluster.send(flooder, &Packet::Publish(publish));
    }
    cluster.block(flooder, true);
    let mut filters = SubscriptionsBuf::new();
    for _ in 0..100_000 {
        let options = SubscriptionOptions::default();
        filters.push(Subscription { filter: "#", options }).unwrap();
    }
    cluster.send(
        flooder,
        &Packet::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            properties: Properties::EMPTY,
            subscriptions: filters.view(),
        }),
    );
    let stats = cluster.stats();
    assert!((90_000..110_000).contains(&stats.queued_messages), "{stats:?}");
    assert_eq!(stats.subscriptions, 1);
}

/// Puts every CONNECT off and notes its ticket.
struct Slow(Arc<Mutex<Vec<Ticket>>>);

impl Hooks for Slow {
    fn authenticate(&mut self, ticket: Ticket, _: &Authenticate<'_>) -> Verdict {
        self.0.lock().unwrap().push(ticket);
        Verdict::Later
    }
}

#[test]
fn clients_that_wait_for_a_hook_together_are_not_let_in_beyond_the_bounds() {
    for (connections_max, sessions_max) in [(3, 100), (100, 3)] {
        let config = BrokerConfig { connections_max, sessions_max, ..BrokerConfig::default() };
        let tickets = Arc::new(Mutex::new(Vec::new()));
        let hooks = |_| -> Box<dyn Hooks> { Box::new(Slow(tickets.clone())) };
        let mut cluster = Cluster::with_hooks(1, config, hooks);
        let ids: Vec<String> = (0..10).map(|n| format!("c{n}")).collect();
        let clients: Vec<usize> = ids.iter().map(|id| cluster.connect(client(id))).collect();
        for &ticket in tickets.lock().unwrap().iter() {
            let now = cluster.now;
            cluster.shards[0].handle_verdict(now, ticket, Verdict::Allow);
            cluster.settle();
        }
        let closed = clients.iter().filter(|&&each| cluster.is_closed(each)).count();
        assert_eq!((cluster.stats().connections, cluster.stats().sessions, closed), (3, 3, 7));
    }
}
