//! AUTH and enhanced authentication. Chapters 3.15 and 4.12.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{
    First, Kind, Plain, Seen, auth, connack, disconnect, prop, publish,
};
use libmqtt_conformance::{ClientWorld, Peer, secs};
use libmqtt_engine::client::{Authentication, ClientConfig};

/// A client with the method "M".
fn methodical(config: &mut ClientConfig) {
    config.authentication = Some(Authentication { method: "M".into(), data: Some("hi".into()) });
}

fn challenge(reason: u8, data: &str) -> Plain {
    auth(reason).prop(prop::auth_method("M")).prop(prop::auth_data(data))
}

#[test]
fn mqtt_3_1_2_30_client_sends_only_auth_before_connack() {
    let world = ClientWorld::new(V5, methodical);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.prop(0x15), Some(b"M".to_vec()));
    assert_eq!(connect.prop(0x16), Some(b"hi".to_vec()));
    world.publish("t", "x", 1).expect("a queue");
    world.subscribe("t", 1).expect("a queue");
    world.advance(secs(5));
    server.expect_nothing();
    server.send(challenge(0x18, "?"));
    world.publish("t", "y", 0).expect("a queue");
    server.expect_nothing();
    world.command(|client, now| client.authenticate(now, b"!")).expect("a challenge");
    server.next_of(Kind::Auth);
    server.expect_nothing();
    server.send(connack(false, 0).prop(prop::auth_method("M")));
    assert_eq!(server.drain().len(), 3);
}

#[test]
fn mqtt_3_15_1_1_client_closes_on_wrong_auth_flags() {
    for flags in 1..16 {
        let (world, mut server) = ClientWorld::online_with(
            V5,
            methodical,
            connack(false, 0).prop(prop::auth_method("M")),
        );
        world.command(|client, now| client.reauthenticate(now, None)).expect("a method");
        assert_eq!(server.next_of(Kind::Auth).bytes[0], 0xF0);
        server.send(First(0xF0 | flags, challenge(0x18, "?")));
        server.expect_thrown_out(&[0x81]);
    }
}

/// A client that re-authenticates, and the AUTH that has come of it.
fn reauthenticating() -> (ClientWorld, Peer, Seen) {
    let (world, mut server) =
        ClientWorld::online_with(V5, methodical, connack(false, 0).prop(prop::auth_method("M")));
    let again = world.command(|client, now| client.reauthenticate(now, Some(b"again")));
    again.expect("a method");
    let seen = server.next_of(Kind::Auth);
    (world, server, seen)
}

#[test]
fn mqtt_3_15_2_1_client_uses_only_the_codes_of_auth() {
    let (world, mut server, seen) = reauthenticating();
    assert_eq!(seen.reason(), 0x19);
    server.send(challenge(0x18, "?"));
    world.command(|client, now| client.authenticate(now, b"!")).expect("a challenge");
    assert_eq!(server.next_of(Kind::Auth).reason(), 0x18);
    server.send(challenge(0x00, ""));
    server.expect_nothing();
    for wrong in [0x01, 0x19, 0x80] {
        let (_world, mut server, _) = reauthenticating();
        server.send(challenge(wrong, ""));
        server.expect_thrown_out(&[0x81, 0x82]);
    }
}

#[test]
fn mqtt_4_12_0_3_client_answers_with_auth_0x18() {
    let world = ClientWorld::new(V5, methodical);
    let (mut server, _) = world.dial();
    for data in ["one", "two"] {
        server.send(challenge(0x18, data));
        world.command(|client, now| client.authenticate(now, b"!")).expect("a challenge");
        let seen = server.next_of(Kind::Auth);
        assert_eq!(seen.reason(), 0x18);
        assert_eq!(seen.prop(0x16), Some(b"!".to_vec()));
    }
}

#[test]
fn mqtt_4_12_0_5_client_repeats_the_method() {
    let world = ClientWorld::new(V5, methodical);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.prop(0x15), Some(b"M".to_vec()));
    server.send(challenge(0x18, "?"));
    world.command(|client, now| client.authenticate(now, b"!")).expect("a challenge");
    assert_eq!(server.next_of(Kind::Auth).prop(0x15), Some(b"M".to_vec()));
    server.send(auth(0x18).prop(prop::auth_method("other")));
    server.drain();
    server.expect_closed();
    let (_world, mut server) = ClientWorld::online_with(
        V5,
        methodical,
        connack(false, 0).prop(prop::auth_method("other")),
    );
    server.drain();
    server.expect_closed();
}

#[test]
fn mqtt_4_12_0_7_client_sends_no_auth_without_a_method() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    assert!(world.command(|client, now| client.authenticate(now, b"x")).is_err());
    assert!(world.command(|client, now| client.reauthenticate(now, None)).is_err());
    server.expect_nothing();
    server.send(challenge(0x18, "?"));
    server.expect_thrown_out(&[0x82]);
}

#[test]
fn mqtt_4_12_1_1_client_re_authenticates_with_the_same_method() {
    let (_world, _server, seen) = reauthenticating();
    assert_eq!(seen.reason(), 0x19);
    assert_eq!(seen.prop(0x15), Some(b"M".to_vec()));
    assert_eq!(seen.prop(0x16), Some(b"again".to_vec()));
}

#[test]
fn mqtt_4_12_1_2_client_closes_when_re_authentication_fails() {
    let (_world, mut server, _) = reauthenticating();
    server.send(disconnect(0x87));
    server.expect_closed();
}

#[test]
fn v5_u48_client_closes_on_auth_without_method() {
    mqtt_4_12_0_7_client_sends_no_auth_without_a_method();
    for wrong in [auth(0x18), auth(0x18).prop(prop::auth_method("other"))] {
        let (_world, mut server, _) = reauthenticating();
        server.send(wrong);
        server.expect_thrown_out(&[0x82, 0x8C]);
    }
}

#[test]
fn v5_u57_client_carries_traffic_during_re_authentication() {
    let (world, mut server, _) = reauthenticating();
    world.publish("t", "x", 0).expect("a connection");
    server.expect(publish("t", "x"));
    server.deliver(publish("t", "y").qos(1, 3), 1, 3);
    server.send(challenge(0x00, ""));
    server.expect_nothing();
}
