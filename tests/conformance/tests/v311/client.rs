//! What binds the client.

use libmqtt_conformance::Version::V311;
use libmqtt_conformance::wire::{Connect, Kind, connack};
use libmqtt_conformance::{ClientWorld, secs};

use crate::duty::client::{connect, flow, packets, publish, requests};

same! { V311;
    mqtt_1_5_3_1_client_closes_on_ill_formed_utf8: packets::client_closes_on_ill_formed_utf8;
    mqtt_1_5_3_2_client_closes_on_nul: packets::client_closes_on_nul;
    mqtt_1_5_3_3_client_keeps_the_byte_order_mark: packets::client_keeps_the_byte_order_mark;
    mqtt_2_2_2_1_client_sends_the_reserved_flags: packets::client_sends_the_reserved_flags;
    mqtt_2_2_2_2_client_closes_on_wrong_flags: packets::client_closes_on_wrong_flags;
    mqtt_2_3_1_1_client_sends_and_takes_no_id_0: packets::client_closes_on_id_0;
    mqtt_2_3_1_2_client_numbers_without_repeats: packets::client_numbers_from_1_without_repeats;
    mqtt_2_3_1_3_client_holds_an_id_until_acknowledged: packets::client_holds_an_id_until_acknowledged;
    mqtt_2_3_1_5_client_sends_no_id_at_qos_0: packets::client_sends_no_id_at_qos_0;
    mqtt_2_3_1_6_client_acknowledges_with_the_same_id: packets::client_acknowledges_with_the_same_id;
    mqtt_3_1_0_1_client_sends_connect_first: connect::client_sends_connect_first;
    mqtt_3_1_2_4_client_keeps_its_session: connect::client_keeps_its_session;
    mqtt_3_1_2_6_client_forgets_its_session_with_clean_session: connect::client_forgets_its_session_with_clean_start;
    mqtt_3_1_2_9_client_sends_a_whole_will: connect::client_sends_a_whole_will;
    mqtt_3_1_2_11_client_sends_nothing_of_a_will_without_will: connect::client_sends_nothing_of_a_will_without_will;
    mqtt_3_1_2_13_client_sends_will_qos_0_without_will: connect::client_sends_nothing_of_a_will_without_will;
    mqtt_3_1_2_14_client_sends_will_qos_0_to_2: connect::client_sends_a_whole_will;
    mqtt_3_1_2_15_client_sends_will_retain_0_without_will: connect::client_sends_nothing_of_a_will_without_will;
    mqtt_3_1_2_18_client_sends_no_user_name_without_flag: connect::client_sends_user_name_and_password_as_flagged;
    mqtt_3_1_2_19_client_sends_the_user_name_with_flag: connect::client_sends_user_name_and_password_as_flagged;
    mqtt_3_1_2_20_client_sends_no_password_without_flag: connect::client_sends_user_name_and_password_as_flagged;
    mqtt_3_1_2_21_client_sends_the_password_with_flag: connect::client_sends_user_name_and_password_as_flagged;
    mqtt_3_1_2_23_client_pings_within_keep_alive: connect::client_pings_within_keep_alive;
    mqtt_3_1_3_1_client_writes_the_payload_in_order: connect::client_writes_the_payload_in_order;
    mqtt_3_1_3_2_client_keeps_state_by_id: connect::client_keeps_state_by_id;
    mqtt_3_1_3_3_client_always_gives_an_id: connect::client_always_gives_an_id;
    mqtt_3_1_3_4_client_gives_a_proper_id: connect::client_connects_with_proper_strings;
    mqtt_3_1_3_10_client_gives_a_proper_will_topic: connect::client_connects_with_proper_strings;
    mqtt_3_1_3_11_client_gives_a_proper_user_name: connect::client_connects_with_proper_strings;
    mqtt_3_3_1_1_client_sets_dup_when_it_sends_again: publish::client_sets_dup_when_it_sends_again;
    mqtt_3_3_1_2_client_never_sets_dup_at_qos_0: publish::client_never_sets_dup_at_qos_0;
    mqtt_3_3_1_4_client_sends_and_takes_no_qos_3: publish::client_sends_no_qos_3;
    mqtt_3_3_2_1_client_sends_the_topic_first: publish::client_sends_the_topic_first;
    mqtt_3_3_2_2_client_puts_no_wildcards_into_topics: publish::client_puts_no_wildcards_into_topics;
    mqtt_3_3_4_1_client_answers_by_qos: publish::client_answers_by_qos;
    mqtt_3_6_1_1_client_closes_on_wrong_pubrel_flags: packets::client_closes_on_wrong_pubrel_flags;
    mqtt_3_8_1_1_client_sends_0010_in_subscribe: requests::client_sends_0010_in_subscribe;
    mqtt_3_8_3_1_client_sends_well_formed_filters: requests::client_sends_well_formed_filters;
    mqtt_3_8_3_3_client_sends_no_request_without_filter: requests::client_sends_no_request_without_filter;
    mqtt_3_9_3_2_client_closes_on_wrong_suback_codes: requests::client_closes_on_wrong_suback_codes;
    mqtt_3_10_1_1_client_sends_0010_in_unsubscribe: requests::client_sends_0010_in_unsubscribe;
    mqtt_3_10_3_1_client_sends_well_formed_filters: requests::client_sends_well_formed_filters;
    mqtt_3_10_3_2_client_sends_no_request_without_filter: requests::client_sends_no_request_without_filter;
    mqtt_3_14_4_1_client_closes_after_disconnect: connect::client_closes_after_disconnect;
    mqtt_3_14_4_2_client_sends_nothing_after_disconnect: connect::client_closes_after_disconnect;
    mqtt_4_1_0_1_client_keeps_state_over_the_whole_session: connect::client_keeps_state_while_connected;
    mqtt_4_1_0_2_client_keeps_state_while_connected: connect::client_keeps_state_while_connected;
    mqtt_4_3_1_1_client_sends_qos_0_plainly: flow::client_sends_qos_0_plainly;
    mqtt_4_3_2_1_client_sends_qos_1_by_the_rules: flow::client_sends_qos_1_by_the_rules;
    mqtt_4_3_2_2_client_receives_qos_1_by_the_rules: flow::client_receives_qos_1_by_the_rules;
    mqtt_4_3_3_1_client_sends_qos_2_by_the_rules: flow::client_sends_qos_2_by_the_rules;
    mqtt_4_3_3_2_client_receives_qos_2_by_the_rules: flow::client_receives_qos_2_by_the_rules;
    mqtt_4_3_3_2_client_receives_once_what_its_program_acknowledges: flow::client_receives_once_what_its_program_acknowledges;
    mqtt_4_4_0_1_client_sends_again_on_resumption: flow::client_sends_again_on_resumption_only;
    mqtt_4_5_0_2_client_acknowledges_what_it_did_not_ask_for: publish::client_acknowledges_what_it_did_not_ask_for;
    mqtt_4_6_0_1_client_sends_again_in_order: flow::client_sends_again_in_order;
    mqtt_4_6_0_2_client_sends_pubacks_in_order: flow::client_sends_pubacks_in_order;
    mqtt_4_6_0_3_client_sends_pubrecs_in_order: flow::client_sends_pubrecs_in_order;
    mqtt_4_6_0_4_client_sends_pubrels_in_the_order_of_pubrecs: flow::client_sends_pubrels_in_the_order_of_pubrecs;
    mqtt_4_7_1_1_client_puts_no_wildcards_into_topics: publish::client_puts_no_wildcards_into_topics;
    mqtt_4_7_1_2_client_puts_multi_level_wildcards_alone_and_last: requests::client_puts_multi_level_wildcards_alone_and_last;
    mqtt_4_7_1_3_client_puts_single_level_wildcards_alone: requests::client_puts_single_level_wildcards_alone;
    mqtt_4_7_3_1_client_wants_at_least_one_character: publish::client_wants_at_least_one_character;
    mqtt_4_7_3_2_client_closes_on_nul: packets::client_closes_on_nul;
    mqtt_4_7_3_3_client_uses_topics_of_at_most_65535_bytes: publish::client_uses_topics_of_at_most_65535_bytes;
    mqtt_4_8_0_1_client_closes_on_packets_that_only_a_client_sends: packets::client_closes_on_packets_that_only_a_client_sends;
    mqtt_7_1_2_1_client_takes_a_stream_of_bytes: connect::client_takes_a_stream_of_bytes;
    v311_u01_client_closes_on_packets_that_are_too_long: packets::client_closes_on_packets_that_only_a_client_sends;
    v311_u02_client_closes_on_packets_that_only_a_client_sends: packets::client_closes_on_packets_that_only_a_client_sends;
    v311_u03_client_gives_any_bytes_as_password: connect::client_gives_any_bytes_as_password;
    v311_u10_client_takes_messages_before_suback: requests::client_takes_messages_before_suback;
    v311_u11_client_is_silent_at_keep_alive_0: connect::client_is_silent_at_keep_alive_0;
    v311_u11_client_closes_when_the_server_is_silent: connect::client_closes_when_the_server_is_silent;
    v311_u12_client_sends_again_on_resumption_only: flow::client_sends_again_on_resumption_only;
}

