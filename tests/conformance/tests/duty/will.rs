//! The Will Message. MQTT 5.0 §3.1.2.5, MQTT 3.1.1 §3.1.2.5.

use libmqtt_conformance::wire::{Connect, Will, publish};
use libmqtt_conformance::{Peer, Version, World, secs};

fn willing() -> Connect {
    Connect::new("c").keep_alive(10).will(Will::new("w", "gone"))
}

/// A broker with a client that watches `w`.
fn watched(v: Version) -> (World, Peer) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("w", 2);
    (world, sub)
}

pub(crate) fn broker_publishes_the_will_when_the_connection_breaks(v: Version) {
    let (world, mut sub) = watched(v);
    let peer = world.connect_with(v, willing());
    sub.expect_nothing();
    peer.cut();
    sub.expect_message("w", "gone", 0);
    sub.expect_nothing();
}

pub(crate) fn broker_publishes_the_will_on_every_other_end(v: Version) {
    broker_publishes_the_will_when_the_connection_breaks(v);
    let (world, mut sub) = watched(v);
    let _silent = world.connect_with(v, willing());
    world.advance(secs(16));
    sub.expect_message("w", "gone", 0);
    let mut wrong = world.connect_with(v, willing());
    wrong.send("00 00");
    wrong.drain();
    sub.expect_message("w", "gone", 0);
    let _old = world.connect_with(v, willing());
    let _new = world.connect(v, "c");
    sub.expect_message("w", "gone", 0);
}

pub(crate) fn broker_discards_the_will_on_disconnect(v: Version) {
    let (world, mut sub) = watched(v);
    let mut peer = world.connect_with(v, willing());
    peer.send("E0 00");
    peer.expect_closed();
    world.advance(secs(60));
    sub.expect_nothing();
}

/// Published or discarded, a will is gone: the next end of the session has none.
pub(crate) fn broker_forgets_the_will_after_use(v: Version) {
    let (world, mut sub) = watched(v);
    let keep = Connect::keep(v, "c");
    world.connect_with(v, keep.clone().will(Will::new("w", "gone"))).cut();
    sub.expect_message("w", "gone", 0);
    world.connect_with(v, &keep).cut();
    sub.expect_nothing();
    world.connect_with(v, keep.clone().will(Will::new("w", "gone"))).bye();
    world.connect_with(v, &keep).cut();
    world.advance(secs(7200));
    sub.expect_nothing();
}

pub(crate) fn broker_publishes_nothing_without_a_will(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("#", 0);
    world.connect(v, "c").cut();
    sub.expect_nothing();
}

pub(crate) fn broker_does_not_retain_a_plain_will(v: Version) {
    let (world, mut sub) = watched(v);
    world.connect_with(v, willing()).cut();
    assert!(!sub.expect_message("w", "gone", 0).retain());
    let mut late = world.connect(v, "late");
    late.subscribe("w", 0);
    late.expect_nothing();
}

pub(crate) fn broker_retains_a_retained_will(v: Version) {
    let (world, mut sub) = watched(v);
    world.connect_with(v, Connect::new("c").will(Will::new("w", "gone").qos(1).retain())).cut();
    sub.expect_message("w", "gone", 1);
    let mut late = world.connect(v, "late");
    late.subscribe("w", 1);
    let seen = late.expect_message("w", "gone", 1);
    assert!(seen.retain());
}

/// Wrong flags in DISCONNECT make it an error, not a goodbye.
pub(crate) fn broker_publishes_the_will_after_a_wrong_disconnect(v: Version) {
    for wrong in ["E1 00", "E2 00", "E4 00", "E8 00"] {
        let (world, mut sub) = watched(v);
        let mut peer = world.connect_with(v, willing());
        peer.send(wrong);
        peer.expect_thrown_out(&[0x81]);
        sub.expect(publish("w", "gone"));
    }
}
