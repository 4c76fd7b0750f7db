use libmqtt_engine::broker::BrokerConfig;
use libmqtt_engine::codec::{QoS, Version};

use super::cluster::{Cluster, client, message};

#[test]
fn clients_move_to_their_home_and_hear_each_other_across_shards() {
    let mut cluster = Cluster::new(4, BrokerConfig::default());
    let ids: Vec<String> = (0..40).map(|n| format!("client-{n}")).collect();
    let clients: Vec<usize> = ids.iter().map(|id| cluster.connect(client(id))).collect();
    for &each in &clients {
        assert_eq!(cluster.received(each), ["ConnAck"]);
        cluster.subscribe(each, "all/#", QoS::AtMostOnce);
        assert_eq!(cluster.received(each), ["SubAck"]);
    }
    let homes: std::collections::BTreeSet<_> =
        clients.iter().map(|&each| cluster.shard_of(each)).collect();
    assert_eq!(homes.len(), 4, "forty clients live on all four shards");
    cluster.publish(clients[0], "all/of/you", "hello", QoS::AtMostOnce);
    for &each in &clients {
        assert_eq!(cluster.received(each), ["all/of/you hello 0"]);
    }
    assert_eq!(cluster.stats().connections, 40);
}

#[test]
fn messages_of_one_publisher_arrive_in_order_whatever_shard_they_go_to() {
    let mut cluster = Cluster::new(3, BrokerConfig::default());
    let subscribers: Vec<usize> =
        (0..6).map(|n| cluster.connect(client(["a", "b", "c", "d", "e", "f"][n]))).collect();
    for &each in &subscribers {
        cluster.subscribe(each, "t", QoS::AtMostOnce);
        cluster.received(each);
    }
    let publisher = cluster.connect(client("publisher"));
    for n in 0..50 {
        cluster.publish(publisher, "t", &n.to_string(), QoS::AtMostOnce);
    }
    let wanted: Vec<String> = (0..50).map(|n| format!("t {n} 0")).collect();
    for &each in &subscribers {
        assert_eq!(cluster.received(each), wanted);
    }
}

/// Publishes numbers `from..to` at `topic`, each with 100 bytes, as one piece of wire.
fn numbers(topic: &str, span: std::ops::Range<usize>) -> Vec<u8> {
    let mut wire = Vec::new();
    for n in span {
        let payload = format!("{n:0100}");
        message(topic, &payload, QoS::AtMostOnce).encode(Version::V311, &mut wire).unwrap();
    }
    wire
}

#[test]
fn what_gathers_for_another_shard_is_parted_and_keeps_its_order() {
    let mut cluster = Cluster::new(2, BrokerConfig::default());
    let [a, b] = ["a", "b"].map(|id| cluster.connect(client(id)));
    assert_ne!(cluster.shard_of(a), cluster.shard_of(b));
    cluster.subscribe(b, "t", QoS::AtMostOnce);
    cluster.received(b);
    // Twice, so that emptied batches are filled again.
    for round in 0..2 {
        cluster.batches = 0;
        cluster.send_bytes(a, &numbers("t", 0..3000));
        let wanted: Vec<String> = (0..3000).map(|n| format!("t {n:0100} 0")).collect();
        assert_eq!(cluster.received(b), wanted, "round {round}");
        // Of 48 KiB: 3000 messages have 303,000 bytes.
        assert_eq!(cluster.batches, 7);
    }
}

#[test]
fn a_shard_asks_to_be_polled_once_an_outbox_fills() {
    let mut cluster = Cluster::new(1, BrokerConfig::default());
    let [a, b] = ["a", "b"].map(|id| cluster.connect(client(id)));
    cluster.subscribe(b, "t", QoS::AtMostOnce);
    let piece = numbers("t", 0..500);
    cluster.hand_in(a, &piece);
    assert!(!cluster.shards[0].has_much());
    cluster.hand_in(a, &piece);
    assert!(cluster.shards[0].has_much());
    cluster.settle();
    assert!(!cluster.shards[0].has_much());
    // Who does not read hurries nobody for long.
    cluster.block(b, true);
    let mut asked = 0;
    for _ in 0..10 {
        cluster.hand_in(a, &piece);
        asked += usize::from(cluster.shards[0].has_much());
        cluster.settle();
    }
    assert_eq!(asked, 1);
}

