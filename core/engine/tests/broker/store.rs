//! What is stored, what waits for that, and what is there after a crash.

use std::time::Duration;

use libmqtt_engine::Instant;
use libmqtt_engine::codec::{AckKind, Connect, QoS, Will};
use libmqtt_engine::store::MemoryDisk;

use super::cluster::{Cluster, client, message};
use libmqtt_engine::codec::{Packet, Properties, Version};

const START: Instant = Instant::from_nanos(1_000_000_000_000);

fn durable(client_id: &str) -> Connect<'_> {
    Connect { clean_start: false, ..client(client_id) }
}

/// A broker with a disk, on which two durable sessions have subscribed to `t` and gone.
fn subscribed(disk: &MemoryDisk, shards: u16, qos: QoS) -> Cluster {
    let mut cluster = Cluster::on_disk(disk, shards, START);
    for name in ["one", "two"] {
        let subscriber = cluster.connect(durable(name));
        assert!(cluster.received(subscriber).is_empty(), "CONNACK waits");
        disk.sync();
        cluster.poll_stores();
        assert_eq!(cluster.received(subscriber), ["ConnAck"]);
        cluster.subscribe(subscriber, "t", qos);
        assert!(cluster.received(subscriber).is_empty(), "SUBACK waits");
        disk.sync();
        cluster.poll_stores();
        assert_eq!(cluster.received(subscriber), ["SubAck"]);
        cluster.cut(subscriber);
    }
    disk.sync();
    cluster.poll_stores();
    cluster
}

/// Power is lost and nothing that was not synced is there.
fn crashed(disk: &MemoryDisk, cluster: Cluster, shards: u16) -> Cluster {
    let now = cluster.now;
    drop(cluster);
    disk.crash(|_| 0);
    let cluster = Cluster::on_disk(disk, shards, now);
    disk.sync();
    cluster
}

#[test]
fn puback_waits_for_the_disk_and_the_message_is_there_after_a_crash() {
    for shards in [1, 2, 3, 4] {
        let disk = MemoryDisk::new();
        let mut cluster = subscribed(&disk, shards, QoS::AtLeastOnce);
        let publisher = cluster.connect(client("p"));
        cluster.received(publisher);
        cluster.publish(publisher, "t", "lost", QoS::AtLeastOnce);
        assert!(cluster.received(publisher).is_empty());

        let mut cluster = crashed(&disk, cluster, shards);
        let publisher = cluster.connect(client("p"));
        cluster.publish(publisher, "t", "kept", QoS::AtLeastOnce);
        assert_eq!(cluster.received(publisher), ["ConnAck"]);
        disk.sync();
        cluster.poll_stores();
        assert_eq!(cluster.received(publisher), ["PubAck"]);

        // Another number of shards makes no difference.
        let mut cluster = crashed(&disk, cluster, 5 - shards);
        for name in ["one", "two"] {
            let subscriber = cluster.connect(durable(name));
            disk.sync();
            cluster.poll_stores();
            assert_eq!(cluster.received(subscriber), ["ConnAck", "t kept 1"], "{shards} shards");
            cluster.ack(subscriber, AckKind::PubAck);
        }
        disk.sync();
        let mut cluster = crashed(&disk, cluster, shards);
        let subscriber = cluster.connect(durable("one"));
        disk.sync();
        cluster.poll_stores();
        assert_eq!(cluster.received(subscriber), ["ConnAck"]);
    }
}

