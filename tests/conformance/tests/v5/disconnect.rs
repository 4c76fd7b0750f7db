//! Chapters 3.14 and 4.13: DISCONNECT and the handling of errors.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{
    Connect, Kind, Seen, Will, Wire, auth, disconnect, prop, puback, publish, subscribe,
    unsubscribe,
};
use libmqtt_conformance::{World, millis, secs};
use libmqtt_engine::codec::Reason;

use super::{codes_of, failures};
use crate::duty::{disconnect as duty, will};

same! { V5;
    mqtt_3_14_1_1_broker_publishes_the_will_after_a_wrong_disconnect: will::broker_publishes_the_will_after_a_wrong_disconnect;
    mqtt_3_14_4_3_broker_discards_the_will_on_disconnect: will::broker_discards_the_will_on_disconnect;
    mqtt_4_13_1_1_broker_closes_only_the_offending_connection: duty::broker_closes_only_the_offending_connection;
}

#[test]
fn mqtt_3_14_0_1_broker_sends_no_disconnect_before_connack() {
    let connects: Vec<Vec<u8>> = vec![
        Connect::new("c").level(9).wire(V5),
        Connect::new("c").flags(1).wire(V5),
        Connect::new([0xC3]).wire(V5),
        Connect::new("c").prop(prop::receive_maximum(0)).wire(V5),
        Connect::new("c").prop(prop::auth_method("unknown")).wire(V5),
        publish("t", "x").wire(V5),
        auth(0x18).wire(V5),
        vec![0xC0, 0],
        vec![0xE0, 0],
        vec![0, 0],
        vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF, 1],
    ];
    for bytes in connects {
        let world = World::new();
        let mut peer = world.open(V5);
        peer.send(bytes);
        world.advance(secs(60));
        assert!(peer.drain().iter().all(|seen| seen.kind() == Kind::ConnAck));
        peer.expect_closed();
    }
    let world = World::new();
    let mut silent = world.open(V5);
    world.shut_down();
    silent.expect_closed();
}

/// Every error that a client can make, and the DISCONNECT that it gets.
fn farewells() -> Vec<Seen> {
    let mut packets: Vec<Vec<u8>> = vec![
        vec![0, 0],
        vec![0x36, 0],
        vec![0xC0, 0xFF, 0xFF, 0xFF, 0xFF],
        Connect::new("c").wire(V5),
        publish("a/#", "x").wire(V5),
        publish("", "x").wire(V5),
        publish("t", "x").prop(prop::topic_alias(0)).wire(V5),
        publish("t", "x").prop(prop::subscription_id(4)).wire(V5),
        publish("t", "x").prop(prop::response_topic("#")).wire(V5),
        subscribe(1).wire(V5),
        subscribe(1).filter("$share/g/t", 4).wire(V5),
        unsubscribe(1).wire(V5),
        auth(0x19).wire(V5),
        puback(0).wire(V5),
        vec![0xD0, 0],
    ];
    packets.push([&[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..], &[0; 64]].concat());
    let mut out: Vec<Seen> = packets
        .into_iter()
        .map(|packet| {
            let mut peer = World::new().connect(V5, "c");
            peer.send(packet);
            let seen = peer.next_of(Kind::Disconnect);
            peer.expect_closed();
            seen
        })
        .collect();
    let world = World::new();
    let mut peer = world.connect_with(V5, Connect::new("c").keep_alive(1));
    world.advance(millis(2000));
    out.push(peer.next_of(Kind::Disconnect));
    let mut peer = world.connect(V5, "c");
    let _new = world.connect(V5, "c");
    out.push(peer.next_of(Kind::Disconnect));
    let mut peer = world.connect(V5, "last");
    world.shut_down();
    out.push(peer.next_of(Kind::Disconnect));
    out
}

#[test]
fn mqtt_3_14_2_1_broker_uses_only_the_codes_of_disconnect() {
    let table = codes_of("DISCONNECT");
    for seen in farewells() {
        assert!(table.contains(&seen.reason()), "{seen:?}");
    }
    for reason in failures() {
        let world = World::new();
        let mut peer = world.connect(V5, "c");
        world.disconnect("c", reason);
        let code = peer.next_of(Kind::Disconnect).reason();
        assert!(table.contains(&code) && code >= 0x80, "{reason} became {code:#04x}");
        peer.expect_closed();
    }
    let world = World::new();
    let mut peer = world.connect(V5, "c");
    world.disconnect("c", Reason::AdministrativeAction);
    peer.expect_thrown_out(&[0x98]);
}

