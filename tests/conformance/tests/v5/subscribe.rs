//! Chapters 3.8 to 3.12: SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ.

use std::collections::BTreeSet;

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Kind, prop, publish, suback, subscribe, unsuback, unsubscribe};
use libmqtt_conformance::{Rules, World};

use super::{codes_of, failures};
use crate::duty::{header, keep_alive, subscribe as duty, text, throws_out, unsubscribe as undo};

same! { V5;
    mqtt_3_8_1_1_broker_closes_on_wrong_subscribe_flags: header::broker_closes_on_wrong_subscribe_flags;
    mqtt_3_8_3_1_broker_closes_on_ill_formed_filter: text::broker_closes_on_ill_formed_filter;
    mqtt_3_8_3_2_broker_closes_on_subscribe_without_filter: duty::broker_closes_on_subscribe_without_filter;
    mqtt_3_8_3_5_broker_closes_on_reserved_option_bits: duty::broker_closes_on_reserved_option_bits;
    mqtt_3_8_4_1_broker_answers_subscribe: duty::broker_answers_subscribe;
    mqtt_3_8_4_2_broker_answers_with_the_same_id: crate::duty::ids::broker_answers_with_the_same_id;
    mqtt_3_8_4_3_broker_replaces_a_subscription: duty::broker_replaces_a_subscription;
    mqtt_3_8_4_4_broker_interrupts_nothing_when_it_replaces: duty::broker_interrupts_nothing_when_it_replaces;
    mqtt_3_8_4_5_broker_answers_several_filters_with_one_suback: duty::broker_answers_several_filters_with_one_suback;
    mqtt_3_8_4_6_broker_gives_a_code_per_filter: duty::broker_gives_a_code_per_filter;
    mqtt_3_8_4_7_broker_grants_or_fails: duty::broker_gives_a_code_per_filter;
    mqtt_3_8_4_8_broker_delivers_at_the_lower_qos: duty::broker_delivers_at_the_lower_qos;
    mqtt_3_9_3_1_broker_keeps_the_order_of_filters: duty::broker_gives_a_code_per_filter;
    mqtt_3_10_1_1_broker_closes_on_wrong_unsubscribe_flags: header::broker_closes_on_wrong_unsubscribe_flags;
    mqtt_3_10_3_1_broker_closes_on_ill_formed_filter: text::broker_closes_on_ill_formed_filter;
    mqtt_3_10_3_2_broker_closes_on_unsubscribe_without_filter: undo::broker_closes_on_unsubscribe_without_filter;
    mqtt_3_10_4_1_broker_compares_filters_literally: undo::broker_compares_filters_literally;
    mqtt_3_10_4_2_broker_adds_nothing_after_unsubscribe: undo::broker_adds_nothing_after_unsubscribe;
    mqtt_3_10_4_3_broker_completes_what_it_began: undo::broker_completes_what_it_began;
    mqtt_3_10_4_4_broker_answers_unsubscribe: undo::broker_answers_unsubscribe;
    mqtt_3_10_4_5_broker_answers_with_the_same_id: undo::broker_answers_unsubscribe;
    mqtt_3_10_4_5_broker_answers_unsubscribe_of_nothing: undo::broker_answers_unsubscribe_of_nothing;
    mqtt_3_10_4_6_broker_answers_several_filters_with_one_unsuback: undo::broker_answers_several_filters_with_one_unsuback;
    mqtt_3_12_4_1_broker_answers_ping: keep_alive::broker_answers_ping;
}

#[test]
fn mqtt_3_8_3_3_broker_sends_no_local_messages_back() {
    let world = World::new();
    let mut peer = world.connect(V5, "c");
    let mut other = world.connect(V5, "other");
    peer.subscribe("t", 0x06);
    peer.publish("t", "own", 2);
    peer.expect_nothing();
    other.publish("t", "theirs", 1);
    peer.expect_message("t", "theirs", 1);
    peer.subscribe("#", 0x00); // an overlapping filter that takes local messages
    peer.publish("t", "own", 0);
    peer.expect_message("t", "own", 0);
    peer.expect_nothing();
    peer.subscribe("#", 0x04);
    peer.publish("t", "own", 0);
    peer.expect_nothing();
}

#[test]
fn mqtt_3_8_3_4_broker_closes_on_no_local_for_a_shared_subscription() {
    throws_out(V5, subscribe(1).filter("$share/g/t", 0x04), &[0x82]);
}

/// The new settings hold: options and identifier, also when there is none any more.
#[test]
fn mqtt_3_8_4_3_broker_replaces_options_and_identifier() {
    let mut sub = World::new().connect(V5, "sub");
    let mut settle = |options: u8, id: Option<usize>, wanted| {
        let mut request = subscribe(1).filter("t", options);
        if let Some(id) = id {
            request = request.prop(prop::subscription_id(id));
        }
        sub.send(request);
        sub.expect(suback(1, &[options & 3]));
        sub.send(publish("t", "x").retain());
        sub.expect(wanted);
        sub.expect_nothing();
        sub.send(publish("t", "").retain());
        sub.drain();
    };
    settle(0x00, Some(7), publish("t", "x").prop(prop::subscription_id(7)));
    settle(0x08, Some(8), publish("t", "x").retain().prop(prop::subscription_id(8)));
    settle(0x00, None, publish("t", "x"));
}

/// The host denies for every reason there is; filters are wrong in every way.
#[test]
fn mqtt_3_9_3_2_broker_uses_only_the_codes_of_suback() {
    let table = codes_of("SUBACK");
    for reason in failures() {
        let world = World::ruled(Rules::default().deny_subscribe("no", reason), |_| {});
        let mut peer = world.connect(V5, "c");
        peer.send(
            subscribe(1).filter("no", 1).filter("yes", 1).filter("a#", 1).filter("$share/g", 0),
        );
        let seen = peer.read();
        if seen.kind() == Kind::Disconnect {
            continue;
        }
        let codes: BTreeSet<u8> = seen.payload().iter().copied().collect();
        assert_eq!(seen.payload().len(), 4);
        assert!(codes.is_subset(&table), "{reason}: {codes:02x?}");
    }
}

#[test]
fn mqtt_3_11_3_1_broker_keeps_the_order_of_filters() {
    let mut peer = World::new().connect(V5, "c");
    peer.subscribe("a", 0);
    peer.subscribe("b/#", 0);
    peer.send(unsubscribe(7).filter("a").filter("unknown").filter("b/#").filter("a"));
    peer.expect(unsuback(V5, 7, &[0, 0x11, 0, 0x11]));
}

#[test]
fn mqtt_3_11_3_2_broker_uses_only_the_codes_of_unsuback() {
    let mut peer = World::new().connect(V5, "c");
    peer.subscribe("a", 0);
    peer.send(unsubscribe(7).filter("a").filter("no").filter("a#").filter("$share/g").filter(""));
    let seen = peer.read();
    if seen.kind() == Kind::UnsubAck {
        let codes: BTreeSet<u8> = seen.payload().iter().copied().collect();
        assert_eq!(seen.payload().len(), 5);
        assert!(codes.is_subset(&codes_of("UNSUBACK")), "{codes:02x?}");
    }
    let mut peer = World::new().connect(V5, "c");
    peer.send(unsubscribe(8).filter("no").filter("no"));
    peer.expect(unsuback(V5, 8, &[0x11, 0x11]));
}
