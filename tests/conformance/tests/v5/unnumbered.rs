//! Rules that have no id.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Connect, Kind, Will, Wire, prop, publish, suback, subscribe};
use libmqtt_conformance::{Rules, World, secs};
use libmqtt_engine::Verdict;
use libmqtt_engine::codec::{QoS, Reason};

use super::each_property;
use crate::duty::{
    connect, disconnect, header, ids, keep_alive, refuses_connect, text, throws_out, topic, will,
};

same! { V5;
    v5_u01_broker_treats_discouraged_characters_alike: text::broker_treats_discouraged_characters_alike;
    v5_u02_broker_closes_on_five_byte_length: header::broker_closes_on_five_byte_length;
    v5_u03_broker_closes_on_reserved_types: header::broker_closes_on_reserved_types;
    v5_u04_broker_closes_on_wrong_flags: header::broker_closes_on_wrong_flags;
    v5_u05_broker_and_client_number_independently: ids::broker_and_client_number_independently;
    v5_u06_broker_closes_on_id_0: ids::broker_closes_on_id_0;
    v5_u10_broker_publishes_the_will_on_every_other_end: will::broker_publishes_the_will_on_every_other_end;
    v5_u11_broker_closes_on_will_qos_3: connect::broker_closes_on_will_qos_3;
    v5_u12_broker_never_closes_at_keep_alive_0: keep_alive::broker_never_closes_at_keep_alive_0;
    v5_u20_broker_waits_for_connect_only_so_long: header::broker_waits_for_connect_only_so_long;
    v5_u21_broker_handles_packets_pipelined_behind_connect: connect::broker_handles_packets_pipelined_behind_connect;
    v5_u29_broker_closes_on_qos_3: header::broker_closes_on_qos_3;
    v5_u47_broker_closes_after_disconnect: disconnect::broker_closes_after_disconnect;
    v5_u51_broker_keeps_sys_topics_to_itself: topic::broker_keeps_sys_topics_to_itself;
    v5_u58_broker_says_why_it_closes: disconnect::broker_closes_only_the_offending_connection;
    v5_u60_broker_closes_only_the_offending_connection: disconnect::broker_closes_only_the_offending_connection;
}

#[test]
fn v5_u07_broker_closes_on_properties_that_the_packet_may_not_carry() {
    for (id, property) in each_property() {
        if !matches!(id, 0x11 | 0x15..=0x17 | 0x19 | 0x21 | 0x22 | 0x27) {
            refuses_connect(V5, Connect::new("c").prop(property.clone()), &[0x81, 0x82]);
        }
        if !matches!(id, 0x01..=0x03 | 0x08 | 0x09 | 0x18) {
            let will = Will::new("w", "").prop(property.clone());
            refuses_connect(V5, Connect::new("c").will(will), &[0x81, 0x82]);
        }
        if !matches!(id, 0x01..=0x03 | 0x08 | 0x09 | 0x23) {
            throws_out(V5, publish("t", "x").prop(property.clone()), &[0x81, 0x82]);
        }
        if id != 0x0B {
            throws_out(V5, subscribe(1).filter("t", 0).prop(property.clone()), &[0x81, 0x82]);
        }
        let unsubscribe = libmqtt_conformance::wire::unsubscribe(1).filter("t");
        throws_out(V5, unsubscribe.prop(property.clone()), &[0x81, 0x82]);
        if id != 0x1F {
            let ack = libmqtt_conformance::wire::puback(1).prop(property.clone());
            throws_out(V5, ack, &[0x81, 0x82]);
        }
    }
    for id in [0x00, 0x04, 0x0A, 0x14, 0x1B, 0x20, 0x2B, 0x7F] {
        throws_out(V5, publish("t", "x").prop(vec![id, 0]), &[0x81]);
    }
}

#[test]
fn v5_u08_broker_closes_on_property_sections_that_do_not_add_up() {
    for wrong in [
        "30 05 0001 74 05 78",         // longer than the packet
        "30 08 0001 74 03 02 0000 78", // a four-byte integer of two bytes
        "30 07 0001 74 02 03 00 78",   // text without its length
        "30 08 0001 74 04 03 0009 78", // text longer than the section
        "30 05 0001 74 80 80",         // a length without end
        "82 08 0001 05 0B 01 0001 74", // section over the filter
    ] {
        throws_out(V5, wrong, &[0x81, 0x82]);
    }
}

#[test]
fn v5_u09_broker_takes_properties_in_any_order() {
    let properties = [
        prop::message_expiry(9),
        prop::content_type("a"),
        prop::user("k", "v"),
        prop::payload_format(1),
        prop::response_topic("r"),
    ];
    let world = World::new();
    let mut peer = world.connect(V5, "c");
    peer.subscribe("t", 0);
    for start in 0..5 {
        let rotated = (0..5).map(|n| properties[(start + n) % 5].clone());
        peer.send(rotated.fold(publish("t", "x"), |packet, property| packet.prop(property)));
        let mut ids: Vec<u8> = peer.next_publish().props().iter().map(|(id, _)| *id).collect();
        ids.sort();
        assert_eq!(ids, [0x01, 0x02, 0x03, 0x08, 0x26]);
    }
}

