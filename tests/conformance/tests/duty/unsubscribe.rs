//! UNSUBSCRIBE and UNSUBACK. MQTT 5.0 §3.10 and §3.11, MQTT 3.1.1 likewise.

use libmqtt_conformance::wire::{Connect, Kind, pubcomp, pubrec, pubrel, unsuback, unsubscribe};
use libmqtt_conformance::{Version, World};

use super::throws_out;

pub(crate) fn broker_closes_on_unsubscribe_without_filter(v: Version) {
    throws_out(v, unsubscribe(1), &[0x82, 0x81]);
}

pub(crate) fn broker_compares_filters_literally(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("a/b", 0);
    sub.subscribe("a/+", 0);
    sub.unsubscribe("a/+");
    sub.publish("a/b", "one", 0);
    sub.expect_message("a/b", "one", 0);
    sub.expect_nothing();
    for other in ["a/#", "#", "+/b", "A/b", "a/b/", "a"] {
        sub.unsubscribe(other);
    }
    sub.publish("a/b", "two", 0);
    sub.expect_message("a/b", "two", 0);
    sub.unsubscribe("a/b");
    sub.publish("a/b", "three", 0);
    sub.expect_nothing();
}

pub(crate) fn broker_adds_nothing_after_unsubscribe(v: Version) {
    let world = World::new();
    let mut sub = world.connect_with(v, Connect::keep(v, "sub"));
    sub.subscribe("t", 2);
    sub.unsubscribe("t");
    let mut publ = world.connect(v, "pub");
    (0..3).for_each(|qos| publ.publish("t", "x", qos));
    sub.expect_nothing();
    sub.cut();
    publ.publish("t", "x", 2);
    world.connect_with(v, Connect::keep(v, "sub")).expect_nothing();
}

/// Deliveries that have begun are completed.
pub(crate) fn broker_completes_what_it_began(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t", 2);
    let mut publ = world.connect(v, "pub");
    publ.publish("t", "one", 1);
    publ.publish("t", "two", 2);
    let (one, two) = (sub.next_publish().id(), sub.next_publish().id());
    sub.unsubscribe("t");
    sub.send(pubrec(two));
    sub.expect(pubrel(two));
    sub.cut();
    let mut sub = world.connect_with(v, &keep);
    let mut again = sub.drain();
    again.sort_by_key(|seen| seen.kind());
    let again: Vec<_> = again.iter().map(|seen| (seen.kind(), seen.id())).collect();
    assert_eq!(again, [(Kind::Publish, one), (Kind::PubRel, two)]);
    sub.send(pubcomp(two));
    sub.expect_alive();
}

pub(crate) fn broker_answers_unsubscribe(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    peer.subscribe("a", 0);
    peer.send(unsubscribe(300).filter("a"));
    peer.expect(unsuback(v, 300, &[0]));
    peer.expect_nothing();
}

pub(crate) fn broker_answers_unsubscribe_of_nothing(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    peer.send(unsubscribe(7).filter("never"));
    peer.expect(unsuback(v, 7, &[0x11]));
    peer.expect_nothing();
}

pub(crate) fn broker_answers_several_filters_with_one_unsuback(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    ["a", "b/+", "c/#"].iter().for_each(|filter| peer.subscribe(filter, 1));
    peer.send(unsubscribe(7).filter("a").filter("b/+").filter("c/#"));
    peer.expect(unsuback(v, 7, &[0, 0, 0]));
    ["a", "b/x", "c"].iter().for_each(|topic| peer.publish(topic, "x", 1));
    peer.expect_nothing();
}
