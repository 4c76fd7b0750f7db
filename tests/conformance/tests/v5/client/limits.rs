//! What CONNACK says, and how the client keeps to it. Chapters 3.1 and 3.2.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Kind, connack, prop, publish};
use libmqtt_conformance::{ClientWorld, millis, secs};
use libmqtt_engine::client::{ClientConfig, Outcome};
use libmqtt_engine::codec::PropertiesBuf;

use super::limited;
use crate::duty::client::connect::check_gaps;
use crate::duty::client::{keeper, lasting};

/// Every 2 seconds instead of every 60.
#[test]
fn mqtt_3_1_2_21_client_uses_the_server_keep_alive() {
    let connack = connack(false, 0).prop(prop::server_keep_alive(2));
    let (world, mut server) =
        ClientWorld::online_with(V5, |config| config.keep_alive_s = 60, connack);
    check_gaps(&world, &mut server, millis(2000));
}

#[test]
fn mqtt_3_2_2_21_client_uses_the_server_keep_alive_of_each_connection() {
    mqtt_3_1_2_21_client_uses_the_server_keep_alive();
    let connack_0 = connack(false, 0).prop(prop::server_keep_alive(0));
    let (world, mut server) =
        ClientWorld::online_with(V5, |config| config.keep_alive_s = 10, connack_0);
    world.advance(secs(1000));
    server.expect_nothing(); // 0 turns it off
    server.cut();
    let mut server = world.connect_with(connack(false, 0));
    check_gaps(&world, &mut server, millis(10_000));
}

#[test]
fn mqtt_3_1_2_23_client_keeps_its_session_only_as_long_as_it_lasts() {
    let (world, mut server) = keeper(V5);
    world.publish("t", "x", 1).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    server.cut();
    let (mut server, connect) = world.dial();
    assert_eq!(connect.number(0x11), Some(3600));
    server.send(connack(true, 0));
    server.expect(publish("t", "x").qos(1, id).dup());
}

#[test]
fn mqtt_3_2_2_4_client_closes_when_the_server_has_a_session_it_does_not_know() {
    for change in [|_: &mut ClientConfig| {}, lasting] {
        let (_world, mut server) = ClientWorld::online_with(V5, change, connack(true, 0));
        server.drain();
        server.expect_closed();
    }
}

#[test]
fn mqtt_3_2_2_11_client_publishes_no_higher_than_the_maximum_qos() {
    for maximum in [0, 1] {
        let world = ClientWorld::new(V5, |_| {});
        let early = world.publish("t", "early", 2).expect("a queue");
        let mut server = world.connect_with(connack(false, 0).prop(prop::maximum_qos(maximum)));
        assert!(matches!(world.outcome(early), Some(Outcome::Unsendable(_))));
        for qos in 0..3 {
            assert_eq!(world.publish("t", "x", qos).is_ok(), qos <= maximum);
        }
        assert!(server.drain().iter().all(|seen| seen.qos() <= maximum));
    }
}

#[test]
fn mqtt_3_2_2_14_client_retains_nothing_that_the_server_does_not_retain() {
    let world = ClientWorld::new(V5, |_| {});
    let none = PropertiesBuf::new();
    world.publish_with("t", "early", 1, true, none.view()).expect("a queue");
    let mut server = world.connect_with(connack(false, 0).prop(prop::retain_available(0)));
    assert!(world.publish_with("t", "x", 0, true, none.view()).is_err());
    world.publish("t", "y", 0).expect("a connection");
    server.expect(publish("t", "y"));
    server.expect_nothing();
}

#[test]
fn mqtt_3_2_2_15_client_sends_nothing_that_is_too_large() {
    let (world, mut server) = limited(prop::maximum_packet_size(40));
    for size in [10, 33, 34, 35, 36, 37, 100] {
        for qos in 0..3 {
            let _ = world.publish("t", &"x".repeat(size), qos);
        }
        let _ = world.subscribe(&"f".repeat(size), 0);
        let _ = world.unsubscribe(&"f".repeat(size));
    }
    let seen = server.drain();
    assert!(seen.iter().all(|seen| seen.bytes.len() <= 40), "{seen:?}");
    assert!(seen.iter().any(|seen| seen.bytes.len() == 40));
    let world = ClientWorld::new(V5, |_| {});
    let early = world.publish("t", &"x".repeat(100), 1).expect("a queue");
    let mut server = world.connect_with(connack(false, 0).prop(prop::maximum_packet_size(40)));
    assert!(matches!(world.outcome(early), Some(Outcome::Unsendable(_))));
    server.expect_nothing();
}

/// Bits that must be 0, and codes that no CONNACK has.
#[test]
fn mqtt_3_2_2_1_client_closes_on_reserved_connack_flags() {
    for (flags, code) in [(0x02, 0), (0x80, 0), (0x03, 0), (0x00, 0x01), (0x00, 0x8E)] {
        let (mut server, _) = ClientWorld::new(V5, |_| {}).dial();
        server.send(vec![0x20, 3, flags, code, 0]);
        server.drain();
        server.expect_closed();
    }
}
