//! Chapters 1, 2, 3.1 and 3.2: data representation, headers, CONNECT, CONNACK.

use libmqtt_conformance::Version::V311;
use libmqtt_conformance::wire::{Connect, Wire, publish};
use libmqtt_conformance::{Rules, World, secs};
use libmqtt_engine::Verdict;
use libmqtt_engine::codec::Reason;

use crate::duty::{connack, connect, header, ids, keep_alive, retain, session, text, will};

same! { V311;
    mqtt_1_5_3_1_broker_closes_on_ill_formed_utf8: text::broker_closes_on_ill_formed_utf8;
    mqtt_1_5_3_2_broker_closes_on_nul: text::broker_closes_on_nul;
    mqtt_1_5_3_3_broker_keeps_the_byte_order_mark: text::broker_keeps_the_byte_order_mark;
    mqtt_2_2_2_1_broker_sends_the_reserved_flags: header::broker_sends_the_reserved_flags;
    mqtt_2_2_2_2_broker_closes_on_wrong_flags: header::broker_closes_on_wrong_flags;
    mqtt_2_3_1_1_broker_closes_on_id_0: ids::broker_closes_on_id_0;
    mqtt_2_3_1_1_broker_uses_distinct_ids_above_0: ids::broker_uses_distinct_ids_above_0;
    mqtt_2_3_1_4_broker_uses_distinct_ids_above_0: ids::broker_uses_distinct_ids_above_0;
    mqtt_2_3_1_4_broker_holds_an_id_until_acknowledged: ids::broker_holds_an_id_until_acknowledged;
    mqtt_2_3_1_5_broker_sends_no_id_at_qos_0: ids::broker_sends_no_id_at_qos_0;
    mqtt_2_3_1_6_broker_acknowledges_with_the_same_id: ids::broker_acknowledges_with_the_same_id;
    mqtt_2_3_1_7_broker_answers_with_the_same_id: ids::broker_answers_with_the_same_id;
    mqtt_3_1_0_1_broker_closes_when_connect_does_not_come_first: connect::broker_closes_when_connect_does_not_come_first;
    mqtt_3_1_0_2_broker_closes_on_a_second_connect: connect::broker_closes_on_a_second_connect;
    mqtt_3_1_2_1_broker_refuses_other_protocol_names: connect::broker_refuses_other_protocol_names;
    mqtt_3_1_2_3_broker_closes_on_the_reserved_flag: connect::broker_closes_on_the_reserved_flag;
    mqtt_3_1_2_4_broker_keeps_a_session_over_connections: session::broker_keeps_a_session_over_connections;
    mqtt_3_1_2_5_broker_queues_for_a_session_that_is_away: session::broker_queues_for_a_session_that_is_away;
    mqtt_3_1_2_6_broker_ends_a_clean_session_with_its_connection: session::broker_ends_a_clean_session_with_its_connection;
    mqtt_3_1_2_7_broker_keeps_retained_messages_beyond_the_session: retain::broker_keeps_retained_messages_beyond_the_session;
    mqtt_3_1_2_8_broker_publishes_the_will_on_every_other_end: will::broker_publishes_the_will_on_every_other_end;
    mqtt_3_1_2_8_broker_discards_the_will_on_disconnect: will::broker_discards_the_will_on_disconnect;
    mqtt_3_1_2_9_broker_uses_all_of_the_will: connect::broker_uses_all_of_the_will;
    mqtt_3_1_2_10_broker_forgets_the_will_after_use: will::broker_forgets_the_will_after_use;
    mqtt_3_1_2_11_broker_closes_on_will_bits_or_fields_without_will_flag: connect::broker_closes_on_will_bits_or_fields_without_will_flag;
    mqtt_3_1_2_12_broker_publishes_nothing_without_a_will: will::broker_publishes_nothing_without_a_will;
    mqtt_3_1_2_13_broker_closes_on_will_qos_without_will_flag: connect::broker_closes_on_will_qos_without_will_flag;
    mqtt_3_1_2_14_broker_closes_on_will_qos_3: connect::broker_closes_on_will_qos_3;
    mqtt_3_1_2_15_broker_closes_on_will_retain_without_will_flag: connect::broker_closes_on_will_retain_without_will_flag;
    mqtt_3_1_2_16_broker_does_not_retain_a_plain_will: will::broker_does_not_retain_a_plain_will;
    mqtt_3_1_2_17_broker_retains_a_retained_will: will::broker_retains_a_retained_will;
    mqtt_3_1_2_18_broker_closes_on_surplus_user_name: connect::broker_closes_on_surplus_user_name;
    mqtt_3_1_2_19_broker_closes_on_missing_user_name: connect::broker_closes_on_missing_user_name;
    mqtt_3_1_2_20_broker_closes_on_surplus_password: connect::broker_closes_on_surplus_password;
    mqtt_3_1_2_21_broker_closes_on_missing_password: connect::broker_closes_on_missing_password;
    mqtt_3_1_2_24_broker_closes_after_one_and_a_half_keep_alive: keep_alive::broker_closes_after_one_and_a_half_keep_alive;
    mqtt_3_1_3_1_broker_reads_the_payload_in_order: connect::broker_reads_the_payload_in_order;
    mqtt_3_1_3_2_broker_tells_sessions_by_client_id: session::broker_tells_sessions_by_client_id;
    mqtt_3_1_3_3_broker_closes_without_client_id: connect::broker_closes_without_client_id;
    mqtt_3_1_3_4_broker_closes_on_ill_formed_client_id: text::broker_closes_on_ill_formed_client_id;
    mqtt_3_1_3_5_broker_accepts_ids_of_1_to_23_letters_and_digits: connect::broker_accepts_ids_of_1_to_23_letters_and_digits;
    mqtt_3_1_3_6_broker_assigns_distinct_ids: connect::broker_assigns_distinct_ids;
    mqtt_3_1_3_10_broker_closes_on_ill_formed_will_topic: text::broker_closes_on_ill_formed_will_topic;
    mqtt_3_1_3_11_broker_closes_on_ill_formed_user_name: text::broker_closes_on_ill_formed_user_name;
    mqtt_3_1_4_1_broker_closes_on_malformed_connect: connect::broker_closes_on_malformed_connect;
    mqtt_3_1_4_2_broker_lets_the_new_connection_take_over: connect::broker_lets_the_new_connection_take_over;
    mqtt_3_1_4_3_broker_resumes_a_session: session::broker_resumes_a_session;
    mqtt_3_1_4_3_broker_starts_afresh_with_clean_session: session::broker_starts_afresh_with_clean_start;
    mqtt_3_1_4_4_broker_accepts_a_valid_connect: connect::broker_accepts_a_valid_connect;
    mqtt_3_1_4_5_broker_ignores_what_follows_a_refused_connect: connect::broker_ignores_what_follows_a_refused_connect;
    mqtt_3_2_0_1_broker_sends_connack_first: connect::broker_sends_connack_first;
    mqtt_3_2_2_1_broker_sends_no_session_present_with_clean_session: connack::broker_sends_no_session_present_with_clean_start;
    mqtt_3_2_2_2_broker_tells_that_there_is_a_session: connack::broker_tells_whether_there_is_a_session;
    mqtt_3_2_2_3_broker_tells_that_there_is_no_session: connack::broker_tells_whether_there_is_a_session;
    mqtt_3_2_2_4_broker_refuses_without_session_present: connack::broker_refuses_without_session_present_and_closes;
    mqtt_3_2_2_5_broker_refuses_and_closes: connack::broker_refuses_without_session_present_and_closes;
}

