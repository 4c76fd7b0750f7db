//! Reason Strings of acknowledgements: chapters 3.4 to 3.7, 3.9 and 3.11.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::World;
use libmqtt_conformance::wire::{Connect, Kind, prop};
use libmqtt_conformance::wire::{Wire, publish, pubrec, pubrel, subscribe, unsubscribe};

const REASON_STRING: u8 = 0x1F;
const USER_PROPERTY: u8 = 0x26;

/// A client sends `wrong`, which `kind` answers with this Reason Code: with a Reason String, and
/// nothing else. The limit that this answer just meets changes nothing, a lower one has it come
/// without, down to the size that it has then.
fn check(kind: Kind, code: u8, wrong: impl Wire) {
    let world = World::with(|config| {
        config.topic_levels_max = 3;
        config.subscription_bytes_max = 8;
    });
    let wrong = wrong.wire(V5);
    let answer = |limit: u32| {
        let connect = Connect::new("c").prop(prop::maximum_packet_size(limit));
        let mut peer = world.connect_with(V5, connect);
        peer.send(wrong.clone());
        let seen = peer.next_of(kind);
        peer.expect_alive();
        assert!(seen.bytes.contains(&code), "{seen:?}");
        assert!(seen.prop(USER_PROPERTY).is_none());
        assert!(seen.bytes.len() <= limit as usize, "{} bytes of {limit}", seen.bytes.len());
        seen
    };
    let full = answer(1000);
    let text = full.prop(REASON_STRING).expect("the broker explains itself");
    assert!(!text.is_empty() && full.props().len() == 1);
    let len = full.bytes.len() as u32;
    assert_eq!(answer(len).bytes, full.bytes);
    for limit in [len - 1, 30] {
        assert!(answer(limit).prop(REASON_STRING).is_none());
    }
}

#[test]
fn mqtt_3_4_2_2_broker_leaves_out_a_reason_string_that_does_not_fit() {
    check(Kind::PubAck, 0x90, publish("a/b/c/d", "x").qos(1, 1));
    check(Kind::PubAck, 0x87, publish("$mine", "x").qos(1, 1));
}

#[test]
fn mqtt_3_5_2_2_broker_leaves_out_a_reason_string_that_does_not_fit() {
    check(Kind::PubRec, 0x90, publish("a/b/c/d", "x").qos(2, 1));
    check(Kind::PubRec, 0x87, publish("$mine", "x").qos(2, 1));
}

#[test]
fn mqtt_3_6_2_2_broker_leaves_out_a_reason_string_that_does_not_fit() {
    check(Kind::PubRel, 0x92, pubrec(77));
}

#[test]
fn mqtt_3_7_2_2_broker_leaves_out_a_reason_string_that_does_not_fit() {
    check(Kind::PubComp, 0x92, pubrel(77));
}

#[test]
fn mqtt_3_9_2_1_broker_leaves_out_a_reason_string_that_does_not_fit() {
    check(Kind::SubAck, 0x8F, subscribe(1).filter("a/b/c/d", 0));
    check(Kind::SubAck, 0x97, subscribe(1).filter("longer/than", 0));
}

#[test]
fn mqtt_3_11_2_1_broker_leaves_out_a_reason_string_that_does_not_fit() {
    check(Kind::UnsubAck, 0x8F, unsubscribe(1).filter("a+"));
}
