//! MQTT 3.1, by the rows of mqtt31-differences.md.

use libmqtt_conformance::Version::V31;
use libmqtt_conformance::wire::{
    Connect, First, Kind, Will, publish, pubrel, suback, subscribe, unsubscribe,
};
use libmqtt_conformance::{Rules, World};
use libmqtt_engine::Verdict;
use libmqtt_engine::codec::Reason;

use crate::duty::{
    connack, connect, header, ids, keep_alive, order, publish as duty, qos, retain, session, topic,
    unsubscribe as undo, web, will,
};

same! { V31;
    v31_row_7_broker_uses_only_the_codes_of_connack: connack::broker_uses_only_the_codes_of_connack;
    v31_row_22_broker_forwards_and_deletes_on_an_empty_retained_message: retain::broker_forwards_and_deletes_on_an_empty_retained_message;
    v31_row_23_broker_clears_retain_for_established_subscriptions: retain::broker_clears_retain_for_established_subscriptions;
    v31_row_25_broker_uses_distinct_ids_above_0: ids::broker_uses_distinct_ids_above_0;
    v31_row_25_broker_closes_on_id_0: ids::broker_closes_on_id_0;
    v31_row_27_broker_sets_dup_when_it_sends_again: duty::broker_sets_dup_when_it_sends_again;
    v31_row_28_broker_receives_qos_2_by_the_rules: qos::broker_receives_qos_2_by_the_rules;
    v31_row_28_broker_sends_qos_2_by_the_rules: qos::broker_sends_qos_2_by_the_rules;
    v31_row_28_broker_follows_the_ordering_rules: order::broker_follows_the_ordering_rules;
    v31_row_29_broker_takes_topics_of_65535_bytes: topic::broker_takes_topics_of_65535_bytes;
    v31_row_31_broker_hides_dollar_topics_from_wildcards: topic::broker_hides_dollar_topics_from_wildcards;
    v31_row_32_broker_closes_after_one_and_a_half_keep_alive: keep_alive::broker_closes_after_one_and_a_half_keep_alive;
    v31_row_32_broker_never_closes_at_keep_alive_0: keep_alive::broker_never_closes_at_keep_alive_0;
    v31_row_33_broker_lets_the_new_connection_take_over: connect::broker_lets_the_new_connection_take_over;
    v31_row_34_broker_queues_for_a_session_that_is_away: session::broker_queues_for_a_session_that_is_away;
    v31_row_35_broker_answers_ping: keep_alive::broker_answers_ping;
    v31_row_35_broker_answers_unsubscribe: undo::broker_answers_unsubscribe;
    v31_row_35_broker_discards_the_will_on_disconnect: will::broker_discards_the_will_on_disconnect;
    v31_row_36_broker_speaks_in_binary_frames: web::broker_speaks_in_binary_frames_and_closes_on_text;
    v31_row_36_broker_selects_the_subprotocol_of_3_1: web::broker_selects_the_subprotocol_of_3_1;
}

#[test]
fn v31_row_1_broker_knows_the_name() {
    let mut peer = World::new().open(V31);
    peer.send("10 0F 0006 4D5149736470 03 02 0000 0001 63");
    peer.expect("20 02 00 00");
    peer.expect_alive();
    let mut peer = World::new().open(V31);
    peer.send(Connect::new("c").name("MQTT")); // with level 3
    peer.expect_refused(&[1]);
}

#[test]
fn v31_row_2_broker_knows_the_level() {
    let mut peer = World::new().open(V31);
    peer.send(Connect::new("c").level(4)); // with the name of 3.1
    peer.expect_refused(&[1]);
    v31_row_1_broker_knows_the_name();
}

#[test]
fn v31_row_3_broker_refuses_other_levels_with_code_1() {
    for level in [0, 2, 6, 255] {
        let mut peer = World::new().open(V31);
        peer.send(Connect::new("c").level(level));
        peer.expect("20 02 00 01");
        peer.expect_closed();
    }
}

#[test]
fn v31_row_4_broker_refuses_an_empty_id() {
    connect::broker_accepts_ids_of_1_to_23_letters_and_digits(V31);
    for clean in [true, false] {
        let mut peer = World::new().open(V31);
        peer.send(Connect::new("").clean(clean));
        peer.expect("20 02 00 02");
        peer.expect_closed();
    }
}

#[test]
fn v31_row_5_broker_accepts_long_ids() {
    World::new().connect(V31, &"x".repeat(24)).expect_alive();
    World::new().connect(V31, &"x".repeat(1000)).expect_alive();
}

#[test]
fn v31_row_6_broker_never_sets_session_present() {
    let world = World::new();
    for _ in 0..2 {
        let mut peer = world.open(V31);
        peer.send(Connect::keep(V31, "c"));
        peer.expect("20 02 00 00");
        peer.cut();
    }
    session::broker_keeps_state_while_connected(V31);
}