#[test]
fn qos2_is_exactly_once_across_crashes_at_every_step() {
    let disk = MemoryDisk::new();
    let mut cluster = subscribed(&disk, 2, QoS::ExactlyOnce);
    let subscriber = cluster.connect(durable("one"));
    let publisher = cluster.connect(durable("p"));
    disk.sync();
    cluster.poll_stores();
    cluster.received(publisher);
    cluster.received(subscriber);
    cluster.publish(publisher, "t", "m", QoS::ExactlyOnce);
    assert!(cluster.received(publisher).is_empty(), "PUBREC waits");
    assert!(cluster.received(subscriber).is_empty(), "PUBLISH at QoS 2 waits");
    disk.sync();
    cluster.poll_stores();
    assert_eq!(cluster.received(publisher), ["PubRec"]);
    assert_eq!(cluster.received(subscriber), ["t m 2"]);

    // The publisher sends it again; the subscriber is sent it again.
    let mut cluster = crashed(&disk, cluster, 2);
    let (publisher, subscriber) = (cluster.connect(durable("p")), cluster.connect(durable("one")));
    disk.sync();
    cluster.poll_stores();
    assert_eq!(cluster.received(subscriber), ["ConnAck", "t m 2 dup"]);
    cluster.publish(publisher, "t", "m", QoS::ExactlyOnce);
    assert_eq!(cluster.received(publisher), ["ConnAck", "PubRec"]);
    cluster.ack(publisher, AckKind::PubRel);
    assert!(cluster.received(publisher).is_empty(), "PUBCOMP waits");
    cluster.ack(subscriber, AckKind::PubRec);
    assert!(cluster.received(subscriber).is_empty(), "PUBREL waits");
    disk.sync();
    cluster.poll_stores();
    assert_eq!(cluster.received(publisher), ["PubComp"]);
    assert_eq!(cluster.received(subscriber), ["PubRel"]);

    let mut cluster = crashed(&disk, cluster, 2);
    let (publisher, subscriber) = (cluster.connect(durable("p")), cluster.connect(durable("one")));
    disk.sync();
    cluster.poll_stores();
    assert_eq!(cluster.received(subscriber), ["ConnAck", "PubRel"]);
    cluster.ack(subscriber, AckKind::PubComp);
    // Its identifier is free again.
    cluster.publish(publisher, "t", "n", QoS::ExactlyOnce);
    disk.sync();
    cluster.poll_stores();
    assert_eq!(cluster.received(subscriber), ["t n 2"]);
    assert_eq!(cluster.received(publisher), ["ConnAck", "PubRec"]);
}

#[test]
fn what_two_shards_store_for_one_message_is_there_whole_or_not_at_all() {
    let disk = MemoryDisk::new();
    for kept in 0..4 {
        let mut cluster = subscribed(&disk, 4, QoS::ExactlyOnce);
        let publisher = cluster.connect(durable("p"));
        disk.sync();
        cluster.poll_stores();
        cluster.publish(publisher, "t", "m", QoS::ExactlyOnce);
        let now = cluster.now;
        drop(cluster);
        // One of the shards has got its batch onto the disk.
        let mut shard = 0;
        disk.crash(|count| {
            shard += 1;
            if shard - 1 == kept { count } else { 0 }
        });
        let mut cluster = Cluster::on_disk(&disk, 4, now);
        let publisher = cluster.connect(durable("p"));
        cluster.publish(publisher, "t", "m", QoS::ExactlyOnce);
        cluster.ack(publisher, AckKind::PubRel);
        disk.sync();
        cluster.poll_stores();
        assert_eq!(cluster.received(publisher), ["ConnAck", "PubRec", "PubComp"]);
        for name in ["one", "two"] {
            let subscriber = cluster.connect(durable(name));
            disk.sync();
            cluster.poll_stores();
            assert_eq!(cluster.received(subscriber), ["ConnAck", "t m 2"], "kept {kept}");
            cluster.ack(subscriber, AckKind::PubRec);
            cluster.ack(subscriber, AckKind::PubComp);
        }
        disk.sync();
    }
}

#[test]
fn retained_messages_and_wills_survive() {
    for shards in [1, 3] {
        let disk = MemoryDisk::new();
        let mut cluster = Cluster::on_disk(&disk, shards, START);
        let will = Will {
            topic: "t/will",
            payload: b"w",
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Properties::EMPTY,
        };
        // Its session ends with its connection, and that with the broker.
        let publisher = cluster.connect(Connect { will: Some(will), ..client("p") });
        assert!(cluster.received(publisher).is_empty(), "CONNACK waits for the will");
        disk.sync();
        cluster.poll_stores();
        assert_eq!(cluster.received(publisher), ["ConnAck"]);
        for (topic, payload) in
            [("t/a", "1"), ("t/b", "2"), ("t/a", "3"), ("t/c", "4"), ("t/c", "")]
        {
            let publish = message(topic, payload, QoS::AtLeastOnce);
            cluster.send(
                publisher,
                &Packet::Publish(libmqtt_engine::codec::Publish { retain: true, ..publish }),
            );
        }
        assert!(cluster.received(publisher).is_empty());
        disk.sync();
        cluster.poll_stores();
        assert_eq!(cluster.received(publisher), ["PubAck"; 5]);
        let cluster = crashed(&disk, cluster, shards);
        disk.sync();
        let mut cluster = crashed(&disk, cluster, shards);
        let subscriber = cluster.connect(client("s"));
        cluster.subscribe(subscriber, "t/#", QoS::AtMostOnce);
        let mut got = cluster.received(subscriber);
        got.sort();
        let wanted =
            ["ConnAck", "SubAck", "t/a retained 3 0", "t/b retained 2 0", "t/will retained w 0"];
        assert_eq!(got, wanted);
        // Only these are left on the disk.
        assert_eq!(disk.len(), (0, 3));
    }
}

