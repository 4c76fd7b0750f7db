//! Keep Alive. MQTT 5.0 §3.1.2.10, MQTT 3.1.1 §3.1.2.10.

use libmqtt_conformance::wire::{Connect, Will, publish};
use libmqtt_conformance::{Version, World, millis, secs};

pub(crate) fn broker_closes_after_one_and_a_half_keep_alive(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("w", 0);
    let will = Will::new("w", "gone");
    let mut peer = world.connect_with(v, Connect::new("c").keep_alive(2).will(will));
    world.advance(millis(2900));
    peer.send("C0 00");
    peer.expect("D0 00");
    world.advance(millis(2900));
    peer.send(publish("t", "any packet counts"));
    world.advance(millis(2900));
    peer.expect_nothing();
    sub.expect_nothing();
    world.advance(millis(600));
    peer.expect_thrown_out(&[0x8D]);
    sub.expect_message("w", "gone", 0);
}

pub(crate) fn broker_never_closes_at_keep_alive_0(v: Version) {
    let world = World::new();
    let mut peer = world.connect_with(v, Connect::new("c").keep_alive(0));
    world.advance(secs(1_000_000));
    peer.expect_alive();
}

pub(crate) fn broker_answers_ping(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    peer.send("C0 00");
    peer.expect("D0 00");
    peer.send("C0 00 C0 00");
    peer.expect("D0 00");
    peer.expect("D0 00");
    peer.expect_nothing();
}