#[test]
fn v31_row_8_broker_ignores_unused_flags() {
    for first in [0x11, 0x14, 0x1F] {
        World::new().connect_with(V31, First(first, Connect::new("c"))).expect_alive();
    }
    let mut peer = World::new().connect(V31, "c");
    for first in [0xC1, 0xC2, 0xC8, 0xCF] {
        peer.send(First(first, "C0 00"));
        peer.expect("D0 00");
    }
    peer.send("E1 00");
    peer.expect_closed();
}

#[test]
fn v31_row_9_broker_takes_dup_on_requests() {
    let mut peer = World::new().connect(V31, "c");
    peer.send(First(0x8A, subscribe(1).filter("t", 1)));
    peer.expect(suback(1, &[1]));
    peer.send(First(0xAA, unsubscribe(2).filter("t")));
    peer.expect("B0 02 0002");
    peer.send(publish("t", "x").qos(2, 3));
    peer.expect("50 02 0003");
    peer.send(First(0x6A, pubrel(3)));
    peer.expect("70 02 0003");
}

#[test]
fn v31_row_10_broker_ignores_the_reserved_flag() {
    World::new().connect_with(V31, Connect::new("c").flags(0x03)).expect_alive();
}

#[test]
fn v31_row_11_broker_ignores_will_bits_without_will_flag() {
    for flags in [0x0A, 0x12, 0x22, 0x3A] {
        World::new().connect_with(V31, Connect::new("c").flags(flags)).expect_alive();
    }
}

/// A CONNECT with these flags and no more than the identifier, and the user that comes of it.
fn without_fields(flags: u8) {
    let rules = Rules::default().authenticate(|a| match (&a.client.user_name, a.password) {
        (None, None) => Verdict::Allow,
        _ => Verdict::Deny(Reason::NotAuthorized),
    });
    World::ruled(rules, |_| {}).connect_with(V31, Connect::new("c").flags(flags)).expect_alive();
}

#[test]
fn v31_row_12_broker_goes_on_without_a_user_name() {
    without_fields(0x82);
}

#[test]
fn v31_row_13_broker_goes_on_without_a_password() {
    without_fields(0xC2);
    World::new().connect_with(V31, Connect::new("c").user("u").flags(0xC2)).expect_alive();
}

#[test]
fn v31_row_14_broker_refuses_a_password_without_user_name() {
    let mut peer = World::new().open(V31);
    peer.send(Connect::new("c").password("p"));
    peer.expect_refused(&[4, 5]);
}

#[test]
fn v31_row_15_broker_takes_long_user_names_and_passwords() {
    let long = Connect::new("c").user("u".repeat(300)).password("p".repeat(300));
    World::new().connect_with(V31, long).expect_alive();
}

#[test]
fn v31_row_17_broker_publishes_the_will_without_its_length() {
    let world = World::new();
    let mut sub = world.connect(V31, "sub");
    sub.subscribe("w", 0);
    world.connect_with(V31, Connect::new("c").will(Will::new("w", "gone"))).cut();
    sub.expect("30 07 0001 77 676F6E65");
}

#[test]
fn v31_row_18_broker_seems_to_grant_what_it_refuses() {
    let rules = Rules::default().deny_subscribe("no", Reason::NotAuthorized);
    let mut peer = World::ruled(rules, |_| {}).connect(V31, "c");
    peer.send(subscribe(1).filter("no", 2).filter("yes", 1));
    peer.expect(suback(1, &[2, 1]));
    peer.publish("no", "x", 1);
    peer.expect_nothing();
}

#[test]
fn v31_row_19_broker_acknowledges_what_it_refuses() {
    let rules = Rules::default().deny_publish("no", Reason::NotAuthorized);
    let world = World::ruled(rules, |_| {});
    let mut sub = world.connect(V31, "sub");
    sub.subscribe("#", 0);
    let mut peer = world.connect(V31, "c");
    (0..3).for_each(|qos| peer.publish("no", "x", qos));
    sub.expect_nothing();
}

#[test]
fn v31_row_26_broker_takes_repeats_on_a_live_connection() {
    let world = World::new();
    let mut sub = world.connect(V31, "sub");
    sub.subscribe("t", 0);
    let mut peer = world.connect(V31, "c");
    for packet in [publish("t", "x").qos(2, 3), publish("t", "x").qos(2, 3).dup()] {
        peer.send(packet);
        peer.expect_ack(Kind::PubRec, 3);
    }
    for first in [0x62, 0x6A] {
        peer.send(First(first, pubrel(3)));
        peer.expect_ack(Kind::PubComp, 3);
    }
    sub.expect_message("t", "x", 0);
    sub.expect_nothing();
    header::broker_waits_for_connect_only_so_long(V31);
}

#[test]
fn v31_row_37_broker_refuses_a_bridges_level() {
    let mut peer = World::new().open(V31);
    peer.send(Connect::new("c").level(0x83));
    peer.expect_refused(&[1]);
}
