//! Chapters 3.15 and 4.12: AUTH and enhanced authentication.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Connect, First, Kind, Seen, auth, prop, publish};
use libmqtt_conformance::{Peer, Rules, World};
use libmqtt_engine::codec::Reason;
use libmqtt_engine::{Authenticate, Step, Verdict};

use crate::duty::throws_out;

/// The method "M": one challenge, whose answer is "right".
fn method(attempt: &Authenticate<'_>) -> Verdict {
    match (attempt.method, attempt.step, attempt.data) {
        (None, ..) => Verdict::Allow,
        (Some("M"), Step::Connect | Step::ReAuthenticate, _) => {
            Verdict::Challenge(b"challenge"[..].into())
        }
        (Some("M"), Step::Continue, Some(b"right")) => Verdict::AllowWith(b"welcome"[..].into()),
        (Some("M"), Step::Continue, _) => Verdict::Deny(Reason::NotAuthorized),
        (Some(_), ..) => Verdict::Deny(Reason::BadAuthenticationMethod),
    }
}

fn world() -> World {
    World::ruled(Rules::default().authenticate(method), |_| {})
}

/// A client that has sent its CONNECT with method M.
fn beginning(world: &World) -> Peer {
    let mut peer = world.open(V5);
    peer.send(Connect::new("c").prop(prop::auth_method("M")));
    peer
}

#[track_caller]
fn expect_auth(peer: &mut Peer, reason: u8) -> Seen {
    let seen = peer.next_of(Kind::Auth);
    assert_eq!(seen.reason(), reason, "{seen:?}");
    assert_eq!(seen.prop(0x15), Some(b"M".to_vec()), "{seen:?}");
    seen
}

fn answer(reason: u8, data: &str) -> libmqtt_conformance::wire::Plain {
    auth(reason).prop(prop::auth_method("M")).prop(prop::auth_data(data))
}

/// A client that method M has let in.
fn authenticated(world: &World) -> Peer {
    let mut peer = beginning(world);
    expect_auth(&mut peer, 0x18);
    peer.send(answer(0x18, "right"));
    peer.expect_accepted();
    peer
}

#[test]
fn mqtt_3_15_1_1_broker_closes_on_wrong_auth_flags() {
    let world = world();
    for flags in 1..16 {
        let mut peer = authenticated(&world);
        peer.send(First(0xF0 | flags, answer(0x19, "")));
        peer.expect_thrown_out(&[0x81]);
    }
    let mut peer = authenticated(&world);
    peer.send(answer(0x19, ""));
    assert_eq!(expect_auth(&mut peer, 0x18).flags(), 0);
}

#[test]
fn mqtt_3_15_2_1_broker_uses_only_the_codes_of_auth() {
    let world = world();
    let mut peer = authenticated(&world);
    peer.send(answer(0x19, ""));
    expect_auth(&mut peer, 0x18);
    peer.send(answer(0x18, "right"));
    expect_auth(&mut peer, 0x00);
    for wrong in [0x00, 0x01, 0x17, 0x80, 0xFF] {
        let mut peer = authenticated(&world);
        peer.send(answer(wrong, ""));
        peer.expect_thrown_out(&[0x81, 0x82]);
    }
}

#[test]
fn mqtt_4_12_0_1_broker_refuses_unknown_methods() {
    for world in [world(), World::new()] {
        let mut peer = world.open(V5);
        peer.send(Connect::new("c").prop(prop::auth_method("unknown")));
        assert!([0x8C, 0x87].contains(&peer.next_of(Kind::ConnAck).reason()));
        peer.expect_closed();
    }
}

#[test]
fn mqtt_4_12_0_2_broker_challenges_with_auth_0x18() {
    let mut peer = beginning(&world());
    let seen = expect_auth(&mut peer, 0x18);
    assert_eq!(seen.prop(0x16), Some(b"challenge".to_vec()));
    peer.expect_nothing();
}

#[test]
fn mqtt_4_12_0_4_broker_refuses_at_any_step() {
    let world = world();
    let mut peer = beginning(&world);
    expect_auth(&mut peer, 0x18);
    peer.send(answer(0x18, "wrong"));
    peer.expect_refused(&[0x87]);
    let mut peer = world.open(V5);
    peer.send(Connect::new("c").prop(prop::auth_method("N")));
    peer.expect_refused(&[0x8C, 0x87]);
}

#[test]
fn mqtt_4_12_0_5_broker_repeats_the_method() {
    let world = world();
    let mut peer = authenticated(&world); // looks at every AUTH
    assert_eq!(peer.connack().prop(0x15), Some(b"M".to_vec()));
    assert_eq!(peer.connack().prop(0x16), Some(b"welcome".to_vec()));
    peer.send(auth(0x19).prop(prop::auth_method("other")));
    peer.expect_thrown_out(&[0x82, 0x8C]);
    let mut peer = beginning(&world);
    expect_auth(&mut peer, 0x18);
    peer.send(auth(0x18).prop(prop::auth_method("other")).prop(prop::auth_data("right")));
    peer.expect_refused(&[0x82, 0x8C]);
}

#[test]
fn mqtt_4_12_0_6_broker_sends_no_auth_to_clients_without_a_method() {
    let world = world();
    let mut peer = world.connect(V5, "c");
    assert_eq!(peer.connack().prop(0x15), None);
    assert_eq!(peer.connack().prop(0x16), None);
    peer.publish("t", "x", 2);
    assert!(peer.log().iter().all(|seen| seen.kind() != Kind::Auth));
}

#[test]
fn mqtt_4_12_0_7_broker_closes_on_auth_from_clients_without_a_method() {
    throws_out(V5, answer(0x18, "right"), &[0x82]);
    throws_out(V5, answer(0x19, "right"), &[0x82]);
    throws_out(V5, "F0 00", &[0x82, 0x81]);
}

#[test]
fn mqtt_4_12_1_1_broker_closes_on_another_method_in_re_authentication() {
    let mut peer = authenticated(&world());
    peer.send(auth(0x19).prop(prop::auth_method("other")));
    peer.expect_thrown_out(&[0x82, 0x8C]);
}

#[test]
fn mqtt_4_12_1_2_broker_closes_when_re_authentication_fails() {
    let mut peer = authenticated(&world());
    peer.send(answer(0x19, ""));
    expect_auth(&mut peer, 0x18);
    peer.send(answer(0x18, "wrong"));
    peer.expect_thrown_out(&[0x87]);
}

#[test]
fn v5_u48_broker_closes_on_auth_without_method() {
    let mut peer = authenticated(&world());
    peer.send(auth(0x19));
    peer.expect_thrown_out(&[0x82]);
    let mut peer = authenticated(&world());
    peer.send("F0 00");
    peer.expect_thrown_out(&[0x82, 0x81]);
}

#[test]
fn v5_u57_broker_carries_traffic_during_re_authentication() {
    let mut peer = authenticated(&world());
    peer.subscribe("t", 1);
    peer.send(answer(0x19, ""));
    expect_auth(&mut peer, 0x18);
    peer.send(publish("t", "x").qos(1, 1));
    peer.send(answer(0x18, "right"));
    let kinds: Vec<Kind> = peer.drain().iter().map(|seen| seen.kind()).collect();
    assert_eq!(kinds.len(), 3);
    assert!([Kind::PubAck, Kind::Publish, Kind::Auth].iter().all(|kind| kinds.contains(kind)));
}
