//! PUBLISH. MQTT 5.0 §3.3, MQTT 3.1.1 §3.3.

use libmqtt_conformance::wire::{Connect, Kind, publish};
use libmqtt_conformance::{Version, World};

use super::throws_out;

/// Unacknowledged messages come again with DUP 1 after a reconnect.
pub(crate) fn broker_sets_dup_when_it_sends_again(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t", 2);
    let mut publ = world.connect(v, "pub");
    publ.publish("t", "one", 1);
    publ.publish("t", "two", 2);
    let first = [sub.next_publish(), sub.next_publish()];
    assert!(first.iter().all(|seen| !seen.dup()));
    sub.cut();
    let mut sub = world.connect_with(v, &keep);
    sub.expect(publish("t", "one").qos(1, first[0].id()).dup());
    sub.expect(publish("t", "two").qos(2, first[1].id()).dup());
    sub.expect_nothing();
}

pub(crate) fn broker_never_sets_dup_at_qos_0(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t", 0);
    let mut publ = world.connect(v, "pub");
    for qos in 0..=2 {
        publ.publish("t", "x", qos);
        assert_eq!(sub.next_publish().bytes[0], 0x30);
    }
    sub.cut();
    let mut sub = world.connect_with(v, &keep);
    publ.publish("t", "y", 1);
    assert_eq!(sub.next_publish().bytes[0], 0x30);
}

pub(crate) fn broker_closes_on_dup_at_qos_0(v: Version) {
    throws_out(v, publish("t", "x").dup(), &[0x81, 0x82]);
}

pub(crate) fn broker_does_not_pass_dup_on(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("t", 2);
    let mut publ = world.connect(v, "pub");
    publ.deliver(publish("t", "one").qos(1, 1).dup(), 1, 1);
    assert!(!sub.next_publish().dup());
    publ.deliver(publish("t", "two").qos(2, 2).dup(), 2, 2);
    assert!(!sub.next_publish().dup());
}

/// The first field is the topic, as the publisher wrote it.
pub(crate) fn broker_sends_the_topic_first(v: Version) {
    super::text::broker_closes_on_ill_formed_topic(v);
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("#", 1);
    let topic = "äöü/日本/😀";
    world.connect(v, "pub").publish(topic, "x", 1);
    let seen = sub.next_publish();
    assert_eq!(seen.body()[..2], (topic.len() as u16).to_be_bytes());
    assert_eq!(seen.body()[2..2 + topic.len()], *topic.as_bytes());
}

pub(crate) fn broker_closes_on_wildcards_in_topics(v: Version) {
    for topic in ["a/+", "+", "#", "a/#", "a#", "+a"] {
        throws_out(v, publish(topic, "x"), &[0x90, 0x82, 0x81]);
        throws_out(v, publish(topic, "x").qos(1, 1), &[0x90, 0x82, 0x81]);
    }
}

/// No answer at QoS 0, PUBACK at 1, PUBREC at 2.
pub(crate) fn broker_answers_by_qos(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    peer.send(publish("t", "x"));
    peer.expect_nothing();
    peer.send(publish("t", "x").qos(1, 11));
    peer.expect_ack(Kind::PubAck, 11);
    peer.expect_nothing();
    peer.send(publish("t", "x").qos(2, 12));
    peer.expect_ack(Kind::PubRec, 12);
    peer.expect_nothing();
}

pub(crate) fn broker_delivers_at_the_highest_qos_of_overlapping_filters(v: Version) {
    for filters in [["a/#", "a/b"], ["a/b", "a/#"]] {
        let world = World::new();
        let mut sub = world.connect(v, "sub");
        sub.subscribe(filters[0], 0);
        sub.subscribe(filters[1], 2);
        world.connect(v, "pub").publish("a/b", "x", 2);
        let best = sub.drain().iter().map(|seen| seen.qos()).max();
        assert_eq!(best, Some(2));
    }
}

/// The topics that come are those that match a filter, and all of them.
pub(crate) fn broker_delivers_what_matches(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("a/+/c", 1);
    sub.subscribe("b/#", 1);
    let mut publ = world.connect(v, "pub");
    for topic in ["a/b/c", "a/b/d", "b", "b/x/y", "a//c", "c", "a/b/c/d"] {
        publ.publish(topic, "x", 1);
    }
    assert_eq!(sub.messages(), ["a/b/c x", "b x", "b/x/y x", "a//c x"]);
}
