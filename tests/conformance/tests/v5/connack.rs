//! Chapter 3.2: CONNACK.

use std::collections::BTreeSet;

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Connect, Kind, Will, prop, suback, subscribe};
use libmqtt_conformance::{Rules, World, millis};
use libmqtt_engine::Verdict;
use libmqtt_engine::codec::{QoS, Reason};

use super::{codes_of, failures};
use crate::duty::{connack, connect, keep_alive};

same! { V5;
    mqtt_3_2_0_1_broker_sends_connack_first: connect::broker_sends_connack_first;
    mqtt_3_2_2_1_broker_leaves_the_other_flags_0: connack::broker_leaves_the_other_flags_0;
    mqtt_3_2_2_2_broker_sends_no_session_present_with_clean_start: connack::broker_sends_no_session_present_with_clean_start;
    mqtt_3_2_2_3_broker_tells_whether_there_is_a_session: connack::broker_tells_whether_there_is_a_session;
    mqtt_3_2_2_6_broker_refuses_without_session_present: connack::broker_refuses_without_session_present_and_closes;
    mqtt_3_2_2_7_broker_refuses_and_closes: connack::broker_refuses_without_session_present_and_closes;
    mqtt_3_2_2_8_broker_uses_only_the_codes_of_connack: connack::broker_uses_only_the_codes_of_connack;
    mqtt_3_2_2_22_broker_honours_the_clients_keep_alive: keep_alive::broker_closes_after_one_and_a_half_keep_alive;
}

#[test]
fn mqtt_3_2_0_2_broker_sends_one_connack_per_connection() {
    let world = World::new();
    let mut peer = world.connect(V5, "c");
    peer.subscribe("t", 1);
    peer.publish("t", "x", 2);
    peer.send(Connect::new("c"));
    peer.send(Connect::new("c"));
    let more = peer.drain().iter().filter(|seen| seen.kind() == Kind::ConnAck).count();
    assert_eq!(more, 0);
}

#[test]
fn mqtt_3_2_2_8_broker_translates_what_connack_cannot_say() {
    let table = codes_of("CONNACK");
    for reason in failures() {
        let rules = Rules::default().authenticate(move |_| Verdict::Deny(reason));
        let mut peer = World::ruled(rules, |_| {}).open(V5);
        peer.send(Connect::new("c"));
        let code = peer.next_of(Kind::ConnAck).reason();
        assert!(table.contains(&code) && code >= 0x80, "{reason} became {code:#04x}");
        peer.expect_closed();
    }
}

/// A broker whose highest QoS is this.
fn limited(qos: QoS) -> World {
    World::with(|config| config.maximum_qos = qos)
}

#[test]
fn mqtt_3_2_2_9_broker_announces_its_maximum_qos() {
    for (qos, wanted) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1)] {
        assert_eq!(limited(qos).connect(V5, "c").connack().number(0x24), Some(wanted));
    }
    assert_eq!(limited(QoS::ExactlyOnce).connect(V5, "c").connack().prop(0x24), None);
}

#[test]
fn mqtt_3_2_2_10_broker_grants_less_than_it_is_asked() {
    for (qos, granted) in [(QoS::AtMostOnce, [0, 0, 0]), (QoS::AtLeastOnce, [0, 1, 1])] {
        let mut peer = limited(qos).connect(V5, "c");
        peer.send(subscribe(1).filter("a", 0).filter("b", 1).filter("c", 2));
        peer.expect(suback(1, &granted));
    }
}

#[test]
fn mqtt_3_2_2_12_broker_refuses_a_will_above_its_qos() {
    for (qos, will) in [(QoS::AtMostOnce, 1), (QoS::AtMostOnce, 2), (QoS::AtLeastOnce, 2)] {
        let mut peer = limited(qos).open(V5);
        peer.send(Connect::new("c").will(Will::new("w", "").qos(will)));
        assert_eq!(peer.next_of(Kind::ConnAck).reason(), 0x9B);
        peer.expect_closed();
    }
}

#[test]
fn mqtt_3_2_2_13_broker_refuses_a_retained_will_without_retain() {
    let mut peer = World::with(|config| config.retain_available = false).open(V5);
    peer.send(Connect::new("c").will(Will::new("w", "").retain()));
    assert_eq!(peer.next_of(Kind::ConnAck).reason(), 0x9A);
    peer.expect_closed();
}

#[test]
fn mqtt_3_2_2_16_broker_assigns_ids_that_no_session_has() {
    let world = World::new();
    let mut ids = BTreeSet::new();
    for n in 0..50 {
        let connect = if n % 2 == 0 { Connect::new("") } else { Connect::keep(V5, "") };
        let peer = world.connect_with(V5, connect);
        let id = peer.connack().prop(0x12).expect("an Assigned Client Identifier");
        assert!(!id.is_empty() && ids.insert(id));
        peer.cut();
    }
    assert_eq!(world.connect(V5, "mine").connack().prop(0x12), None);
}

/// The smallest CONNACK that says why.
fn check_tiny_refusal() {
    let rules = Rules::default().authenticate(|_| Verdict::Deny(Reason::NotAuthorized));
    let mut peer = World::ruled(rules, |_| {}).open(V5);
    peer.send(Connect::new("c").prop(prop::maximum_packet_size(5)));
    if let Some(seen) = peer.poll() {
        assert_eq!(seen.bytes, [0x20, 0x03, 0x00, 0x87, 0x00]);
    }
    peer.expect_closed();
}

#[test]
fn mqtt_3_2_2_19_broker_leaves_out_a_reason_string_that_does_not_fit() {
    check_tiny_refusal();
}

#[test]
fn mqtt_3_2_2_20_broker_leaves_out_user_properties_that_do_not_fit() {
    check_tiny_refusal();
}

/// It holds for the broker as for the client.
#[test]
fn mqtt_3_2_2_21_broker_announces_the_keep_alive_that_it_enforces() {
    let world = World::with(|config| config.keep_alive_max_s = 2);
    let mut peer = world.connect_with(V5, Connect::new("c").keep_alive(600));
    assert_eq!(peer.connack().number(0x13), Some(2));
    world.advance(millis(2900));
    peer.expect_alive();
    world.advance(millis(3600));
    peer.expect_thrown_out(&[0x8D]);
}