#[test]
fn an_assigned_client_identifier_stays_with_the_accepting_shard() {
    let mut cluster = Cluster::new(4, BrokerConfig::default());
    for _ in 0..20 {
        let each = cluster.connect(client(""));
        assert_eq!(cluster.shard_of(each), Some(0));
        assert_eq!(cluster.received(each), ["ConnAck"]);
    }
    assert_eq!(cluster.stats().sessions, 20);
}

#[test]
fn a_member_of_a_shared_subscription_that_leaves_hands_its_messages_on() {
    let mut cluster = Cluster::new(2, BrokerConfig::default());
    let v5 =
        |client_id| libmqtt_engine::codec::Connect { version: Version::V5, ..client(client_id) };
    let members = [cluster.connect(v5("one")), cluster.connect(v5("two"))];
    for each in members {
        cluster.subscribe(each, "$share/g/work", QoS::AtLeastOnce);
        cluster.received(each);
    }
    let publisher = cluster.connect(v5("publisher"));
    for n in 0..10 {
        cluster.publish(publisher, "work", &n.to_string(), QoS::AtLeastOnce);
    }
    let first = cluster.received(members[0]);
    let second = cluster.received(members[1]);
    assert_eq!(first.len() + second.len(), 10);
    assert!(first.len() == 5, "they take turns: {first:?} {second:?}");
    cluster.cut(members[0]);
    assert_eq!(cluster.received(members[1]).len(), 5, "what was not acknowledged is handed on");
    cluster.publish(publisher, "work", "last", QoS::AtLeastOnce);
    assert_eq!(cluster.received(members[1]), ["work last 1"]);
}

#[test]
fn shut_down_closes_every_link_and_accepts_no_other() {
    let mut cluster = Cluster::new(2, BrokerConfig::default());
    let clients: Vec<usize> = ["a", "b", "c"].map(|id| cluster.connect(client(id))).to_vec();
    let now = cluster.now;
    for shard in &mut cluster.shards {
        shard.shut_down(now);
    }
    cluster.settle();
    assert!(clients.iter().all(|&each| cluster.is_closed(each)));
    assert_eq!(cluster.stats().connections, 0);
    let late = cluster.shards[0].handle_accept(now, Default::default());
    cluster.settle();
    assert!(cluster.shards[0].outgoing(late).is_empty());
}

#[test]
fn bytes_behind_a_connect_in_pieces_move_with_it() {
    let mut cluster = Cluster::new(4, BrokerConfig::default());
    let watcher = cluster.connect(client("watcher"));
    cluster.subscribe(watcher, "t", QoS::AtMostOnce);
    cluster.received(watcher);
    for n in 0..16 {
        let client_id = format!("mover-{n}");
        let mut wire = Vec::new();
        client(&client_id).encode(&mut wire).unwrap();
        message("t", &client_id, QoS::AtMostOnce).encode(Version::V311, &mut wire).unwrap();
        let mover = cluster.open(Version::V311);
        let (first, rest) = wire.split_at(5 + n);
        cluster.send_bytes(mover, first);
        cluster.send_bytes(mover, rest);
        assert_eq!(cluster.received(watcher), [format!("t {client_id} 0")]);
    }
}

#[test]
fn filters_are_bounded_in_bytes_and_shared_ones_in_number() {
    let config = BrokerConfig {
        subscription_bytes_max: 100,
        shared_subscriptions_max: 1,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::new(1, config);
    let each = cluster.connect(client("each"));
    let subscriptions = |cluster: &Cluster| cluster.stats().subscriptions;
    cluster.subscribe(each, &"long".repeat(20), QoS::AtMostOnce);
    cluster.subscribe(each, "twenty-one-characters", QoS::AtMostOnce);
    assert_eq!(subscriptions(&cluster), 1);
    cluster.subscribe(each, "$share/g/t", QoS::AtMostOnce);
    cluster.subscribe(each, "$share/h/t", QoS::AtMostOnce);
    assert_eq!(subscriptions(&cluster), 2);
    cluster.subscribe(each, "$share/g/t", QoS::AtLeastOnce);
    assert_eq!(
        cluster.received(each),
        ["ConnAck", "SubAck", "SubAck", "SubAck", "SubAck", "SubAck"]
    );
}