#[test]
fn v5_u14_broker_keeps_a_session_for_ever_or_not_at_all() {
    let world = World::new();
    let for_ever = Connect::new("ever").clean(false).prop(prop::session_expiry(u32::MAX));
    world.connect_with(V5, &for_ever).cut();
    world.connect_with(V5, Connect::new("never").clean(false)).cut();
    world.advance(secs(10_000_000_000));
    assert!(world.connect_with(V5, &for_ever).connack().session_present());
    let never = world.connect_with(V5, Connect::new("never").clean(false));
    assert!(!never.connack().session_present());
}

#[test]
fn v5_u17_broker_closes_on_authentication_data_without_method() {
    refuses_connect(V5, Connect::new("c").prop(prop::auth_data("x")), &[0x82]);
}

#[test]
fn v5_u19_broker_sends_the_wills_message_expiry() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("w", 0);
    let will = Will::new("w", "gone").prop(prop::message_expiry(77)).prop(prop::will_delay(0));
    world.connect_with(V5, Connect::new("c").will(will)).cut();
    sub.expect(publish("w", "gone").prop(prop::message_expiry(77)));
}

/// A broker that can do less says so, and throws out who takes no notice.
#[track_caller]
fn check_limit(
    limit: impl FnOnce(&mut libmqtt_engine::broker::BrokerConfig),
    announced: (u8, u32),
    packet: impl Wire,
    code: u8,
) {
    let world = World::with(limit);
    let mut peer = world.connect(V5, "c");
    assert_eq!(peer.connack().number(announced.0), Some(announced.1));
    peer.send(packet);
    peer.expect_thrown_out(&[code]);
}

#[test]
fn v5_u23_broker_closes_on_a_qos_above_its_maximum() {
    let at_1 = publish("t", "x").qos(1, 1);
    check_limit(|c| c.maximum_qos = QoS::AtMostOnce, (0x24, 0), at_1, 0x9B);
    let at_2 = publish("t", "x").qos(2, 1);
    check_limit(|c| c.maximum_qos = QoS::AtLeastOnce, (0x24, 1), at_2, 0x9B);
}

#[test]
fn v5_u24_broker_closes_on_retain_without_retain() {
    let kept = publish("t", "x").retain();
    check_limit(|c| c.retain_available = false, (0x25, 0), kept, 0x9A);
}

#[test]
fn v5_u25_broker_closes_on_packets_above_its_maximum_size() {
    let large = publish("t", vec![0; 2000]);
    check_limit(|c| c.maximum_packet_size = 2000, (0x27, 2000), large, 0x95);
    check_limit(|c| c.maximum_packet_size = 2000, (0x27, 2000), "30 D1 0F", 0x95);
    let world = World::with(|config| config.maximum_packet_size = 2000);
    let mut peer = world.connect(V5, "c");
    peer.send(publish("t", vec![0; 2000 - 7]));
    peer.expect_alive();
}

#[test]
fn v5_u26_broker_closes_on_wildcards_without_wildcards() {
    let wild = subscribe(1).filter("a/+", 0);
    check_limit(|c| c.wildcard_subscriptions = false, (0x28, 0), wild, 0xA2);
}

#[test]
fn v5_u27_broker_closes_on_subscription_identifiers_without_identifiers() {
    let named = subscribe(1).filter("a", 0).prop(prop::subscription_id(1));
    check_limit(|c| c.subscription_identifiers = false, (0x29, 0), named, 0xA1);
}

#[test]
fn v5_u28_broker_closes_on_shared_subscriptions_without_sharing() {
    let shared = subscribe(1).filter("$share/g/a", 0);
    check_limit(|c| c.shared_subscriptions = false, (0x2A, 0), shared, 0x9E);
}

#[test]
fn v5_u30_broker_marks_what_a_subscription_brings() {
    let world = World::new();
    let mut publ = world.connect(V5, "pub");
    publ.retain("t", "kept", 0);
    publ.send(publish("t/short", "gone").retain().prop(prop::message_expiry(1)));
    world.advance(secs(2));
    for options in [0x00, 0x08] {
        let mut sub = world.connect(V5, "sub");
        sub.subscribe("t/#", options);
        sub.expect(publish("t", "kept").retain());
        sub.expect_nothing();
    }
}

#[test]
fn v5_u31_broker_closes_on_an_empty_topic_without_alias() {
    throws_out(V5, "30 03 0000 00", &[0x82]);
}