#[test]
fn mqtt_3_1_2_2_broker_refuses_other_levels_with_code_1() {
    for level in [0, 1, 2, 3, 6, 7, 100, 255] {
        let mut peer = World::new().open(V311);
        peer.send((Connect::new("c").level(level), publish("t", "x")));
        match peer.read().bytes[..] {
            [0x20, 2, 0, 1] => {}
            [0x20, 3, 0, 0x84, 0] if level > 5 => {} // to what comes after 5.0, in its form
            _ => panic!("{:?}", peer.log()),
        }
        peer.expect_closed();
    }
}

#[test]
fn mqtt_3_1_2_22_broker_closes_on_password_without_user_name() {
    let mut peer = World::new().open(V311);
    peer.send(Connect::new("c").password("p"));
    peer.expect_closed();
}

#[test]
fn mqtt_3_1_3_7_broker_refuses_an_empty_id_with_clean_session_0() {
    mqtt_3_1_3_8_broker_refuses_an_empty_id_with_clean_session_0();
}

#[test]
fn mqtt_3_1_3_8_broker_refuses_an_empty_id_with_clean_session_0() {
    let mut peer = World::new().open(V311);
    peer.send(Connect::new("").clean(false));
    peer.expect("20 02 00 02");
    peer.expect_closed();
}

#[test]
fn mqtt_3_1_3_6_broker_goes_on_as_if_an_id_had_been_sent() {
    let world = World::new();
    let mut peer = world.connect(V311, "");
    peer.subscribe("t", 2);
    peer.publish("t", "x", 2);
    peer.expect_message("t", "x", 2);
    world.advance(secs(100));
    peer.expect_alive();
}

#[test]
fn mqtt_3_1_3_9_broker_refuses_an_id_that_its_host_rejects() {
    let rules = Rules::default().authenticate(|a| match &*a.client.client_id {
        "bad" => Verdict::Deny(Reason::ClientIdentifierNotValid),
        _ => Verdict::Allow,
    });
    let mut peer = World::ruled(rules, |_| {}).open(V311);
    peer.send(Connect::new("bad"));
    peer.expect("20 02 00 02");
    peer.expect_closed();
    let mut peer = World::with(|config| config.assign_client_ids = false).open(V311);
    peer.send(Connect::new("").wire(V311));
    peer.expect("20 02 00 02");
    peer.expect_closed();
}