#[test]
fn mqtt_3_14_2_2_broker_sends_no_session_expiry_in_disconnect() {
    for seen in farewells() {
        assert_eq!(seen.prop(0x11), None, "{seen:?}");
    }
}

#[test]
fn mqtt_3_14_4_1_broker_sends_nothing_after_disconnect() {
    let world = World::new();
    let mut peer = world.connect_with(V5, Connect::keep(V5, "c"));
    peer.subscribe("#", 1);
    peer.send((vec![0u8, 0], (vec![0xC0u8, 0], publish("t", "x").qos(1, 1))));
    world.connect(V5, "pub").publish("t", "later", 1);
    world.advance(secs(60));
    peer.expect_thrown_out(&[0x81, 0x82]);
}

#[test]
fn mqtt_3_14_4_2_broker_closes_after_its_disconnect() {
    for packet in [&[0, 0][..], &[0xD0, 0], &[0x82, 3, 0, 1, 0]] {
        let mut peer = World::new().connect(V5, "c");
        peer.send(packet);
        peer.next_of(Kind::Disconnect);
        peer.expect_closed();
    }
}

#[test]
fn mqtt_3_14_4_3_broker_publishes_the_will_on_0x04() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("w", 0);
    for (code, fires) in [(0x00, false), (0x04, true)] {
        let mut peer = world.connect_with(V5, Connect::new("c").will(Will::new("w", "gone")));
        peer.disconnect(code);
        peer.expect_closed();
        assert_eq!(sub.poll().is_some(), fires);
    }
}

#[test]
fn mqtt_4_13_2_1_broker_closes_when_either_side_reports_an_error() {
    for code in [0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99] {
        let mut peer = World::new().connect(V5, "c");
        peer.disconnect(code);
        peer.expect_closed();
    }
    mqtt_3_14_4_2_broker_closes_after_its_disconnect();
    crate::duty::connack::broker_refuses_without_session_present_and_closes(V5);
}

#[test]
fn v5_u45_broker_takes_short_disconnects() {
    for (bytes, fires) in
        [("E0 00", false), ("E0 01 00", false), ("E0 01 04", true), ("E0 02 04 00", true)]
    {
        let world = World::new();
        let mut sub = world.connect(V5, "sub");
        sub.subscribe("w", 0);
        let mut peer = world.connect_with(V5, Connect::new("c").will(Will::new("w", "gone")));
        peer.send(bytes);
        peer.expect_closed();
        assert_eq!(sub.poll().is_some(), fires, "{bytes}");
    }
}

#[test]
fn v5_u46_broker_takes_no_expiry_from_a_session_without() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("w", 0);
    let mut peer = world.connect_with(V5, Connect::new("c").will(Will::new("w", "gone")));
    peer.send(disconnect(0).prop(prop::session_expiry(10)));
    peer.expect_thrown_out(&[0x82]);
    sub.expect_message("w", "gone", 0);
}

/// A DISCONNECT that fits, whatever the broker would like to explain.
#[test]
fn mqtt_3_14_2_3_broker_leaves_out_a_reason_string_that_does_not_fit() {
    let wrong = [publish("", "x").wire(V5), publish("t", "x").prop(prop::topic_alias(0)).wire(V5)];
    for limit in [4, 5, 20, 30] {
        let world = World::with(|config| config.receive_maximum = 1);
        let connect = Connect::new("c").prop(prop::maximum_packet_size(limit));
        for wrong in wrong.clone().into_iter().chain([too_many()]) {
            let mut peer = world.open(V5);
            peer.send(&connect);
            peer.drain(); // CONNACK itself may be too large to be sent
            peer.send(wrong);
            let last = peer.drain().pop();
            assert!(last.is_none_or(|seen| seen.bytes.len() <= limit as usize));
            peer.expect_closed();
        }
    }
    let mut peer = World::with(|config| config.receive_maximum = 1).connect(V5, "c");
    peer.send(too_many());
    peer.next_of(Kind::PubRec);
    assert!(peer.next_of(Kind::Disconnect).prop(0x1F).is_some(), "the broker explains itself");
}

/// Two messages at QoS 2 where one is allowed.
fn too_many() -> Vec<u8> {
    [publish("t", "x").qos(2, 1).wire(V5), publish("t", "x").qos(2, 2).wire(V5)].concat()
}
