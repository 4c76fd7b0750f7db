//! CONNACK. MQTT 5.0 §3.2, MQTT 3.1.1 §3.2.

use libmqtt_conformance::wire::{Connect, Kind, Will, prop};
use libmqtt_conformance::{Rules, Version, World};
use libmqtt_engine::Verdict;
use libmqtt_engine::codec::Reason;

pub(crate) fn broker_sends_no_session_present_with_clean_start(v: Version) {
    let world = World::new();
    world.connect_with(v, Connect::keep(v, "c")).cut();
    let peer = world.connect(v, "c");
    assert_eq!(peer.connack().body()[..2], [0, 0]);
}

pub(crate) fn broker_tells_whether_there_is_a_session(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "c");
    let peer = world.connect_with(v, &keep);
    assert_eq!(peer.connack().body()[..2], [0, 0]);
    peer.cut();
    let peer = world.connect_with(v, &keep);
    assert_eq!(peer.connack().body()[..2], [1, 0]);
    peer.bye();
    assert_eq!(world.connect_with(v, &keep).connack().body()[..2], [1, 0]);
}

/// A broker that refuses everyone with a wrong password, and limits itself in 5.0.
fn strict() -> World {
    let rules = Rules::default().authenticate(|a| match a.password {
        Some(b"bad") => Verdict::Deny(Reason::BadUserNameOrPassword),
        Some(b"no") => Verdict::Deny(Reason::NotAuthorized),
        Some(b"busy") => Verdict::Deny(Reason::ServerUnavailable),
        Some(b"id") => Verdict::Deny(Reason::ClientIdentifierNotValid),
        _ => Verdict::Allow,
    });
    World::ruled(rules, |config| config.retain_available = false)
}

/// Every way to be refused that this broker has, for a client that has a session.
pub(crate) fn broker_refuses_without_session_present_and_closes(v: Version) {
    let world = strict();
    world.connect_with(v, Connect::keep(v, "c")).cut();
    let mut codes = vec![];
    for password in ["bad", "no", "busy", "id"] {
        let mut peer = world.open(v);
        peer.send(Connect::keep(v, "c").user("u").password(password));
        let seen = peer.next_of(Kind::ConnAck);
        assert_eq!(seen.body()[0], 0, "{seen:?}");
        codes.push(seen.reason());
        peer.expect_closed();
    }
    match v {
        Version::V5 => assert_eq!(codes, [0x86, 0x87, 0x88, 0x85]),
        _ => assert_eq!(codes, [4, 5, 3, 2]),
    }
    assert!(world.connect_with(v, Connect::keep(v, "c")).connack().session_present());
}

pub(crate) fn broker_leaves_the_other_flags_0(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "c");
    assert_eq!(world.connect_with(v, &keep).connack().body()[0], 0);
    assert_eq!(world.connect_with(v, &keep).connack().body()[0], 1);
    let mut peer = world.open(v);
    peer.send(Connect::new("c").level(2));
    assert_eq!(peer.next_of(Kind::ConnAck).body()[0], 0);
}

/// All codes that CONNACKs carry are those of the table.
pub(crate) fn broker_uses_only_the_codes_of_connack(v: Version) {
    const TABLE: [u8; 22] = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
        0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
    ];
    let world = strict();
    let mut connects: Vec<Connect> = ["bad", "no", "busy", "id", "right"]
        .map(|password| Connect::new("c").user("u").password(password))
        .into();
    connects.push(Connect::new("c").name("MQTX"));
    connects.push(Connect::new("c").will(Will::new("t", "").retain()));
    connects.push(Connect::new("c").flags(1));
    connects.push(Connect::new("").clean(false));
    if v == Version::V5 {
        connects.push(Connect::new("c").prop(prop::receive_maximum(0)));
        connects.push(Connect::new("c").prop(prop::auth_method("unknown")));
        connects.push(Connect::new("c").prop(prop::topic_alias(1)));
    }
    for connect in connects {
        let mut peer = world.open(v);
        peer.send(connect);
        if let Some(seen) = peer.poll() {
            assert_eq!(seen.kind(), Kind::ConnAck);
            let code = seen.reason();
            match v {
                Version::V5 => assert!(TABLE.contains(&code), "{seen:?}"),
                _ => assert!(code <= 5, "{seen:?}"),
            }
        }
    }
}