#[test]
fn time_goes_on_while_the_broker_is_down() {
    let disk = MemoryDisk::new();
    let mut properties = libmqtt_engine::codec::PropertiesBuf::new();
    let expiry = libmqtt_engine::codec::Property::SessionExpiryInterval(100);
    properties.push(expiry).unwrap();
    let connect = |client_id| Connect {
        version: Version::V5,
        properties: properties.view(),
        ..durable(client_id)
    };
    for (down, present) in [(99, true), (101, false)] {
        let mut cluster = Cluster::on_disk(&disk, 1, START);
        let subscriber = cluster.connect(connect("s"));
        cluster.subscribe(subscriber, "t", QoS::AtLeastOnce);
        cluster.cut(subscriber);
        disk.sync();
        drop(cluster);
        disk.crash(|_| 0);
        let mut cluster = Cluster::on_disk(&disk, 1, START + Duration::from_secs(down));
        cluster.advance(Duration::ZERO);
        assert_eq!(cluster.stats().sessions, u64::from(present));
        disk.sync();
        drop(cluster);
        disk.crash(|_| 0);
        assert_eq!(disk.len(), (0, if present { 2 } else { 0 }));
    }
}

#[test]
fn while_the_disk_is_full_nothing_is_acknowledged_and_qos0_flows() {
    let disk = MemoryDisk::new();
    let mut cluster = subscribed(&disk, 2, QoS::AtLeastOnce);
    let old = cluster.connect(client("old"));
    let new = cluster.connect(Connect { version: Version::V5, ..client("new") });
    let reader = cluster.connect(client("reader"));
    cluster.subscribe(reader, "t", QoS::AtMostOnce);
    for client in [old, new, reader] {
        cluster.received(client);
    }
    disk.set_full(true);
    cluster.publish(old, "t", "a", QoS::AtLeastOnce);
    cluster.publish(new, "t", "b", QoS::AtLeastOnce);
    disk.sync();
    cluster.poll_stores();
    assert!(cluster.is_closed(old));
    assert!(cluster.received(old).is_empty());
    assert_eq!(cluster.received(new), ["PubAck"]);
    cluster.publish(new, "t", "c", QoS::ExactlyOnce);
    assert_eq!(cluster.received(new), ["PubRec"]);
    cluster.publish(new, "t", "d", QoS::AtMostOnce);
    assert_eq!(cluster.received(reader), ["t a 0", "t b 0", "t d 0"]);
    let late = cluster.connect(durable("late"));
    assert!(cluster.is_closed(late));

    disk.set_full(false);
    disk.sync();
    cluster.poll_stores();
    cluster.publish(new, "t", "e", QoS::AtLeastOnce);
    disk.sync();
    cluster.poll_stores();
    assert_eq!(cluster.received(new), ["PubAck"]);
    let late = cluster.connect(durable("late"));
    disk.sync();
    cluster.poll_stores();
    assert_eq!(cluster.received(late), ["ConnAck"]);
}

#[test]
fn a_long_queue_is_on_disk_alone_and_comes_back_in_order() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let disk = MemoryDisk::new();
        let mut cluster = subscribed(&disk, 2, qos);
        let publisher = cluster.connect(client("p"));
        // Two sessions: the messages have rows of their own.
        let payload = |n: usize| format!("{n} {}", "x".repeat(1000));
        for n in 0..1000 {
            cluster.publish(publisher, "t", &payload(n), QoS::AtLeastOnce);
            if n % 100 == 0 {
                disk.sync();
                cluster.poll_stores();
            }
        }
        assert_eq!(cluster.stats().queued_messages, 2000);
        disk.sync();
        cluster.poll_stores();
        let mut cluster = crashed(&disk, cluster, 1);
        assert_eq!(cluster.stats().queued_messages, 2000);
        for name in ["one", "two"] {
            let subscriber = cluster.connect(durable(name));
            let mut got = Vec::new();
            for _ in 0..100 {
                disk.sync();
                cluster.poll_stores();
                got.extend(
                    cluster.received(subscriber).into_iter().skip_while(|it| it == "ConnAck"),
                );
            }
            let wanted: Vec<String> = (0..1000).map(|n| format!("t {} 1", payload(n))).collect();
            assert_eq!(got.len(), 1000);
            assert!(got == wanted);
            cluster.cut(subscriber);
        }
        assert_eq!(cluster.stats().queued_messages, 0);
    }
}
