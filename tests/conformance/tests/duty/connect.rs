//! CONNECT. MQTT 5.0 §3.1, MQTT 3.1.1 §3.1.

use libmqtt_conformance::wire::{Connect, First, Kind, Will, Wire, prop, publish, subscribe};
use libmqtt_conformance::{Rules, Version, World};
use libmqtt_engine::Verdict;
use libmqtt_engine::codec::Reason;

use super::{refuses_connect, throws_out};

pub(crate) fn broker_closes_when_connect_does_not_come_first(v: Version) {
    for packet in [publish("t", "x").wire(v), subscribe(1).filter("t", 0).wire(v), vec![0xC0, 0]] {
        refuses_connect(v, packet, &[0x81, 0x82]);
    }
    refuses_connect(v, "E0 00", &[]);
}

pub(crate) fn broker_closes_on_a_second_connect(v: Version) {
    throws_out(v, Connect::new("peer"), &[0x82]);
    throws_out(v, Connect::new("other"), &[0x82]);
}

pub(crate) fn broker_refuses_other_protocol_names(v: Version) {
    for name in ["mqtt", "MQTX", "MQT", "MQTTT", "", "MQIsdq"] {
        let world = World::new();
        let mut peer = world.open(v);
        peer.send((Connect::new("c").name(name), publish("t", "x")));
        peer.expect_refused(&[0x84, 0x81, 0x01]);
    }
}

pub(crate) fn broker_closes_on_the_reserved_flag(v: Version) {
    for flags in [0x01, 0x03] {
        refuses_connect(v, Connect::new("c").flags(flags), &[0x81]);
    }
}

pub(crate) fn broker_closes_on_will_flag_without_will(v: Version) {
    refuses_connect(v, Connect::new("c").flags(0x06), &[0x81]);
    let topic_only = Connect::new("c").flags(0x06).extra(b"\x00\x01t");
    refuses_connect(v, topic_only, &[0x81]);
}

/// Both fields are there and the QoS and RETAIN bits are used.
pub(crate) fn broker_uses_all_of_the_will(v: Version) {
    broker_closes_on_will_flag_without_will(v);
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("w", 2);
    world.connect_with(v, Connect::new("c").will(Will::new("w", "gone").qos(2).retain())).cut();
    sub.expect_message("w", "gone", 2);
    let mut late = world.connect(v, "late");
    late.subscribe("w", 2);
    assert!(late.expect_message("w", "gone", 2).retain());
}

pub(crate) fn broker_closes_on_will_qos_without_will_flag(v: Version) {
    for flags in [0x0A, 0x12, 0x1A] {
        refuses_connect(v, Connect::new("c").flags(flags), &[0x81]);
    }
}

pub(crate) fn broker_closes_on_will_retain_without_will_flag(v: Version) {
    refuses_connect(v, Connect::new("c").flags(0x22), &[0x81]);
}

pub(crate) fn broker_closes_on_will_bits_or_fields_without_will_flag(v: Version) {
    broker_closes_on_will_qos_without_will_flag(v);
    broker_closes_on_will_retain_without_will_flag(v);
    refuses_connect(v, Connect::new("c").will(Will::new("t", "m")).flags(0x02), &[0x81]);
}

pub(crate) fn broker_closes_on_will_qos_3(v: Version) {
    refuses_connect(v, Connect::new("c").will(Will::new("t", "m").qos(3)), &[0x81]);
}

pub(crate) fn broker_closes_on_surplus_user_name(v: Version) {
    refuses_connect(v, Connect::new("c").user("u").flags(0x02), &[0x81]);
}

pub(crate) fn broker_closes_on_missing_user_name(v: Version) {
    refuses_connect(v, Connect::new("c").flags(0x82), &[0x81]);
}

pub(crate) fn broker_closes_on_surplus_password(v: Version) {
    refuses_connect(v, Connect::new("c").user("u").password("p").flags(0x82), &[0x81]);
}

pub(crate) fn broker_closes_on_missing_password(v: Version) {
    refuses_connect(v, Connect::new("c").user("u").flags(0xC2), &[0x81]);
}

/// Client Identifier, will, user name, password, in this order.
pub(crate) fn broker_reads_the_payload_in_order(v: Version) {
    let rules = Rules::default().authenticate(|a| {
        let user = a.client.user_name.as_deref();
        match &*a.client.client_id == "id" && user == Some("u") && a.password == Some(b"p") {
            true => Verdict::Allow,
            false => Verdict::Deny(Reason::NotAuthorized),
        }
    });
    let world = World::ruled(rules, |_| {});
    let will = Will::new("w", "gone");
    let peer = world.connect_with(v, Connect::new("id").will(will).user("u").password("p"));
    drop(peer);
}

pub(crate) fn broker_closes_without_client_id(v: Version) {
    let header = match v {
        Version::V5 => "10 0B 0004 4D515454 05 02 0000 00",
        _ => "10 0A 0004 4D515454 04 02 0000",
    };
    refuses_connect(v, header, &[0x81]);
}

pub(crate) fn broker_accepts_ids_of_1_to_23_letters_and_digits(v: Version) {
    let world = World::new();
    let all = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for length in 1..=23 {
        world.connect(v, &all[..length]).bye();
        world.connect(v, &all[all.len() - length..]).bye();
    }
    world.connect(v, &all[10..33]).bye();
    world.connect(v, &all[20..43]).bye();
}

