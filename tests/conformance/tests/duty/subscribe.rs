//! SUBSCRIBE and SUBACK. MQTT 5.0 §3.8 and §3.9, MQTT 3.1.1 likewise.

use libmqtt_conformance::wire::{Kind, suback, subscribe};
use libmqtt_conformance::{Rules, Version, World};
use libmqtt_engine::codec::Reason;

use super::throws_out;

pub(crate) fn broker_closes_on_subscribe_without_filter(v: Version) {
    throws_out(v, subscribe(1), &[0x82, 0x81]);
}

pub(crate) fn broker_closes_on_reserved_option_bits(v: Version) {
    let bits: &[u8] = match v {
        Version::V5 => &[0x40, 0x80, 0xC0, 0x41],
        _ => &[0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFD],
    };
    for options in bits {
        throws_out(v, subscribe(1).filter("a", *options), &[0x81]);
    }
}

pub(crate) fn broker_answers_subscribe(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    peer.send(subscribe(1).filter("a", 1));
    peer.expect(suback(1, &[1]));
    peer.expect_nothing();
}

/// A second SUBSCRIBE with the same filter changes its QoS, and there is still one copy.
pub(crate) fn broker_replaces_a_subscription(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    let mut publ = world.connect(v, "pub");
    for qos in [0, 2, 1, 0] {
        sub.subscribe("t", qos);
        publ.publish("t", "x", 2);
        sub.expect_message("t", "x", qos);
        sub.expect_nothing();
    }
}

/// Retained messages come again, and the stream of messages has no gap.
pub(crate) fn broker_interrupts_nothing_when_it_replaces(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    let mut publ = world.connect(v, "pub");
    publ.retain("t", "kept", 1);
    let mut next = 0;
    for n in 0..30 {
        sub.subscribe("t", 1 + n % 2);
        let seen = sub.expect_message("t", "kept", 1);
        assert!(seen.retain());
        for _ in 0..3 {
            publ.publish("t", &next.to_string(), 1);
            sub.expect_message("t", &next.to_string(), 1);
            next += 1;
        }
    }
    sub.expect_nothing();
}

pub(crate) fn broker_replaces_without_interruption(v: Version) {
    broker_replaces_a_subscription(v);
    broker_interrupts_nothing_when_it_replaces(v);
}

pub(crate) fn broker_answers_several_filters_with_one_suback(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    peer.send(subscribe(5).filter("a", 0).filter("b", 1).filter("c/+", 2));
    peer.expect(suback(5, &[0, 1, 2]));
    peer.expect_nothing();
    for (topic, qos) in [("a", 0), ("b", 1), ("c/d", 2)] {
        peer.publish(topic, "x", 2);
        peer.expect_message(topic, "x", qos);
    }
}

/// A code for each filter, in order: the granted QoS, or a failure.
pub(crate) fn broker_gives_a_code_per_filter(v: Version) {
    let rules = Rules::default().deny_subscribe("no", Reason::NotAuthorized);
    let world = World::ruled(rules, |_| {});
    let mut peer = world.connect(v, "c");
    let denied = if v == Version::V5 { 0x87 } else { 0x80 };
    peer.send(subscribe(5).filter("a", 2).filter("no", 2).filter("b", 0).filter("no", 0));
    peer.expect(suback(5, &[2, denied, 0, denied]));
    peer.send(subscribe(6).filter("no", 1).filter("c", 1));
    peer.expect(suback(6, &[denied, 1]));
    peer.publish("no", "x", 1);
    peer.expect_nothing();
}

pub(crate) fn broker_delivers_at_the_lower_qos(v: Version) {
    for granted in 0..3 {
        let world = World::new();
        let mut sub = world.connect(v, "sub");
        sub.subscribe("t", granted);
        let mut publ = world.connect(v, "pub");
        for published in 0..3 {
            publ.publish("t", "x", published);
            sub.expect_message("t", "x", published.min(granted));
        }
        sub.expect_nothing();
    }
}

/// Wildcards that are not there are refused filter by filter.
pub(crate) fn broker_without_wildcards_refuses_them(v: Version) {
    let world = World::with(|config| config.wildcard_subscriptions = false);
    let mut peer = world.connect(v, "c");
    peer.send(subscribe(1).filter("a/+", 0).filter("#", 1).filter("b", 1));
    let seen = peer.next_of(Kind::SubAck);
    assert_eq!(seen.payload(), [0x80, 0x80, 1]);
}
