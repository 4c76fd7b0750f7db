//! Packet Identifiers. MQTT 5.0 §2.2.1, MQTT 3.1.1 §2.3.1.

use libmqtt_conformance::wire::{
    Kind, Wire, puback, pubcomp, publish, pubrec, pubrel, subscribe, unsubscribe,
};
use libmqtt_conformance::{Peer, Version, World};
use libmqtt_engine::Message;
use libmqtt_engine::codec::QoS;

use super::throws_out;

/// A client that holds back its acknowledgements, and one that publishes to its `t`.
fn slow_subscriber(v: Version) -> (World, Peer, Peer) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("t", 2);
    let publ = world.connect(v, "pub");
    (world, sub, publ)
}

pub(crate) fn broker_sends_no_id_at_qos_0(v: Version) {
    let (_world, mut sub, mut publ) = slow_subscriber(v);
    publ.publish("t", "x", 0);
    sub.expect(if v == Version::V5 { "30 05 0001 74 00 78" } else { "30 04 0001 74 78" });
}

pub(crate) fn broker_uses_distinct_ids_above_0(v: Version) {
    let (_world, mut sub, mut publ) = slow_subscriber(v);
    for n in 0..200 {
        publ.publish("t", "x", 1 + n % 2);
    }
    let mut ids: Vec<u16> = sub.drain().iter().map(|seen| seen.id()).collect();
    assert!(!ids.contains(&0));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

/// The identifier is taken until the last acknowledgement, also over a reconnect.
pub(crate) fn broker_holds_an_id_until_acknowledged(v: Version) {
    let world = World::new();
    let keep = libmqtt_conformance::wire::Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t", 2);
    let mut publ = world.connect(v, "pub");
    publ.publish("t", "held", 1);
    let held = sub.next_publish().id();
    sub.cut();
    let mut sub = world.connect_with(v, &keep);
    sub.expect(publish("t", "held").qos(1, held).dup());
    let message = Message::new("t", b"x").expect("a topic").with_qos(QoS::AtLeastOnce);
    for _ in 0..66_000 {
        world.publish(&message);
        let seen = sub.next_publish();
        assert_ne!(seen.id(), held);
        sub.send(puback(seen.id()));
    }
    sub.send(puback(held));
    sub.expect_alive();
}

pub(crate) fn broker_acknowledges_with_the_same_id(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "peer");
    for id in [1, 2, 255, 256, 32768, 65535] {
        peer.deliver(publish("t", "x").qos(1, id), 1, id);
        peer.deliver(publish("t", "x").qos(2, id), 2, id);
    }
}

pub(crate) fn broker_answers_with_the_same_id(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "peer");
    for id in [1, 255, 256, 65535] {
        peer.send(subscribe(id).filter("a", 0));
        assert_eq!(peer.next_of(Kind::SubAck).id(), id);
        peer.send(unsubscribe(id).filter("a"));
        assert_eq!(peer.next_of(Kind::UnsubAck).id(), id);
    }
}

pub(crate) fn broker_closes_on_id_0(v: Version) {
    let packets = [
        publish("t", "x").qos(1, 0).wire(v),
        publish("t", "x").qos(2, 0).wire(v),
        puback(0).wire(v),
        pubrec(0).wire(v),
        pubrel(0).wire(v),
        pubcomp(0).wire(v),
        subscribe(0).filter("a", 0).wire(v),
        unsubscribe(0).filter("a").wire(v),
    ];
    for packet in packets {
        throws_out(v, packet, &[0x81, 0x82]);
    }
}

/// Both sides number on their own: equal identifiers cross without harm.
pub(crate) fn broker_and_client_number_independently(v: Version) {
    let (_world, mut sub, mut publ) = slow_subscriber(v);
    publ.publish("t", "theirs", 2);
    let theirs = sub.next_publish().id();
    sub.send(publish("other", "mine").qos(2, theirs));
    sub.expect_ack(Kind::PubRec, theirs);
    sub.send(pubrec(theirs));
    sub.expect(pubrel(theirs));
    sub.send(pubrel(theirs));
    sub.expect_ack(Kind::PubComp, theirs);
    sub.send(pubcomp(theirs));
    sub.expect_alive();
}