/// Two clients without an identifier are not the same client.
pub(crate) fn broker_assigns_distinct_ids(v: Version) {
    let world = World::new();
    let mut peers: Vec<_> = (0..20).map(|_| world.connect(v, "")).collect();
    for (n, peer) in peers.iter_mut().enumerate() {
        peer.subscribe(&format!("own/{n}"), 0);
    }
    for (n, peer) in peers.iter_mut().enumerate() {
        peer.publish(&format!("own/{n}"), "x", 1);
        peer.expect_message(&format!("own/{n}"), "x", 0);
        peer.expect_alive();
    }
}

pub(crate) fn broker_closes_on_malformed_connect(v: Version) {
    let right = Connect::new("c").wire(v);
    let mut too_short = right.clone();
    too_short[1] -= 1;
    too_short.pop();
    refuses_connect(v, too_short, &[0x81]);
    refuses_connect(v, Connect::new("c").extra(b"\x00"), &[0x81]);
    refuses_connect(v, First(0x11, right), &[0x81]);
    refuses_connect(v, "10 00", &[0x81]);
    refuses_connect(v, "10 02 0004", &[0x81]);
    refuses_connect(v, Connect::new("c").flags(0x03), &[0x81]);
    refuses_connect(v, Connect::new("c").will(Will::new("a/#", "")), &[0x81, 0x82, 0x90]);
}

/// A client whose extra checks fail is turned away, and told why.
pub(crate) fn broker_refuses_wrong_credentials(v: Version) {
    for (reason, code) in [(Reason::BadUserNameOrPassword, 4), (Reason::NotAuthorized, 5)] {
        let rules = Rules::default().authenticate(move |a| match a.password {
            Some(b"right") => Verdict::Allow,
            _ => Verdict::Deny(reason),
        });
        let world = World::ruled(rules, |_| {});
        let mut peer = world.open(v);
        peer.send(Connect::new("c").user("u").password("wrong"));
        let seen = peer.next_of(Kind::ConnAck);
        assert_eq!(seen.reason(), if v == Version::V5 { reason as u8 } else { code });
        peer.expect_closed();
        world.connect_with(v, Connect::new("c").user("u").password("right")).expect_alive();
    }
}

pub(crate) fn broker_takes_any_bytes_as_password(v: Version) {
    for password in [&b""[..], b"\x00\xFF\xC0", &[0xEE; 65535]] {
        let wanted = password.to_vec();
        let rules = Rules::default().authenticate(move |a| match a.password {
            Some(given) if given == wanted => Verdict::Allow,
            _ => Verdict::Deny(Reason::BadUserNameOrPassword),
        });
        let world = World::ruled(rules, |config| config.maximum_connect_size = 100_000);
        world.connect_with(v, Connect::new("c").user("u").password(password)).expect_alive();
    }
}

pub(crate) fn broker_lets_the_new_connection_take_over(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("w", 0);
    let mut old = world.connect_with(v, Connect::new("c").will(Will::new("w", "gone")));
    let mut new = world.connect(v, "c");
    old.expect_thrown_out(&[0x8E]);
    sub.expect_message("w", "gone", 0);
    new.expect_alive();
}

pub(crate) fn broker_accepts_a_valid_connect(v: Version) {
    let world = World::new();
    let peer = world.connect(v, "c");
    assert_eq!(peer.connack().body()[..2], [0, 0]);
}

/// What comes behind a CONNECT that is refused is not looked at.
pub(crate) fn broker_ignores_what_follows_a_refused_connect(v: Version) {
    let rules = Rules::default().authenticate(|a| match &*a.client.client_id {
        "bad" => Verdict::Deny(Reason::NotAuthorized),
        _ => Verdict::Allow,
    });
    let world = World::ruled(rules, |_| {});
    let mut sub = world.connect(v, "sub");
    sub.subscribe("#", 0);
    let mut bad = world.open(v);
    bad.send((Connect::new("bad"), (publish("t", "x"), publish("t", "y").retain())));
    bad.expect_refused(&[0x87, 5]);
    bad.send(publish("t", "z"));
    sub.expect_nothing();
    let mut late = world.connect(v, "late");
    late.subscribe("#", 0);
    late.expect_nothing();
}

pub(crate) fn broker_handles_packets_pipelined_behind_connect(v: Version) {
    let world = World::new();
    let mut peer = world.open(v);
    peer.send((Connect::new("c"), (subscribe(1).filter("t", 0), publish("t", "x"))));
    peer.expect_accepted();
    peer.next_of(Kind::SubAck);
    peer.expect(publish("t", "x"));
}

pub(crate) fn broker_sends_connack_first(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t", 1);
    sub.cut();
    world.connect(v, "pub").publish("t", "queued", 1);
    let mut sub = world.connect_with(v, &keep); // asserts that CONNACK comes first
    assert!(sub.connack().session_present());
    sub.expect_message("t", "queued", 1);
    let mut silent = world.open(v);
    silent.expect_nothing();
    silent.send(Connect::new("x").clean(true).prop(if v == Version::V5 {
        prop::user("a", "b")
    } else {
        vec![]
    }));
    silent.expect_accepted();
}