#[test]
fn mqtt_3_1_2_22_client_sends_no_password_without_user_name() {
    let world = ClientWorld::new(V311, |config| config.password = Some("p".into()));
    assert!(world.command(|client, now| client.connect(now)).is_err());
}

#[test]
fn mqtt_3_1_3_7_client_gives_an_empty_id_with_clean_session_only() {
    let (_, connect) = ClientWorld::new(V311, |config| config.client_id = "".into()).dial();
    assert_eq!(connect.bytes, libmqtt_conformance::wire::Wire::wire(&Connect::new(""), V311));
    let world = ClientWorld::new(V311, |config| {
        crate::duty::client::lasting(config);
        config.client_id = "".into();
    });
    assert!(world.command(|client, now| client.connect(now)).is_err());
}

/// Before and after: the state of a Clean Session 1 connection is never used again.
#[test]
fn mqtt_3_1_2_6_client_never_uses_the_state_of_a_clean_session_again() {
    let (world, mut server) = ClientWorld::online(V311, |config| config.keep_alive_s = 0);
    world.publish("t", "x", 2).expect("a connection");
    server.next_of(Kind::Publish);
    server.cut();
    world.advance(secs(1));
    let mut server = world.connect_with(connack(false, 0));
    assert!(server.drain().iter().all(|seen| !seen.dup()));
}