#[test]
fn v5_u33_broker_keeps_alias_mappings_apart() {
    let world = World::new();
    let connect = Connect::new("c").prop(prop::topic_alias_maximum(5));
    let mut peer = world.connect_with(V5, connect);
    peer.subscribe("#", 0);
    let alias = || prop::topic_alias(1);
    for (packet, topic) in [
        (publish("a", "1").prop(alias()), "a"),
        (publish("", "2").prop(alias()), "a"),
        (publish("b", "3").prop(alias()), "b"),
        (publish("", "4").prop(alias()), "b"),
        (publish("a", "5"), "a"),
        (publish("", "6").prop(alias()), "b"),
    ] {
        peer.send(packet);
        let seen = peer.next_publish();
        if !seen.topic().is_empty() {
            assert_eq!(seen.topic(), topic.as_bytes());
        }
    }
}

#[test]
fn v5_u34_broker_closes_on_subscription_identifier_0() {
    throws_out(V5, subscribe(1).filter("t", 0).prop(prop::subscription_id(0)), &[0x82]);
    let twice = subscribe(1).filter("t", 0).prop(prop::subscription_id(1));
    throws_out(V5, twice.prop(prop::subscription_id(2)), &[0x82]);
}

#[test]
fn v5_u35_broker_closes_on_aliases_out_of_range() {
    for alias in [0, 65535] {
        throws_out(V5, publish("t", "x").prop(prop::topic_alias(alias)), &[0x94]);
    }
}

#[test]
fn v5_u36_broker_closes_on_an_unknown_alias() {
    throws_out(V5, publish("", "x").prop(prop::topic_alias(1)), &[0x82]);
}

#[test]
fn v5_u37_broker_closes_when_its_receive_maximum_is_exceeded() {
    let world = World::with(|config| config.receive_maximum = 1);
    let mut peer = world.connect(V5, "c");
    peer.send(publish("t", "x").qos(2, 1));
    peer.expect_ack(Kind::PubRec, 1);
    peer.send(publish("t", "x").qos(2, 2));
    peer.expect_thrown_out(&[0x93]);
}

#[test]
fn v5_u40_broker_closes_on_option_values_that_do_not_exist() {
    for options in [0x03, 0x30, 0x33, 0x07] {
        throws_out(V5, subscribe(1).filter("t", options), &[0x82, 0x81]);
    }
}

#[test]
fn v5_u43_broker_replaces_the_subscription_identifier() {
    let mut peer = World::new().connect(V5, "c");
    for id in [Some(1), Some(2), None, Some(300)] {
        let request = subscribe(9).filter("t", 0);
        peer.send(match id {
            Some(id) => request.prop(prop::subscription_id(id)),
            None => request,
        });
        peer.expect(suback(9, &[0]));
        peer.send(publish("t", "x"));
        assert_eq!(peer.next_publish().number(0x0B), id.map(|id| id as u32));
    }
}

#[test]
fn v5_u49_broker_keeps_wills_and_identifiers_in_the_session() {
    let world = World::new();
    let keep = Connect::keep(V5, "c");
    let mut peer = world.connect_with(V5, &keep);
    peer.send(subscribe(9).filter("t", 1).prop(prop::subscription_id(5)));
    peer.next_of(Kind::SubAck);
    peer.cut();
    let mut publ = world.connect(V5, "pub");
    publ.publish("t", "queued", 1);
    publ.retain("r", "kept", 1);
    let mut peer = world.connect_with(V5, &keep);
    assert_eq!(peer.expect_message("t", "queued", 1).number(0x0B), Some(5));
    drop(world.connect_with(V5, Connect::new("c"))); // ends the session
    let mut late = world.connect(V5, "late");
    late.subscribe("r", 0);
    late.expect_message("r", "kept", 0);
}

#[test]
fn v5_u56_broker_sends_clients_elsewhere() {
    for (reason, code) in [(Reason::UseAnotherServer, 0x9C), (Reason::ServerMoved, 0x9D)] {
        let rules = Rules::default().authenticate(move |a| match &*a.client.client_id {
            "elsewhere" => Verdict::Deny(reason),
            _ => Verdict::Allow,
        });
        let world = World::ruled(rules, |_| {});
        let mut peer = world.open(V5);
        peer.send(Connect::new("elsewhere"));
        assert_eq!(peer.next_of(Kind::ConnAck).reason(), code);
        peer.expect_closed();
        let mut peer = world.connect(V5, "c");
        world.disconnect("c", reason);
        peer.expect_thrown_out(&[code]);
    }
}

#[test]
fn v5_u22_broker_announces_the_session_expiry_that_it_grants() {
    let world = World::with(|config| config.session_expiry_max_s = 10);
    let connect = Connect::keep(V5, "c");
    let peer = world.connect_with(V5, &connect);
    assert_eq!(peer.connack().number(0x11), Some(10));
    peer.cut();
    world.advance(secs(11));
    assert!(!world.connect_with(V5, &connect).connack().session_present());
    let modest = Connect::new("d").prop(prop::session_expiry(5));
    assert!(matches!(world.connect_with(V5, modest).connack().number(0x11), None | Some(5)));
}
