//! Chapters 1 and 2: data representation and packet format.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::World;
use libmqtt_conformance::wire::{Connect, Kind, Seen, Will, prop, publish, subscribe, varint};

use crate::duty::{header, ids, refuses_connect, text, throws_out};

same! { V5;
    mqtt_1_5_4_1_broker_closes_on_ill_formed_utf8: text::broker_closes_on_ill_formed_utf8;
    mqtt_1_5_4_2_broker_closes_on_nul: text::broker_closes_on_nul;
    mqtt_1_5_4_3_broker_keeps_the_byte_order_mark: text::broker_keeps_the_byte_order_mark;
    mqtt_2_1_3_1_broker_sends_the_reserved_flags: header::broker_sends_the_reserved_flags;
    mqtt_2_1_3_1_broker_closes_on_wrong_flags: header::broker_closes_on_wrong_flags;
    mqtt_2_2_1_2_broker_sends_no_id_at_qos_0: ids::broker_sends_no_id_at_qos_0;
    mqtt_2_2_1_3_broker_closes_on_id_0: ids::broker_closes_on_id_0;
    mqtt_2_2_1_4_broker_uses_distinct_ids_above_0: ids::broker_uses_distinct_ids_above_0;
    mqtt_2_2_1_4_broker_holds_an_id_until_acknowledged: ids::broker_holds_an_id_until_acknowledged;
    mqtt_2_2_1_5_broker_acknowledges_with_the_same_id: ids::broker_acknowledges_with_the_same_id;
    mqtt_2_2_1_6_broker_answers_with_the_same_id: ids::broker_answers_with_the_same_id;
}

/// Where the number of bytes of a Variable Byte Integer changes.
const BORDERS: [usize; 7] = [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152];

#[test]
fn mqtt_1_5_5_1_broker_writes_the_shortest_remaining_length() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("t", 0);
    let mut publ = world.connect(V5, "pub");
    for length in &BORDERS[1..] {
        publ.send(publish("t", vec![b'x'; length - 4]));
        let seen = sub.next_publish();
        assert_eq!(seen.body().len(), *length);
        assert!(seen.bytes[1..].starts_with(&varint(*length)));
    }
}

/// Padded integers are refused, as the receiver may.
#[test]
fn mqtt_1_5_5_1_broker_closes_on_padded_integers() {
    throws_out(V5, "C0 80 00", &[0x81]);
    throws_out(V5, "30 85 00 0001 74 00 78", &[0x81]);
}

#[test]
fn mqtt_1_5_5_1_broker_writes_the_shortest_property_length() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("t", 0);
    let mut publ = world.connect(V5, "pub");
    for length in &BORDERS[1..5] {
        publ.send(publish("t", "x").prop(prop::correlation_data(vec![7; length - 3])));
        assert!(sub.next_publish().body()[3..].starts_with(&varint(*length)));
    }
}

#[test]
fn mqtt_1_5_5_1_broker_writes_the_shortest_subscription_identifier() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    for id in BORDERS[1..].iter().chain(&[1, 268_435_455]) {
        sub.send(subscribe(1).filter("t", 0).prop(prop::subscription_id(*id)));
        sub.next_of(Kind::SubAck);
        sub.send(publish("t", "x"));
        sub.expect(publish("t", "x").prop(prop::subscription_id(*id)));
    }
}

#[test]
fn mqtt_1_5_7_1_broker_closes_on_ill_formed_string_pairs() {
    for bad in [&b"\xC3"[..], b"\xED\xA0\x80", b"a\0"] {
        for pair in [prop::user(bad, "v"), prop::user("n", bad)] {
            refuses_connect(V5, Connect::new("c").prop(pair.clone()), &[0x81]);
            let will = Will::new("w", "").prop(pair.clone());
            refuses_connect(V5, Connect::new("c").will(will), &[0x81]);
            throws_out(V5, publish("t", "x").prop(pair.clone()), &[0x81]);
            throws_out(V5, subscribe(1).filter("t", 0).prop(pair), &[0x81]);
        }
    }
}

/// A padded Property Length is refused, as the receiver may.
#[test]
fn mqtt_2_2_2_1_broker_writes_property_length_0() {
    let world = World::new();
    let mut peer = world.connect(V5, "c");
    peer.subscribe("t", 1);
    peer.publish("t", "x", 1);
    peer.unsubscribe("t");
    peer.drain();
    let length_at = |seen: &Seen| match seen.kind() {
        Kind::SubAck | Kind::UnsubAck => Some(2),
        Kind::Publish => Some(5),
        _ => None,
    };
    let checked: Vec<u8> =
        peer.log().iter().filter_map(|seen| Some(seen.body()[length_at(seen)?])).collect();
    assert_eq!(checked, [0, 0, 0]);
    assert!(peer.connack().has_property_length());
    throws_out(V5, "30 07 0001 74 8000 78 79", &[0x81]);
}
