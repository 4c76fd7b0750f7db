//! What binds the client. Here stands what it has in common with 3.1.1.

mod auth;
mod codes;
mod data;
mod disconnect;
mod flow;
mod limits;
mod publish;
mod unnumbered;

use std::collections::BTreeSet;

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{connack, prop};
use libmqtt_conformance::{ClientWorld, Peer, vectors};

use crate::duty::client::{
    connect as start, flow as flows, packets, publish as messages, requests,
};

same! { V5;
    mqtt_1_5_4_1_client_closes_on_ill_formed_utf8: packets::client_closes_on_ill_formed_utf8;
    mqtt_1_5_4_2_client_closes_on_nul: packets::client_closes_on_nul;
    mqtt_1_5_4_3_client_keeps_the_byte_order_mark: packets::client_keeps_the_byte_order_mark;
    mqtt_1_5_7_1_client_closes_on_ill_formed_string_pairs: packets::client_closes_on_ill_formed_utf8;
    mqtt_2_1_3_1_client_sends_the_reserved_flags: packets::client_sends_the_reserved_flags;
    mqtt_2_1_3_1_client_closes_on_wrong_flags: packets::client_closes_on_wrong_flags;
    mqtt_2_2_1_2_client_sends_no_id_at_qos_0: packets::client_sends_no_id_at_qos_0;
    mqtt_2_2_1_3_client_numbers_from_1_without_repeats: packets::client_numbers_from_1_without_repeats;
    mqtt_2_2_1_3_client_holds_an_id_until_acknowledged: packets::client_holds_an_id_until_acknowledged;
    mqtt_2_2_1_5_client_acknowledges_with_the_same_id: packets::client_acknowledges_with_the_same_id;
    mqtt_3_1_0_1_client_sends_connect_first: start::client_sends_connect_first;
    mqtt_3_1_2_1_client_gives_the_protocol_name: start::client_gives_the_protocol_name;
    mqtt_3_1_2_4_client_forgets_its_session_with_clean_start: start::client_forgets_its_session_with_clean_start;
    mqtt_3_1_2_9_client_sends_a_whole_will: start::client_sends_a_whole_will;
    mqtt_3_1_2_11_client_sends_will_qos_0_without_will: start::client_sends_nothing_of_a_will_without_will;
    mqtt_3_1_2_12_client_sends_will_qos_0_to_2: start::client_sends_a_whole_will;
    mqtt_3_1_2_13_client_sends_will_retain_0_without_will: start::client_sends_nothing_of_a_will_without_will;
    mqtt_3_1_2_16_client_sends_no_user_name_without_flag: start::client_sends_user_name_and_password_as_flagged;
    mqtt_3_1_2_17_client_sends_the_user_name_with_flag: start::client_sends_user_name_and_password_as_flagged;
    mqtt_3_1_2_18_client_sends_no_password_without_flag: start::client_sends_user_name_and_password_as_flagged;
    mqtt_3_1_2_19_client_sends_the_password_with_flag: start::client_sends_user_name_and_password_as_flagged;
    mqtt_3_1_2_20_client_pings_within_keep_alive: start::client_pings_within_keep_alive;
    mqtt_3_1_2_23_client_keeps_its_session: start::client_keeps_its_session;
    mqtt_3_1_3_1_client_writes_the_payload_in_order: start::client_writes_the_payload_in_order;
    mqtt_3_1_3_2_client_keeps_state_by_id: start::client_keeps_state_by_id;
    mqtt_3_1_3_3_client_always_gives_an_id: start::client_always_gives_an_id;
    mqtt_3_1_3_4_client_gives_a_proper_id: start::client_connects_with_proper_strings;
    mqtt_3_1_3_11_client_gives_a_proper_will_topic: start::client_connects_with_proper_strings;
    mqtt_3_1_3_12_client_gives_a_proper_user_name: start::client_connects_with_proper_strings;
    mqtt_3_2_2_5_client_starts_anew_when_the_session_is_lost: flows::client_starts_anew_when_the_session_is_lost;
    mqtt_3_3_1_1_client_sets_dup_when_it_sends_again: messages::client_sets_dup_when_it_sends_again;
    mqtt_3_3_1_2_client_never_sets_dup_at_qos_0: messages::client_never_sets_dup_at_qos_0;
    mqtt_3_3_1_4_client_sends_and_takes_no_qos_3: messages::client_sends_no_qos_3;
    mqtt_3_3_2_1_client_sends_the_topic_first: messages::client_sends_the_topic_first;
    mqtt_3_3_2_2_client_puts_no_wildcards_into_topics: messages::client_puts_no_wildcards_into_topics;
    mqtt_3_3_4_1_client_answers_by_qos: messages::client_answers_by_qos;
    mqtt_3_6_1_1_client_closes_on_wrong_pubrel_flags: packets::client_closes_on_wrong_pubrel_flags;
    mqtt_3_8_1_1_client_sends_0010_in_subscribe: requests::client_sends_0010_in_subscribe;
    mqtt_3_8_3_1_client_sends_well_formed_filters: requests::client_sends_well_formed_filters;
    mqtt_3_8_3_2_client_sends_no_request_without_filter: requests::client_sends_no_request_without_filter;
    mqtt_3_10_1_1_client_sends_0010_in_unsubscribe: requests::client_sends_0010_in_unsubscribe;
    mqtt_3_10_3_1_client_sends_well_formed_filters: requests::client_sends_well_formed_filters;
    mqtt_3_10_3_2_client_sends_no_request_without_filter: requests::client_sends_no_request_without_filter;
    mqtt_3_14_4_1_client_sends_nothing_after_disconnect: start::client_closes_after_disconnect;
    mqtt_3_14_4_2_client_closes_after_disconnect: start::client_closes_after_disconnect;
    mqtt_4_1_0_1_client_keeps_state_while_connected: start::client_keeps_state_while_connected;
    mqtt_4_2_0_1_client_takes_a_stream_of_bytes: start::client_takes_a_stream_of_bytes;
    mqtt_4_3_1_1_client_sends_qos_0_plainly: flows::client_sends_qos_0_plainly;
    mqtt_4_3_2_1_client_sends_qos_1_with_a_new_id: flows::client_sends_qos_1_with_a_new_id;
    mqtt_4_3_2_2_client_sends_qos_1_first_without_dup: flows::client_sends_qos_1_first_without_dup;
    mqtt_4_3_2_3_client_holds_qos_1_until_puback: flows::client_holds_qos_1_until_puback;
    mqtt_4_3_2_4_client_acknowledges_qos_1: flows::client_acknowledges_qos_1;
    mqtt_4_3_2_5_client_takes_a_qos_1_id_again_after_puback: flows::client_takes_a_qos_1_id_again_after_puback;
    mqtt_4_3_3_1_client_sends_qos_2_with_a_new_id: flows::client_sends_qos_2_with_a_new_id;
    mqtt_4_3_3_2_client_sends_qos_2_first_without_dup: flows::client_sends_qos_2_first_without_dup;
    mqtt_4_3_3_3_client_holds_qos_2_until_pubrec: flows::client_holds_qos_2_until_pubrec;
    mqtt_4_3_3_4_client_answers_pubrec_with_pubrel: flows::client_answers_pubrec_with_pubrel;
    mqtt_4_3_3_5_client_holds_pubrel_until_pubcomp: flows::client_holds_pubrel_until_pubcomp;
    mqtt_4_3_3_6_client_sends_no_publish_again_after_pubrel: flows::client_sends_no_publish_again_after_pubrel;
    mqtt_4_3_3_8_client_answers_qos_2_with_pubrec: flows::client_answers_qos_2_with_pubrec;
    mqtt_4_3_3_10_client_receives_a_repeated_qos_2_message_once: flows::client_receives_a_repeated_qos_2_message_once;
    mqtt_4_3_3_10_client_receives_once_what_its_program_acknowledges: flows::client_receives_once_what_its_program_acknowledges;
    mqtt_4_3_3_11_client_answers_pubrel_with_pubcomp: flows::client_answers_pubrel_with_pubcomp;
    mqtt_4_3_3_12_client_takes_a_qos_2_id_again_after_pubcomp: flows::client_takes_a_qos_2_id_again_after_pubcomp;
    mqtt_4_4_0_1_client_sends_again_on_resumption_only: flows::client_sends_again_on_resumption_only;
    mqtt_4_5_0_2_client_acknowledges_what_it_did_not_ask_for: messages::client_acknowledges_what_it_did_not_ask_for;
    mqtt_4_6_0_1_client_sends_again_in_order: flows::client_sends_again_in_order;
    mqtt_4_6_0_2_client_sends_pubacks_in_order: flows::client_sends_pubacks_in_order;
    mqtt_4_6_0_3_client_sends_pubrecs_in_order: flows::client_sends_pubrecs_in_order;
    mqtt_4_6_0_4_client_sends_pubrels_in_the_order_of_pubrecs: flows::client_sends_pubrels_in_the_order_of_pubrecs;
    mqtt_4_7_0_1_client_puts_no_wildcards_into_topics: messages::client_puts_no_wildcards_into_topics;
    mqtt_4_7_1_1_client_puts_multi_level_wildcards_alone_and_last: requests::client_puts_multi_level_wildcards_alone_and_last;
    mqtt_4_7_1_2_client_puts_single_level_wildcards_alone: requests::client_puts_single_level_wildcards_alone;
    mqtt_4_7_3_1_client_wants_at_least_one_character: messages::client_wants_at_least_one_character;
    mqtt_4_7_3_2_client_closes_on_nul: packets::client_closes_on_nul;
    mqtt_4_7_3_3_client_uses_topics_of_at_most_65535_bytes: messages::client_uses_topics_of_at_most_65535_bytes;
    mqtt_4_13_2_1_client_takes_a_refusal_as_the_end: start::client_takes_a_refusal_as_the_end;
    v5_u01_client_takes_discouraged_characters: packets::client_takes_discouraged_characters;
    v5_u02_client_closes_on_packets_that_are_too_long: packets::client_closes_on_packets_that_only_a_client_sends;
    v5_u03_client_closes_on_reserved_types: packets::client_closes_on_packets_that_only_a_client_sends;
    v5_u04_client_closes_on_wrong_flags: packets::client_closes_on_wrong_flags;
    v5_u05_client_numbers_apart_from_the_server: flows::client_numbers_apart_from_the_server;
    v5_u06_client_closes_on_id_0: packets::client_closes_on_id_0;
    v5_u12_client_is_silent_at_keep_alive_0: start::client_is_silent_at_keep_alive_0;
    v5_u13_client_closes_when_the_server_is_silent: start::client_closes_when_the_server_is_silent;
    v5_u29_client_closes_on_qos_3: packets::client_closes_on_qos_3;
    v5_u42_client_takes_messages_before_suback: requests::client_takes_messages_before_suback;
    v5_u59_client_says_why_it_closes: packets::client_closes_on_packets_that_only_a_client_sends;
}

/// A client whose server's CONNACK says this.
fn limited(property: Vec<u8>) -> (ClientWorld, Peer) {
    ClientWorld::online_with(V5, |_| {}, connack(false, 0).prop(property))
}

/// The Reason Codes that a client may send in this packet, by mqtt5-reason-codes.csv.
fn codes_of(packet: &str) -> BTreeSet<u8> {
    vectors::rows("mqtt5-reason-codes.csv")
        .iter()
        .filter(|row| row["packet"] == packet && row["sent_by"] != "server")
        .map(|row| row["value_dec"].parse().expect("a number"))
        .collect()
}

/// A client that has ten messages for a server that takes so many at once.
fn swamped(maximum: u16) -> (ClientWorld, Peer) {
    let (world, server) = limited(prop::receive_maximum(maximum));
    (0..10).for_each(|n| {
        world.publish("t", "x", 1 + n % 2).expect("a queue");
    });
    (world, server)
}
